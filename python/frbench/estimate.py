"""Turns counts into a rate with its interval, or into None with the reason.

Trials share subjects, so an interval that treats them as independent is several times too narrow. Here the variance
of a rate is the delete-a-block jackknife over blocks of subjects, less what it counts twice; it gives the number of
independent trials that would vary as much, and Wilson's interval is taken at that number, with Student's t at the
degrees of freedom that the blocks support. All of it is a function of the tally: no seed. `docs/coverage.md` shows by
simulation how often these intervals hold the truth.

Source: Efron & Stein (1981) for the jackknife of a statistic with two-way dependence; Wilson (1927);
Fogliato, Patil & Perona (2024) for Wilson's interval at an effective sample size; Satterthwaite (1946).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

LEVEL = 0.95
MIN_BLOCKS = 8
METHOD = "jackknife over subject blocks, Wilson at effective n"


@dataclass(frozen=True)
class Estimate:
    """A rate, its interval, and what both rest on; or None and the reason.

    value : k / n.
    low, high : ends of the interval at `level`; None if it cannot be estimated, with the reason.
    k, n : numerator and denominator.
    n_effective : independent trials that would vary as much.
    n_subjects : subjects that took part.
    method : how the interval was made.
    reason : why value or interval is missing, or "".
    """

    value: float | None
    low: float | None
    high: float | None
    k: int
    n: int
    n_effective: float | None = None
    n_subjects: int | None = None
    level: float = LEVEL
    method: str = ""
    reason: str = ""

    def __repr__(self) -> str:
        if self.value is None:
            return f"Estimate({self.reason})"
        ends = self.reason if self.low is None or self.high is None else f"[{self.low:.3g}, {self.high:.3g}]"
        return f"Estimate({self.value:.3g} {ends}, k={self.k}, n={self.n})"

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)


def undefined(reason: str, *, n_subjects: int | None = None) -> Estimate:
    """An estimate that does not exist."""
    return Estimate(None, None, None, 0, 0, n_subjects=n_subjects, reason=reason)


def rate(
    k: int,
    n: int,
    k_touching: NDArray[Any],
    n_touching: NDArray[Any],
    *,
    n_subjects: int,
    n_independent: int,
    n_occupied: int,
    what: str = "trials",
    level: float = LEVEL,
) -> Estimate:
    """The rate k / n with its interval from blocks of subjects.

    Parameters
    ----------
    k_touching, n_touching : (n_blocks,) the part of k and n in which subjects of each block took part.
    n_independent : trials that can be formed so that no subject takes part twice, for the bound at zero errors.
    n_occupied : blocks with subjects of the group, of the smaller one where there are two; below `MIN_BLOCKS` the
        jackknife cannot see how that group varies, and there is no interval.
    what : what n counts, for the reason when there are none.
    """
    if n == 0:
        return undefined(f"0 {what}", n_subjects=n_subjects)
    value = k / n
    occupied = np.asarray(n_touching) > 0
    if k in (0, n):
        return _at_the_end(k, n, n_subjects, n_independent, level)
    n_blocks = int(occupied.sum())
    fewest = min(n_blocks, n_occupied)
    if fewest < MIN_BLOCKS:
        reason = f"interval not estimable: subjects in {fewest} blocks, at least {MIN_BLOCKS} are needed"
        return Estimate(value, None, None, k, n, n_subjects=n_subjects, level=level, reason=reason)
    found = doubt(k, n, k_touching, n_touching)
    n_effective = min(float(n), value * (1 - value) / found.variance)
    low, high = wilson(value, n_effective, found.quantile(level))
    return Estimate(value, low, high, k, n, n_effective, n_subjects, level, _method(n_touching))


def _method(n_touching: NDArray[Any]) -> str:
    """How an interval was made, and whether few people have most of the trials."""
    alike = blocks_by_weight(n_touching)
    few = f"; few people have most trials: they weigh as {alike:.1f} blocks alike" if alike < MIN_BLOCKS else ""
    return f"{METHOD}{few}"


@dataclass(frozen=True)
class Doubt:
    """How a rate would vary with other people.

    binomial : variance that as many independent trials would have. measured : what the blocks show beyond it, by
    chance perhaps below 0. error : standard error of that. freedom : degrees of freedom of the blocks.
    stretch : factor on Student's quantile.
    """

    binomial: float
    measured: float
    error: float
    freedom: float
    stretch: float = 1.0

    @property
    def excess(self) -> float:
        """What people add to the variance."""
        return max(0.0, self.measured)

    @property
    def variance(self) -> float:
        """Variance of the rate."""
        return self.binomial + self.excess

    def quantile(self, level: float) -> float:
        """Standard deviations to each side of an interval at `level`."""
        return self.stretch * student_t(self.freedom, level)


def doubt(k: float, n: float, k_touching: NDArray[Any], n_touching: NDArray[Any]) -> Doubt:
    """How the rate p = k / n would vary with other people, for 0 < k < n.

    Variance: let J be the jackknife variance over the b occupied blocks. For independent trials J would be c times the
    binomial variance p (1 - p) / n, c as `times_counted` has it, because what belongs to a trial of two blocks alone is
    left out twice. So the variance is J - (c - 1) p (1 - p) / n, and never below the binomial one. With one subject a
    block and one trial for every two subjects it is that of Fogliato, Patil & Perona. Where trials of the same two
    subjects err together it is too large.

    Degrees of freedom: those of J, about 2 where one block holds all the doubt, and no more than so many blocks alike
    would have as weigh as these do.

    Stretch: where trials have two subjects, few people may hold most errors, and a sample that lacks them shows too
    little of the variance. The quantile is stretched by 1 + the relative deviation that people add, the size of the
    Edgeworth term for lognormal people; `docs/coverage.md` is the evidence that it is enough, and where it is not.

    Source: Efron & Stein (1981) for the excess of the jackknife; Satterthwaite (1946) for the degrees of freedom;
    Hall (1992), The Bootstrap and Edgeworth Expansion, 2.6, for skewness.
    """
    p = k / n
    touching = np.asarray(n_touching, dtype=np.float64)
    occupied = touching > 0
    without = rate_without(k, n, k_touching, n_touching)[occupied]
    binomial = p * (1 - p) / n
    jackknife = jackknife_variance(without)
    freedom = freedom_of_rate(without, touching)
    measured = jackknife - times_counted(n, touching) * binomial
    of_two = min(1.0, max(0.0, float(touching.sum()) / n - 1))
    stretch = 1 + of_two * math.sqrt(max(0.0, measured)) / p
    return Doubt(binomial, measured, jackknife * math.sqrt(2 / freedom), freedom, stretch)


def freedom_of_rate(without: NDArray[np.float64], n_touching: NDArray[Any]) -> float:
    """Degrees of freedom of a rate's jackknife, no more than its blocks weigh."""
    return min(degrees_of_freedom(without), max(1.0, blocks_by_weight(n_touching) - 1))


