"""The oracle: unit rows and scores by the definition, and the compiled ones beside it."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from frbench import _rust
from frbench.engines import reference
from tests.worlds import worlds

EXTREMES = [0.0, -0.0, 1.0, -1.0, 3.0, 4.0, 1e300, -1e300, 1.7e308, 5e-324, 1e-310, 2.3e-308, 1e-30, 65504.0, 6e-8]


def same_bits(matrix: np.ndarray) -> None:
    """Holds the compiled unit rows to the oracle's."""
    unit, is_ok = worlds.unit_rows(matrix, 2)
    expected_unit, expected_ok = reference.unit_rows(matrix)
    assert is_ok.tolist() == expected_ok.tolist()
    # Zeros of either sign are equal; all other numbers are compared to the last bit.
    assert (unit == expected_unit).all()
    assert unit.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@given(data=st.data())
@settings(worlds.FEW, max_examples=60)
def test_unit_rows_are_the_oracles(dtype: type, data: st.DataObject):
    """Rows of any numbers, NaN, infinities, subnormals and zeros have the oracle's unit rows, bit for bit."""
    width = np.dtype(dtype).itemsize * 8
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40))
    matrix = data.draw(hnp.arrays(dtype, shape, elements=st.floats(width=width), fill=st.sampled_from([0.0, 1.0])))

    same_bits(matrix)


@given(st.lists(st.sampled_from(EXTREMES), min_size=1, max_size=40))
@settings(worlds.FEW, max_examples=100)
def test_huge_and_tiny_components_do_not_overflow(row: list[float]):
    """Components from 5e-324 to 1.7e308, together in one row, have a unit row unless all are zero."""
    matrix = np.array([row])

    same_bits(matrix)
    assert worlds.unit_rows(matrix)[1].tolist() == [any(row)]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 2, 15, 16, 17, 128, 333])
def test_ordinary_unit_rows_are_the_oracles(dtype: type, d: int):
    """More rows than one unit of work holds, of every remainder by sixteen."""
    same_bits(np.random.default_rng(d).normal(size=(1100, d)).astype(dtype))


def test_failed_rows_are_zeros():
    """NaN, an infinity, and only zeros have no direction."""
    nan, inf = math.nan, math.inf
    unit, is_ok = reference.unit_rows(np.array([[3, 4], [nan, 1], [inf, 1], [-inf, nan], [0, -0.0]]))

    assert is_ok.tolist() == [True, False, False, False, False]
    assert unit.tolist() == [[float(np.float32(0.6)), float(np.float32(0.8))]] + [[0, 0]] * 4


@given(hnp.arrays(np.float64, (3, 7), elements=st.floats(-100, 100)), st.integers(-900, 900))
@worlds.FEW
def test_a_power_of_two_changes_no_unit_row(matrix: np.ndarray, power: int):
    """Scaling is exact, so it cannot move a score."""
    matrix[np.abs(matrix) < 1e-10] = 0

    np.testing.assert_array_equal(reference.unit_rows(matrix)[0], reference.unit_rows(np.ldexp(matrix, power))[0])


@given(worlds.random_templates(max_d=20))
@worlds.FEW
def test_a_score_is_the_exact_sum_rounded(found):
    """The oracle is the rational sum of products, up to the rounding of its float64 additions and to float32."""
    unit = found.unit[:8]
    scores = reference.scores(unit, unit)
    for i, a in enumerate(unit):
        for j, b in enumerate(unit):
            exact = sum((Fraction(float(x)) * Fraction(float(y)) for x, y in zip(a, b, strict=True)), Fraction(0))
            # Half the spacing of float32 from one on, 2^-24, because rows may be longer than one by a rounding; and
            # at most 6 additions one behind the other (20 / 16 in a lane, then 4 halvings), 2^-53 of about one each.
            assert abs(Fraction(float(scores[i, j])) - exact) <= Fraction(1, 2**24) + 7 * Fraction(1, 2**53)


def test_scores_of_the_small_worlds_are_exact():
    """Components that are powers of two make scores that a person can add."""
    unit = np.array([worlds.X, worlds.HALF, worlds.HALF_MINUS, worlds.Y], np.float32)

    assert reference.scores(unit, unit).tolist() == [
        [1, 0.5, 0.5, 0],
        [0.5, 1, 0.25 + 0.25 + 0.25 - 0.25, 0.5],
        [0.5, 0.5, 1, 0.5],
        [0, 0.5, 0.5, 1],
    ]


def test_sums_are_added_in_the_order_of_the_definition():
    """Lane l takes components l, l + 16, ...; then lane l is added to l + 8, l + 4, l + 2, l + 1."""
    # In float64, (1 + 2^-53) + 2^-53 is 1, and 1 + (2^-53 + 2^-53) is more: only the order can tell.
    tiny, ones = 2.0**-53, np.ones((1, 1, 33))
    x = np.zeros((1, 1, 33))
    x[..., [0, 16, 32]] = 1, tiny, tiny
    assert reference._add(x, ones).item() == 1
    x = np.zeros((1, 1, 33))
    x[..., [0, 1, 9]] = 1, tiny, tiny
    assert reference._add(x, ones).item() == 1 + 2 * tiny
    x = np.zeros((1, 1, 33))
    x[..., [0, 8, 4]] = 1, tiny, tiny
    assert reference._add(x, ones).item() == 1


def test_the_slack_covers_the_roundings_of_a_screen():
    """A screen rounds for each of 64 components, each block of 64 and the result; the slack is hardly more."""
    for d in (1, 128, 512, 4096):
        roundings = Fraction(min(d, 64) + -(-d // 64) + 1, 2**24)
        assert roundings < Fraction(_rust.slack(d)) < roundings * Fraction(1001, 1000)


def test_rows_without_columns_are_refused():
    """A template has at least one component."""
    with pytest.raises(ValueError, match="at least one component"):
        worlds.unit_rows(np.zeros((3, 0)))


def test_other_numbers_are_refused():
    """Integers are no templates."""
    with pytest.raises(TypeError, match="float16, float32 or float64"):
        worlds.unit_rows(np.zeros((3, 2), dtype=np.int32))
