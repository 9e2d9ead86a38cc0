"""Charts of shortcuts: errors that another search adds, against what it gains."""

from __future__ import annotations

from collections.abc import Sequence

from frbench.page.charts import Series, Spec, by_group, framed, named


def price(series: Sequence[Series], *, gain: str, errors: str, is_log: bool, alt: str) -> Spec:
    """Errors added by group against a gain, with intervals. rows : gain, value, low, high, system, text, kn.

    gain, errors : titles of the axes. is_log : whether gains are drawn on a logarithm.
    """
    x = {"field": "gain", "type": "quantitative", "title": gain, "axis": {"format": "~s", "labelOverlap": True}}
    x["scale"] = {"type": "log", "nice": False, "padding": 24} if is_log else {"zero": False, "padding": 24}
    y = {"type": "quantitative", "title": errors, "scale": {"zero": True, "nice": True}, "axis": {"format": "~%"}}
    colour = by_group(series, "colour")
    tooltip = [
        {"field": "g", "title": "group"},
        {"field": "system", "title": "search"},
        {"field": "gain", "title": gain, "type": "quantitative", "format": ",.3~r"},
        {"field": "text", "title": errors},
        {"field": "kn", "title": "counts"},
    ]
    place = {"x": x, "y": y | {"field": "value"}, "color": colour}
    order = {"field": "gain", "type": "quantitative"}
    layers: list[Spec] = [
        {
            "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.4},
            "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "color": colour},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 75, "opacity": 1},
            "encoding": place | {"shape": by_group(series, "shape"), "tooltip": tooltip},
        },
    ]
    if is_log:
        dash = {"strokeDash": by_group(series, "dash"), "order": order}
        layers.insert(1, {"mark": {"type": "line", "strokeWidth": 1.6}, "encoding": place | dash})
    return framed({"data": {"values": named(series, "rows")}, "layer": layers}, alt, height=320)
