"""Ratios between groups: by hand, undefined ones, and intervals of their own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from frbench.errors import EdgeNotInPlan
from frbench.plan import Cell, Group
from frbench.reading import joint, metrics
from frbench.reading.differentials import Ratio, compare, detectable, worst
from frbench.reading.joint import Replicates, replicates
from frbench.reading.rate import Rate
from frbench.tally import Tally
from tests.worlds import worlds
from tests.worlds.rates import fmr_ratio

F, M = (Group.within(("sex",), name) for name in "fm")


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
    return fmr_ratio(tally, 0.5, a, b, **options)


def test_a_ratio_by_hand():
    """FMR of women 2 of 2, of men 2 of 4: twice; too few subjects for an interval."""
    found = ratio(worlds.two_groups().tally)

    assert (found.k, found.n) == ((2, 2), (2, 4))
    assert found.value == (2 / 2) / (2 / 4)
    assert (found.low, found.high) == (None, None)
    assert "not estimable" in found.reason


def test_a_ratio_far_from_one_is_detected_and_a_near_one_is_not():
    """Over 3,000 comparisons a group in ten blocks: 60 against 20 errors lie apart, 22 against 20 do not."""
    n = np.full(10, 300)
    far = ratio(two_rates(np.full(10, 6), n, np.full(10, 2), n))
    near = ratio(two_rates(np.array([4, 0] * 4 + [4, 2]), n, np.full(10, 2), n))

    assert far.low > 1
    assert near.low < 1 < near.high
    assert near.detectable > near.high


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
        assert found.reason.startswith(f"0 false matches of {whose}")


def test_no_comparisons_have_no_ratio():
    """A group without pairs is undefined, and the reason names it."""
    zero, some, n = np.zeros(10), np.ones(10), np.full(10, 100)

    assert ratio(two_rates(some, n, zero, zero)).reason == "0 comparisons of m"
    assert ratio(two_rates(zero, zero, some, n)).reason == "0 comparisons of f"


def test_errors_of_a_single_block_widen_the_interval():
    """Five errors of one block may be one person's: they say far less than five errors of five blocks."""
    one_block, five, some, n = np.array([5] + [0] * 9), np.array([1] * 5 + [0] * 5), np.ones(10), np.full(10, 100)
    wide, narrow = ratio(two_rates(one_block, n, some, n)), ratio(two_rates(five, n, some, n))

    assert wide.value == narrow.value == (5 / 1000) / (10 / 1000)
    assert wide.high / wide.low > (narrow.high / narrow.low) ** 2


def test_seven_blocks_have_no_interval_and_eight_have():
    """As for a rate."""
    for b, is_known in ((7, False), (8, True)):
        found = ratio(two_rates(np.arange(b) + 1, np.full(b, 100), np.arange(b) + 2, np.full(b, 100)))
        assert (found.low is not None) == is_known


def test_a_threshold_between_edges_is_refused():
    """The tally cannot answer there."""
    with pytest.raises(EdgeNotInPlan):
        fmr_ratio(worlds.two_groups().tally, 0.3, F, M)


def test_a_higher_level_makes_a_wider_interval():
    """99% holds 95%."""
    tally = two_rates(np.arange(10) + 5, np.full(10, 100), np.arange(10), np.full(10, 100))
    narrow, wide = ratio(tally), ratio(tally, level=0.99)

    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high
    assert (narrow.level, wide.level) == (0.95, 0.99)


def test_blocks_of_one_group_alone_vary_the_ratio_too():
    """Women in eight blocks that all agree, men in 32 of which 24 have no women: the men's doubt is in the interval.

    All the variation lies in the blocks without women. The ratio, whose other side hardly varies, cannot be surer than
    the rate of men alone.
    """
    women = np.array([10] * 8 + [0] * 24)
    n_f, n_m = np.array([100] * 8 + [0] * 24), np.full(32, 100)
    men = np.array([10] * 8 + [0, 20] * 12)
    tally = two_rates(women, n_f, men, n_m)
    alone = metrics.fmr(tally, 0.5, group=M)
    found = ratio(tally)

    assert found.high / found.value > alone.high / alone.value


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


def rate(tally: Tally, group=F) -> Replicates:
    """FMR of a group at .5."""
    return replicates(tally, Rate("fmr", 0.5), group)


def test_a_contrast_has_ratio_and_difference():
    """30 of 3,000 against 20 of 2,000 in ten blocks: ratio 1, difference 0, both intervals around them."""
    tally = two_rates(np.full(10, 3), np.full(10, 300), np.full(10, 2), np.full(10, 200))
    found = compare(rate(tally), rate(tally, M)).to_json()

    assert (found["metric"], found["value"], found["difference"]["value"]) == ("fmr", 1, 0)
    assert found["low"] < 1 < found["high"]
    assert found["difference"]["low"] < 0 < found["difference"]["high"]
    assert found["k"] == [30, 20]


def test_the_smallest_ratio_is_solved_for():
    """At it, log R is (quantile + z(power)) standard deviations: here of 40 R and of 40 errors, and what people add."""
    random = np.random.default_rng(1)
    n = np.full(32, 2000)
    tally = two_rates(random.poisson(3, 32), n, random.poisson(3, 32), n)
    a, b = rate(tally), rate(tally, M)
    found = detectable(a, b)
    p, n_f = b.estimate.value, a.estimate.n
    one = a.excess + (1 - found * p) / (found * p * n_f)
    other = b.excess + (1 - p) / b.estimate.k
    variance = one + other - 2 * joint.correlation(a, b) * math.sqrt(one * other)
    factor = joint.quantile(a, b, 0.95) + stats.norm.ppf(0.8)

    # The root finder stops within 1e-12 of the logarithm.
    assert math.log(found) == pytest.approx(factor * math.sqrt(variance), rel=1e-9)
    assert detectable(a, b, power=0.9) > found > detectable(a, b, power=0.5)


def test_the_smallest_ratio_of_a_group_without_errors_is_known_and_without_a_reference_is_not():
    """0 of women against 40 of men: women who err twice as often would have shown; turned around nobody knows."""
    zero, some, n = np.zeros(10), np.full(10, 4), np.full(10, 1000)
    tally = two_rates(zero, n, some, n)

    assert 1 < ratio(tally).detectable < 5
    assert ratio(tally, M, F).detectable is None
    assert ratio(tally, F, F).detectable is None


def test_the_worst_group_is_named_with_all_that_may_be_it():
    """60 errors against 55 may be either; against 5 they may not. The interval of each pair holds with the others."""
    n = np.full(10, 1000)
    high, middle, low = np.full(10, 6), np.array([5, 6] * 5), np.array([1, 0] * 5)
    alike, apart = two_rates(high, n, middle, n), two_rates(high, n, low, n)
    one, other = (worst([rate(tally), rate(tally, M)]) for tally in (alike, apart))

    assert (one.group, one.possible) == (F, (F, M))
    assert (other.group, other.possible) == (F, (F,))
    assert other.to_json() == {"group": "f", "possible": ["f"], "level": 0.95, "reason": ""}


def test_no_errors_and_no_trials_have_no_worst_group():
    """Every group may be it, and none is named."""
    zero, n = np.zeros(10), np.full(10, 1000)
    none = worst([rate(two_rates(zero, n, zero, n)), rate(two_rates(zero, n, zero, n), M)])
    nobody = worst([rate(two_rates(zero, zero, zero, n))])

    assert (none.group, none.possible, none.reason) == (None, (F, M), "0 false matches of every group")
    assert (nobody.group, nobody.possible, nobody.reason) == (None, (), "no group has trials")
