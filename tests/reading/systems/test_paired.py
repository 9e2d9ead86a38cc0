"""Paired differences: by hand, at their ends, and against worlds whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from frbench.estimate import MIN_BLOCKS, degrees_of_freedom
from frbench.reading.systems.paired import METHOD, METHOD_MOVING, METHOD_OF_TWO, Paired, Side, holm, paired

B = 32


def of_blocks(errors: np.ndarray, n: np.ndarray) -> Side:
    """A rate of trials that each touch one block."""
    k = int(errors.sum())
    return Side.of(k, int(n.sum()), k - errors, n)


def freedom(without: np.ndarray) -> float:
    """Satterthwaite's degrees of freedom, by the kurtosis of scipy."""
    return min(len(without) - 1, 2 * len(without) / (stats.kurtosis(without, fisher=False) - 1))


def test_a_difference_by_hand():
    """Rates without each of ten blocks of 100, their jackknife deviation, and Student's t."""
    k_a, k_b, n = np.arange(10) + 5, np.arange(10) * 2 + 3, np.full(10, 100)
    found = paired(of_blocks(k_a, n), of_blocks(k_b, n))
    without = (k_b.sum() - k_b) / 900 - (k_a.sum() - k_a) / 900
    error, df = math.sqrt(9 / 10 * ((without - without.mean()) ** 2).sum()), freedom(without)

    assert found.difference == k_b.sum() / 1000 - k_a.sum() / 1000
    # The same sums in float64.
    assert found.error == pytest.approx(error, rel=1e-9)
    assert found.low == pytest.approx(found.difference - stats.t.ppf(0.975, df) * error, rel=1e-9)
    assert found.high == pytest.approx(found.difference + stats.t.ppf(0.975, df) * error, rel=1e-9)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(found.difference) / error, 9), rel=1e-9)
    assert found.detectable == pytest.approx((stats.t.ppf(0.975, df) + stats.t.ppf(0.8, df)) * error, rel=1e-9)


def test_a_ratio_by_hand():
    """The logarithm of the ratio without each block."""
    k_a, k_b, n = np.arange(10) + 5, np.arange(10) * 2 + 3, np.full(10, 100)
    found = paired(of_blocks(k_a, n), of_blocks(k_b, n))
    logs = np.log(k_b.sum() - k_b) - np.log(k_a.sum() - k_a)
    spread = stats.t.ppf(0.975, freedom(logs)) * math.sqrt(9 / 10 * ((logs - logs.mean()) ** 2).sum())

    # Quotients of the same whole numbers in float64.
    assert found.ratio == pytest.approx(k_b.sum() / k_a.sum(), rel=1e-12)
    assert found.ratio_low == pytest.approx(found.ratio * math.exp(-spread), rel=1e-9)
    assert found.ratio_high == pytest.approx(found.ratio * math.exp(spread), rel=1e-9)


def test_a_system_against_itself_differs_by_nothing():
    """Difference 0 and ratio 1, with every block left out too, whatever the rate varies."""
    a = of_blocks(np.arange(B), np.full(B, 100))
    found = paired(a, a)

    assert (found.difference, found.low, found.high, found.error, found.p) == (0, 0, 0, 0, 1)
    assert (found.ratio, found.ratio_low, found.ratio_high) == (1, 1, 1)
    assert not found.is_detected


def test_what_both_share_leaves_the_interval():
    """Both rates vary by block in the same way and differ by one error in each: what is left are these 32 trials.

    They are discordant at least, so the variance is d (1 - d) / n for d = 1 / 200, and not 0 because they happen to
    be spread evenly; of independent rates it would be eight times as large.
    """
    shared, n = np.arange(B) * 3, np.full(B, 200)
    found = paired(of_blocks(shared, n), of_blocks(shared + 1, n))
    sides = [shared.sum() / 6400, (shared + 1).sum() / 6400]

    # Sums of float64 shares, of which two nearly equal ones are subtracted.
    assert found.error**2 == pytest.approx(0.005 * 0.995 / 6400, rel=1e-3)
    assert 8 * found.error**2 < sum(p * (1 - p) for p in sides) / 6400


