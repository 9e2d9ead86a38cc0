"""The tail of a run: which pairs are kept, in which order, and what the file says of them."""

from __future__ import annotations

import csv
import dataclasses
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.counting import tail
from frbench.counting.sweep import sweep
from frbench.counting.tail import Keeper, Tail
from frbench.counting.verify import AllPairs, Pairs
from frbench.engines.cpu import CpuEngine
from frbench.engines.hits import Hits
from frbench.engines.reference import ReferenceEngine, ReferenceRows
from frbench.errors import Conservation, InputError
from frbench.plan import Cell
from frbench.tally import Tally
from tests.counting.test_verify import pair_list
from tests.worlds import worlds

Best = dict[tuple[str, str], list[float]]


def counted(counter: AllPairs | Pairs, edges: tuple[float, ...]) -> Tally:
    """The tally of everything that `counter` counts."""
    plan = counter.plan(edges)
    return sweep(plan, lambda tile: counter.count(plan, tile))


def named(found: Tail, world: worlds.World) -> Best:
    """Scores of a tail by names of groups; every pair is checked to be what it is said to be."""
    unit, subjects = world.templates.unit, world.templates.subject_ids
    assert subjects is not None
    names = [
        ",".join(v or "unlabelled" for v in worlds.label_of(world.templates, world.columns, i))
        for i in range(len(unit))
    ]
    out: Best = {}
    rows = ReferenceRows(unit)
    seen: set[tuple[int, int]] = set()
    for score, a, b in zip(*found.hits[1:], strict=True):
        assert score == rows.score_pairs(rows, np.array([a]), np.array([b]))[0]
        assert subjects[a] != subjects[b]
        assert (min(a, b), max(a, b)) not in seen
        seen.add((min(a, b), max(a, b)))
        out.setdefault((names[a] or "all", names[b] or "all"), []).append(float(score))
    return out


def enumerated(world: worlds.World, n: int, wanted: list[tuple[int, int]] | None = None) -> Best:
    """The best `n` non-mated scores by names of groups, one pair after the other; of all pairs or of those wanted."""
    out: Best = {}
    for i, j, mated, score in worlds.pairs(world.templates):
        if score is not None and not mated and (wanted is None or (i, j) in wanted):
            labels = (worlds.label_of(world.templates, world.columns, row) for row in (i, j))
            a, b = sorted(",".join(v or "unlabelled" for v in label) or "all" for label in labels)
            out.setdefault((a, b), []).append(score)
    return {key: sorted(scores, reverse=True)[:n] for key, scores in out.items()}


@pytest.mark.parametrize("engine", [ReferenceEngine(), CpuEngine(threads=2)], ids=["reference", "cpu"])
@given(world=worlds.random_worlds(), n=st.sampled_from([1, 2, 5, 50, 100_000]), data=st.data())
@worlds.FEW
def test_the_best_of_every_cell_are_kept(
    engine: ReferenceEngine | CpuEngine, world: worlds.World, n: int, data: st.DataObject
):
    """Scores of the whole enumeration, excluded pairs left out; cells by name, best first."""
    everything = [pair[:2] for pair in worlds.pairs(world.templates)]
    excluded = data.draw(st.lists(st.sampled_from(everything), unique=True)) if everything else []
    counter = AllPairs(world.layout, engine, pair_list(world.templates, excluded))
    told: list[int] = []
    tally = counted(counter, world.edges)
    found = named(counter.tail(tally, n, told.append), world)

    assert found == enumerated(world, n, [pair for pair in everything if pair not in excluded])
    assert list(found) == sorted(found)
    assert sum(told) == sum(tally.plan.trials)


@given(worlds.random_worlds(min_n=2, max_n=20), st.sampled_from([1, 3, 100]), st.data())
@worlds.FEW
def test_the_best_of_a_list_are_kept(world: worlds.World, n: int, data: st.DataObject):
    """Of every cell of listed pairs, whatever else there is."""
    everything = [pair[:2] for pair in worlds.pairs(world.templates)]
    chosen = data.draw(st.lists(st.sampled_from(everything), min_size=1, unique=True))
    counter = Pairs(pair_list(world.templates, chosen), world.layout, ReferenceEngine())

    assert named(counter.tail(counted(counter, world.edges), n), world) == enumerated(world, n, chosen)


@given(worlds.random_worlds(), st.sampled_from([1, 7]))
@worlds.FEW
def test_engine_and_threads_change_no_tail(world: worlds.World, n: int):
    """Equal scores at the last place are decided by the order of rows, not by who is first."""
    tails = []
    for engine in (ReferenceEngine(), CpuEngine(threads=1), CpuEngine(threads=3)):
        counter = AllPairs(world.layout, engine)
        tails.append(counter.tail(world.tally, n).to_csv(world.templates))

    assert tails[0] == tails[1] == tails[2]


def lines(found: Tail, world: worlds.World) -> list[list[str]]:
    """Rows of the file."""
    return list(csv.reader(io.StringIO(found.to_csv(world.templates))))


def test_two_groups_by_hand():
    """Of women t0 t2 with 1; of men the first of two pairs of .5; between them the first of five."""
    world = worlds.World(worlds.two_groups().templates, n_blocks=1)

    assert lines(world.counter.tail(world.tally, 1), world) == [
        list(tail.COLUMNS),
        ["f", "f", "1", "1.0", "t0", "ann", "t2", "bea"],
        ["f", "m", "1", "0.5", "t0", "ann", "t5", "dan"],
        ["m", "m", "1", "0.5", "t3", "carl", "t5", "dan"],
    ]


