"""Differences: what another search makes of the same trials, by group: errors added, errors that go, and gaps.

Both searches are counted in tallies of their own, and a third one counts what both found. So the trials that only one
of them gets wrong are known exactly, with their blocks: an error added is a trial, and its share has an interval like
any rate. Thresholds are frozen: they were set on the exact search, and are the same in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench.estimate import LEVEL, Estimate, doubt, rate_without
from frbench.plan import ALL, OVERALL, UNLABELLED
from frbench.reading import joint, metrics
from frbench.reading.joint import Contrast, Replicates
from frbench.reading.metrics import People
from frbench.reading.rate import MATED, Metric, Question
from frbench.reading.systems import paired
from frbench.reading.systems.paired import Paired
from frbench.shortcuts.shares import Shares
from frbench.tally import Tally

Grouping = tuple[str, ...]
SEARCHES = {"fnir": "mated searches", "fpir": "non-mated searches"}
NOTHING_CHANGED = "exact bounds on the trials that one of both could have changed: none was"


@dataclass(frozen=True)
class Counted:
    """The same trials: searched exactly, otherwise, and what both found."""

    exact: Tally
    other: Tally
    both: Tally


@dataclass(frozen=True)
class Asked:
    """One rate: fnir at a rank, with a threshold or None, or fpir."""

    metric: Metric
    threshold: float | None
    rank: int | None

    def of(self, tally: Tally, grouping: Grouping) -> Question:
        """The question to one tally."""
        return Question(tally, self.threshold, self.metric, grouping, "reject", self.rank or 1)


@dataclass(frozen=True)
class Change:
    """A rate of a group in both searches.

    added : trials that only the other search gets wrong; removed : those that only the exact one does, such as false
    positives that an index hides. net : the rate of the other less that of the exact search, paired.
    """

    exact: Estimate
    other: Estimate
    added: Replicates
    removed: Replicates
    net: Paired


def change(counted: Counted, asked: Asked, grouping: Grouping, name: str) -> Change:
    """What the other search makes of one rate of a group; everybody is the group "all" of no grouping."""
    group = (name, name)
    exact, other, both = (asked.of(t, grouping) for t in (counted.exact, counted.other, counted.both))
    a, b, c = (q.estimate(group) for q in (exact, other, both))
    (k_a, n), (k_b, _), (k_c, _) = (q.touching(group) for q in (exact, other, both))
    # A mated search that either gets wrong is no hit of both; a non-mated one of both is a false positive of each.
    if asked.metric in MATED:
        added, removed = (c.k - a.k, k_c - k_a), (c.k - b.k, k_c - k_b)
    else:
        added, removed = (b.k - c.k, k_b - k_c), (a.k - c.k, k_a - k_c)
    people = metrics.people_of(counted.exact, grouping, group, mated=asked.metric in MATED) or People(0, 0, 0)
    shares = [_share(asked, grouping, name, *part, a.n, n, people) for part in (added, removed)]
    return Change(a, b, shares[0], shares[1], _net(a, b, (k_a, k_b, n), shares))


def _share(
    asked: Asked,
    grouping: Grouping,
    name: str,
    k: int,
    k_touching: NDArray[np.int64],
    n: int,
    n_touching: NDArray[np.int64],
    people: People,
) -> Replicates:
    found = metrics.rate_of(k, n, k_touching, n_touching, people, what=SEARCHES[asked.metric])
    has_doubt = found.low is not None and 0 < k < n
    return Replicates(
        metric=asked.metric,
        threshold=asked.threshold,
        grouping=grouping,
        group=(name, name),
        estimate=found,
        doubt=doubt(k, n, k_touching, n_touching) if has_doubt else None,
        without=rate_without(k, n, k_touching, n_touching) if n else np.zeros(len(n_touching)),
        occupied=n_touching > 0,
    )


def _net(a: Estimate, b: Estimate, touching: tuple[NDArray[np.int64], ...], shares: Sequence[Replicates]) -> Paired:
    """The paired difference; where no trial changed, blocks do not vary, and the bounds on what could have say more."""
    if not a.n:
        return Paired(reason=a.reason)
    k_a, k_b, n = touching
    sides = [paired.rate(side.k, side.n, side.k - k, n) for side, k in ((a, k_a), (b, k_b))]
    known = next((side.reason for side in (a, b) if side.low is None), "")
    found = paired.paired(sides[0], sides[1], reason=known, independent=(a.n_effective, b.n_effective))
    added, removed = (share.estimate for share in shares)
    if added.k or removed.k or added.high is None or removed.high is None:
        return found
    return replace(found, low=-removed.high, high=added.high, error=None, p=None, detectable=None,
                   method=NOTHING_CHANGED, reason="")  # fmt: skip


@dataclass(frozen=True)
class Gap:
    """A group against the reference: the difference of a rate in the exact search, in the other, and of errors added
    and removed. Their intervals hold together with those of the other groups and efforts, at `level` each.
    """

    exact: Contrast
    other: Contrast
    added: Contrast
    removed: Contrast

    @property
    def opens(self) -> bool:
        """Whether errors are added to one of both groups more than to the other, beyond doubt."""
        return _excludes_zero(self.added)

    @property
    def hides(self) -> bool:
        """Whether errors are removed from one of both groups more than from the other, beyond doubt."""
        return _excludes_zero(self.removed)


def gap(counted: Counted, asked: Asked, grouping: Grouping, names: tuple[str, str], *, level: float) -> Gap:
    """The first group less the second."""
    pairs = [(name, name) for name in names]
    sides = [change(counted, asked, grouping, name) for name in names]

    def of(tally: Tally) -> Contrast:
        one, other = (
            joint.replicates(tally, asked.metric, asked.threshold, pair, grouping=grouping, rank=asked.rank or 1)
            for pair in pairs
        )
        return joint.difference(one, other, level=level)

    return Gap(
        exact=of(counted.exact),
        other=of(counted.other),
        added=joint.difference(sides[0].added, sides[1].added, level=level),
        removed=joint.difference(sides[0].removed, sides[1].removed, level=level),
    )


def _excludes_zero(found: Contrast) -> bool:
    return found.low is not None and found.high is not None and (found.low > 0 or found.high < 0)


def asked_of(thresholds: Sequence[float], ranks: Sequence[int]) -> list[Asked]:
    """Every rate: misses at each rank without a threshold, then misses and false positives at each threshold."""
    found = [Asked("fnir", None, rank) for rank in ranks]
    for threshold in thresholds:
        found += [Asked("fnir", threshold, rank) for rank in ranks]
        found.append(Asked("fpir", threshold, None))
    return found


def rows_of(tally: Tally, groupings: Sequence[Grouping]) -> list[tuple[Grouping, str]]:
    """Everybody, and every group of every grouping."""
    return [((), ALL), *((g, name) for g in groupings if g for name in names_of(tally, g))]


def names_of(tally: Tally, grouping: Grouping) -> list[str]:
    """Names of the groups, sorted."""
    return sorted(set(tally.plan.group_names(grouping)))


def references(tally: Tally, grouping: Grouping) -> tuple[str, list[str]]:
    """The group with most subjects, and the others; rows without a label are no group, unless there is none else."""
    names = names_of(tally, grouping)
    names = [name for name in names if UNLABELLED not in name.split(",")] or names
    reference = max(names, key=lambda name: metrics.n_members(tally, grouping, name))
    return reference, [name for name in names if name != reference]


def rows_json(counted: Counted, asked: Sequence[Asked], groupings: Sequence[Grouping], system: str) -> list[Any]:
    """Every rate of every group in both searches."""
    return [
        _row_json(change(counted, one, grouping, name), one, system, grouping, name)
        for one in asked
        for grouping, name in rows_of(counted.exact, groupings)
    ]


def _row_json(found: Change, asked: Asked, system: str, grouping: Grouping, name: str) -> dict[str, Any]:
    return {
        "system": system,
        **_head(asked, grouping),
        "group": name if grouping else OVERALL,
        "exact": found.exact.to_json(),
        "other": found.other.to_json(),
        "added": found.added.estimate.to_json(),
        "removed": found.removed.estimate.to_json(),
        "net": found.net.to_json(),
    }


def gaps_json(
    counted: Mapping[str, Counted], asked: Sequence[Asked], groupings: Sequence[Grouping]
) -> list[dict[str, Any]]:
    """Every group against the reference in every search; the intervals of one rate and grouping hold together."""
    found = []
    for grouping in filter(None, groupings):
        reference, others = references(next(iter(counted.values())).exact, grouping)
        # Of errors added and of errors removed.
        level = joint.simultaneous(2 * len(others) * len(counted), LEVEL)
        for one in asked:
            for system, tallies in counted.items():
                found += [
                    {
                        "system": system,
                        **_head(one, grouping),
                        "group": name,
                        "reference": reference,
                        "level": level,
                        **_gap_json(gap(tallies, one, grouping, (name, reference), level=level)),
                    }
                    for name in others
                ]
    return found


def _gap_json(found: Gap) -> dict[str, Any]:
    parts = {name: vars(getattr(found, name)) for name in ("exact", "other", "added", "removed")}
    return {**parts, "opens": found.opens, "hides": found.hides}


def _head(asked: Asked, grouping: Grouping) -> dict[str, Any]:
    return {
        "metric": asked.metric,
        "threshold": asked.threshold,
        "rank": asked.rank,
        "grouping": ",".join(grouping) or ALL,
    }


def shares_json(shares: Shares, groupings: Sequence[Grouping], *, what: str) -> list[dict[str, Any]]:
    """A share of everybody and of every group. what : what is counted in n, for the reason where there is none."""
    return [
        {
            "grouping": ",".join(grouping) or ALL,
            "group": name if grouping else OVERALL,
            **share_of(shares, grouping, name, what=what).to_json(),
        }
        for grouping, name in shares.rows(groupings)
    ]


def share_of(shares: Shares, grouping: Grouping, name: str, *, what: str) -> Estimate:
    """A share of one group, with its interval."""
    k, n, subjects = shares.pick(grouping, name)
    people = People(int(subjects.sum()), int(subjects.sum()), int((subjects > 0).sum()))
    return metrics.rate_of(int(k.sum()), int(n.sum()), k, n, people, what=what)