def of_pairs(errors: np.ndarray, block: np.ndarray) -> Side:
    """The rate of all pairs of people whose errors are an upper triangle."""
    i, j = np.triu_indices(len(block), 1)
    member = (block[:, None] == np.arange(B)).astype(int)
    touched = np.minimum(1, member[i] + member[j])
    k = int(errors.sum())
    return Side.of(k, len(i), k - errors @ touched, touched.sum(axis=0))


def test_what_belongs_to_a_pair_alone_is_counted_once():
    """Over 300 worlds of independent pairs the mean variance is the true one; the jackknife's is twice as large.

    64 people two a block; A errs in 10% and B in 10%, a third of them the same pairs. The variance of the difference is
    2 (.1 - .0333) / 2016. The mean of 300 variances of 31 degrees of freedom has a standard error below 2%; the floor
    J / c and what the two have in common by chance move it up by some per cent, never down.
    """
    random = np.random.default_rng(3)
    block = np.arange(64) // 2
    n, found, plain = 64 * 63 // 2, [], []
    for _ in range(300):
        draw = random.random(n)
        a, b = (draw < 0.1), (draw >= 0.1 - 0.1 / 3) & (draw < 0.2 - 0.1 / 3)
        sides = of_pairs(a, block), of_pairs(b, block)
        found.append(paired(*sides).error ** 2)
        plain.append(paired(*(replace(side, counted=None) for side in sides)).error ** 2)
    true = 2 * (0.1 - 0.1 / 3) / n

    assert 0.95 < np.mean(found) / true < 1.2
    # (2 b - 1) / (b - 1) for b = 32.
    assert np.mean(plain) / true == pytest.approx(63 / 31, rel=0.1)


def test_a_threshold_that_moves_leaves_the_jackknife_as_it_is():
    """What belongs to a trial may cancel there, and the method says that it may be counted twice."""
    errors = np.random.default_rng(1).random((2, 64 * 63 // 2)) < 0.1
    block = np.arange(64) // 2
    held = [of_pairs(side, block) for side in errors]
    moving = [replace(side, counted=None) for side in held]
    without = moving[1].without - moving[0].without

    assert paired(*held).error < paired(*moving).error
    # The same sums in float64.
    assert paired(*moving).error == pytest.approx(math.sqrt(31 * without.var()), rel=1e-9)
    assert (paired(*held).method, paired(*moving).method) == (METHOD_OF_TWO, METHOD_MOVING)
    assert paired(of_blocks(np.arange(B), np.full(B, 99)), of_blocks(np.arange(B), np.full(B, 99))).method == METHOD
    assert Side.of(1, 10, np.ones(2), np.ones(2), threshold_moves=True).counted is None


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=MIN_BLOCKS, max_size=40))
def test_turning_around_turns_the_signs(errors: list[tuple[int, int]]):
    """A against B is minus B against A, and the ratio is its inverse."""
    k_a, k_b = np.array(errors).T
    n = np.full(len(errors), 60)
    one, other = (
        paired(x, y) for x, y in ((of_blocks(k_a, n), of_blocks(k_b, n)), (of_blocks(k_b, n), of_blocks(k_a, n)))
    )

    assert one.difference == -other.difference
    if one.low is not None:
        # Both sides subtract the same numbers in another order.
        assert one.low == pytest.approx(-other.high, abs=1e-12)
        assert one.p == pytest.approx(other.p, rel=1e-9)
    if one.ratio_low is not None:
        assert one.ratio_low == pytest.approx(1 / other.ratio_high, rel=1e-9)


def test_no_errors_at_all_are_bounded_exactly():
    """0 of 300 and 0 of 300: each rate is below 1 - .025^(1/300) with 97.5%, so that both hold with 95%."""
    none, n = np.zeros(B), np.full(B, 10)
    found = paired(of_blocks(none, n), of_blocks(none, n), independent=(300, 200))

    assert found.difference == 0
    # Powers in float64.
    assert found.low == pytest.approx(-(1 - 0.025 ** (1 / 300)), rel=1e-9)
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 200), rel=1e-9)
    assert (found.ratio, found.ratio_reason) == (None, "0 errors of both")
    assert "300 and 200 trials" in found.method
    assert not found.is_detected


