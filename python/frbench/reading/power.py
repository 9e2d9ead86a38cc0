"""Computes how large a difference between groups must be before a count of this size shows it.

"No difference was detected" says something only beside the ratio that would have been. `smallest_ratio` reads that
ratio from the evidence at hand; `subjects_needed` turns it around, before any data are there.

Both know the error of a logarithm of a rate p: its relative variance is (1 - p) / k from k errors of independent
trials, and an excess that does not shrink with more trials of the same people.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from scipy import optimize, special

from frbench.errors import InputError
from frbench.estimate import LEVEL, student_t
from frbench.plan import DEFAULT_BLOCKS

POWER = 0.8
RULE_OF_30 = 30
MAX_SUBJECTS = 10**10
Kind = Literal["fmr", "fnmr", "search"]
# What the trials of each rate are.
KINDS: dict[str, Kind] = {"fmr": "fmr", "fnmr": "fnmr", "fpir": "search", "fnir": "search"}


@dataclass(frozen=True)
class Evidence:
    """What a rate rests on.

    n : trials. excess : relative variance beyond that of n independent trials.
    """

    n: float
    excess: float


def smallest_ratio(
    group: Evidence, reference: Evidence, rate: float, *, quantile: float, together: float = 0.0, power: float = POWER
) -> float | None:
    """The smallest true ratio above 1 that would be detected with probability `power`; None if no rate reaches it.

    A ratio is detected when its interval lies above 1. With s(R) the standard deviation of its logarithm where the
    group's rate is R times `rate`, the smallest has log R = (quantile + z(power)) s(R).

    Parameters
    ----------
    rate : of the reference, above 0. quantile : standard deviations to each side of the interval.
    together : correlation of the two rates.

    Raises
    ------
    InputError : a rate or power that is none.
    """
    _require(rate=rate, power=power)
    factor = quantile + float(special.ndtri(power))

    def lacking(log_ratio: float) -> float:
        raised = min(1.0, rate * math.exp(log_ratio))
        one, other = (side.excess + (1 - p) / (p * side.n) for side, p in ((group, raised), (reference, rate)))
        variance = one + other - 2 * together * math.sqrt(one * other)
        return log_ratio - factor * math.sqrt(max(0.0, variance))

    most = -math.log(rate)
    if lacking(0.0) >= 0:
        return 1.0
    return math.exp(optimize.brentq(lacking, 0.0, most)) if lacking(most) > 0 else None


@dataclass(frozen=True)
class Design:
    """A test that is planned: the same number of subjects in each group.

    rate : expected of the reference group. templates : of each subject; for `search`, searches of each subject.
    spread : standard deviation of people's own rates over their mean. In the example templates, of which few people
    have many, it is 4 to 8 for FMR.
    """

    kind: Kind
    rate: float
    templates: int = 1
    spread: float = 1.0

    def __post_init__(self) -> None:
        _require(rate=self.rate)
        if self.templates < (2 if self.kind == "fnmr" else 1):
            raise InputError(
                f"{self.templates} templates a subject make no trial, expected at least 2 for fnmr, 1 else"
            )
        if not self.spread >= 0:
            raise InputError(f"spread is {self.spread}, expected 0 or more")

    def trials(self, subjects: int) -> float:
        """Trials within a group of this many subjects."""
        m = self.templates
        if self.kind == "fmr":
            return subjects * (subjects - 1) / 2 * m * m
        return subjects * (m * (m - 1) / 2 if self.kind == "fnmr" else m)

    def evidence(self, subjects: int) -> Evidence:
        """What the rate of a group of this many subjects rests on.

        People add roles^2 spread^2 / subjects to its relative variance, where a comparison of two people has two roles.
        The variance of independent trials, roles times counted by b blocks, is known to sqrt(2 / (b - 1)) of itself;
        half of that is added.
        """
        roles = 2 if self.kind == "fmr" else 1
        n = self.trials(subjects)
        known = math.sqrt(2 / (DEFAULT_BLOCKS - 1))
        return Evidence(n, roles**2 * self.spread**2 / subjects + roles * known / 2 * (1 - self.rate) / (self.rate * n))


def subjects_needed(design: Design, ratio: float, *, power: float = POWER, level: float = LEVEL) -> int:
    """Subjects in each of two groups with which a true `ratio` of their rates is detected with probability `power`.

    Templates of one pair of people count as independent trials, which is optimistic: more subjects are better than
    more templates.

    Raises
    ------
    InputError : a ratio of 1 or less, one that raises the rate above 1, or that no number of subjects shows.
    """
    if not ratio > 1 or not ratio * design.rate < 1:
        raise InputError(f"ratio is {ratio:g}, expected above 1 and below {1 / design.rate:g}, which is 1 / rate")

    _require(level=level)
    quantile = student_t(DEFAULT_BLOCKS - 1, level)

    def is_enough(subjects: int) -> bool:
        evidence = design.evidence(subjects)
        found = smallest_ratio(evidence, evidence, design.rate, quantile=quantile, power=power)
        return found is not None and found <= ratio

    return _first(is_enough, f"a ratio of {ratio:g}")


def subjects_for_errors(design: Design, errors: int = RULE_OF_30) -> int:
    """Subjects in a group whose trials hold this many errors on average: 30 for a rate within 30% of the truth.

    Source: Doddington et al. (2000), the rule of 30.
    """
    return _first(lambda subjects: design.trials(subjects) * design.rate >= errors, f"{errors} errors")


def subjects_for_bound(design: Design, level: float = LEVEL) -> int:
    """Subjects in a group without any error, of whom no two trials share one, that bound its rate below the expected.

    (1 - rate)^m <= 1 - level for m such trials, about 3 / rate at 95%.

    Source: the rule of 3.
    """
    _require(level=level)
    trials = math.ceil(math.log1p(-level) / math.log1p(-design.rate))
    return trials * (2 if design.kind == "fmr" else 1)


def _first(is_enough: Callable[[int], bool], what: str) -> int:
    """The smallest number from 2 on that is enough, where every larger one is."""
    high = 2
    while not is_enough(high):
        high *= 2
        if high > MAX_SUBJECTS:
            raise InputError(f"{MAX_SUBJECTS:,} subjects are not enough for {what}; raise the rate or the ratio")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def _require(**shares: float) -> None:
    for name, value in shares.items():
        if not 0 < value < 1:
            raise InputError(f"{name} is {value}, expected above 0 and below 1")


def plan_study(
    metric: str,
    rate: float,
    ratio: float = 2.0,
    *,
    templates: int | None = None,
    spread: float = 1.0,
    power: float = POWER,
    level: float = LEVEL,
) -> dict[str, Any]:
    """How many subjects each of two groups needs, so that a difference between their rates is seen.

    Parameters
    ----------
    metric : fmr, fnmr, fpir or fnir.
    rate : that is expected of the reference group.
    ratio : true ratio of the rates of two groups.
    templates : of each subject, or searches; None takes 1, and 2 for FNMR.
    spread : deviation of people's own rates over their mean.
    power : chance to see the difference.
    level : of the interval that shows it.
    """
    if metric not in KINDS:
        raise InputError(f"metric is {metric!r}, expected one of {', '.join(KINDS)}")
    kind = KINDS[metric]
    own = templates if templates is not None else 2 if kind == "fnmr" else 1
    design = Design(kind, rate, own, spread)
    needed = subjects_needed(design, ratio, power=power, level=level)
    return {
        "metric": metric,
        "rate": rate,
        "ratio": ratio,
        "templates": own,
        "spread": spread,
        "power": power,
        "level": level,
        "subjects_per_group": needed,
        "subjects_for_30_errors": subjects_for_errors(design),
        "subjects_without_error_for_bound": subjects_for_bound(design, level),
        "trials_per_group": int(design.trials(needed)),
    }
