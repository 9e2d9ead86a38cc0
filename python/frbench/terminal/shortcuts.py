"""Shows exact searches beside those of an index, or of templates in fewer bits, on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from frbench.results.types import Estimate, Shortcut, ShortcutRow, Speed
from frbench.terminal import figures
from frbench.terminal import shortcut_words as said
from frbench.terminal.common import named
from frbench.terminal.figures import UNDEFINED, number, percent


def shortcut_tables(results: Shortcut) -> Iterator[RenderableType]:
    """What was searched, errors by group in every search, gaps, and what only an index has: recall, reach, orders."""
    yield Text(f"{said.method(results)}\n", style="bold")
    yield Text(
        "added, removed: searches that only the other search gets wrong, or only the exact one, of the same probes; "
        f"thresholds: {results['threshold_rule']}. Intervals: 95%, {results['interval']}.\n"
    )
    yield from _systems(results)
    for metric, threshold, rank in dict.fromkeys((r["metric"], r["threshold"], r["rank"]) for r in results["rows"]):
        rows = [r for r in results["rows"] if (r["metric"], r["threshold"], r["rank"]) == (metric, threshold, rank)]
        yield Text(said.heading(metric, threshold, rank, results), style="bold")
        yield _rates(results, rows)
        yield ""
    yield from _gaps(results)
    for title, table in (*_recall(results), *_reach(results), *_orders(results), *_own_thresholds(results)):
        yield Text(title, style="bold")
        yield table
        yield ""


def _systems(results: Shortcut) -> Iterator[RenderableType]:
    exact = (said.EXACT, *_speed(results["exact_queries"]), said.size(results["exact_bytes"]))
    others = [(s["name"], *_speed(s["queries"]), said.system_size(results, s)) for s in results["systems"]]
    yield _wide(f"queries/s, {said.threads_of(results)}", "slowest - fastest pass", "size", rows=[exact, *others])
    found = [results["exact_queries"], *(system["queries"] for system in results["systems"])]
    yield from map(Text, dict.fromkeys(each["reason"] for each in found if each["reason"]))
    yield ""


def _speed(found: Speed) -> tuple[str, str]:
    if found["per_s"] is None:
        return UNDEFINED, ""
    return said.speed(found["per_s"]), f"{number(found['low'], said.speed)} - {number(found['high'], said.speed)}"


def _rates(results: Shortcut, rows: Sequence[ShortcutRow]) -> RenderableType:
    removed = "hidden" if rows[0]["metric"] == "fpir" else "removed"
    columns = ("group", "exact", "k / n", said.here(results), "added", "95%", "k", removed, "95%", "k")
    cells = [
        (
            row["system"],
            name,
            _value(row["exact"]),
            figures.counts(row["exact"]),
            _value(row["other"]),
            *(text for share in (row["added"], row["removed"]) for text in _share(share)),
        )
        for name, row in named(results, rows)
        if row["exact"]["n"]
    ]
    return _wide(*columns, rows=cells)


def _value(estimate: Estimate) -> str:
    return number(estimate["value"], percent)


def _share(estimate: Estimate) -> tuple[str, str, str]:
    return _value(estimate), figures.interval(estimate, percent), f"{estimate['k']:,}"


def _gaps(results: Shortcut) -> Iterator[RenderableType]:
    if not results["gaps"]:
        return
    opened = [gap for gap in results["gaps"] if said.has_gap(gap)]
    yield Text("Gaps between groups that are not those of the exact search", style="bold")
    yield from (Text(f"{said.shown(gap)} ({said.rate_name(gap)})", style="yellow") for gap in opened)
    yield Text(said.unshown(results))
    yield ""


def _recall(results: Shortcut) -> Iterator[tuple[str, Table]]:
    if "recall" in results:
        rows = [
            (row["system"], name, *figures.rate(row["mean"], percent), number(row["lowest"], percent))
            for name, row in named(results, results["recall"])
        ]
        table = _wide("group", "mean", "95% interval", "rows found / to find", "lowest of a probe", rows=rows)
        yield f"recall of the best {results['k']} rows: rows returned at or above the exact last", table


def _reach(results: Shortcut) -> Iterator[tuple[str, Table]]:
    reach = results.get("reach")
    if reach is None:
        return
    enrolled = {(e["grouping"], e["group"]): f"{e['templates']:,}" for e in results["enrolled"]}
    rows = [
        (name, enrolled[never["grouping"], never["group"]], *figures.rate(never, percent), *figures.rate(own, percent))
        for (name, never), own in zip(named(results, reach["never"]), reach["not_by_itself"], strict=True)
    ]
    columns = ("enrolled", "never", "95% interval", "k / n", "not by itself", "95% interval", "k / n")
    yield (
        f"members of the gallery that no search returns, at any effort up to {reach['highest']}, and those that their "
        f"own search at {reach['effort']} does not",
        figures.table("group", *columns, rows=rows),
    )


def _orders(results: Shortcut) -> Iterator[tuple[str, Table]]:
    rows = []
    for name, row in named(results, results.get("orders", ())):
        first, *others = row["missed"]
        misses = f"{first:,}; {min(others):,} - {max(others):,}"
        both = (*figures.rate(row["changed"], percent), *figures.rate(row["flipped"], percent))
        rows.append((row["system"], name, *both, misses))
    rates = ("changed", "95% interval", "k / n", "mate in some", "95% interval", "k / n")
    if rows:
        yield (
            f"the same gallery built in {results['rebuilds']} random orders, too: searches whose first candidate is "
            "not the same in all builds, and those that find their mate first in some of them only",
            _wide("group", *rates, "misses; random orders", rows=rows),
        )


def _own_thresholds(results: Shortcut) -> Iterator[tuple[str, Table]]:
    found = results.get("own_thresholds")
    if not found:
        return
    rows = [
        (
            row["system"],
            row["at"],
            name,
            said.rate_name(row),
            _value(row["exact"]),
            _value(row["other"]),
            number(row["net"]["difference"], percent),
            figures.interval(row["net"], percent),
        )
        for name, row in named(results, found)
        if row["exact"]["n"]
    ]
    table = _wide("at", "group", "rate", "exact", said.here(results), "difference", "95% interval", rows=rows)
    yield "thresholds that each search set at the same target, set again without each block", table


def _wide(*columns: str, rows: Iterable[Sequence[str]]) -> Table:
    """A table whose first column, the name of the search, is not cut."""
    table = figures.table("search", *columns, rows=rows)
    table.columns[0].no_wrap = True
    return table
