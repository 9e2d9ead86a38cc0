"""Finds the figures of a run at every threshold that a handle may stop at, with the intervals of the tally.

Nothing is estimated here: at each stop the tally is cut to that one edge and asked as a command would ask it, so that a
figure is the command line's, whatever the stop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench.estimate import LEVEL, Estimate
from frbench.inputs.arrays import Floats
from frbench.page import parts
from frbench.plan import ALL, EVERYBODY, OVERALL, Group
from frbench.reading import differentials
from frbench.reading.joint import replicates
from frbench.reading.people import n_members
from frbench.reading.rate import Rate, both_rates
from frbench.results import types
from frbench.results.types import Rates
from frbench.tally import Tally

# Stops of a handle; a screen is no wider, and every one costs an estimate of each figure.
MAX_STOPS = 400
MIN_STOPS = 60
MAX_FIGURES = 8_000
# Groups of which every two have a cell in the matrix; so many of its cells cost what one other figure costs.
MAX_MATRIX = 24
PAIRS_A_FIGURE = 4


@dataclass(frozen=True)
class Row:
    """A group, or everybody: its grouping, its name there, and its name on the page."""

    grouping: str
    name: str
    label: str

    @property
    def is_everybody(self) -> bool:
        """Whether this is all trials together."""
        return self.grouping == ALL

    @property
    def group(self) -> Group:
        """Whose trials these are."""
        return EVERYBODY if self.is_everybody else Group.within(parts.columns_of(self.grouping), self.name)

    @property
    def is_labelled(self) -> bool:
        """Whether it is a group: rows without a label are none."""
        return not self.is_everybody and self.group.is_labelled


@dataclass(frozen=True, eq=False)
class Curve:
    """A rate between two rows at every stop. a, b : numbers of the rows, the same twice within a group.

    k (t,); n of all stops. low, high (t,) : NaN where there is none. reasons (t,) : why, or "".
    """

    rate: Rate
    a: int
    b: int
    n: int
    people: int | None
    k: NDArray[np.int64]
    low: Floats
    high: Floats
    reasons: tuple[str, ...]

    def at(self, stop: int) -> types.Estimate:
        """The estimate at one stop, as `results.json` has it, but for how its interval was made."""
        k = int(self.k[stop])
        low, high = (None if np.isnan(end[stop]) else float(end[stop]) for end in (self.low, self.high))
        value, reason = k / self.n if self.n else None, self.reasons[stop]
        ends: types.Range = {"value": value, "low": low, "high": high, "reason": reason}
        return types.estimate(ends, k=k, n=self.n, level=LEVEL, n_subjects=self.people)


@dataclass(frozen=True, eq=False)
class RatioCurve:
    """A rate of one row over that of another at every stop; NaN where there is none, with the reason.

    detectable : the smallest ratio that would have been detected with 80% power.
    """

    rate: Rate
    row: int
    reference: int
    low: Floats
    high: Floats
    detectable: Floats
    reasons: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Explored:
    """All figures of one run at all stops.

    thresholds (t,). curves : within rows, in the order of `rates` and then of rows. pairs : between two groups.
    reported : stops that the run reports. groupings without a matrix have too many groups.
    """

    kind: str
    thresholds: Floats
    rows: tuple[Row, ...]
    rates: tuple[Rate, ...]
    curves: tuple[Curve, ...]
    ratios: tuple[RatioCurve, ...]
    pairs: tuple[Curve, ...]
    reported: tuple[int, ...]
    is_thinned: bool

    def curve(self, rate: Rate, row: int) -> Curve:
        """The rate within one row."""
        return self.curves[self.rates.index(rate) * len(self.rows) + row]


def explored(results: Rates, tally: Tally) -> Explored | None:
    """Every figure of a run of 1:1 comparisons or 1:N searches; None if nothing has a score."""
    is_search = results["kind"] == "identify"
    rows = tuple(_rows(results, tally, "all searches" if is_search else "all pairs"))
    rates = tuple(_rates(results))
    pairs = () if is_search else tuple(_pairs(rows))
    limit = MAX_FIGURES // (len(rows) * len(rates) + len(pairs) // PAIRS_A_FIGURE)
    edges, is_thinned = stops_of(tally, results["thresholds"], limit=limit)
    if not edges:
        return None
    contrasts = tuple(_contrasts(tally, rates, rows))
    at_stops = [_at(tally_at, rates, rows, contrasts) for tally_at in cut(tally, edges)]
    within = [(rate, i, i) for rate in rates for i in range(len(rows))]
    thresholds = tally.plan.axis[edges]
    return Explored(
        kind=results["kind"],
        thresholds=thresholds,
        rows=rows,
        rates=rates,
        curves=tuple(_curve([found[i] for found, _ in at_stops], of) for i, of in enumerate(within)),
        ratios=tuple(_ratio_curve([found[i] for _, found in at_stops], of) for i, of in enumerate(contrasts)),
        pairs=tuple(_between(tally, edges, rates[0], rows, pair) for pair in pairs),
        reported=tuple(int(np.searchsorted(thresholds, t)) for t in results["thresholds"]),
        is_thinned=is_thinned,
    )


def stops_of(tally: Tally, reported: Sequence[float], *, limit: int) -> tuple[list[int], bool]:
    """Numbers of the edges at which some count changes, those of `reported` among them; and whether some are left out.

    Between two of them every edge has the counts of the one before. At most `limit` of them, between 60 and 400, as
    even as their order allows.
    """
    occurring = np.flatnonzero(tally.total[:, :-1].sum(axis=0))
    if not len(occurring):
        return [], False
    last = len(tally.plan.edges) - 1
    edges = np.unique(np.clip(np.append(occurring, occurring[0] - 1), 0, last))
    most = min(MAX_STOPS, max(MIN_STOPS, limit))
    is_thinned = len(edges) > most
    if is_thinned:
        edges = edges[np.unique(np.linspace(0, len(edges) - 1, most).round().astype(int))]
    return sorted({*edges.tolist(), *(tally.edge(t) for t in reported)}), is_thinned


def cut(tally: Tally, edges: Sequence[int]) -> Iterator[Tally]:
    """The tally at each of the increasing `edges` alone: below, at or above, without a score."""
    total, touching = (_above(counts, edges) for counts in (tally.total, tally.touching))
    for i, edge in enumerate(edges):
        plan = replace(tally.plan, edges=(tally.plan.edges[edge],))
        yield Tally(plan, tally.tiles, total(i), touching(i))


def _above(counts: NDArray[np.uint64], edges: Sequence[int]) -> Any:
    """What makes the three columns of one of `edges`."""
    between = np.add.reduceat(counts[..., :-1], [0, *(e + 1 for e in edges)], axis=-1)
    above = between[..., ::-1].cumsum(axis=-1)[..., ::-1]

    def at(i: int) -> NDArray[np.uint64]:
        columns = (above[..., 0] - above[..., i + 1], above[..., i + 1], counts[..., -1])
        return np.stack(columns, axis=-1).astype(np.uint64)

    return at


def _rows(results: Rates, tally: Tally, everybody: str) -> Iterator[Row]:
    several = len(parts.groupings(results)) > 1
    yield Row(ALL, OVERALL, everybody)
    for grouping in parts.groupings(results):
        for name in sorted(set(tally.plan.group_names(parts.columns_of(grouping)))):
            yield Row(grouping, name, f"{grouping}={name}" if several else name)


def _rates(results: Rates) -> Iterator[Rate]:
    if results["kind"] != "identify":
        yield from both_rates("verify", failed=results.get("failed_policy", "reject"))
        return
    ranks = results["ranks"]
    yield Rate("fpir")
    yield from (Rate("fnir", rank=rank) for rank in dict.fromkeys((ranks[0], ranks[-1])))


def _pairs(rows: Sequence[Row]) -> Iterator[tuple[int, int]]:
    """Every two labelled groups of a grouping of not too many."""
    for grouping in dict.fromkeys(row.grouping for row in rows if not row.is_everybody):
        own = [i for i, row in enumerate(rows) if row.grouping == grouping and row.is_labelled]
        if 1 < len(own) <= MAX_MATRIX:
            yield from ((a, b) for i, a in enumerate(own) for b in own[i + 1 :])


def _contrasts(tally: Tally, rates: Sequence[Rate], rows: Sequence[Row]) -> Iterator[tuple[Rate, int, int]]:
    """Rate, row and reference: the group of its grouping with most subjects."""
    reference: dict[str, int] = {}
    for grouping in dict.fromkeys(row.grouping for row in rows if not row.is_everybody):
        own = [i for i, row in enumerate(rows) if row.grouping == grouping]
        reference[grouping] = max(own, key=lambda i: n_members(tally, rows[i].group))
    for rate in rates:
        for i, row in enumerate(rows):
            if row.is_labelled and reference[row.grouping] != i:
                yield rate, i, reference[row.grouping]


def _at(
    tally: Tally, rates: Sequence[Rate], rows: Sequence[Row], contrasts: Sequence[tuple[Rate, int, int]]
) -> tuple[list[Estimate], list[differentials.Ratio]]:
    """Every rate and ratio of a tally of one edge, in the order of what was asked."""
    threshold = tally.plan.edges[0]
    found = {
        (rate, i): replicates(tally, rate.at(threshold), row.group) for rate in rates for i, row in enumerate(rows)
    }
    ratios = [differentials.ratio_of(found[rate, i], found[rate, j]) for rate, i, j in contrasts]
    return [one.estimate for one in found.values()], ratios


def _between(tally: Tally, edges: Sequence[int], rate: Rate, rows: Sequence[Row], of: tuple[int, int]) -> Curve:
    """A rate between two groups at all stops."""
    one, other = (rows[i] for i in of)
    group = Group(one.group.columns, (one.name, other.name))
    # Who was compared is looked up once.
    trials = rate.at(tally.plan.edges[0]).trials(tally, group)
    return _curve([trials.at(edge).estimate for edge in edges], (rate, *of))


def _curve(found: Sequence[Estimate], of: tuple[Rate, int, int]) -> Curve:
    """The estimates of one rate at all stops."""
    low, high = (_ends([getattr(e, end) for e in found]) for end in ("low", "high"))
    k, reasons = np.array([e.k for e in found], np.int64), tuple(e.reason for e in found)
    return Curve(*of, found[0].n, found[0].n_subjects, k, low, high, reasons)


def _ratio_curve(found: Sequence[differentials.Ratio], of: tuple[Rate, int, int]) -> RatioCurve:
    low, high, detectable = (_ends([getattr(r, name) for r in found]) for name in ("low", "high", "detectable"))
    return RatioCurve(*of, low, high, detectable, tuple(r.reason for r in found))


def _ends(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values])
