"""Two rates side by side: recovery by hand, correlation, bounds, and the same rates as `metrics` of every kind."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from studies.populations import GROUPING, THRESHOLD, Population
from studies.populations import worlds as drawn

from frbench.errors import InputError
from frbench.estimate import wilson
from frbench.plan import Group
from frbench.reading import joint, metrics
from frbench.reading.joint import Replicates, replicates
from frbench.reading.rate import METRICS, Rate
from tests.worlds import worlds

F, M = ("f", "f"), ("m", "m")
RATES = {"fmr": 2e-3, "fnmr": 0.05, "fpir": 0.1, "fnir": 0.1}
POPULATION = Population("of these tests", (80, 120), RATES, spread=0.5)


def world(seed: int = 1, population: Population = POPULATION):
    """One world."""
    return next(drawn(population, 1, np.random.default_rng(seed)))


def sides(metric: str, seed: int = 1, population: Population = POPULATION) -> tuple[Replicates, Replicates]:
    """A rate of both groups of one world."""
    found = world(seed, population)
    tally = found.searches if metric in ("fpir", "fnir") else found.comparisons
    return tuple(replicates(tally, Rate(metric, THRESHOLD), Group(GROUPING, g)) for g in (F, M))


@pytest.mark.parametrize("metric", METRICS)
def test_replicates_are_the_rates_of_the_runs_without_each_block(metric: str):
    """`total - touching[b]` is the run without block b, and its rate is `without[b]`."""
    found = world()
    tally = found.searches if metric in ("fpir", "fnir") else found.comparisons
    side = replicates(tally, Rate(metric, THRESHOLD), Group(GROUPING, F))
    rows = [i for i, cell in enumerate(tally.plan.cells) if cell.group_a == 0 and cell.mated == (metric[1] == "n")]
    for b in np.flatnonzero(side.occupied):
        left = tally.without(int(b))[rows].sum(axis=0)
        wrong = left[0] if metric[1] == "n" else left[1]
        assert side.without[b] == wrong / left.sum()
    one = {"fmr": metrics.fmr, "fnmr": metrics.fnmr, "fpir": metrics.fpir}
    group = Group.within(GROUPING, "f")
    if metric == "fnir":
        assert side.estimate == metrics.fnir(tally, THRESHOLD, rank=1, group=group)
    else:
        assert side.estimate == one[metric](tally, THRESHOLD, group=group)


@pytest.mark.parametrize("metric", METRICS)
def test_a_ratio_and_a_difference_are_recovered_from_both_intervals(metric: str):
    """Each end by hand: sqrt(x^2 + y^2 - 2 r x y) of the distances to the ends, on the logarithm for the ratio."""
    a, b = sides(metric)
    reach, r = joint.quantile(a, b, 0.95), joint.correlation(a, b)
    (low_a, high_a), (low_b, high_b) = (wilson(s.estimate.value, s.estimate.n_effective, reach) for s in (a, b))
    p, q = a.estimate.value, b.estimate.value
    found = joint.difference(a, b)

    # The same few operations in float64.
    assert found.value == p - q
    assert found.low == pytest.approx(
        p - q - math.sqrt((p - low_a) ** 2 + (high_b - q) ** 2 - 2 * r * (p - low_a) * (high_b - q)), rel=1e-9
    )
    x, y = math.log(high_a / p), math.log(q / low_b)
    assert joint.ratio(a, b).high == pytest.approx(p / q * math.exp(math.sqrt(x * x + y * y - 2 * r * x * y)), rel=1e-9)


def test_independent_trials_have_newcombes_interval_of_the_difference():
    """Without correlation it is Newcombe's hybrid score interval, at the quantile of both: his 56/70 against 48/80.

    Table II of Newcombe (1998), case (a), method 10: [0.0524, 0.3339].
    """
    ends = [(*wilson(k / n, n, stats.norm.ppf(0.975)), k / n) for k, n in ((56, 70), (48, 80))]
    (low_a, high_a, p), (low_b, high_b, q) = ends

    assert joint._recovered((low_a, p, high_a), (low_b, q, high_b), 0.0) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@given(st.integers(0, 2**32 - 1), st.sampled_from(METRICS), st.sampled_from([0.8, 0.95, 0.99]))
@worlds.FEW
def test_both_contrasts_turn_around(seed: int, metric: str, level: float):
    """a over b is one over b over a, a less b is minus b less a, and values lie inside their intervals."""
    a, b = sides(metric, seed)
    one, other = joint.difference(a, b, level=level), joint.difference(b, a, level=level)

    assert -1 <= one.low <= one.value <= one.high <= 1
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), rel=1e-9, abs=1e-15)
    first, second = joint.ratio(a, b, level=level), joint.ratio(b, a, level=level)
    assert (first.value is None) == (a.estimate.k == 0 or b.estimate.k == 0)
    if first.value is not None:
        assert 0 < first.low <= first.value <= first.high
        assert first.low * second.high == pytest.approx(1, rel=1e-9)


def test_people_in_both_groups_narrow_the_interval():
    """The same people with and without a mask: what they add to both rates cancels, more than for two sets of people.

    Over 20 worlds the mean correlation of FMR is above .3 for the same people, and within .15 of 0 for others: one has
    a standard error of about 1 / sqrt(31), the mean of 20 one of .04.
    """
    same = Population("same", (150, 150), {**RATES, "fmr": 0.01}, spread=0.9, is_shared=True)
    other = Population("other", (150, 150), {**RATES, "fmr": 0.01}, spread=0.9)
    found = {p.name: [joint.correlation(*sides("fmr", seed, p)) for seed in range(20)] for p in (same, other)}

    assert np.mean(found["same"]) > 0.3
    assert abs(np.mean(found["other"])) < 0.15


def test_correlation_is_what_people_share_and_no_more():
    """The covariance never exceeds what people add to both variances; without errors it is 0."""
    a, b = sides("fmr")
    most = math.sqrt(a.doubt.excess * b.doubt.excess / a.doubt.variance / b.doubt.variance)
    rare = sides("fmr", 1, Population("rare", (80, 120), {**RATES, "fmr": 1e-9}))

    assert abs(joint.correlation(a, b)) <= most
    assert joint.correlation(*rare) == 0


def test_no_errors_bound_the_ratio_and_the_difference():
    """0 of f: the bound of f over the lower end of m; the reason says it, and the difference has ends."""
    a, _ = sides("fnmr", 1, Population("none", (80, 120), {**RATES, "fnmr": 1e-12}))
    _, b = sides("fnmr")
    found, difference = joint.ratio(a, b), joint.difference(a, b)
    m = a.estimate.n_effective
    low = wilson(b.estimate.value, b.estimate.n_effective, joint.quantile(a, b, 0.95))[0]
    # One end at 97.5%, as each of the two ends of m.
    most = (1 - 0.025 ** (1 / m)) / low

    assert found.value is None
    assert found.reason == f"0 false non-matches of f; the ratio is below {most:.3g} at 95%"
    assert joint.ratio(b, a).reason == f"0 false non-matches of f; the ratio is above {1 / most:.3g} at 95%"
    assert difference.low < difference.value == -b.estimate.value < difference.high


def test_nothing_is_said_of_two_groups_without_errors():
    """0 over 0 has no bound."""
    a, b = sides("fnmr", 1, Population("none", (80, 120), {**RATES, "fnmr": 1e-12}))

    assert joint.ratio(a, b).reason == "0 false non-matches of f and of m"
    assert joint.difference(a, b).value == 0


def test_a_rate_without_interval_has_contrasts_without():
    """Five people in fewer than eight blocks: value and reason, which names the group."""
    a, b = sides("fnir", 3, Population("few", (6, 120), {**RATES, "fnir": 0.5}))
    for found in (joint.ratio(a, b), joint.difference(a, b)):
        assert found.value is not None
        assert found.low is None
        assert "at least 8 are needed (f)" in found.reason


def test_a_group_against_itself_has_no_doubt():
    """Ratio 1, difference 0, no width."""
    a, _ = sides("fmr")

    assert (joint.ratio(a, a).low, joint.ratio(a, a).high) == (1, 1)
    assert (joint.difference(a, a).low, joint.difference(a, a).high) == (0, 0)


def test_two_rates_or_two_thresholds_are_no_contrast():
    """FMR against FNMR is refused."""
    with pytest.raises(InputError, match="expected the same"):
        joint.ratio(sides("fmr")[0], sides("fnmr")[1])


def test_comparisons_need_a_threshold():
    """Only FNIR is defined without one."""
    with pytest.raises(InputError, match="FMR needs a threshold"):
        replicates(world().comparisons, Rate("fmr", None), Group(GROUPING, F))
    assert replicates(world().searches, Rate("fnir", None), Group(GROUPING, F)).estimate.n == 80


@pytest.mark.parametrize("n", [1, 2, 10])
def test_simultaneous_levels_are_sidaks(n: int):
    """n independent intervals hold together as often as the level says."""
    assert joint.simultaneous(n, 0.95) ** n == pytest.approx(0.95, rel=1e-12)
    assert joint.simultaneous(0) == 0.95


def test_skewness_that_both_share_needs_no_stretch():
    """Equal rates of equal doubt: Student's quantile with twice the degrees of freedom, unstretched."""
    a, _ = sides("fmr", 2)
    assert a.doubt.stretch > 1

    assert joint.quantile(a, a, 0.95) == pytest.approx(stats.t.ppf(0.975, 2 * a.doubt.freedom), rel=1e-9)
