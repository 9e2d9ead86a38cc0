"""Holds the rate of one group against that of another, and says what these people could have shown.

A ratio comes with an interval of its own and with the smallest ratio that would have been detected: "no difference was
detected" says nothing without it. Whoever names a worst group has the list of those that may be it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from frbench.estimate import LEVEL
from frbench.plan import Group
from frbench.reading import joint
from frbench.reading.joint import METHOD, Contrast, Replicates
from frbench.reading.power import POWER, Evidence, smallest_ratio
from frbench.reading.rate import ERRORS, Metric


@dataclass(frozen=True)
class Ratio:
    """A rate of one group over that of another.

    Parameters
    ----------
    value : rate of `group` over rate of `reference`; None with a reason if it does not exist.
    detectable : the smallest true ratio above 1 that such a count shows with 80% power; None if there is none or it is
        not known.
    """

    group: Group
    reference: Group
    value: float | None
    low: float | None
    high: float | None
    k: tuple[int, int]
    n: tuple[int, int]
    detectable: float | None = None
    level: float = LEVEL
    method: str = METHOD
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        sides = {"group": list(self.group.pair or ()), "reference": list(self.reference.pair or ())}
        return vars(self) | sides | {"k": list(self.k), "n": list(self.n)}


@dataclass(frozen=True)
class GroupContrast:
    """Two groups held against each other at one rate: the ratio, and the difference of `group` less `reference`."""

    metric: Metric
    ratio: Ratio
    difference: Contrast

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values, those of the ratio beside the metric."""
        found = self.difference
        return {
            "metric": self.metric,
            **self.ratio.to_json(),
            "difference": {"value": found.value, "low": found.low, "high": found.high, "reason": found.reason},
        }


def compare(a: Replicates, b: Replicates, *, level: float = LEVEL) -> GroupContrast:
    """Ratio and difference of `a` and `b`."""
    return GroupContrast(a.rate.metric, ratio_of(a, b, level=level), joint.difference(a, b, level=level))


def ratio_of(a: Replicates, b: Replicates, *, level: float = LEVEL) -> Ratio:
    """The rate of `a` over the rate of `b`, its interval, and the smallest ratio that would have been detected."""
    found = joint.ratio(a, b, level=level)
    k, n = (a.estimate.k, b.estimate.k), (a.estimate.n, b.estimate.n)
    least = detectable(a, b, level=level)
    return Ratio(a.group, b.group, found.value, found.low, found.high, k, n, least, level, reason=found.reason)


def detectable(a: Replicates, b: Replicates, *, power: float = POWER, level: float = LEVEL) -> float | None:
    """The smallest true ratio of `a` over `b` above 1 that would have been detected with probability `power`.

    From the rate of `b`, the trials of both, and how much people of each differ; a group without errors is taken to
    differ as the other does. None where `b` has no errors or no interval, where `a` has no interval, and for a group
    held against itself.
    """
    if b.doubt is None or a.estimate.low is None or a.group.name == b.group.name:
        return None
    group = Evidence(a.estimate.n, b.excess if a.doubt is None else a.excess)
    reference, rate = Evidence(b.estimate.n, b.excess), b.estimate.k / b.estimate.n
    reach, together = joint.quantile(a, b, level), joint.correlation(a, b)
    return smallest_ratio(group, reference, rate, quantile=reach, together=together, power=power)


@dataclass(frozen=True)
class Worst:
    """Which group has the highest rate, and which others may have it.

    group : the one with the highest rate observed; None with a reason if no group has trials.
    possible : groups that no other group exceeds beyond doubt, at `level` for all of them together.
    """

    group: Group | None
    possible: tuple[Group, ...]
    level: float = LEVEL
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values, groups by the name of their first side."""
        first = None if self.group is None else self.group.name
        return vars(self) | {"group": first, "possible": [group.name for group in self.possible]}


def worst(groups: Sequence[Replicates], *, level: float = LEVEL) -> Worst:
    """The group with the highest of several rates, and every group that may be it.

    A group is excluded if the rate of another is higher by an interval of their difference that holds together with
    those of all other pairs of groups. A group without an interval cannot be excluded.

    Source: Hsu (1984), multiple comparisons with the best; Šidák (1967) for the level of each.
    """
    known = [g for g in groups if g.estimate.n]
    if not known:
        return Worst(None, (), level, "no group has trials")
    each = joint.simultaneous(len(known) * (len(known) - 1) // 2, level)
    lower: set[Group] = set()
    for a, b in combinations(known, 2):
        found = joint.difference(a, b, level=each)
        if found.low is not None and found.low > 0:
            lower.add(b.group)
        elif found.high is not None and found.high < 0:
            lower.add(a.group)
    highest = max(known, key=lambda g: g.estimate.value or 0.0)
    reason = "" if highest.estimate.k else f"0 {ERRORS[highest.rate.metric]} of every group"
    possible = tuple(g.group for g in known if g.group not in lower)
    return Worst(None if reason else highest.group, possible, level, reason)
