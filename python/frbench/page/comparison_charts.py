"""Draws ratios with their intervals, a row each, on a logarithm around 1."""

from __future__ import annotations

import math
from collections.abc import Sequence

from frbench.page.charts import GROUP, Series, Spec, bars, by_group, dot, drawn, named, of_groups, quantity, tip

ROW_HEIGHT = 30
LEAST_HEIGHT = 70


def forest(series: Sequence[Series], *, title: str, alt: str) -> Spec:
    """A row for each of `series`. rows : value, low, high, text; one each, with an interval."""
    domain = _domain(named(series, "rows"))
    scale = {"type": "log", "domain": list(domain), "nice": False}
    labels = {"values": _ticks(*domain), "format": "~r", "labelOverlap": True}
    place: Spec = {
        "x": quantity(f"{title}, log scale", scale=scale, axis=labels),
        "y": of_groups(series, axis={"grid": True, "ticks": False, "labelLimit": 180}),
        "color": by_group(series, "colour"),
    }
    one, value = (place["x"] | {"field": field} for field in ("one", "value"))
    rule = {"type": "rule", "strokeDash": [4, 3], "color": "#5c636e"}
    shapes = {"x": value, "shape": by_group(series, "shape"), "tooltip": [GROUP, tip("text", title)]}
    layers: list[Spec] = [
        {"data": {"values": [{"one": 1}]}, "mark": rule, "encoding": {"x": one}},
        bars(place, "x", opacity=0.5, clip=True),
        {"mark": dot(80, clip=True), "encoding": place | shapes},
    ]
    return drawn(series, layers, alt, height=max(ROW_HEIGHT * len(series) + 10, LEAST_HEIGHT))


def _domain(rows: Sequence[Spec]) -> tuple[float, float]:
    """From a little below the smallest end to a little above the largest, 1 among them."""
    ends = [row[end] for row in rows for end in ("low", "high")]
    margin = 1.04
    return min(1.0, *ends) / margin, max(1.0, *ends) * margin


def _ticks(low: float, high: float) -> list[float]:
    """Round values between two: by decades where they are far apart, else about six of equal steps."""
    if high / low > 8:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [float(f"{m}e{d}") for d in decades for m in ((1, 2, 5) if high / low < 1000 else (1,))]
    else:
        rough = (high - low) / 6
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(m * unit for m in (1, 2, 5, 10) if m * unit >= rough)
        found = [round(i * step, 12) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return [tick for tick in found if low <= tick <= high]
