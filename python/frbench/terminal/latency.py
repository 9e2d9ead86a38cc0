"""Shows a latency run: quantiles by group and batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from frbench.plan import ALL
from frbench.terminal import figures
from frbench.terminal.common import (
    name_of,
)


def latency_tables(results: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Tables and sentences of a latency run, in order."""
    quantiles = [q["q"] for q in results["groups"][0]["quantiles"]]
    title = (
        f"search latency, gallery {results['gallery']:,} x {results['dimension']}, k = {results['k']}, "
        f"{results['isa']}, fresh processes: {results['runs']}"
    )
    yield Text(title, style="bold")
    has_probes = any("probes" in group for group in results["groups"])
    probes = ["probes"] if has_probes else []
    table = figures.table("group", "batch", *probes, "requests", *(f"p{100 * q:g}" for q in quantiles), "probes/s")
    for group in results["groups"]:
        values = (_milliseconds(q) for q in group["quantiles"])
        speed = group["probes_per_second"]
        table.add_row(
            Text(name_of(results, group["grouping"], group["group"])),
            str(group["batch"]),
            *([f"{group['probes']:,}" if "probes" in group else "-"] if has_probes else []),
            f"{group['requests']:,}",
            *values,
            "" if speed is None else f"{speed:,.0f}",
        )
    yield table
    yield Text(f"timer: {results['timer']}; {results['warm_up']:.0%} warm-up excluded; - means too few requests")
    is_grouped = any(name != ALL for name in results["groupings"])
    for group in results["groups"]:
        n, batch = group.get("probes", 0), group["batch"]
        if 0 < n < batch and not (is_grouped and group["grouping"] == ALL):
            name = name_of(results, group["grouping"], group["group"])
            text = f"{name}, batch {batch}: each batch repeats the group's {n} probe{'s' * (n > 1)}"
            yield Text(text, style="yellow")


def _milliseconds(quantile: Mapping[str, Any]) -> str:
    return "-" if quantile["value_ns"] is None else f"{quantile['value_ns'] / 1e6:.3g} ms"
