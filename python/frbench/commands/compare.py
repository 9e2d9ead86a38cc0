"""`frbench compare`: finished runs in, the paired differences out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from frbench import figures, files
from frbench.errors import InputError
from frbench.plan import ALL, OVERALL
from frbench.report.comparison import render_comparison
from frbench.systems.compare import Run, compare
from frbench.systems.times import compare_times

PIPE_WIDTH = 190
SEVERAL = {"schema": "frbench.comparisons", "schema_version": 1}
PATH = click.Path(path_type=Path)


@click.command(name="compare")
@click.argument("a", type=PATH)
@click.argument("others", metavar="B...", nargs=-1, required=True, type=PATH)
@click.option("--threshold-a", type=float, help="Threshold of A.  [default: those both set at the same rate]")
@click.option("--threshold-b", type=float, help="Threshold of B.")
@click.option("--rank", type=int, help="Rank at which misses of 1:N are compared.  [default: 1]")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Directory for comparison.json and report.html."
)
@click.option("--json", "as_json", is_flag=True, help="Print comparison.json instead of tables.")
@click.option("--quiet", is_flag=True, help="No tables.")
def compare_command(
    a: Path,
    others: tuple[Path, ...],
    threshold_a: float | None,
    threshold_b: float | None,
    rank: int | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Compare run A with each run B: of systems on the same template ids, or timed on the same work.

    Differences are of B against A, paired: subjects are left out of both at once. Runs of other subjects, labels or
    protocols, and times of other machines, are refused with exit code 3.

    \b
    frbench compare out/old out/new
    frbench compare out/old out/new --threshold-a 0.62 --threshold-b 0.58 --out out/compared
    frbench compare out/timed-old out/timed-new --out out/compared
    """
    if (threshold_a is None) != (threshold_b is None):
        raise InputError("expected both --threshold-a and --threshold-b, or neither")
    if threshold_a is not None and len(others) > 1:
        raise InputError(f"--threshold-b is of one run, got {len(others)}; compare them one by one")
    thresholds = None if threshold_a is None or threshold_b is None else (threshold_a, threshold_b)
    if out is not None:
        files.prepare(out)
    runs = [Run.read(path) for path in (a, *others)]
    compared = [_compared(runs[0], run, thresholds, rank) for run in runs[1:]]
    found = compared[0] if len(compared) == 1 else {**SEVERAL, "comparisons": compared}
    if out is not None:
        files.write_json(out / "comparison.json", found)
        files.write(out / "report.html", render_comparison(compared, runs))
    if as_json:
        click.echo(json.dumps(found))
    elif not quiet:
        for each in compared:
            show(each)
        if out is not None:
            click.echo(f"comparison: {out / 'comparison.json'}\nreport: {out / 'report.html'}")


def _compared(a: Run, b: Run, thresholds: tuple[float, float] | None, rank: int | None) -> dict[str, Any]:
    if "latency" in (a.results["kind"], b.results["kind"]):
        if thresholds is not None or rank is not None:
            raise InputError("times have no thresholds and no ranks; leave --threshold-a, --threshold-b and --rank out")
        return compare_times(a, b)
    return compare(a, b, thresholds=thresholds, rank=rank)


def show(comparison: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints a comparison as tables, one for each pair of thresholds."""
    tables = time_tables(comparison) if comparison.get("kind") == "latency" else _tables(comparison)
    figures.terminal(console, pipe_width=PIPE_WIDTH).print(Group(*tables))


def time_tables(comparison: Mapping[str, Any]) -> Iterator[RenderableType]:
    """A table of times, with ratios."""
    yield Text(f"A: {comparison['a']['name']}\nB: {comparison['b']['name']}")
    for note in comparison["notes"]:
        yield Text(f"{note}\n", style="yellow")
    table = figures.table("", "group", "A", "B", "B / A", "95% interval", "requests of A, B")
    for row in comparison["rows"]:
        unit = "" if row["metric"] == "probes_per_second" else " ns"
        sides = ["-" if row[s]["value"] is None else f"{row[s]['value']:,.0f}{unit}" for s in ("a", "b")]
        ends = "-" if row["low"] is None else f"{row['low']:.3g} - {row['high']:.3g}"
        factor = "-" if row["ratio"] is None else f"{row['ratio']:.3g}"
        group = OVERALL if row["grouping"] == ALL else row["group_a"]
        table.add_row(
            f"{row['metric']}, {row['at']}", group, *sides, factor, ends, f"{row['a']['n']:,}, {row['b']['n']:,}"
        )
    yield table


def _tables(comparison: Mapping[str, Any]) -> Iterator[RenderableType]:
    yield Text(f"A: {comparison['a']['name']}\nB: {comparison['b']['name']}")
    yield Text(
        "The same trials in both. Difference: rate of B less rate of A, with a paired 95% interval. k / n: errors / "
        f"trials; failed templates: {comparison['failed_policy']}.\n"
    )
    for note in comparison["notes"]:
        yield Text(f"{note}\n", style="yellow")
    for setting in comparison["settings"]:
        rows = [r for r in comparison["rows"] if (r["at"], r["thresholds"]) == (setting["at"], setting["thresholds"])]
        if rows:
            yield Text(_heading(setting, rows), style="bold")
            yield _table(rows)
            yield ""


def _heading(setting: Mapping[str, Any], rows: list[Mapping[str, Any]]) -> str:
    a, b = setting["thresholds"]
    if a is None or b is None:
        return "without a threshold"
    origin = f" ({setting['at']} of {setting['population']})" if setting["at"] else ""
    how = "set again without each block" if rows[0]["thresholds_set_again"] else "held fixed"
    return f"thresholds {a:.9g} of A and {b:.9g} of B{origin}, {how}"


def _table(rows: list[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "group"):
        table.add_column(column, no_wrap=True)
    for column in ("A", "k / n", "B", "k / n", "difference", "B / A"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("in words")
    for row in rows:
        form = figures.power if row["metric"] in ("fmr", "fpir") else figures.percent
        sides = (text for side in (row["a"], row["b"]) for text in _rate(side, form))
        table.add_row(_metric(row), _group(row), *sides, _difference(row, form), _ratio(row), Text(_in_words(row)))
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
    if row["ratio"] is None:
        return "-"
    value = f"{row['ratio']:.3g}"
    return value if row["ratio_low"] is None else f"{value} [{row['ratio_low']:.3g}, {row['ratio_high']:.3g}]"
