"""Looks: exact chances of walks of coins, against enumeration, scipy and simulation."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from frbench.errors import InputError
from frbench.speed.looks import Looks, missing, plan


def strays(coins: tuple[int, ...], pairs: list[int], ranks: list[int]) -> bool:
    """Whether at some look fewer coins than its rank lie on one side."""
    heads = np.cumsum(coins)
    return any(min(heads[n - 1], n - heads[n - 1]) < rank for n, rank in zip(pairs, ranks, strict=True))


def test_the_chance_to_miss_is_that_of_all_walks_counted_one_by_one():
    """Of the 4,096 walks of twelve coins, those that stray at one of three looks."""
    pairs, ranks = [4, 8, 12], [1, 2, 4]
    n = sum(strays(coins, pairs, ranks) for coins in product((0, 1), repeat=12))

    assert missing(pairs, ranks) == n / 4096


@pytest.mark.parametrize(("n", "rank"), [(10, 2), (31, 10), (400, 180)])
def test_one_look_misses_as_the_binomial_says(n: int, rank: int):
    """P(X < rank) on both sides."""
    # Both sum the same terms, of which each is right to some 1e-13.
    assert missing([n], [rank]) == pytest.approx(2 * stats.binom.cdf(rank - 1, n, 0.5), rel=1e-10)


@given(most=st.integers(10, 600), level=st.sampled_from([0.9, 0.95, 0.975, 0.99]), end=st.integers(1, 300))
def test_looks_keep_their_level_wherever_they_end(most: int, level: float, end: int):
    """All planned looks together miss at most 1 - level, and so do those before an end with the end itself."""
    looks = plan(most, level=level)
    last = min(2 * end, looks.pairs[-1])
    before = [n for n in looks.pairs if n < last]
    ranks = [looks.rank(n) for n in before]

    # Sums of at most 600 terms: right to 1e-12.
    assert missing(looks.pairs, looks.ranks) <= 1 - level + 1e-12
    assert missing([*before, last], [*ranks, looks.last(last)]) <= 1 - level + 1e-12


@given(most=st.integers(10, 600))
def test_looks_are_even_and_grow_to_the_most_pairs(most: int):
    """The last look is the last even number that is allowed; each interval leaves out at most half on each side."""
    looks = plan(most)

    assert looks.pairs[0] == 10
    assert looks.pairs[-1] == most - most % 2
    assert all(a < b and b % 2 == 0 for a, b in zip(looks.pairs, looks.pairs[1:], strict=False))
    assert all(0 <= rank <= n // 2 for n, rank in zip(looks.pairs, looks.ranks, strict=True))


def test_an_end_that_nobody_planned_has_all_that_is_left():
    """Its interval is no wider than that of a planned look there, and no narrower than one that is looked at once."""
    looks = plan(2000)
    for n in looks.pairs:
        once = int(stats.binom.ppf(0.025, n, 0.5))
        assert looks.rank(n) <= looks.last(n) <= once


def test_every_look_at_95_percent_would_miss_a_quarter_of_the_time():
    """What the plan is for, exactly and in 4,000 simulated walks of 2,000 coins."""
    looks = plan(2000)
    naive = [int(stats.binom.ppf(0.025, n, 0.5)) for n in looks.pairs]
    coins = np.random.default_rng(1).integers(2, size=(4000, 2000), dtype=np.int8).cumsum(axis=1, dtype=np.int32)

    for ranks, expected in ((naive, missing(looks.pairs, naive)), (looks.ranks, missing(looks.pairs, looks.ranks))):
        heads = coins[:, np.array(looks.pairs) - 1]
        side = np.minimum(heads, np.array(looks.pairs) - heads)
        share = (side < np.array(ranks)).any(axis=1).mean()
        # Four standard errors of 4,000 walks.
        assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / 4000)
    assert missing(looks.pairs, naive) > 0.25
    assert missing(looks.pairs, looks.ranks) <= 0.05


def test_a_level_that_ten_pairs_cannot_hold_has_no_interval_there():
    """Ten coins are all on one side in 1 of 512 walks."""
    assert plan(10, level=0.999) == Looks(0.999, (10,), (0,))
    assert plan(10, level=1 - 1 / 512).ranks == (1,)


@pytest.mark.parametrize(("most", "level"), [(9, 0.95), (100_001, 0.95), (100, 1.0), (100, 0.4)])
def test_plans_that_make_no_sense_are_refused(most: int, level: float):
    """Too few pairs, too many, no level."""
    with pytest.raises(InputError, match="expected"):
        plan(most, level=level)
