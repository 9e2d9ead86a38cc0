"""One contract for every approximate index: it proposes rows, and what is proposed is ranked as the oracle ranks it."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from frbench.engines import Engine
from frbench.engines.ann import FAMILIES
from frbench.engines.ann.index import CHUNK, Family, Index
from frbench.engines.cpu import CpuEngine
from frbench.engines.reference import ReferenceEngine, scores
from frbench.errors import Conservation, EngineUnavailable, InputError
from frbench.shortcuts.proposals import Gallery, Proposer
from tests.worlds import worlds

every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
ENGINES: dict[str, Engine] = {"reference": ReferenceEngine(), "cpu": CpuEngine(threads=1)}
Matrix = NDArray[np.float32]


def unit_rows(n: int, d: int, seed: int) -> Matrix:
    """Random unit rows."""
    return worlds.unit_rows(np.random.default_rng(seed).normal(size=(n, d)))[0]


def built(family: Family, unit: Matrix, **chosen: int) -> Index:
    """An index of these rows."""
    return family.build(unit, family.parameters(chosen, n=len(unit), d=unit.shape[1]), 1, lambda _: None)


def highest(family: Family, unit: Matrix) -> int:
    """As much effort as there is."""
    return family.highest(len(unit), family.parameters({}, n=len(unit), d=unit.shape[1]))


def expected(proposed: NDArray[np.int64], all_scores: Matrix, k: int) -> tuple[Matrix, NDArray[np.int64]]:
    """The best k of the proposed rows by the oracle's scores, ties by lower row, one probe after the other."""
    best = np.full((len(proposed), k), -np.inf, np.float32)
    rows = np.full((len(proposed), k), -1, np.int64)
    for i, some in enumerate(proposed):
        known = sorted((-float(all_scores[i, row]), row) for row in some.tolist() if row >= 0)[:k]
        best[i, : len(known)] = [-score for score, _ in known]
        rows[i, : len(known)] = [row for _, row in known]
    return best, rows


@every_family
@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
@given(found=worlds.random_templates(min_n=4, max_n=60, max_d=20), seed=st.integers(0, 2**32 - 1))
@settings(worlds.FEW, max_examples=8)
def test_what_is_proposed_is_ranked_as_the_oracle_ranks_it(family: Family, engine: Engine, found, seed: int):
    """Scores have the bits of the definition and ties go to the lower row, in any order of insertion."""
    unit = found.unit[~found.failed]
    assume(len(unit) >= 4)
    random = np.random.default_rng(seed)
    order = random.permutation(len(unit))
    gallery = Gallery(np.arange(len(unit)), unit, engine.rows(unit))
    proposer = Proposer(gallery, built(family, unit[order]), order, 0)
    probes, k = unit[random.integers(len(unit), size=7)], int(random.integers(1, len(unit) + 1))

    best, rows = proposer.search(probes, engine.rows(probes), k, effort=highest(family, unit))

    proposed = proposer.index.propose(probes, k, highest(family, unit))
    want = expected(np.where(proposed < 0, -1, order[proposed]), scores(probes, unit), k)
    assert best.tobytes() == want[0].tobytes()
    np.testing.assert_array_equal(rows, want[1])


@every_family
def test_with_every_row_proposed_the_search_is_exact(family: Family):
    """As much effort as there is, on rows that lie apart, gives the oracle's candidates; k best of n proposals."""
    unit, probes = unit_rows(400, 24, seed=3), unit_rows(30, 24, seed=4)
    engine = CpuEngine(threads=1)
    gallery = Gallery(np.arange(400), unit, engine.rows(unit))
    proposer = Proposer(gallery, built(family, unit), np.arange(400), wanted=400)

    best, rows = proposer.search(probes, engine.rows(probes), 10, effort=highest(family, unit))

    oracle = ReferenceEngine()
    want_best, want_rows, _ = oracle.rows(unit).search(oracle.rows(probes), 10)
    assert best[:, :10].tobytes() == want_best.tobytes()
    np.testing.assert_array_equal(rows[:, :10], want_rows)


@every_family
def test_a_probe_alone_and_among_others_is_proposed_the_same(family: Family):
    """An answer is that of the probe, whatever else is in the call."""
    unit, probes = unit_rows(300, 16, seed=5), unit_rows(9, 16, seed=6)
    index = built(family, unit)
    effort = family.efforts(5, family.parameters({}, n=300, d=16))[0]
    together = index.propose(probes, 5, effort)

    assert together.shape == (9, 5)
    assert together.dtype == np.int64
    for i in range(9):
        np.testing.assert_array_equal(index.propose(probes[i : i + 1], 5, effort)[0], together[i])


@every_family
def test_the_same_rows_and_seed_give_the_same_index(family: Family):
    """Builds in one thread are repeatable: what a rebuild changes comes from the order alone."""
    unit, probes = unit_rows(300, 16, seed=7), unit_rows(20, 16, seed=8)
    effort = family.efforts(3, family.parameters({}, n=300, d=16))[0]
    one, other = (built(family, unit).propose(probes, 3, effort) for _ in range(2))

    np.testing.assert_array_equal(one, other)


