"""The interval of a threshold is the interval of FMR, turned around."""

from __future__ import annotations

import numpy as np
import pytest

from frbench.errors import InputError
from frbench.plan import Cell
from frbench.reading import metrics
from frbench.reading.thresholds import threshold_interval
from frbench.tally import Tally
from tests.worlds import worlds

EDGES = tuple(np.linspace(0, 1, 21))
RATE = 0.01


def tally(n_blocks: int = 32, n: int = 400, seed: int = 1) -> Tally:
    """Comparisons that touch one block each, their scores exponential: FMR(t) = exp(-8 t), .01 at .576."""
    scores = np.random.default_rng(seed).exponential(1 / 8, (n_blocks, n))
    blocks = np.zeros((n_blocks, 1, len(EDGES) + 2))
    for b, own in enumerate(scores):
        blocks[b, 0] = np.append(np.bincount(np.searchsorted(EDGES, own, side="right"), minlength=len(EDGES) + 1), 0)
    plan = worlds.small_plan(cells=(Cell(False, 0, 0),), edges=EDGES, n_blocks=n_blocks)
    return worlds.tally_of(plan, blocks.sum(axis=0), blocks)


def test_the_ends_are_the_nearest_edges_that_differ_from_the_rate():
    """At low and below FMR is above the rate, at high and above it is below; the edges between hold the rate."""
    counted = tally()
    found = threshold_interval(counted, RATE)
    inside = [e for e in EDGES if found.low < e < found.high]

    assert metrics.fmr(counted, found.low).low > RATE > metrics.fmr(counted, found.high).high
    assert inside
    for edge in inside:
        estimate = metrics.fmr(counted, edge)
        assert estimate.low <= RATE <= estimate.high
    assert found.reason == ""


def test_it_holds_the_true_threshold():
    """FMR is .01 at log(100) / 8 = .5756: at most 12 of 100 samples miss it, three standard errors above 5."""
    true = np.log(1 / RATE) / 8
    intervals = [threshold_interval(tally(seed=seed), RATE) for seed in range(100)]

    assert all(i.low is not None for i in intervals)
    assert sum(not (i.low < true and (i.high is None or true < i.high)) for i in intervals) <= 12


def test_an_axis_that_ends_too_early_has_one_end():
    """12,800 comparisons cannot bound FMR below 1e-5 beyond doubt; above it many edges are."""
    found = threshold_interval(tally(), 1e-5)

    assert found.low is not None
    assert found.high is None
    assert found.reason == "no edge of the tally has an FMR below 1e-05 beyond doubt"


def test_too_few_blocks_have_no_interval():
    """Neither end, but for edges where all comparisons are accepted: these bound FMR without blocks."""
    found = threshold_interval(tally(n_blocks=4), 0.3)

    assert found.high is None
    assert "below 0.3" in found.reason


@pytest.mark.parametrize("rate", [0, 1, -0.1, float("nan")])
def test_a_rate_is_a_share(rate: float):
    """0 and 1 have no threshold to speak of."""
    with pytest.raises(InputError, match="expected above 0 and below 1"):
        threshold_interval(tally(), rate)
