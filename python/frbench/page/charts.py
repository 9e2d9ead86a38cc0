"""Draws charts of counts, as Vega-Lite specifications for a page that is read on any screen and on paper.

Every mark is a count: lines are steps between counted edges, nothing is smoothed or interpolated. The one exception is
a larger gallery than was searched: what a model says of it is dashed, hollow and called extrapolated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from frbench.page.style import Style
from frbench.results.types import Measurement

Spec = dict[str, Any]
Row = Mapping[str, Any]
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
INK = "#30343b"
GROUP = {"field": "g", "title": "group"}
STEPS = {"interpolate": "step-after"}
LONGEST, MEDIAN = "#D55E00", "#0072B2"
ROW_HEIGHT = 30
LEAST_HEIGHT = 70


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


def quantity(title: str, field: str = "", **more: Any) -> Spec:
    """An axis of numbers. field : what stands on it; more : `scale`, `axis`."""
    return {"type": "quantitative", "title": title} | ({"field": field} if field else {}) | more


def tip(field: str, title: str, number: str = "") -> Spec:
    """A line of a tooltip. number : the format of a number, "" for text."""
    return {"field": field, "title": title} | ({"type": "quantitative", "format": number} if number else {})


def line(width: float, **more: Any) -> Spec:
    """A line."""
    return {"type": "line", "strokeWidth": width} | more


def dot(size: int, opacity: int = 1, **more: Any) -> Spec:
    """A filled point; one of opacity 0 holds a tooltip."""
    return {"type": "point", "filled": True, "size": size, "opacity": opacity} | more


def bars(place: Spec, axis: str, *, ends: tuple[str, str] = ("low", "high"), opacity: float = 0.4, **more: Any) -> Spec:
    """Intervals as bars along one axis of `place`."""
    along = {axis: place[axis] | {"field": ends[0]}, f"{axis}2": {"field": ends[1]}}
    return {"mark": {"type": "rule", "strokeWidth": 3, "opacity": opacity} | more, "encoding": place | along}


def counts_of(k: str, n: str) -> str:
    """An expression for "3 / 1,000"."""
    return f"format(datum.{k}, ',') + ' / ' + format(datum.{n}, ',')"


def of_groups(series: Sequence[Series], *, axis: Spec) -> Spec:
    """An axis with a place for each group, in their order."""
    return {"field": "g", "type": "nominal", "title": None, "sort": [s.name for s in series], "axis": axis}


def named(series: Sequence[Series], field: str) -> list[Spec]:
    """The rows or marks of all series, each with the name of its group as `g`."""
    return [{"g": s.name, **row} for s in series for row in getattr(s, field)]


def by_group(series: Sequence[Series], look: str) -> Spec:
    """An encoding that gives every group its own `look`: colour, dash or shape."""
    values = [getattr(s.style, look) for s in series]
    looks = [list(v) if isinstance(v, tuple) else v for v in values]
    scale = {"domain": [s.name for s in series], "range": looks}
    return {"field": "g", "type": "nominal", "scale": scale, "legend": None}


def drawn(series: Sequence[Series], layers: Sequence[Spec], alt: str, *, height: int, **more: Any) -> Spec:
    """A chart of the rows of all series. more : `transform`."""
    return framed({"data": {"values": named(series, "rows")}, "layer": layers, **more}, alt, height=height)


def framed(spec: Spec, alt: str, *, height: int) -> Spec:
    """`spec` in the type, lines and width that all charts have. alt : what it shows, in words."""
    text = {"labelFontSize": 12, "titleFontSize": 12.5, "titleFontWeight": 600, "labelColor": "#3c4048"}
    lines = {"gridColor": "#e8e9ec", "domainColor": "#9aa0a8", "tickColor": "#9aa0a8", "titleColor": "#1f2328"}
    axis = text | lines | {"titlePadding": 10, "labelPadding": 5, "labelLimit": 150}
    config = {"font": FONT, "background": "transparent", "view": {"stroke": None}, "axis": axis}
    size = {"width": "container", "height": height, "autosize": {"type": "fit-x", "contains": "padding"}}
    return {"description": alt, **size, "config": config, **spec}


def tradeoff(series: Sequence[Series], x: Axis, y: Axis, *, alt: str) -> Spec:
    """Two error rates against each other, both axes logarithmic.

    rows : t, kx, nx, ky, ny with kx, ky > 0. marks : the same, and xl, xh, yl, yh, ends of intervals, where known.
    """
    rows = [row for s in series for row in (*s.rows, *s.marks)]
    rates = [{"calculate": f"datum.k{axis} / datum.n{axis}", "as": axis} for axis in "xy"]
    rates += [{"calculate": counts_of(f"k{axis}", f"n{axis}"), "as": f"kn_{axis}"} for axis in "xy"]
    tooltip = [GROUP, tip("t", "threshold", ".9~g")]
    place: Spec = {"color": by_group(series, "colour"), "tooltip": tooltip}
    for field, shown in (("x", x), ("y", y)):
        tooltip += [tip(field, shown.short, ".3~g"), tip(f"kn_{field}", f"{shown.short} counts")]
        decades = _decades([row[f"k{field}"] / row[f"n{field}"] for row in rows])
        place[field] = _log(shown, decades) | {"field": field}
    order = {"field": "t", "type": "quantitative", "sort": "descending"}
    dash = {"strokeDash": by_group(series, "dash"), "order": order}
    layers: list[Spec] = [
        {"mark": line(1.8, **STEPS, clip=True), "encoding": place | dash},
        {"mark": dot(90, opacity=0), "encoding": place},
    ]
    if marks := named(series, "marks"):
        for axis in "xy":
            ends = (f"{axis}l", f"{axis}h")
            known = {"data": {"values": [row for row in marks if row.get(ends[0])]}, "transform": rates}
            layers.append(known | bars(place, axis, ends=ends, clip=True))
        shapes = place | {"shape": by_group(series, "shape")}
        mark = dot(95, stroke="white", strokeWidth=1.2)
        layers.append({"data": {"values": marks}, "transform": rates, "mark": mark, "encoding": shapes})
    return drawn(series, layers, alt, height=420, transform=rates)


def shares(
    series: Sequence[Series], *, title: str, domain: tuple[float, float], thresholds: Sequence[float], alt: str
) -> Spec:
    """Histograms of scores as steps. rows : s, start of the bin; share; k, n. The last row closes the last bin."""
    x = quantity("score", "s", scale={"domain": list(domain), "nice": False})
    y = quantity(title, "share", stack=None, axis={"format": "~%", "minExtent": 42})
    place = {"x": x, "y": y, "color": by_group(series, "colour")}
    tooltip = [GROUP, tip("bin", "scores"), tip("share", "share", ".3~%"), tip("k", "trials", ",")]
    text = {"type": "text", "angle": 270, "align": "right", "baseline": "bottom", "dx": -2, "dy": -3, "fontSize": 11}
    rule = {
        "data": {"values": [{"t": t, "label": f"{t:.4f}"} for t in thresholds]},
        "encoding": {"x": {"field": "t", "type": "quantitative"}},
        "layer": [
            {"mark": {"type": "rule", "strokeDash": [3, 3], "color": INK, "strokeWidth": 1}},
            {"mark": text | {"color": INK, "y": 0}, "encoding": {"text": {"field": "label"}}},
        ],
    }
    area = {"type": "area", **STEPS, "fillOpacity": round(0.3 / len(series), 3), "line": False}
    layers: list[Spec] = [
        {"mark": area, "encoding": {"x": x, "y": y, "fill": place["color"]}},
        {"mark": line(1.6, **STEPS), "encoding": place | {"strokeDash": by_group(series, "dash")}},
        {"mark": dot(120, opacity=0), "encoding": place | {"tooltip": tooltip}},
        *([rule] if thresholds else []),
    ]
    return drawn(series, layers, alt, height=200)


def ranks(series: Sequence[Series], *, ticks: Sequence[int], title: str, alt: str) -> Spec:
    """Rank hits. rows : rank, k, n."""
    share = [{"calculate": "datum.k / datum.n", "as": "share"}, {"calculate": counts_of("k", "n"), "as": "kn"}]
    log = {"type": "log", "base": 10, "nice": False, "padding": 12}
    labels = {"values": list(ticks), "format": "d", "labelOverlap": True}
    place = {
        "x": quantity("rank R, candidates looked at", "rank", scale=log, axis=labels),
        "y": quantity(title, "share", scale={"zero": False}, axis={"format": ".3~%", "tickCount": 6}),
        "color": by_group(series, "colour"),
        "tooltip": [GROUP, tip("rank", "rank"), tip("share", "hits", ".2%"), tip("kn", "counts")],
    }
    layers: list[Spec] = [
        {"mark": line(1.8, **STEPS), "encoding": place | {"strokeDash": by_group(series, "dash")}},
        {"mark": dot(70), "encoding": place | {"shape": by_group(series, "shape")}},
    ]
    return drawn(series, layers, alt, height=320, transform=share)


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
    tooltip = [GROUP, tip("size", "gallery", ","), tip("text", "FPIR"), tip("interval", "95% interval")]
    tooltip += [tip("state", "rate is"), tip("matches", "false matches", ",")]
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
        joined = {"values": [row for s in series for row in _part(s, searched, above=above)]}
        encoding = {"x": x, "y": y, "color": colour}
        layers.append({"data": joined, "mark": line(1.8, strokeDash=dash), "encoding": encoding})
    mark = {"type": "point", "size": 75, "opacity": 1, "strokeWidth": 1.8}
    layers.append({"mark": mark, "encoding": {"x": x, "y": y, "tooltip": tooltip} | looks})
    layers += [_border(x, searched)] if largest > searched else []
    return drawn(series, layers, alt, height=340)


def _border(x: Spec, searched: int) -> Spec:
    """Where measuring ends and a model begins, in words."""
    text = {"type": "text", "baseline": "top", "y": 2, "fontSize": 11.5, "color": INK}
    right = text | {"text": "extrapolated \N{RIGHTWARDS ARROW}", "fontStyle": "italic", "align": "left", "dx": 6}
    rule = {"type": "rule", "strokeDash": [3, 3], "color": INK}
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
    x = quantity(f"time of a request, {unit}", scale={"zero": True, "nice": True})
    tooltip = [GROUP, tip("q", "percentile"), tip("text", "time")]
    y = of_groups(series, axis={"grid": True, "ticks": False})
    place: Spec = {"x": x, "y": y, "color": by_group(series, "colour"), "tooltip": tooltip}
    quantiles = {"domain": ["p50", "p90", "p99"], "range": ["circle", "square", "triangle-up"]}
    shape = {"field": "q", "type": "nominal", "scale": quantiles, "legend": None}
    value = place | {"x": place["x"] | {"field": "value"}, "shape": shape}
    layers: list[Spec] = [bars(place, "x", opacity=0.45), {"mark": dot(75), "encoding": value}]
    return drawn(series, layers, alt, height=36 * len(series) + 10)


def curve(series: Sequence[Series], *, unit: str, alt: str) -> Spec:
    """A quantile against requests offered a second, the times on a logarithm. rows : rate, value, low, high, text."""
    labels = {"format": "~g", "labelOverlap": True}
    x = quantity("requests offered a second", "rate", scale={"nice": True})
    y = quantity(f"time of a request, {unit}, log scale", scale={"type": "log"}, axis=labels)
    place: Spec = {"x": x, "y": y, "color": by_group(series, "colour")}
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

    x = quantity("second after the warm-up", "second", axis={"format": "d"})
    y = quantity(f"time of a request, {unit}", "time", scale={"zero": True})
    place = {"x": x, "y": y, "color": looks(2)}
    tooltip = [{"field": name} for name in ("kind", "time", "run", "second", "requests", "failed")]
    layers: list[Spec] = [
        {"mark": line(1.4), "encoding": place | {"detail": {"field": "run"}}},
        {"mark": dot(40), "encoding": place | {"shape": looks(1), "tooltip": tooltip}},
    ]
    return framed({"data": {"values": values}, "layer": layers}, alt, height=240)


def price(series: Sequence[Series], *, gain: str, errors: str, is_log: bool, alt: str) -> Spec:
    """Errors added by group against a gain, with intervals. rows : gain, value, low, high, system, text, kn.

    gain, errors : titles of the axes. is_log : whether gains are drawn on a logarithm.
    """
    scale = {"type": "log", "nice": False, "padding": 24} if is_log else {"zero": False, "padding": 24}
    x = quantity(gain, "gain", axis={"format": "~s", "labelOverlap": True}, scale=scale)
    y = quantity(errors, scale={"zero": True, "nice": True}, axis={"format": "~%"})
    place: Spec = {"x": x, "y": y, "color": by_group(series, "colour")}
    value = place | {"y": place["y"] | {"field": "value"}}
    tooltip = [GROUP, tip("system", "search"), tip("gain", gain, ",.3~r"), tip("text", errors), tip("kn", "counts")]
    shapes = {"shape": by_group(series, "shape"), "tooltip": tooltip}
    layers: list[Spec] = [bars(place, "y"), {"mark": dot(75), "encoding": value | shapes}]
    if is_log:
        dash = {"strokeDash": by_group(series, "dash"), "order": {"field": "gain", "type": "quantitative"}}
        layers.insert(1, {"mark": line(1.6), "encoding": value | dash})
    return drawn(series, layers, alt, height=320)


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


def forest(series: Sequence[Series], *, title: str, alt: str) -> Spec:
    """A row for each of `series`. rows : value, low, high, text; one each, with an interval."""
    domain = _domain(named(series, "rows"))
    scale = {"type": "log", "domain": list(domain), "nice": False}
    labels = {"values": _ticks(*domain), "format": "~r", "labelOverlap": True}
    x = quantity(f"{title}, log scale", scale=scale, axis=labels)
    y = of_groups(series, axis={"grid": True, "ticks": False, "labelLimit": 180})
    place: Spec = {"x": x, "y": y, "color": by_group(series, "colour")}
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


def _decades(values: Sequence[float], *, least: int = 0) -> tuple[int, int]:
    """Powers of ten around `values`, the higher one `least` or more."""
    return math.floor(math.log10(min(values))), max(least, math.ceil(math.log10(max(values))))


def _log(axis: Axis, decades: tuple[int, int]) -> Spec:
    first, last = decades
    steps = (1, 2, 5) if last - first <= 2 else (1,)
    ticks = [float(f"{m}e{i}") for i in range(first, last) for m in steps] + [float(f"1e{last}")]
    label = "datum.value == 1 ? '1' : format(datum.value, '~e')" if axis.exponent else "format(datum.value, '~%')"
    scale = {"type": "log", "domain": [ticks[0], ticks[-1]], "nice": False}
    return quantity(axis.title, scale=scale, axis={"values": ticks, "labelExpr": label, "labelOverlap": True})
