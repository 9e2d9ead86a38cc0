"""Prints the results of a comparison on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.text import Text

from frbench.terminal import figures
from frbench.terminal.figures import UNDEFINED

STYLES = {"pass": "green", "measured": "", "fail": "bold red", "inconclusive": "yellow", "invalid": "yellow"}


def show(found: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints results to standard output."""
    figures.terminal(console).print(Group(*_lines(found)))


def _lines(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    table = figures.table("metric", "A", "B", "B / A", "interval", "noise floor (A / A, B / B)", "pairs", "Wilcoxon p")
    for name, metric in found["metrics"].items():
        table.add_row(Text(name), *_cells(metric))
    yield table
    level = {metric["ratio"]["level"] for metric in found["metrics"].values()}
    yield Text(
        f"A, B: medians. Intervals are {100 * max(level):.4g}%, over {len(found['design']['looks'])} looks together; "
        f"{found['design']['seconds']:,.0f} s, one round discarded.",
        style="dim",
    )
    for note in found["notes"]:
        yield Text(f"note: {note}")
    for name, metric in found["metrics"].items():
        yield Text.assemble((metric["outcome"], STYLES[metric["outcome"]]), f"  {name}: {_reason(metric)}")


def _cells(metric: Mapping[str, Any]) -> Iterator[str]:
    for side in ("a", "b"):
        median = metric[side]["median"]
        yield UNDEFINED if median is None else f"{median:.5g}"
    ratio, p = metric["ratio"], metric["wilcoxon_p"]
    yield UNDEFINED if ratio["value"] is None else _ratio(ratio["value"])
    yield figures.interval(ratio, _ratio)
    yield figures.interval(metric["noise"], _ratio)
    yield f"{ratio['pairs']:,}"
    yield "-" if p is None else f"{p:.2g}"


def _ratio(value: float) -> str:
    return f"{value:.4f}"


def _reason(metric: Mapping[str, Any]) -> str:
    more = metric["pairs_to_settle"]
    if metric["outcome"] in ("inconclusive", "invalid"):
        settled = (
            "no number of pairs is foreseen to settle it" if more is None else f"about {more:,} pairs would settle it"
        )
        return f"{metric['reason']}; {settled}"
    return str(metric["reason"])
