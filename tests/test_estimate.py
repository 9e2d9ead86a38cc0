"""Intervals: exact vectors, the jackknife by hand, refusals, and coverage of a known truth."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from frbench import estimate
from frbench.estimate import Estimate, clopper_pearson, jackknife_variance, rate, student_t, undefined, wilson
from frbench.reading import metrics
from frbench.tally import Tally
from tests.bootstrap import PairErrors, identity_variance
from tests.worlds import worlds


def simple(k: int, n: int, k_touching: list[int], n_touching: list[int], **options) -> Estimate:
    """A rate with as many occupied blocks as have trials."""
    occupied = sum(t > 0 for t in n_touching)
    values = {"n_subjects": 9, "n_independent": n, "n_occupied": occupied} | options
    return rate(k, n, np.array(k_touching), np.array(n_touching), **values)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (1, 2, 0.01257911709342505, 0.98742088290657493),
        (10, 10, 0.69150289218123917, 1),
        (0, 10, 0, 0.30849710781876077),
        (9856, 10000, 0.98306835053282549, 0.98784270928084694),
    ],
)
def test_clopper_pearson_gives_the_published_vectors(k: int, n: int, low: float, high: float):
    """The vectors of metrics.md 5(e)."""
    # They are printed to 17 digits and were reproduced to 1e-13.
    assert clopper_pearson(k, n) == pytest.approx((low, high), abs=1e-13, rel=0)


@given(st.integers(1, 500), st.floats(0, 1), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
@worlds.FEW
def test_intervals_agree_with_scipy(n: int, share: float, level: float):
    """Clopper-Pearson is scipy's exact interval, and Wilson's its wilson, at any level."""
    k = round(share * n)
    test = stats.binomtest(k, n)
    exact = test.proportion_ci(level, method="exact")
    score = test.proportion_ci(level, method="wilson")
    z = NormalDist().inv_cdf((1 + level) / 2)

    # scipy finds the exact ends with a root finder: 1e-12 is its tolerance. Wilson is one formula in float64.
    assert clopper_pearson(k, n, level) == pytest.approx((exact.low, exact.high), abs=1e-10, rel=0)
    assert wilson(k / n, n, z) == pytest.approx((score.low, score.high), abs=1e-12, rel=0)


def test_the_jackknife_by_hand():
    """Four values 1, 2, 3, 6 about their mean 3: (4 - 1) / 4 * (4 + 1 + 0 + 9)."""
    assert jackknife_variance(np.array([1.0, 2, 3, 6])) == 3 / 4 * 14


def test_a_rate_by_hand():
    """Eight blocks of ten trials, 0, 1, ..., 7 of them errors: the rate, its variance, and the effective n."""
    k, n, errors = 28, 80, np.arange(8)
    # Without block e the rate is (28 - e) / 70; these lie (3.5 - e) / 70 about their mean, 42 / 4900 in squares.
    variance = 7 / 8 * 42 / 70**2
    n_effective = (28 / 80) * (52 / 80) / variance
    found = simple(k, n, errors.tolist(), [10] * 8)

    assert found.value == 28 / 80
    # The same sums in another order, in float64.
    assert found.n_effective == pytest.approx(n_effective, rel=1e-12)
    assert n_effective < 80
    t = stats.t.ppf(0.975, 7)
    assert (found.low, found.high) == pytest.approx(wilson(28 / 80, n_effective, t), rel=1e-12)
    assert (found.k, found.n, found.n_subjects, found.level) == (28, 80, 9, 0.95)


def test_student_t_is_scipys():
    """The quantile for a few degrees of freedom and levels."""
    for freedom in (1, 7, 31, 1000):
        for level in (0.8, 0.95, 0.99):
            assert student_t(freedom, level) == pytest.approx(stats.t.ppf((1 + level) / 2, freedom), rel=1e-9)


def test_a_trial_of_two_blocks_leaves_with_either():
    """Blocks overlap in the comparisons between them: touching may sum to more than the total."""
    # Eight subjects, one a block, 28 pairs; the 7 pairs of subject 0 are all the errors.
    k, n, k_touching, n_touching = 7, 28, [7, 1, 1, 1, 1, 1, 1, 1], [7] * 8
    without = np.array([0] + [6 / 21] * 7)
    jackknife = 7 / 8 * ((without - without.mean()) ** 2).sum()
    # Independent trials would have a jackknife variance of 7/8 * 8 * 7/21 times the binomial one: 7/3.
    binomial = (7 / 28) * (21 / 28) / 28
    variance = jackknife - (7 / 3 - 1) * binomial
    found = simple(k, n, k_touching, n_touching)

    # The same sums in float64.
    assert found.n_effective == pytest.approx((7 / 28) * (21 / 28) / variance, rel=1e-12)
    assert found.low < 7 / 28 < found.high


def test_independent_comparisons_of_two_blocks_have_their_own_variance():
    """Over 400 worlds of independent pairs the jackknife is twice the binomial variance, and the doubt is near it.

    64 subjects two a block, FMR .1: the mean of 400 variances has a standard error below 3% of each.
    """
    random = np.random.default_rng(3)
    block = np.arange(64) // 2
    i, j = np.triu_indices(64, 1)
    member = (block[:, None] == np.arange(32)).astype(int)
    of_pair = np.minimum(1, member[i] + member[j])
    n_touching, found = of_pair.sum(axis=0), []
    for _ in range(400):
        errors = random.random(len(i)) < 0.1
        k, k_touching = int(errors.sum()), errors @ of_pair
        how = estimate.doubt(k, len(i), k_touching, n_touching)
        without = (k - k_touching) / (len(i) - n_touching)
        found.append((jackknife_variance(without) / how.binomial, 1 + how.measured / how.binomial))

    jackknife, corrected = np.mean(found, axis=0)
    # (2 b - 1) / (b - 1) for b = 32.
    assert jackknife == pytest.approx(63 / 31, rel=0.1)
    assert corrected == pytest.approx(1, abs=0.1)


@given(st.integers(10, 40), st.integers(0, 2**32 - 1))
@worlds.FEW
def test_one_subject_a_block_is_the_variance_of_fogliato(n: int, seed: int):
    """With one trial for every two people the doubt is their variance by identity, up to known factors near 1.

    Theirs is S - v, with S the squares of what each person has beyond the expected over the square of all n (n - 1) / 2
    trials, and v the binomial variance. Without a person a share (n - 2) / n of the trials is left, so the jackknife is
    S (n - 1) / n (n / (n - 2))^2, and c is (n - 1) / n n (n - 1) over the trials left: 2 (n - 1) / (n - 2).
    """
    random = np.random.default_rng(seed)
    i, j = np.triu_indices(n, 1)
    strength = random.gamma(0.5, size=n)
    errors = random.random(len(i)) < 1 - np.exp(-0.3 * strength[i] * strength[j])
    k = int(errors.sum())
    assume(0 < k < len(i))
    k_touching = np.bincount(i, errors, n) + np.bincount(j, errors, n)
    how = estimate.doubt(k, len(i), k_touching, np.full(n, n - 1))
    theirs = identity_variance(PairErrors.of(i, j, errors))
    squares = ((k_touching - k / len(i) * (n - 1)) ** 2).sum() / len(i) ** 2

    # The same sums in another order.
    assert how.measured == pytest.approx(
        squares * n * (n - 1) / (n - 2) ** 2 - 2 * (n - 1) / (n - 2) * how.binomial, rel=1e-6, abs=1e-12
    )
    assert theirs == pytest.approx(max(squares - how.binomial, how.binomial), rel=1e-9)


@pytest.mark.parametrize(
    ("without", "freedom"),
    [
        # Half of the blocks on either side: kurtosis 1, as many degrees as there can be.
        ([1.0, -1, 1, -1, 1, -1, 1, -1], 7),
        # One block of eight holds all: about their mean 7/8 and seven times -1/8; kurtosis 8 (7^4 + 7) / (7^2 + 7)^2.
        ([1.0, 0, 0, 0, 0, 0, 0, 0], 16 / (8 * (7**4 + 7) / (7**2 + 7) ** 2 - 1)),
        ([2.0] * 8, 7),
    ],
)
def test_degrees_of_freedom_fall_where_one_block_holds_the_doubt(without: list[float], freedom: float):
    """2 b / (kurtosis - 1), at most one less than the blocks; scipy's kurtosis agrees."""
    found = estimate.degrees_of_freedom(np.array(without))

    assert found == pytest.approx(freedom, rel=1e-12)
    if 2 < freedom < 7:
        assert found == pytest.approx(16 / (stats.kurtosis(without, fisher=False) - 1), rel=1e-12)


