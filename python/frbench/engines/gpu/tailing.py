"""Tailing: the best pairs of strangers in each cell of a rectangle, exactly, on one device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frbench.engines.gpu.arrays import Array, Arrays, Side
from frbench.engines.gpu.rectangle import Meeting, Numbers, Places, Rectangle, meetings
from frbench.engines.gpu.residence import Held, Residence
from frbench.engines.gpu.screening import Screening

Kept = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class Tailing:
    """One device, and what is wanted of it: the best `n` pairs of each cell that reach its floor (cells,)."""

    arrays: Arrays
    residence: Residence
    screening: Screening
    probes: Held
    gallery: Held
    at: Rectangle
    n: int
    floors: NDArray[np.float32]
    probe_subjects: Numbers
    gallery_subjects: Numbers

    def tail(self) -> Kept:
        """See `engines.Rows.tail`."""
        kept: Kept = (np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64))
        floors = self.floors.copy()
        ranges = (self.at.probe_range, self.at.gallery_range)
        if not self.n or not len(floors):
            return kept
        for meeting in meetings(self.residence, self.probes, self.gallery, ranges, upper=self.at.upper):
            places, subjects = Places.of(self.at, meeting, self.arrays), self._subjects(meeting)
            probes, gallery = self._sides(meeting, floors)
            for probe, row in self.screening.pairs(probes, gallery, shift=meeting.shift):
                found = self._wanted(meeting, places, subjects, floors, probe, row)
                kept = self._best(tuple(np.concatenate(pair) for pair in zip(kept, found, strict=True)))  # type: ignore[arg-type]
                floors = self._raised(floors, kept)
        return kept

    def _sides(self, meeting: Meeting, floors: NDArray[np.float32]) -> tuple[Side, Side]:
        """Both sides of a sieve, where each probe needs the least that one of its cells asks for."""
        of_group = floors[self.at.cells].min(axis=1)
        limits = self.arrays.put(of_group[meeting.of_probes(self.at.probe_groups)])
        return meeting.sides(self.gallery.centre, limits, self.arrays)

    def _subjects(self, meeting: Meeting) -> tuple[Array, Array]:
        """Subjects of the rows of a meeting, on the device."""
        both = meeting.of_probes(self.probe_subjects), meeting.of_rows(self.gallery_subjects)
        a, b = (self.arrays.put(subjects.astype(np.int64)) for subjects in both)
        return a, b

    def _wanted(
        self,
        meeting: Meeting,
        places: Places,
        subjects: tuple[Array, Array],
        floors: NDArray[np.float32],
        probe: Array,
        row: Array,
    ) -> Kept:
        """Pairs of two subjects that reach the floor of their cell, but those that `n` of the others surpass."""
        arrays = self.arrays
        scores = arrays.scores(meeting.probe_floats, meeting.gallery_floats, probe, row)
        cell = places.cell(probe, row)
        is_near = (scores >= arrays.put(floors)[cell]) & (subjects[0][probe] != subjects[1][row])
        near = cell[is_near], scores[is_near], probe[is_near], row[is_near]
        best = self._is_leading(near[0], near[1])
        cell, scores, a, b = (arrays.get(column[best]) for column in near)
        return cell, scores, a.astype(np.int64) + meeting.first_probe, b.astype(np.int64) + meeting.first_row

    def _is_leading(self, cell: Array, score: Array) -> Array:
        """Which pairs are among the best `n` of their cell, or tie with the last of them: the others stay behind."""
        arrays = self.arrays
        if not len(cell):
            return score >= 0
        counts = arrays.get(arrays.histogram(cell, len(self.floors)))
        order = arrays.order(cell, score, arrays.numbers(len(cell)))
        last = np.maximum(np.cumsum(counts) - counts + np.minimum(counts, self.n) - 1, 0)
        return score >= score[order][arrays.put(last)][cell]

    def _best(self, kept: Kept) -> Kept:
        """The best `n` of each cell, best first; equal scores by the lower probe, then by the lower row."""
        cell, score, a, b = kept
        order = np.lexsort((b, a, -score, cell))
        counts = np.bincount(cell, minlength=len(self.floors))
        place = np.arange(len(cell)) - (np.cumsum(counts) - counts)[cell[order]]
        chosen = order[place < self.n]
        return cell[chosen], score[chosen], a[chosen], b[chosen]

    def _raised(self, floors: NDArray[np.float32], kept: Kept) -> NDArray[np.float32]:
        """Floors of cells that are full: the score of the worst pair that they keep."""
        cell, score, *_ = kept
        counts = np.bincount(cell, minlength=len(floors))
        full = np.flatnonzero(counts >= self.n)
        raised = floors.copy()
        raised[full] = np.maximum(floors[full], score[np.cumsum(counts)[full] - 1])
        return raised
