"""Shows what became of the promise of a threshold: rates of every group, and what would have kept the promise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from frbench.terminal import figures
from frbench.terminal.figures import UNDEFINED, sentences


def show(made: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints what became of a promise."""
    figures.terminal(console).print(Group(*lines(made)))


def lines(made: Mapping[str, Any]) -> Iterator[RenderableType]:
    """The verdicts as sentences and a table."""
    set_on = made["set_on"]
    yield Text(f"threshold {made['threshold']:.9g}, promised {made['promised']}")
    if set_on is not None:
        yield Text(f"set on:  {set_on['run']}, {_achieved(set_on)}")
    yield Text(f"used on: {made['used_on']}")
    if set_on is not None and not set_on["rule_of_30"]:
        yield Text(f"{made['promised']} rests on {set_on['k']} false matches, fewer than 30", style="yellow")
    yield Text(f"failed templates: {made['failed_policy']}. k / n: errors / comparisons, of groups within them.\n")
    yield _table(made)
    rows = (made["everybody"], *made["groups"])
    yield from map(Text, sentences((m.upper(), row["group"], row[m]) for m in ("fmr", "fnmr") for row in rows))
    yield from (Text(f"{each['group']} is left out: {each['reason']}") for each in made["left_out"])
    yield Text("")
    yield from _needed(made)


def _table(made: Mapping[str, Any]) -> Table:
    columns = ("FMR", "95% interval", "k / n", "times promised", "promise", "FNMR", "95% interval", "k / n")
    table = figures.table("group", *columns)
    for row in (made["everybody"], *made["groups"]):
        times = UNDEFINED if row["times"] is None else f"{row['times']:.3g}"
        fmr, fnmr = figures.rate(row["fmr"], figures.power), figures.rate(row["fnmr"], figures.percent)
        table.add_row(Text(row["group"]), *fmr, times, row["verdict"], *fnmr)
    return table


def _needed(made: Mapping[str, Any]) -> Iterator[Text]:
    """Which group is worst off, and what would have kept the promise."""
    if made["worst"] is not None:
        worst = next(row for row in made["groups"] if row["group"] == made["worst"])
        if worst["fmr"]["k"]:
            yield Text(f"highest FMR: {worst['group']}, {worst['times']:.3g} times the promise")
    needed = made["needed"]
    kept = needed["reason"] if needed["threshold"] is None else f"{needed['threshold']:.9g} ({_achieved(needed)})"
    yield Text(f"threshold that keeps the promise here for everybody: {kept}")
    if made["grouping"]:
        worst = made["needed_by_worst"]
        reason = f"none, {worst['reason']}"
        kept = reason if worst["threshold"] is None else f"{worst['threshold']:.9g}, which {worst['group']} needs"
        yield Text(f"within every group of {made['grouping']}: {kept}")
    if len(made["groups"]) > 1:
        yield Text("each interval stands by itself: with many groups some verdicts are chance")


def _achieved(point: Mapping[str, Any]) -> str:
    return f"achieved {point['k']:,} / {point['n']:,}"
