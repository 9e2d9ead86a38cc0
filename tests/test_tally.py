"""Laws 3 to 5: tallies add, count each tile once, hold every trial, and know what every block took part in."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.errors import Conservation, EdgeNotInPlan, PlanMismatch, TileCountedTwice
from frbench.plan import Cell, Group
from frbench.tally import Ledger, Tally, refuse_overlap
from tests.worlds import worlds


@st.composite
def three_parts(draw: st.DrawFn) -> tuple[Tally, Tally, Tally]:
    """Three tallies of disjoint tiles of one world."""
    world = draw(worlds.random_worlds(max_n=12))
    tiles = world.plan.tiles()
    owner = draw(st.lists(st.integers(0, 2), min_size=len(tiles), max_size=len(tiles)))
    parts = []
    for part in range(3):
        ledger = Ledger(Tally.zero(world.plan))
        for tile, own in zip(tiles, owner, strict=True):
            if own == part:
                ledger.add(tile, world.counter.count(world.plan, tile))
        parts.append(ledger.tally())
    return parts[0], parts[1], parts[2]


@st.composite
def few_blocks(draw: st.DrawFn) -> worlds.World:
    """A random world of at most eight blocks."""
    return dataclasses.replace(draw(worlds.random_worlds(max_n=25)), n_blocks=draw(st.integers(1, 8)))


@given(three_parts())
@worlds.FEW
def test_addition_has_a_zero_and_any_order(parts: tuple[Tally, Tally, Tally]):
    """zero + t == t, a + b == b + a, (a + b) + c == a + (b + c), and together they are complete."""
    a, b, c = parts
    zero = Tally.zero(a.plan)

    assert zero + a == a == a + zero
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert (a + b + c).is_complete
    assert (a + b + c).check() is not None


@given(few_blocks())
@worlds.FEW
def test_a_tally_is_the_enumeration_of_its_pairs(world: worlds.World):
    """Every pair falls in exactly one bin of one cell; those of failed templates in the last."""
    assert worlds.by_name(world.plan, world.tally.total) == worlds.enumerated(world)


@given(few_blocks())
@worlds.FEW
def test_without_a_block_is_the_run_without_its_subjects(world: worlds.World):
    """total - touching[b] equals the tally counted from scratch with the rows of block b removed."""
    for block in range(world.n_blocks):
        kept = np.flatnonzero(world.layout.block != block)
        rest = dataclasses.replace(world, templates=world.templates.take(kept))

        assert worlds.by_name(world.plan, world.tally.without(block)) == worlds.enumerated(rest)
        if len(kept):
            assert worlds.by_name(rest.plan, rest.tally.total) == worlds.enumerated(rest)


def test_tally_add_refuses_a_tile_twice():
    """A retried worker cannot be counted twice."""
    t = worlds.two_groups().tile(0, 1)

    with pytest.raises(TileCountedTwice, match=r"\(0, 1\)"):
        t + t


def test_a_ledger_refuses_a_tile_twice():
    """The runner's own sums are guarded too, and stay as they were."""
    world = worlds.two_groups()
    ledger = Ledger(world.tile(0, 1))
    with pytest.raises(TileCountedTwice, match=r"\(0, 1\)"):
        ledger.add((0, 1), np.ones((len(world.plan.cells), world.plan.n_bins), np.int64))

    assert ledger.tally() == world.tile(0, 1)


def test_several_tiles_in_both_are_counted_in_the_message():
    """The message names the first tile and how many more there are."""
    with pytest.raises(TileCountedTwice, match=r"\(0, 1\) and 1 more"):
        refuse_overlap([(2, 2), (0, 1)], [(0, 1), (2, 2), (3, 3)])


