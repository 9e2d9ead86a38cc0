"""Models of growth, against published numbers, scipy's distributions and mixtures of known growth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from frbench.reading.sizes import gallery_models
from frbench.reading.sizes.gallery_models import Counts, to_rate
from tests.worlds import worlds

# Searches so many that expected counts stand for counts, and that one search more or less is nothing.
MANY = 1e15


def counts(
    *, matches: float = 0, positives: float = 0, singles: float = 0, doubles: float = 0, rows: float = 1
) -> Counts:
    """Shares of `MANY` searches, as counts."""
    shares = (matches, positives, singles, doubles)
    return Counts(np.array([MANY]), np.array([rows]), *(np.array([MANY * x]) for x in shares), tail=np.array([np.nan]))


def of_mixture(rates: list[float], weights: list[float]) -> Counts:
    """What searches show whose probes have these rates of matches with the gallery, in these shares."""
    x, w = np.array(rates), np.array(weights) / sum(weights)
    none = np.exp(-x)
    moments = (w @ x, w @ -np.expm1(-x), w @ (x * none), w @ (x * x * none / 2))
    return counts(**dict(zip(("matches", "positives", "singles", "doubles"), moments, strict=True)))


@pytest.mark.parametrize(
    ("fmr", "size", "fpir"),
    [
        (1e-9, 3e9, 0.95021),
        (1e-10, 3e9, 0.25918),
        (1e-12, 3e9, 0.0029955),
        (1e-8, 1e4, 1.0000e-4),
        (1e-8, 1e6, 0.0099502),
        (1e-8, 1.6e6, 0.015873),
        (1e-8, 12e6, 0.11308),
    ],
)
def test_binomial_numbers_of_the_field_notes(fmr: float, size: float, fpir: float):
    """metrics.md 1.11: 1 - (1 - FMR)^N to the five digits printed."""
    assert to_rate(gallery_models.binomial(counts(matches=fmr), size)[0]) == pytest.approx(fpir, rel=5e-5)


@pytest.mark.parametrize(("mean", "dispersion"), [(0.1, 0.05), (0.3, 1.0), (2.0, 0.5)])
def test_the_mixture_is_negative_binomial(mean: float, dispersion: float):
    """A gamma mixture of Poisson matches is scipy's negative binomial; ten times the gallery is ten times its mean."""

    def none(at: float) -> float:
        return float(stats.nbinom.pmf(0, dispersion, dispersion / (dispersion + at)))

    seen = counts(matches=mean, positives=1 - none(mean), rows=1000)
    for growth in (1, 10, 1e4):
        found = to_rate(gallery_models.mixture(seen, 1000 * growth)[0])
        # Lambert's function near its branch point halves the digits.
        assert found == pytest.approx(1 - none(mean * growth), rel=1e-7)


def test_probes_that_do_not_differ_are_poisson():
    """As many searches without a match as Poisson has, or fewer: growth is that of the mean, as in the binomial."""
    for positives in (-np.expm1(-0.2), 0.2):
        seen = counts(matches=0.2, positives=positives)
        # At the first, both branches meet within the rounding of the square root at the branch point.
        assert to_rate(gallery_models.mixture(seen, 5)[0]) == pytest.approx(-np.expm1(-1.0), rel=1e-7)


def test_max_stability_is_a_power():
    """1 - (1 - FPIR)^10 of a gallery ten times as large; the tail takes the place of the count where it has one."""
    seen = counts(positives=0.05, rows=100)
    with_tail = Counts(**vars(seen) | {"tail": np.array([0.01])})

    # A logarithm and back: rounding of both.
    assert to_rate(gallery_models.extreme_value(seen, 1000)[0]) == pytest.approx(1 - 0.95**10, rel=1e-13)
    assert to_rate(gallery_models.extreme_value(with_tail, 1000)[0]) == pytest.approx(1 - 0.99**10, rel=1e-13)


mixtures = st.lists(st.tuples(st.floats(1e-3, 8), st.floats(0.01, 1)), min_size=1, max_size=6)


@given(mixtures, st.sampled_from([1, 2, 16, 1e3, 1e9]))
@worlds.FEW
def test_the_limits_hold_whatever_the_probes_are(mixture: list[tuple[float, float]], size: float):
    """fewest <= FPIR <= most for every mixture of rates, at every size; both are FPIR itself at the size searched."""
    rates, weights = (list(column) for column in zip(*mixture, strict=True))
    seen = of_mixture(rates, weights)
    truth = 1 - float(np.exp(-np.array(rates) * size) @ (np.array(weights) / sum(weights)))
    low, high = (to_rate(limit(seen, size)[0]) for limit in (gallery_models.fewest, gallery_models.most))

    # Counts of 10^15 searches are right to rounding, 10^-16 of each, and a search more to 10^-15 times the growth.
    slack = 1e-9 + 1e-6 * truth
    assert low <= truth + slack
    assert truth <= high + slack
    if size == 1:
        assert (low, high) == pytest.approx((truth, truth), rel=1e-9)


@given(mixtures, st.sampled_from([2, 16, 1e3]))
@worlds.FEW
def test_models_that_take_probes_as_alike_grow_too_fast(mixture: list[tuple[float, float]], size: float):
    """Jensen: max-stability is never below the truth, and the binomial not below max-stability."""
    rates, weights = (list(column) for column in zip(*mixture, strict=True))
    seen = of_mixture([rate / 100 for rate in rates], weights)
    truth = 1 - float(np.exp(-np.array(rates) / 100 * size) @ (np.array(weights) / sum(weights)))
    stable, binomial = (
        to_rate(model(seen, size)[0]) for model in (gallery_models.extreme_value, gallery_models.binomial)
    )

    # Equality for probes that are alike: rounding of two ways to it.
    assert truth <= stable * (1 + 1e-9)
    assert stable <= binomial * (1 + 1e-9)


def test_few_wolves_bound_what_can_be_said():
    """One probe in ten matches twice a gallery and the others never: FPIR ends at .1, and the least growth knows it."""
    seen = of_mixture([2.0, 1e-12], [0.1, 0.9])

    # 1e9 times the gallery: every wolf, and a thousandth of the others.
    assert to_rate(gallery_models.fewest(seen, 1e9)[0]) == pytest.approx(0.1, rel=0.01)
    assert to_rate(gallery_models.binomial(seen, 1e9)[0]) == 1


def test_a_rate_of_nothing_and_of_everything_is_on_the_scale():
    """Infinities come back as 0 and 1, without a warning."""
    assert gallery_models.scale_of(np.array([0.0, 1.0])).tolist() == [-np.inf, np.inf]
    assert (to_rate(-np.inf), to_rate(np.inf)) == (0, 1)
