"""Puts several options on a command, in the order in which its help shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Command = Callable[..., None]


def decorated(options: Sequence[Callable[[Any], Any]], command: Command) -> Command:
    """`command` with these options."""
    for option in reversed(options):
        command = option(command)
    return command
