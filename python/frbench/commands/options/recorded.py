"""Options of `verify` and `identify` for what other programs recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from frbench.choices import LOG_FORMATS, SCORE_FORMATS
from frbench.commands.options.common import PATH
from frbench.commands.options.decorated import decorated
from frbench.errors import InputError

Command = Callable[..., None]


def score_options(command: Command) -> Command:
    """Options of `verify` for recorded scores."""
    options = [
        click.option("--scores", type=PATH, help="Count scores that another program recorded, instead of TEMPLATES."),
        click.option("--impostors", type=PATH, help="The non-mated scores of --format pyeer; --scores has the mated."),
        *_shared(SCORE_FORMATS, "score=cosine,mated=label"),
    ]
    return decorated(options, command)


def candidate_options(command: Command) -> Command:
    """Options of `identify` for recorded candidate lists."""
    options = [
        click.option("--enrolled", type=PATH, help="Who is enrolled: template_id, subject_id."),
        click.option("--searches", type=PATH, help="Who searches: search_id, subject_id and labels."),
        *_shared(LOG_FORMATS, "search=probe,template=hit"),
    ]
    return decorated(options, command)


def parse_columns(text: str) -> dict[str, str]:
    """Column names by role, of `score=s,probe_subject=p`.

    Raises
    ------
    InputError : not written so, or a role named twice.
    """
    pairs = [item.partition("=") for item in text.split(",")]
    roles = [role.strip() for role, _, _ in pairs]
    for (role, equals, name), again in zip(pairs, (roles.count(role) > 1 for role in roles), strict=True):
        if not equals or not name.strip() or again:
            raise InputError(
                f"--columns '{text}': '{role}{equals}{name}' {'is given twice' if again else 'is no name'}, expected "
                "ROLE=COLUMN with commas between them, such as score=cosine,mated=label"
            )
    return {role.strip(): name.strip() for role, _, name in pairs}


def _shared(formats: tuple[str, ...], example: str) -> list[Callable[..., Any]]:
    return [
        click.option("--format", type=click.Choice(formats), help="How the recorded file is written."),
        click.option("--columns", callback=_columns, metavar="ROLE=COLUMN,...",
                     help=f"Columns of a recorded csv, Parquet or Arrow file, such as {example}."),
        click.option("--distance", is_flag=True, help="Recorded scores are distances: lower is more alike."),
        click.option("--similarity", is_flag=True,
                     help="Recorded scores are similarities, even where they look reversed."),
    ]  # fmt: skip


def _columns(_: click.Context, __: click.Parameter, text: str | None) -> dict[str, str] | None:
    return None if text is None else parse_columns(text)


def length_and_file(values: tuple[str, ...]) -> tuple[int | None, Path | None]:
    """What `--candidates` means: the length of lists if it is a number, else a file of recorded ones."""
    numbers = [int(value) for value in values if value.lstrip("-").isdecimal()]
    paths = [Path(value) for value in values if not value.lstrip("-").isdecimal()]
    if len(numbers) > 1 or len(paths) > 1:
        raise InputError(f"--candidates is given {len(values)} times, expected a length, a file, or one of each")
    return (numbers[0] if numbers else None), (paths[0] if paths else None)