def blocks_by_weight(n_touching: NDArray[Any]) -> float:
    """How many blocks alike would weigh as these do: the square of the sum of their trials over the sum of squares.

    Source: Kish (1965), Survey Sampling, 11.7, effective number of units of unequal weight.
    """
    touching = np.asarray(n_touching, dtype=np.float64)
    squares = float((touching**2).sum())
    return float(touching.sum()) ** 2 / squares if squares else 0.0


def times_counted(n: float, n_touching: NDArray[Any]) -> float:
    """How many times the jackknife over blocks counts what belongs to one trial alone.

    (b - 1) / b times the sum of n_b / (n - n_b) over the b blocks with trials: 1 where each trial touches one block of
    b alike, about 2 where it touches two.

    Source: Efron & Stein (1981), the expectation of the jackknife for independent trials.
    """
    touching = np.asarray(n_touching, dtype=np.float64)
    touching = touching[touching > 0]
    left, b = n - touching, len(touching)
    return (b - 1) / b * float(np.divide(touching, left, out=np.zeros(b), where=left > 0).sum()) if b else 0.0


def degrees_of_freedom(without: NDArray[np.float64]) -> float:
    """Degrees of freedom of the jackknife variance of these values: few where few blocks hold most of it.

    2 b / (kurtosis - 1), between 2 and b - 1. Source: Satterthwaite (1946).
    """
    b = len(without)
    squares = (without - without.mean()) ** 2
    spread = b * float((squares**2).sum()) - float(squares.sum()) ** 2
    return min(b - 1.0, 2 * b * float(squares.sum()) ** 2 / spread) if spread > 0 else b - 1.0


