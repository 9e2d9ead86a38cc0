"""The bootstraps and the variance by identity: hand vectors, enumeration, and agreement with the blocks of a tally."""

from __future__ import annotations

import math
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from frbench.errors import InputError
from frbench.estimate import doubt, wilson
from tests.bootstrap import (
    PairErrors,
    double_or_nothing,
    double_or_nothing_exact,
    identity_variance,
    percentiles,
    vertex,
)
from tests.worlds import worlds

Z = stats.norm.ppf(0.975)


def all_pairs(n: int, errors: set[tuple[int, int]]) -> PairErrors:
    """One trial for every two of n people."""
    pairs = list(combinations(range(n), 2))
    return PairErrors.of([a for a, _ in pairs], [b for _, b in pairs], [pair in errors for pair in pairs])


def mated(counts: list[tuple[int, int]]) -> PairErrors:
    """Mated trials of people with so many errors of so many trials."""
    trials = [(i, error) for i, (k, n) in enumerate(counts) for error in [1] * k + [0] * (n - k)]
    subjects = [i for i, _ in trials]
    return PairErrors.of(subjects, subjects, [error for _, error in trials])


PATH = all_pairs(4, {(0, 1), (1, 2)})
WOLF = all_pairs(5, {(0, j) for j in range(1, 5)})
MATED = mated([(0, 10), (0, 10), (5, 10), (0, 10), (1, 4)])


@pytest.mark.parametrize(
    ("pairs", "rate", "variance", "n_effective", "low", "high"),
    [
        (PATH, 1 / 3, 1 / 27, 6, 0.0967714, 0.7000067),
        (WOLF, 2 / 5, 6 / 125, 5, 0.1176208, 0.7692757),
        (MATED, 3 / 22, 575 / 58564, 11.99478, 0.0339199, 0.4152248),
    ],
)
def test_the_published_vectors(
    pairs: PairErrors, rate: float, variance: float, n_effective: float, low: float, high: float
):
    """The vectors of metrics.md 1.10: variance, effective n, and Wilson's interval at it."""
    found = identity_variance(pairs)

    assert pairs.rate == pytest.approx(rate, rel=1e-15)
    # Sums of a few products in float64.
    assert found == pytest.approx(variance, rel=1e-12)
    # The rest is printed to seven digits.
    assert rate * (1 - rate) / found == pytest.approx(n_effective, rel=1e-6)
    assert wilson(rate, rate * (1 - rate) / found, Z) == pytest.approx((low, high), abs=6e-8)


def test_the_naive_intervals_of_the_vectors_are_narrower():
    """Wilson at n = 10 for the wolf and at 44 for the mated trials, as printed in metrics.md 1.10."""
    assert wilson(2 / 5, 10, Z) == pytest.approx((0.1681803, 0.6873262), abs=6e-8)
    # The last printed digit of the second is 0.2670945|305, rounded up.
    assert wilson(3 / 22, 44, Z) == pytest.approx((0.0640295, 0.2670946), abs=1e-7)


def test_double_or_nothing_over_all_weightings():
    """Eleven of sixteen weightings of four people leave a pair: mean 1/3, variance .141414."""
    rates = double_or_nothing_exact(PATH)

    assert len(rates) == 6 + 4 + 1
    assert rates.mean() == pytest.approx(1 / 3, rel=1e-12)
    assert rates.var() == pytest.approx(0.141414, abs=5e-7)
    by_hand = []
    for kept in product((0, 1), repeat=4):
        pairs = [(a, b) for a, b in combinations(range(4), 2) if kept[a] and kept[b]]
        if pairs:
            by_hand.append(sum(p in {(0, 1), (1, 2)} for p in pairs) / len(pairs))
    assert sorted(by_hand) == pytest.approx(sorted(rates), abs=1e-15)


def test_mated_trials_have_the_weight_of_their_person():
    """Two people, 0 of 1 and 1 of 2: kept alone or together the rates are 0, 1/2 and 1/3."""
    assert sorted(double_or_nothing_exact(mated([(0, 1), (1, 2)]))) == [0, 1 / 3, 1 / 2]


def test_random_weightings_come_from_the_enumerated_ones():
    """The mean of 20,000 is the exact one to four standard errors, and no other rate occurs."""
    exact = double_or_nothing_exact(WOLF)
    rates = double_or_nothing(WOLF, draws=20_000, random=np.random.default_rng(1))

    assert set(rates) == set(exact)
    assert abs(rates.mean() - exact.mean()) < 4 * exact.std() / math.sqrt(len(rates))
    assert len(rates) < 20_000


def test_a_vertex_sample_counts_copies_as_average_pairs():
    """Of two people with one error in their one pair every sample has the rate 1, even without the pair."""
    one = all_pairs(2, {(0, 1)})

    assert set(vertex(one, draws=300, random=np.random.default_rng(1))) == {1.0}
    assert len(vertex(WOLF, draws=300, random=np.random.default_rng(1))) == 300


