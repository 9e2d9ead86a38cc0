"""Reads a time or a rate of one run on the logarithm, with the doubt that requests and processes leave.

Requests of one process resemble each other more than those of two. So the variance is the larger of two: that of
independent requests, and that between the processes of the run, with one degree of freedom fewer than these.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from frbench.estimate import LEVEL, student_t
from frbench.inputs.arrays import Floats
from frbench.reading import timing
from frbench.tally import Histogram

METHOD = "larger of the variances within and between processes, on the logarithm"
ONE_PROCESS = "interval not estimable: one process does not show how processes differ; repeat with --runs 5"
OPEN = "too many requests without an answer to bound it from above"
FAILED = "more requests of one process have no answer than the quantile allows"
Z = float(special.ndtri(0.975))


@dataclass(frozen=True)
class Timed:
    """A time or a rate of one run: its logarithm, the variance of that, and the processes and requests behind it.

    reason : why there is none.
    """

    log: float = math.nan
    variance: float = math.nan
    n_processes: int = 0
    n_requests: int = 0
    reason: str = ""

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the variance."""
        return self.n_processes - 1


def quantile(histogram: Histogram, axis: Floats, q: float) -> Timed:
    """The quantile of all requests; its variance has that of a place in a bin, a twelfth of its width squared."""
    found = timing.quantile_of_all(histogram, axis, q)
    if found.value_ns is None or found.low_ns is None:
        return Timed(n_requests=found.n, reason=found.reason)
    if found.high_ns is None:
        return Timed(math.log(found.value_ns), n_requests=found.n, reason=OPEN)
    own = [_plain_quantile(bins, axis, q) for bins in _processes(histogram)]
    if not np.isfinite(own).all():
        return Timed(math.log(found.value_ns), n_requests=found.n, reason=FAILED)
    within = (math.log(found.high_ns / found.low_ns) / (2 * Z)) ** 2
    width = float(np.log(axis[1:] / axis[:-1]).max())
    return _of_processes(math.log(found.value_ns), np.log(own), within, found.n, resolution=width**2 / 12)


def throughput(histogram: Histogram, axis: Floats, *, batch: int) -> Timed:
    """Probes a second: the size of a batch over the mean time of a request."""
    mean = timing.mean_ns(histogram, axis)
    if mean is None:
        return Timed(reason="0 requests")
    ends = np.concatenate([axis[:1], axis, axis[-1:]])
    squares = ((ends[:-1] + ends[1:]) / 2 - mean) ** 2
    within = float((histogram.bins[:-1] * squares).sum()) / histogram.trials**2 / mean**2
    own = [timing.mean_ns(Histogram(bins, histogram.touching[:0]), axis) for bins in _processes(histogram)]
    logs = -np.log([process for process in own if process is not None])
    return _of_processes(math.log(batch * 1e9 / mean), logs, within, histogram.trials)


def answers(per_second: Sequence[float], n_requests: int) -> Timed:
    """Answers a second: the mean of those of each measurement, of `n_requests` in all."""
    if not per_second or not min(per_second) > 0:
        return Timed(n_requests=n_requests, reason="a measurement without an answer in time has no rate on a logarithm")
    return _of_processes(math.log(float(np.mean(per_second))), np.log(per_second), 0.0, n_requests)


def interval(found: Timed, level: float = LEVEL) -> tuple[float, float] | None:
    """Both ends of a time or a rate; None where it has none."""
    return None if found.reason else ends_of(found.log, found.variance, found.freedom, level)


def ratio(a: Timed, b: Timed, level: float = LEVEL) -> tuple[float, float] | None:
    """Both ends of B / A; None where one of them has none."""
    if a.reason or b.reason:
        return None
    return ends_of(b.log - a.log, a.variance + b.variance, welch(a, b), level)


def ends_of(log: float, variance: float, freedom: float, level: float) -> tuple[float, float]:
    """Both ends of a quantity whose logarithm has this variance."""
    spread = student_t(freedom, level) * math.sqrt(variance)
    return math.exp(log - spread), math.exp(log + spread)


def _processes(histogram: Histogram) -> list[NDArray[np.uint64]]:
    """Bins of each process: a block is one."""
    return [bins for bins in histogram.touching if bins.any()]


def _plain_quantile(bins: NDArray[np.uint64], axis: Floats, q: float) -> float:
    """The quantile of one process, however few its requests; infinite among those without an answer."""
    rank = max(1, math.ceil(q * int(bins.sum())))
    cumulative = bins[:-1].cumsum()
    if rank > int(cumulative[-1]):
        return math.inf
    return float(axis[min(int(np.searchsorted(cumulative, rank)), len(axis) - 1)])


def _of_processes(log: float, own: Floats, within: float, n: int, *, resolution: float = 0.0) -> Timed:
    r = len(own)
    if r < 2:
        return Timed(log, math.nan, r, n, ONE_PROCESS)
    return Timed(log, max(float(np.var(own, ddof=1)) / r, within) + resolution, r, n)


def welch(a: Timed, b: Timed) -> float:
    """Degrees of freedom of the difference of two logarithms.

    Source: Welch (1947) and Satterthwaite (1946).
    """
    total = a.variance + b.variance
    if total == 0:
        return float(min(a.freedom, b.freedom))
    return total**2 / (a.variance**2 / a.freedom + b.variance**2 / b.freedom)