def test_tallies_of_two_plans_do_not_add():
    """Tallies of other labels are refused, with the digests of both."""
    a = worlds.tally_of(worlds.small_plan(inputs="a"), np.zeros((2, 3)), tiles=[(0, 0)])
    b = worlds.tally_of(worlds.small_plan(inputs="b"), np.zeros((2, 3)), tiles=[(1, 1)])

    with pytest.raises(PlanMismatch, match=f"{a.plan.digest[:8]}.*{b.plan.digest[:8]}"):
        a + b


def test_a_tally_is_not_changed_by_what_is_made_of_it():
    """A ledger begun from a tally, or its sums, leave the tally alone."""
    world = worlds.two_groups()
    begun = world.tile(0, 0)
    before = (begun.total.copy(), begun.touching.copy())
    ledger = Ledger(begun)
    kept = ledger.tally()
    ledger.add((0, 1), world.counter.count(world.plan, (0, 1)))

    assert kept == begun
    np.testing.assert_array_equal(begun.total, before[0])
    np.testing.assert_array_equal(begun.touching, before[1])


def test_tallies_differ_if_anything_differs():
    """Equality looks at plan, tiles, totals and blocks; a tally has no hash."""
    plan = worlds.small_plan()
    t = worlds.tally_of(plan, [[1, 0, 0], [0, 0, 0]])
    ones = np.zeros((32, 2, 3))
    ones[3] = 1

    assert t == worlds.tally_of(plan, [[1, 0, 0], [0, 0, 0]])
    assert t != worlds.tally_of(plan, [[0, 1, 0], [0, 0, 0]])
    assert t != worlds.tally_of(plan, [[1, 0, 0], [0, 0, 0]], tiles=[(0, 1)])
    assert t != worlds.tally_of(plan, [[1, 0, 0], [0, 0, 0]], ones)
    assert t != worlds.tally_of(worlds.small_plan(inputs="x"), [[1, 0, 0], [0, 0, 0]])
    assert t != 3
    with pytest.raises(TypeError, match="unhashable"):
        hash(t)


def test_a_tile_off_the_diagonal_touches_both_its_blocks_and_a_diagonal_one_its_own_once():
    """A comparison is touched by the block of either subject, once even if both are of one block."""
    plan = worlds.small_plan(n_blocks=3)
    counts = [[1, 2, 3], [0, 0, 0]]

    assert Tally.of_tile(plan, (0, 2), counts).touching[:, 0].tolist() == [[1, 2, 3], [0, 0, 0], [1, 2, 3]]
    assert Tally.of_tile(plan, (1, 1), counts).touching[:, 0].tolist() == [[0, 0, 0], [1, 2, 3], [0, 0, 0]]


def test_a_plan_without_blocks_keeps_none():
    """Without blocks a tally is the totals alone."""
    plan = worlds.small_plan(keeps_blocks=False)
    t = Tally.of_tile(plan, (0, 1), [[1, 2, 3], [0, 0, 0]])

    assert t.touching.shape == (0, 2, 3)
    assert t.total.sum() == 1 + 2 + 3


def test_lost_and_doubled_trials_are_found():
    """A tally with one trial too few or too many is refused with both numbers; a trial in another bin is not seen."""
    plan = worlds.small_plan(trials=(4, 0))

    assert worlds.tally_of(plan, [[1, 2, 1], [0, 0, 0]]).check()
    for n, row in [(3, [1, 1, 1]), (5, [1, 2, 2])]:
        with pytest.raises(Conservation, match=f"holds {n} trials, the plan declares 4"):
            worlds.tally_of(plan, [row, [0, 0, 0]]).check()


def test_trials_of_parts_are_declared_together():
    """Rank classes share the number of mated searches declared at their first cell."""
    plan = worlds.small_plan(cells=(Cell(True, 0, 0, 0), Cell(True, 0, 0, 1)), trials=(3, 0))

    assert worlds.tally_of(plan, [[1, 0, 0], [1, 1, 0]]).check()
    with pytest.raises(Conservation, match="holds 2 trials"):
        worlds.tally_of(plan, [[1, 0, 0], [0, 1, 0]]).check()


