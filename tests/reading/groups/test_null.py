"""What chance alone shows: against permutation of labels, against simulated truth, and by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from frbench.reading.groups.assessment import assess
from frbench.reading.groups.indices import Weights, evaluate
from frbench.reading.groups.null import no_difference, redrawn
from frbench.reading.groups.rates import GroupRates
from tests.worlds import crossed

SIZES = (400, 300, 200, 100)
WORLDS = 200


def share_within(n: int, low: float = 0.93, high: float = 0.97) -> tuple[float, float]:
    """Shares of n worlds that a true share of low to high shows, but for one chance in a thousand on either side."""
    return float(stats.binom.ppf(0.001, n, low)) / n, float(stats.binom.ppf(0.999, n, high)) / n


def p_values(sizes, rate, spread, *, chances=None, worlds=WORLDS, seed=7) -> dict[tuple[str, str], np.ndarray]:
    """For each index, its p-values in worlds without a difference."""
    random = np.random.default_rng(seed)
    found: dict[tuple[str, str], list[float]] = {}
    for _ in range(worlds):
        people = crossed.People.of(random, sizes, spread)
        side = [crossed.fmr(people, *crossed.false_matches(random, people, [rate] * len(sizes)))]
        if chances is not None:
            side.append(crossed.fnmr(random, people, chances))
        for index in assess(side, Weights(), draws=400):
            found.setdefault((index.of, index.name), []).append(index.p_value)
    return {key: np.array(values) for key, values in found.items()}


@pytest.mark.parametrize(
    ("sizes", "rate", "spread"), [(SIZES, 2e-3, 0.5), ((250,) * 6, 4e-3, 0.3), ((800, 120), 3e-3, 0.8)]
)
def test_an_index_is_below_its_limit_in_95_of_100_worlds_without_a_difference(sizes, rate, spread):
    """Subjects differ, groups do not: 93 to 97% of worlds stay within what 95% of drawn ones do."""
    low, high = share_within(WORLDS)
    for key, p in p_values(sizes, rate, spread).items():
        assert low <= (p >= 0.05).mean() <= high, key


def test_indices_of_both_rates_are_below_their_limits_too():
    """FMR and FNMR of the same people, who are hard in both ways at once."""
    low, high = share_within(WORLDS)
    for key, p in p_values(SIZES, 2e-3, 0.5, chances=[0.05] * 4).items():
        assert low <= (p >= 0.05).mean() <= high, key


def test_trials_taken_as_independent_would_cry_wolf():
    """What the blocks are for: binomial draws of all trials reject more than a fifth of worlds without a difference."""
    random = np.random.default_rng(3)
    rejected = 0
    for _ in range(100):
        people = crossed.People.of(random, SIZES, 0.8)
        found = crossed.fmr(people, *crossed.false_matches(random, people, [4e-3] * 4))
        drawn = random.binomial(found.n.astype(int), found.k.sum() / found.n.sum(), size=(400, 4)) / found.n
        seen, chance = (evaluate([x], Weights())["gini"] for x in (found.k / found.n, drawn))
        rejected += seen > np.quantile(chance, 0.95)

    assert rejected > 20


def permutation_p(people: crossed.People, a, b, name: str, draws: int = 400) -> float:
    """Share of worlds of dealt labels in which an index of FMR is as large as with the labels that people have."""
    same = people.group[a] == people.group[b]
    k = np.bincount(people.group[a[same]], minlength=len(people.sizes))
    seen = evaluate([k / (people.sizes * (people.sizes - 1) / 2)], Weights())[name]
    dealt, n = permuted(a, b, np.ones(len(people.group), dtype=np.int64), people.group, draws=draws)
    return float((1 + (evaluate([dealt / n], Weights())[name] >= seen).sum()) / (1 + draws))


def test_blocks_agree_with_permuted_labels():
    """Worlds in which group does not matter at all: dealing labels anew and the blocks give the same p-values."""
    random = np.random.default_rng(11)
    by_blocks, by_labels = [], []
    for _ in range(80):
        people = crossed.People.of(random, SIZES, 0.5)
        everybody = crossed.People(np.zeros_like(people.group), people.block, people.factor)
        a, b = crossed.false_matches(random, everybody, [3e-3])
        within = people.group[a] == people.group[b]
        (found,) = (
            i for i in assess([crossed.fmr(people, a[within], b[within])], Weights(), draws=400) if i.name == "gini"
        )
        by_blocks.append(found.p_value)
        by_labels.append(permutation_p(people, a, b, "gini"))

    low, high = share_within(80)
    assert low <= (np.array(by_labels) >= 0.05).mean() <= high
    assert low <= (np.array(by_blocks) >= 0.05).mean() <= high
    # Both rank worlds by how far apart their groups are; 400 draws leave each p-value an error of at most .025.
    assert stats.spearmanr(by_blocks, by_labels).statistic > 0.95
    assert np.abs(np.array(by_blocks) - by_labels).mean() < 0.1


def test_permuted_counts_are_those_of_every_pair():
    """Errors and comparisons of dealt labels, one pair of rows after the other."""
    rows, group = np.array([1, 3, 2, 1, 4, 2]), np.array([0, 0, 1, 1, 2, 2])
    a, b = np.array([0, 1, 1, 4, 3]), np.array([1, 2, 4, 5, 4])
    k, n = permuted(a, b, rows, group, draws=20, seed=5)

    again = np.random.default_rng(5)
    of_row = np.repeat(np.arange(6), rows)
    for i in range(20):
        dealt = again.permutation(group)
        pairs = [(x, y) for x, y in combinations(of_row, 2) if x != y and dealt[x] == dealt[y]]
        assert n[i].tolist() == [sum(dealt[x] == g for x, _ in pairs) for g in range(3)]
        assert k[i].tolist() == [sum(dealt[x] == dealt[y] == g for x, y in zip(a, b, strict=True)) for g in range(3)]


def permuted(
    subject_a: np.ndarray, subject_b: np.ndarray, rows: np.ndarray, group: np.ndarray, *, draws: int, seed: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """(draws, groups) false matches and non-mated comparisons within each group, labels dealt to subjects anew.

    Parameters
    ----------
    subject_a, subject_b : (k,) subjects of every false match among all pairs. rows : (subjects,) templates of each.
    group : (subjects,) group of each subject, from 0. Comparisons of a group are closed forms of rows:
    ((sum r)^2 - sum r^2) / 2.
    """
    random = np.random.default_rng(seed)
    n_groups = int(group.max()) + 1
    k, n = (np.empty((draws, n_groups), dtype=np.int64) for _ in range(2))
    for i in range(draws):
        dealt = random.permutation(group)
        same = dealt[subject_a][dealt[subject_a] == dealt[subject_b]]
        k[i] = np.bincount(same, minlength=n_groups)
        whole, squares = (np.bincount(dealt, weights=w, minlength=n_groups) for w in (rows, rows**2))
        n[i] = (whole**2 - squares) / 2
    return k, n


def permuted_mated(
    errors: np.ndarray, trials: np.ndarray, group: np.ndarray, draws: int, seed: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """(draws, groups) errors and trials of each group, labels dealt to subjects anew.

    Parameters
    ----------
    errors, trials : (subjects,) mated trials of each, or searches. group : (subjects,) group of each, from 0.
    """
    random = np.random.default_rng(seed)
    n_groups = int(group.max()) + 1
    k, n = (np.empty((draws, n_groups), dtype=np.int64) for _ in range(2))
    for i in range(draws):
        dealt = random.permutation(group)
        k[i], n[i] = (np.bincount(dealt, weights=w, minlength=n_groups) for w in (errors, trials))
    return k, n


def test_permuted_mated_trials_stay_with_their_subjects():
    """Errors and trials of all groups add up to those of all subjects, whatever the labels."""
    errors, trials = np.array([0, 2, 1, 5]), np.array([3, 2, 4, 6])
    k, n = permuted_mated(errors, trials, np.array([0, 0, 1, 1]), draws=50)

    assert set(k.sum(axis=1)) == {8}
    assert set(n.sum(axis=1)) == {15}
    # Six ways to choose two of four subjects: one is missed in 50 draws with a chance of 6 (5/6)^50 < 1e-3.
    assert {tuple(row) for row in k.tolist()} == {
        (x, 8 - x) for x in (errors[i] + errors[j] for i, j in combinations(range(4), 2))
    }


def world(spread: float = 0.5, rate: float = 2e-3, seed: int = 1):
    """FMR within four groups."""
    random = np.random.default_rng(seed)
    people = crossed.People.of(random, SIZES, spread)
    return crossed.fmr(people, *crossed.false_matches(random, people, [rate] * 4))


def test_drawn_rates_have_the_pooled_mean():
    """The mean of each group's draws is the pooled rate, within four standard errors of 20,000 draws."""
    side = world()
    pooled = side.k.sum() / side.n.sum()
    (drawn,) = no_difference([side], draws=20_000).rates

    error = drawn.std(axis=0) / np.sqrt(20_000)
    assert (np.abs(drawn.mean(axis=0) - pooled) < 4 * error).all()