def test_nothing_but_errors_against_none_are_bounded_exactly():
    """0 of n against n of n: the blocks do not vary, and the difference is surely below 1."""
    n = np.full(B, 10)
    found = paired(of_blocks(np.zeros(B), n), of_blocks(n, n), independent=(50, 50))
    bound = 1 - 0.025 ** (1 / 50)

    assert found.difference == 1
    # Powers in float64.
    assert found.low == pytest.approx(1 - 2 * bound, rel=1e-9)
    assert found.high == 1
    assert found.is_detected


def test_no_errors_and_no_independent_trials_say_nothing():
    """Without a bound there is no interval, and the reason is given."""
    none, n = np.zeros(B), np.full(B, 10)
    found = paired(of_blocks(none, n), of_blocks(none, n))

    assert (found.difference, found.low) == (0, None)
    assert found.reason == "interval not estimable: no two trials without a common subject"


def test_no_errors_of_one_side_have_no_ratio():
    """Something over 0 is undefined; 0 over something is 0, without an interval. The difference has one."""
    none, some, n = np.zeros(B), np.arange(B) % 3, np.full(B, 10)
    up, down = (
        paired(x, y) for x, y in ((of_blocks(none, n), of_blocks(some, n)), (of_blocks(some, n), of_blocks(none, n)))
    )

    assert (up.ratio, up.ratio_reason) == (None, "0 errors of A")
    assert (down.ratio, down.ratio_low, down.ratio_reason) == (0, None, "0 errors of B")
    assert up.low > 0


def test_errors_of_one_block_have_no_ratio_interval():
    """Without that block the ratio would not exist."""
    one, some, n = np.eye(B)[0] * 5, np.ones(B), np.full(B, 10)
    found = paired(of_blocks(some, n), of_blocks(one, n))

    assert found.ratio == 5 / 320 / (32 / 320)
    assert (found.ratio_low, found.ratio_reason) == (
        None,
        "interval not estimable: all errors of one side are of a single block",
    )


def test_seven_blocks_have_no_interval_and_eight_have():
    """As for a rate."""
    for b, is_known in ((7, False), (8, True)):
        n = np.full(b, 100)
        found = paired(of_blocks(np.arange(b) + 1, n), of_blocks(np.arange(b) * 2, n))
        assert (found.low is not None) == is_known
        assert (found.ratio_low is not None) == is_known
        assert ("7 blocks" in found.reason) != is_known


def test_blocks_without_trials_do_not_count():
    """Eight blocks with trials among 32 have seven degrees of freedom."""
    k, n = np.arange(B) % 5 * (np.arange(B) < 8), np.full(B, 20) * (np.arange(B) < 8)
    few = paired(of_blocks(k, n), of_blocks(k[::-1] * 0 + (np.arange(B) == 3), n))
    alone = paired(of_blocks(k[:8], n[:8]), of_blocks((np.arange(8) == 3).astype(int), n[:8]))

    assert (few.low, few.high) == (alone.low, alone.high)


def test_a_reason_that_is_known_stands():
    """Who calls may know why there can be no interval: for both, difference and ratio."""
    n = np.full(B, 100)
    found = paired(of_blocks(np.arange(B), n), of_blocks(np.arange(B) + 1, n), reason="because")

    assert (found.low, found.reason, found.ratio_low, found.ratio_reason) == (None, "because", None, "because")


def test_holm_by_hand():
    """.01 of three counts thrice, .03 twice; .04 once, but never less than the one before; none stays none."""
    # Products in float64.
    assert holm([0.04, None, 0.01, 0.03]) == [pytest.approx(0.06), None, pytest.approx(0.03), pytest.approx(0.06)]
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def world(random: np.random.Generator, q: tuple[float, float], n_subjects: int, m: int) -> tuple[Side, Side]:
    """Mated trials of two systems: half the variance of a score is the subject's, .3 the trial's, .2 each system's.

    An error is a score below its quantile `q`, so that the true rate of each system is exactly q.
    """
    block = random.integers(B, size=n_subjects)
    shared = math.sqrt(0.5) * random.normal(size=(n_subjects, 1)) + math.sqrt(0.3) * random.normal(size=(n_subjects, m))
    n = np.bincount(block, minlength=B) * m
    sides = []
    for level in q:
        scores = shared + math.sqrt(0.2) * random.normal(size=(n_subjects, m))
        errors = (scores < stats.norm.ppf(level)).sum(axis=1)
        sides.append(of_blocks(np.bincount(block, errors, B), n))
    return sides[0], sides[1]


