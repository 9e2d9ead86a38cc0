"""Finds the smallest threshold that keeps a false-positive rate, on one population and then frozen.

Convention K2: T is the smallest score with rate(T) <= target, so the target is never exceeded. Scores are float32,
so T is a float32, and it is found exactly: the interval that must hold it is cut into many at once, counting, until
its ends are neighbouring float32. Two passes are enough where scores are not near zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench.choices import Failed
from frbench.errors import InputError
from frbench.inputs.arrays import Floats, Floats32, Ints
from frbench.operating_point import RULE_OF_30, OperatingPoint

Tail = Callable[[Floats], Ints]
# For each number of trials allowed, the smallest threshold with at most that many at or above it, and how many.
Smallest = Callable[[Sequence[int]], list[tuple[float, int]]]
EDGES_A_PASS = 1 << 14


@dataclass(frozen=True)
class Target:
    """A rate to keep, as the user wrote it: metric `fmr`, `fnmr` or `fpir`."""

    metric: str
    text: str

    @property
    def rate(self) -> Fraction:
        """The rate, exactly as written."""
        return Fraction(self.text)

    @property
    def name(self) -> str:
        """The target as it is written on the command line."""
        return f"{self.metric}={self.text}"


def parse_targets(text: str, metrics: Sequence[str]) -> list[Target]:
    """Targets of `fmr=1e-3,1e-4` or `fmr=1e-3,fpir=0.01`.

    Raises
    ------
    InputError : another metric than `metrics`, or a rate that is not above 0 and at most 1.
    """
    targets: list[Target] = []
    metric = ""
    for item in text.split(","):
        name, equals, value = item.strip().rpartition("=")
        metric = name.strip() if equals else metric
        expected = " or ".join(f"{m}=1e-3" for m in metrics)
        if metric not in metrics:
            raise InputError(f"--at '{text}': '{item}' does not name a rate that can be set here, expected {expected}")
        if not _is_rate(value.strip()):
            raise InputError(f"--at '{text}': rate '{value}' is not above 0 and at most 1, expected {expected}")
        targets.append(Target(metric, value.strip()))
    return targets


def _is_rate(text: str) -> bool:
    """Whether `text` is a number above 0 and at most 1; the float is asked first, a huge exponent costs it nothing."""
    try:
        return 0 < float(text) <= 1 and 0 < Fraction(text) <= 1
    except (ValueError, ZeroDivisionError):
        return False


def operating_points(
    tail: Tail, n: int, targets: Sequence[Target], *, population: str, unscored_accepted: int = 0
) -> list[OperatingPoint]:
    """The smallest threshold for each target, or the reason why there is none.

    Parameters
    ----------
    tail : number of scored trials of the population at or above each of the increasing edges.
    n : trials of the population.
    unscored_accepted : trials without a score that the failure policy counts as false positives.
    """
    smallest = partial(smallest_thresholds, tail)
    return points_by(smallest, n, targets, population=population, unscored_accepted=unscored_accepted)


def points_by(
    smallest: Smallest, n: int, targets: Sequence[Target], *, population: str, unscored_accepted: int = 0
) -> list[OperatingPoint]:
    """As `operating_points`, from whatever finds the smallest threshold."""
    allowed = [int(target.rate * n) - unscored_accepted for target in targets]
    possible = [i for i, target in enumerate(targets) if n and target.rate * n >= 1 and allowed[i] >= 0]
    thresholds = smallest([allowed[i] for i in possible])
    found = dict(zip(possible, thresholds, strict=True))
    points = []
    for i, target in enumerate(targets):
        if i in found:
            threshold, k = found[i]
            points.append(OperatingPoint(target.name, population, threshold, k + unscored_accepted, n))
        else:
            points.append(OperatingPoint(target.name, population, None, 0, n, _refusal(target, n)))
    return points


def points_of_misses(
    scores: NDArray[Any], n_unscored: int, targets: Sequence[Target], *, population: str, failed: Failed
) -> list[OperatingPoint]:
    """The largest threshold for each target FNMR, exactly, or the reason why there is none.

    Parameters
    ----------
    scores : (m,) of all scored mated trials of the population.
    n_unscored : mated trials of it without a score; `failed` says whether they are misses, matches or left out.
    """
    ordered = np.sort(scores)
    missed = n_unscored if failed == "reject" else 0
    n = len(scores) + (0 if failed == "exclude" else n_unscored)
    points = []
    for target in targets:
        allowed = int(target.rate * n) - missed
        if not len(scores) or target.rate * n < 1 or allowed < 0:
            points.append(OperatingPoint(target.name, population, None, 0, n, _refusal(target, n, "rejects")))
            continue
        # At the score that is one too many, those below it are missed; a higher threshold would miss it, too.
        threshold = ordered[min(allowed, len(ordered) - 1)]
        k = int(np.searchsorted(ordered, threshold, side="left"))
        points.append(OperatingPoint(target.name, population, float(threshold), k + missed, n))
    return points


def _refusal(target: Target, n: int, policy: str = "accepts") -> str:
    needed = -(-target.rate.denominator // target.rate.numerator)
    if n < needed:
        more = f"at least {needed} are needed, {RULE_OF_30 * needed} for 30 errors"
        return f"{n} trials cannot show a rate of {target.text}; {more}"
    return f"failed templates alone exceed a rate of {target.text} under the policy that {policy} them"


def smallest_thresholds(tail: Tail, allowed: Sequence[int]) -> list[tuple[float, int]]:
    """For each number of trials allowed, the smallest float32 T with at most that many at or above it, and how many."""
    # Cosines of float32 unit rows exceed 1 by a few units in the last place; nothing below -1 is a threshold.
    lowest, highest = _ordinal(np.float32(-1)) - 1, _ordinal(np.float32(1.001))
    brackets = [(lowest, highest)] * len(allowed)
    cuts = np.array([_ordinal(x) for x in np.linspace(-1, 1, EDGES_A_PASS, dtype=np.float32)])
    counted = {highest: 0}
    while unsettled := {b for b in brackets if b[1] - b[0] > 1}:
        if len(counted) > 1:
            cuts = np.unique(np.concatenate([_cuts(low, high, len(unsettled)) for low, high in unsettled]))
        counts = tail(_float(cuts).astype(np.float64))
        counted |= dict(zip(cuts.tolist(), counts.tolist(), strict=True))
        brackets = [_narrow(b, k, cuts, counts) for b, k in zip(brackets, allowed, strict=True)]
    return [(float(_float(np.array(high))), counted[high]) for _, high in brackets]


def _cuts(low: int, high: int, share: int) -> Ints:
    """Ordinals strictly between, evenly, at most the share of one pass."""
    n = min(high - low - 1, EDGES_A_PASS // share)
    return low + np.arange(1, n + 1) * (high - low) // (n + 1)


def _narrow(bracket: tuple[int, int], allowed: int, cuts: Ints, counts: Ints) -> tuple[int, int]:
    """The part of the bracket between the last cut with too many trials and the first without."""
    inside = (cuts > bracket[0]) & (cuts < bracket[1])
    too_many = cuts[inside & (counts > allowed)]
    enough = cuts[inside & (counts <= allowed)]
    return (int(too_many[-1]) if len(too_many) else bracket[0], int(enough[0]) if len(enough) else bracket[1])


def _ordinal(value: np.float32) -> int:
    """Position of a float32 in increasing order; 0 for zero."""
    bits = int(value.view(np.int32))
    return bits if bits >= 0 else -(bits & 0x7FFFFFFF)


def _float(ordinals: Ints) -> Floats32:
    magnitude = np.abs(ordinals).astype(np.int32).view(np.float32)
    return np.where(ordinals < 0, -magnitude, magnitude)