def test_sides_and_cells_stand_in_the_order_of_their_names():
    """The group without a label is numbered first and named last; ranks begin anew in each cell."""
    found = worlds.templates([worlds.X, worlds.X, worlds.HALF], ["ann", "bea", "carl"], sex=["", "f", "f"])
    world = worlds.World(found, n_blocks=1)

    assert [line[:3] + line[4:5] for line in lines(world.counter.tail(world.tally, 9), world)[1:]] == [
        ["f", "f", "1", "t1"],
        ["f", "unlabelled", "1", "t1"],
        ["f", "unlabelled", "2", "t2"],
    ]


def test_a_list_without_subjects_names_none():
    """Nobody knows who is on the pairs."""
    world = worlds.two_groups()
    pairs = pair_list(world.templates, [(0, 2)])
    counter = Pairs(pairs, world.layout, ReferenceEngine())
    found = counter.tail(counted(counter, world.edges), 1)
    text = found.to_csv(dataclasses.replace(world.templates, subject_ids=None))

    assert text.splitlines()[1] == "f,f,1,1.0,t0,,t2,"


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=30))
@worlds.FEW
def test_a_score_in_the_file_is_the_score(scores: list[float]):
    """Reading the text as float32 gives the same bits."""
    score = np.array(scores, dtype=np.float32)
    zeros = np.zeros(len(score), np.int64)
    plan = worlds.small_plan(cells=(Cell(False, 0, 0),), trials=(len(score),))
    found = Tail(plan, Hits(zeros, score, zeros, zeros))
    texts = [row[3] for row in csv.reader(io.StringIO(found.to_csv(worlds.two_groups().templates)))][1:]

    assert np.array([np.float32(text) for text in texts]).tobytes() == score.tobytes()


def test_a_floor_is_the_highest_edge_that_enough_pairs_reach():
    """Of women 2 scored pairs reach .5 and 1 reaches 1; of men 2 reach .5; 9 between them, 5 of which reach .5."""
    world = worlds.two_groups()
    floors = {n: tail.floors(world.tally, n).tolist() for n in (1, 2, 3, 9, 10)}
    inf = float("inf")

    assert [(c.mated, c.group_a, c.group_b) for c in world.plan.cells[:3]] == [
        (False, 0, 0),
        (False, 0, 1),
        (False, 1, 1),
    ]
    assert {n: found[:3] for n, found in floors.items()} == {
        1: [1.0, 0.5, 0.5],
        2: [0.5, 0.5, 0.5],
        3: [-inf, 0.5, -inf],
        9: [-inf, 0.0, -inf],
        10: [-inf, -inf, -inf],
    }
    assert all(found[3:] == [inf, inf] for found in floors.values())


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch):
    """However many hits are added, few wait, and the best stay: row and 37 row modulo 100 go up to 99."""
    monkeypatch.setattr(tail, "PENDING", 10)
    keeper = Keeper(2)
    for row in range(100):
        score = np.array([row * 37 % 100, row], dtype=np.float32)
        keeper.add(Hits(np.array([1, 0]), score, np.array([row, row]), np.array([row, row])))
        assert sum(len(part.cell) for part in keeper._parts) <= 4 + 10 + 2

    assert keeper.hits().cell.tolist() == [0, 0, 1, 1]
    assert keeper.hits().score.tolist() == [99, 98, 99, 98]


class Forgetful(ReferenceEngine):
    """An engine whose tails lack a pair."""

    def rows(self, unit):
        """Rows whose tails lack the last."""

        class Rows(ReferenceRows):
            def tail(self, *args, **options):
                return Hits(*(column[:-1] for column in super().tail(*args, **options)))

        return Rows(unit)


def test_an_engine_that_loses_a_pair_is_found_out():
    """The counts say how many there are to keep."""
    world = worlds.World(worlds.two_groups().templates, n_blocks=1)

    with pytest.raises(Conservation, match=r"0 pairs of .* were kept, the counts say 1"):
        AllPairs(world.layout, Forgetful()).tail(world.tally, 1)


@pytest.mark.parametrize("n", [0, -1, 100_001])
def test_the_number_of_a_cell_is_bounded(n: int):
    """The message says what is possible."""
    with pytest.raises(InputError, match=f"--keep-pairs is {n}, expected 1 to 100,000"):
        tail.checked(n, worlds.small_plan())


def test_the_number_of_all_is_bounded():
    """51 cells of 100,000 pairs are too many; mated cells and cells of few pairs take no room."""
    cells = tuple(Cell(False, 0, b) for b in range(51))
    plan = worlds.small_plan(cells=(*cells, Cell(True, 0, 0)), trials=(10**9,) * 52)

    with pytest.raises(InputError, match="100000, which keeps 5,100,000 pairs of 51 pairs of groups"):
        tail.checked(100_000, plan)
    assert tail.checked(98_000, plan) == 98_000
    few = worlds.small_plan(cells=cells, trials=(10**9,) * 50 + (5,))
    with pytest.raises(InputError, match="5,000,005"):
        tail.checked(100_000, few)
