"""Power: closed forms, simulation of the test that is planned, and the rules of 3 and of 30."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from frbench.errors import InputError
from frbench.reading.power import (
    Design,
    Evidence,
    smallest_ratio,
    subjects_for_bound,
    subjects_for_errors,
    subjects_needed,
)
from tests.worlds import worlds

Z = stats.norm.ppf(0.975)


def test_the_smallest_ratio_solves_its_equation():
    """log R = (1.96 + 0.84) s(R), s^2 = (1 - pR) / (npR) + (1 - p) / (np) + both excesses."""
    p, n = 0.01, 5000
    found = smallest_ratio(Evidence(n, 0.002), Evidence(n, 0.001), p, quantile=Z)
    variance = (1 - p * found) / (n * p * found) + (1 - p) / (n * p) + 0.003

    # The root finder stops within 1e-12 of the logarithm.
    assert math.log(found) == pytest.approx((Z + stats.norm.ppf(0.8)) * math.sqrt(variance), rel=1e-9)


def test_a_detectable_ratio_is_detected_as_often_as_it_says():
    """20,000 pairs of binomial counts at the smallest ratio: log R over its own deviation is above 1.96 in 80%.

    The deviation is estimated from the counts; with 200 errors and more the normal approximation is good to 2 points,
    and the share has a standard error of 0.3.
    """
    random = np.random.default_rng(1)
    p, n = 0.02, 10_000
    ratio = smallest_ratio(Evidence(n, 0), Evidence(n, 0), p, quantile=Z)
    a, b = random.binomial(n, p * ratio, 20_000), random.binomial(n, p, 20_000)
    detected = np.log(a / b) > Z * np.sqrt((1 - a / n) / a + (1 - b / n) / b)

    assert detected.mean() == pytest.approx(0.8, abs=0.02)


@given(st.floats(1e-6, 0.2), st.integers(10**3, 10**8), st.floats(0, 0.1), st.floats(0.5, 0.95))
@worlds.FEW
def test_more_data_detect_smaller_ratios_and_more_power_larger_ones(p: float, n: int, excess: float, power: float):
    """Monotone in trials, excess and power; None only where not even a rate of 1 is enough."""

    def of(trials: int, extra: float, chance: float) -> float:
        return smallest_ratio(Evidence(trials, extra), Evidence(trials, extra), p, quantile=Z, power=chance) or math.inf

    found = of(n, excess, power)

    assert found >= 1
    assert of(10 * n, excess, power) <= found
    assert of(n, excess + 0.01, power) >= found
    assert of(n, excess, power + 0.04) >= found


def test_correlated_rates_show_smaller_ratios():
    """What people do to both rates cancels."""
    evidence = Evidence(5000, 0.02)
    apart, together = (smallest_ratio(evidence, evidence, 0.01, quantile=Z, together=r) for r in (0.0, 0.5))

    assert together < apart


def test_too_little_data_detect_nothing():
    """Ten trials at a rate of one half: not even a rate of 1 would be seen."""
    assert smallest_ratio(Evidence(10, 1), Evidence(10, 1), 0.5, quantile=Z) is None


@pytest.mark.parametrize(
    ("design", "subjects", "trials"),
    [
        (Design("fmr", 1e-3, 2), 10, 45 * 4),
        (Design("fnmr", 1e-3, 4), 10, 10 * 6),
        (Design("search", 1e-3, 3), 10, 30),
    ],
)
def test_trials_of_a_design(design: Design, subjects: int, trials: int):
    """Pairs of people times templates squared; mated pairs of each; searches."""
    assert design.trials(subjects) == trials


def test_a_plan_is_the_smallest_number_that_shows_the_ratio():
    """One subject fewer has a smallest ratio above 2, and the number itself at most 2."""
    for design in (Design("fmr", 1e-5), Design("fnmr", 0.02, 3), Design("search", 0.003, 1, 0.5)):
        found = subjects_needed(design, 2.0)
        quantile = stats.t.ppf(0.975, 31)
        ratios = [
            smallest_ratio(design.evidence(n), design.evidence(n), design.rate, quantile=quantile)
            for n in (found - 1, found)
        ]
        assert (ratios[0] or math.inf) > 2 >= ratios[1]


def test_more_subjects_are_better_than_more_templates():
    """Where people differ, a hundred templates of each do not make up for them."""
    few, many = (subjects_needed(Design("fmr", 1e-3, m, 1.0), 1.5) for m in (10, 100))

    # (2.04 + 0.84)^2 * 2 * 4 / log(1.5)^2: what people add alone.
    least = (stats.t.ppf(0.975, 31) + stats.norm.ppf(0.8)) ** 2 * 8 / math.log(1.5) ** 2
    assert least < many < few < 1.5 * least


def test_thirty_errors_need_so_many_people():
    """At FMR 1e-3 with one template 30,000 pairs: 246 people have 30,135, and 245 have 29,890 (metrics.md 1.9)."""
    assert subjects_for_errors(Design("fmr", 1e-3)) == 246
    assert subjects_for_errors(Design("search", 1e-3)) == 30_000


def rule_of_3(n: int) -> float:
    """The upper bound on a rate with no error in n independent trials: 1 - .05^(1/n), about 3 / n."""
    return -math.expm1(math.log(0.05) / n)


def test_the_rule_of_3():
    """0 of 30,000 bounds the rate below 9.9853e-5 (metrics.md 1.9), and 29,956 trials bound 1e-4."""
    assert rule_of_3(30_000) == pytest.approx(9.9853e-5, abs=5e-10)
    n = subjects_for_bound(Design("search", 1e-4))
    assert n == 29_956
    assert rule_of_3(n) <= 1e-4 < rule_of_3(n - 1)
    assert subjects_for_bound(Design("fmr", 1e-4)) == 2 * n


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Design("fmr", 0.0), "rate is 0.0"),
        (lambda: Design("fnmr", 0.1, 1), "expected at least 2 for fnmr"),
        (lambda: Design("fmr", 0.1, 1, -1), "spread is -1"),
        (lambda: Design("fmr", 0.1, 1, math.nan), "spread is nan"),
        (lambda: subjects_needed(Design("fmr", 0.1), 1.0), "ratio is 1,"),
        (lambda: subjects_needed(Design("fmr", 0.1), 10.0), "below 10"),
        (lambda: subjects_needed(Design("fmr", 0.1), 2.0, power=1.5), "power is 1.5"),
        (lambda: subjects_needed(Design("fmr", 0.1), 2.0, level=0), "level is 0"),
        (lambda: subjects_needed(Design("search", 1e-9), 1.0001), "10,000,000,000 subjects are not enough"),
    ],
)
def test_impossible_questions_are_refused(call, words: str):
    """One sentence says which number is wrong."""
    with pytest.raises(InputError, match=words):
        call()
