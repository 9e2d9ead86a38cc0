"""The best rows of a gallery for each probe, exactly, found on one device.

A sample of the gallery says what the k-th best of each probe will reach, about. Every row that may reach it is found by
the sieve and scored by the definition; if k of them do reach it, no other row can be among the best. A probe of which
fewer do is searched again from the k-th best score of the sample itself, which k rows surely reach.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from frbench.engines.gpu.arrays import Array
from frbench.engines.gpu.meeting import Work
from frbench.engines.hits import Found
from frbench.inputs.arrays import Floats32

# One row in this many is of the sample, and it has at least so many where the gallery does.
SPARSITY = 16
FEWEST = 4096
# Probes that are searched together, and rough products with the sample that are made at a time.
BLOCK_PROBES = 1 << 14
ROUGH_PRODUCTS = 1 << 28


def rank_of_sample(k: int, sparsity: int) -> int:
    """The so-many-th best of the sample that the k-th best of all is guessed to reach.

    Of the best k, a sample of one in `sparsity` holds about as many as a Poisson variable says: four deviations more
    are rare where rows stand in no order of their scores.
    """
    if sparsity == 1:
        return k
    mean = k / sparsity
    return min(k, int(np.ceil(mean + 4.0 * np.sqrt(mean))) + 1)


class Reached(NamedTuple):
    """Pairs of a probe and a row that reach what the probe asks for, and their scores, on the device."""

    probe: Array
    row: Array
    score: Array

    def take(self, places: Array) -> Reached:
        """Some of them."""
        return Reached(*(column[places] for column in self))


@dataclass(frozen=True, eq=False)
class Searching(Work):
    """One device, and what is to be searched on it: `probes` in `gallery`, for the best `k`."""

    k: int

    def search(self, wanted: tuple[int, int], floors: Floats32 | None) -> Found:
        """The best rows of a range of probes; see `engines.Rows.search`. floors : of all probes."""
        found = [
            self._block((start, min(start + BLOCK_PROBES, wanted[1])), floors)
            for start in range(wanted[0], wanted[1], BLOCK_PROBES)
        ]
        nothing = Found.zeros(0, self.k, has_floors=False)
        return Found(*(np.concatenate(part) for part in zip(nothing, *found, strict=True)))

    def _block(self, block: tuple[int, int], floors: Floats32 | None) -> Found:
        m, arrays = block[1] - block[0], self.arrays
        floor = arrays.put(np.full(m, np.inf, np.float32) if floors is None else floors[slice(*block)])
        n = len(self.gallery)
        sparsity = max(1, min(SPARSITY, n // max(FEWEST, self.k)))
        sample = self.on.residence.sample(self.gallery, sparsity)
        guess = self._of_sample(block, sample, rank_of_sample(self.k, sparsity), is_proof=sparsity == 1)
        hits, above = self._hits(block, guess, floor)
        is_missed = arrays.histogram(hits.probe[hits.score >= guess[hits.probe]], m) < self.k
        missed = arrays.get(arrays.places(is_missed)[0])
        if len(missed):
            # The others are looked for no more: they need what nothing reaches.
            proof = np.full(m, np.inf, np.float32)
            proof[missed] = arrays.get(self._of_sample(block, sample, self.k, is_proof=True))[missed]
            again, _ = self._hits(block, arrays.put(proof), arrays.zeros((m,), "float32") + np.inf)
            kept = hits.take(~is_missed[hits.probe])
            hits = self._best(kept, again, m)
        scores = arrays.get(hits.score).reshape(m, self.k)
        rows = arrays.get(arrays.cast(hits.row, "int64")).reshape(m, self.k)
        return Found(
            scores, rows, arrays.get(above).astype(np.uint64) if floors is not None else np.zeros(0, np.uint64)
        )

    def _hits(self, block: tuple[int, int], limits: Array, floor: Array) -> tuple[Reached, Array]:
        """The best hits of each probe among those that reach its limit, and how many rows reach its floor."""
        arrays, m = self.arrays, block[1] - block[0]
        nothing = arrays.zeros((0,), "int64")
        best, above = Reached(nothing, nothing, arrays.zeros((0,), "float32")), arrays.zeros((m,), "int64")
        needed = arrays.either(limits < floor, limits, floor)
        for meeting in self.meetings(block, (0, len(self.gallery)), is_upper=False):
            first = meeting.probes.first - block[0]
            limits_here = needed[first : first + meeting.probes.n]
            probes, rows = meeting.sides(self.gallery.centre, limits_here, arrays)
            for probe, row in self.on.screening.pairs(probes, rows, shift=None):
                scores = meeting.scores(probe, row, arrays)
                numbers = arrays.cast(probe, "int64") + first
                above = above + arrays.histogram(numbers[scores >= floor[numbers]], m)
                is_wanted = scores >= limits[numbers]
                new = Reached(numbers, arrays.cast(row, "int64") + meeting.gallery.first, scores).take(is_wanted)
                best = self._best(best, new, m)
        return best, above

    def _best(self, some: Reached, others: Reached, m: int) -> Reached:
        """The best `k` of each probe, probe after probe, best first."""
        arrays = self.arrays
        hits = Reached(*map(arrays.join, zip(some, others, strict=True)))
        ordered = hits.take(arrays.order(hits.probe, hits.score, hits.row))
        counts = arrays.get(arrays.histogram(ordered.probe, m))
        starts = arrays.put(np.cumsum(counts) - counts)
        place = arrays.numbers(len(hits.probe)) - starts[ordered.probe]
        return ordered.take(place < self.k)

    def _of_sample(self, block: tuple[int, int], sample: Array, rank: int, *, is_proof: bool) -> Array:
        """For each probe, what the best `rank` rows of the sample seem to reach, or do."""
        arrays, m = self.arrays, block[1] - block[0]
        if not rank:
            return arrays.zeros((m,), "float32") + np.inf
        parts = []
        for slab, start, stop in self.on.residence.slabs(self.probes, block):
            step = max(1, ROUGH_PRODUCTS // max(1, len(sample)))
            for first in range(start, stop, step):
                probes = slab.floats[first : min(first + step, stop)]
                seeming, places = arrays.top(arrays.rough(probes, sample), rank)
                if is_proof:
                    mine = arrays.numbers(len(probes) * rank) // rank
                    scores = arrays.scores(probes, sample, mine, places.reshape(-1)).reshape(len(probes), rank)
                    parts.append(-arrays.largest(-scores))
                else:
                    parts.append(seeming[:, rank - 1])
        return arrays.join(parts)
