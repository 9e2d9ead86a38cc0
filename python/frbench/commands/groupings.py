"""Groupings: labels to count by, alone or several together, as options say them."""

from __future__ import annotations

from collections.abc import Iterable

import click


def groupings_of(values: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """The columns of each value, COLUMN[,COLUMN]; what is said twice counts once."""
    return tuple(dict.fromkeys(tuple(c.strip() for c in value.split(",")) for value in values))


def groupings(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The same, as the callback of an option."""
    return groupings_of(values)
