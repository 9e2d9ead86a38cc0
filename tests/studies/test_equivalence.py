"""Equivalence: the interval at p touches the margin, and little data or far rates show nothing."""

from __future__ import annotations

import numpy as np
import pytest
from studies.equivalence import equivalence

from frbench.errors import InputError
from frbench.reading import joint
from tests.reading.test_differentials import F, M, rate, two_rates


def test_equivalence_is_an_interval_within_the_margin():
    """p is the smallest alpha whose 1 - 2 alpha interval lies inside: at p one end touches the margin."""
    random = np.random.default_rng(2)
    n = np.full(32, 5000)
    a, b = (rate(two_rates(random.poisson(20, 32), n, random.poisson(20, 32), n), g) for g in (F, M))
    found = equivalence(a, b, margin=1.25)
    touching = joint.ratio(a, b, level=1 - 2 * found.p)

    assert 0 < found.p < 0.05
    assert found.is_shown
    # The root finder stops within 2e-12 of alpha.
    assert min(touching.low * 1.25 - 1, 1 - touching.high / 1.25) == pytest.approx(0, abs=1e-6)


def test_equivalence_is_not_shown_by_little_data_or_far_rates():
    """Two errors a group show no likeness, and rates beyond the margin have p = 1."""
    few, n = np.array([1, 1] + [0] * 8), np.full(10, 100)
    little = equivalence(*(rate(two_rates(few, n, few[::-1], n), g) for g in (F, M)), margin=1.25)
    apart = equivalence(*(rate(two_rates(np.full(10, 9), n, np.full(10, 3), n), g) for g in (F, M)), margin=1.25)
    none = equivalence(*(rate(two_rates(0 * few, n, few, n), g) for g in (F, M)), margin=1.25)

    assert (little.is_shown, apart.is_shown, apart.p) == (False, False, 1)
    assert 0.05 < little.p <= 0.5
    assert (none.p, none.is_shown) == (None, False)
    assert none.reason.startswith("0 false matches of f")


@pytest.mark.parametrize(
    ("options", "words"), [({"margin": 1}, "margin is 1"), ({"margin": 2, "alpha": 0.5}, "alpha is")]
)
def test_margins_and_levels_must_make_sense(options: dict, words: str):
    """A margin of 1 could never be shown."""
    tally = two_rates(np.ones(10), np.full(10, 100), np.ones(10), np.full(10, 100))
    with pytest.raises(InputError, match=words):
        equivalence(rate(tally), rate(tally, M), **options)