def test_trials_of_two_people_stretch_the_quantile_by_what_people_add():
    """1 + the relative deviation of the excess; trials of one block are not stretched."""
    one = estimate.doubt(40, 320, np.array([20, 4, 4, 4, 2, 2, 2, 2]), np.full(8, 40))
    two = estimate.doubt(7, 28, np.array([7, 1, 1, 1, 1, 1, 1, 1]), np.full(8, 7))

    assert one.excess > 0
    assert one.stretch == 1
    assert two.stretch == pytest.approx(1 + math.sqrt(two.excess) / (7 / 28), rel=1e-12)
    assert two.quantile(0.95) == pytest.approx(two.stretch * stats.t.ppf(0.975, two.freedom), rel=1e-9)
    assert two.variance == two.binomial + two.excess


def test_another_level_is_the_interval_of_that_level():
    """`at_level` is what `rate` gives at the level, with errors, without, and without an interval."""
    many = [list(range(8)), [10] * 8]
    for k, arrays in ((28, many), (0, [[0] * 8, [10] * 8])):
        how = estimate.doubt(k, 80, np.array(arrays[0]), np.array(arrays[1])) if k else None
        found = estimate.at_level(simple(k, 80, *arrays), how, 0.8)
        assert found == simple(k, 80, *arrays, level=0.8)
    none = simple(3, 70, [1, 1, 1, 0, 0, 0, 0, 0], [10] * 7 + [0])
    assert estimate.at_level(none, None, 0.8).low is None


