"""The best pairs of strangers in each cell of a rectangle, exactly, found on one device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from frbench.engines import Subjects
from frbench.engines.gpu.arrays import Array
from frbench.engines.gpu.meeting import Meeting, Places, Work
from frbench.engines.hits import NO_HITS, Hits, best, joined
from frbench.inputs.arrays import Floats32
from frbench.plan import Rectangle


@dataclass(frozen=True, eq=False)
class Tailing(Work):
    """One device, and what is wanted of it: the best `n` pairs of each cell that reach its floor (cells,)."""

    n: int
    floors: Floats32
    where: Rectangle
    subjects: Subjects

    def tail(self) -> Hits:
        """See `engines.Rows.tail`."""
        kept, floors, where = NO_HITS, self.floors.copy(), self.where
        if not self.n or not len(floors):
            return kept
        for meeting in self.meetings(where.probes, where.gallery, is_upper=where.is_upper):
            places, subjects = Places.of(where, meeting, self.arrays), self._subjects(meeting)
            # A probe needs the least that one of its cells asks for.
            of_group = floors[where.cells].min(axis=1)
            limits = self.arrays.put(of_group[meeting.probes.of(where.probe_groups)])
            probes, gallery = meeting.sides(self.gallery.centre, limits, self.arrays)
            for probe, row in self.on.screening.pairs(probes, gallery, shift=meeting.shift):
                found = self._wanted(meeting, places, subjects, floors, probe, row)
                kept = best(joined([kept, found]), self.n)
                floors = self._raised(floors, kept)
        return kept

    def _subjects(self, meeting: Meeting) -> tuple[Array, Array]:
        """Subjects of the rows of a meeting, on the device."""
        both = meeting.probes.of(self.subjects[0]), meeting.gallery.of(self.subjects[1])
        a, b = (self.arrays.put(subjects.astype(np.int64)) for subjects in both)
        return a, b

    def _wanted(
        self,
        meeting: Meeting,
        places: Places,
        subjects: tuple[Array, Array],
        floors: Floats32,
        probe: Array,
        row: Array,
    ) -> Hits:
        """Pairs of two subjects that reach the floor of their cell, but those that `n` of the others surpass."""
        arrays = self.arrays
        scores = meeting.scores(probe, row, arrays)
        cell = places.cell(probe, row)
        is_near = (scores >= arrays.put(floors)[cell]) & (subjects[0][probe] != subjects[1][row])
        near = cell[is_near], scores[is_near], probe[is_near], row[is_near]
        is_leading = self._is_leading(near[0], near[1])
        cell, scores, a, b = (arrays.get(column[is_leading]) for column in near)
        return Hits(cell, scores, a.astype(np.int64) + meeting.probes.first, b.astype(np.int64) + meeting.gallery.first)

    def _is_leading(self, cell: Array, score: Array) -> Array:
        """Which pairs are among the best `n` of their cell, or tie with the last of them: the others stay behind."""
        arrays = self.arrays
        if not len(cell):
            return score >= 0
        counts = arrays.get(arrays.histogram(cell, len(self.floors)))
        order = arrays.order(cell, score, arrays.numbers(len(cell)))
        last = np.maximum(np.cumsum(counts) - counts + np.minimum(counts, self.n) - 1, 0)
        return score >= score[order][arrays.put(last)][cell]

    def _raised(self, floors: Floats32, kept: Hits) -> Floats32:
        """Floors of cells that are full: the score of the worst pair that they keep."""
        counts = np.bincount(kept.cell, minlength=len(floors))
        full = np.flatnonzero(counts >= self.n)
        raised = floors.copy()
        raised[full] = np.maximum(floors[full], kept.score[np.cumsum(counts)[full] - 1])
        return raised
