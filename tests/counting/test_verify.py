"""1:1 comparisons: all pairs and lists of pairs against enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.counting.pair_list import PairList
from frbench.counting.sweep import sweep
from frbench.counting.verify import AllPairs, Pairs
from frbench.engines.cpu import CpuEngine
from frbench.engines.reference import ReferenceEngine, ReferenceRows
from frbench.errors import Conservation
from frbench.tally import Tally
from frbench.templates import Source, Templates
from tests.worlds import worlds

SOURCE = Source("pairs.csv", "", 0)


def counted(world: worlds.World, chosen: PairList, engine=None) -> Tally:
    """The tally of a list of pairs."""
    counter = Pairs(chosen, world.layout, engine or CpuEngine(threads=1))
    plan = counter.plan(world.edges)
    return sweep(plan, lambda tile: counter.count(plan, tile))


def pair_list(found: Templates, rows: list[tuple[int, int]]) -> PairList:
    """A list of these rows, mated by the labels."""
    a, b = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    return PairList(found, a, b, np.asarray(found.subject_ids[a] == found.subject_ids[b], dtype=bool), SOURCE)


@given(worlds.random_worlds())
@worlds.FEW
def test_all_pairs_are_counted_as_enumerated(world: worlds.World):
    """The compiled engine's cells, bins and failures are those of one pair after the other."""
    assert worlds.by_name(world.plan, world.counted_by(CpuEngine()).total) == worlds.enumerated(world)


def test_two_groups_are_counted_by_hand():
    """Bins: below -.5, from -.5, 0, .25, .5, .75, 1 on, and failed."""
    f, m = ("f",), ("m",)
    world = worlds.two_groups()

    assert worlds.by_name(world.plan, world.tally.total) == {
        (False, f, f): (0, 0, 0, 0, 1, 0, 1, 0),
        (False, f, m): (0, 0, 4, 0, 5, 0, 0, 3),
        (False, m, m): (0, 0, 0, 0, 2, 0, 0, 2),
        (True, f, f): (0, 0, 0, 0, 1, 0, 0, 0),
        (True, m, m): (0, 0, 0, 0, 0, 0, 1, 1),
    }


@given(worlds.random_worlds(min_n=2, max_n=20), st.data())
@worlds.FEW
def test_listed_pairs_are_counted_as_enumerated(world: worlds.World, data: st.DataObject):
    """Any pairs, in either order of their rows, fall in the bins of the full enumeration."""
    everything = list(worlds.pairs(world.templates))
    chosen = data.draw(st.lists(st.sampled_from(everything), min_size=1, unique_by=lambda p: p[:2]))
    turned = [(j, i) if k % 2 else (i, j) for k, (i, j, _, _) in enumerate(chosen)]
    tally = counted(world, pair_list(world.templates, turned))
    expected: dict[worlds.Key, list[int]] = {}
    for i, j, mated, score in chosen:
        a, b = sorted(worlds.label_of(world.templates, world.columns, row) for row in (i, j))
        bins = expected.setdefault((mated, a, b), [0] * (len(world.edges) + 2))
        bins[-1 if score is None else sum(score >= edge for edge in world.edges)] += 1

    assert worlds.by_name(tally.plan, tally.total) == {key: tuple(bins) for key, bins in expected.items()}
    assert tally.is_complete


@given(worlds.random_worlds(min_n=2, max_n=15))
@worlds.FEW
def test_a_list_of_all_pairs_counts_what_all_pairs_counts(world: worlds.World):
    """Two ways to the same totals, blocks included; the plans differ."""
    chosen = pair_list(world.templates, [p[:2] for p in worlds.pairs(world.templates)])
    listed = counted(world, chosen)

    assert worlds.by_name(listed.plan, listed.total) == worlds.by_name(world.plan, world.tally.total)
    for block in range(world.n_blocks):
        by_list, by_all = listed.without(block), world.tally.without(block)
        assert worlds.by_name(listed.plan, by_list) == worlds.by_name(world.plan, by_all)
    assert listed.plan.digest != world.plan.digest


def test_every_engine_counts_a_list_alike():
    """The oracle and the compiled engine return one tally."""
    world = worlds.two_groups()
    chosen = pair_list(world.templates, [(0, 1), (6, 5), (3, 0), (2, 4)])

    assert counted(world, chosen, ReferenceEngine()) == counted(world, chosen)


def test_a_list_changes_the_plan():
    """One pair more, another pair, or pairs of another group are another plan."""
    world = worlds.two_groups()
    plans = [
        Pairs(pair_list(world.templates, rows), world.layout, ReferenceEngine()).plan(world.edges).digest
        for rows in ([(0, 1)], [(0, 1), (0, 2)], [(0, 2)])
    ]

    assert len(set(plans)) == 3


class Forgetful(ReferenceEngine):
    """An engine that loses a pair."""

    def rows(self, unit):
        """Rows whose counts lack one."""

        class Rows(ReferenceRows):
            def count(self, *args, **options):
                counts = super().count(*args, **options)
                counts[np.unravel_index(counts.argmax(), counts.shape)] -= np.uint64(1)
                return counts

        return Rows(unit)


def test_an_engine_that_loses_a_pair_is_found_out():
    """The number of scored pairs is known in closed form: an engine that returns another is refused."""
    world = worlds.World(worlds.two_groups().templates, n_blocks=1)

    with pytest.raises(Conservation, match=r"tile \(0, 0\): the engine scored"):
        AllPairs(world.layout, Forgetful()).count(world.plan, (0, 0))
