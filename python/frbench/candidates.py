"""What 1:N searches returned, before anything is counted: lists of candidates, and how many rows each search hits.

The best of two gallery shards is not the sum of two counts, so candidates are merged over shards first. Ranks do
add: a mate's rank is 1 + the sum over shards of the non-mates whose score is at or above its score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench.errors import InputError, PlanMismatch, TileCountedTwice
from frbench.inputs.arrays import Ints
from frbench.plan import Plan, blocks_of

Shard = tuple[int, int]
# Cells that gallery rows are kept by: a hash of their subject.
CELLS = 256
ARRAYS = ("probe", "scores", "rows", "mate_score", "above_mate")


@dataclass(frozen=True, eq=False)
class Candidates:
    """The best k of each probe, over the gallery rows of `shards`.

    search : digest of gallery, probes, split and k; candidates of two searches are never merged.
    shards : half-open ranges of gallery rows that have been searched.
    probe : (m,) number of each probe.
    scores, rows : (m, k) best first; -inf and -1 where there is none.
    mate_score : (m,) best score of an enrolled mate; NaN without a scored mate.
    above_mate : (m,) non-mates at or above the mate's score, in these shards.
    """

    search: str
    shards: frozenset[Shard]
    probe: NDArray[np.int64]
    scores: NDArray[np.floating[Any]]
    rows: NDArray[np.int64]
    mate_score: NDArray[np.floating[Any]]
    above_mate: NDArray[np.int64]

    def __repr__(self) -> str:
        rows = sum(end - start for start, end in self.shards)
        return f"Candidates({len(self.probe):,} probes x {self.k}, of {rows:,} gallery rows)"

    @property
    def k(self) -> int:
        """Length of the candidate lists."""
        return int(self.scores.shape[1])

    @property
    def rank(self) -> NDArray[np.int64]:
        """(m,) rank of the best mate, 1 is first; 0 without a scored mate. Ties count against the mate."""
        return np.where(np.isnan(self.mate_score), 0, 1 + self.above_mate)

    def merge(self, other: Candidates) -> Candidates:
        """The candidates of both parts of the gallery, for the same probes.

        Raises
        ------
        PlanMismatch : another search or other probes.
        TileCountedTwice : a gallery row would be searched twice.
        """
        self._same_search(other)
        if not np.array_equal(self.probe, other.probe):
            raise PlanMismatch("cannot merge candidates of different probes; search both shards with the same ones")
        for a in self.shards:
            for b in other.shards:
                if a[0] < b[1] and b[0] < a[1]:
                    raise TileCountedTwice(
                        f"gallery rows {max(a[0], b[0])} to {min(a[1], b[1]) - 1} are in both; merge each once"
                    )
        scores = np.concatenate([self.scores, other.scores], axis=1)
        scores, rows = best_of(scores, np.concatenate([self.rows, other.rows], axis=1), self.k)
        above_mate = self.above_mate + other.above_mate
        return replace(self, shards=self.shards | other.shards, scores=scores, rows=rows, above_mate=above_mate)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The arrays by name, for a file."""
        return {name: np.ascontiguousarray(getattr(self, name)) for name in ARRAYS}

    def _same_search(self, other: Candidates) -> None:
        if self.search != other.search:
            raise PlanMismatch(
                f"cannot put candidates of two searches together: {self.search[:8]} and {other.search[:8]}; "
                "search again with the same gallery, probes and k"
            )


def best_of(
    scores: NDArray[np.floating[Any]], rows: NDArray[np.int64], k: int
) -> tuple[NDArray[np.floating[Any]], NDArray[np.int64]]:
    """(m, k) best scores and their rows, best first, of (m, n) in any order; ties by lower row, no row (-1) last."""
    empty = rows < 0
    best = np.lexsort((np.where(empty, np.iinfo(np.int64).max, rows), -scores), axis=1)[:, :k]
    return np.take_along_axis(scores, best, axis=1), np.take_along_axis(rows, best, axis=1)


