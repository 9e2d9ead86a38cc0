"""The command `frbench token`: a secret for a caller, and what the server needs to know of it."""

from __future__ import annotations

import hashlib
import json
import math
import secrets

import click

from frbench.errors import InputError

SCOPES = ("search", "enrol", "count", "admin")
TOKEN_BYTES = 32
LONGEST_NAME = 256


@click.command(name="token")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES), help="What it may do.")
@click.option("--rate", type=float, metavar="PER_S", help="Calls a second.  [default: no limit]")
@click.option("--burst", type=click.IntRange(1, 2**32 - 1), help="Calls at once.  [default: those of a second]")
def command(name: str, scopes: tuple[str, ...], rate: float | None, burst: int | None) -> None:
    """Make a token for the caller NAME, and the entry for the configuration of the server.

    \b
    frbench token desk-4 --scope search
    frbench token sweeper --scope count --rate 100 --burst 20

    The token is printed once and kept nowhere: the server knows its SHA-256 alone.
    """
    if not name.isprintable() or not 1 <= len(name.encode()) <= LONGEST_NAME:
        raise InputError(f"NAME is {name!r}, expected 1 to {LONGEST_NAME} bytes that can be printed")
    if rate is not None and not 0 < rate <= 1e9:
        raise InputError(f"--rate is {rate}, expected above 0 and at most 1e9 calls a second")
    if burst is not None and rate is None:
        raise InputError("--burst is given without --rate, expected both or neither")
    secret = secrets.token_urlsafe(TOKEN_BYTES)
    click.echo(f"# token of {name}, shown once:\n{secret}\n\n# for the configuration of the server:")
    click.echo(stanza(name, secret, scopes=scopes, rate=rate, burst=burst), nl=False)


def stanza(name: str, secret: str, *, scopes: tuple[str, ...], rate: float | None, burst: int | None) -> str:
    """The entry of a token in the configuration, as TOML."""
    lines = [
        "[[tokens]]",
        # JSON strings are TOML strings.
        f"name = {json.dumps(name, ensure_ascii=False)}",
        f'sha256 = "{hashlib.sha256(secret.encode()).hexdigest()}"',
        f"scopes = {json.dumps(list(dict.fromkeys(scopes)))}",
    ]
    if rate is not None:
        lines += [f"rate_per_s = {float(rate)!r}", f"burst = {math.ceil(rate) if burst is None else burst}"]
    return "\n".join(lines) + "\n"
