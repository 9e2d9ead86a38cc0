"""How many scores of a rectangle of pairs fall in each bin, by cell, counted on one device.

Where few pairs can reach the lowest edge, packed rows prove it of nearly all others, which are only numbered; the few
are scored by the definition. Where many can, every product is made in float32, which names nearly every bin; where an
edge is nearer than the error of that, the pair is scored, too. Both give the counts of the definition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frbench.engines.gpu.arrays import Array, float32_error
from frbench.engines.gpu.meeting import Meeting, Places, Work
from frbench.inputs.arrays import Floats32, Ints
from frbench.plan import Rectangle

# Axes that begin below this are counted finely without a sample: most scores of strangers lie above.
LOWEST_WORTH_A_SAMPLE = -0.5
# Probes and gallery rows of the sample, and the share of its pairs from which on all are made.
SAMPLE = (128, 2048)
MOST_TO_SETTLE = 0.06
# Products of float rows that are made at a time.
FINE_PROBES, FINE_ROWS = 1 << 11, 1 << 13


@dataclass(frozen=True, eq=False)
class Counted:
    """Counts (n_cells, t + 1), the screen that the pairs passed, and how many were scored after it."""

    counts: NDArray[np.uint64]
    screen: str
    settled: int


@dataclass(frozen=True, eq=False)
class Counting(Work):
    """One device, and the pairs that are to be counted on it."""

    where: Rectangle
    edges: Floats32

    @property
    def n_bins(self) -> int:
        """Bins of a cell."""
        return len(self.edges) + 1

    def count(self) -> Counted:
        """Counts of all pairs, in the way that a sample says takes less."""
        if self._is_sparse():
            bins, settled = self._sum(self._sieved)
            bins[:, 0] = 0
            bins[:, 0] = pairs_by_cell(self.where) - bins.sum(axis=1)
            return Counted(bins.astype(np.uint64), self.arrays.screen, settled)
        bins, settled = self._sum(self._fined)
        return Counted(bins.astype(np.uint64), "float32", settled)

    def _sum(self, count: Callable[[Meeting], Iterator[tuple[Array, int]]]) -> tuple[Ints, int]:
        total, settled = self.arrays.zeros((self.where.n_cells * self.n_bins + 1,), "int64"), 0
        for meeting in self._meetings():
            for bins, n in count(meeting):
                total, settled = total + bins, settled + n
        return self.arrays.get(total)[:-1].reshape(self.where.n_cells, self.n_bins).copy(), settled

    def _meetings(self) -> Iterator[Meeting]:
        return self.meetings(self.where.probes, self.where.gallery, is_upper=self.where.is_upper)

    def _is_sparse(self) -> bool:
        """Whether few pairs of a sample may reach the lowest edge."""
        if self.edges[0] < LOWEST_WORTH_A_SAMPLE:
            return False
        meeting = next(self._meetings(), None)
        if meeting is None:
            return True
        sides = [
            floats[:: max(1, len(floats) // wanted)]
            for floats, wanted in zip((meeting.probes.floats, meeting.gallery.floats), SAMPLE, strict=True)
        ]
        scores = self.arrays.product(*sides)
        limit = float(self.edges[0]) - self.gallery.centre.usual_slack
        return float(self.arrays.get(scores >= limit).mean()) <= MOST_TO_SETTLE

    def _sieved(self, meeting: Meeting) -> Iterator[tuple[Array, int]]:
        """Counts of pairs that may reach the lowest edge; those that do not are in the lowest bins."""
        arrays, places = self.arrays, Places.of(self.where, meeting, self.arrays)
        limits = arrays.zeros((meeting.probes.n,), "float32") + float(self.edges[0])
        probes, gallery = meeting.sides(self.gallery.centre, limits, arrays)
        edges = arrays.put(self.edges)
        for probe, row in self.on.screening.pairs(probes, gallery, shift=meeting.shift):
            yield self._binned(meeting, places, edges, probe, row), len(probe)

    def _binned(self, meeting: Meeting, places: Places, edges: Array, probe: Array, row: Array) -> Array:
        """Counts of some pairs, scored by the definition."""
        scores = meeting.scores(probe, row, self.arrays)
        index = places.cell(probe, row) * self.n_bins + self.arrays.bins(edges, scores)
        return self.arrays.histogram(index, self.where.n_cells * self.n_bins + 1)

    def _fined(self, meeting: Meeting) -> Iterator[tuple[Array, int]]:
        """Counts of every pair."""
        places = Places.of(self.where, meeting, self.arrays)
        edges = self.arrays.put(self.edges)
        for first_row in range(0, meeting.gallery.n, FINE_ROWS):
            rows = self.arrays.numbers(min(FINE_ROWS, meeting.gallery.n - first_row)) + first_row
            for first in range(0, meeting.probes.n, FINE_PROBES):
                probes = self.arrays.numbers(min(FINE_PROBES, meeting.probes.n - first)) + first
                if meeting.shift is None or first_row + len(rows) - 1 > first + meeting.shift:
                    yield self._fine_tile(meeting, places, edges, probes, rows)

    def _fine_tile(
        self, meeting: Meeting, places: Places, edges: Array, probes: Array, rows: Array
    ) -> tuple[Array, int]:
        arrays, n = self.arrays, self.where.n_cells * self.n_bins
        a, b = meeting.probes.floats[probes], meeting.gallery.floats[rows]
        scores, slack = arrays.product(a, b), float32_error(a.shape[1])
        least, most = arrays.bins(edges, scores - slack), arrays.bins(edges, scores + slack)
        index = places.cell(probes[:, None], rows[None, :]) * self.n_bins + least
        is_wanted = least >= 0
        if meeting.shift is not None:
            is_wanted = rows[None, :] > probes[:, None] + meeting.shift
        # What is not certain, or not wanted, goes into a bin that nobody reads.
        index = arrays.either(is_wanted & (least == most), index, index * 0 + n)
        probe, row = arrays.places(is_wanted & (least != most))
        settled = self._binned(meeting, places, edges, probes[probe], rows[row])
        return arrays.histogram(index, n + 1) + settled, len(probe)


def pairs_by_cell(where: Rectangle) -> Ints:
    """(cells,) pairs of a rectangle, from the numbers of rows."""
    (a, b), (c, d) = where.probes, where.gallery
    mine, theirs = where.probe_groups[a:b].astype(np.int64), where.gallery_groups[c:d].astype(np.int64)
    counts = np.zeros(where.n_cells, np.int64)
    if not where.is_upper:
        rows = (np.bincount(side, minlength=n) for side, n in zip((mine, theirs), where.cells.shape, strict=True))
        np.add.at(counts, where.cells, np.outer(*rows))
        return counts
    rows_after = np.clip(np.arange(a, b) + 1 - c, 0, max(0, d - c))
    for group in np.flatnonzero(np.bincount(theirs)):
        before = np.concatenate([[0], np.cumsum(theirs == group)])
        pairs = np.bincount(mine, before[-1] - before[rows_after], minlength=len(where.cells)).astype(np.int64)
        np.add.at(counts, where.cells[:, group], pairs)
    return counts