def concatenate(parts: Sequence[Candidates]) -> Candidates:
    """The candidates of disjoint sets of probes over the same gallery rows, in order of probes.

    Raises
    ------
    PlanMismatch : parts of two searches, or over different gallery rows.
    TileCountedTwice : a probe is in two parts.
    """
    if not parts:
        raise InputError("no candidates to put together")
    first = parts[0]
    for part in parts[1:]:
        first._same_search(part)
        if part.shards != first.shards:
            raise PlanMismatch("cannot put candidates over different gallery rows together; merge the shards first")
    probe = np.concatenate([p.probe for p in parts])
    order = np.argsort(probe, kind="stable")
    if (np.diff(probe[order]) == 0).any():
        raise TileCountedTwice("a probe is in two of the parts, and would be counted twice; take each once")
    joined = {name: np.concatenate([p.arrays()[name] for p in parts])[order] for name in first.arrays()}
    return Candidates(search=first.search, shards=first.shards, **joined)


@dataclass(frozen=True, eq=False)
class NonmatedSearches:
    """Searches of people who are not enrolled.

    group, subject, block : (m,) of the probe.
    count : (m, t) gallery rows at or above each threshold, all of them, those beyond the candidate list too.
    scores, cell : (m, k) candidates, best first; -inf and -1 where there is none.
    """

    group: Ints
    subject: Ints
    block: Ints
    count: Ints
    scores: NDArray[np.floating[Any]]
    cell: Ints

    def reaching(self, threshold: float) -> NDArray[np.bool_]:
        """(m, k) candidates at or above the threshold, compared exactly: a plain float would be rounded to theirs."""
        reached: NDArray[np.bool_] = self.scores >= np.float64(threshold)
        return reached

    def of_group(self, wanted: NDArray[np.bool_]) -> NonmatedSearches:
        """Searches of the probes of the wanted groups; wanted is (groups,)."""
        rows = wanted[self.group]
        return replace(self, **{name: array[rows] for name, array in vars(self).items()})


@dataclass(frozen=True, eq=False)
class MatedSearches:
    """Searches of people who are enrolled.

    mate_score : (m,) best score of a mate; NaN without a scored one.
    above_mate : (m,) non-mates at or above it, of the whole gallery.
    mates : (m,) gallery rows of the probe's subject, failed ones included.
    """

    group: Ints
    subject: Ints
    block: Ints
    mate_score: NDArray[np.floating[Any]]
    above_mate: Ints
    mates: Ints

    def reaching(self, threshold: float) -> NDArray[np.bool_]:
        """(m,) mates at or above the threshold, compared exactly."""
        reached: NDArray[np.bool_] = self.mate_score >= np.float64(threshold)
        return reached

    def of_group(self, wanted: NDArray[np.bool_]) -> MatedSearches:
        """Searches of the probes of the wanted groups; wanted is (groups,)."""
        rows = wanted[self.group]
        return replace(self, **{name: array[rows] for name, array in vars(self).items()})


@dataclass(frozen=True, eq=False)
class GalleryHits:
    """All searches of one run.

    plan : groups and blocks of the probes. thresholds : increasing; the order of every count.
    gallery : enrolled rows, failed ones included. rows_of_cell : (CELLS,) how many of them each cell holds.
    """

    plan: Plan
    thresholds: tuple[float, ...]
    gallery: int
    rows_of_cell: Ints
    nonmated: NonmatedSearches
    mated: MatedSearches

    def wanted(self, grouping: tuple[str, ...], name: str | None) -> NDArray[np.bool_]:
        """(groups,) which of the plan's groups make up the group `name` of `grouping`; all of them for None."""
        names = self.plan.group_names(grouping)
        return np.array([name is None or own == name for own in names], dtype=bool)


def cells_of(subjects: NDArray[np.object_]) -> Ints:
    """(n,) cell of each gallery row: the same for all rows of a subject, on every machine."""
    return blocks_of(subjects, CELLS)
