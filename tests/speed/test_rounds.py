"""Rounds: which time is paired with which, and that the draws are fair coins."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from frbench.speed.rounds import Order, Round, draw


def test_a_round_pairs_neighbours_and_controls_across():
    """BAAB of 1, 2, 4, 8 seconds: A 2 and 4, B 1 and 8."""
    found = Round(Order("BAAB", (1, -1)), tuple({"wall": t} for t in (1.0, 2.0, 4.0, 8.0)))

    assert found.ratios("wall") == (math.log(1 / 2), math.log(8 / 4))
    assert found.controls("wall") == (math.log(4 / 2), -math.log(8 / 1))


def test_orders_and_signs_are_fair_and_independent():
    """Each of the 16 outcomes comes 1,000 times in 16,000, to five standard errors of 31."""
    source = random.Random(1)
    counts = Counter(draw(source) for _ in range(16_000))

    assert len(counts) == 16
    assert {order.turns for order in counts} == {"ABAB", "ABBA", "BAAB", "BABA"}
    assert all(abs(n - 1000) < 5 * 31 for n in counts.values())


@pytest.mark.parametrize("slope", [0.1, -0.3])
def test_a_drift_falls_on_both_sides_alike(slope: float):
    """Over the 16 draws, equally likely, the times of a machine that drifts give ratios and controls around 1."""
    source, seen = random.Random(1), {}
    while len(seen) < 16:
        order = draw(source)
        seen[order] = Round(order, tuple({"wall": math.exp(slope * turn)} for turn in range(4)))
    for logs in (
        [log for r in seen.values() for log in r.ratios("wall")],
        [log for r in seen.values() for log in r.controls("wall")],
    ):
        # Each value comes with both signs; sums of 32 terms are right to 1e-14.
        assert sum(logs) == pytest.approx(0, abs=1e-13)
        assert any(log != 0 for log in logs)
