"""Reads what another search makes of the same trials, by group: errors added, errors that go, and gaps.

Both searches are counted in tallies of their own, and a third one counts what both found. So the trials that only one
of them gets wrong are known exactly, with their blocks: an error added is a trial, and its share has an interval like
any rate. Thresholds are frozen: they were set on the exact search, and are the same in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from frbench.estimate import LEVEL, Estimate
from frbench.inputs.arrays import Ints
from frbench.plan import Group, Grouping
from frbench.reading import joint
from frbench.reading.joint import Contrast, Replicates, replicates_of
from frbench.reading.people import People, largest
from frbench.reading.rate import Rate, Trials, rate_of
from frbench.reading.systems.paired import Paired, Side, paired
from frbench.shortcuts.shares import Shares
from frbench.tally import Tally

NOTHING_CHANGED = "exact bounds on the trials that one of both could have changed: none was"


@dataclass(frozen=True)
class Counted:
    """The same trials: searched exactly, otherwise, and what both found."""

    exact: Tally
    other: Tally
    both: Tally


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


def change(counted: Counted, rate: Rate, group: Group) -> Change:
    """What the other search makes of one rate of a group."""
    exact, other, both = (rate.trials(tally, group) for tally in (counted.exact, counted.other, counted.both))
    # A mated search that either gets wrong is no hit of both; a non-mated one of both is a false positive of each.
    more, less = ((both, exact), (both, other)) if rate.is_mated else ((other, both), (exact, both))
    added, removed = (_share(rate, group, exact, a.k - b.k, a.k_touching - b.k_touching) for a, b in (more, less))
    net = _net(exact, other, added.estimate, removed.estimate)
    return Change(exact.estimate, other.estimate, added, removed, net)


def _share(rate: Rate, group: Group, exact: Trials, k: int, k_touching: Ints) -> Replicates:
    """So many of the trials, with their interval."""
    people = exact.people or People(0, 0, 0)
    found = rate_of(k, exact.n, k_touching, exact.n_touching, people, what=exact.what)
    return replicates_of(rate, group, found, k_touching, exact.n_touching)


def _net(exact: Trials, other: Trials, added: Estimate, removed: Estimate) -> Paired:
    """The paired difference; where no trial changed, blocks do not vary, and the bounds on what could have say more."""
    a, b = exact.estimate, other.estimate
    if not a.n:
        return Paired(reason=a.reason)
    sides = [Side.of(side.k, side.n, side.k - side.k_touching, exact.n_touching) for side in (exact, other)]
    known = next((side.reason for side in (a, b) if side.low is None), "")
    found = paired(sides[0], sides[1], reason=known, independent=(a.n_effective, b.n_effective))
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


def gap(counted: Counted, rate: Rate, group: Group, reference: Group, *, level: float) -> Gap:
    """The group less the reference."""
    a, b = (change(counted, rate, side) for side in (group, reference))

    def of(tally: Tally) -> Contrast:
        one, other = (joint.replicates(tally, rate, side) for side in (group, reference))
        return joint.difference(one, other, level=level)

    added, removed = (joint.difference(*sides, level=level) for sides in ((a.added, b.added), (a.removed, b.removed)))
    return Gap(of(counted.exact), of(counted.other), added, removed)


def _excludes_zero(found: Contrast) -> bool:
    return found.low is not None and found.high is not None and (found.low > 0 or found.high < 0)


def rates_of(thresholds: Sequence[float], ranks: Sequence[int]) -> list[Rate]:
    """Every rate: misses at each rank without a threshold, then misses and false positives at each threshold."""
    found = [Rate("fnir", None, rank) for rank in ranks]
    for threshold in thresholds:
        found += [Rate("fnir", threshold, rank) for rank in ranks]
        found.append(Rate("fpir", threshold))
    return found


def references(tally: Tally, columns: Grouping) -> tuple[Group, list[Group]]:
    """The group with most subjects, and the others; rows without a label are no group, unless there is none else."""
    groups = tally.plan.groups_of(columns)
    groups = [group for group in groups if group.is_labelled] or groups
    reference = largest(tally, groups)
    return reference, [group for group in groups if group != reference]


def rows_json(counted: Counted, rates: Sequence[Rate], groupings: Sequence[Grouping], system: str) -> list[Any]:
    """Every rate of every group in both searches."""
    return [
        {
            "system": system,
            **rate.key,
            **group.key("identify"),
            "exact": found.exact.to_json(),
            "other": found.other.to_json(),
            "added": found.added.estimate.to_json(),
            "removed": found.removed.estimate.to_json(),
            "net": found.net.to_json(),
        }
        for rate in rates
        for group in counted.exact.plan.everybody_and(groupings)
        for found in [change(counted, rate, group)]
    ]


def gaps_json(
    counted: Mapping[str, Counted], rates: Sequence[Rate], groupings: Sequence[Grouping]
) -> list[dict[str, Any]]:
    """Every group against the reference in every search; the intervals of one rate and grouping hold together."""
    found = []
    for columns in filter(None, groupings):
        reference, others = references(next(iter(counted.values())).exact, columns)
        # Of errors added and of errors removed.
        level = joint.simultaneous(2 * len(others) * len(counted), LEVEL)
        found += [
            {
                "system": system,
                **rate.key,
                **group.key("identify"),
                "reference": reference.name,
                "level": level,
                **_gap_json(gap(tallies, rate, group, reference, level=level)),
            }
            for rate in rates
            for system, tallies in counted.items()
            for group in others
        ]
    return found


def _gap_json(found: Gap) -> dict[str, Any]:
    parts = {name: vars(getattr(found, name)) for name in ("exact", "other", "added", "removed")}
    return {**parts, "opens": found.opens, "hides": found.hides}


def shares_json(shares: Shares, groupings: Sequence[Grouping], *, what: str) -> list[dict[str, Any]]:
    """A share of everybody and of every group. what : what is counted in n, for the reason where there is none."""
    groups = shares.everybody_and(groupings)
    return [{**group.key("identify"), **share_of(shares, group, what=what).to_json()} for group in groups]


def share_of(shares: Shares, group: Group, *, what: str) -> Estimate:
    """A share of one group, with its interval."""
    k, n, subjects = shares.pick(group)
    people = People(int(subjects.sum()), int(subjects.sum()), int((subjects > 0).sum()))
    return rate_of(int(k.sum()), int(n.sum()), k, n, people, what=what)
