"""Latencies: quantiles with enough requests behind them, and the mean of bins."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from frbench.counting.latency import nanosecond_axis
from frbench.reading.timing import mean_ns, quantile
from frbench.tally import Histogram
from tests.worlds import worlds

AXIS = np.array([10.0, 20, 30, 40])


def latencies(*bins: int) -> Histogram:
    """Requests by bin of the axis 10, 20, 30, 40 ns."""
    counts = np.array([*bins, 0], dtype=np.uint64)
    return Histogram(counts, np.zeros((0, len(counts)), np.uint64))


@pytest.mark.parametrize(("q", "floor"), [(0.9, 44), (0.99, 459), (0.999, 4603)])
def test_a_quantile_needs_requests_beyond_it(q: float, floor: int):
    """MLPerf's floors: one request fewer is refused, with the number needed."""
    assert 0.01 < q ** (floor - 1)
    assert q**floor <= 0.01
    few, enough = (quantile(latencies(0, n, 0, 0, 0), AXIS, q) for n in (floor - 1, floor))

    assert (few.value_ns, few.n) == (None, floor - 1)
    assert few.reason == f"{floor - 1} requests, at least {floor} are needed"
    assert enough.value_ns == 20


def test_a_quantile_is_the_upper_end_of_its_bin():
    """Of 100 requests 50 lie in [10, 20) and 50 in [20, 30): the 50th is the median, the 51st lies above."""
    assert quantile(latencies(0, 50, 50, 0, 0), AXIS, 0.5).value_ns == 20
    assert quantile(latencies(0, 49, 51, 0, 0), AXIS, 0.5).value_ns == 30
    assert quantile(latencies(100, 0, 0, 0, 0), AXIS, 0.5).value_ns == 10
    assert quantile(latencies(0, 0, 0, 0, 100), AXIS, 0.5).value_ns == 40


@given(st.integers(44, 3000), st.sampled_from([0.5, 0.9]))
@worlds.FEW
def test_the_interval_of_a_quantile_is_of_order_statistics(n: int, q: float):
    """One request in each bin shows the ranks: binomial quantiles at 2.5% and, one more, at 97.5%."""
    axis = np.arange(1.0, n + 2)
    # Bin i lies below edge i, which is i + 1; so the request of rank r, in bin r - 1, has the upper end r.
    found = quantile(latencies(*[1] * n, 0, 0), axis, q)

    assert found.value_ns == math.ceil(q * n)
    assert found.low_ns == max(1, stats.binom.ppf(0.025, n, q))
    assert found.high_ns == min(n, stats.binom.ppf(0.975, n, q) + 1)


def test_the_mean_is_taken_at_the_middles_of_bins():
    """Three requests in [10, 20) and one in [30, 40): (3 * 15 + 35) / 4; ends stand for the outer bins."""
    assert mean_ns(latencies(0, 3, 0, 1, 0), AXIS) == (3 * 15 + 35) / 4
    assert mean_ns(latencies(1, 0, 0, 0, 1), AXIS) == (10 + 40) / 2
    assert mean_ns(latencies(0, 0, 0, 0, 0), AXIS) is None


def test_the_axis_of_latencies_runs_from_a_microsecond_to_a_hundred_seconds():
    """Neighbouring edges differ by 1%, up to the rounding to whole nanoseconds at the lower end."""
    axis = np.array(nanosecond_axis())

    assert axis[0] == 1000
    assert 1e11 <= axis[-1] < 1.01 * 1e11 + 1
    # Two edges rounded by half a nanosecond each, against 1000.
    assert np.abs(axis[1:] / axis[:-1] - 1.01).max() < 2.02 * 0.5 / 1000
