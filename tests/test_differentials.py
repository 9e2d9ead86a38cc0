"""Ratios between groups: by hand, undefined ones, and intervals of their own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

import worlds
from frbench.differentials import Ratio, fmr_ratio
from frbench.errors import EdgeNotInPlan
from frbench.plan import Cell
from frbench.tally import Tally

F, M = ("f", "f"), ("m", "m")


def two_rates(errors_f: np.ndarray, n_f: np.ndarray, errors_m: np.ndarray, n_m: np.ndarray) -> Tally:
    """A tally of comparisons that each touch one block: errors and trials of both groups by block."""
    b = len(errors_f)
    blocks = np.zeros((b, 2, 3))
    for cell, (errors, n) in enumerate(((errors_f, n_f), (errors_m, n_m))):
        blocks[:, cell, 1] = errors
        blocks[:, cell, 0] = n - errors
    rows = tuple(tuple((np.asarray(n) > 0).astype(int).tolist()) for n in (n_f, n_m))
    plan = worlds.small_plan(
        columns=("sex",),
        groups=(("f",), ("m",)),
        cells=(Cell(False, 0, 0), Cell(False, 1, 1)),
        subjects=worlds.parties(*rows),
        n_blocks=b,
    )
    return worlds.tally_of(plan, blocks.sum(axis=0), blocks)


def ratio(tally: Tally, a=F, b=M, **options) -> Ratio:
    """FMR of one group over another at .5."""
    return fmr_ratio(tally, 0.5, a, b, grouping=("sex",), **options)


def test_a_ratio_by_hand():
    """FMR of women 2 of 2, of men 2 of 4: twice; too few subjects for an interval."""
    found = ratio(worlds.two_groups().tally)

    assert (found.k, found.n) == ((2, 2), (2, 4))
    assert found.value == (2 / 2) / (2 / 4)
    assert (found.low, found.high) == (None, None)
    assert "not estimable" in found.reason


def test_the_interval_of_a_ratio_by_hand():
    """The logarithm without each of ten blocks, its jackknife deviation, and Student's t with nine degrees."""
    k_f, k_m, n = np.arange(10) + 5, np.arange(10)[::-1] + 2, np.full(10, 100)
    logs = np.log((k_f.sum() - k_f) / 900) - np.log((k_m.sum() - k_m) / 900)
    spread = stats.t.ppf(0.975, 9) * math.sqrt(9 / 10 * ((logs - logs.mean()) ** 2).sum())
    found = ratio(two_rates(k_f, n, k_m, n))

    assert found.value == (k_f.sum() / 1000) / (k_m.sum() / 1000)
    # The same sums in float64.
    assert found.low == pytest.approx(found.value * math.exp(-spread), rel=1e-9)
    assert found.high == pytest.approx(found.value * math.exp(spread), rel=1e-9)


def test_a_ratio_turned_around_is_its_inverse():
    """Women over men and men over women say the same, ends included."""
    tally = two_rates(np.arange(10) + 5, np.full(10, 100), np.arange(10)[::-1] + 2, np.full(10, 90))
    one, other = ratio(tally), ratio(tally, M, F)

    # Products of float64 exponentials.
    assert one.value * other.value == pytest.approx(1, rel=1e-12)
    assert one.low * other.high == pytest.approx(1, rel=1e-9)


def test_a_group_over_itself_is_one_without_doubt():
    """The same trials stand above and below: the ratio does not vary."""
    tally = two_rates(np.arange(10) + 5, np.full(10, 100), np.arange(10), np.full(10, 100))
    found = ratio(tally, F, F)

    assert (found.value, found.low, found.high) == (1, 1, 1)


