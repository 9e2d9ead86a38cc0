"""Hits: what the searches of one gallery say of smaller and of larger ones.

A gallery row that reaches the threshold in a search of somebody who is not enrolled is a false match. How many of
them each search has gives the rate at every smaller gallery exactly; in which rows they are, how far it depends on
few probes and few gallery rows. Gallery rows are kept by *cell*: a hash of their subject.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench.plan import Plan, blocks_of

CELLS = 256
Ints = NDArray[np.int64]


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
class Hits:
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
