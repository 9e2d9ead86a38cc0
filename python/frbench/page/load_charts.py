"""Draws latency against offered load, and a measurement second by second."""

from __future__ import annotations

from collections.abc import Sequence

from frbench.page.charts import GROUP, Series, Spec, bars, by_group, dot, drawn, framed, line, quantity, tip
from frbench.results.types import Measurement

LONGEST, MEDIAN = "#D55E00", "#0072B2"


def curve(series: Sequence[Series], *, unit: str, alt: str) -> Spec:
    """A quantile against requests offered a second, the times on a logarithm. rows : rate, value, low, high, text."""
    labels = {"format": "~g", "labelOverlap": True}
    place: Spec = {
        "x": quantity("requests offered a second", "rate", scale={"nice": True}),
        "y": quantity(f"time of a request, {unit}, log scale", scale={"type": "log"}, axis=labels),
        "color": by_group(series, "colour"),
    }
    value = place | {"y": place["y"] | {"field": "value"}}
    tooltip = [GROUP, tip("rate", "offered a second", ",.1f"), tip("text", "time")]
    layers: list[Spec] = [
        bars(place, "y"),
        {"mark": line(1.8), "encoding": value | {"strokeDash": by_group(series, "dash")}},
        {"mark": dot(70), "encoding": value | {"shape": by_group(series, "shape"), "tooltip": tooltip}},
    ]
    return drawn(series, layers, alt, height=320)


def seconds(measurements: Sequence[Measurement], *, scale: float, unit: str, alt: str) -> Spec:
    """The longest and the median time of each second of each run."""
    rows = [(m["run"] + 1, second) for m in measurements for second in m["seconds"]]
    kinds = (("longest", "circle", LONGEST), ("median", "square", MEDIAN))
    values = [
        {"kind": kind, "time": round(time / scale, 6), "run": run}
        | {"second": second["second"], "requests": second["requests"], "failed": second["failed"]}
        for kind, _, _ in kinds
        for run, second in rows
        for time in [second["longest_ns"] if kind == "longest" else second["median_ns"]]
        if time is not None
    ]

    def looks(of: int) -> Spec:
        scale_of = {"domain": [kind[0] for kind in kinds], "range": [kind[of] for kind in kinds]}
        return {"field": "kind", "type": "nominal", "scale": scale_of, "legend": None}

    place = {
        "x": quantity("second after the warm-up", "second", axis={"format": "d"}),
        "y": quantity(f"time of a request, {unit}", "time", scale={"zero": True}),
        "color": looks(2),
    }
    tooltip = [{"field": name} for name in ("kind", "time", "run", "second", "requests", "failed")]
    layers: list[Spec] = [
        {"mark": line(1.4), "encoding": place | {"detail": {"field": "run"}}},
        {"mark": dot(40), "encoding": place | {"shape": looks(1), "tooltip": tooltip}},
    ]
    return framed({"data": {"values": values}, "layer": layers}, alt, height=240)
