"""Mode tables: the ways in which a 1:N system is used as tables on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from frbench.terminal import figures
from frbench.terminal.figures import UNDEFINED, sentences

# How a group of a grouping is called.
Name = Callable[[str, str], str]


def tables(results: Mapping[str, Any], name: Name) -> Iterator[RenderableType]:
    """Identification and investigation, selectivity, and failures to enrol; reasons stand below."""
    if modes := results.get("modes"):
        yield from _modes(modes, name)
    if found := results.get("selectivity"):
        yield from _selectivity(found, name)
    fte = results.get("fte")
    if fte and fte["k"]:
        yield Text(
            f"\nfailed to enrol: {figures.percent(fte['value'])}, {fte['k']:,} / {fte['n']:,} templates of the gallery"
        )


def _modes(modes: Sequence[Mapping[str, Any]], name: Name) -> Iterator[RenderableType]:
    """A heading and a table for each mode, of every group."""
    for target in dict.fromkeys(mode["fpir_at_most"] for mode in modes):
        rows = [mode for mode in modes if mode["fpir_at_most"] == target]
        yield from _investigation(rows, name) if target is None else _identification(rows, name)


def _identification(rows: Sequence[Mapping[str, Any]], name: Name) -> Iterator[RenderableType]:
    first, at = rows[0], rows[0]["set_at"]
    head = f"\nidentification at FPIR <= {first['fpir_at_most']}"
    if at is None or at["threshold"] is None:
        yield Text(f"{head}: {UNDEFINED}, {first['fnir']['reason']}")
        return
    where = f"threshold {at['threshold']:.9g}, achieved {at['k']:,} / {at['n']:,}"
    yield Text(f"{head}: {where}, gallery {first['gallery']:,}, lists of {first['list_length']:,}", style="bold")
    fnir = f"FNIR rank {first['rank']}"
    table = figures.table("group", "FPIR", "95% interval", "k / n", fnir, "95% interval", "k / n")
    for row in rows:
        table.add_row(
            Text(name(row["grouping"], row["group"])),
            *figures.rate(row["fpir"], figures.percent),
            *figures.rate(row["fnir"], figures.percent),
        )
    yield table
    yield from _reasons(rows, {"FPIR": "fpir", fnir: "fnir"}, name)
    if not at["rule_of_30"]:
        yield Text(f"{at['at']} rests on {at['k']:,} false positives, fewer than 30", style="yellow")


def _investigation(rows: Sequence[Mapping[str, Any]], name: Name) -> Iterator[RenderableType]:
    first = rows[0]
    yield Text(f"\ninvestigation, without a threshold, gallery {first['gallery']:,}", style="bold")
    fnir = f"FNIR rank {first['rank']}"
    table = figures.table("group", fnir, "95% interval", "k / n")
    for row in rows:
        table.add_row(Text(name(row["grouping"], row["group"])), *figures.rate(row["fnir"], figures.percent))
    yield table
    yield from _reasons(rows, {fnir: "fnir"}, name)
    yield Text(first["note"])


def _reasons(rows: Sequence[Mapping[str, Any]], keys: Mapping[str, str], name: Name) -> Iterator[Text]:
    found = ((title, name(row["grouping"], row["group"]), row[key]) for title, key in keys.items() for row in rows)
    yield from map(Text, sentences(found))


def _selectivity(found: Sequence[Mapping[str, Any]], name: Name) -> Iterator[RenderableType]:
    title = "selectivity: candidates at or above the threshold per non-mated search"
    yield Text(f"\n{title}, gallery {found[0]['gallery']:,}", style="bold")
    table = figures.table("group", "threshold", "candidates", "95% interval", "k / n")
    full: list[str] = []
    for row in found:
        group, at = name(row["grouping"], row["group"]), f"{row['threshold']:.9g}"
        least = "at least " if row["is_censored"] else ""
        table.add_row(
            Text(group),
            at,
            UNDEFINED if row["value"] is None else f"{least}{row['value']:.3g}",
            UNDEFINED if row["low"] is None else f"{row['low']:.3g} - {row['high']:.3g}",
            f"{row['k']:,} / {row['n']:,}",
        )
        if row["is_censored"]:
            lists = "1 list is" if row["n_censored"] == 1 else f"{row['n_censored']:,} lists are"
            full.append(f"{group} at {at}: {lists} full, and what comes after is not seen")
    yield table
    missing = ((f"at {row['threshold']:.9g}", name(row["grouping"], row["group"]), row) for row in found)
    yield from map(Text, sentences(missing))
    yield from (Text(line, style="yellow") for line in full)
