"""Shows a load run on a terminal: what was asked for, what was achieved, and how long answers took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from rich.console import RenderableType
from rich.text import Text

from frbench.results.types import Load, LoadPoint
from frbench.terminal import figures
from frbench.terminal.common import named
from frbench.terminal.figures import UNDEFINED
from frbench.terminal.latency import milliseconds

LATE = "generator was late"


def load_tables(results: Load) -> Iterator[RenderableType]:
    """Tables and sentences of a load run, in order."""
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


def _times(results: Load, which: Literal["quantiles", "quantiles_answered"]) -> RenderableType:
    names = [f"p{100 * q['q']:g}" for q in results["groups"][0][which]]
    rows = [
        (
            name,
            _offered(results["loads"][group["load"]]),
            f"{group['requests']:,}",
            f"{group['failed']:,}",
            *map(milliseconds, group[which]),
        )
        for name, group in named(results, results["groups"])
    ]
    return figures.table("group", "offered/s", "requests", "failed", *names, rows=rows)


def _asked(loads: Sequence[LoadPoint]) -> RenderableType:
    rows = []
    for load in loads:
        lag, late = load["lag_p99_ns"], f", {LATE}" * load["is_generator_late"]
        rows.append(
            (
                f"{load['load']}",
                _offered(load),
                f"{load['achieved_per_s']:,.1f}",
                f"{load['requests']:,}",
                f"{load['answered']:,}",
                "" if lag is None else f"{lag / 1e6:.3g} ms{late}",
                ", ".join(f"{n:,} {status}" for status, n in load["statuses"].items()) or "none",
            )
        )
    columns = ("load", "offered/s", "achieved/s", "requests", "answered", "lag p99", "without an answer")
    return figures.table(*columns, rows=rows)


def _offered(load: LoadPoint) -> str:
    return f"{load['in_flight']} at a time" if load["rate"] is None else f"{load['offered_per_s']:,.1f}"


def _objective(results: Load) -> Iterator[Text]:
    slo = results["slo"]
    if slo is None:
        return
    tried = f"{len(slo['trials'])} rates were tried"
    if slo["rate"] is None:
        yield Text(f"\nno rate was found that meets {slo['objective']}; {tried}", style="yellow")
        return
    text = f"\nhighest rate found to meet {slo['objective']} at 99% confidence: {slo['rate']:,.1f} requests/s; {tried}"
    yield Text(text, style="bold")
