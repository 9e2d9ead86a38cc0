"""Schedules: moments of requests that know nothing of each other, and whose probes they carry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from frbench.counting.load.schedule import draw, poisson
from frbench.errors import InputError
from tests.worlds import worlds


def test_gaps_are_exponential():
    """20,000 gaps of 1 ms in the mean are not told from an exponential distribution, with this seed."""
    moments = poisson(1000, 20, np.random.default_rng(1))
    gaps = np.diff(moments.astype(np.int64)) / 1e6

    assert stats.kstest(gaps, "expon").pvalue > 0.01


def test_counts_of_seconds_vary_as_those_of_poisson():
    """The variance of requests a second is their mean: within five deviations of its estimate, sqrt(2 / 499)."""
    moments = poisson(100, 500, np.random.default_rng(2))
    counts = np.bincount((moments // 10**9).astype(np.int64), minlength=500)

    assert abs(counts.var(ddof=1) / counts.mean() - 1) < 5 * np.sqrt(2 / 499)


@worlds.FEW
@given(st.floats(0.5, 5000), st.floats(0.1, 5), st.integers(0, 2**32 - 1))
def test_moments_increase_within_the_time_and_are_those_of_the_seed(rate: float, seconds: float, seed: int):
    """Every moment is in [0, seconds), and a seed makes one schedule."""
    moments = poisson(rate, seconds, np.random.default_rng(seed))

    assert (np.diff(moments.astype(np.int64)) >= 0).all()
    assert (moments < seconds * 1e9).all()
    assert np.array_equal(moments, poisson(rate, seconds, np.random.default_rng(seed)))


@pytest.mark.parametrize(("rate", "seconds"), [(0, 1), (1, 0), (float("nan"), 1), (1e9, 1e3)])
def test_a_schedule_without_sense_is_refused(rate: float, seconds: float):
    """No rate, no time, or more requests than are kept."""
    with pytest.raises(InputError):
        poisson(rate, seconds, np.random.default_rng(1))


def test_a_balanced_mix_asks_for_every_group_alike():
    """99 messages of one group and 1 of another: 1% and 50% of requests, each within five deviations."""
    groups = [0] * 99 + [1]
    n = 10_000
    rare = {
        mix: int((draw(groups, n, mix=mix, random=np.random.default_rng(1)) == 99).sum())
        for mix in ("natural", "balanced")
    }

    assert abs(rare["natural"] - 100) < 5 * np.sqrt(n * 0.01 * 0.99)
    assert abs(rare["balanced"] - 5000) < 5 * np.sqrt(n * 0.5 * 0.5)
