"""Holds what charts are put together from, as parts of Vega-Lite specifications: axes, marks, intervals, tooltips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from frbench.page.style import Style

Spec = dict[str, Any]
Row = Mapping[str, Any]
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
INK = "#30343b"
GROUP = {"field": "g", "title": "group"}
STEPS = {"interpolate": "step-after"}


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
    config = {
        "font": FONT,
        "background": "transparent",
        "view": {"stroke": None},
        "axis": text | lines | {"titlePadding": 10, "labelPadding": 5, "labelLimit": 150},
    }
    size = {"width": "container", "height": height, "autosize": {"type": "fit-x", "contains": "padding"}}
    return {"description": alt, **size, "config": config, **spec}
