"""Identification, investigation and CMC: the vector that settles conventions, and what follows from the modes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.candidates import Candidates
from frbench.counting.identify import Identification, count, search_all
from frbench.engines.reference import ReferenceEngine
from frbench.errors import InputError
from frbench.estimate import Estimate
from frbench.plan import Cell, Group
from frbench.reading import metrics
from frbench.reading.metrics import fnir, fpir, tpir
from frbench.reading.modes import NIST_FPIR, cmc, identification, investigation
from frbench.reading.selectivity import Selectivity, selectivity
from frbench.reading.thresholds import at_fpir
from frbench.tally import Tally
from tests.worlds import worlds

NAMES = "ABCD"
T = 0.6
STRICTLY = float(np.nextafter(np.float32(T), np.float32(1)))
# metrics.md 1.6: scores of A, B, C, D; None is a failed template.
MATED = {"A": (0.9, 0.4, 0.3, 0.2), "B": (0.7, 0.7, 0.1, 0.0), "C": (0.2, 0.8, 0.6, 0.1), "D": None}
NONMATED = {"u1": (0.65, 0.1, 0.1, 0.6), "u2": (0.3, 0.2, 0.1, 0.1), "u3": None}


def fraction(estimate: Estimate | Selectivity) -> Fraction:
    """Numerator over denominator."""
    return Fraction(estimate.k, estimate.n)


def watchlist() -> tuple[Identification, Candidates]:
    """The probe vector as candidates of seven searches, as a search of four enrolled people would return them."""
    searches = [*MATED.items(), *NONMATED.items()]
    failed = [i for i, (_, scores) in enumerate(searches) if scores is None]
    gallery = worlds.templates(np.eye(4), list(NAMES))
    probes = worlds.templates(np.ones((7, 4)) / 2, [name for name, _ in searches], failed=failed)
    task = Identification(gallery, probes, (), k=4, ranks=(1, 2, 4), n_blocks=8)
    scores, rows = np.full((7, 4), -np.inf, np.float32), np.full((7, 4), -1)
    mate, above = np.full(7, np.nan, np.float32), np.zeros(7, np.int64)
    for i, (name, found) in enumerate(searches):
        if found is not None:
            values = np.array(found, np.float32)
            rows[i] = np.argsort(-values, kind="stable")
            scores[i] = values[rows[i]]
            if name in NAMES:
                mate[i] = values[NAMES.index(name)]
                above[i] = (values >= mate[i]).sum() - 1
    return task, Candidates(task.digest, frozenset({(0, 4)}), np.arange(7), scores, rows, mate, above)


def counted() -> Tally:
    """The probe vector counted at T, at the next float32 and at .9."""
    task, candidates = watchlist()
    return count(task, task.plan((T, STRICTLY, 0.9)), candidates)


def nonmated(*, without_failed: bool = False) -> np.ndarray:
    """Candidate lists of the non-mated searches."""
    task, candidates = watchlist()
    return candidates.scores[~task.is_mated & ~(task.probes.failed & without_failed)]


def sel(threshold: float, **options) -> Selectivity:
    """Selectivity of the probe vector."""
    scores = nonmated(**options)
    return selectivity(scores, threshold, gallery=4, block=np.arange(len(scores)), n_blocks=8)


def test_the_probe_vector_settles_every_convention():
    """At or above T: FNIR(4,1) = 3/4, FNIR(4,4) = 1/4, FPIR = 1/3, SEL = 2/3 (metrics.md 1.6)."""
    tally = counted()

    assert fraction(fnir(tally, T, rank=1)) == Fraction(3, 4)
    assert fraction(fnir(tally, T, rank=4)) == Fraction(1, 4)
    assert fraction(fpir(tally, T)) == Fraction(1, 3)
    assert fraction(sel(T)) == Fraction(2, 3)
    assert fraction(tpir(tally, T, rank=4)) == Fraction(3, 4)


def test_a_strict_operator_is_the_next_float32():
    """Above T: FNIR(4,4) = 2/4, FPIR = 1/3, SEL = 1/3: what `>` would say at T, `>=` says at its neighbour."""
    tally = counted()

    assert fraction(fnir(tally, STRICTLY, rank=4)) == Fraction(2, 4)
    assert fraction(fpir(tally, STRICTLY)) == Fraction(1, 3)
    assert fraction(sel(STRICTLY)) == Fraction(1, 3)


def test_dropping_failed_templates_would_look_better_and_worse():
    """Without the two failed searches: FNIR(4,1) = 2/3, FPIR = 1/2, SEL = 2/2; frbench keeps them (K6)."""
    tally = counted()
    failed = {mated: tally.pick(mated=mated).unscored for mated in (False, True)}
    miss, positive = fnir(tally, T, rank=1), fpir(tally, T)

    assert failed == {False: 1, True: 1}
    assert Fraction(miss.k - failed[True], miss.n - failed[True]) == Fraction(2, 3)
    assert Fraction(positive.k, positive.n - failed[False]) == Fraction(1, 2)
    assert fraction(sel(T, without_failed=True)) == Fraction(2, 2)


def test_ties_count_against_the_mate():
    """m2 has .7 twice and m3 has a better non-mate: rank 1 misses 3 of 4 without a threshold."""
    assert fraction(investigation(counted()).fnir) == Fraction(3, 4)


def test_the_cmc_by_hand():
    """m1 at rank 1, m2 and m3 at rank 2, m4 never: 1/4, 3/4, 3/4 in a gallery of four."""
    found = cmc(counted())

    assert (found.gallery, found.gallery_subjects, found.ranks) == (4, 4, (1, 2, 4))
    assert list(map(fraction, found.hits)) == [Fraction(1, 4), Fraction(3, 4), Fraction(3, 4)]


def test_investigation_says_that_every_search_returns_a_list():
    """FPIR is not measured there: it is 100% by construction, and the mode says so."""
    found = investigation(counted(), rank=2)

    assert (found.gallery, found.list_length, found.rank, found.threshold, found.fpir) == (4, 4, 2, None, None)
    assert fraction(found.fnir) == Fraction(1, 4)
    assert found.note.startswith("FPIR = 100% by construction: without a threshold every search returns 4 candidates")


def test_identification_sets_its_threshold_on_non_mated_searches():
    """FPIR at most 1/3 of three is one search, held at T = .6 where FNIR(4, 4, .6) = 1/4."""
    found = identification(counted(), Fraction(1, 3))

    assert (found.threshold.point.threshold, found.rank, found.list_length, found.gallery) == (T, 4, 4, 4)
    assert (fraction(found.fpir), fraction(found.fnir)) == (Fraction(1, 3), Fraction(1, 4))
    assert found.note == ""


def test_identification_refuses_a_rate_that_the_searches_cannot_show():
    """NIST's FPIR of .003 needs 334 non-mated searches."""
    found = identification(counted())

    assert NIST_FPIR == "0.003"
    assert (found.fpir.value, found.fnir.value) == (None, None)
    assert found.fnir.reason.startswith("3 trials cannot show a rate of 0.003; at least 334 are needed")


