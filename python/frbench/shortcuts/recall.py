"""Counts how many of the k best rows an approximate search returned, by probe.

A returned row counts if its score is at or above that of the exact k-th, so that of equal rows any will do; scores are
of the definition, and a row is returned once at most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from frbench.candidates import Candidates
from frbench.counting.identify import Identification
from frbench.inputs.arrays import Ints
from frbench.plan import Group
from frbench.shortcuts.shares import Shares


@dataclass(frozen=True, eq=False)
class Recall:
    """Share of the k best rows that a search returned.

    Parameters
    ----------
    shares : rows found of rows to find.
    k : length of the lists.
    lowest : (g,) fewest rows found by a probe of each of the finest groups; k where it has none.
    """

    shares: Shares
    k: int
    lowest: Ints

    @classmethod
    def of(cls, task: Identification, exact: Candidates, other: Candidates) -> Recall:
        """Recall of the probes that have a template."""
        probes = np.flatnonzero(~task.probes.failed)
        k = min(task.k, int((~task.gallery.failed).sum()))
        floor = exact.scores[probes, k - 1 : k]
        found = ((other.scores[probes] >= floor) & (other.rows[probes] >= 0)).sum(axis=1).astype(np.int64)
        lowest = np.full(len(task.layout.groups), k, dtype=np.int64)
        np.minimum.at(lowest, task.layout.group[probes], found)
        return cls(Shares.of(task.layout, probes, found, k), k, lowest)

    def lowest_of(self, group: Group) -> int | None:
        """Fewest rows found by a probe of a group; None without a probe."""
        own = self.shares.is_in(group) & self.shares.n.any(axis=1)
        return int(self.lowest[own].min()) if own.any() else None
