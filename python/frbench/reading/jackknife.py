"""Gives any statistic an interval, from its values without each block of subjects.

A rate has its own interval in `estimate`; here are the others: areas, crossings and costs, which are no share of
independent trials. The interval is taken on a scale on which the statistic has no end, so that it stays in its range.

Source: Efron & Stein (1981); Pepe (2003), The Statistical Evaluation of Medical Tests, for areas on the logit scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from frbench.estimate import LEVEL, MIN_BLOCKS, degrees_of_freedom, jackknife_variance, student_t
from frbench.tally import Counts, Histogram

Measure = Callable[[Counts, Counts], float]


class Scale(NamedTuple):
    """Where a statistic has no ends: its name, the way there and the way back."""

    name: str
    there: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    back: Callable[[float], float]


LOGIT = Scale("logit", special.logit, lambda x: float(special.expit(x)))
LOG = Scale("logarithm", np.log, math.exp)


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """A number that is no rate, and its interval.

    value : None if it does not exist. low, high : None if they cannot be estimated. reason : why something is None.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    level: float = LEVEL
    method: str = ""
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in vars(self).items()}


def interval(
    measure: Measure, nonmated: Histogram, mated: Histogram, *, scale: Scale, n_occupied: int, level: float = LEVEL
) -> Statistic:
    """`measure(non-mated bins, mated bins)` with its interval, each block left out of both in turn.

    Parameters
    ----------
    measure : the statistic of two (t + 2,) counts; NaN where it does not exist.
    n_occupied : blocks with subjects, of the group or the kind of trial that has fewest; below `MIN_BLOCKS` none.
    """
    touched = nonmated.touching.any(axis=1) | mated.touching.any(axis=1)
    without = [
        measure(nonmated.bins - nonmated.touching[block], mated.bins - mated.touching[block])
        for block in np.flatnonzero(touched)
    ]
    whole = measure(nonmated.bins, mated.bins)
    return interval_of(whole, np.array(without), scale=scale, n_occupied=n_occupied, level=level)


def interval_of(
    value: float, without: NDArray[np.float64], *, scale: Scale, n_occupied: int, level: float = LEVEL
) -> Statistic:
    """A statistic with its interval, from its values without each block that holds trials.

    There and back on `scale`: value -+ t sqrt(jackknife variance), with Student's t at the degrees of freedom that the
    blocks support. What belongs to a non-mated comparison alone is counted twice; there are so many of them that this
    adds next to nothing where a statistic rests on mated ones as well. `docs/coverage-paired.md` is the evidence.
    """
    found = Statistic(value=value, level=level)
    fewest = min(len(without), n_occupied)
    if fewest < MIN_BLOCKS:
        reason = f"interval not estimable: subjects in {fewest} blocks, at least {MIN_BLOCKS} are needed"
        return replace(found, reason=reason)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre, *others = scale.there(np.array([value, *without]))
    if not np.isfinite([centre, *others]).all():
        reason = "interval not estimable: at the end of its range, or undefined, with or without one of the blocks"
        return replace(found, reason=reason)
    replicates = np.array(others)
    variance = jackknife_variance(replicates)
    if variance == 0:
        return replace(found, reason="interval not estimable: the same without any of the blocks")
    spread = student_t(degrees_of_freedom(replicates), level) * math.sqrt(variance)
    method = f"jackknife over subject blocks, of the {scale.name}"
    return replace(found, low=scale.back(centre - spread), high=scale.back(centre + spread), method=method)
