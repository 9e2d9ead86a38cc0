"""`frbench history`: many runs in, their figures over time or version out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import click
from rich.console import Console, Group, RenderableType
from rich.text import Text

from frbench import files
from frbench.commands.options.common import PATH
from frbench.page import time_cells, words
from frbench.page.history import render_history
from frbench.reading.systems.history import History, Line, Order, read
from frbench.reading.systems.run_figures import Name, is_of_everybody
from frbench.reading.systems.time_figures import WORK
from frbench.terminal import figures
from frbench.terminal.figures import UNDEFINED, sentences


@click.command(name="history")
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--by", "order", type=click.Choice(get_args(Order)), default="time", show_default=True,
              help="Order of runs: when they were made, or the names of their directories, v2 before v10.")  # fmt: skip
@click.option("--out", type=PATH, help="Write a page, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--quiet", is_flag=True, help="No tables.")
def command(directory: Path, order: Order, out: Path | None, as_json: bool, quiet: bool) -> None:
    """Show the figures of all runs below DIRECTORY, with their intervals, over time or version.

    Rates stand in one line where runs are of the same trials, times where machine and work are the same; other runs
    stand apart, and what differs is named.

    \b
    frbench history out/nightly --out history.html
    frbench history out/releases --by version --json
    """
    found = read(directory, order=order)
    if out is not None:
        files.write(out, render_history(found))
    if as_json:
        click.echo(json.dumps(found.to_json()))
    elif not quiet:
        show(found)
        if out is not None:
            click.echo(f"history: {out}")


def show(history: History, console: Console | None = None) -> None:
    """Prints a history: a table for each line, of the figures of everybody and within groups."""
    figures.terminal(console).print(Group(*_tables(history)))


def _tables(history: History) -> Iterator[RenderableType]:
    for line in history.lines:
        differs = f"; apart, for other {words.listed(list(line.differs))}" if line.differs else ""
        yield Text(f"{line.kind}, {words.plural(len(line.runs), 'run')}{differs}", style="bold")
        table = figures.table("run", "figure", "value", "95% interval", "k / n")
        for name in line.names:
            if name.group_a == name.group_b:
                for cells in _rows(line, name):
                    table.add_row(*cells)
        yield table
        yield from map(Text, sentences(_missing(line)))
        yield ""
    for run, reason in history.left_out:
        yield Text(f"left out: {run}: {reason}", style="yellow")


def _missing(line: Line) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Figures without a value or an interval, by title and run."""
    for name in line.names:
        if name.group_a == name.group_b:
            for run, figure in line.points(name):
                yield _title(name), run.name, vars(figure)


def _title(name: Name) -> str:
    rank = f" rank {name.rank}" if name.rank else ""
    group = "" if is_of_everybody(name) else f" {name.group_a}"
    return f"{name.metric}{rank}{group}{f' at {name.at}' if name.at else ''}"


def _rows(line: Line, name: Name) -> Iterator[tuple[str, ...]]:
    form = figures.power if name.metric in ("fmr", "fpir") else figures.percent
    title = _title(name)
    for run, figure in line.points(name):
        if line.kind not in WORK:
            yield run.name, title, *figures.rate(vars(figure), form)
        elif figure.value is None:
            yield run.name, title, UNDEFINED, "", f"- / {figure.n:,}"
        else:
            cell = time_cells.cell(name.metric, vars(figure))
            ends = "" if figure.low is None else cell.interval
            yield run.name, title, cell.value, ends, cell.share or f"- / {figure.n:,}"
