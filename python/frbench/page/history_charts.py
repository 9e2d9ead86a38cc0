"""Draws a figure with its interval, run after run."""

from __future__ import annotations

from collections.abc import Sequence

from frbench.page.charts import GROUP, Series, Spec, bars, by_group, dot, drawn, line, named, quantity, tip


def over_runs(series: Sequence[Series], *, runs: Sequence[str], title: str, number: str, alt: str) -> Spec:
    """Values run after run, a line for each group. rows : run, value, low, high, text; intervals may be missing.

    number : format of the values on their axis.
    """
    labels = {"labelAngle": -40 if len(runs) > 4 else 0, "labelLimit": 180}
    place: Spec = {
        "x": {"field": "run", "type": "ordinal", "title": None, "scale": {"domain": list(runs)}, "axis": labels},
        # Groups stand side by side, so that no interval hides another.
        "xOffset": {"field": "g", "sort": [s.name for s in series], "scale": {"paddingOuter": 1}},
        "y": quantity(title, "value", scale={"zero": False}, axis={"format": number, "minExtent": 46}),
        "color": by_group(series, "colour"),
    }
    known = [row for row in named(series, "rows") if row["low"] is not None and row["high"] is not None]
    tooltip = [GROUP, tip("run", "run"), tip("text", "value")]
    layers: list[Spec] = [
        {"data": {"values": known}} | bars(place, "y"),
        {"mark": line(1.6), "encoding": place | {"strokeDash": by_group(series, "dash")}},
        {"mark": dot(75), "encoding": place | {"shape": by_group(series, "shape"), "tooltip": tooltip}},
    ]
    return drawn(series, layers, alt, height=260)
