"""Holds what the templates of a page print: tables, charts, blocks; and names groups and thresholds on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from markupsafe import Markup

from frbench.page import charts, words
from frbench.page.charts import Series, Spec
from frbench.page.operation import Setting
from frbench.page.style import Key, Palette, Shade
from frbench.page.words import Cell, RateCell
from frbench.plan import ALL, UNLABELLED
from frbench.results.types import Head, OfGroup, OperatingPoint

# A curve of fewer trials is a handful of steps; the tables have its counts.
MIN_CHART_TRIALS = 100
NO_SWATCH = Markup("")


@dataclass(frozen=True)
class Figure:
    """A chart with its words. legend : (swatch, name). notes : what is left out, and why."""

    id: str
    title: str
    caption: str
    spec: Spec
    legend: Sequence[tuple[Markup, str]] = ()
    notes: Sequence[str] = ()

    @property
    def alt(self) -> str:
        """What the chart shows, in words."""
        return str(self.spec["description"])


@dataclass(frozen=True)
class Row:
    """A line of a table: a group, or what its label says instead, and its cells."""

    label: str
    cells: Sequence[Cell]
    swatch: Markup = NO_SWATCH
    is_total: bool = False


@dataclass(frozen=True)
class Table:
    """A table. columns : heading and a line below it. bodies : rows under a heading, or "".

    ends_in_words : whether the last column is prose.
    """

    caption: str
    columns: Sequence[tuple[str, str]]
    bodies: Sequence[tuple[str, Sequence[Row]]]
    notes: Sequence[str] = ()
    is_compact: bool = False
    ends_in_words: bool = False


@dataclass(frozen=True)
class HeatCell:
    """A rate in a heat map. shade : None where no colour can be given. tip : shown on hover. below : lines below it."""

    rate: RateCell
    shade: Shade | None
    tip: str
    below: Sequence[str] = ()


@dataclass(frozen=True)
class HeatMap:
    """Rates of groups as coloured cells. corner : what rows and columns are. cells : by row, then by column.

    low, high : ends of the colour scale, or "". scale : what to know of it.
    """

    caption: str
    corner: str
    rows: Sequence[str]
    columns: Sequence[str]
    cells: Sequence[Sequence[HeatCell]]
    low: str
    high: str
    scale: str
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class RatioRow:
    """A ratio in a table. left, middle, right : places of interval and value on the axis, 0 to 100; None without.

    power : the smallest ratio that would have been detected. difference : of the two rates, and its interval, or "".
    """

    group: str
    reference: str
    value: str
    interval: str
    counts: tuple[str, str]
    verdict: str
    power: str
    difference: tuple[str, str]
    swatch: Markup
    left: float | None = None
    middle: float | None = None
    right: float | None = None


@dataclass(frozen=True)
class RatioTable:
    """Ratios of one rate on a logarithmic axis. one : place of "no difference". ticks : (place, text)."""

    caption: str
    metric: str
    rows: Sequence[RatioRow]
    one: float
    ticks: Sequence[tuple[float, str]]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Block:
    """A heading and what stands under it, in this order; each part is shown if there is any."""

    title: str
    lead: Sequence[Markup | str] = ()
    cautions: Sequence[str] = ()
    ratios: Sequence[RatioTable] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    heat_maps: Sequence[HeatMap] = ()
    closing: Sequence[Table] = ()


@dataclass(frozen=True)
class Point:
    """An operating point: what was measured at one threshold. blocks : differences between groups, by grouping."""

    title: str
    origins: Sequence[str]
    warnings: Sequence[str]
    table: Table
    blocks: Sequence[Block] = ()


@dataclass(frozen=True)
class Explorer:
    """What follows a handle on the threshold. data : for the scripts of `assets/`. stop, setting : to begin with.

    gallery : N that was searched, or None.
    marks : (stop, text) of the thresholds that the run reports. ranks : (number of the rate, rank) to choose from.
    """

    data: Mapping[str, Any]
    stop: int
    setting: Setting
    gallery: int | None
    marks: Sequence[tuple[int, str]]
    ranks: Sequence[tuple[int, int]]
    notes: Sequence[str]


@dataclass(frozen=True)
class View:
    """One run as the page shows it. pairs_figures : whether its charts stand side by side where there is room.

    blocks : what goes beyond single thresholds. after : tables at the end. explorer : what follows a handle, or None.
    """

    anchor: str
    title: str
    measured: str
    summary: Sequence[tuple[str, Sequence[Markup]]]
    explained: Sequence[tuple[str, str]] = ()
    refused: Sequence[tuple[str, str]] = ()
    points: Sequence[Point] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    blocks: Sequence[Block] = ()
    after: Sequence[Table] = ()
    pairs_figures: bool = False
    explorer: Explorer | None = None

    @property
    def drawn(self) -> list[Figure]:
        """All its charts."""
        return [*self.figures, *(figure for block in self.blocks for figure in block.figures)]


def heads(texts: str) -> list[tuple[str, str]]:
    """Columns of a table: "Group; FMR | 95% interval" is two, the second with a line below its heading."""
    found = (text.partition(" | ") for text in texts.split("; "))
    return [(heading, below) for heading, _, below in found]


Item = TypeVar("Item")


def together(found: Iterable[tuple[str, Item]]) -> list[tuple[str, list[Item]]]:
    """Bodies of a table: what stands under each heading, headings in the order of their first."""
    bodies: dict[str, list[Item]] = {}
    for heading, item in found:
        bodies.setdefault(heading, []).append(item)
    return list(bodies.items())


def by_reason(found: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    """For each reason: itself, what it is the reason for, and of whom, each once and as in a sentence."""
    for why, both in together((why, (what, who)) for why, what, who in found):
        what, who = (words.listed(list(dict.fromkeys(items))) for items in zip(*both, strict=True))
        yield words.reason(why), what, who


def key_of(row: OfGroup) -> Key:
    """Grouping and group of a row of results."""
    return row["grouping"], row["group"]


def name_of(row: OfGroup, everybody: str) -> str:
    """The group of a row of results; `everybody` for all together."""
    return everybody if row["grouping"] == ALL else row["group"]


def row_of(row: OfGroup, cells: Sequence[Cell], palette: Palette, everybody: str) -> Row:
    """A line of a table for a row of results: its group with its swatch, and `cells`."""
    return Row(name_of(row, everybody), cells, palette[key_of(row)].swatch, row["grouping"] == ALL)


def series_of(points: Iterable[tuple[OfGroup, charts.Row | None]], palette: Palette, everybody: str) -> list[Series]:
    """Groups of a chart in the order of their first point; a point of None is not drawn, nor is a group without any."""
    names: dict[Key, str] = {}
    rows: dict[Key, list[charts.Row]] = {}
    for of, point in points:
        names[key_of(of)] = name_of(of, everybody)
        rows.setdefault(key_of(of), []).extend([] if point is None else [point])
    return [Series(names[key], palette[key], own) for key, own in rows.items() if own]


def groupings(results: Head) -> list[str]:
    """Groupings other than everything together."""
    return [name for name in results["groupings"] if name != ALL]


def drawn_groupings(results: Head) -> list[str]:
    """Groupings that have charts: everything together where there is no other."""
    return groupings(results) or [ALL]


def by(grouping: str) -> str:
    """The end of a title: " by sex and region", or nothing for everything together."""
    return "" if grouping == ALL else f" by {words.grouping(grouping)}"


def gallery_size(n: int) -> str:
    """The size of a gallery, as it stands in headings."""
    return f"N\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{n:,}"


def labelled(names: Sequence[str]) -> list[str]:
    """Those that are a group: rows without a label are none."""
    return [name for name in names if UNLABELLED not in name.split(",")]


def columns_of(grouping: str) -> tuple[str, ...]:
    """Label columns of a grouping by its title."""
    return () if grouping == ALL else tuple(grouping.split(","))


def origins(results: Head, threshold: float) -> list[OperatingPoint]:
    """Operating points that have this threshold."""
    return [p for p in results["operating_points"] if p["threshold"] == threshold]


def _set_for(point: OperatingPoint) -> str:
    return f"{words.target(point['at'])} over {words.population(point['population'])}"


def refused(results: Head) -> list[tuple[str, str]]:
    """Targets for which no threshold could be set, and why."""
    return [(_set_for(p), words.reason(p["reason"])) for p in results["operating_points"] if p["threshold"] is None]


def point_title(results: Head, threshold: float) -> str:
    """The heading of an operating point."""
    set_for = words.listed([words.target(p["at"]) for p in origins(results, threshold)])
    return f"Threshold {words.score(threshold)}" + (f", set for {set_for}" if set_for else "")


def at_threshold(results: Head, threshold: float) -> str:
    """What sentences about one threshold stand under."""
    found = words.listed([_set_for(p) for p in origins(results, threshold)])
    return f"At the threshold {words.exact(threshold)}" + (f", set for {found}" if found else "")


def origin_lines(results: Head, threshold: float) -> list[str]:
    """Where a threshold was set, and what it reached there."""
    lines = [
        f"Set for {_set_for(p)}; reached {words.scientific(p['k'] / p['n'])} there: {p['k']:,} of {p['n']:,}. "
        f"Exact value {threshold!r}."
        for p in origins(results, threshold)
    ]
    return lines or [f"Given by the user, not set on data. Exact value {threshold!r}."]


def weak_origins(results: Head, threshold: float) -> list[str]:
    """Warnings about a threshold that few errors support."""
    return [
        f"Only {words.plural(p['k'], *_errors(p['at']))} stand behind this threshold for {words.target(p['at'])}; "
        "below 30 (rule of 30) another sample could move it far."
        for p in origins(results, threshold)
        if not p["rule_of_30"]
    ]


def _errors(at: str) -> tuple[str, str]:
    is_miss = at.startswith("fnmr=")
    return ("false non-match", "false non-matches") if is_miss else ("false positive", "false positives")


def legend(series: Iterable[Series]) -> list[tuple[Markup, str]]:
    """Swatch and name of each series."""
    return [(s.style.swatch, s.name) for s in series]


def few_trials_note(names: Sequence[str], what: str) -> list[str]:
    """A note on groups that are in tables only."""
    if not names:
        return []
    return [f"Not drawn, with fewer than {MIN_CHART_TRIALS} {what}: {words.listed(list(names))}. The tables have them."]
