"""Replicates: errors without each block, at thresholds that stay or are set again."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from frbench.reading.rate import Trials
from frbench.reading.systems.paired import paired
from frbench.reading.systems.replicates import Edges, held, rate_at, set_again
from frbench.tally import Histogram, Tally
from tests.worlds import worlds

B = 32
GRID = np.round(np.arange(-4, 8, 0.05), 6)
EDGES = (0.25, 0.5, 0.75)


def histogram(touching: list[list[int]]) -> Histogram:
    """Trials that each touch one block: (b, t + 2) counts."""
    blocks = np.array(touching, dtype=np.uint64)
    return Histogram(blocks.sum(axis=0), blocks)


def everything(found: Histogram, are_mated: bool, failed: str = "reject") -> Trials:
    """Trials all of which can be accepted."""
    return Trials(found, found, are_mated, failed, edge=-1, people=None, what="trials")


# Two blocks; bins below .25, .25 to .5, .5 to .75, above, without a score.
TWO = histogram([[4, 3, 2, 1, 1], [5, 0, 1, 2, 0]])


def test_errors_at_an_edge_that_is_held_by_hand():
    """At .5, 3 and 3 trials are accepted of 11 and 8: 6 false matches or 13 misses of 19, the failed one among them."""
    accepted = rate_at(everything(TWO, are_mated=False), held(1, 2))
    missed = rate_at(everything(TWO, are_mated=True), held(1, 2))

    assert (accepted.k, accepted.n, accepted.without.tolist()) == (6, 19, [3 / 8, 3 / 11])
    assert (missed.k, missed.n, missed.without.tolist()) == (13, 19, [5 / 8, 8 / 11])


def test_policies_for_failed_templates_by_hand():
    """The trial without a score is accepted or leaves the denominator."""
    accepting = rate_at(everything(TWO, False, "accept"), held(1, 2))
    excluding = rate_at(everything(TWO, True, "exclude"), held(1, 2))

    assert (accepting.k, accepting.n, accepting.without.tolist()) == (7, 19, [3 / 8, 4 / 11])
    assert (excluding.k, excluding.n, excluding.without.tolist()) == (12, 18, [5 / 8, 7 / 10])


def test_no_threshold_accepts_every_score():
    """Edge -1 lies below all: only the failed trial is missed."""
    found = rate_at(everything(TWO, are_mated=True), held(-1, 2))

    assert (found.k, found.without.tolist()) == (1, [0, 1 / 11])


def test_only_hits_within_the_rank_are_accepted():
    """Misses are all trials less those of the better rank classes that reach the edge."""
    within = histogram([[1, 1, 1, 0, 0], [0, 0, 0, 2, 0]])
    found = rate_at(replace(everything(TWO, are_mated=True), hits=within), held(1, 2))

    assert (found.k, found.without.tolist()) == (19 - 3, [(8 - 2) / 8, (11 - 1) / 11])


def test_an_edge_set_again_by_hand():
    """6 of 18 reach .5. Without block 0, 3 of 8 do and 2 of 8 reach .75: a third lies a third of the way, 1/24 of 1/8.

    Without block 1, 3 of 10 reach .5 and 6 of 10 reach .25: a third lies 8/9 of the way from .25.
    """
    found = set_again(histogram([[4, 3, 2, 1, 0], [5, 0, 1, 2, 0]]), 1, "reject")

    assert found.are_set_again
    assert found.below.tolist() == [1, 0]
    # Quotients in float64.
    assert found.share == pytest.approx([(3 / 8 - 1 / 3) / (1 / 8), (6 / 10 - 1 / 3) / (3 / 10)], rel=1e-9)


def test_between_two_edges_errors_are_linear():
    """A third of the way from 3 errors to 2 there are 2 2/3."""
    edges = Edges(1, np.array([1, 0]), np.array([1 / 3, 0.5]), are_set_again=True)
    found = rate_at(everything(TWO, are_mated=False), edges)

    # Sums of products in float64.
    assert found.without == pytest.approx([(3 * 2 / 3 + 2 / 3) / 8, (6 + 3) / 2 / 11], rel=1e-12)


@given(st.lists(st.lists(st.integers(0, 9), min_size=5, max_size=5), min_size=2, max_size=6), st.integers(0, 2))
def test_the_population_keeps_its_rate(touching: list[list[int]], edge: int):
    """Set again on itself, a rate is the same without every block, wherever a threshold can reach it."""
    found = histogram(touching)
    left = found.trials - found.touching.sum(axis=1).astype(int)
    edges = set_again(found, edge, "reject")
    if not edges.are_set_again:
        assert (left == 0).any()
        return
    got = rate_at(everything(found, are_mated=False), edges)
    goal = found.at_or_above(edge) / found.trials
    tails = np.array([(found.tail() - Histogram(t, t).tail()) / n for t, n in zip(found.touching, left, strict=True)])
    can = (tails[:, 0] >= goal) & (tails[:, -1] <= goal)

    # Linear interpolation in float64 of rates of at most 1.
    assert got.without[can & (edges.share < 1)] == pytest.approx(goal, abs=1e-12)


def test_an_edge_without_another_is_held():
    """With one edge there is nowhere to move."""
    assert not set_again(histogram([[1, 2, 0], [3, 1, 0]]), 0, "reject").are_set_again


def test_a_block_that_has_all_trials_holds_the_edge():
    """Without it there is no rate to set a threshold by."""
    assert not set_again(histogram([[1, 2, 1, 0, 0], [0] * 5]), 1, "reject").are_set_again


def sides(random: np.random.Generator, f: float, means: tuple[float, float]) -> list[tuple[Tally, int]]:
    """Tallies of two systems on the same 4,000 non-mated and 3,000 mated trials, and each one's edge at rate `f`.

    Scores are normal: .3 of the variance is the subject's, .4 the trial's, .3 each system's own.
    """
    block = random.integers(B, size=400)
    whose = [random.integers(400, size=n) for n in (4000, 3000)]
    shared = [math.sqrt(0.3) * random.normal(size=400)[w] + math.sqrt(0.4) * random.normal(size=len(w)) for w in whose]
    out = []
    for mean in means:
        scores = [s + math.sqrt(0.3) * random.normal(size=len(s)) for s in shared]
        threshold = float(np.nextafter(np.sort(scores[0])[::-1][int(f * 4000)], np.inf))
        edges = np.unique(np.append(GRID, threshold))
        touching = np.zeros((B, 2, len(edges) + 2))
        for cell, (s, w) in enumerate(zip((scores[0], scores[1] + mean), whose, strict=True)):
            np.add.at(touching[:, cell], (block[w], np.searchsorted(edges, s, side="right")), 1)
        plan = worlds.small_plan(edges=tuple(edges), n_blocks=B)
        tally = worlds.tally_of(plan, touching.sum(axis=0), touching)
        out.append((tally, tally.edge(threshold)))
    return out


def test_thresholds_set_again_cover_a_known_difference_and_held_ones_do_not():
    """Over 200 worlds, 95% intervals of the FNMR of two systems at FMR 1% hold the true difference.

    The truth is that at the true threshold. The standard error of a share of 200 at 95% is 1.5%: three of them below
    it. Were the thresholds held, the doubt about them would be missing, and fewer than three in four would hold it.
    """
    random = np.random.default_rng(9)
    f, means = 0.01, (3.0, 3.2)
    true = np.diff([stats.norm.cdf(stats.norm.isf(f) - mean) for mean in means])[0]
    covered = {True: 0, False: 0}
    for _ in range(200):
        tallies = sides(random, f, means)
        for again in (True, False):
            rates = [
                rate_at(
                    everything(tally.pick(mated=True), are_mated=True),
                    set_again(tally.pick(mated=False), edge, "reject") if again else held(edge, B),
                )
                for tally, edge in tallies
            ]
            found = paired(rates[0], rates[1])
            covered[again] += found.low <= true <= found.high

    assert covered[True] / 200 >= 0.905
    assert covered[False] / 200 < 0.75
