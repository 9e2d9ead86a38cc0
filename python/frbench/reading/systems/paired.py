"""Computes the difference and the ratio of two rates on the same trials, with intervals of their own.

Two systems that were given the same images share subjects, trials and blocks. Leaving a block out of both at once
keeps what they share: the interval of the difference is narrower than two separate intervals suggest.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from frbench.estimate import LEVEL, MIN_BLOCKS, degrees_of_freedom, jackknife_variance, student_t, times_counted

POWER = 0.8
FEW_BLOCKS = "interval not estimable: subjects in {} blocks, at least {} are needed"
OF_ONE_BLOCK = "interval not estimable: all errors of one side are of a single block"
NO_BOUND = "interval not estimable: no two trials without a common subject"
METHOD = "jackknife over subject blocks, both systems without each block at once"
METHOD_OF_TWO = f"{METHOD}, less what is counted twice as far as that is known: rather too wide"
METHOD_MOVING = f"{METHOD}; what belongs to a comparison of two people alone is counted twice"
METHOD_AT_ZERO = "exact bounds on {} and {} trials without a common subject"


@dataclass(frozen=True, eq=False)
class Side:
    """The rate of one system, and what it is without each block.

    k, n : errors and trials. without : (b,) rates without each block. occupied : (b,) blocks that have trials.
    counted : how many times the jackknife counts what belongs to a trial alone; None where thresholds move.
    are_of_two : whether some trials have subjects of two blocks.
    """

    k: int
    n: int
    without: NDArray[np.float64]
    occupied: NDArray[np.bool_]
    counted: float | None
    are_of_two: bool = False

    @classmethod
    def of(
        cls, k: int, n: int, k_without: NDArray[Any], n_touching: NDArray[Any], *, threshold_moves: bool = False
    ) -> Side:
        """The rate k / n and its values without each block.

        Parameters
        ----------
        k_without : (b,) errors without each block; not whole where thresholds move.
        n_touching : (b,) trials in which subjects of each block took part.
        threshold_moves : whether the threshold is set again without each block.
        """
        touching = np.asarray(n_touching)
        left = n - touching.astype(np.float64)
        without = np.divide(k_without, left, out=np.full(len(left), k / n), where=left > 0)
        counted = None if threshold_moves else times_counted(n, n_touching)
        return cls(k, n, without, touching > 0, counted, bool(touching.sum() > n))

    @property
    def value(self) -> float:
        """k / n."""
        return self.k / self.n

    @property
    def is_at_the_end(self) -> bool:
        """Whether no trial is an error, or every one is: blocks then do not vary."""
        return self.k in (0, self.n)


@dataclass(frozen=True)
class Paired:
    """How B differs from A on the same trials.

    difference : rate of B less rate of A. low, high : its interval at `level`. error : its standard error.
    p : two-sided probability of a difference as large if there was none.
    detectable : the difference that would have been detected with a probability of 80%.
    ratio : rate of B over rate of A; ratio_low, ratio_high : its interval.
    reason, ratio_reason : why something is missing, or "".
    """

    difference: float | None = None
    low: float | None = None
    high: float | None = None
    error: float | None = None
    p: float | None = None
    detectable: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    level: float = LEVEL
    method: str = METHOD
    reason: str = ""
    ratio_reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)

    @property
    def is_detected(self) -> bool:
        """Whether the interval of the difference leaves 0 out."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def paired(
    a: Side,
    b: Side,
    *,
    reason: str = "",
    independent: tuple[float | None, float | None] = (None, None),
    level: float = LEVEL,
) -> Paired:
    """The difference and the ratio of two rates on the same trials.

    The variance is that of the difference, or of the logarithm of the ratio, without each block in turn, less what is
    counted twice as far as that is known, see `_variance`; intervals are Student's t. A difference of
    (t[.975] + t[.80]) standard errors is detected with 80% power. `docs/coverage-paired.md` shows by simulation how
    often these intervals hold the truth.

    Parameters
    ----------
    reason : why no interval can be estimated, if somebody knows; below `MIN_BLOCKS` blocks there is none either.
    independent : trials of A and of B that share no subject, for the bound where neither rate varies.

    Source: Efron & Stein (1981) for the jackknife; Cochran, Sampling Techniques (1977), 2.11 and 4.5 for pairs.
    """
    occupied = a.occupied | b.occupied
    n_blocks, difference = int(occupied.sum()), b.value - a.value
    if not reason and n_blocks < MIN_BLOCKS:
        reason = FEW_BLOCKS.format(n_blocks, MIN_BLOCKS)
    found = _ratio(a, b, Paired(difference, level=level, method=_method(a, b), reason=reason), occupied)
    if a.is_at_the_end and b.is_at_the_end:
        return _between_bounds(a, b, found, independent)
    if reason:
        return found
    sides = _Sides(a.without[occupied], b.without[occupied])
    freedom, error = degrees_of_freedom(sides.b - sides.a), math.sqrt(_variance(a, b, sides))
    spread = student_t(freedom, level) * error
    return replace(
        found,
        low=difference - spread,
        high=difference + spread,
        error=error,
        p=_two_sided(difference, error, freedom),
        detectable=(student_t(freedom, level) + student_t(freedom, 2 * POWER - 1)) * error,
    )