def width(found: Paired) -> float:
    """Length of the interval of the difference."""
    return found.high - found.low


def test_one_block_with_all_the_doubt_leaves_few_degrees_of_freedom():
    """31 equal values and one apart have two degrees of freedom, and the interval is twice as wide as by 31.

    The kurtosis of such values is b - 2 + 1 / (b - 1) = 30.03: 64 / 29.03 = 2.2.
    """
    values = np.append(np.zeros(31), 1.0)

    # Sums of a few float64.
    assert degrees_of_freedom(values) == pytest.approx(64 / (30 + 1 / 31 - 1), rel=1e-12)
    assert degrees_of_freedom(np.tile([0.0, 1.0], 16)) == 31
    assert degrees_of_freedom(np.zeros(32)) == 31


def test_an_interval_with_one_large_subject_covers_a_known_difference():
    """One subject of 1,500 trials among 400 of 3: over 300 worlds, intervals hold the true difference 92% at least.

    The standard error of a share of 300 at 95% is 1.3%.
    """
    random = np.random.default_rng(6)
    sizes, q, covered = np.append(1500, np.full(399, 3)), (0.05, 0.1), 0
    whose = np.repeat(np.arange(400), sizes)
    for _ in range(300):
        block = random.integers(B, size=400)[whose]
        people = random.normal(size=(3, 400))[:, whose]
        shared = math.sqrt(0.5) * people[0] + math.sqrt(0.3) * random.normal(size=len(whose))
        n, sides = np.bincount(block, minlength=B), []
        for own, level in zip(people[1:], q, strict=True):
            scores = shared + math.sqrt(0.1) * own + math.sqrt(0.1) * random.normal(size=len(whose))
            sides.append(of_blocks(np.bincount(block, scores < stats.norm.ppf(level), B), n))
        found = paired(sides[0], sides[1])
        covered += found.low <= q[1] - q[0] <= found.high

    assert covered / 300 >= 0.92


@pytest.mark.parametrize("q", [(0.03, 0.03), (0.03, 0.05)])
def test_intervals_cover_a_known_difference(q: tuple[float, float]):
    """Over 400 worlds, 95% intervals hold the true difference 91.7% to 98.3% of the time, and the ratio too.

    The standard error of a share of 400 at 95% is 1.09%: three of them on each side.
    """
    random = np.random.default_rng(11)
    found = [paired(*world(random, q, 400, 3)) for _ in range(400)]
    in_difference = sum(f.low <= q[1] - q[0] <= f.high for f in found)
    in_ratio = sum(f.ratio_low <= q[1] / q[0] <= f.ratio_high for f in found)

    assert 0.917 <= in_difference / 400 <= 0.983
    assert 0.917 <= in_ratio / 400 <= 0.983


def test_pairing_narrows_the_interval():
    """Four fifths of the variance are shared: the interval is narrower than that of two separate systems by a third.

    Separate ones are the same two rates of two independent worlds.
    """
    random = np.random.default_rng(5)
    worlds = [world(random, (0.1, 0.1), 400, 3) for _ in range(40)]
    together = np.mean([width(paired(a, b)) for a, b in worlds])
    apart = np.mean([width(paired(a, b)) for (a, _), (_, b) in pairwise(worlds)])

    assert together < 0.67 * apart


def test_the_stated_power_is_reached():
    """A true difference as large as the one said to be detectable is detected in 80% of the worlds.

    A world's own `detectable` varies with its standard error by about 1 / sqrt(2 * 31) = 13%, which moves the share
    by some points; the share of 300 has a standard error of 2.3%.
    """
    random = np.random.default_rng(3)
    n = np.full(B, 300)
    detectable, detected = [], 0
    for _ in range(300):
        rates = np.clip(random.normal(0.1, 0.02, B), 0, 1)
        a, b = (of_blocks(random.binomial(300, p), n) for p in (rates, rates))
        detectable.append(paired(a, b).detectable)
    true = float(np.mean(detectable))
    for _ in range(300):
        rates = np.clip(random.normal(0.1, 0.02, B), 0, 1)
        a, b = (of_blocks(random.binomial(300, p), n) for p in (rates, rates + true))
        detected += paired(a, b).is_detected

    assert 0.70 <= detected / 300 <= 0.88
