"""`frbench compare`: finished runs in, the paired differences out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from frbench import files
from frbench.api import compare
from frbench.commands.options.common import PATH
from frbench.errors import InputError
from frbench.finished_run import FinishedRun
from frbench.page import time_cells
from frbench.page.comparison import render_comparison
from frbench.plan import ALL, OVERALL
from frbench.reading.systems.time_figures import WORK
from frbench.runs.directory import refuse_run
from frbench.terminal import figures
from frbench.terminal.figures import sentences

PIPE_WIDTH = 190
SEVERAL = {"schema": "frbench.comparisons", "schema_version": 1}


@click.command(name="compare")
@click.argument("a", type=PATH)
@click.argument("others", metavar="B...", nargs=-1, required=True, type=PATH)
@click.option("--threshold-a", type=float, help="Threshold of A.  [default: those both set at the same rate]")
@click.option("--threshold-b", type=float, help="Threshold of B.")
@click.option("--rank", type=int, help="Rank at which misses of 1:N are compared.  [default: 1]")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False),
              help="Directory for comparison.json and report.html.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print comparison.json instead of tables.")
@click.option("--quiet", is_flag=True, help="No tables.")
def command(a: Path, others: tuple[Path, ...], out: Path | None, as_json: bool, quiet: bool, **given: Any) -> None:
    """Compare run A with each run B: of systems on the same template ids, or timed on the same work.

    Differences are of B against A, paired: subjects are left out of both at once, and so they are for the ratios
    between groups. Runs of latency and of load have ratios of times and rates. Runs of other subjects, labels or
    protocols, times of other machines, and mixtures of kinds are refused with exit code 3.

    \b
    frbench compare out/old out/new
    frbench compare out/old out/new --threshold-a 0.62 --threshold-b 0.58 --out out/compared
    frbench compare out/timed-old out/timed-new --out out/compared
    frbench compare out/load-old out/load-new --json
    """
    threshold_a, threshold_b = given["threshold_a"], given["threshold_b"]
    if (threshold_a is None) != (threshold_b is None):
        raise InputError("expected both --threshold-a and --threshold-b, or neither")
    if threshold_a is not None and len(others) > 1:
        raise InputError(f"--threshold-b is of one run, got {len(others)}; compare them one by one")
    thresholds = None if threshold_a is None else (threshold_a, threshold_b)
    if out is not None:
        refuse_run(files.prepare(out), "a comparison")
    runs = [FinishedRun.read(path) for path in (a, *others)]
    compared = [compare(runs[0], run, thresholds=thresholds, rank=given["rank"]).to_json() for run in runs[1:]]
    found = compared[0] if len(compared) == 1 else {**SEVERAL, "comparisons": compared}
    if out is not None:
        files.write_json(out / "comparison.json", found)
        files.write(out / "report.html", render_comparison(compared))
    if as_json:
        click.echo(json.dumps(found))
    elif not quiet:
        for each in compared:
            show(each)
        if out is not None:
            click.echo(f"comparison: {out / 'comparison.json'}\nreport: {out / 'report.html'}")


def show(comparison: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints a comparison as tables, one for each pair of thresholds."""
    tables = time_tables(comparison) if comparison.get("kind") in WORK else _tables(comparison)
    figures.terminal(console, pipe_width=PIPE_WIDTH).print(Group(*tables))


def time_tables(comparison: Mapping[str, Any]) -> Iterator[RenderableType]:
    """A table of times, with ratios, and why some are missing."""
    yield Text(f"A: {comparison['a']['name']}\nB: {comparison['b']['name']}")
    for note in comparison["notes"]:
        yield Text(f"{note}\n", style="yellow")
    table = figures.table("", "group", "A", "B", "B / A, of shares B - A", "95% interval", "requests of A, B")
    for row in comparison["rows"]:
        change = time_cells.change(row)
        sides = [time_cells.cell(row["metric"], row[s]) for s in ("a", "b")]
        table.add_row(
            f"{row['metric']}, {row['at']}",
            _group(row),
            *(side.value if side.is_number else side.share or "-" for side in sides),
            change.value if change.is_number else "-",
            change.interval if row["low"] is not None else "-",
            f"{row['a']['n']:,}, {row['b']['n']:,}",
        )
    yield table
    for sentence in sentences(_missing(comparison["rows"])):
        yield Text(sentence, style="dim")


