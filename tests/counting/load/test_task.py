"""Load tasks: messages of one group each, and a tally that holds every request."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.counting.load.generator import Answers
from frbench.counting.load.schedule import Schedule
from frbench.counting.load.task import Load, LoadTask, Samples, counted, tally_of
from frbench.errors import InputError, PlanMismatch
from frbench.templates import Templates
from frbench.v1 import search_pb2
from tests.worlds import worlds

MS = 1_000_000


def population(n: int = 10, *, failed: tuple[int, ...] = ()) -> Templates:
    """Rows of two groups, one woman in five."""
    unit, _ = worlds.unit_rows(np.random.default_rng(1).normal(size=(n, 8)))
    sex = ["m" if i % 5 else "f" for i in range(n)]
    return worlds.templates(unit, [f"s{i}" for i in range(n)], failed=failed, sex=sex)


def task(**changed) -> LoadTask:
    """A task of 10 probes."""
    values = {"gallery": "people", "probes": population(), "columns": ("sex",), "hardware": "here", "k": 3}
    return LoadTask(**(values | changed))


def open_loop(status: list[int], *, latency_ms: int = 2, warm_up_ms: int = 0) -> tuple[Schedule, Answers]:
    """A request a millisecond, each answered after the same time."""
    n = len(status)
    begin = np.arange(n, dtype=np.int64) * MS
    schedule = Schedule(np.arange(n, dtype=np.uint32) % 10, begin.astype(np.uint64), warm_up_ms * MS, n * MS)
    return schedule, Answers(begin, begin, begin + latency_ms * MS, np.array(status, dtype=np.int32))


def test_every_probe_that_can_be_searched_is_a_message():
    """Nine of ten, each once, with the rows as they are."""
    asked = [search_pb2.SearchRequest.FromString(m) for m in task(probes=population(failed=(3,))).messages()]
    rows = {np.frombuffer(request.probes.data, "<f4").tobytes() for request in asked}

    assert {(r.gallery, r.k, r.probes.dimension, r.probes.is_unit, r.rows_only) for r in asked} == {
        ("people", 3, 8, True, True)
    }
    assert rows == {row.tobytes() for i, row in enumerate(population().unit) if i != 3}


def test_a_message_of_several_probes_is_of_one_group():
    """Two women and eight men in threes: one message and three."""
    found = task(batch=3).rows
    group = task().layout.group

    assert [g for g, _ in found] == [0, 1, 1, 1]
    assert all(len(rows) == 3 and set(group[rows]) == {g} for g, rows in found)
    assert {int(row) for _, rows in found for row in rows} == set(range(10))


@worlds.FEW
@given(st.lists(st.sampled_from([0, 0, 0, 4, 8, 14, -1]), min_size=1, max_size=60), st.integers(0, 30))
def test_every_request_after_the_warm_up_is_counted_once(status: list[int], warm_up_ms: int):
    """Answered ones in the bin of their time, all others in the last column."""
    schedule, answers = open_loop(status, warm_up_ms=warm_up_ms)
    plan = task().plan([Load(rate=1000)])
    tally = tally_of(plan, [Samples.of(task(), schedule, answers, 0)], run=5)
    found = tally.pick(mated=False)
    kept = status[warm_up_ms:]

    assert found.trials == int(counted(schedule, answers).sum()) == len(kept)
    assert found.unscored == sum(s != 0 for s in kept)
    assert found.at_or_above(0) == kept.count(0)
    assert tally.touching[5].sum() == len(kept)


def test_a_request_is_counted_for_the_group_of_its_probe():
    """Ten probes in turn, five times: two women and eight men each time."""
    own = task()
    schedule, answers = open_loop([0] * 50)
    tally = tally_of(own.plan([Load(rate=1000)]), [Samples.of(own, schedule, answers, 0)], run=1)
    groups = np.bincount([own.groups[m] for m in schedule.order])

    assert tally.total.sum(axis=1).tolist() == groups.tolist() == [10, 40]


def test_loads_and_runs_add_and_other_loads_do_not():
    """Two runs of two loads are four measurements; a run at another rate is another plan."""
    own = task()
    loads = [Load(rate=100), Load(rate=200)]
    measured = [Samples.of(own, *open_loop([0] * 20), part) for part in (0, 1)]
    first, second = (tally_of(own.plan(loads), measured, run=run) for run in (1, 2))

    assert (first + second).pick(mated=False, parts=[1]).trials == 40
    with pytest.raises(PlanMismatch):
        first + tally_of(own.plan([Load(rate=300)]), measured[:1], run=3)


@pytest.mark.parametrize(
    "changed", [{"k": 0}, {"batch": 0}, {"seconds": 0.0}, {"warm_up_s": -1.0}, {"probes": population(1, failed=(0,))}]
)
def test_tasks_without_sense_are_refused(changed: dict):
    """Before anything is sent."""
    with pytest.raises(InputError):
        task(**changed)
