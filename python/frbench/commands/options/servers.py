"""Options of commands that call a server: who calls, and whom the caller trusts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from frbench.commands.options.decorated import decorated
from frbench.service.credentials import ENVIRONMENT, Credentials, token_of

FILE = click.Path(path_type=Path, dir_okay=False)


def server_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options to a command."""
    options = [
        click.option("--token-file", type=FILE,
                     help=f"File with the token that servers ask for. Also {ENVIRONMENT}, the token itself."),
        click.option("--ca", type=FILE, help="Authorities that sign servers, PEM.  [default: those of the system]"),
        click.option("--cert", type=FILE, help="Certificate to show to servers, PEM; with --key."),
        click.option("--key", type=FILE, help="Key of --cert, PEM."),
    ]  # fmt: skip
    return decorated(options, command)


def credentials_of(given: Mapping[str, Any]) -> Credentials:
    """What these options say.

    Raises
    ------
    InputError : a token that cannot be read, or a certificate without its key.
    """
    token_file, ca, certificate, key = (given.get(name) for name in ("token_file", "ca", "cert", "key"))
    return Credentials(token_of(token_file), ca, certificate, key)
