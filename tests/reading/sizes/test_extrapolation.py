"""Extrapolation against the galleries it speaks of: it holds the truth, or it refuses."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from frbench.candidates import CELLS
from frbench.estimate import MIN_BLOCKS
from frbench.reading.sizes import extrapolation
from frbench.reading.sizes.extrapolation import Extrapolation, extrapolate
from frbench.reading.sizes.gallery_models import MODELS, measured, to_rate
from frbench.reading.sizes.gallery_parts import EVERYTHING, PartedSearches
from tests.worlds import galleries
from tests.worlds.galleries import World, part_of

TRIALS = 40
N = 1500
WORLDS = {
    "all alike": World(1200, 16 * N, 1e-4),
    "wolves": World(1200, 16 * N, 1e-4, wolf=1.0),
    "strong wolves": World(1200, 16 * N, 1e-4, wolf=2.0),
    "wolves and lambs": World(1200, 16 * N, 1e-4, wolf=1.0, lamb=1.0),
    "few wolves": World(1200, 16 * N, 1e-4, few_wolves=0.05),
}


def trials(world: World) -> list[tuple[Extrapolation, float]]:
    """Sixteenths of galleries, extrapolated to the whole, and the FPIR of the whole."""
    parts = (part_of(world, N, seed) for seed in range(TRIALS))
    return [(extrapolate(part, galleries.T, [world.n])[0], truth) for part, truth in parts]


@pytest.mark.parametrize("name", WORLDS)
def test_a_sixteenth_of_a_gallery_holds_the_whole_or_refuses(name: str):
    """In at least 90% of the trials of each world that are not refused; and not all are."""
    found = [(e, truth) for e, truth in trials(WORLDS[name]) if e.value is not None]

    assert len(found) >= TRIALS / 2
    assert sum(e.low <= truth <= e.high for e, truth in found) >= 0.9 * len(found)


def test_the_binomial_alone_would_not():
    """With strong wolves its own interval misses the whole gallery in most trials, always too high."""
    world = WORLDS["strong wolves"]
    held = 0
    for seed in range(TRIALS):
        part, truth = part_of(world, N, seed)
        seen = part.seen(galleries.T, EVERYTHING)
        span = extrapolation._Interval.of(MODELS["binomial"](seen, world.n), len(part.probe_blocks))
        held += to_rate(span.low) <= truth
    assert held <= TRIALS / 4


def test_hidden_sizes_refute_the_binomial():
    """With wolves and enough matches, parts of the gallery say that it does not hold, and that the mixture does."""
    world = World(4000, 4000, 2e-4, wolf=1.0)
    part, _ = part_of(world, world.n, 1)
    checks = {check.model: check for check in extrapolate(part, galleries.T, [10**6])[0].checks}

    assert not checks["binomial"].is_passed
    assert checks["mixture"].is_passed


def scored(base: float, seed: int, *, m: int = 2000, n: int = 2000) -> tuple[PartedSearches, np.ndarray, np.ndarray]:
    """Scores .5 + .2 beta(1, 4) of false matches in 16 n rows; the searches of the first n, all probes and scores."""
    random = np.random.default_rng(seed)
    probe, row = World(m, 16 * n, base).matches(random)
    score = (0.5 + 0.2 * random.beta(1, 4, len(probe))).astype(np.float32)
    cell = random.integers(CELLS, size=n)
    inside = row < n
    found = galleries.searches(m, probe[inside], cell[row[inside]], score[inside])
    return PartedSearches(found, np.bincount(cell, minlength=CELLS)), probe, score


def test_the_tail_reaches_a_threshold_with_few_matches():
    """About ten matches at .63 in a sixteenth, too few to count with; the tail of scores holds the whole gallery."""
    held = n = 0
    for seed in range(TRIALS):
        part, probe, score = scored(2e-4, seed)
        found = extrapolate(part, 0.63, [32_000])[0]
        assert found.matches < 30
        if found.value is not None:
            n += 1
            held += found.low <= len(np.unique(probe[score >= np.float32(0.63)])) / 2000 <= found.high
            assert found.model == "extreme value"
    assert n >= TRIALS / 2
    assert held >= 0.9 * n


def test_a_threshold_beyond_the_tail_is_refused():
    """Scores end at .7: nothing is said of .72."""
    found = extrapolate(scored(2e-4, 1)[0], 0.72, [32_000])[0]

    assert (found.value, found.low, found.high, found.matches) == (None, None, None, 0)
    assert "the tail of scores gives 0 false positives, and is checked down to 1.9 only" in found.reason


def test_intervals_hold_their_value_and_grow():
    """At every size up to a hundred billion rows: within [0, 1], never falling, and wider in log(-log(1 - FPIR))."""
    part, _ = part_of(WORLDS["wolves"], N, 1)
    found = extrapolate(part, galleries.T, [2 * N, 16 * N, 1000 * N, 10**8, 10**11])
    now = to_rate(measured(part.seen(galleries.T, EVERYTHING))[0])

    assert found[0].value >= now
    for e in found:
        assert 0 < e.low <= e.value <= e.high <= 1
    for smaller, larger in pairwise(found):
        assert smaller.value <= larger.value
        assert smaller.high <= larger.high
    assert found[-1].low < found[-1].value


def test_the_same_searches_give_the_same_answer():
    """There is no seed."""
    first, second = (extrapolate(part_of(WORLDS["wolves"], N, 4)[0], galleries.T, [10**6]) for _ in range(2))

    assert first == second


def test_few_matches_without_a_tail_are_refused():
    """Twenty matches of equal score: nothing can be checked, and nothing is said."""
    found = galleries.searches(400, np.arange(20), np.arange(20))
    e = extrapolate(PartedSearches(found, np.full(CELLS, 10)), galleries.T, [10_000])[0]

    assert (e.value, e.matches) == (None, 20)
    assert e.reason == "20 false matches: too few in half of the gallery to check a model"


def test_matches_too_few_for_a_tail_are_refused():
    """29 searches have a candidate at all: no threshold has 30 false positives to check a tail at."""
    score = np.concatenate([np.linspace(0.1, 0.2, 21), np.linspace(0.6, 0.7, 8)])
    found = galleries.searches(400, np.arange(29), np.arange(29), score)
    e = extrapolate(PartedSearches(found, np.full(CELLS, 10)), galleries.T, [10_000])[0]

    assert (e.value, e.matches) == (None, 8)
    assert e.reason == "8 false matches: too few in half of the gallery to check a model"


def test_everybody_a_false_positive_is_refused():
    """FPIR is 1, and stays so."""
    found = galleries.searches(400, np.arange(400), np.arange(400) % CELLS)
    e = extrapolate(PartedSearches(found, np.full(CELLS, 10)), galleries.T, [10_000])[0]

    assert e.reason == "every search has a false positive already"


def test_few_blocks_are_refused():
    """Probes in seven blocks do not say how probes differ."""
    part, _ = part_of(WORLDS["all alike"], N, 1)
    few = replace(part.searches, block=part.searches.block % (MIN_BLOCKS - 1))
    e = extrapolate(PartedSearches(few, part.rows_of_cell), galleries.T, [10_000])[0]

    assert e.reason == "probes are in 7 and the gallery in 16 blocks of people, at least 8 are needed"


def test_a_model_that_hidden_sizes_refute_is_not_used(monkeypatch: pytest.MonkeyPatch):
    """One that is wrong by a factor of a thousand is named with how often it held, and nothing is extrapolated."""
    wrong = {"binomial": lambda seen, size: MODELS["binomial"](seen, size) + np.log(1000)}
    monkeypatch.setattr(extrapolation, "MODELS", wrong)
    e = extrapolate(part_of(WORLDS["all alike"], N, 1)[0], galleries.T, [10_000])[0]

    assert e.value is None
    assert e.reason.startswith("the models refuse: fitted to parts of the gallery, they predict all of it too rarely")
    assert "binomial 0 of" in e.reason