class _Sides(NamedTuple):
    """Both rates without each occupied block, or the logarithms, and what a unit of each rate moves them by."""

    a: NDArray[np.float64]
    b: NDArray[np.float64]
    scales: tuple[float, float] = (1.0, 1.0)


def _variance(a: Side, b: Side, without: _Sides) -> float:
    """Variance of B less A with other people.

    Let J be the jackknife variance and C the jackknife covariance of both rates. What belongs to one trial alone has
    the variance v = v_a + v_b - 2 w, with v_a and v_b binomial, and J holds it c times. How often both systems err in
    the same trial is not in the tallies, so w is not known. It lies between 0 and that of errors of which the fewer are
    all among the others; and since people that both find hard make C larger than c w, w is taken as C / c between
    these. The variance is J - (c - 1) v, never below v at the largest w. Where people make C larger, the variance is
    too large by that. Where thresholds move with the people, what belongs to a trial may cancel: then it is J.

    Source: Efron & Stein (1981), as in `estimate.doubt`.
    """
    jackknife = jackknife_variance(without.b - without.a)
    own = _own(a, b, without)
    return jackknife if own is None else max(jackknife - own.twice, jackknife / own.counted, own.least)


class _Own(NamedTuple):
    """What belongs to single trials in a variance. twice : what the jackknife has beyond it. least : without the rest.

    counted : how many times the jackknife counts it.
    """

    twice: float
    least: float
    counted: float


def _own(a: Side, b: Side, without: _Sides) -> _Own | None:
    """(c - 1) v, and v at the largest w, as `_variance` says; None where thresholds move."""
    if a.counted is None or b.counted is None:
        return None
    m, c = len(without.a), max(1.0, min(a.counted, b.counted))
    covariance = (m - 1) / m * float(((without.a - without.a.mean()) * (without.b - without.b.mean())).sum())
    scale_a, scale_b = without.scales
    alone = sum(s * s * x.value * (1 - x.value) / x.n for x, s in ((a, scale_a), (b, scale_b)))
    fewer, more = sorted((a.value, b.value))
    nested = scale_a * scale_b * fewer * (1 - more) / max(a.n, b.n)
    shared = min(nested, max(0.0, covariance / c))
    return _Own((c - 1) * (alone - 2 * shared), alone - 2 * nested, c)


def holm(ps: list[float | None]) -> list[float | None]:
    """Probabilities of as extreme a finding among all of them, if there was nothing to find; None stays.

    Source: Holm (1979), step-down Bonferroni: holds under any dependence.
    """
    known = sorted((p, i) for i, p in enumerate(ps) if p is not None)
    out: list[float | None] = [None] * len(ps)
    highest = 0.0
    for rank, (p, i) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        out[i] = highest
    return out


