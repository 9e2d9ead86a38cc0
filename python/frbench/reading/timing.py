"""Reads quantiles and the mean of latencies from a histogram of nanoseconds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from frbench.estimate import LEVEL
from frbench.tally import Histogram


@dataclass(frozen=True)
class Quantile:
    """A quantile of latencies, in nanoseconds, or None and the reason.

    value_ns, low_ns, high_ns : upper ends of the bins that hold the quantile and its order-statistic interval.
    n : requests.
    """

    q: float
    value_ns: float | None
    low_ns: float | None
    high_ns: float | None
    n: int
    level: float = LEVEL
    reason: str = ""


def quantile(histogram: Histogram, axis: NDArray[np.float64], q: float) -> Quantile:
    """The `q` quantile of latencies, if enough requests support it.

    The interval is of order statistics and takes requests as independent. A quantile is refused below
    log(0.01) / log(q) requests, MLPerf's floor at 99% confidence: 44 for p90, 459 for p99, 4,603 for p99.9.

    Source: David & Nagaraja, Order Statistics, 7.1; MLPerf LoadGen, early stopping.
    """
    n = histogram.trials
    needed = math.ceil(math.log(0.01) / math.log(q))
    if n < needed:
        return Quantile(q, None, None, None, n, reason=f"{n} requests, at least {needed} are needed")
    cumulative = histogram.bins[:-1].cumsum()
    tail = (1 - LEVEL) / 2
    ranks = (math.ceil(q * n), _binomial_quantile(tail, n, q), _binomial_quantile(1 - tail, n, q) + 1)
    bins = np.searchsorted(cumulative, np.clip(ranks, 1, n))
    value, low, high = (float(axis[min(int(b), len(axis) - 1)]) for b in bins)
    return Quantile(q, value, low, high, n)


def quantile_of_all(histogram: Histogram, axis: NDArray[np.float64], q: float) -> Quantile:
    """The `q` quantile of all requests, one without an answer taking longer than any other.

    It is None where it falls among those; its interval is open upwards, `high_ns` None, where that end does.
    """
    found = quantile(histogram, axis, q)
    if found.value_ns is None:
        return found
    n, answered = histogram.trials, histogram.trials - histogram.unscored
    if math.ceil(q * n) > answered:
        reason = f"{histogram.unscored} of {n} requests have no answer, more than {1 - q:.3g} of them"
        return Quantile(q, None, None, None, n, reason=reason)
    is_open = found.high_ns is not None and _rank_of_high(n, q) > answered
    return Quantile(q, found.value_ns, found.low_ns, None if is_open else found.high_ns, n)


def _rank_of_high(n: int, q: float) -> int:
    tail = (1 - LEVEL) / 2
    return min(n, _binomial_quantile(1 - tail, n, q) + 1)


def _binomial_quantile(level: float, n: int, p: float) -> int:
    """The smallest k with P(X <= k) >= level for X binomial(n, p)."""
    k = math.ceil(special.bdtrik(level, n, p))
    return k - 1 if k > 0 and special.bdtr(k - 1, n, p) >= level else k


def mean_ns(histogram: Histogram, axis: NDArray[np.float64]) -> float | None:
    """Mean latency from the middles of the bins, right to half a bin; None without requests."""
    if not histogram.trials:
        return None
    ends = np.concatenate([axis[:1], axis, axis[-1:]])
    middles = (ends[:-1] + ends[1:]) / 2
    return float((histogram.bins[:-1] * middles).sum() / histogram.trials)
