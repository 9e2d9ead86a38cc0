"""Finds the searches whose answers change when the same gallery is inserted in other orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from frbench.candidates import Candidates
from frbench.counting.identify import Identification
from frbench.inputs.arrays import Bools, Ints
from frbench.shortcuts.shares import Shares


def insertion_orders(n: int, rebuilds: int, seed: int) -> list[Ints]:
    """The order of the file, then `rebuilds` random ones."""
    random = np.random.default_rng(seed)
    return [np.arange(n, dtype=np.int64), *(random.permutation(n).astype(np.int64) for _ in range(rebuilds))]


class Answers(NamedTuple):
    """(m,) gallery row of each probe's first candidate in one build, -1 for none; (m,) whether its mate is first."""

    first: Ints
    found: Bools

    @classmethod
    def of(cls, candidates: Candidates) -> Answers:
        """The first answers of a search of every probe."""
        return cls(candidates.rows[:, 0], candidates.rank == 1)


@dataclass(frozen=True, eq=False)
class Orders:
    """What differs between builds at one effort.

    Parameters
    ----------
    first, found : (builds, m) as in `Answers`.
    changed : searches whose first candidate is not the same in all builds.
    flipped : mated searches that find their mate first in some builds and not in others.
    missed : by build, mated searches that do not.
    """

    first: Ints
    found: Bools
    changed: Shares
    flipped: Shares
    missed: tuple[Shares, ...]

    @classmethod
    def of(cls, task: Identification, builds: Sequence[Answers]) -> Orders:
        """The builds of one effort, the order of the file first."""
        first, found = np.stack([each.first for each in builds]), np.stack([each.found for each in builds])
        everybody, mated = np.arange(len(task.probes)), np.flatnonzero(task.is_mated)
        own = found[:, mated]
        times = own.sum(axis=0)
        changed = Shares.of(task.layout, everybody, _differs(first))
        flipped = Shares.of(task.layout, mated, (times > 0) & (times < len(own)))
        return cls(first, found, changed, flipped, tuple(Shares.of(task.layout, mated, ~build) for build in own))

    @property
    def whose(self) -> Ints:
        """Probes whose first candidate depends on the order."""
        return np.flatnonzero(_differs(self.first))


def _differs(first: Ints) -> Bools:
    """(m,) whether the builds do not all say the same."""
    return np.asarray(np.not_equal(first, first[0]).any(axis=0))
