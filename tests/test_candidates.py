"""Law 8: candidates of gallery shards merge to those of one search, and ranks add."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.candidates import Candidates, concatenate
from frbench.counting.identify import Identification, Searcher
from frbench.engines.cpu import CpuEngine
from frbench.engines.reference import ReferenceEngine
from frbench.errors import InputError, PlanMismatch, TileCountedTwice
from tests.worlds import worlds

INF = np.inf


def candidates(**changed) -> Candidates:
    """Two probes over gallery rows 0 to 3, two candidates each."""
    values = {
        "search": "one search",
        "shards": frozenset({(0, 4)}),
        "probe": np.array([0, 1]),
        "scores": np.float32([[0.75, 0.5], [0.25, -INF]]),
        "rows": np.array([[1, 3], [2, -1]]),
        "mate_score": np.float32([0.5, np.nan]),
        "above_mate": np.array([1, 0]),
    }
    return Candidates(**(values | changed))


def same(a: Candidates, b: Candidates) -> bool:
    """Whether every array has the same bytes."""
    return a.search == b.search and all(
        a.arrays()[name].tobytes() == array.tobytes() for name, array in b.arrays().items()
    )


@given(worlds.searches(), st.data())
@worlds.FEW
def test_any_shards_in_any_order_merge_to_one_search(task: Identification, data: st.DataObject):
    """However the gallery is cut, in whatever order the parts return, they merge to the candidates of one search."""
    n = len(task.gallery)
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, n - 1)), max_size=5)) - {n})
    shards = list(zip([0, *cuts], [*cuts, n], strict=True))
    everybody = np.arange(len(task.probes))
    parts = [Searcher(task, CpuEngine(threads=1), shard=shard).search(everybody) for shard in shards]
    merged, *rest = data.draw(st.permutations(parts))
    for part in rest:
        merged = merged.merge(part)
    whole = Searcher(task, ReferenceEngine()).search(everybody)

    assert same(merged, whole)
    assert merged.shards == frozenset(shards)
    np.testing.assert_array_equal(merged.rank, whole.rank)
    np.testing.assert_array_equal(merged.above_mate, sum(part.above_mate for part in parts))


@given(worlds.searches())
@worlds.FEW
def test_merging_is_associative(task: Identification):
    """(a + b) + c equals a + (b + c), as one tree of workers or another would merge."""
    n = len(task.gallery)
    everybody = np.arange(len(task.probes))
    cuts = [0, n // 3, 2 * n // 3, n]
    a, b, c = (Searcher(task, ReferenceEngine(), shard=shard).search(everybody) for shard in pairwise(cuts))

    assert same(a.merge(b).merge(c), a.merge(b.merge(c)))
    assert same(a.merge(b).merge(c), c.merge(a).merge(b))


def test_equal_scores_of_two_shards_come_in_order_of_rows():
    """A tie across shards is settled by the gallery row, not by who came first; nothing comes last."""
    low = candidates(shards=frozenset({(0, 2)}), rows=np.array([[0, 1], [1, -1]]))
    high = candidates(shards=frozenset({(2, 4)}), rows=np.array([[2, 3], [3, -1]]))
    for merged in (low.merge(high), high.merge(low)):
        assert merged.rows.tolist() == [[0, 2], [1, 3]]
        assert merged.scores.tolist() == [[0.75, 0.75], [0.25, 0.25]]
        assert merged.above_mate.tolist() == [1 + 1, 0]
        assert merged.rank.tolist() == [1 + 1 + 1, 0]


def test_a_rank_is_one_more_than_the_non_mates_at_or_above():
    """No scored mate has no rank: 0, not the first."""
    assert candidates().rank.tolist() == [1 + 1, 0]


def test_rows_searched_twice_are_refused():
    """Overlapping shards would count non-mates twice; the message names the rows."""
    with pytest.raises(TileCountedTwice, match="gallery rows 3 to 3 are in both"):
        candidates().merge(candidates(shards=frozenset({(3, 6)})))


def test_candidates_of_two_searches_are_refused():
    """Another gallery, other probes or another k are another search."""
    other = candidates(search="another search", shards=frozenset({(4, 8)}), probe=np.array([2, 3]))

    with pytest.raises(PlanMismatch, match="one sear and another"):
        candidates().merge(other)
    with pytest.raises(PlanMismatch, match="one sear and another"):
        concatenate([candidates(), other])


def test_shards_of_other_probes_are_refused():
    """Shards merge probe by probe."""
    with pytest.raises(PlanMismatch, match="different probes"):
        candidates().merge(candidates(shards=frozenset({(4, 8)}), probe=np.array([0, 2])))


def test_parts_of_the_probes_come_back_in_order():
    """Blocks of probes may finish in any order."""
    late = candidates(probe=np.array([5, 2]), above_mate=np.array([7, 8]))
    joined = concatenate([late, candidates()])

    assert joined.probe.tolist() == [0, 1, 2, 5]
    assert joined.above_mate.tolist() == [1, 0, 8, 7]
    assert joined.k == 2


def test_a_probe_in_two_parts_is_refused():
    """A search cannot be counted twice."""
    with pytest.raises(TileCountedTwice, match="a probe is in two"):
        concatenate([candidates(), candidates(probe=np.array([1, 2]))])


def test_parts_over_other_gallery_rows_are_refused():
    """Probes searched in different galleries are not one run."""
    with pytest.raises(PlanMismatch, match="different gallery rows"):
        concatenate([candidates(), candidates(probe=np.array([2, 3]), shards=frozenset({(0, 3)}))])


def test_nothing_put_together_is_refused():
    """There is no empty search."""
    with pytest.raises(InputError, match="no candidates"):
        concatenate([])


def test_merging_changes_neither_part():
    """Candidates are immutable in use."""
    a, b = candidates(), candidates(shards=frozenset({(4, 8)}), rows=np.array([[4, 5], [6, -1]]))
    a.merge(b)

    assert same(a, candidates())
    assert dataclasses.replace(b).rows.tolist() == [[4, 5], [6, -1]]


def test_candidates_show_their_sizes_in_a_line():
    """Probes, length of lists, and gallery rows of all shards."""
    found = candidates(shards=frozenset({(0, 4), (6, 1500)}))

    assert repr(found) == "Candidates(2 probes x 2, of 1,498 gallery rows)"