def test_drawn_rates_vary_as_their_effective_trials_say():
    """The variance of draws is p (1 - p) / n_effective, and n_effective is at most n."""
    side = world(spread=1.0)
    pooled = side.k.sum() / side.n.sum()
    drawn = no_difference([side], draws=50_000)
    expected = pooled * (1 - pooled) / drawn.n_effective[0]

    # The relative error of a variance of 50,000 draws of kurtosis up to 12 is sqrt(11 / 50,000) = .015; four of them.
    np.testing.assert_allclose(drawn.rates[0].var(axis=0), expected, rtol=0.06)
    assert (drawn.n_effective[0] <= side.n).all()


def test_redrawn_rates_have_the_means_that_were_seen():
    """Each group keeps its own rate, a group without errors has none."""
    side = world()
    (drawn,) = redrawn([side], draws=20_000).rates

    error = drawn.std(axis=0) / np.sqrt(20_000)
    assert (np.abs(drawn.mean(axis=0) - side.k / side.n) <= 4 * error).all()


def test_rates_near_one_stay_within_one():
    """FNMR of 90% varies by its rarer outcome."""
    random = np.random.default_rng(2)
    people = crossed.People.of(random, SIZES, 0.1)
    side = crossed.fnmr(random, people, [0.9] * 4)
    (drawn,) = no_difference([side], draws=2000).rates

    assert (drawn <= 1).all()
    assert drawn.mean() == pytest.approx(side.k.sum() / side.n.sum(), abs=0.01)