def test_the_effective_number_is_never_above_the_real_one():
    """Blocks that happen to agree do not make more trials than there were."""
    # Without a block 4 or 3 of 70: variance 7/8 * 8 * (.5 / 70)^2, which would be 133 trials at .05 * .95.
    found = simple(4, 80, [1, 1, 1, 1, 0, 0, 0, 0], [10] * 8)

    assert 0.05 * 0.95 / (7 / 8 * 8 * (0.5 / 70) ** 2) > 80
    assert found.n_effective == 80
    assert simple(8, 80, [1] * 8, [10] * 8).n_effective == 80


def test_no_trials_have_no_rate():
    """0 of 0 is a value of its own with a reason: not 0, not infinity."""
    found = simple(0, 0, [0] * 8, [0] * 8, what="mated comparisons")

    assert (found.value, found.low, found.high, found.reason) == (None, None, None, "0 mated comparisons")
    assert undefined("why").to_json()["reason"] == "why"


@pytest.mark.parametrize("m", [1, 10, 30_000])
def test_no_errors_are_bounded_by_trials_that_share_no_subject(m: int):
    """Zero of n has the bound 1 - (1 - level)^(1/m); for 30,000 trials 9.9853e-5 (metrics.md 1.9)."""
    found = simple(0, 10**6, [0] * 8, [10] * 8, n_independent=m)
    bound = 1 - 0.05 ** (1 / m)

    # The subtraction from one loses digits of the expected value: 1e-16 of 1e-4.
    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(bound, rel=1e-10)
    assert found.n_effective == m
    if m == 30_000:
        assert round(found.high, 9) == 9.9853e-5


def test_nothing_but_errors_is_bounded_from_below():
    """The mirror image: n of n."""
    found = simple(50, 50, [10] * 8, [10] * 8, n_independent=10)

    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(0.05 ** (1 / 10), rel=1e-12)


def test_the_bound_rests_on_at_most_as_many_trials_as_there_are():
    """Four trials do not become ten because there are twenty subjects."""
    assert simple(0, 4, [0] * 8, [1] * 8, n_independent=10).n_effective == 4


def test_no_independent_trial_has_no_bound():
    """One subject alone shows nothing about others."""
    found = simple(0, 5, [0] * 8, [1] * 8, n_independent=0)

    assert (found.value, found.low, found.high) == (0, None, None)
    assert "no two trials without a common subject" in found.reason


