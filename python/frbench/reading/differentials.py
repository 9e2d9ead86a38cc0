"""Holds the rate of one group against that of another, and says what these people could have shown.

A ratio comes with an interval of its own and with the smallest ratio that would have been detected: "no difference was
detected" says nothing without it. Whoever must show that rates are alike has a test of equivalence, and whoever names
a worst group has the list of those that may be it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from scipy import optimize

from frbench.errors import InputError
from frbench.estimate import LEVEL
from frbench.plan import Group
from frbench.reading import joint
from frbench.reading.joint import METHOD, Contrast, Replicates
from frbench.reading.power import POWER, Evidence, smallest_ratio
from frbench.reading.rate import ERRORS, Metric

LEAST_DOUBT = 1e-9


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
    return Ratio(
        group=a.group,
        reference=b.group,
        value=found.value,
        low=found.low,
        high=found.high,
        k=(a.estimate.k, b.estimate.k),
        n=(a.estimate.n, b.estimate.n),
        detectable=detectable(a, b, level=level),
        level=level,
        reason=found.reason,
    )


def detectable(a: Replicates, b: Replicates, *, power: float = POWER, level: float = LEVEL) -> float | None:
    """The smallest true ratio of `a` over `b` above 1 that would have been detected with probability `power`.

    From the rate of `b`, the trials of both, and how much people of each differ; a group without errors is taken to
    differ as the other does. None where `b` has no errors or no interval, where `a` has no interval, and for a group
    held against itself.
    """
    if b.doubt is None or a.estimate.low is None or a.group.name == b.group.name:
        return None
    return smallest_ratio(
        Evidence(a.estimate.n, b.excess if a.doubt is None else a.excess),
        Evidence(b.estimate.n, b.excess),
        b.estimate.k / b.estimate.n,
        quantile=joint.quantile(a, b, level),
        together=joint.correlation(a, b),
        power=power,
    )


@dataclass(frozen=True)
class Equivalence:
    """Whether two rates were shown to be alike: their ratio between 1 / margin and margin.

    p : of the two one-sided tests together; None with a reason if there is no interval. is_shown : p <= alpha.
    """

    margin: float
    alpha: float
    p: float | None
    is_shown: bool
    reason: str = ""


def equivalence(a: Replicates, b: Replicates, *, margin: float, alpha: float = 1 - LEVEL) -> Equivalence:
    """The test that the rates of `a` and `b` are alike up to a factor `margin`: two one-sided tests at `alpha`.

    They are alike if the interval of the ratio at level 1 - 2 alpha lies between 1 / margin and margin; p is the
    smallest alpha at which it does. A ratio that differs from 1 beyond doubt may still be alike, and rates without a
    detected difference need not be.

    Raises
    ------
    InputError : a margin of 1 or less, or an alpha outside 0 to 0.5.

    Source: Schuirmann (1987), two one-sided tests; the p-value by inverting the interval.
    """
    if not margin > 1:
        raise InputError(f"margin is {margin:g}, expected above 1: 1.25 for rates within a quarter of each other")
    if not 0 < alpha < 0.5:
        raise InputError(f"alpha is {alpha:g}, expected above 0 and below 0.5")
    first = joint.ratio(a, b, level=1 - 2 * alpha)
    if first.value is None or first.low is None:
        return Equivalence(margin, alpha, None, False, first.reason)

    def room(one_sided: float) -> float:
        """How far the interval stays inside the margin; negative outside."""
        found = joint.ratio(a, b, level=1 - 2 * one_sided)
        if found.low is None or found.high is None:
            return -1.0
        return min(found.low * margin - 1, 1 - found.high / margin)

    inside = 1 / margin < first.value < margin
    p = _smallest(room) if inside else 1.0
    return Equivalence(margin, alpha, p, p <= alpha)


def _smallest(room: Callable[[float], float]) -> float:
    """The smallest share in (0, 1/2) from which on `room` is not negative; 1/2 if there is none, 0 if all."""
    if room(0.5 - LEAST_DOUBT) <= 0:
        return 0.5
    return 0.0 if room(LEAST_DOUBT) >= 0 else float(optimize.brentq(room, LEAST_DOUBT, 0.5 - LEAST_DOUBT))


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
        return {
            "group": None if self.group is None else self.group.name,
            "possible": [group.name for group in self.possible],
            "level": self.level,
            "reason": self.reason,
        }


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
    return Worst(
        highest.group if not reason else None, tuple(g.group for g in known if g.group not in lower), level, reason
    )
