"""The interval of any statistic: by hand, on both scales, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from frbench.reading.jackknife import LOG, LOGIT, Statistic, interval, interval_of
from frbench.tally import Histogram
from tests.worlds import worlds


def test_an_interval_by_hand():
    """Logarithms 0, 0, 0, 0, 2, 2, 2, 2 about their mean 1: variance 7/8 * 8, and t of seven degrees of freedom."""
    found = interval_of(math.e, np.exp([0.0, 0, 0, 0, 2, 2, 2, 2]), scale=LOG, n_occupied=8)
    spread = stats.t.ppf(0.975, 7) * math.sqrt(7 / 8 * 8)

    # Logarithms and their powers in float64.
    assert (found.low, found.high) == pytest.approx((math.exp(1 - spread), math.exp(1 + spread)), rel=1e-9)
    assert (found.level, found.reason) == (0.95, "")
    assert found.method == "jackknife over subject blocks, of the logarithm"


@given(st.floats(0.001, 0.999), st.integers(0, 2**32 - 1), st.sampled_from([0.8, 0.95, 0.99]))
@worlds.FEW
def test_an_interval_stays_in_its_range(value: float, seed: int, level: float):
    """A share stays between 0 and 1 and holds its value; a wider level is a wider interval."""
    without = np.random.default_rng(seed).uniform(0.001, 0.999, 12)
    found, narrow = (interval_of(value, without, scale=LOGIT, n_occupied=12, level=level * wide) for wide in (1, 0.9))

    # Far from the value expit is 0 or 1 to the last bit.
    assert 0 <= found.low <= narrow.low < value < narrow.high <= found.high <= 1


@pytest.mark.parametrize(
    ("value", "without", "n_occupied", "why"),
    [
        (0.5, [0.4] * 3 + [0.6] * 4, 7, "7 blocks, at least 8"),
        (0.5, [0.4] * 4 + [0.6] * 4, 2, "2 blocks, at least 8"),
        (1.0, [0.9] * 4 + [1.0] * 4, 8, "end of its range"),
        (0.5, [0.4] * 7 + [1.0], 8, "end of its range"),
        (0.5, [0.4] * 7 + [math.nan], 8, "undefined"),
        (0.5, [0.5] * 8, 8, "the same without any of the blocks"),
    ],
)
def test_an_interval_that_cannot_be_estimated_says_why(value: float, without: list, n_occupied: int, why: str):
    """Few blocks, an end of the range, no value, no variation: never an interval of no width, never NaN."""
    found = interval_of(value, np.array(without), scale=LOGIT, n_occupied=n_occupied)

    assert (found.low, found.high) == (None, None)
    assert why in found.reason


def histogram(bins: list[int], touching: list[list[int]]) -> Histogram:
    """Trials and those that touch each block."""
    return Histogram(np.array(bins, dtype=np.uint64), np.array(touching, dtype=np.uint64))


def test_each_block_leaves_both_kinds_of_trial_at_once():
    """Block b has b + 1 of 45 non-mated and one of 9 mated trials: without it 8 and 44 - b are left."""
    rows = [[b + 1, 0] for b in range(8)] + [[0, 0]]
    nonmated = histogram([sum(row[0] for row in rows) + 9, 0], rows)
    mated = histogram([9, 0], [[1, 0]] * 8 + [[0, 0]])
    seen = []

    def ratio(a: np.ndarray, b: np.ndarray) -> float:
        seen.append((int(a[0]), int(b[0])))
        return float(b[0] / a[0])

    found = interval(ratio, nonmated, mated, scale=LOG, n_occupied=8)

    # The ninth block holds nothing: leaving it out would be a block that agrees.
    assert sorted(set(seen)) == sorted([(45, 9), *((45 - b - 1, 8) for b in range(8))])
    assert found == interval_of(9 / 45, np.array([8 / (44 - b) for b in range(8)]), scale=LOG, n_occupied=8)


def test_a_tally_without_blocks_has_no_interval():
    """A counting pass for thresholds keeps none."""
    nothing = Histogram(np.array([1, 1], np.uint64), np.zeros((0, 2), np.uint64))

    assert "0 blocks" in interval(lambda *_: 0.5, nothing, nothing, scale=LOGIT, n_occupied=0).reason


def test_a_statistic_is_json():
    """All fields by name."""
    found = Statistic(value=0.5, reason="why")

    assert found.to_json() == {"value": 0.5, "low": None, "high": None, "level": 0.95, "method": "", "reason": "why"}