def test_a_vertex_sample_by_hand():
    """Three people, pair 01 in error, drawn 2, 1, 0 times: pair 01 twice, one pair of copies at 1/3: (2 + 1/3) / 3."""

    class Fixed:
        def multinomial(self, n, shares, size):
            assert (n, size) == (3, 1)
            assert np.allclose(shares, 1 / 3)
            return np.array([[2, 1, 0]])

    rates = vertex(all_pairs(3, {(0, 1)}), draws=1, random=Fixed())

    assert rates == pytest.approx([(2 + 1 / 3) / 3], rel=1e-12)


def test_mated_vertex_samples_resample_people():
    """Their variance is that by identity, to 10% over 4,000 samples of 40 people of 5 trials."""
    random = np.random.default_rng(5)
    pairs = mated([(int(k), 5) for k in random.binomial(5, random.beta(1, 4, size=40))])
    rates = vertex(pairs, draws=4000, random=random)

    # The standard error of a variance of 4,000 near-normal values is sqrt(2 / 4000) = 2.2%.
    assert rates.var() == pytest.approx(identity_variance(pairs), rel=0.1)


def population(random: np.random.Generator, n: int) -> tuple[PairErrors, np.ndarray, np.ndarray, np.ndarray]:
    """People of different strength: their pairs, and both sides and errors of every trial."""
    i, j = np.triu_indices(n, 1)
    strength = random.lognormal(0, 0.6, size=n)
    errors = random.random(len(i)) < np.minimum(1, 0.02 * strength[i] * strength[j])
    return PairErrors.of(i, j, errors), i, j, errors


def test_blocks_and_identities_agree_and_bootstraps_say_by_how_much_they_are_too_wide():
    """Over 20 worlds of 64 people, two a block, the mean variance of blocks is that by identity.

    Both bootstraps draw what belongs to a pair alone three times: E[(r s)^2] - 1 = 3 for counts of variance 1. They
    are larger by twice the binomial variance. The variance of one world has a relative standard error of at most
    sqrt(2 (31 / 31)) 2 / sqrt(31) = 50% from 32 blocks, since half of the jackknife is taken away, and of sqrt(2 / 200)
    = 10% from 200 samples: means of 20 have 11% and 2%, and three of them and the bias of a small sample are allowed.
    """
    random = np.random.default_rng(11)
    member = (np.arange(64)[:, None] % 32 == np.arange(32)).astype(int)
    found = []
    for _ in range(20):
        pairs, i, j, errors = population(random, 64)
        of_pair = np.minimum(1, member[i] + member[j])
        how = doubt(int(errors.sum()), len(i), errors @ of_pair, of_pair.sum(axis=0))
        samples = vertex(pairs, draws=200, random=random).var()
        doubled = double_or_nothing(pairs, draws=200, random=random).var()
        found.append((how.variance, identity_variance(pairs), samples, doubled, how.binomial))
    blocks, identities, samples, doubled, binomial = np.mean(found, axis=0)

    assert blocks == pytest.approx(identities, rel=0.33)
    assert samples == pytest.approx(identities + 2 * binomial, rel=0.2)
    assert doubled == pytest.approx(identities + 2 * binomial, rel=0.2)


@given(st.integers(2, 9), st.integers(0, 2**32 - 1))
@worlds.FEW
def test_the_order_of_trials_and_of_sides_does_not_matter(n: int, seed: int):
    """Trials of the same two people are counted together, whoever stands first."""
    random = np.random.default_rng(seed)
    a, b = random.integers(0, n, size=(2, 60))
    a[0], b[0] = 0, 1
    kept = a != b
    a, b, errors = a[kept], b[kept], random.integers(0, 2, size=kept.sum())
    order, turned = random.permutation(len(a)), random.random(len(a)) < 0.5
    first = PairErrors.of(a, b, errors)
    other = PairErrors.of(np.where(turned, b, a)[order], np.where(turned, a, b)[order], errors[order])

    assert first.trials.sum() == len(a)
    assert identity_variance(first) == identity_variance(other)
    assert len({*zip(first.a.tolist(), first.b.tolist(), strict=True)}) == len(first.a)


def test_mated_and_non_mated_trials_do_not_mix():
    """Two rates have two variances."""
    with pytest.raises(InputError, match="expected one of them"):
        identity_variance(PairErrors.of([0, 0], [0, 1], [0, 1]))


@pytest.mark.parametrize("columns", [([], [], []), ([1, 2], [1], [0, 0])])
def test_columns_of_trials_must_match(columns: tuple[list[int], ...]):
    """No trials, or sides of different length, are refused."""
    with pytest.raises(InputError, match="expected the same number"):
        PairErrors.of(*columns)


def test_only_few_people_are_enumerated():
    """2^21 weightings are too many."""
    with pytest.raises(InputError, match="21 people"):
        double_or_nothing_exact(all_pairs(21, {(0, 1)}))


def test_percentiles_are_numpys():
    """The middle half of 0 to 100; nothing has none."""
    assert percentiles(np.arange(101.0), 0.5) == (25, 75)
    with pytest.raises(InputError, match="draw more"):
        percentiles(np.zeros(0))