@dataclass(frozen=True)
class RatioOfRatios:
    """How the ratio between two groups in B stands to that in A, on the same trials.

    value : ratio in B over ratio in A. low, high : its interval at `level`. error : standard error of its logarithm.
    p : two-sided probability of a value as far from 1 if it was 1. detectable : the smallest value above 1 that would
    have been detected with a probability of 80%. reason : why something is missing, or "".
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    error: float | None = None
    p: float | None = None
    detectable: float | None = None
    level: float = LEVEL
    method: str = METHOD
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)

    @property
    def is_detected(self) -> bool:
        """Whether the interval leaves 1 out."""
        return self.low is not None and self.high is not None and (self.low > 1 or self.high < 1)


def ratio_of_ratios(
    group: tuple[Side, Side], reference: tuple[Side, Side], *, reason: str = "", level: float = LEVEL
) -> RatioOfRatios:
    """The ratio of `group` to `reference` in B over that in A, each block left out of all four rates at once.

    The variance is the jackknife's of log(B / A) of the group less log(B / A) of the reference; what single trials have
    alone is taken off for each of the two as in `paired`, because no trial is of both. `docs/coverage-paired.md` shows
    by simulation how often these intervals hold the truth.

    Parameters
    ----------
    group, reference : the rate in A and in B. reason : why no interval can be estimated, if somebody knows.
    """
    pairs = (group, reference)
    empty = RatioOfRatios(level=level, method=_method(*group))
    if not all(side.k for pair in pairs for side in pair):
        return replace(empty, reason=reason or "0 errors of a group in one of the systems")
    value = (group[1].value / group[0].value) / (reference[1].value / reference[0].value)
    fewest = min(int((a.occupied | b.occupied).sum()) for a, b in pairs)
    found = replace(
        empty, value=value, reason=reason or (FEW_BLOCKS.format(fewest, MIN_BLOCKS) if fewest < MIN_BLOCKS else "")
    )
    occupied = np.logical_or.reduce([side.occupied for pair in pairs for side in pair])
    without = [[side.without[occupied] for side in pair] for pair in pairs]
    if found.reason or not all((rates > 0).all() for pair in without for rates in pair):
        return replace(found, reason=found.reason or OF_ONE_BLOCK)
    logs = [
        _Sides(np.log(w[0]), np.log(w[1]), (1 / a.value, 1 / b.value)) for (a, b), w in zip(pairs, without, strict=True)
    ]
    changes = (logs[0].b - logs[0].a) - (logs[1].b - logs[1].a)
    own = [_own(a, b, sides) for (a, b), sides in zip(pairs, logs, strict=True)]
    freedom, error = degrees_of_freedom(changes), math.sqrt(_together(jackknife_variance(changes), own))
    reach = student_t(freedom, level)
    return replace(
        found,
        low=value * math.exp(-reach * error),
        high=value * math.exp(reach * error),
        error=error,
        p=_two_sided(math.log(value), error, freedom),
        detectable=math.exp((reach + student_t(freedom, 2 * POWER - 1)) * error),
    )


def _together(jackknife: float, own: list[_Own | None]) -> float:
    """The variance of a difference of two changes that share no trial."""
    known = [part for part in own if part is not None]
    if len(known) < len(own):
        return jackknife
    twice, least = sum(part.twice for part in known), sum(part.least for part in known)
    return max(jackknife - twice, jackknife / max(part.counted for part in known), least)


def _method(a: Side, b: Side) -> str:
    """How the interval is made: of trials of one subject, of two, or with thresholds that move."""
    if a.counted is None or b.counted is None:
        return METHOD_MOVING
    return METHOD_OF_TWO if a.are_of_two or b.are_of_two else METHOD


def _ratio(a: Side, b: Side, found: Paired, occupied: NDArray[np.bool_]) -> Paired:
    if a.k == 0 or b.k == 0:
        whose = "both" if a.k == b.k else ("A" if a.k == 0 else "B")
        return replace(found, ratio=0.0 if a.k else None, ratio_reason=f"0 errors of {whose}")
    value = b.value / a.value
    found = replace(found, ratio=value, ratio_reason=found.reason)
    if found.reason:
        return found
    without = a.without[occupied], b.without[occupied]
    if not all((side > 0).all() for side in without):
        return replace(found, ratio_reason=OF_ONE_BLOCK)
    logs = _Sides(np.log(without[0]), np.log(without[1]), (1 / a.value, 1 / b.value))
    spread = student_t(degrees_of_freedom(logs.b - logs.a), found.level) * math.sqrt(_variance(a, b, logs))
    return replace(found, ratio_low=value * math.exp(-spread), ratio_high=value * math.exp(spread))


def _between_bounds(a: Side, b: Side, found: Paired, independent: tuple[float | None, float | None]) -> Paired:
    """Each rate lies beyond its exact bound, at half the doubt each, so that both bounds hold at once."""
    m_a, m_b = independent
    if not m_a or not m_b:
        return replace(found, reason=NO_BOUND)
    (low_a, high_a), (low_b, high_b) = (_ends(side, m, found.level) for side, m in ((a, m_a), (b, m_b)))
    method = METHOD_AT_ZERO.format(f"{m_a:,.0f}", f"{m_b:,.0f}")
    return replace(found, low=low_b - high_a, high=high_b - low_a, method=method, reason="")


def _ends(side: Side, m: float, level: float) -> tuple[float, float]:
    bound = -math.expm1(math.log((1 - level) / 2) / m)
    return (0.0, bound) if side.k == 0 else (1 - bound, 1.0)


def _two_sided(difference: float, error: float, freedom: float) -> float:
    if error == 0:
        return 1.0 if difference == 0 else 0.0
    return float(2 * special.stdtr(freedom, -abs(difference) / error))
