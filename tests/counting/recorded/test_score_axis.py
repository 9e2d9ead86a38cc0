"""Edges for scores of any scale: round, few, and with every threshold."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frbench.counting.recorded.score_axis import MAX_REGULAR, edges_over, regular_step
from frbench.errors import InputError
from frbench.plan import score_axis
from tests.worlds import worlds

SCORES = st.floats(-1e9, 1e9, allow_nan=False)


@given(SCORES, SCORES, st.lists(SCORES, max_size=4))
@settings(worlds.FEW, max_examples=200)
def test_edges_span_the_scores_and_hold_every_threshold(a: float, b: float, thresholds: list[float]):
    """At most 2,001 and the thresholds, increasing, from at or below the lowest to at or above the highest."""
    low, high = sorted((a, b))
    edges = edges_over(low, high, thresholds)

    assert edges[0] <= low
    assert edges[-1] >= high
    assert all(x < y for x, y in pairwise(edges))
    assert set(thresholds) <= set(edges)
    assert len(edges) <= MAX_REGULAR + len(thresholds)


@pytest.mark.parametrize(
    ("low", "high", "step"),
    [
        (-0.25, 1.0, "0.001"),
        (0, 100, "0.1"),
        (-3.2, 4.8, "0.005"),
        (0, 1e6, "1000"),
        (0, 1e-9, "1e-12"),
        (3, 3, "0.001"),
    ],
)
def test_steps_are_round(low: float, high: float, step: str):
    """1, 2 or 5 times a power of ten; the next smaller one would need more than 2,001 edges."""
    assert regular_step(low, high) == Fraction(step)


def test_cosines_have_the_edges_of_the_usual_axis():
    """0.001 apart, the same float64 that a run on templates has."""
    assert set(edges_over(-0.3, 1.0, [])) <= set(score_axis(0.001))


def test_a_step_and_a_first_edge_may_be_given():
    """Multiples of the step, from the first one on."""
    assert edges_over(-1.0, 1.0, [0.3], step=0.5, first=-0.5) == (-0.5, 0.0, 0.3, 0.5, 1.0)


def test_without_scores_the_thresholds_are_the_edges():
    """Every comparison failed: rates are still those of the failures."""
    assert edges_over(math.nan, math.nan, [0.5, 0.25]) == (0.25, 0.5)
    assert edges_over(math.nan, math.nan, []) == (0.0,)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"step": 0.0}, "--axis-step is 0.0"),
        ({"step": math.nan}, "--axis-step is nan"),
        ({"step": 1e-9}, "makes 1,000,000,000 edges"),
        ({"thresholds": [math.inf]}, "threshold inf is not a finite number"),
    ],
)
def test_axes_without_sense_are_refused(options: dict, named: str):
    """The message says what was given."""
    with pytest.raises(InputError, match=named):
        edges_over(0.0, 1.0, **{"thresholds": [], **options})
