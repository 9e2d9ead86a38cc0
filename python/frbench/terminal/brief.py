"""Shows the rates of a finished run on a few lines: one table a threshold, each rate with its interval and counts."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from frbench.plan import ALL
from frbench.results.types import Estimate, Head, Results
from frbench.terminal import figures
from frbench.terminal.common import heading, name_of, rate_of
from frbench.terminal.figures import UNDEFINED
from frbench.terminal.show import tables

WIDTH = 160
# Error rates that a handful of thousands of trials may show, as powers of ten; others are percentages.
RARE = ("fmr", "fpir")


def text(renderables: Iterator[RenderableType]) -> str:
    """What a terminal would show, without colours."""
    out = io.StringIO()
    console = Console(file=out, width=WIDTH)
    for each in renderables:
        console.print(each)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip()


def brief(results: Results) -> Iterator[RenderableType]:
    """The rates of a run at every threshold; all tables of a kind that has no thresholds."""
    if not rates(results):
        yield from tables(results)
        return
    for title, rows in rates(results):
        yield Text(title, style="bold")
        head, *body = rows
        table = figures.table(head[0], *head[1:])
        for row in body:
            table.add_row(*map(Text, row))
        yield table


def rates(results: Results) -> list[tuple[str, list[Sequence[str]]]]:
    """(heading, rows) of every threshold; the first row names the columns, each other one is a group."""
    if results["kind"] != "verify" and results["kind"] != "identify":
        return []
    rank = results["ranks"][0] if results["kind"] == "identify" else None
    found = []
    for threshold in results["thresholds"]:
        at = [e for e in results["estimates"] if e["threshold"] == threshold and e.get("rank") in (None, rank)]
        metrics = list(dict.fromkeys(e["metric"] for e in at))
        by_group: dict[str, dict[str, Estimate]] = {}
        for each in at:
            by_group.setdefault(_group(results, each), {})[each["metric"]] = each
        titles = [f"{m.upper()} rank {rank}" if m == "fnir" else m.upper() for m in metrics]
        rows: list[Sequence[str]] = [("group", *(c for title in titles for c in (title, "95% interval", "k / n")))]
        rows += [(name, *_cells(several, metrics)) for name, several in by_group.items()]
        found.append((heading(results, threshold), rows))
    return found


def _cells(found: Mapping[str, Estimate], metrics: Sequence[str]) -> Iterator[str]:
    for metric in metrics:
        form = figures.power if metric in RARE else figures.percent
        yield from rate_of(found[metric], form) if metric in found else ("", "", "")


def _group(results: Head, estimate: Mapping[str, Any]) -> str:
    if "group" in estimate:
        return name_of(results, estimate["grouping"], estimate["group"])
    a, b = estimate["group_a"], estimate["group_b"]
    if estimate["grouping"] == ALL:
        return str(a)
    return name_of(results, estimate["grouping"], a if a == b else f"{a} x {b}")


def compared(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    """A line for each rate or time of two runs: both values, and what the pairs of trials say in words."""
    yield Text(f"A: {found['a']['name']}\nB: {found['b']['name']}")
    table = figures.table("", "at", "group", "A", "B", "B against A")
    for row in found["rows"]:
        rank = f" rank {row['rank']}" if row.get("rank") is not None else ""
        a, b = row["group_a"], row["group_b"]
        sides = [UNDEFINED if row[side]["value"] is None else f"{row[side]['value']:.3g}" for side in ("a", "b")]
        change = row["verdict"] if "verdict" in row else "" if row["ratio"] is None else f"ratio {row['ratio']:.3g}"
        table.add_row(f"{row['metric']}{rank}", row["at"], Text(a if a == b else f"{a} x {b}"), *sides, Text(change))
    yield table
