"""Order statistics: the k-th largest, against a sort."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frbench.counting.recorded.order_statistics import largest, smallest_above
from tests.worlds import worlds

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TIED = st.sampled_from([0.0, -0.0, 0.5, 1.0, 5e-324, -5e-324, 1e308, -1e308])


@given(st.lists(st.lists(FLOATS | TIED, max_size=30), min_size=1, max_size=4), st.integers(0, 2**32), st.data())
@settings(worlds.FEW, max_examples=200)
def test_the_kth_largest_is_that_of_a_sort(parts: list[list[float]], seed: int, data: st.DataObject):
    """Also with few cells and little room, so that cells are cut again, and with ties and subnormal numbers."""
    numbers = np.array([x for part in parts for x in part])
    if not len(numbers):
        return
    ks = data.draw(st.lists(st.integers(1, len(numbers)), min_size=1, max_size=5))
    found = largest(
        lambda: (np.array(part, dtype=float) for part in parts),
        ks,
        low=float(numbers.min()),
        high=float(numbers.max()),
        n_cells=1 + seed % 7 + 1,
        collected=seed % 5,
    )

    assert found == [np.sort(numbers)[::-1][k - 1] for k in ks]


@given(st.lists(FLOATS | TIED, max_size=20), st.integers(0, 25))
@settings(worlds.FEW, max_examples=100)
def test_the_smallest_threshold_keeps_the_number_allowed(scores: list[float], allowed: int):
    """At most `allowed` lie at or above T, and one float64 lower there are more, or T is the lowest of all."""
    decreasing = np.sort(np.array(scores))[::-1]
    lowest = min(scores, default=0.0)
    cut, k = smallest_above(decreasing, allowed, lowest=lowest)

    assert k == sum(score >= cut for score in scores) <= allowed
    assert cut == lowest or sum(score >= math.nextafter(cut, -math.inf) for score in scores) > allowed


def test_the_convention_probe_is_settled_as_k2_says():
    """metrics.md 5(d): impostor .1 .2 .3 .5, f = .25, so 1 is allowed: T is the float64 after .3."""
    decreasing = np.array([0.5, 0.3, 0.2, 0.1])

    assert smallest_above(decreasing, 1, lowest=0.1) == (math.nextafter(0.3, 1), 1)
    assert smallest_above(decreasing, 4, lowest=0.1) == (0.1, 4)


@pytest.mark.parametrize("k", [1, 500_000, 1_000_000])
def test_a_million_numbers_in_few_passes(k: int):
    """A range with an outlier that puts nearly everything into one cell."""
    numbers = np.append(np.random.default_rng(1).random(999_999), 1e12)
    passes = []

    def parts():
        passes.append(1)
        yield from np.split(numbers, 10)

    # One pass counts, one finds the ends of the full cell, one counts inside and one collects.
    assert largest(parts, [k], low=float(numbers.min()), high=1e12, collected=1000) == [np.sort(numbers)[::-1][k - 1]]
    assert len(passes) <= 5