def test_no_false_matches_have_no_ratio():
    """0 over something and something over 0 are undefined, and the reason names the group."""
    zero, some, n = np.zeros(10), np.ones(10), np.full(10, 100)
    for tally, whose in ((two_rates(zero, n, some, n), "f"), (two_rates(some, n, zero, n), "m")):
        found = ratio(tally)
        assert (found.value, found.low, found.high) == (None, None, None)
        assert found.reason == f"0 false matches of {whose}"


def test_no_comparisons_have_no_ratio():
    """A group without pairs is undefined, and the reason names it."""
    zero, some, n = np.zeros(10), np.ones(10), np.full(10, 100)

    assert ratio(two_rates(some, n, zero, zero)).reason == "0 comparisons of m"
    assert ratio(two_rates(zero, zero, some, n)).reason == "0 comparisons of f"


def test_errors_of_a_single_block_have_no_interval():
    """Without that block the ratio would not exist."""
    one_block, some, n = np.array([5] + [0] * 9), np.ones(10), np.full(10, 100)
    found = ratio(two_rates(one_block, n, some, n))

    assert found.value == (5 / 1000) / (10 / 1000)
    assert (found.low, found.reason) == (None, "interval not estimable: too few subjects with errors")


def test_seven_blocks_have_no_interval_and_eight_have():
    """As for a rate."""
    for b, is_known in ((7, False), (8, True)):
        found = ratio(two_rates(np.arange(b) + 1, np.full(b, 100), np.arange(b) + 2, np.full(b, 100)))
        assert (found.low is not None) == is_known


def test_a_threshold_between_edges_is_refused():
    """The tally cannot answer there."""
    with pytest.raises(EdgeNotInPlan):
        fmr_ratio(worlds.two_groups().tally, 0.3, F, M, grouping=("sex",))


def test_a_higher_level_makes_a_wider_interval():
    """99% holds 95%."""
    tally = two_rates(np.arange(10) + 5, np.full(10, 100), np.arange(10), np.full(10, 100))
    narrow, wide = ratio(tally), ratio(tally, level=0.99)

    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high
    assert (narrow.level, wide.level) == (0.95, 0.99)


def test_blocks_of_one_group_alone_vary_the_ratio_too():
    """Women in eight blocks that all agree, men in 32 of which 24 have no women: the men's doubt is in the interval.

    All the variation lies in the blocks without women. The rate of men alone has a known deviation, and the ratio,
    whose other side hardly varies, cannot be surer than it.
    """
    women = np.array([10] * 8 + [0] * 24)
    n_f, n_m = np.array([100] * 8 + [0] * 24), np.full(32, 100)
    men = np.array([10] * 8 + [0, 20] * 12)
    logs = np.log((men.sum() - men) / 3100)
    deviation_of_men = math.sqrt(31 / 32 * ((logs - logs.mean()) ** 2).sum())
    found = ratio(two_rates(women, n_f, men, n_m))

    assert math.log(found.high / found.value) > 1.96 * deviation_of_men


def test_intervals_of_ratios_cover_a_known_truth():
    """Over 300 worlds whose groups share blocks, 95% intervals hold the true ratio 90% to 99% of the time."""
    random = np.random.default_rng(7)
    covered = 0
    for _ in range(300):
        # Every block has a rate of its own, gamma with mean .02 and deviation .01, for women three times that of men.
        share = random.gamma(4, 0.005, size=32)
        errors = [random.binomial(500, np.minimum(1, factor * share)) for factor in (3, 1)]
        found = ratio(two_rates(errors[0], np.full(32, 500), errors[1], np.full(32, 500)))
        covered += found.low <= 3 <= found.high

    # The standard error of a share of 300 at 95% is 1.3%.
    assert 0.90 <= covered / 300 <= 0.99


def test_a_ratio_as_json_holds_lists():
    """Pairs are written as lists."""
    some, n = np.ones(10), np.full(10, 100)
    values = ratio(two_rates(some, n, 2 * some, n)).to_json()

    assert (values["group"], values["k"], values["n"]) == (["f", "f"], [10, 20], [1000, 1000])
