"""Charts of history: a figure with its interval, run after run."""

from __future__ import annotations

from collections.abc import Sequence

from frbench.page.charts import Series, Spec, by_group, framed, named


def over_runs(series: Sequence[Series], *, runs: Sequence[str], title: str, number: str, alt: str) -> Spec:
    """Values run after run, a line for each group. rows : run, value, low, high, text; intervals may be missing.

    number : format of the values on their axis.
    """
    x = {
        "field": "run",
        "type": "ordinal",
        "title": None,
        "scale": {"domain": list(runs)},
        "axis": {"labelAngle": -40 if len(runs) > 4 else 0, "labelLimit": 180},
    }
    y = {"type": "quantitative", "title": title, "scale": {"zero": False}, "axis": {"format": number, "minExtent": 46}}
    colour = by_group(series, "colour")
    tooltip = [{"field": field, "title": name} for field, name in (("g", "group"), ("run", "run"), ("text", "value"))]
    # Groups stand side by side, so that no interval hides another.
    beside = {"field": "g", "sort": [s.name for s in series], "scale": {"paddingOuter": 1}}
    place = {"x": x, "xOffset": beside, "y": y | {"field": "value"}, "color": colour}
    rows = named(series, "rows")
    layers: list[Spec] = [
        {
            "data": {"values": [row for row in rows if row["low"] is not None and row["high"] is not None]},
            "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.4},
            "encoding": place | {"y": y | {"field": "low"}, "y2": {"field": "high"}},
        },
        {
            "mark": {"type": "line", "strokeWidth": 1.6},
            "encoding": place | {"strokeDash": by_group(series, "dash")},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 75, "opacity": 1},
            "encoding": place | {"shape": by_group(series, "shape"), "tooltip": tooltip},
        },
    ]
    return framed({"data": {"values": rows}, "layer": layers}, alt, height=260)
