"""Charts of load: latency against offered load, and second by second."""

from __future__ import annotations

from collections.abc import Sequence

from frbench.page.charts import Row, Series, Spec, by_group, framed, named

LONGEST, MEDIAN = "#D55E00", "#0072B2"


def curve(series: Sequence[Series], *, unit: str, alt: str) -> Spec:
    """A quantile against requests offered a second, the times on a logarithm. rows : rate, value, low, high, text."""
    x = {"field": "rate", "type": "quantitative", "title": "requests offered a second", "scale": {"nice": True}}
    y = {
        "type": "quantitative",
        "title": f"time of a request, {unit}, log scale",
        "scale": {"type": "log"},
        "axis": {"format": "~g", "labelOverlap": True},
    }
    colour = by_group(series, "colour")
    tooltip = [
        {"field": "g", "title": "group"},
        {"field": "rate", "title": "offered a second", "type": "quantitative", "format": ",.1f"},
        {"field": "text", "title": "time"},
    ]
    line = {"type": "line", "strokeWidth": 1.8}
    layers: list[Spec] = [
        {
            "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.4},
            "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": colour},
        },
        {
            "mark": line,
            "encoding": {
                "x": x,
                "y": y | {"field": "value"},
                "color": colour,
                "strokeDash": by_group(series, "dash"),
            },
        },
        {
            "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
            "encoding": {
                "x": x,
                "y": y | {"field": "value"},
                "color": colour,
                "shape": by_group(series, "shape"),
                "tooltip": tooltip,
            },
        },
    ]
    return framed({"data": {"values": named(series, "rows")}, "layer": layers}, alt, height=320)


def seconds(rows: Sequence[Row], *, scale: float, unit: str, alt: str) -> Spec:
    """The longest and the median time of each second. rows : run, second, requests, failed, median_ns, longest_ns."""
    kinds = (("longest_ns", "longest", "circle", LONGEST), ("median_ns", "median", "square", MEDIAN))
    values = [
        {"kind": kind, "time": round(row[field] / scale, 6)}
        | {name: row[name] for name in ("run", "second", "requests", "failed")}
        for field, kind, _, _ in kinds
        for row in rows
        if row[field] is not None
    ]
    names = [kind for _, kind, _, _ in kinds]

    def looks(of: int) -> Spec:
        scale_of = {"domain": names, "range": [kind[of] for kind in kinds]}
        return {"field": "kind", "type": "nominal", "scale": scale_of, "legend": None}

    encoding = {
        "x": {"field": "second", "type": "quantitative", "title": "second after the warm-up", "axis": {"format": "d"}},
        "y": {"field": "time", "type": "quantitative", "title": f"time of a request, {unit}", "scale": {"zero": True}},
        "color": looks(3),
    }
    tooltip = [{"field": name} for name in ("kind", "time", "run", "second", "requests", "failed")]
    layers: list[Spec] = [
        {"mark": {"type": "line", "strokeWidth": 1.4}, "encoding": encoding | {"detail": {"field": "run"}}},
        {
            "mark": {"type": "point", "filled": True, "size": 40, "opacity": 1},
            "encoding": encoding | {"shape": looks(2), "tooltip": tooltip},
        },
    ]
    return framed({"data": {"values": values}, "layer": layers}, alt, height=240)
