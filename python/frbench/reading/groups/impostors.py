"""Reads false matches of a 1:1 tally by who is compared with whom.

People of one group are mistaken for each other more often than people of two, so that the rate of all pairs hides what
happens within a group: the rates stand side by side. Source: Howard, Sirotin & Vemury (BTAS 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from frbench.estimate import Estimate
from frbench.inputs.arrays import Ints
from frbench.plan import EVERYBODY
from frbench.reading.groups.rates import GroupRates
from frbench.reading.people import People, knows_people, n_members
from frbench.reading.rate import NO_BOUND, TRIALS, Rate, accepted, rate_of, trials
from frbench.tally import Tally


@dataclass(frozen=True, eq=False)
class Matrix:
    """Errors and trials of non-mated comparisons between groups; symmetric, the diagonal is within a group.

    k, n : (groups, groups).
    """

    groups: tuple[str, ...]
    k: tuple[tuple[int, ...], ...]
    n: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False)
class Impostors:
    """False matches of a 1:1 tally at one threshold, by who is compared with whom."""

    tally: Tally
    fmr: Rate
    columns: tuple[str, ...]
    within: GroupRates

    @cached_property
    def _counts(self) -> Ints:
        """(1 + n_blocks, 2, cells) errors and trials of every cell: of all, and of those that touch each block."""
        edge, failed = self.fmr.trials(self.tally).edge, self.fmr.failed
        return np.concatenate(
            [
                np.stack([accepted(bins, edge, failed=failed), trials(bins, failed=failed)], axis=1)
                for bins in (self.tally.total[None], self.tally.touching)
            ]
        )

    def by_pairing(self) -> dict[str, Estimate]:
        """FMR of pairs of one group, of two groups, and of all pairs; people without a label are in the last alone."""
        groups, sizes = set(self.within.groups), self.within.n_subjects
        has_kin = bool((self.within.kin & ~np.eye(len(sizes), dtype=bool)).any())
        everybody, largest = int(sizes.sum()), int(sizes.max(initial=0))
        same = sizes // 2
        return {
            "same_group": self._fmr(
                lambda a, b: a == b and a in groups, groups, int(same.max(initial=0) if has_kin else same.sum())
            ),
            "cross_group": self._fmr(
                lambda a, b: a != b and {a, b} <= groups,
                groups,
                int(np.sort(sizes)[-2:-1].sum()) // 2 if has_kin else min(everybody // 2, everybody - largest),
            ),
            "pooled": self.fmr.of(self.tally),
        }

    def against_all(self) -> dict[str, Estimate]:
        """FMR of the people of each group against everybody, their own group included."""
        everybody = n_members(self.tally, EVERYBODY)
        sizes = zip(self.within.groups, self.within.n_subjects, strict=True)
        return {name: self._fmr(partial(_takes_part, name), {name}, min(int(n), everybody // 2)) for name, n in sizes}

    def matrix(self) -> Matrix:
        """Counts between every two groups that have comparisons within."""
        groups, names = self.within.groups, self.tally.plan.group_names(self.columns)
        place = {name: i for i, name in enumerate(groups)}
        table = np.zeros((2, len(groups), len(groups)), dtype=np.int64)
        for cell, (k, n) in zip(self.tally.plan.cells, self._counts[0].T, strict=True):
            a, b = (place.get(names[group]) for group in (cell.group_a, cell.group_b))
            if not cell.mated and a is not None and b is not None:
                for i, j in {(a, b), (b, a)}:
                    table[:, i, j] += k, n
        k, n = (tuple(map(tuple, side)) for side in table.tolist())
        return Matrix(groups, k, n)

    def _fmr(self, accepts: Callable[[str, str], bool], whose: Set[str], n_independent: int) -> Estimate:
        """FMR of all pairs of groups that `accepts` accepts.

        whose : groups whose people the rate is about; they must be in enough blocks. n_independent : comparisons that
        share nobody, where everybody is compared with everybody.
        """
        plan, names = self.tally.plan, self.tally.plan.group_names(self.columns)
        rows = [i for i, c in enumerate(plan.cells) if not c.mated and accepts(names[c.group_a], names[c.group_b])]
        everything, *touching = self._counts[:, :, rows].sum(axis=2)
        k, n = map(int, everything)
        k_touching, n_touching = np.array(touching, dtype=np.int64).reshape(-1, 2).T
        if n and not knows_people(self.tally):
            return rate_of(k, n, k_touching, n_touching, None, what=TRIALS["fmr"])
        if n and k in (0, n) and self.fmr.failed == "exclude" and self.tally.total[rows, -1].any():
            return Estimate(k / n, None, None, k, n, reason=NO_BOUND)
        if plan.kind == "pairs":
            n_independent = max((int(plan.details["independent"][i]) for i in rows), default=0)
        subjects = plan.subjects_of(self.columns, lambda a, b: bool({a, b} & whose), mated=False)
        people = People(int(subjects.sum()), n_independent, int((subjects > 0).sum()))
        return rate_of(k, n, k_touching, n_touching, people, what=TRIALS["fmr"])


def _takes_part(name: str, a: str, b: str) -> bool:
    return name in (a, b)
