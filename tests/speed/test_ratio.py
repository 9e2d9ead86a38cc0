"""Ratio: medians and order statistics by hand, Wilcoxon by scipy, and what must always hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from frbench.speed.ratio import Ratio, ratio, wilcoxon

LOGS = st.lists(st.floats(-3, 3), min_size=1, max_size=60)


def test_the_interval_is_between_order_statistics():
    """Of ratios 1 to 5, the second smallest and the second largest."""
    found = ratio([math.log(n) for n in (4, 2, 5, 1, 3)], rank=2, level=0.6)

    # exp(log(n)) is right to a few of the last digits.
    assert (found.value, found.low, found.high) == pytest.approx((3, 2, 4), rel=1e-14)
    assert (found.pairs, found.level, found.reason) == (5, 0.6, "")


@pytest.mark.parametrize("n", [12, 45, 150])
def test_the_interval_is_that_of_scipys_quantile_test(n: int):
    """The rank of one look and scipy's interval of the median are the same order statistics."""
    logs = np.random.default_rng(n).standard_normal(n)
    theirs = stats.quantile_test(logs, p=0.5).confidence_interval(0.95)
    ours = ratio(list(logs), rank=int(stats.binom.ppf(0.025, n, 0.5)), level=0.95)

    assert (ours.low, ours.high) == pytest.approx((math.exp(theirs.low), math.exp(theirs.high)), rel=1e-14)


@given(logs=LOGS, data=st.data())
def test_swapping_sides_inverts_the_ratio_and_its_interval(logs: list[float], data: st.DataObject):
    """B/A is 1 / (A/B), and so are the ends, crosswise."""
    rank = data.draw(st.integers(1, max(1, len(logs) // 2)))
    one, other = (ratio([sign * log for log in logs], rank=rank, level=0.95) for sign in (1, -1))

    # exp(x) exp(-x) differs from 1 by a few of the last digits.
    assert one.value * other.value == pytest.approx(1, rel=1e-12)
    assert one.low * other.high == pytest.approx(1, rel=1e-12)
    assert one.high * other.low == pytest.approx(1, rel=1e-12)


@given(logs=LOGS, data=st.data())
def test_the_order_of_pairs_says_nothing(logs: list[float], data: st.DataObject):
    """A permutation of the pairs has the same ratio, the same interval and the same p."""
    shuffled = data.draw(st.permutations(logs))

    assert ratio(logs, rank=1, level=0.95) == ratio(shuffled, rank=1, level=0.95)
    assert wilcoxon(logs) == wilcoxon(shuffled)


@given(logs=st.lists(st.integers(-6, 6), min_size=5, max_size=60))
def test_wilcoxon_is_scipys(logs: list[int]):
    """With ties and zeros, by the normal limit without a correction for continuity."""
    if any(logs):
        theirs = stats.wilcoxon(logs, method="asymptotic", correction=False).pvalue
        assert wilcoxon(logs) == pytest.approx(theirs, rel=1e-10)
    else:
        assert wilcoxon(logs) is None


def test_without_pairs_or_rank_there_is_no_interval():
    """Nothing is None beside a reason, and never 1."""
    assert ratio([], rank=0, level=0.95) == Ratio(None, None, None, 0.95, 0, "0 pairs")
    found = ratio([0.0, 0.0], rank=0, level=0.975)

    assert (found.value, found.low, found.high) == (1.0, None, None)
    assert found.reason == "2 pairs are too few for an interval at 97.5%"
    assert found.half_width is None
    assert found.floor is None


def test_the_floor_is_the_end_that_is_farther_from_one():
    """0.8 to 1.1: a quarter, as 1 / 0.8 is 1.25."""
    found = Ratio(0.95, 0.8, 1.1, 0.95, 30)

    # Logarithms of rounded quotients: right to a few of the last digits.
    assert found.floor == pytest.approx(math.log(1.25), rel=1e-14)
    assert found.half_width == pytest.approx(math.log(1.1 / 0.8) / 2, rel=1e-14)
