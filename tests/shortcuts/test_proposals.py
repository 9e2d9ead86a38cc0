"""Proposals as candidates: an index can miss and never misscore, and both searches are counted by one code."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frbench.candidates import Candidates
from frbench.counting import identify
from frbench.counting.identify import Identification, search_all
from frbench.engines.cpu import CpuEngine
from frbench.engines.reference import ReferenceEngine
from frbench.errors import PlanMismatch, TileCountedTwice
from frbench.plan import EVERYBODY
from frbench.reading import metrics
from frbench.shortcuts.proposals import both, plan_of
from frbench.shortcuts.recall import Recall
from tests.worlds import worlds
from tests.worlds.proposing import searched

EDGES = (-0.5, 0.0, 0.5, 0.75)


def by_hand() -> Identification:
    """Gallery ann X, bea Y, carl HALF; probes ann X and HALF, bea Y, dan HALF_MINUS and NOTHING, who is not enrolled.

    ann X:    ann 1, carl .5, bea 0     ann HALF: carl 1, ann .5, bea .5     bea Y: bea 1, carl .5, ann 0
    dan:      ann, bea and carl .5      NOTHING: failed
    """
    gallery = worlds.templates([worlds.X, worlds.Y, worlds.HALF], ["ann", "bea", "carl"])
    probes = worlds.templates(
        [worlds.X, worlds.HALF, worlds.Y, worlds.HALF_MINUS, worlds.NOTHING],
        ["ann", "ann", "bea", "dan", "dan"],
        failed=[4],
    )
    return Identification(gallery, probes, (), k=3, ranks=(1, 2, 3), n_blocks=8)


def counted(task: Identification, candidates: Candidates) -> identify.Tally:
    """The tally of a search."""
    return identify.count(task, plan_of(task.plan(EDGES), {"approximate": candidates.search}), candidates)


def test_a_mate_that_is_not_proposed_is_a_miss_that_has_a_score():
    """Ann's row is hidden: her two searches miss at every rank, one of 4 trials has failed, and it is not theirs."""
    task = by_hand()
    tally = counted(task, searched(task, hidden=[0]))
    exact = counted(task, search_all(task, ReferenceEngine()))

    assert [metrics.fnir(exact, None, rank=r).k for r in (1, 2, 3)] == [1, 1, 0]
    assert [metrics.fnir(tally, None, rank=r).k for r in (1, 2, 3)] == [2, 2, 2]
    assert tally.pick(mated=True).unscored == 0
    assert tally.pick(mated=False).unscored == 1
    assert metrics.fpir(tally, 0.5).k == 1


def test_hiding_who_stands_in_the_way_raises_a_mate():
    """Without carl, ann's HALF finds ann and bea at .5: ties count against the mate, and she is second, not third."""
    task = by_hand()
    found = searched(task, hidden=[2])

    assert search_all(task, ReferenceEngine()).rank.tolist() == [1, 3, 1, 0, 0]
    assert found.rank.tolist() == [1, 2, 1, 0, 0]
    assert found.rows.tolist()[3] == [0, 1, -1]


def test_a_search_that_finds_nobody_has_ended_and_not_failed():
    """With every row hidden a non-mated search is no false positive at any threshold, and is not unscored."""
    task = by_hand()
    tally = counted(task, searched(task, hidden=[0, 1, 2]))

    assert tally.pick(mated=False).unscored == 1
    assert metrics.fpir(tally, -0.5).k == 0
    assert metrics.fnir(tally, None, rank=3).k == 3


@given(task=worlds.searches(), is_cpu=st.booleans())
@worlds.FEW
def test_with_every_row_proposed_the_candidates_are_the_exact_ones(task: Identification, is_cpu: bool):
    """Scores, rows, mate scores and ranks are those of the oracle, bit for bit, on ties and failed templates, too."""
    engine = CpuEngine(threads=1) if is_cpu else ReferenceEngine()
    if task.gallery.failed.all():
        return
    found, exact = searched(task, engine=engine, wanted=len(task.gallery)), search_all(task, ReferenceEngine())

    for name, array in exact.arrays().items():
        assert found.arrays()[name].tobytes() == array.tobytes(), name