def rate_without(k: float, n: float, k_touching: NDArray[Any], n_touching: NDArray[Any]) -> NDArray[np.float64]:
    """(n_blocks,) the rate without each block; k / n where nothing is left."""
    left = n - np.asarray(n_touching, dtype=np.float64)
    kept = k - np.asarray(k_touching, dtype=np.float64)
    shares: NDArray[np.float64] = np.divide(kept, left, out=np.full(len(left), k / n), where=left > 0)
    return shares


def at_level(found: Estimate, how: Doubt | None, level: float) -> Estimate:
    """The same estimate with the interval of another level; without errors its bound holds at that level.

    how : the doubt of the rate; None where there are no errors, or nothing but errors.
    """
    if found.value is None or found.low is None or found.n_effective is None:
        return replace(found, level=level)
    if how is None:
        low, high = _ends(found.k, int(found.n_effective), level)
    else:
        low, high = wilson(found.value, found.n_effective, how.quantile(level))
    return replace(found, low=low, high=high, level=level)


def jackknife_variance(without: NDArray[np.float64]) -> float:
    """Variance of a statistic from its values without each block.

    (b - 1) / b times their sum of squares about their mean.
    """
    b = len(without)
    return float((b - 1) / b * ((without - without.mean()) ** 2).sum())


def student_t(freedom: float, level: float = LEVEL) -> float:
    """Two-sided quantile of Student's t: 2.04 for 31 degrees of freedom at 95%."""
    return float(special.stdtrit(freedom, (1 + level) / 2))


def wilson(p: float, n: float, z: float) -> tuple[float, float]:
    """Wilson's interval for a share p of n trials at z standard deviations.

    Source: Wilson (1927), (p + z2/2n -+ z sqrt(p(1-p)/n + z2/4n2)) / (1 + z2/n) with z2 = z^2.
    """
    spread = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    centre, scale = p + z * z / (2 * n), 1 + z * z / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def clopper_pearson(k: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """The exact interval for k of n independent trials.

    Source: Clopper & Pearson (1934): beta quantiles, 0 and 1 at the edges.
    """
    tail = (1 - level) / 2
    low = 0.0 if k == 0 else float(special.betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n else float(special.betaincinv(k + 1, n - k, 1 - tail))
    return low, high


def _at_the_end(k: int, n: int, n_subjects: int, n_independent: int, level: float) -> Estimate:
    """No errors, or nothing but errors: the blocks do not vary, so bound by trials that share no subject.

    The bound is one-sided: 1 - (1 - level)^(1/m) for m independent trials, about 3 / m at 95%.
    """
    m = min(n, n_independent)
    if m == 0:
        reason = "interval not estimable: no two trials without a common subject"
        return Estimate(k / n, None, None, k, n, n_subjects=n_subjects, level=level, reason=reason)
    low, high = _ends(k, m, level)
    method = f"exact bound on {m} trials without a common subject"
    return Estimate(k / n, low, high, k, n, float(m), n_subjects, level, method)


def _ends(k: int, m: int, level: float) -> tuple[float, float]:
    bound = -math.expm1(math.log1p(-level) / m)
    return (0.0, bound) if k == 0 else (1 - bound, 1.0)