def test_identification_needs_the_rank_of_the_whole_list():
    """Lists of four with ranks counted to two cannot tell FNIR(N, 4, T)."""
    task, candidates = watchlist()
    short = replace(task, ranks=(1, 2))

    with pytest.raises(InputError, match="rank 4 was not counted, only 1, 2; add it with --ranks"):
        identification(count(short, short.plan((T,)), candidates), Fraction(1, 3))


def test_the_threshold_of_a_group_is_that_of_everybody():
    """FPIR 1/4 of both groups together is held at .5, where men alone have 1/2."""
    groups = {"columns": ("sex",), "groups": (("f",), ("m",)), "subjects": worlds.parties((1,) * 32, (1,) * 32)}
    cells = (Cell(False, 0, 0), Cell(False, 1, 1), Cell(True, 0, 0), Cell(True, 1, 1))
    details = {"ranks": [1], "k": 1, "gallery": 9, "gallery_subjects": 9}
    plan = worlds.small_plan(kind="identify", **groups, cells=cells, mated_subjects=groups["subjects"], details=details)
    tally = worlds.tally_of(plan, [[2, 0, 0], [1, 1, 0], [0, 4, 0], [1, 3, 0]])
    men = identification(tally, "0.25", group=Group.within(("sex",), "m"))

    assert (men.threshold.point.k, men.threshold.point.n) == (1, 4)
    assert (fraction(men.fpir), fraction(men.fnir)) == (Fraction(1, 2), Fraction(1, 4))


@given(worlds.searches(), st.integers(0, 2**32 - 1))
@worlds.FEW
def test_the_order_of_searches_changes_nothing(task: Identification, seed: int):
    """Shuffled probes have the same CMC, modes and rates with their intervals; the CMC never falls with the rank."""
    order = np.random.default_rng(seed).permutation(len(task.probes))
    shuffled = replace(task, probes=task.probes.take(order))
    both = [count(t, t.plan(worlds.EDGES), search_all(t, ReferenceEngine())) for t in (task, shuffled)]
    hits = [hit.k for hit in cmc(both[0]).hits]

    assert hits == sorted(hits)
    for metric in (cmc, investigation, metrics.fta, metrics.fte):
        assert metric(both[0]) == metric(both[1])
    for edge in worlds.EDGES:
        assert tpir(both[0], edge, rank=2) == tpir(both[1], edge, rank=2)
    assert at_fpir(both[0], "0.5") == at_fpir(both[1], "0.5")
