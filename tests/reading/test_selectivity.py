"""Selectivity: counted by hand, between FPIR and N, and marked where lists are too short to tell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.counting.identify import Identification, count, search_all
from frbench.engines.reference import ReferenceEngine
from frbench.errors import InputError
from frbench.reading import metrics
from frbench.reading.selectivity import Selectivity, selectivity
from tests.worlds import worlds

NONE = -np.inf


def of(rows: list[list[float]], threshold: float, *, gallery: int = 4, blocks: list[int] | None = None) -> Selectivity:
    """Selectivity of lists, each search in a block of its own."""
    block = list(range(len(rows))) if blocks is None else blocks
    scores = np.array(rows, dtype=np.float32).reshape(len(rows), -1)
    return selectivity(scores, threshold, gallery=gallery, block=block, n_blocks=32)


def test_selectivity_by_hand():
    """Three searches with two, one and no candidate at or above .5; a tie counts."""
    found = of([[0.9, 0.5, 0.4], [0.75, 0.1, NONE], [NONE, NONE, NONE]], 0.5)

    assert (found.k, found.n, found.value, found.is_censored) == (3, 3, 1.0, False)
    assert found.gallery == 4


def test_a_threshold_is_compared_in_float64():
    """float32(.1) lies above .1; at the next float64 above it, it is no longer a candidate."""
    score = float(np.float32(0.1))

    assert [of([[score]], t).k for t in (0.1, score, float(np.nextafter(score, 1)))] == [1, 1, 0]


def test_a_list_full_above_the_threshold_is_censored():
    """A third candidate may have been above it too, unless the whole gallery is in the list."""
    rows = [[0.9, 0.8], [0.9, 0.1]]

    assert (of(rows, 0.5).n_censored, of(rows, 0.5).is_censored) == (1, True)
    assert (of(rows, 0.85).n_censored, of(rows, 0.5, gallery=2).n_censored) == (0, 0)


def test_the_interval_is_of_blocks_of_searches():
    """Eight blocks of one search, half with one candidate and half with three: 2 each, and about it an interval."""
    found = of([[1, 0, 0], [1, 1, 1]] * 4, 1, gallery=3)

    assert (found.value, found.k, found.n) == (2, 16, 8)
    assert 1 < found.low < 2 < found.high < 3.5
    assert "7 blocks" in of([[1.0]] * 4 + [[0.0]] * 3, 1, gallery=1).reason


def test_no_candidate_and_no_search_say_so():
    """Zero is a count, no search is no rate."""
    assert (of([[0.0]], 1).value, of([[0.0]], 1).low) == (0, None)
    empty = selectivity(np.zeros((0, 3), np.float32), 0.5, gallery=3, block=[], n_blocks=4)
    assert (empty.value, empty.reason) == (None, "0 non-mated searches")


def test_lists_that_are_none_are_refused():
    """Rising scores, or more candidates than enrolled people."""
    with pytest.raises(InputError, match="falling order"):
        of([[0.1, 0.9]], 0.5)
    with pytest.raises(InputError, match="at most 4 long"):
        of([[0.9] * 5], 0.5)


@given(worlds.searches(), st.integers(0, 2**32 - 1))
@worlds.FEW
def test_selectivity_lies_between_fpir_and_the_gallery(task: Identification, seed: int):
    """FPIR <= SEL <= N, falling with the threshold, whatever the order of the searches."""
    candidates = search_all(task, ReferenceEngine())
    tally = count(task, task.plan(worlds.EDGES), candidates)
    nonmated = np.flatnonzero(~task.is_mated[candidates.probe])
    block, options = task.layout.block[candidates.probe], {"gallery": len(task.gallery), "n_blocks": task.n_blocks}
    order = np.random.default_rng(seed).permutation(nonmated)
    found = [selectivity(candidates.scores[nonmated], t, block=block[nonmated], **options) for t in worlds.EDGES]

    assert [each.k for each in found] == sorted((each.k for each in found), reverse=True)
    for each, edge in zip(found, worlds.EDGES, strict=True):
        positive = metrics.fpir(tally, edge)
        assert positive.n == each.n
        assert positive.k <= each.k <= each.n * len(task.gallery)
        assert selectivity(candidates.scores[order], edge, block=block[order], **options) == each
