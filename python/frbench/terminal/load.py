"""Tables: a load run on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from frbench.plan import ALL
from frbench.terminal import figures
from frbench.terminal.figures import UNDEFINED

LATE = "generator was late"


def load_tables(results: Mapping[str, Any]) -> Iterator[RenderableType]:
    """What was asked for, what was achieved, and how long answers took."""
    loads = results["loads"]
    yield Text(
        f"load, {results['scenario']}, gallery {results['gallery']}, k = {results['k']}, probes a request: "
        f"{results['batch']}, runs: {results['runs']}",
        style="bold",
    )
    yield Text(f"{results['meaning']}\n")
    if results["saturation_per_s"] is not None:
        yield Text(f"saturation, closed loop: {results['saturation_per_s']:,.0f} requests/s\n")
    yield _asked(loads)
    yield Text("")
    yield _times(results, "quantiles")
    if any(group["failed"] for group in results["groups"]):
        yield Text("\nof answered requests alone")
        yield _times(results, "quantiles_answered")
    yield Text(
        f"time: {results['timer']}. A request without an answer counts as later than any other. {UNDEFINED}: too few "
        "requests, or among those without an answer."
    )
    yield from _objective(results)
    if idle := [str(load["load"]) for load in loads if not load["requests"]]:
        yield Text(
            f"no request was counted at load {', '.join(idle)}, of which nothing is known; raise --duration",
            style="yellow",
        )
    if any(load["is_generator_late"] for load in loads):
        yield Text(
            f"{LATE}: it sent more than 1 ms after the moment at the 99th percentile; times hold its lag, too. Give it "
            "a processor of its own, or lower the rate",
            style="yellow",
        )


def time_of(quantile: Mapping[str, Any]) -> str:
    """A quantile in milliseconds."""
    return UNDEFINED if quantile["value_ns"] is None else f"{quantile['value_ns'] / 1e6:.3g} ms"


def _times(results: Mapping[str, Any], which: str) -> RenderableType:
    names = [f"p{100 * q['q']:g}" for q in results["groups"][0][which]]
    table = figures.table("group", "offered/s", "requests", "failed", *names)
    for group in results["groups"]:
        table.add_row(
            Text(_name(results, group)),
            _offered(results["loads"][group["load"]]),
            f"{group['requests']:,}",
            f"{group['failed']:,}",
            *(time_of(q) for q in group[which]),
        )
    return table


def _asked(loads: list[dict[str, Any]]) -> RenderableType:
    table = figures.table("load", "offered/s", "achieved/s", "requests", "answered", "lag p99", "without an answer")
    for load in loads:
        lag = load["lag_p99_ns"]
        text = "" if lag is None else f"{lag / 1e6:.3g} ms" + (f", {LATE}" if load["is_generator_late"] else "")
        table.add_row(
            f"{load['load']}",
            _offered(load),
            f"{load['achieved_per_s']:,.1f}",
            f"{load['requests']:,}",
            f"{load['answered']:,}",
            text,
            ", ".join(f"{n:,} {status}" for status, n in load["statuses"].items()) or "none",
        )
    return table


def _offered(load: Mapping[str, Any]) -> str:
    return f"{load['in_flight']} at a time" if load["rate"] is None else f"{load['offered_per_s']:,.1f}"


def _name(results: Mapping[str, Any], group: Mapping[str, Any]) -> str:
    several = sum(name != ALL for name in results["groupings"]) > 1
    name: str = group["group"]
    return f"{group['grouping']}={name}" if several and group["grouping"] != ALL else name


def _objective(results: Mapping[str, Any]) -> Iterator[Text]:
    slo = results["slo"]
    if slo is None:
        return
    tried = f"{len(slo['trials'])} rates were tried"
    if slo["rate"] is None:
        yield Text(f"\nno rate was found that meets {slo['objective']}; {tried}", style="yellow")
    else:
        yield Text(
            f"\nhighest rate found to meet {slo['objective']} at 99% confidence: {slo['rate']:,.1f} requests/s; "
            f"{tried}",
            style="bold",
        )