def test_fewer_than_eight_blocks_have_no_interval():
    """Seven blocks cannot show how subjects vary: the rate stands alone, with the reason; eight can."""
    seven = simple(3, 70, [1, 1, 1, 0, 0, 0, 0, 0], [10] * 7 + [0])

    assert (seven.value, seven.low, seven.high) == (3 / 70, None, None)
    assert "7 blocks, at least 8 are needed" in seven.reason
    assert simple(3, 80, [1, 1, 1, 0, 0, 0, 0, 0], [10] * 8).low is not None


def test_the_smaller_of_two_groups_must_fill_eight_blocks():
    """Trials between groups touch every block, though one group fills only two."""
    found = simple(8, 80, [1] * 8, [10] * 8, n_occupied=2)

    assert found.low is None
    assert "subjects in 2 blocks" in found.reason


def test_blocks_without_subjects_do_not_narrow_the_interval():
    """Empty blocks would count as blocks that agree."""
    full = simple(28, 80, list(range(8)), [10] * 8)
    padded = simple(28, 80, list(range(8)) + [0] * 24, [10] * 8 + [0] * 24)

    assert (full.low, full.high) == (padded.low, padded.high)


@given(st.integers(1, 79), st.integers(0, 2**32 - 1), st.sampled_from([0.5, 0.8, 0.95, 0.99]))
@worlds.FEW
def test_an_interval_holds_its_rate_within_zero_and_one(k: int, seed: int, level: float):
    """0 <= low <= value <= high <= 1."""
    errors = np.random.default_rng(seed).multivariate_hypergeometric([10] * 8, k)
    found = simple(k, 80, errors.tolist(), [10] * 8, level=level)

    assert 0 <= found.low <= k / 80 <= found.high <= 1
    assert found.level == level


N_SUBJECTS, N_BLOCKS = 128, 32
THRESHOLD = 0.5


