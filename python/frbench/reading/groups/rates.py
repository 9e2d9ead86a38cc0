"""Rates by group: one rate of every group at one threshold, and what it is without each block of subjects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frbench.choices import Failed
from frbench.errors import InputError
from frbench.estimate import MIN_BLOCKS, Estimate
from frbench.reading import metrics
from frbench.reading.groups.indices import TRIALS, Floats, Rates
from frbench.reading.metrics import UNKNOWN_PEOPLE
from frbench.reading.rate import ERRORS, MATED, Metric, Question
from frbench.tally import Tally

Ints = NDArray[np.int64]

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
    kin: NDArray[np.bool_]
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
        rates: Floats = np.divide(k, n, out=np.full(n.shape, np.nan), where=n > 0)
        return rates


def of_groups(
    tally: Tally,
    threshold: float | None,
    metric: Metric,
    *,
    grouping: Sequence[str],
    failed: Failed = "reject",
    rank: int = 1,
) -> GroupRates:
    """One rate of every labelled group with trials at `threshold`.

    Parameters
    ----------
    threshold : None, for FNIR alone, is no threshold. rank : for FNIR.

    Raises
    ------
    EdgeNotInPlan : the threshold is not an edge of the tally.
    InputError : a grouping that was not counted, or none.
    """
    if threshold is None and metric != "fnir":
        raise InputError(f"{ERRORS[metric]} need a threshold")
    asked = Question(tally, threshold, metric, tuple(grouping), failed, rank)
    names, left_out = labelled(tally, grouping)
    found = {name: asked.estimate((name, name)) for name in names}
    left_out |= {name: f"0 {TRIALS[metric]}" for name, e in found.items() if e.n == 0}
    groups = tuple(name for name, e in found.items() if e.n)
    n_blocks = len(tally.touching) if metrics.knows_people(tally) else 0
    touching = np.array([asked.touching((name, name)) for name in groups], dtype=np.int64).reshape(
        len(groups), 2, len(tally.touching)
    )
    return GroupRates(
        metric=metric,
        groups=groups,
        estimates=tuple(found[name] for name in groups),
        k_touching=touching[:, 0, :n_blocks].T,
        n_touching=touching[:, 1, :n_blocks].T,
        n_subjects=np.array([_n_subjects(asked, name) for name in groups], dtype=np.int64),
        kin=_kin(tally, grouping, groups, metric in MATED),
        left_out=left_out,
    )


def labelled(tally: Tally, grouping: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Names of the groups of `grouping` that have every label, and those that have not, with the reason.

    Raises
    ------
    InputError : a grouping that was not counted, or none.
    """
    unknown = [column for column in grouping if column not in tally.plan.columns]
    if unknown or not grouping:
        asked = f"groups of {', '.join(unknown)}" if unknown else "no label column"
        known = ", ".join(tally.plan.columns) or "none"
        raise InputError(
            f"{asked} asked for, but the label columns that were counted are: {known}; recount with --group"
        )
    columns = [tally.plan.columns.index(column) for column in grouping]
    names = tally.plan.group_names(grouping)
    missing = {name for name, group in zip(names, tally.plan.groups, strict=True) if not all(group[c] for c in columns)}
    return sorted(set(names) - missing), dict.fromkeys(sorted(missing), NO_LABEL)


def _n_subjects(asked: Question, name: str) -> int:
    """Subjects with trials within a group."""
    mated = asked.metric in MATED
    return int(asked.tally.plan.subjects_of(asked.grouping, lambda a, b: a == b == name, mated=mated).sum())


def _kin(tally: Tally, grouping: Sequence[str], groups: Sequence[str], mated: bool) -> NDArray[np.bool_]:
    names = tally.plan.group_names(grouping)
    place = {name: i for i, name in enumerate(groups)}
    kin = np.eye(len(groups), dtype=bool)
    for party in tally.plan.mated_subjects if mated else tally.plan.subjects:
        own = sorted({place[names[a]] for a, b in party.pairs if names[a] == names[b] and names[a] in place})
        kin[np.ix_(own, own)] = True
    return kin