@given(task=worlds.searches(), data=st.data())
@settings(worlds.FEW, max_examples=40)
def test_an_index_can_miss_and_never_misscore(task: Identification, data: st.DataObject):
    """Every score is the exact one of its pair, no list gets better, and no false positive is added."""
    n = int((~task.gallery.failed).sum())
    if not n:
        return
    hidden = data.draw(st.sets(st.integers(0, n - 1)))
    exact, found = search_all(task, ReferenceEngine()), searched(task, hidden)
    oracle = ReferenceEngine()
    there = found.rows >= 0
    probe = np.nonzero(there)[0]
    of_pairs = oracle.rows(task.probes.unit).score_pairs(oracle.rows(task.gallery.unit), probe, found.rows[there])

    assert found.scores[there].tobytes() == of_pairs.tobytes()
    assert (found.scores <= exact.scores).all()
    assert not (found.mate_score > exact.mate_score).any()
    a, b = counted(task, exact), counted(task, found)
    for t in EDGES:
        assert metrics.fpir(b, t).k <= metrics.fpir(a, t).k


def is_hit(found: Candidates, rank: int, threshold: float | None) -> np.ndarray:
    """(m,) whether each search has its mate within `rank` and at or above the threshold."""
    within = (found.rank > 0) & (found.rank <= rank)
    return within if threshold is None else within & (found.mate_score >= threshold)


@given(task=worlds.searches(), data=st.data())
@settings(worlds.FEW, max_examples=40)
def test_what_both_found_is_counted_trial_by_trial(task: Identification, data: st.DataObject):
    """Hits of both at every rank and threshold, and false positives of both, one search after the other."""
    n = int((~task.gallery.failed).sum())
    if not n:
        return
    hidden = [data.draw(st.sets(st.integers(0, n - 1))) for _ in range(2)]
    one, other = (searched(task, some) for some in hidden)
    tally = counted(task, both(one, other))
    mated = task.is_mated
    for rank, t in product(task.ranks, (None, *EDGES)):
        hits = [is_hit(candidates, rank, t) for candidates in (one, other)]
        assert metrics.fnir(tally, t, rank=rank).k == int((mated & ~(hits[0] & hits[1])).sum())
    for t in EDGES:
        positives = [c.scores[:, 0] >= t for c in (one, other)]
        assert metrics.fpir(tally, t).k == int((~mated & positives[0] & positives[1]).sum())


def test_candidates_and_tallies_of_two_searches_are_never_added():
    """The description of a search goes into digests: an approximate tally is not an exact one."""
    task = by_hand()
    exact, found = search_all(task, ReferenceEngine()), searched(task, hidden=[0])

    assert counted(task, found).plan.digest != counted(task, exact).plan.digest
    assert counted(task, found).plan.details["approximate"]
    with pytest.raises(PlanMismatch):
        exact.merge(found)
    with pytest.raises(PlanMismatch):
        _ = counted(task, found) + counted(task, exact)
    with pytest.raises(TileCountedTwice):
        _ = counted(task, found) + counted(task, found)


def test_recall_by_hand():
    """k = 1 of 3 rows: with carl hidden, ann's HALF gets .5 where 1 was to be found; dan's .5 is as good as any .5."""
    task = by_hand()
    one = Identification(task.gallery, task.probes, (), k=1, ranks=(1,), n_blocks=8)
    exact = search_all(one, ReferenceEngine())
    recall = Recall.of(one, exact, searched(one, hidden=[2]))
    without_ann = Recall.of(one, exact, searched(one, hidden=[0]))

    assert recall.shares.k.sum() == 3
    assert recall.shares.n.sum() == 4
    assert recall.lowest_of(EVERYBODY) == 0
    # Ann's X finds carl at .5 only; dan had ann by order of rows, and bea is as near.
    assert without_ann.shares.k.sum() == 3