@every_family
def test_progress_tells_every_row_once(family: Family):
    """Rows are inserted some at a time, so that a long build can be watched and stopped."""
    unit, told = unit_rows(CHUNK + 10, 8, seed=9), []
    family.build(unit, family.parameters({}, n=len(unit), d=8), 1, told.append)

    assert told == [CHUNK, 10]


@every_family
def test_bytes_are_at_least_those_of_what_is_kept(family: Family):
    """A graph keeps float32 rows and links; codes are smaller than rows. 400 rows of 24 float32 are 38,400 bytes."""
    unit = unit_rows(400, 24, seed=3)
    nbytes = built(family, unit).nbytes

    assert (nbytes > 38_400) == (family.name not in ("faiss-ivfpq", "faiss-sq8"))


def test_probes_that_reach_fewer_rows_than_asked_for_are_padded():
    """hnswlib refuses a whole call in which one probe finds too few; the others' answers must not suffer.

    With two links a row, rows in tight heaps are cut off from each other.
    """
    random = np.random.default_rng(11)
    heaps = np.repeat(random.normal(size=(30, 16)), 20, axis=0) + 1e-3 * random.normal(size=(600, 16))
    unit = worlds.unit_rows(heaps)[0]
    index = built(FAMILIES["hnsw"], unit, M=2, ef_construction=2)
    found = index.propose(unit[::20], 600, 600)

    n = (found >= 0).sum(axis=1)
    assert 0 < n.min()
    assert n.min() < 600
    for row, length in zip(found, n, strict=True):
        assert (row[length:] == -1).all()
        assert len(set(row[:length].tolist())) == length


class Twice:
    """An index that answers with one row two times."""

    nbytes = 0

    def propose(self, probes: Matrix, k: int, _: int) -> NDArray[np.int64]:
        """Row 0, k times."""
        return np.zeros((len(probes), k), np.int64)


def test_a_row_that_is_proposed_twice_is_refused():
    """It would fill two places of a list, and push a mate out of it."""
    unit = np.eye(3, dtype=np.float32)
    rows = ReferenceEngine().rows(unit)
    proposer = Proposer(Gallery(np.arange(3), unit, rows), Twice(), np.arange(3), 0)

    with pytest.raises(Conservation, match="twice"):
        proposer.search(unit, rows, 2, effort=1)


@every_family
def test_a_library_that_is_not_here_is_named_with_its_extra(family: Family, monkeypatch: pytest.MonkeyPatch):
    """One sentence: what is missing, and how it comes here."""
    for name in ("hnswlib", "faiss", "usearch", "usearch.index"):
        monkeypatch.setitem(sys.modules, name, None)
    unit = unit_rows(40, 8, seed=1)

    with pytest.raises(EngineUnavailable, match=rf"{family.distribution}.*frbench\[ann\]"):
        built(family, unit)


def test_parameters_that_an_index_does_not_have_are_refused():
    """By name and by value; what faiss says of a value that it cannot take is one sentence, too."""
    hnsw, lists = FAMILIES["hnsw"], FAMILIES["faiss-ivfpq"]

    assert hnsw.parameters({"M": 32}, n=10, d=4) == {"M": 32, "ef_construction": 200}
    with pytest.raises(InputError, match=r"hnsw has no build parameter 'nlist', expected one of: M, ef_construction"):
        hnsw.parameters({"nlist": 4}, n=10, d=4)
    with pytest.raises(InputError, match="M is 1, expected 2 or more"):
        hnsw.parameters({"M": 1}, n=10, d=4)
    with pytest.raises(InputError, match="faiss-ivfpq cannot be built of 50 rows with nlist=1, m=3, nbits=5"):
        built(lists, unit_rows(50, 8, seed=1), m=3)


def test_efforts_that_mean_nothing_are_refused():
    """A graph searches with k at least, so that a lower width is none of its own; a scan has nothing to turn."""
    hnsw, lists, scan = (FAMILIES[name] for name in ("hnsw", "faiss-ivfpq", "faiss-sq8"))

    assert hnsw.checked_efforts((), 10, {}) == (10, 20, 40, 80, 160)
    assert hnsw.checked_efforts((50, 20, 50), 10, {}) == (20, 50)
    assert lists.checked_efforts((), 10, {"nlist": 9}) == (1, 2, 4, 8, 9)
    assert scan.checked_efforts((), 10, {}) == (0,)
    with pytest.raises(InputError, match="--effort 9 is below 10, the length of the lists"):
        hnsw.checked_efforts((9, 20), 10, {})
    with pytest.raises(InputError, match="--effort 0 is below 1; raise it"):
        lists.checked_efforts((0,), 10, {"nlist": 9})
    with pytest.raises(InputError, match="looks at every row"):
        scan.checked_efforts((1,), 10, {})
