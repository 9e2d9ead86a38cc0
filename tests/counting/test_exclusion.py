"""Excluded pairs leave numerator and denominator, and everything else stays as if they had never been compared."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from frbench.counting.pair_list import PairList
from frbench.counting.sweep import Checkpoint, sweep
from frbench.counting.verify import AllPairs
from frbench.engines.cpu import CpuEngine
from frbench.engines.reference import ReferenceEngine
from frbench.moments import Sums
from frbench.tally import Tally
from tests.counting.test_verify import pair_list
from tests.worlds import worlds

Rows = list[tuple[int, int]]


def counter(world: worlds.World, excluded: PairList) -> AllPairs:
    """Counts all pairs of a world but some."""
    return AllPairs(world.layout, CpuEngine(threads=1), excluded)


def counted(world: worlds.World, excluded: PairList) -> Tally:
    """The tally of a world without some pairs."""
    pairs = counter(world, excluded)
    plan = pairs.plan(world.edges)
    return sweep(plan, lambda tile: pairs.count(plan, tile))


def enumerated(world: worlds.World, excluded: Rows, without: int | None = None) -> dict[worlds.Key, worlds.Bins]:
    """Counts one pair after the other, without excluded ones and those that touch a block."""
    out: dict[worlds.Key, list[int]] = {}
    for i, j, mated, score in worlds.pairs(world.templates):
        if (i, j) in excluded or without in {world.layout.block[i], world.layout.block[j]}:
            continue
        a, b = sorted(worlds.label_of(world.templates, world.columns, row) for row in (i, j))
        bins = out.setdefault((mated, a, b), [0] * (len(world.edges) + 2))
        bins[-1 if score is None else sum(score >= edge for edge in world.edges)] += 1
    return {key: tuple(bins) for key, bins in out.items()}


def some(data: st.DataObject, world: worlds.World) -> Rows:
    """Some pairs of rows of a world."""
    everything = [pair[:2] for pair in worlds.pairs(world.templates)]
    return data.draw(st.lists(st.sampled_from(everything), min_size=1, unique=True))


@given(worlds.random_worlds(min_n=2, max_n=20), st.data())
@worlds.FEW
def test_the_rest_is_counted_as_enumerated(world: worlds.World, data: st.DataObject):
    """Totals and the counts without each block: mated or not, scored or failed, in every tile."""
    rows = some(data, world)
    tally = counted(world, pair_list(world.templates, rows))

    assert worlds.by_name(tally.plan, tally.total) == enumerated(world, rows)
    assert sum(tally.plan.trials) == sum(world.plan.trials) - len(rows)
    for block in range(world.n_blocks):
        assert worlds.by_name(tally.plan, tally.without(block)) == enumerated(world, rows, block)


@given(worlds.random_worlds(min_n=2, max_n=20), st.data())
@worlds.FEW
def test_the_closed_form_leaves_them_out(world: worlds.World, data: st.DataObject):
    """Sums of scores are those of the rest, and the tally passes its check against them."""
    rows = some(data, world)
    pairs = counter(world, pair_list(world.templates, rows))
    plan = pairs.plan(world.edges)
    read: list[int] = []
    found = pairs.moments(plan, read.append)
    scores = [score for i, j, _, score in worlds.pairs(world.templates) if score is not None and (i, j) not in rows]

    sums = sum(found.pool(()).values(), Sums())
    assert sums.n == len(scores)
    # Scores of the reference are rounded to float32; sums of cells without pairs left are 0 up to their error.
    assert abs(sums.total - sum(scores)) <= 2 * sums.error + len(scores) * 2**-24 + 1e-12
    assert sum(read) == pairs.rows_in_moments
    assert found.check(counted(world, pair_list(world.templates, rows))).is_checked


def test_two_groups_without_two_pairs_by_hand():
    """Gone are ann's two templates, mated with .5, and t0 with t2, non-mated with 1."""
    f, m = ("f",), ("m",)
    world = worlds.two_groups()
    tally = counted(world, pair_list(world.templates, [(2, 0), (0, 1)]))

    assert worlds.by_name(tally.plan, tally.total) == {
        (False, f, f): (0, 0, 0, 0, 1, 0, 0, 0),
        (False, f, m): (0, 0, 4, 0, 5, 0, 0, 3),
        (False, m, m): (0, 0, 0, 0, 2, 0, 0, 2),
        (True, m, m): (0, 0, 0, 0, 0, 0, 1, 1),
    }


def test_the_list_is_part_of_the_plan():
    """Another list is another plan; the order of a list and of its pairs is not; no list is the plan as it was."""
    world = worlds.two_groups()

    def digest(rows: Rows) -> str:
        return counter(world, pair_list(world.templates, rows)).plan(world.edges).digest

    assert digest([]) == world.plan.digest
    assert digest([(0, 2), (3, 5)]) == digest([(5, 3), (0, 2)])
    assert len({digest(rows) for rows in ([], [(0, 2)], [(1, 2)], [(0, 2), (1, 2)])}) == 4


def test_a_checkpoint_of_another_list_is_not_used(tmp_path: Path):
    """What was counted without one pair is no beginning of what is counted without another."""
    world = worlds.two_groups()
    checkpoint = Checkpoint(tmp_path, 0)
    for rows in ([], [(0, 2)], [(1, 2)]):
        pairs = AllPairs(world.layout, ReferenceEngine(), pair_list(world.templates, rows))
        plan = pairs.plan(world.edges)
        assert checkpoint.resume(plan) == Tally.zero(plan)
        sweep(plan, lambda tile, pairs=pairs, plan=plan: pairs.count(plan, tile), checkpoint=checkpoint)
        assert checkpoint.resume(plan).is_complete
