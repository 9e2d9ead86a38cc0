"""Rates of random subsets, against every subset, exact fractions and scipy."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from frbench.candidates import MatedSearches, NonmatedSearches
from frbench.reading.sizes import subsets
from tests.worlds import worlds


def nonmated(count: list[int], *, n_blocks: int = 8) -> NonmatedSearches:
    """Searches with these numbers of rows at or above the threshold, one a subject, dealt to blocks."""
    m = np.arange(len(count))
    return NonmatedSearches(
        m * 0, m, m % n_blocks, np.array(count, dtype=np.int64)[:, None], np.zeros((len(m), 1)), np.zeros((len(m), 1))
    )


def mated(score: list[float], above: list[int], mates: list[int]) -> MatedSearches:
    """Mated searches, one a subject, in eight blocks."""
    m = np.arange(len(score))
    return MatedSearches(m * 0, m, m % 8, np.array(score, np.float32), np.array(above), np.array(mates))


def fpir(count: list[int], gallery: int, size: int) -> subsets.MeanRate:
    """FPIR of the mean subset."""
    found = nonmated(count)
    return subsets.fpir(found, found.count[:, 0], gallery=gallery, size=size)


@pytest.mark.parametrize("size", range(1, 13))
def test_no_hit_is_drawn_as_often_as_binomials_say(size: int):
    """C(12 - c, n) / C(12, n), in whole numbers, for every c."""
    found = np.exp(subsets.log_none(np.arange(13), 12, size))

    # A sum of at most 12 logarithms, each right to 2^-53.
    np.testing.assert_allclose(found, [math.comb(12 - c, size) / math.comb(12, size) for c in range(13)], rtol=1e-14)


def test_rare_hits_in_a_huge_gallery_are_not_rounded_away():
    """3 of a billion rows and a subset of 1,000: 3.0e-6 to twelve digits, where factorials would leave five."""
    n, size = 10**9, 1000
    exact = 1 - math.prod((Fraction(n - size - j, n - j) for j in range(3)), start=Fraction(1))

    assert -np.expm1(subsets.log_none(np.array([3]), n, size)[0]) == pytest.approx(float(exact), rel=1e-12)


@given(st.integers(1, 40), st.data())
@worlds.FEW
def test_hits_in_a_subset_are_hypergeometric(gallery: int, data: st.DataObject):
    """Fewer than 1, 2, ..., 8 hits: scipy's distribution, subsets that must hold some of them included."""
    size = data.draw(st.integers(0, gallery))
    count = np.arange(gallery + 1)
    found = subsets.fewer_than(count, gallery, size, 8)

    expected = stats.hypergeom.cdf(np.arange(8), gallery, count[:, None], size)
    # Sums of eight terms, each a product of at most 40 ratios.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_fpir_is_the_mean_over_every_subset():
    """Three searches of 6 rows, of which 0, 1 and 3 reach the threshold, and all C(6, n) galleries of n of them."""
    hits = [set(), {2}, {0, 2, 5}]
    for size in range(1, 7):
        drawn = [set(rows) for rows in combinations(range(6), size)]
        shares = [sum(bool(rows & own) for own in hits) / 3 for rows in drawn]
        # A mean of at most 20 shares.
        assert fpir([0, 1, 3], 6, size).value == pytest.approx(sum(shares) / len(drawn), rel=1e-13)


def test_fnir_is_the_mean_over_every_subset():
    """A mate of .6 in rows 0 and 1, always enrolled; rows 2, 3 and 4 of .7, .6 (a tie) and .5: its rank among n."""
    others = {2: 0.7, 3: 0.6, 4: 0.5}
    found = mated([0.6], [2], [2])
    for size in range(2, 6):
        drawn = list(combinations(others, size - 2))
        for rank in (1, 2, 3):
            missed = sum(1 + sum(others[row] >= 0.6 for row in rows) > rank for rows in drawn) / len(drawn)
            within = subsets.within_ranks(found, [rank], gallery=5, size=size)
            assert subsets.fnir(found, within[:, 0], 0.5).value == pytest.approx(missed, abs=1e-15)
            assert subsets.fnir(found, within[:, 0], 0.65).value == 1


def test_a_gallery_too_small_for_the_mates_is_refused():
    """Two rows of a mate do not fit into a gallery of one."""
    found = mated([0.6, 0.6], [0, 0], [1, 2])
    rate = subsets.fnir(found, subsets.within_ranks(found, [1], gallery=5, size=1)[:, 0], 0.5)

    assert (rate.value, rate.reason) == (None, "a probe has 2 enrolled rows, more than the gallery would hold")


def test_a_search_without_a_scored_mate_is_a_miss():
    """A failed template is outside every rank (K6)."""
    found = mated([math.nan, 0.9], [0, 0], [1, 1])
    within = subsets.within_ranks(found, [1], gallery=4, size=2)

    assert within.tolist() == [[0], [1]]
    assert subsets.fnir(found, within[:, 0], -math.inf).value == 0.5


def test_thresholds_are_compared_exactly():
    """The float32 nearest to .7 is below .7: a mate of that score is rejected, as in every other rate."""
    found = mated([0.7], [0], [1])

    assert float(np.float32(0.7)) < 0.7
    assert subsets.fnir(found, np.ones(1), 0.7).value == 1
    assert not found.reaching(0.7).any()


@given(st.lists(st.integers(0, 20), min_size=8, max_size=40), st.integers(1, 19))
@worlds.FEW
def test_fpir_grows_with_the_gallery(count: list[int], size: int):
    """One row more finds no fewer; the interval holds the value."""
    small, large = fpir(count, 20, size), fpir(count, 20, size + 1)

    assert None not in (small.value, large.value, small.low, small.high)
    assert small.value <= large.value
    assert small.low <= small.value <= small.high


def test_an_interval_is_narrower_than_one_subset_would_give():
    """64 searches of one hit each at a tenth of the gallery: every search errs with probability 1 / 10.

    No search differs from another, so that the blocks do not vary, and 64 searches are taken as 64.
    """
    rate = fpir([1] * 64, 100, 10)
    one_subset = fpir([100] * 6 + [0] * 58, 100, 10)

    assert rate.value == pytest.approx(0.1, rel=1e-12)
    assert one_subset.value == pytest.approx(6 / 64, rel=1e-12)
    assert rate.high - rate.low <= one_subset.high - one_subset.low


def test_no_hits_have_an_exact_bound():
    """0 of 64 searches of 64 subjects: 1 - .05^(1/64)."""
    rate = fpir([0] * 64, 100, 10)

    assert (rate.value, rate.low) == (0, 0)
    # Two ways to the same power, each right to rounding.
    assert rate.high == pytest.approx(1 - 0.05 ** (1 / 64), rel=1e-14)


def test_undefined_rates_say_why():
    """No searches; searches in too few blocks."""
    nobody, few = nonmated([]), nonmated([1, 2, 3, 4], n_blocks=4)

    assert subsets.fpir(nobody, nobody.count[:, 0], gallery=9, size=3).reason == "0 non-mated searches"
    rate = subsets.fpir(few, few.count[:, 0], gallery=9, size=3)
    assert rate.value is not None
    assert (rate.low, rate.reason) == (None, "interval not estimable: subjects in 4 blocks, at least 8 are needed")
