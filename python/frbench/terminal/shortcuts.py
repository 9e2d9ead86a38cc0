"""Tables: searches that were made exactly and otherwise, on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from frbench.plan import ALL
from frbench.terminal import figures
from frbench.terminal.figures import UNDEFINED
from frbench.terminal.shortcut_words import (
    EXACT,
    has_gap,
    heading,
    here,
    method,
    rate_name,
    shown,
    size,
    speed,
    threads_of,
    unshown,
)

Results = Mapping[str, Any]


def shortcut_tables(results: Results) -> Iterator[RenderableType]:
    """What was searched, errors by group in every search, gaps, and what only an index has: recall, reach, orders."""
    yield Text(f"{method(results)}\n", style="bold")
    yield Text(
        "added, removed: searches that only the other search gets wrong, or only the exact one, of the same probes; "
        f"thresholds: {results['threshold_rule']}. Intervals: 95%, {results['interval']}.\n"
    )
    yield from _systems(results)
    for metric, threshold, rank in dict.fromkeys((r["metric"], r["threshold"], r["rank"]) for r in results["rows"]):
        rows = [r for r in results["rows"] if (r["metric"], r["threshold"], r["rank"]) == (metric, threshold, rank)]
        yield Text(heading(metric, threshold, rank, results), style="bold")
        yield _rates(results, rows)
        yield ""
    yield from _gaps(results)
    for more in (_recall, _reach, _orders, _own_thresholds):
        yield from more(results)


def _systems(results: Results) -> Iterator[RenderableType]:
    table = _wide(f"queries/s, {threads_of(results)}", "slowest - fastest pass", "size")
    table.add_row(EXACT, *_speed(results["exact_queries"]), size(results["exact_bytes"]))
    for system in results["systems"]:
        table.add_row(system["name"], *_speed(system["queries"]), _size(results, system))
    yield table
    yield from (Text(reason) for reason in _reasons(results))
    yield ""


def _size(results: Results, system: Results) -> str:
    reduced = system.get("reduced")
    return size(results["index_bytes"]) if reduced is None else f"{reduced['bytes_per_row']:,} bytes a row"


def _speed(found: Results) -> tuple[str, str]:
    if found["per_s"] is None:
        return UNDEFINED, ""
    return speed(found["per_s"]), f"{speed(found['low'])} - {speed(found['high'])}"


def _reasons(results: Results) -> list[str]:
    found = [results["exact_queries"], *(system["queries"] for system in results["systems"])]
    return list(dict.fromkeys(each["reason"] for each in found if each["reason"]))


def _rates(results: Results, rows: list[Results]) -> RenderableType:
    removed = "hidden" if rows[0]["metric"] == "fpir" else "removed"
    table = _wide("group", "exact", "k / n", here(results), "added", "95%", "k", removed, "95%", "k")
    for row in rows:
        if not row["exact"]["n"]:
            continue
        exact, other = row["exact"], row["other"]
        table.add_row(
            row["system"],
            Text(_name(results, row)),
            _value(exact),
            f"{exact['k']:,} / {exact['n']:,}",
            _value(other),
            *(text for part in ("added", "removed") for text in _share(row[part])),
        )
    return table


def _value(estimate: Results) -> str:
    return UNDEFINED if estimate["value"] is None else figures.percent(estimate["value"])


def _share(estimate: Results) -> tuple[str, str, str]:
    return _value(estimate), figures.interval(estimate, figures.percent), f"{estimate['k']:,}"


def _gaps(results: Results) -> Iterator[RenderableType]:
    if not results["gaps"]:
        return
    opened = [gap for gap in results["gaps"] if has_gap(gap)]
    yield Text("Gaps between groups that are not those of the exact search", style="bold")
    yield from (Text(f"{shown(gap)} ({rate_name(gap)})", style="yellow") for gap in opened)
    yield Text(unshown(results))
    yield ""


def _recall(results: Results) -> Iterator[RenderableType]:
    if "recall" not in results:
        return
    yield Text(f"recall of the best {results['k']} rows: rows returned at or above the exact last", style="bold")
    table = _wide("group", "mean", "95% interval", "rows found / to find", "lowest of a probe")
    for row in results["recall"]:
        lowest = UNDEFINED if row["lowest"] is None else figures.percent(row["lowest"])
        table.add_row(row["system"], Text(_name(results, row)), *figures.rate(row["mean"], figures.percent), lowest)
    yield table
    yield ""


def _reach(results: Results) -> Iterator[RenderableType]:
    reach = results.get("reach")
    if reach is None:
        return
    yield Text(
        f"members of the gallery that no search returns, at any effort up to {reach['highest']}, and those that their "
        f"own search at {reach['effort']} does not",
        style="bold",
    )
    sizes = {(e["grouping"], e["group"]): e for e in results["enrolled"]}
    table = figures.table(
        "group", "enrolled", "never", "95% interval", "k / n", "not by itself", "95% interval", "k / n"
    )
    for never, own in zip(reach["never"], reach["not_by_itself"], strict=True):
        enrolled = sizes[never["grouping"], never["group"]]["templates"]
        cells = (text for each in (never, own) for text in figures.rate(each, figures.percent))
        table.add_row(Text(_name(results, never)), f"{enrolled:,}", *cells)
    yield table
    yield ""


def _orders(results: Results) -> Iterator[RenderableType]:
    if not results.get("orders"):
        return
    yield Text(
        f"the same gallery built in {results['rebuilds']} random orders, too: searches whose first candidate is not "
        "the same in all builds, and those that find their mate first in some of them only",
        style="bold",
    )
    columns = (
        "changed",
        "95% interval",
        "k / n",
        "mate in some",
        "95% interval",
        "k / n",
        "misses; random orders",
    )
    table = _wide("group", *columns)
    for row in results["orders"]:
        first, *others = row["missed"]
        misses = f"{first:,}; {min(others):,} - {max(others):,}"
        cells = (text for part in ("changed", "flipped") for text in figures.rate(row[part], figures.percent))
        table.add_row(row["system"], Text(_name(results, row)), *cells, misses)
    yield table
    yield ""


def _own_thresholds(results: Results) -> Iterator[RenderableType]:
    if not results.get("own_thresholds"):
        return
    yield Text("thresholds that each search set at the same target, set again without each block", style="bold")
    table = _wide("at", "group", "rate", "exact", here(results), "difference", "95% interval")
    for row in results["own_thresholds"]:
        if not row["exact"]["n"]:
            continue
        net = row["net"]
        difference = UNDEFINED if net["difference"] is None else figures.percent(net["difference"])
        cells = (_value(row["exact"]), _value(row["other"]), difference, figures.interval(net, figures.percent))
        table.add_row(row["system"], row["at"], Text(_name(results, row)), rate_name(row), *cells)
    yield table
    yield ""


def _wide(*columns: str) -> Table:
    """A table whose first column, the name of the search, is not cut."""
    table = figures.table("search", *columns)
    table.columns[0].no_wrap = True
    return table


def _name(results: Results, row: Results) -> str:
    several = sum(name != ALL for name in results["groupings"]) > 1
    name: str = row["group"]
    return f"{row['grouping']}={name}" if several and row["grouping"] != ALL else name