@pytest.mark.parametrize(
    ("threshold", "named"), [(0.3, "0.25 and 0.5"), (-0.9, "are -0.5;"), (1.5, "are 1.0;"), (float("nan"), "are 1.0;")]
)
def test_a_threshold_between_edges_is_refused_with_its_neighbours(threshold: float, named: str):
    """No interpolation: the message names the nearest edges and how to get the one asked for."""
    with pytest.raises(EdgeNotInPlan, match=named) as refusal:
        worlds.two_groups().tally.edge(threshold)
    assert f"--thresholds {threshold}" in str(refusal.value)


def test_every_edge_is_found():
    """An edge is found by its own value, the ends included."""
    tally = worlds.two_groups().tally

    assert [tally.edge(e) for e in worlds.EDGES] == list(range(6))


def test_pick_pools_groups_in_either_order():
    """Counts between f and m are the same asked either way, and everything together is the sum."""
    tally = worlds.two_groups().tally
    fm = tally.pick(mated=False, group=Group(("sex",), ("f", "m")))

    # Edges -.5 0 .25 .5 .75 1: four scores of 0, five of .5, three failed.
    assert fm.bins.tolist() == [0, 0, 4, 0, 5, 0, 0, 3]
    assert tally.pick(mated=False, group=Group(("sex",), ("m", "f"))).bins.tolist() == fm.bins.tolist()
    # 4 of 0; 1 + 2 + 5 of .5; 1 of 1; 2 + 3 failed.
    assert tally.pick(mated=False).bins.tolist() == [0, 0, 4, 0, 8, 0, 1, 5]
    assert (fm.trials, fm.unscored, fm.at_or_above(3), fm.at_or_above(-1)) == (12, 3, 5, 9)
    assert fm.tail().tolist() == [9, 9, 5, 5, 0, 0]


def test_pick_of_coarser_groups_is_the_sum_of_the_finer():
    """Counting by two columns answers questions about each of them."""
    found = worlds.templates(
        [worlds.X, worlds.X, worlds.Y, worlds.Y], list("abcd"), sex=list("ffmm"), age=["old", "new", "old", "new"]
    )
    fine, coarse = worlds.World(found, ("sex", "age")).tally, worlds.World(found, ("sex",)).tally
    for pair in (("f", "f"), ("f", "m"), ("m", "m")):
        expected = coarse.pick(mated=False, group=Group(("sex",), pair))
        got = fine.pick(mated=False, group=Group(("sex",), pair))
        np.testing.assert_array_equal(got.bins, expected.bins)
        np.testing.assert_array_equal(got.touching, expected.touching)


def test_pick_takes_the_parts_asked_for():
    """Parts are kept apart."""
    plan = worlds.small_plan(cells=(Cell(True, 0, 0, 0), Cell(True, 0, 0, 1)))
    tally = worlds.tally_of(plan, [[1, 2, 0], [4, 8, 16]])

    assert tally.pick(mated=True, parts=[1]).bins.tolist() == [4, 8, 16]
    assert tally.pick(mated=True).bins.tolist() == [1 + 4, 2 + 8, 16]
    assert tally.pick(mated=False).trials == 0


def test_a_tally_shows_its_sizes_in_a_line():
    """Half counted, and of times, whose plans have no tiles of their own."""
    plan = worlds.small_plan(edges=(0.25, 0.5))
    one = Tally.of_tile(plan, (0, 1), [[1, 2000, 0, 0], [0, 0, 0, 4]])

    assert repr(one) == "Tally(verify, 2 cells x 4 bins, 32 blocks, 1 of 528 tiles, 2,005 trials)"
    times = Tally.zero(worlds.small_plan(kind="latency", edges=(0.25,), keeps_blocks=False))
    assert repr(times) == "Tally(latency, 2 cells x 3 bins, 0 blocks, 0 tiles, 0 trials)"
