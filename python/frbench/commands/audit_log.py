"""The command `frbench audit-log`: whether the log of a server is whole."""

from __future__ import annotations

import json
from pathlib import Path

import click

from frbench.service import audit_log


@click.group(name="audit-log")
def command() -> None:
    """Check the audit log that `frbench serve` writes."""


@command.command(name="verify", short_help="Whether every line is there, as it was written.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--head", "anchor", metavar="HASH", help="Hash of a line, printed before and kept elsewhere.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify_command(file: Path, anchor: str | None, as_json: bool) -> None:
    """Say whether every line of FILE is there, as the server wrote it. Exit code 1: it is not.

    \b
    frbench audit-log verify audit.jsonl
    frbench audit-log verify audit.jsonl --head 9f86d0...

    Who can write the log and its head file can forge both. Keep the printed hash where they cannot, and give it with
    --head: the line that it names must still be there.
    """
    found = audit_log.verify(file, anchor=anchor)
    if as_json:
        click.echo(json.dumps(vars(found)))
        return
    when = "" if found.lines == 0 else f", from {found.first} to {found.last}"
    click.echo(f"{found.lines:,} lines, whole{when}, head {found.head}")
    if found.unanchored:
        click.echo(f"note: the last {found.unanchored:,} are covered by no head file: an end cut off there is not seen")
