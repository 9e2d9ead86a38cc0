"""Readings: how surely a quantity lies beyond a bound, and the worst of several."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from frbench.gates.reading import ALPHA, Count, Reading, probability_beyond, worst

ALPHAS = st.floats(1e-6, 0.4)


def normal(value: float, error: float = 1.0):
    """Ends of a normal estimate."""

    def ends(alpha: float) -> tuple[float, float]:
        spread = -stats.norm.ppf(alpha) * error
        return value - spread, value + spread

    return ends


@given(st.floats(-5, 5), st.floats(0.1, 3))
def test_the_probability_is_that_of_the_one_sided_test(value: float, error: float):
    """Of a normal estimate v above a bound b it is P(Z > (v - b) / error), up to one half."""
    found = probability_beyond(normal(value, error), None, 0.5)
    expected = stats.norm.sf((value - 0.5) / error)

    # The root is found to 1e-6 of its logarithm; below 1e-9 nothing is told apart.
    assert found == pytest.approx(min(0.5, max(1e-9, expected)), rel=1e-5)


@given(st.floats(-5, 5))
def test_a_lower_bound_is_an_upper_one_turned_over(value: float):
    """The same distance the other way."""
    below, above = probability_beyond(normal(-value), 1.0, None), probability_beyond(normal(value), None, -1.0)

    assert below == pytest.approx(above, rel=1e-5)


def test_against_two_bounds_the_doubt_is_doubled():
    """The truth may lie on either."""
    one, both = (probability_beyond(normal(3), lower, 1.0) for lower in (None, -50.0))

    assert both == pytest.approx(2 * one, rel=1e-5)


def test_an_interval_that_overflows_is_open():
    """Two blocks at a doubt of a thousand millionth bound no ratio: it lies anywhere above 0."""
    reading = Reading.of(2.0, lambda alpha: (0.0, 2 * math.exp(1e-5 / alpha**2)), is_log=True)

    assert reading.ends is not None
    assert reading.ends(1e-9) == (0.0, math.inf)
    assert reading.high == 2 * math.exp(1e-5 / ALPHA**2)


def three(values: tuple[float, ...]) -> list[tuple[str, Reading]]:
    """Groups a, b, c with normal estimates."""
    return [
        (name, Reading.of(value, normal(value), counts=(Count("", 10, "trials", 1),)))
        for name, value in zip("abc", values, strict=True)
    ]


def test_the_worst_is_named_and_its_lower_end_allows_for_the_choice():
    """The lower end of the highest of three is taken at a third of the doubt; the upper one at all of it."""
    found = worst(three((1.0, 4.0, 2.0)))

    assert (found.value, found.who, found.counts[0].whose) == (4.0, "b", "b")
    assert found.low == pytest.approx(4 - stats.norm.isf(ALPHA / 3))
    assert found.high == pytest.approx(4 + stats.norm.isf(ALPHA))


def test_the_interval_of_the_worst_holds_the_highest_truth():
    """Of 4,000 draws of six equal groups fewer than 3.5% have a lower end above, 3.5% an upper end below the truth.

    2.5% is the promise, of which the standard error is 0.25 points.
    """
    random = np.random.default_rng(1)
    z, low = stats.norm.isf(ALPHA), stats.norm.isf(ALPHA / 6)
    highest = random.normal(size=(4000, 6)).max(axis=1)
    found = worst([(str(i), Reading.of(v, normal(v))) for i, v in enumerate((0.3, -1.0, 0.0, 0.2, 0.1, -0.5))])

    assert (found.low, found.high) == pytest.approx((0.3 - low, 0.3 + z))
    assert (highest - low > 0).mean() < 0.035
    assert (highest + z < 0).mean() < 0.035


def test_a_group_without_an_interval_leaves_the_worst_without_one():
    """It may be the worst, and nobody knows."""
    found = worst([*three((1.0, 2.0, 3.0)), ("d", Reading(None, reason="0 trials"))])

    assert (found.value, found.ends, found.reason) == (3.0, None, "0 trials (d)")


def test_the_worst_of_groups_without_trials_is_undefined():
    """With the reason of the first."""
    found = worst([("a", Reading(None, reason="0 trials")), ("b", Reading(None, reason="none"))])

    assert (found.value, found.reason) == (None, "0 trials (a)")
