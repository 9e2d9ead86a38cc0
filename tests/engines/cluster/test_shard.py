"""What a worker does with its rows: what all of them count is what one engine counts."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from frbench.candidates import best_of
from frbench.engines.cluster.parts import Parts
from frbench.engines.cluster.shard import Block, Held, Shard, digest_of
from frbench.engines.hits import best, joined
from frbench.engines.local import open_local
from frbench.engines.reference import ReferenceEngine
from frbench.errors import InputError
from frbench.inputs.storage import Location, numbers_of
from frbench.plan import Rectangle
from tests.worlds import worlds

N, D = 60, 4
EDGES = np.array([-0.5, 0.0, 0.3, 0.9])
# Not symmetric: the group of the probe counts for more.
CELLS = np.array([[0, 1], [2, 3]], dtype=np.uint32)
GROUPS = (np.arange(N) % 3 == 0).astype(np.uint32)
SUBJECTS = (np.arange(N) // 2).astype(np.uint32)


@pytest.fixture(scope="module")
def unit() -> NDArray[np.float32]:
    """Unit rows, some of them equal."""
    rows = np.random.default_rng(2).normal(size=(N, D))
    rows[40:50] = rows[10:20]
    return worlds.unit_rows(rows)[0]


@pytest.fixture(scope="module")
def file(unit: NDArray[np.float32], tmp_path_factory: pytest.TempPathFactory) -> Location:
    """Where they are stored, backwards."""
    path = tmp_path_factory.mktemp("shards") / "m.npy"
    np.save(path, unit[::-1])
    return Location(str(path), is_unit=True)


def held(file: Location, unit: NDArray[np.float32], parts: Parts, worker: int) -> Held:
    """The rows of a worker: place p is row N - 1 - p of the file."""
    places = parts.places(worker)
    return Held(file, (numbers_of(N - 1 - places),), D, digest_of([unit[places]]), parts, worker)


def shards(file: Location, unit: NDArray[np.float32], workers: int) -> list[tuple[Shard, Held]]:
    """Workers, and what they hold."""
    parts = Parts.of(N, workers)
    opened = partial(open_local, "cpu", None)
    return [(Shard(opened, 1), held(file, unit, parts, worker)) for worker in range(parts.workers)]


RANGES = st.tuples(st.integers(0, N), st.integers(0, N)).map(lambda ends: (min(ends), max(ends)))


@given(workers=st.integers(1, 5), probes=RANGES, gallery=RANGES, upper=st.booleans())
def test_blocks_of_all_workers_are_the_rectangle(
    file: Location,
    unit: NDArray[np.float32],
    workers: int,
    probes: tuple[int, int],
    gallery: tuple[int, int],
    upper: bool,
):
    """Counts add to those of the oracle, and the best pairs are its best pairs, whatever the ranges are."""
    whole = ReferenceEngine().rows(unit)
    where, subjects = Rectangle(probes, gallery, upper, GROUPS, GROUPS, CELLS, 4), (SUBJECTS, SUBJECTS)
    floors = np.full(4, 0.2)
    counts, hits = np.zeros((4, 5), np.uint64), []
    for shard, mine in shards(file, unit, workers):
        asked = Block.of(where, subjects, mine.parts, mine.worker)
        counts += shard.count(mine, unit[slice(*probes)], asked, EDGES).value
        hits.append(shard.tail(mine, unit[slice(*probes)], asked, 3, floors).value)

    np.testing.assert_array_equal(counts, whole.count(whole, EDGES, where))
    expected = whole.tail(whole, 3, floors, where, subjects)
    for found, right in zip(best(joined(hits), 3), expected, strict=True):
        np.testing.assert_array_equal(found, right)


@given(workers=st.integers(1, 5), k=st.integers(1, N))
def test_candidates_of_all_workers_are_those_of_the_gallery(
    file: Location, unit: NDArray[np.float32], workers: int, k: int
):
    """Scores, rows and numbers at or above a floor; equal rows stand in order of rows."""
    whole = ReferenceEngine().rows(unit)
    probes, floors = unit[:9], np.full(9, 0.4, np.float32)
    answers = [shard.search(mine, probes, k, floors).value for shard, mine in shards(file, unit, workers)]
    found = best_of(*(np.concatenate([answer[i] for answer in answers], axis=1) for i in range(2)), k)

    scores, rows, above = whole.search(ReferenceEngine().rows(probes), k, floors=floors)
    np.testing.assert_array_equal(found[0], scores)
    np.testing.assert_array_equal(found[1], rows)
    np.testing.assert_array_equal(sum(answer[2] for answer in answers), above)


def test_rows_are_read_once_and_others_take_their_place(file: Location, unit: NDArray[np.float32]):
    """A second search reads nothing; other rows are read, and then the first ones again."""
    (shard, first), (_, second) = shards(file, unit, 2)
    took = [shard.search(mine, unit[:1], 1, None).read_s for mine in (first, first, second, first)]

    assert [seconds > 0 for seconds in took] == [True, False, True, True]


def test_a_file_that_was_changed_is_refused(file: Location, unit: NDArray[np.float32], tmp_path: Path):
    """A worker that would count other rows than the program has says so, and counts nothing."""
    (shard, mine), *_ = shards(file, unit, 1)
    other = unit[::-1].copy()
    other[30] = -other[30]
    np.save(tmp_path / "m.npy", other)
    changed = Held(Location(str(tmp_path / "m.npy"), is_unit=True), mine.numbers, D, mine.digest, mine.parts, 0)

    with pytest.raises(InputError, match=r"m.npy holds other rows than this program was given"):
        shard.search(changed, unit[:1], 1, None)


def test_rows_of_another_dimension_are_refused(unit: NDArray[np.float32], tmp_path: Path):
    """The sentence says both."""
    np.save(tmp_path / "m.npy", np.ones((N, D + 1), np.float32))
    mine = held(Location(str(tmp_path / "m.npy")), unit, Parts.of(N, 1), 0)

    with pytest.raises(InputError, match="has dimension 5, expected 4"):
        Shard(partial(open_local, "cpu", None), 1).search(mine, unit[:1], 1, None)


def test_a_digest_does_not_depend_on_how_rows_are_cut(unit: NDArray[np.float32]):
    """It is BLAKE2b of the bytes of all rows."""
    expected = hashlib.blake2b(unit.tobytes(), digest_size=16).hexdigest()

    assert expected == digest_of([unit]) == digest_of(unit[start : start + 7] for start in range(0, N, 7))
