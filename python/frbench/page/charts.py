"""Charts: Vega-Lite specifications of counts, for one page that is read on any screen and on paper.

Every mark is a count: lines are steps between counted edges, nothing is smoothed or interpolated. The one exception is
a larger gallery than was searched: what a model says of it is dashed, hollow and called extrapolated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from frbench.page.style import Style

Spec = dict[str, Any]
Row = Mapping[str, Any]
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True)
class Series:
    """A group in a chart. rows : counts to draw; marks : points to mark, of the same fields."""

    name: str
    style: Style
    rows: Sequence[Row]
    marks: Sequence[Row] = ()


@dataclass(frozen=True)
class Axis:
    """title : printed name. short : name in tooltips. exponent : 1e-3 in place of 0.1%."""

    title: str
    short: str
    exponent: bool = False


def tradeoff(series: Sequence[Series], x: Axis, y: Axis, *, alt: str) -> Spec:
    """Two error rates against each other, both axes logarithmic.

    rows : t, kx, nx, ky, ny with kx, ky > 0. marks : the same, and xl, xh, yl, yh, ends of intervals, where known.
    """
    rows = [row for s in series for row in (*s.rows, *s.marks)]
    xs = _decades([row["kx"] / row["nx"] for row in rows])
    ys = _decades([row["ky"] / row["ny"] for row in rows])
    rates = [
        {"calculate": "datum.kx / datum.nx", "as": "x"},
        {"calculate": "datum.ky / datum.ny", "as": "y"},
        {"calculate": "format(datum.kx, ',') + ' / ' + format(datum.nx, ',')", "as": "kn_x"},
        {"calculate": "format(datum.ky, ',') + ' / ' + format(datum.ny, ',')", "as": "kn_y"},
    ]
    tooltip = [
        {"field": "g", "title": "group"},
        {"field": "t", "title": "threshold", "type": "quantitative", "format": ".9~g"},
        {"field": "x", "title": x.short, "type": "quantitative", "format": ".3~g"},
        {"field": "kn_x", "title": f"{x.short} counts"},
        {"field": "y", "title": y.short, "type": "quantitative", "format": ".3~g"},
        {"field": "kn_y", "title": f"{y.short} counts"},
    ]
    place = {
        "x": _log(x, xs) | {"field": "x"},
        "y": _log(y, ys) | {"field": "y"},
        "color": by_group(series, "colour"),
        "tooltip": tooltip,
    }
    dash, shape = by_group(series, "dash"), by_group(series, "shape")
    steps = {"type": "line", "interpolate": "step-after", "strokeWidth": 1.8, "clip": True}
    order = {"field": "t", "type": "quantitative", "sort": "descending"}
    layers: list[Spec] = [
        {"mark": steps, "encoding": place | {"strokeDash": dash, "order": order}},
        {"mark": {"type": "point", "opacity": 0, "size": 90, "filled": True}, "encoding": place},
    ]
    marks = named(series, "marks")
    if marks:
        dot = {"type": "point", "filled": True, "size": 95, "opacity": 1, "stroke": "white", "strokeWidth": 1.2}
        layers += [
            _whisker(marks, place, rates, ("xl", "xh"), "x"),
            _whisker(marks, place, rates, ("yl", "yh"), "y"),
            {"data": {"values": marks}, "transform": rates, "mark": dot, "encoding": place | {"shape": shape}},
        ]
    return framed({"data": {"values": named(series, "rows")}, "transform": rates, "layer": layers}, alt, height=420)


def shares(
    series: Sequence[Series], *, title: str, domain: tuple[float, float], thresholds: Sequence[float], alt: str
) -> Spec:
    """Histograms of scores as steps. rows : s, start of the bin; share; k, n. The last row closes the last bin."""
    encoding = {
        "x": {"field": "s", "type": "quantitative", "title": "score", "scale": {"domain": list(domain), "nice": False}},
        "y": {
            "field": "share",
            "type": "quantitative",
            "title": title,
            "stack": None,
            "axis": {"format": "~%", "minExtent": 42},
        },
        "color": by_group(series, "colour"),
        "tooltip": [
            {"field": "g", "title": "group"},
            {"field": "bin", "title": "scores"},
            {"field": "share", "title": "share", "type": "quantitative", "format": ".3~%"},
            {"field": "k", "title": "trials", "type": "quantitative", "format": ","},
        ],
    }
    bare = {name: encoding[name] for name in ("x", "y", "color")}
    text = {"type": "text", "angle": 270, "align": "right", "baseline": "bottom", "dx": -2, "dy": -3, "fontSize": 11}
    rule = {
        "data": {"values": [{"t": t, "label": f"{t:.4f}"} for t in thresholds]},
        "encoding": {"x": {"field": "t", "type": "quantitative"}},
        "layer": [
            {"mark": {"type": "rule", "strokeDash": [3, 3], "color": "#30343b", "strokeWidth": 1}},
            {"mark": text | {"color": "#30343b", "y": 0}, "encoding": {"text": {"field": "label"}}},
        ],
    }
    layers: list[Spec] = [
        {
            "mark": {
                "type": "area",
                "interpolate": "step-after",
                "fillOpacity": round(0.3 / len(series), 3),
                "line": False,
            },
            "encoding": {"x": bare["x"], "y": bare["y"], "fill": bare["color"]},
        },
        {
            "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.6},
            "encoding": bare | {"strokeDash": by_group(series, "dash")},
        },
        {"mark": {"type": "point", "opacity": 0, "size": 120, "filled": True}, "encoding": encoding},
        *([rule] if thresholds else []),
    ]
    return framed({"data": {"values": named(series, "rows")}, "layer": layers}, alt, height=200)


def ranks(series: Sequence[Series], *, ticks: Sequence[int], title: str, alt: str) -> Spec:
    """Rank hits. rows : rank, k, n."""
    share = [
        {"calculate": "datum.k / datum.n", "as": "share"},
        {"calculate": "format(datum.k, ',') + ' / ' + format(datum.n, ',')", "as": "kn"},
    ]
    encoding = {
        "x": {
            "field": "rank",
            "type": "quantitative",
            "title": "rank R, candidates looked at",
            "scale": {"type": "log", "base": 10, "nice": False, "padding": 12},
            "axis": {"values": list(ticks), "format": "d", "labelOverlap": True},
        },
        "y": {
            "field": "share",
            "type": "quantitative",
            "title": title,
            "scale": {"zero": False},
            "axis": {"format": ".3~%", "tickCount": 6},
        },
        "color": by_group(series, "colour"),
        "tooltip": [
            {"field": "g", "title": "group"},
            {"field": "rank", "title": "rank"},
            {"field": "share", "title": "hits", "type": "quantitative", "format": ".2%"},
            {"field": "kn", "title": "counts"},
        ],
    }
    layers: list[Spec] = [
        {
            "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.8},
            "encoding": encoding | {"strokeDash": by_group(series, "dash")},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
            "encoding": encoding | {"shape": by_group(series, "shape")},
        },
    ]
    rows = {"values": named(series, "rows")}
    return framed({"data": rows, "transform": share, "layer": layers}, alt, height=320)


def sizes(series: Sequence[Series], *, bands: Sequence[str], searched: int, alt: str) -> Spec:
    """FPIR by size of the gallery, both axes logarithmic; above `searched` rows dashed and hollow.

    rows : size, value, low, high, state, text, interval, matches. bands : series whose intervals are drawn, down to
    two decades below the lowest rate.
    """
    rows = named(series, "rows")
    values, largest = [row["value"] for row in rows], max(row["size"] for row in rows)
    lowest = max(min(row["low"] or row["value"] for row in rows), min(values) / 100)
    decades = _decades([lowest, *values])
    across = _log(Axis("rows of the gallery, N, log scale", "N"), _decades([row["size"] for row in rows], least=1))
    across["axis"]["labelExpr"] = "format(datum.value, ',')"
    x, colour = across | {"field": "size"}, by_group(series, "colour")
    y = _log(Axis("FPIR, log scale", "FPIR"), decades) | {"field": "value"}
    tooltip = [
        {"field": "g", "title": "group"},
        {"field": "size", "title": "gallery", "type": "quantitative", "format": ","},
        {"field": "text", "title": "FPIR"},
        {"field": "interval", "title": "95% interval"},
        {"field": "state", "title": "rate is"},
        {"field": "matches", "title": "false matches", "type": "quantitative", "format": ","},
    ]
    hollow = {"condition": {"test": "datum.state == 'extrapolated'", "value": "#ffffff"}, **colour}
    looks = {"stroke": colour, "fill": hollow, "shape": by_group(series, "shape")}
    layers: list[Spec] = []
    for above, opacity in ((False, 0.36), (True, 0.16)):
        ends = [
            _cut(row, 10.0 ** decades[0]) for s in series if s.name in bands for row in _part(s, searched, above=above)
        ]
        band = {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}, "fill": colour}
        area = {"type": "area", "opacity": round(opacity / len(bands), 3)}
        layers.append({"data": {"values": ends}, "mark": area, "encoding": band})
    for above, dash in ((False, [1, 0]), (True, [5, 4])):
        joined = [row for s in series for row in _part(s, searched, above=above)]
        line = {"type": "line", "strokeWidth": 1.8, "strokeDash": dash}
        layers.append({"data": {"values": joined}, "mark": line, "encoding": {"x": x, "y": y, "color": colour}})
    dot = {"type": "point", "size": 75, "opacity": 1, "strokeWidth": 1.8}
    layers.append({"mark": dot, "encoding": {"x": x, "y": y, "tooltip": tooltip} | looks})
    layers += [_border(x, searched)] if largest > searched else []
    return framed({"data": {"values": rows}, "layer": layers}, alt, height=340)


def _border(x: Spec, searched: int) -> Spec:
    """Where measuring ends and a model begins, in words."""
    text = {"type": "text", "baseline": "top", "y": 2, "fontSize": 11.5, "color": "#30343b"}
    right = text | {"text": "extrapolated \N{RIGHTWARDS ARROW}", "fontStyle": "italic", "align": "left", "dx": 6}
    rule = {"type": "rule", "strokeDash": [3, 3], "color": "#30343b"}
    data = {"values": [{"size": searched}]}
    return {"data": data, "encoding": {"x": x}, "layer": [{"mark": mark} for mark in (rule, right)]}


def _part(series: Series, searched: int, *, above: bool) -> list[Spec]:
    """Rows up to the gallery that was searched, or from the last of those on."""
    rows = [{"g": series.name, **row} for row in series.rows]
    measured = [row for row in rows if row["size"] <= searched]
    return [*measured[-1:], *(row for row in rows if row["size"] > searched)] if above else measured


def _cut(row: Spec, floor: float) -> Spec:
    """A row whose interval ends at `floor`, where a logarithm cannot reach its end; no interval is a point."""
    low, high = (row["value"] if row[end] is None else row[end] for end in ("low", "high"))
    return row | {"low": max(low, floor), "high": high}


def timings(series: Sequence[Series], *, unit: str, alt: str) -> Spec:
    """Percentiles of latency with intervals, a line for each group. rows : q, value, low, high, text."""
    names = [s.name for s in series]
    time = {"type": "quantitative", "title": f"time of a request, {unit}", "scale": {"zero": True, "nice": True}}
    encoding = {
        "y": {"field": "g", "type": "nominal", "title": None, "sort": names, "axis": {"grid": True, "ticks": False}},
        "color": by_group(series, "colour"),
        "tooltip": [
            {"field": "g", "title": "group"},
            {"field": "q", "title": "percentile"},
            {"field": "text", "title": "time"},
        ],
    }
    quantiles = {"domain": ["p50", "p90", "p99"], "range": ["circle", "square", "triangle-up"]}
    shape = {"field": "q", "type": "nominal", "scale": quantiles, "legend": None}
    layers: list[Spec] = [
        {
            "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.45},
            "encoding": encoding | {"x": time | {"field": "low"}, "x2": {"field": "high"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 75, "opacity": 1},
            "encoding": encoding | {"x": time | {"field": "value"}, "shape": shape},
        },
    ]
    return framed({"data": {"values": named(series, "rows")}, "layer": layers}, alt, height=36 * len(series) + 10)


def _whisker(rows: Sequence[Row], place: Spec, transform: Sequence[Spec], ends: tuple[str, str], axis: str) -> Spec:
    """Interval bars along `axis` for the rows that have an interval."""
    known = [row for row in rows if row.get(ends[0])]
    along = {axis: place[axis] | {"field": ends[0]}, f"{axis}2": {"field": ends[1]}}
    return {
        "data": {"values": known},
        "transform": list(transform),
        "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.4, "clip": True},
        "encoding": place | along,
    }


def named(series: Sequence[Series], field: str) -> list[Spec]:
    """The rows or marks of all series, each with the name of its group as `g`."""
    return [{"g": s.name, **row} for s in series for row in getattr(s, field)]


def by_group(series: Sequence[Series], look: str) -> Spec:
    """An encoding that gives every group its own `look`: colour, dash or shape."""
    values = [getattr(s.style, look) for s in series]
    looks = [list(v) if isinstance(v, tuple) else v for v in values]
    scale = {"domain": [s.name for s in series], "range": looks}
    return {"field": "g", "type": "nominal", "scale": scale, "legend": None}


def _decades(values: Sequence[float], *, least: int = 0) -> tuple[int, int]:
    """Powers of ten around `values`, the higher one `least` or more."""
    return math.floor(math.log10(min(values))), max(least, math.ceil(math.log10(max(values))))


def _log(axis: Axis, decades: tuple[int, int]) -> Spec:
    first, last = decades
    steps = (1, 2, 5) if last - first <= 2 else (1,)
    ticks = [float(f"{m}e{i}") for i in range(first, last) for m in steps] + [float(f"1e{last}")]
    label = "datum.value == 1 ? '1' : format(datum.value, '~e')" if axis.exponent else "format(datum.value, '~%')"
    return {
        "type": "quantitative",
        "title": axis.title,
        "scale": {"type": "log", "domain": [ticks[0], ticks[-1]], "nice": False},
        "axis": {"values": ticks, "labelExpr": label, "labelOverlap": True},
    }


def framed(spec: Spec, alt: str, *, height: int) -> Spec:
    """`spec` in the type, lines and width that all charts have. alt : what it shows, in words."""
    text = {"labelFontSize": 12, "titleFontSize": 12.5, "titleFontWeight": 600, "labelColor": "#3c4048"}
    lines = {"gridColor": "#e8e9ec", "domainColor": "#9aa0a8", "tickColor": "#9aa0a8", "titleColor": "#1f2328"}
    config = {
        "font": FONT,
        "background": "transparent",
        "view": {"stroke": None},
        "axis": text | lines | {"titlePadding": 10, "labelPadding": 5, "labelLimit": 150},
    }
    return {
        "description": alt,
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "config": config,
        **spec,
    }
