"""Gives a group the same looks everywhere in one report, in colour and without."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from frbench.plan import ALL, UNLABELLED

# Okabe & Ito (2008), without the yellow that vanishes on white; told apart with any colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#B6478C", "#C78500", "#3D8FC4", "#6B4FA0")
DASHES = ((1, 0), (7, 3), (2, 2), (9, 3, 2, 3), (4, 2))
SHAPES = {
    "circle": "M15 2a4 4 0 1 0 .01 0z",
    "square": "M11.5 2.5h7v7h-7z",
    "triangle-up": "M15 1.6l4.6 8h-9.2z",
    "diamond": "M15 .8l5 5.2-5 5.2-5-5.2z",
    "cross": "M13.5 1.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
    "triangle-down": "M15 10.4l4.6-8h-9.2z",
}


@dataclass(frozen=True)
class Style:
    """Colour, dash pattern and point shape (a Vega symbol) of a group."""

    colour: str
    dash: tuple[int, ...]
    shape: str

    @property
    def swatch(self) -> Markup:
        """A piece of the group's line with its point, as inline SVG."""
        dash = " ".join(map(str, self.dash))
        colour = "currentColor" if self == EVERYTHING else self.colour
        return Markup(
            '<svg class="swatch" viewBox="0 0 30 12" width="30" height="12" aria-hidden="true">'
            '<path d="M0 6h30" stroke="{0}" stroke-width="2" stroke-dasharray="{1}"/>'
            '<path d="{2}" fill="{0}"/></svg>'
        ).format(colour, dash, SHAPES[self.shape])


EVERYTHING = Style("#30343b", (1, 0), "circle")
UNLABELLED_STYLE = Style("#8a8f98", (2, 2), "cross")

Key = tuple[str, str]


class Palette:
    """The style of every group of a report; a key is (grouping, group)."""

    def __init__(self, keys: Iterable[Key]) -> None:
        ordered = list(dict.fromkeys(key for key in keys if not _is_unlabelled(key[1])))
        self._number = {key: i for i, key in enumerate(ordered)}

    def __getitem__(self, key: Key) -> Style:
        if key[0] == ALL:
            return EVERYTHING
        if key not in self._number:
            return UNLABELLED_STYLE
        i = self._number[key]
        shapes = tuple(SHAPES)
        return Style(COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)], shapes[i % len(shapes)])


def _is_unlabelled(name: str) -> bool:
    return set(name.split(",")) == {UNLABELLED}


# From light to dark at even steps of lightness, so that the order survives grey print.
RAMP = ((255, 246, 232), (252, 214, 164), (243, 161, 107), (214, 98, 84), (158, 49, 80), (91, 20, 66))


DARK = "#000000"
# Above this luminance L black text has the better contrast: (L + 0.05)^2 > 1.05 x 0.05 (WCAG 2, contrast ratio). There
# it is 4.58, the least of all, and enough for text of any size.
CROSSOVER = 0.179


@dataclass(frozen=True)
class Shade:
    """Background and text colour of a cell."""

    background: str
    text: str


@dataclass(frozen=True)
class LogScale:
    """Colours of rates between two positive rates, on a logarithm."""

    low: float
    high: float

    def shade(self, value: float) -> Shade:
        """The colour of `value`."""
        span = math.log(self.high / self.low)
        x = math.log(value / self.low) / span if span > 0 else 0.5
        colour = _mix(min(1.0, max(0.0, x)))
        return Shade("rgb({},{},{})".format(*colour), DARK if _luminance(colour) > CROSSOVER else "#ffffff")


GRADIENT = "linear-gradient(90deg," + ",".join(f"rgb({r},{g},{b})" for r, g, b in RAMP) + ")"


def _luminance(colour: tuple[int, int, int]) -> float:
    """Relative luminance of an sRGB colour (WCAG 2)."""
    parts = (c / 255 for c in colour)
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mix(x: float) -> tuple[int, int, int]:
    position = x * (len(RAMP) - 1)
    i = min(int(position), len(RAMP) - 2)
    part = position - i
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(RAMP[i], RAMP[i + 1], strict=True))
    return red, green, blue