def _missing(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for row in rows:
        value = row["ratio"] if row["difference"] is None else row["difference"]
        yield f"{row['metric']}, {row['at']}", str(_group(row)), {"value": value, "reason": row["reason"]}


def _tables(comparison: Mapping[str, Any]) -> Iterator[RenderableType]:
    yield Text(f"A: {comparison['a']['name']}\nB: {comparison['b']['name']}")
    yield Text(
        "The same trials in both. Difference: rate of B less rate of A, with a paired 95% interval. k / n: errors / "
        f"trials; failed templates: {comparison['failed_policy']}.\n"
    )
    for note in comparison["notes"]:
        yield Text(f"{note}\n", style="yellow")
    for setting in comparison["settings"]:
        rows = _of(comparison["rows"], setting)
        if rows:
            yield Text(_heading(setting, rows), style="bold")
            yield _table(rows)
            yield ""
            yield from _differentials(_of(comparison["differentials"], setting))


def _of(rows: Sequence[Mapping[str, Any]], setting: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [row for row in rows if (row["at"], row["thresholds"]) == (setting["at"], setting["thresholds"])]


def _differentials(rows: list[Mapping[str, Any]]) -> Iterator[RenderableType]:
    """Ratios between groups of both systems, and how far one is the other."""
    if not rows:
        return
    yield Text("ratios between groups: A, B, and B's over A's with a paired 95% interval", style="bold")
    table = _columns("group / reference", "A", "B", "B / A")
    for row in rows:
        ratios = [figures.factor(found) for found in (row["a"], row["b"], row)]
        table.add_row(_metric(row), Text(f"{row['group']} / {row['reference']}"), *ratios, Text(row["verdict"]))
    yield table
    yield ""


def _heading(setting: Mapping[str, Any], rows: list[Mapping[str, Any]]) -> str:
    a, b = setting["thresholds"]
    if a is None or b is None:
        return "without a threshold"
    origin = f" ({setting['at']} of {setting['population']})" if setting["at"] else ""
    how = "set again without each block" if rows[0]["thresholds_set_again"] else "held fixed"
    return f"thresholds {a:.9g} of A and {b:.9g} of B{origin}, {how}"


def _table(rows: list[Mapping[str, Any]]) -> Table:
    table = _columns("group", "A", "k / n", "B", "k / n", "difference", "B / A")
    for row in rows:
        form = figures.power if row["metric"] in ("fmr", "fpir") else figures.percent
        sides = (text for side in (row["a"], row["b"]) for text in _rate(side, form))
        table.add_row(_metric(row), _group(row), *sides, _difference(row, form), _ratio(row), Text(_in_words(row)))
    return table


def _columns(whose: str, *names: str) -> Table:
    """An empty table: a rate, whose it is, its figures, and what they say in words."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", whose):
        table.add_column(column, no_wrap=True)
    for column in names:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("in words")
    return table


def _metric(row: Mapping[str, Any]) -> str:
    rank = f" rank {row['rank']}" if row["rank"] is not None else ""
    return f"{row['metric'].upper()}{rank}"


def _group(row: Mapping[str, Any]) -> Text:
    a, b = row["group_a"], row["group_b"]
    if row["grouping"] == ALL:
        return Text(OVERALL)
    return Text(a if a == b else f"{a} x {b}")


def _in_words(row: Mapping[str, Any]) -> str:
    """The verdict without the numbers that stand beside it."""
    if row["error"] is None or row["low"] is None or row["low"] <= 0 <= row["high"]:
        return str(row["verdict"])
    may_be_chance = row["p_holm"] is not None and row["p_holm"] > 1 - row["level"]
    words = "B is higher" if row["difference"] > 0 else "B is lower"
    return f"{words}; of so many rows, one may be so by chance" if may_be_chance else words


def _rate(side: Mapping[str, Any], form: Callable[[float], str]) -> tuple[str, str]:
    return ("-" if side["value"] is None else form(side["value"])), f"{side['k']:,} / {side['n']:,}"


def _difference(row: Mapping[str, Any], form: Callable[[float], str]) -> str:
    if row["difference"] is None:
        return "-"
    value = form(row["difference"])
    return value if row["low"] is None else f"{value} [{form(row['low'])}, {form(row['high'])}]"


def _ratio(row: Mapping[str, Any]) -> str:
    return figures.factor({"value": row["ratio"], "low": row["ratio_low"], "high": row["ratio_high"]})
