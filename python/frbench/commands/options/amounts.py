"""Reads numbers, times and shares as people write them, as values of options."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any

import click

from frbench.choices import groupings_of
from frbench.errors import InputError

MOST = 1 << 63
SECONDS = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0}


def seconds(_: click.Context, option: click.Parameter, text: str) -> float:
    """30s, 250ms or 2m in seconds."""
    number = text.rstrip("mins")
    try:
        found = float(number) * SECONDS[text[len(number) :]]
        if not isfinite(found):
            raise ValueError
    except (KeyError, ValueError) as error:
        raise InputError(f"{option.opts[0]} is '{text}', expected a time such as 30s or 2m") from error
    return found


def share(_: click.Context, option: click.Parameter, text: str | None) -> float | None:
    """3% or 0.03 as 0.03."""
    if text is None:
        return None
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError as error:
        raise InputError(f"{option.opts[0]} is '{text}', expected a share such as 3% or 0.03") from error


def numbers(kind: Callable[[str], Any], _: click.Context, option: click.Parameter, text: str | None) -> tuple[Any, ...]:
    """1,2,3 as a tuple of `kind`; () of nothing."""
    try:
        return tuple(kind(item) for item in text.split(",")) if text else ()
    except ValueError as error:
        raise InputError(f"{option.opts[0]} is '{text}', expected numbers with commas between them") from error


def parameters(_: click.Context, option: click.Parameter, text: str | None) -> dict[str, int]:
    """M=16,ef_construction=200 as numbers by name."""
    found = {}
    for item in text.split(",") if text else ():
        name, equals, value = item.partition("=")
        if not equals or not value.strip().isdecimal():
            raise InputError(f"{option.opts[0]} is '{text}', expected NAME=N,NAME=N, such as M=16,ef_construction=200")
        found[name.strip()] = int(value)
    return found


def whole(_: click.Context, option: click.Parameter, text: str | None) -> int | None:
    """3e9 or 3000000000 as a whole number, from 1 to what 64 bits hold."""
    if text is None:
        return None
    try:
        number = Decimal(text)
        # Compared first: a number of a thousand million digits is not written out.
        if not 1 <= number < MOST or number != int(number):
            raise ValueError
    except (InvalidOperation, ValueError) as error:
        raise InputError(f"{option.opts[0]} is '{text}', expected a whole number above 0, such as 3e9") from error
    return int(number)


def groupings(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The label columns of each value, as the callback of an option."""
    return groupings_of(values)
