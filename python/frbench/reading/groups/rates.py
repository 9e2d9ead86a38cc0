"""Reads one rate of every group at one threshold, and what it is without each block of subjects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from frbench.errors import InputError
from frbench.estimate import MIN_BLOCKS, Estimate
from frbench.inputs.arrays import Bools, Floats, Ints
from frbench.plan import Group
from frbench.reading.groups.indices import Rates
from frbench.reading.people import UNKNOWN_PEOPLE, knows_people
from frbench.reading.rate import TRIALS, Metric, Rate
from frbench.tally import Tally

NO_LABEL = "rows without a label are no group"


@dataclass(frozen=True, eq=False)
class GroupRates:
    """One rate of every group that has trials, at one threshold; in 1:1 of trials within the group.

    estimates : by group. k_touching, n_touching : (n_blocks, groups) errors and trials in which subjects of each block
    took part; (0, groups) where they are not known. n_subjects : (groups,) that took part.
    kin : (groups, groups) whether two groups share subjects.
    left_out : groups that have no rate, and why.
    """

    metric: Metric
    groups: tuple[str, ...]
    estimates: tuple[Estimate, ...]
    k_touching: Ints
    n_touching: Ints
    n_subjects: Ints
    kin: Bools
    left_out: Mapping[str, str]

    @property
    def k(self) -> Floats:
        """(groups,) errors."""
        return np.array([e.k for e in self.estimates], dtype=np.float64)

    @property
    def n(self) -> Floats:
        """(groups,) trials."""
        return np.array([e.n for e in self.estimates], dtype=np.float64)

    @property
    def rates(self) -> Rates:
        """The counts alone, with the upper ends of the intervals."""
        k, n, upper = zip(*((e.k, e.n, e.high) for e in self.estimates), strict=True) if self.groups else ((), (), ())
        return Rates(self.metric, self.groups, k, n, upper)

    @property
    def unseen(self) -> str:
        """Why the blocks cannot show how these groups vary, or ""."""
        if not len(self.n_touching):
            return UNKNOWN_PEOPLE
        blocks = (self.n_touching > 0).sum(axis=0)
        if len(blocks) and blocks.min() < MIN_BLOCKS:
            fewest = int(blocks.argmin())
            return (
                f"not estimable: {TRIALS[self.metric]} of {self.groups[fewest]} in {blocks[fewest]} blocks of "
                f"subjects, at least {MIN_BLOCKS} are needed"
            )
        return ""

    def without(self) -> Floats:
        """(n_blocks, groups) the rates without each block; NaN for a group that has no trials without it."""
        k, n = self.k - self.k_touching, self.n - self.n_touching
        return np.asarray(np.divide(k, n, out=np.full(n.shape, np.nan), where=n > 0))


def of_groups(tally: Tally, rate: Rate, columns: Sequence[str]) -> GroupRates:
    """One rate of every labelled group of some label columns that has trials.

    Raises
    ------
    EdgeNotInPlan : the threshold is not an edge of the tally.
    InputError : a label column that was not counted, or none; errors of `Rate.trials`.
    """
    names, left_out = labelled(tally, columns)
    found = {name: rate.trials(tally, Group.within(columns, name)) for name in names}
    left_out |= {name: f"0 {TRIALS[rate.metric]}" for name, trials in found.items() if trials.n == 0}
    found = {name: trials for name, trials in found.items() if trials.n}
    n_blocks = len(tally.touching) if knows_people(tally) else 0
    touching = np.array([(t.k_touching, t.n_touching) for t in found.values()], dtype=np.int64).reshape(
        len(found), 2, len(tally.touching)
    )
    return GroupRates(
        metric=rate.metric,
        groups=tuple(found),
        estimates=tuple(trials.estimate for trials in found.values()),
        k_touching=touching[:, 0, :n_blocks].T,
        n_touching=touching[:, 1, :n_blocks].T,
        n_subjects=np.array([_n_subjects(tally, rate, columns, name) for name in found], dtype=np.int64),
        kin=_kin(tally, columns, tuple(found), rate.is_mated),
        left_out=left_out,
    )


def labelled(tally: Tally, columns: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Names of the groups of some label columns that have every label, and those that have not, with the reason.

    Raises
    ------
    InputError : a label column that was not counted, or none.
    """
    unknown = [column for column in columns if column not in tally.plan.columns]
    if unknown or not columns:
        asked = f"groups of {', '.join(unknown)}" if unknown else "no label column"
        known = ", ".join(tally.plan.columns) or "none"
        raise InputError(
            f"{asked} asked for, but the label columns that were counted are: {known}; recount with --group"
        )
    wanted = [tally.plan.columns.index(column) for column in columns]
    names = tally.plan.group_names(columns)
    missing = {name for name, group in zip(names, tally.plan.groups, strict=True) if not all(group[c] for c in wanted)}
    return sorted(set(names) - missing), dict.fromkeys(sorted(missing), NO_LABEL)


def _n_subjects(tally: Tally, rate: Rate, columns: Sequence[str], name: str) -> int:
    """Subjects with trials within a group."""
    return int(tally.plan.subjects_of(columns, lambda a, b: a == b == name, mated=rate.is_mated).sum())


def _kin(tally: Tally, columns: Sequence[str], groups: Sequence[str], mated: bool) -> Bools:
    names = tally.plan.group_names(columns)
    place = {name: i for i, name in enumerate(groups)}
    kin = np.eye(len(groups), dtype=bool)
    for party in tally.plan.mated_subjects if mated else tally.plan.subjects:
        own = sorted({place[names[a]] for a, b in party.pairs if names[a] == names[b] and names[a] in place})
        kin[np.ix_(own, own)] = True
    return kin
