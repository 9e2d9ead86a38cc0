"""Reads two rates of one tally side by side: their ratio and their difference, from the same blocks of subjects.

Two groups share a threshold, often a gallery, and sometimes subjects. Each rate keeps its own interval, which is good
where errors are few, and the two are put together by the method of variance estimates recovery, with the correlation
that the rates have when the same block leaves both.

Source: Zou & Donner (2008), Statistics in Medicine 27, 1693, for the method; Newcombe (1998) for the difference of
two Wilson intervals, of which it is the general form; Efron & Stein (1981) for the jackknife.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from frbench.errors import InputError
from frbench.estimate import LEVEL, Doubt, Estimate, at_level, doubt, rate_without, student_t, wilson
from frbench.inputs.arrays import Bools, Floats, Ints
from frbench.plan import Group
from frbench.reading.rate import ERRORS, Rate
from frbench.reading.rate import TRIALS as TRIALS_OF
from frbench.tally import Tally

Known = tuple[float, float, float]
METHOD = "both intervals and their correlation over subject blocks (MOVER)"
TRIALS = TRIALS_OF | {"fmr": "comparisons"}


@dataclass(frozen=True, eq=False)
class Replicates:
    """A rate of one group, and what it is without each block of subjects.

    Parameters
    ----------
    doubt : None where there is no interval or no error to vary.
    without : (n_blocks,) the rate without each block.
    occupied : (n_blocks,) whether the block has trials of the group.
    """

    rate: Rate
    group: Group
    estimate: Estimate
    doubt: Doubt | None
    without: Floats
    occupied: Bools

    @property
    def excess(self) -> float:
        """Relative variance that people add to that of independent trials, taken half its standard error high."""
        return 0.0 if self.doubt is None else max(0.0, self.doubt.measured + self.doubt.error / 2) * self.scale

    @property
    def scale(self) -> float:
        """What makes a variance of the rate one of its logarithm: 1 / rate^2, 0 without errors."""
        return (self.estimate.n / self.estimate.k) ** 2 if self.estimate.k else 0.0

    def known(self, quantile: float, level: float) -> Known | None:
        """Lower end, value and upper end, or None without an interval.

        Wilson's at `quantile`; without errors there is one end to bound, and it is held as surely as each of the two
        ends of others at `level`.
        """
        found = at_level(self.estimate, None, (1 + level) / 2) if self.doubt is None else self.estimate
        if found.low is None or found.value is None or found.high is None or found.n_effective is None:
            return None
        if self.doubt is None:
            return found.low, found.value, found.high
        low, high = wilson(found.value, found.n_effective, quantile)
        return low, found.value, high


@dataclass(frozen=True)
class Contrast:
    """A ratio or a difference of two rates and its interval; or None and the reason."""

    value: float | None
    low: float | None
    high: float | None
    level: float = LEVEL
    reason: str = ""


def replicates(tally: Tally, rate: Rate, group: Group) -> Replicates:
    """One rate of a group and what it is without each block; errors as in `Rate.trials`."""
    found = rate.trials(tally, group)
    return replicates_of(rate, group, found.estimate, found.k_touching, found.n_touching)


def replicates_of(rate: Rate, group: Group, found: Estimate, k_touching: Ints, n_touching: Ints) -> Replicates:
    """An estimate and what it is without each block, of which (n_blocks,) errors and trials are known."""
    k, n = found.k, found.n
    how = doubt(k, n, k_touching, n_touching) if found.low is not None and 0 < k < n else None
    without = rate_without(k, n, k_touching, n_touching) if n else np.zeros(len(n_touching))
    return Replicates(rate, group, found, how, without, n_touching > 0)


def ratio(a: Replicates, b: Replicates, *, level: float = LEVEL) -> Contrast:
    """The rate of `a` over the rate of `b`, with an interval on the logarithm.

    Without errors on one side there is no ratio; the reason then says what is known of it.

    Raises
    ------
    InputError : not the same rate of two groups that share no trial, or of one and the same group.
    """
    short = _short(a, b)
    if short:
        return Contrast(None, None, None, level, short)
    if not a.estimate.k or not b.estimate.k:
        return Contrast(None, None, None, level, _without_errors(a, b, level))
    value = (a.estimate.k / a.estimate.n) / (b.estimate.k / b.estimate.n)
    ends = _ends(a, b, level)
    if isinstance(ends, str):
        return Contrast(value, None, None, level, ends)
    if a.group.name == b.group.name:
        return Contrast(value, value, value, level)
    one, other = ((math.log(low), math.log(middle), math.log(high)) for low, middle, high in ends)
    low, high = _recovered(one, other, correlation(a, b))
    return Contrast(value, math.exp(low), math.exp(high), level)


def difference(a: Replicates, b: Replicates, *, level: float = LEVEL) -> Contrast:
    """The rate of `a` less the rate of `b`. Errors as in `ratio`; a side without errors has its bound."""
    short = _short(a, b)
    if short:
        return Contrast(None, None, None, level, short)
    value = a.estimate.k / a.estimate.n - b.estimate.k / b.estimate.n
    ends = _ends(a, b, level)
    if isinstance(ends, str):
        return Contrast(value, None, None, level, ends)
    if a.group.name == b.group.name:
        return Contrast(value, value, value, level)
    low, high = _recovered(*ends, correlation(a, b))
    return Contrast(value, low, high, level)


def correlation(a: Replicates, b: Replicates) -> float:
    """Correlation of two rates that share no trial, over what they are without each block of either; 0 without doubt.

    The covariance is the jackknife's over blocks that hold subjects of either group. It is at most what people add to
    both variances, because trials of their own cannot make two rates vary together.
    """
    if a.doubt is None or b.doubt is None:
        return 0.0
    blocks = a.occupied | b.occupied
    left, right = (side.without[blocks] - side.without[blocks].mean() for side in (a, b))
    n = int(blocks.sum())
    covariance = (n - 1) / n * float((left * right).sum())
    most = math.sqrt(a.doubt.excess * b.doubt.excess)
    return max(-most, min(most, covariance)) / math.sqrt(a.doubt.variance * b.doubt.variance)


def quantile(a: Replicates, b: Replicates, level: float) -> float:
    """Standard deviations to each side of an interval of log a - log b.

    Student's t, with the degrees of freedom (v_a + v_b)^2 / (v_a^2 / f_a + v_b^2 / f_b) of the sum of both relative
    variances. The sum is not below that of independent trials; each of its parts need not be, so it is a little less
    than the sum of both doubts. Of the skewness of trials of two people, for which `estimate.doubt` stretches, what is
    common to both cancels: from relative variances x that people add there remains |x_a - x_b| / sqrt(x_a + x_b).

    Source: Welch (1947) and Satterthwaite (1946).
    """
    known = [(side.scale, side.doubt) for side in (a, b) if side.doubt is not None]
    if not known:
        return math.inf
    variances = [scale * found.variance for scale, found in known]
    freedom = sum(variances) ** 2 / sum(v * v / found.freedom for v, (_, found) in zip(variances, known, strict=True))
    independent = sum(scale * found.binomial for scale, found in known)
    measured = sum(scale * found.measured for scale, found in known)
    narrowed = math.sqrt((independent + max(0.0, measured)) / sum(variances))
    skews = [(found.stretch - 1) ** 2 for _, found in known]
    left = abs(skews[0] - sum(skews[1:]))
    stretch = 1 + (left / math.sqrt(sum(skews)) if left else 0.0)
    return narrowed * stretch * student_t(freedom, level)


def simultaneous(n: int, level: float = LEVEL) -> float:
    """The level at which each of `n` intervals must be taken so that all hold together at `level`.

    level^(1/n): exact for independent intervals, and safe for normal ones however they are correlated.

    Source: Šidák (1967), JASA 62, 626.
    """
    return float(level ** (1 / max(1, n)))


def _recovered(a: Known, b: Known, together: float) -> tuple[float, float]:
    """Interval of a - b from (low, value, high) of both and their correlation.

    Source: Zou & Donner (2008), with the correlation of their section 4.
    """
    (low_a, value_a, high_a), (low_b, value_b, high_b) = a, b
    value = value_a - value_b
    down = _norm(value_a - low_a, high_b - value_b, together)
    up = _norm(high_a - value_a, value_b - low_b, together)
    return value - down, value + up


def _norm(x: float, y: float, together: float) -> float:
    return math.sqrt(max(0.0, x * x + y * y - 2 * together * x * y))


def _ends(a: Replicates, b: Replicates, level: float) -> tuple[Known, Known] | str:
    """Lower end, value and upper end of both sides; or the reason why one has no interval."""
    reach = quantile(a, b, level)
    one, other = (side.known(reach, level) for side in (a, b))
    if one is None or other is None:
        side = a if one is None else b
        return f"{side.estimate.reason} ({side.group.name})"
    return one, other


def _without_errors(a: Replicates, b: Replicates, level: float) -> str:
    """Why there is no ratio, and the bound on it that the rates allow."""
    errors = ERRORS[a.rate.metric]
    none = [side for side in (a, b) if not side.estimate.k]
    if len(none) == 2:
        return f"0 {errors} of {a.group.name} and of {b.group.name}"
    reason = f"0 {errors} of {none[0].group.name}"
    ends = _ends(a, b, level)
    if isinstance(ends, str):
        return reason
    (low_a, _, high_a), (low_b, _, high_b) = ends
    if none[0] is a:
        return f"{reason}; the ratio is below {high_a / low_b:.3g} at {level:.0%}"
    return f"{reason}; the ratio is above {low_a / high_b:.3g} at {level:.0%}"


def _short(a: Replicates, b: Replicates) -> str:
    """Which side has no trials, or ""; InputError unless both are groups of one rate."""
    one, other = ((side.rate.metric, side.rate.threshold, side.group.columns) for side in (a, b))
    if one != other:
        raise InputError(f"rates of {one} and of {other} are no two groups of one rate, expected the same of both")
    return next((f"0 {TRIALS[a.rate.metric]} of {side.group.name}" for side in (a, b) if not side.estimate.n), "")