def world_of_known_truth(random: np.random.Generator, mean: float, spread: float) -> Tally:
    """A tally in which each subject errs in a way of its own, in both roles.

    Subject i has an effect a_i, normal with deviation `spread`. Non-mated comparison i, j is accepted with
    probability Phi(mean + a_i + a_j); each of the 1 to 12 mated ones of i is rejected with Phi(mean + a_i).
    Over all subjects that might have come, the rates are Phi(mean / sqrt(1 + 2 spread^2)) and
    Phi(mean / sqrt(1 + spread^2)).
    """
    effect = spread * random.normal(size=N_SUBJECTS)
    accepted = np.triu(random.normal(size=(N_SUBJECTS,) * 2) < mean + effect[:, None] + effect[None, :], k=1)
    n_mated = random.integers(1, 13, size=N_SUBJECTS)
    rejected = random.binomial(n_mated, stats.norm.cdf(mean + effect))
    block = np.arange(N_SUBJECTS) % N_BLOCKS
    member = (block[:, None] == np.arange(N_BLOCKS)).astype(float)
    non_mated = np.triu(np.ones_like(accepted), k=1)

    def touching(pairs: np.ndarray) -> np.ndarray:
        between = member.T @ (pairs + pairs.T) @ member
        return between.sum(axis=1) - np.diag(between) / 2

    def by_block(values: np.ndarray) -> np.ndarray:
        return values @ member

    # Bins: below the threshold, at or above it, without a score.
    blocks = np.zeros((N_BLOCKS, 2, 3))
    blocks[:, 0, 1] = touching(accepted.astype(float))
    blocks[:, 0, 0] = touching(non_mated.astype(float)) - blocks[:, 0, 1]
    blocks[:, 1, 0] = by_block(rejected)
    blocks[:, 1, 1] = by_block(n_mated) - blocks[:, 1, 0]
    total = np.zeros((2, 3))
    total[0] = [non_mated.sum() - accepted.sum(), accepted.sum(), 0]
    total[1] = [rejected.sum(), (n_mated - rejected).sum(), 0]
    subjects = worlds.parties((N_SUBJECTS // N_BLOCKS,) * N_BLOCKS)
    plan = worlds.small_plan(subjects=subjects, mated_subjects=subjects, edges=(THRESHOLD,), n_blocks=N_BLOCKS)
    return worlds.tally_of(plan, total, blocks)


@pytest.mark.parametrize(("mean", "spread"), [(-1.8, 0.35), (-1.5, 0.1)])
def test_intervals_cover_a_known_truth(mean: float, spread: float):
    """Over 300 worlds of crossed subject effects, 95% intervals of FMR and FNMR hold the truth 90% to 99% of the time.

    The standard error of a share of 300 at 95% is sqrt(.95 * .05 / 300) = 1.3%: 90% to 99% is -4 to +3 of them.
    Intervals that take comparisons as independent cover FMR far less, which the last line shows.
    """
    random = np.random.default_rng(20240601)
    truth = {
        "fmr": NormalDist().cdf(mean / math.sqrt(1 + 2 * spread**2)),
        "fnmr": NormalDist().cdf(mean / math.sqrt(1 + spread**2)),
    }
    covered = {"fmr": 0, "fnmr": 0, "naive": 0}
    n_worlds = 300
    for _ in range(n_worlds):
        tally = world_of_known_truth(random, mean, spread)
        for name, metric in (("fmr", metrics.fmr), ("fnmr", metrics.fnmr)):
            found = metric(tally, THRESHOLD)
            covered[name] += found.low <= truth[name] <= found.high
        naive = wilson((found := metrics.fmr(tally, THRESHOLD)).value, found.n, 1.96)
        covered["naive"] += naive[0] <= truth["fmr"] <= naive[1]

    assert 0.90 <= covered["fmr"] / n_worlds <= 0.99
    assert 0.90 <= covered["fnmr"] / n_worlds <= 0.99
    assert covered["naive"] < covered["fmr"]


def test_the_constants_are_those_of_the_documents():
    """95% and eight blocks are promises."""
    assert (estimate.LEVEL, estimate.MIN_BLOCKS) == (0.95, 8)


def test_blocks_weigh_as_many_alike():
    """Four blocks of equal trials weigh as four; one that holds nearly all as little more than one."""
    assert estimate.blocks_by_weight(np.array([5, 5, 5, 5, 0])) == 4
    assert estimate.blocks_by_weight(np.array([97, 1, 1, 1])) == pytest.approx(100**2 / (97**2 + 3))
    assert estimate.blocks_by_weight(np.zeros(3)) == 0


def test_degrees_of_freedom_are_those_of_the_blocks_that_weigh():
    """Whatever the errors, no more than blocks alike would have; in some worlds that is what decides."""
    decides = 0
    for seed in range(50):
        rng = np.random.default_rng(seed)
        n = (rng.pareto(1.0, 32) * 50).astype(int) + 5
        k = rng.binomial(n, 0.3)
        found = estimate.doubt(int(k.sum()), int(n.sum()), k, n)
        most = max(1.0, estimate.blocks_by_weight(n) - 1)
        assert found.freedom <= most
        decides += found.freedom == most
    assert 0 < decides < 50


def test_an_interval_says_when_few_people_have_most_trials():
    """One block has half of the trials: 32 weigh as four; with blocks alike nothing is said."""
    n = np.full(32, 100)
    heavy = np.where(np.arange(32) == 0, 3100, 100)
    k = np.arange(32) % 5 + 8
    people = {"n_subjects": 99, "n_independent": 99, "n_occupied": 32}

    said = estimate.rate(int(k.sum()), int(heavy.sum()), k, heavy, **people).method
    assert said.endswith("few people have most trials: they weigh as 3.9 blocks alike")
    assert estimate.rate(int(k.sum()), int(n.sum()), k, n, **people).method == estimate.METHOD


def test_an_estimate_is_shown_in_a_line():
    """With its interval, or the reason why there is none."""
    found = Estimate(131 / 6150, 0.01783, 0.02521, 131, 6150)

    assert repr(found) == "Estimate(0.0213 [0.0178, 0.0252], k=131, n=6150)"
    assert repr(undefined("0 trials")) == "Estimate(0 trials)"
    assert repr(Estimate(0.5, None, None, 1, 2, reason="too few")) == "Estimate(0.5 too few, k=1, n=2)"
