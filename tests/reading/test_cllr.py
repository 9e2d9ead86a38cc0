"""Cllr and min Cllr: costs by hand, the least of all monotone calibrations, and bounds that hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from frbench.errors import InputError
from frbench.reading.cllr import least_cost, min_cllr
from frbench.tally import Tally
from tests.reading.test_curves import GENUINE, IMPOSTOR, between, of_scores, random_scores
from tests.worlds import worlds


def cllr(nonmated: ArrayLike, mated: ArrayLike) -> float:
    """Cost of log-likelihood ratios, in bits.

    Cllr = (mean of log2(1 + e^s) over non-mated + mean of log2(1 + e^-s) over mated) / 2.

    Raises
    ------
    InputError : no trials of a kind, or an LLR that is NaN.

    Source: Brummer & du Preez (2006).
    """
    sides = [np.asarray(side, dtype=np.float64) for side in (nonmated, mated)]
    for side, kind in zip(sides, ("non-mated", "mated"), strict=True):
        if not side.size or np.isnan(side).any():
            raise InputError(f"{kind} LLRs are {'missing' if not side.size else 'NaN in places'}, expected numbers")
    return float((bits(sides[0]).mean() + bits(-sides[1]).mean()) / 2)


def bits(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """log2(1 + e^x), without overflow."""
    return np.asarray(np.logaddexp(0, x) / np.log(2))


def cllr_bounds(tally: Tally) -> tuple[float, float | None]:
    """Bounds of Cllr for a tally whose scores are log-likelihood ratios, from the edges of its bins.

    A non-mated trial of bin [a, b) costs from log2(1 + e^a) up to log2(1 + e^b), a mated one the reverse. Trials in
    the outer bins have one end only: a non-mated trial above the last edge or a mated one below the first has no bound.

    Source: Brummer & du Preez (2006).
    """
    nonmated, mated = (tally.pick(mated=kind).bins[:-1].astype(np.float64) for kind in (False, True))
    ends = np.concatenate([[-np.inf], tally.plan.axis, [np.inf]])
    low, high = (
        (mean(nonmated, bits(of_nonmated)) + mean(mated, bits(-of_mated))) / 2
        for of_nonmated, of_mated in ((ends[:-1], ends[1:]), (ends[1:], ends[:-1]))
    )
    return low, high if np.isfinite(high) else None


def mean(trials: np.ndarray, costs: np.ndarray) -> float:
    """Mean cost of trials by bin; bins without trials cost nothing, even without end."""
    return float(trials[trials > 0] @ costs[trials > 0] / trials.sum())


def test_cllr_by_hand():
    """LLR 0 costs one bit. Three to one on the right side costs log2(4/3), on the wrong side log2(4)."""
    assert cllr([0.0], [0.0, 0.0]) == 1
    right, wrong = math.log(3), -math.log(3)
    # A logarithm and its inverse in float64.
    assert cllr([wrong], [right]) == pytest.approx(math.log2(4 / 3), rel=1e-12)
    assert cllr([wrong, right], [right]) == pytest.approx(
        ((math.log2(4 / 3) + math.log2(4)) / 2 + math.log2(4 / 3)) / 2, rel=1e-12
    )


def test_certainty_costs_nothing_or_everything():
    """An LLR without end is free on the right side and infinitely bad on the wrong one; 1000 does not overflow."""
    assert cllr([-np.inf], [np.inf]) == 0
    assert cllr([np.inf], [np.inf]) == np.inf
    assert cllr([1000.0], [1000.0]) == pytest.approx(1000 / math.log(2) / 2, rel=1e-12)


@pytest.mark.parametrize(("nonmated", "mated", "named"), [([], [1.0], "non-mated"), ([1.0], [math.nan], "mated")])
def test_llrs_that_are_missing_are_refused(nonmated: list, mated: list, named: str):
    """The message says which."""
    with pytest.raises(InputError, match=f"^{named} LLRs"):
        cllr(nonmated, mated)


def test_min_cllr_by_hand():
    """Impostors .1 .2 .3 | .5 and genuine .35 .45 | .6 .7 leave one block of both kinds: p = 1/4, q = 2/4.

    Its LLR is log 2: one impostor in four costs log2(3), two genuine in four cost log2(3/2) each.
    """
    found = min_cllr(of_scores(IMPOSTOR, GENUINE, between(IMPOSTOR, GENUINE)))

    assert found.value == pytest.approx((math.log2(3) / 4 + 2 * math.log2(3 / 2) / 4) / 2, rel=1e-12)
    assert found.bounds == pytest.approx((found.value, found.value), rel=1e-12)
    assert (found.n_nonmated, found.n_mated) == (4, 4)


def test_scores_that_separate_cost_nothing_and_useless_ones_cost_a_bit():
    """No trials are added at the ends, so the least cost of a separation is 0, and has no interval."""
    apart, same = (of_scores(*sides, [5, 9]) for sides in (([1, 2], [7, 8]), ([7, 8], [7, 8])))
    turned = of_scores([7, 8], [1, 2], [5, 9])

    assert (min_cllr(apart).value, min_cllr(apart).low) == (0, None)
    assert min_cllr(same).value == min_cllr(turned).value == 1
    # All in one bin: it might have separated them.
    assert min_cllr(same).bounds == (0, 1)


def test_failed_trials_have_no_llr():
    """They are left out, and without any others there is no cost."""
    tally = of_scores(IMPOSTOR, GENUINE, between(IMPOSTOR, GENUINE), failed=(5, 3))

    assert min_cllr(tally).value == min_cllr(of_scores(IMPOSTOR, GENUINE, between(IMPOSTOR, GENUINE))).value
    empty = min_cllr(of_scores(IMPOSTOR, [], [0.5], failed=(0, 3)))
    assert (empty.value, empty.reason) == (None, "0 mated trials")


def pooled_llrs(nonmated: np.ndarray, mated: np.ndarray) -> dict[int, float]:
    """LLR of every score by pooling adjacent violators, one score after the other; ties are pooled first."""
    blocks: list[list] = []
    for score in sorted({*nonmated.tolist(), *mated.tolist()}):
        blocks.append([[score], int((nonmated == score).sum()), int((mated == score).sum())])
        while len(blocks) > 1 and blocks[-2][2] * blocks[-1][1] >= blocks[-1][2] * blocks[-2][1]:
            scores, n, m = blocks.pop()
            blocks[-1] = [blocks[-1][0] + scores, blocks[-1][1] + n, blocks[-1][2] + m]
    with np.errstate(divide="ignore"):
        return {
            score: float(np.log(np.float64(m) / len(mated)) - np.log(np.float64(n) / len(nonmated)))
            for scores, n, m in blocks
            for score in scores
        }


@given(st.integers(0, 2**32 - 1))
@worlds.FEW
def test_min_cllr_is_the_cost_of_pooled_llrs(seed: int):
    """Pooling written out over scores, and Cllr of the LLRs that it gives."""
    nonmated, mated = random_scores(seed)
    llr = pooled_llrs(nonmated, mated)
    expected = cllr([llr[s] for s in nonmated.tolist()], [llr[s] for s in mated.tolist()])

    # Sums of at most 60 logarithms in float64.
    assert min_cllr(of_scores(nonmated, mated, between(nonmated, mated))).value == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 10))
@worlds.FEW
def test_no_monotone_calibration_costs_less(seed: int, scale: float):
    """Any rising LLRs cost at least min Cllr, and so does the cost of LLR = 0."""
    nonmated, mated = random_scores(seed)
    scores = np.unique(np.concatenate([nonmated, mated]))
    rising = np.sort(np.random.default_rng(seed).normal(scale=scale, size=len(scores)))
    costs = cllr(*(rising[np.searchsorted(scores, side)] for side in (nonmated, mated)))
    least = min_cllr(of_scores(nonmated, mated, between(nonmated, mated))).value

    assert least <= costs + 1e-12
    assert 0 <= least <= 1 + 1e-12


@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 3.0, 7.0]))
@worlds.FEW
def test_coarser_edges_bound_the_least_cost(seed: int, step: float):
    """min Cllr of the scores themselves lies within the bounds of any axis; the upper one is the value."""
    scores = random_scores(seed)
    fine = min_cllr(of_scores(*scores, between(*scores)))
    rough = min_cllr(of_scores(*scores, np.arange(-0.5, 25, step)))

    assert rough.bounds[0] - 1e-12 <= fine.value <= rough.bounds[1] + 1e-12
    assert rough.bounds[1] == rough.value


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 2.0, 10.0]))
@worlds.FEW
def test_bins_bound_the_cost_of_llrs(seed: int, step: float):
    """Cllr of LLRs lies within the bounds of their bins."""
    random = np.random.default_rng(seed)
    nonmated, mated = random.normal(-1, 2, 20), random.normal(1, 2, 20)
    low, high = cllr_bounds(of_scores(nonmated, mated, np.arange(-20, 20.1, step)))

    assert low <= cllr(nonmated, mated) <= high
    assert high - low <= step / math.log(2) + 1e-12


def test_a_score_beyond_the_edges_has_no_upper_bound():
    """A non-mated LLR above the last edge may be any; a mated one there costs at most log2(1 + e^-5)."""
    low, high = cllr_bounds(of_scores([7], [7], [-5, 5]))

    assert high is None
    assert low == pytest.approx(math.log2(1 + math.exp(5)) / 2, rel=1e-12)
    assert cllr_bounds(of_scores([-7], [7], [-5, 5])) == (0, pytest.approx(math.log2(1 + math.exp(-5)), rel=1e-12))


def test_the_least_cost_has_an_interval():
    """Eight blocks that differ: an interval about the value, above 0."""
    blocks = np.repeat(np.arange(8), 4)
    random = np.random.default_rng(3)
    tally = of_scores(random.normal(0, 1, 32), random.normal(1, 1, 32), np.arange(-4, 5, 0.5), blocks=(blocks, blocks))
    found = min_cllr(tally)

    assert 0 < found.low < found.value < found.high
    assert found.method.endswith("of the logarithm")


def test_least_cost_of_counts_is_exact_for_the_symmetric_block():
    """One block of equal shares is useless: one bit, whatever the counts."""
    assert least_cost(np.array([10]), np.array([1000])) == 1
