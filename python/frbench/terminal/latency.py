"""Shows timed searches on a terminal: percentiles by group and batch size."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from frbench.plan import ALL
from frbench.results.types import Latency, Quantile
from frbench.terminal import figures
from frbench.terminal.common import named


def latency_tables(results: Latency) -> Iterator[RenderableType]:
    """Tables and sentences of a latency run, in order."""
    groups = named(results, results["groups"])
    yield Text(
        f"search latency, gallery {results['gallery']:,} x {results['dimension']}, k = {results['k']}, "
        f"{results['isa']}, fresh processes: {results['runs']}",
        style="bold",
    )
    has_probes = any("probes" in group for _, group in groups)
    quantiles = (f"p{100 * q['q']:g}" for q in results["groups"][0]["quantiles"])
    columns = ("batch", *(["probes"] if has_probes else []), "requests", *quantiles, "probes/s")
    rows = [
        (
            name,
            str(group["batch"]),
            *([f"{group['probes']:,}" if "probes" in group else "-"] if has_probes else []),
            f"{group['requests']:,}",
            *(milliseconds(q, "-") for q in group["quantiles"]),
            "" if group["probes_per_second"] is None else f"{group['probes_per_second']:,.0f}",
        )
        for name, group in groups
    ]
    yield figures.table("group", *columns, rows=rows)
    yield Text(f"timer: {results['timer']}; {results['warm_up']:.0%} warm-up excluded; - means too few requests")
    is_grouped = any(name != ALL for name in results["groupings"])
    for name, group in groups:
        n, batch = group.get("probes", 0), group["batch"]
        if 0 < n < batch and not (is_grouped and group["grouping"] == ALL):
            text = f"{name}, batch {batch}: each batch repeats the group's {n} probe{'s' * (n > 1)}"
            yield Text(text, style="yellow")


def milliseconds(quantile: Quantile, missing: str = figures.UNDEFINED) -> str:
    """A quantile in milliseconds, or `missing`."""
    return missing if quantile["value_ns"] is None else f"{quantile['value_ns'] / 1e6:.3g} ms"
