"""Finds the threshold at a rate: the edge that holds it, what it achieves, and where it lies with other people.

Convention K2: the threshold never lets the rate exceed its target, and the achieved rate is what is reported, with
its counts. K3: a target of less than one trial is refused, and one with fewer than 30 errors behind it is flagged.
K9: a threshold is set on one stated population and then frozen; the rates of other groups are read at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from frbench.choices import Failed
from frbench.errors import InputError
from frbench.estimate import LEVEL
from frbench.operating_point import RULE_OF_30, OperatingPoint
from frbench.plan import EVERYBODY, Group
from frbench.reading import metrics
from frbench.tally import Tally

Target = str | float | Fraction


@dataclass(frozen=True)
class Threshold:
    """A threshold at a rate, read from the edges of a tally.

    point : target, population, threshold, and errors k of n trials there; no threshold if the data cannot support it.
    beyond : the next edge, where the target is exceeded; the best threshold of the scores themselves lies between it
        and `point.threshold`. None if there is no such edge.
    supported_down_to : the smallest rate that n trials support, 30 / n; None without trials.
    """

    point: OperatingPoint
    beyond: float | None
    supported_down_to: float | None


def at_fmr(tally: Tally, rate: Target, *, group: Group = EVERYBODY, failed: Failed = "reject") -> Threshold:
    """The smallest edge T with FMR(T) <= `rate`.

    Parameters
    ----------
    rate : above 0 and at most 1; a text such as 1e-3 is taken exactly, a float as it is printed.
    group : the population it is set on.
    failed : policy for failed templates.

    Raises
    ------
    InputError : not such a rate.

    Source: NIST FRTE 1:1, FNMR at FMR <= 1e-6; Doddington et al. (2000), rule of 30.
    """
    curve = metrics.det(tally, group=group, failed=failed)
    return _first_within(curve, "fmr", rate, _population("non-mated comparisons", group), "accepted")


def at_fpir(tally: Tally, rate: Target, *, group: Group = EVERYBODY) -> Threshold:
    """The smallest edge T with FPIR(T) <= `rate`, on the non-mated searches of a group.

    Parameters and errors as in `at_fmr`.

    Source: NIST FRTE 1:N, threshold at FPIR = 0.003.
    """
    curve = metrics.det(tally, group=group)
    return _first_within(curve, "fpir", rate, _population("non-mated searches", group), "positive")


def exactly(rate: Target) -> Fraction:
    """The rate as a fraction: a text exactly, a float as it is printed.

    Raises
    ------
    InputError : not a number above 0 and at most 1.
    """
    try:
        value = Fraction(str(rate))
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(f"rate is {rate!r}, expected a number above 0 and at most 1, such as 1e-3") from error
    if not 0 < value <= 1:
        raise InputError(f"rate is {rate!r}, expected a number above 0 and at most 1, such as 1e-3")
    return value


def supported_down_to(n: int) -> float | None:
    """The smallest rate that n trials support: 30 errors / n; None without trials.

    With 30 errors the rate is within about 30% of the true one at 90%, if trials are independent.

    Source: Doddington et al. (2000), Speech Communication 31, rule of 30.
    """
    return RULE_OF_30 / n if n else None


def _first_within(curve: metrics.Det, name: str, rate: Target, population: str, what: str) -> Threshold:
    """The first of the falling numbers of errors that the rate allows."""
    target = exactly(rate)
    axis, errors, n = curve.thresholds, curve.false_matches.tolist(), curve.n_nonmated
    allowed = int(target * n)
    within = int(np.searchsorted(-np.asarray(errors), -allowed, side="left"))
    at, floor = f"{name}={rate}", supported_down_to(n)
    if allowed < 1:
        needed = -(-target.denominator // target.numerator)
        enough = f"at least {needed} are needed, {RULE_OF_30 * needed} for {RULE_OF_30} errors"
        reason = f"{n} trials cannot show a rate of {rate}; {enough}"
        return Threshold(OperatingPoint(at, population, None, 0, n, reason), None, floor)
    if within == len(errors):
        end = f"even at the last edge, {axis[-1]}, {errors[-1]} of {n} are {what}" if errors else "there are no edges"
        reason = f"{end}, and a rate of {rate} allows {allowed}; recount with --thresholds beyond it"
        return Threshold(OperatingPoint(at, population, None, 0, n, reason), None, floor)
    point = OperatingPoint(at, population, float(axis[within]), int(errors[within]), n)
    return Threshold(point, float(axis[within - 1]) if within else None, floor)


def _population(what: str, group: Group) -> str:
    return f"all {what}" if group.pair is None else f"{what} of {group.name} ({group.title})"


@dataclass(frozen=True)
class ThresholdInterval:
    """Edges around the threshold that has the FMR `rate` among all people of the kind that was sampled.

    low : the nearest edge below where FMR is above the rate beyond doubt; high : the nearest above where it is below.
    None where no edge of the tally is, with the reason.
    """

    rate: float
    low: float | None
    high: float | None
    level: float = LEVEL
    reason: str = ""


def threshold_interval(
    tally: Tally, rate: float, *, group: Group = EVERYBODY, failed: Failed = "reject"
) -> ThresholdInterval:
    """The interval of the threshold at FMR `rate`: edges at which that of FMR holds the rate, and one each way.

    A threshold is inside if FMR there is not different from the rate beyond doubt, so the interval holds the true
    threshold as often as that of FMR holds the true FMR. It is as fine as the axis of the tally.

    Raises
    ------
    InputError : a rate that is not between 0 and 1.

    Source: inversion of a test; Clopper & Pearson (1934).
    """
    if not 0 < rate < 1:
        raise InputError(f"rate is {rate}, expected above 0 and below 1")
    edges = tally.plan.axis
    curve = metrics.det(tally, group=group, failed=failed)
    first = int(np.searchsorted(-curve.false_matches, -rate * curve.n_nonmated))

    def beyond(edge: float, is_above: bool) -> bool:
        found = metrics.fmr(tally, edge, group=group, failed=failed)
        end = found.low if is_above else found.high
        return end is not None and (end > rate if is_above else end < rate)

    low = next((float(edge) for edge in edges[:first][::-1] if beyond(float(edge), True)), None)
    high = next((float(edge) for edge in edges[first:] if beyond(float(edge), False)), None)
    missing = [side for side, edge in (("above", low), ("below", high)) if edge is None]
    reason = f"no edge of the tally has an FMR {' or '.join(missing)} {rate:g} beyond doubt" if missing else ""
    return ThresholdInterval(rate, low, high, reason=reason)
