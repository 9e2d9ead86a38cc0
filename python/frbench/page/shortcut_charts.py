"""Draws the errors that another search adds, against what it gains."""

from __future__ import annotations

from collections.abc import Sequence

from frbench.page.charts import GROUP, Series, Spec, bars, by_group, dot, drawn, line, quantity, tip


def price(series: Sequence[Series], *, gain: str, errors: str, is_log: bool, alt: str) -> Spec:
    """Errors added by group against a gain, with intervals. rows : gain, value, low, high, system, text, kn.

    gain, errors : titles of the axes. is_log : whether gains are drawn on a logarithm.
    """
    scale = {"type": "log", "nice": False, "padding": 24} if is_log else {"zero": False, "padding": 24}
    place: Spec = {
        "x": quantity(gain, "gain", axis={"format": "~s", "labelOverlap": True}, scale=scale),
        "y": quantity(errors, scale={"zero": True, "nice": True}, axis={"format": "~%"}),
        "color": by_group(series, "colour"),
    }
    value = place | {"y": place["y"] | {"field": "value"}}
    tooltip = [GROUP, tip("system", "search"), tip("gain", gain, ",.3~r"), tip("text", errors), tip("kn", "counts")]
    shapes = {"shape": by_group(series, "shape"), "tooltip": tooltip}
    layers: list[Spec] = [bars(place, "y"), {"mark": dot(75), "encoding": value | shapes}]
    if is_log:
        dash = {"strokeDash": by_group(series, "dash"), "order": {"field": "gain", "type": "quantitative"}}
        layers.insert(1, {"mark": line(1.6), "encoding": value | dash})
    return drawn(series, layers, alt, height=320)
