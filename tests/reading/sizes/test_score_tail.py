"""The tail of scores against scipy's generalised Pareto distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from frbench.reading.sizes import score_tail
from frbench.reading.sizes.score_tail import Tail


def one(scale: float, shape: float) -> Tail:
    """A tenth of searches above .6."""
    return Tail(0.6, np.array([0.1]), np.array([scale]), np.array([shape]))


@pytest.mark.parametrize("shape", [-0.5, -0.2, 0.0, 0.2])
def test_a_pareto_tail_is_found_again(shape: float):
    """10,000 quantiles of a generalised Pareto distribution above .6, and 90,000 scores below it."""
    position = (np.arange(1, 10_001) - 0.35) / 10_000
    excess = stats.genpareto.ppf(position, shape, scale=0.05)
    tail = score_tail.fit((0.6 + excess)[None, :], np.array([100_000.0]), 0.6)

    assert tail.share == 0.1
    # Moments over quantiles miss their integrals by what the last one stands for: at shape .2 about 10^-4 * 10^4^.2.
    assert tail.shape == pytest.approx(shape, abs=0.005)
    assert tail.scale == pytest.approx(0.05, rel=0.01)


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.3])
def test_the_share_above_a_threshold_is_the_distribution_s(shape: float):
    """Share times scipy's survival function."""
    tail = one(0.05, shape)

    for threshold in (0.6, 0.65, 0.75):
        expected = 0.1 * stats.genpareto.sf(threshold - 0.6, shape, scale=0.05)
        # Both raise one number to one power; rounding of threshold - level is up to 2^-53 of .6 in .05.
        assert tail.at(threshold) == pytest.approx(expected, rel=1e-12)


def test_a_bounded_tail_ends():
    """Shape -1 and scale .1 are uniform: nothing above .7."""
    tail = one(0.1, -1.0)

    assert tail.at(0.65) == pytest.approx(0.05, rel=1e-12)
    assert tail.at(0.71) == 0


def test_below_its_level_a_tail_says_nothing():
    """Scores below the level were not fitted; an infinite level is no tail."""
    assert math.isnan(one(0.1, -1.0).at(0.59)[0])
    assert math.isnan(score_tail.fit(np.array([[0.1, 0.2]]), np.array([2.0]), math.inf).at(0.9)[0])


def test_equal_scores_have_a_tail():
    """Ties do not divide by zero."""
    assert math.isfinite(score_tail.fit(np.full((1, 50), 0.7), np.array([50.0]), 0.6).at(0.65)[0])


def test_samples_are_fitted_each_alone():
    """Scores below the level, or left out of a sample, are as if they were not there."""
    random = np.random.default_rng(2)
    scores = random.random(40)
    left_out = np.where(np.arange(40) % 3, scores, -np.inf)
    both = score_tail.fit(np.array([scores, left_out]), np.array([40.0, 26.0]), 0.3)
    alone = score_tail.fit(left_out[left_out > 0.3][None, :], np.array([26.0]), 0.3)

    # The same sums in another order.
    assert both.at(0.9)[1] == pytest.approx(alone.at(0.9)[0], rel=1e-12)
