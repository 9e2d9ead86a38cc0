"""The index of one worker's rows: made as a recipe says, the same each time, and dropped with the rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from frbench.engines.ann import FAMILIES
from frbench.engines.cluster.shard import Held, digest_of
from frbench.engines.cluster.shard_index import Recipe
from frbench.engines.reference import scores
from frbench.inputs.storage import Location
from tests.engines.cluster.test_shard import D, N, file, shards, unit
from tests.worlds import worlds

__all__ = ["file", "unit"]

HNSW = {"M": 4, "ef_construction": 10}
AS_THEY_LIE = Recipe.of("hnsw", HNSW, seed=1, order=None)


@given(workers=st.integers(1, 5), k=st.integers(1, N), seed=st.integers(0, 2**16))
@settings(worlds.FEW, max_examples=15)
def test_every_row_of_the_gallery_is_proposed_by_its_worker_alone(
    file: Location, unit: NDArray[np.float32], workers: int, k: int, seed: int
):
    """A scan proposes the best k of each worker's rows, by place in the gallery, whatever the order of insertion."""
    random, probes = np.random.default_rng(seed), unit[:4]
    for shard, mine in shards(file, unit, workers):
        own = mine.parts.places(mine.worker)
        recipe = Recipe.of("faiss-sq8", {}, seed=1, order=random.permutation(len(own)))
        found = shard.propose(mine, recipe, probes, k, 0).value

        assert found.shape == (4, min(k, len(own)))
        for row, all_scores in zip(found, scores(probes, unit[own]), strict=True):
            assert len(set(row.tolist())) == len(row)
            assert set(row.tolist()) <= set(own.tolist())
            # Codes of 8 bits a component are off by less than 1/255 of its range of at most 2, in D = 4 components.
            least = np.sort(all_scores)[::-1][len(row) - 1]
            assert all_scores[np.isin(own, row)].min() >= least - 2 * D * 2 / 255


def test_rows_are_inserted_in_the_order_of_the_recipe(file: Location, unit: NDArray[np.float32]):
    """What a worker proposes is what the library proposes of its rows, inserted in this order."""
    _, (shard, mine) = shards(file, unit, 2)
    own = mine.parts.places(1)
    order = np.random.default_rng(5).permutation(len(own))
    index = FAMILIES["hnsw"].build(unit[own][order], HNSW, 7, lambda _: None)

    found = shard.propose(mine, Recipe.of("hnsw", HNSW, seed=7, order=order), unit, 3, 3).value
    np.testing.assert_array_equal(found, own[order][index.propose(unit, 3, 3)])


def test_another_worker_makes_the_same_index(file: Location, unit: NDArray[np.float32]):
    """One that takes the place of a lost one proposes the same rows, and tells the same of the index."""
    one, other = (shards(file, unit, 1)[0] for _ in range(2))
    first, again = (shard.propose(mine, AS_THEY_LIE, unit, 2, 2).value for shard, mine in (one, other))
    made, made_again = (shard.build(mine, AS_THEY_LIE).value for shard, mine in (one, other))

    np.testing.assert_array_equal(first, again)
    assert made[:2] == made_again[:2]
    assert made.rows == N
    assert made.nbytes > 4 * N * D


def test_an_index_is_built_once_and_again_for_another_recipe(file: Location, unit: NDArray[np.float32]):
    """The seconds of a build are those of the first call that asked for it."""
    ((shard, mine),) = shards(file, unit, 1)
    first = shard.build(mine, AS_THEY_LIE).value
    shard.propose(mine, AS_THEY_LIE, unit, 2, 2)

    assert shard.build(mine, AS_THEY_LIE).value is first
    wider = Recipe.of("hnsw", {**HNSW, "M": 9}, seed=1, order=None)
    assert shard.build(mine, wider).value.nbytes > first.nbytes
    assert shard.build(mine, AS_THEY_LIE).value is not first


def test_an_index_goes_with_the_rows(file: Location, unit: NDArray[np.float32], tmp_path: Path):
    """Other rows under the same recipe have an index of their own: each row proposes itself."""
    ((shard, mine),) = shards(file, unit, 1)
    shard.build(mine, AS_THEY_LIE)
    np.save(tmp_path / "m.npy", -unit[::-1])
    others = Held(Location(str(tmp_path / "m.npy"), is_unit=True), mine.numbers, D, digest_of([-unit]), mine.parts, 0)

    found = shard.propose(others, AS_THEY_LIE, -unit[:10], 1, N).value
    np.testing.assert_array_equal(found[:, 0], np.arange(10))


@pytest.mark.parametrize(
    "other",
    [
        Recipe.of("faiss-hnsw", HNSW, seed=1, order=None),
        Recipe.of("hnsw", {**HNSW, "M": 5}, seed=1, order=None),
        Recipe.of("hnsw", HNSW, seed=2, order=None),
        Recipe.of("hnsw", HNSW, seed=1, order=np.arange(3)),
    ],
)
def test_recipes_of_different_indexes_have_different_digests(other: Recipe):
    """Family, parameters, seed and order; the order in which parameters were given is none of them."""
    assert other.digest != AS_THEY_LIE.digest
    assert Recipe.of("hnsw", dict(reversed(HNSW.items())), seed=1, order=None).digest == AS_THEY_LIE.digest