def test_the_same_seed_gives_the_same_draws():
    """A result is a function of the tally and the seed."""
    one, same, other = (no_difference([world()], draws=50, seed=seed).rates[0] for seed in (1, 1, 2))

    assert (one == same).all()
    assert (one != other).any()


def test_rates_of_the_same_people_are_drawn_together():
    """A group twice under two names shares its people: drawn rates move together; those of disjoint groups do not."""
    side = world(spread=0.7, rate=2e-2)
    twice = [0, *range(4)]
    kin = np.eye(5, dtype=bool)
    kin[:2, :2] = True
    doubled = GroupRates(
        metric="fmr",
        groups=("a", "a again", "b", "c", "d"),
        estimates=tuple(side.estimates[i] for i in twice),
        k_touching=side.k_touching[:, twice],
        n_touching=side.n_touching[:, twice],
        n_subjects=side.n_subjects[twice],
        kin=kin,
        left_out={},
    )
    (drawn,) = no_difference([doubled], draws=4000).rates
    correlation = np.corrcoef(drawn.T)

    # Subjects give nearly all the variance here; what is left is the group's own share of a beta of all groups.
    assert correlation[0, 1] > 0.5
    # 4,000 draws leave a correlation of 0 an error of 1 / sqrt(4000) = .016; four of them.
    assert np.abs(correlation[1:, 1:] - np.eye(4)).max() < 0.064


@pytest.mark.parametrize("seen", ["no errors", "few blocks", "nobody known"])
def test_nothing_is_drawn_without_what_it_takes(seen: str):
    """Errors, eight blocks of each group, and people: else there is a reason, and no draws."""
    side = world()
    changes = {
        "no errors": {"estimates": tuple(type(e)(0.0, None, None, 0, e.n) for e in side.estimates)},
        "few blocks": {"n_touching": side.n_touching * (np.arange(32) < 7)[:, None]},
        "nobody known": {"k_touching": side.k_touching[:0], "n_touching": side.n_touching[:0]},
    }
    drawn = no_difference([type(side)(**vars(side) | changes[seen])])

    assert drawn.rates == ()
    assert {
        "no errors": "no group has both false matches",
        "few blocks": "in 7 blocks of subjects, at least 8",
        "nobody known": "people are not known",
    }[seen] in drawn.reason
