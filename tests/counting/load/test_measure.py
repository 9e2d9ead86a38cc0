"""Runs: nothing is lost between a schedule and a tally, and the highest rate is found where it is."""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from frbench.counting.load.generator import Answers, GrpcGenerator, Server
from frbench.counting.load.measure import (
    TOLERANCE,
    Trial,
    check_answered,
    highest_rate,
    loads_of_sweep,
    measurement,
    run_loads,
    saturation,
    schedule_of,
    try_rate,
)
from frbench.counting.load.objective import Objective
from frbench.counting.load.schedule import Schedule
from frbench.counting.load.task import Load
from frbench.errors import EngineUnavailable, InputError
from frbench.results.load import load_results
from frbench.service.wire import SEARCH
from frbench.terminal.load import load_tables
from tests.counting.load.test_task import MS, open_loop, task
from tests.worlds.scripted_server import scripted


@dataclass(frozen=True)
class Queue:
    """A server that does one request after another, each in `service_ns`: when each is done is arithmetic."""

    service_ns: int

    def send(self, messages: Sequence[bytes], schedule: Schedule, *, in_flight: int | None = None) -> Answers:
        """Answers of an open loop."""
        assert schedule.scheduled_ns is not None
        assert messages
        assert in_flight is None
        begin = schedule.scheduled_ns.astype(np.int64)
        # Done is the largest over earlier requests of their moment and the work from then on.
        work = np.arange(1, len(begin) + 1) * self.service_ns
        done = np.maximum.accumulate(begin - work + self.service_ns) + work
        return Answers(begin, begin, done, np.zeros(len(begin), np.int32))


def quick(**changed):
    """A task of short measurements."""
    return task(**({"seconds": 0.5, "warm_up_s": 0.1, "timeout_s": 30.0} | changed))


def test_what_was_scheduled_is_what_is_counted():
    """Two runs at two rates against a real server that refuses every fourth: answered and failed add up."""

    def refuses(call: int) -> tuple[float, StatusCode]:
        return 0.0, StatusCode.OK if call % 4 else StatusCode.RESOURCE_EXHAUSTED

    own, loads, told = quick(), [Load(rate=200), Load(rate=400)], list[int]()
    with scripted(refuses) as server:
        found = run_loads(own, GrpcGenerator(Server(server.address), SEARCH), loads, runs=2, advance=told.append)
    schedules = [schedule_of(own, load, seed=(1, run, part)) for run in (0, 1) for part, load in enumerate(loads)]
    sent = sum(len(s.order) for s in schedules)
    after = sum(int((s.scheduled_ns >= s.warm_up_ns).sum()) for s in schedules)
    histogram = found.tally.pick(mated=False)

    assert len(server.requests) == sent
    assert histogram.trials == after == sum(told) == sum(m.requests for m in found.measurements)
    assert histogram.unscored == sum(m.statuses["RESOURCE_EXHAUSTED"] for m in found.measurements) > 0
    assert sum(len(s.latency_ns) for s in found.samples) == after
    assert sum(second.requests for m in found.measurements for second in m.seconds) == after
    assert len(found.tally.tiles) == 2


@given(rate=st.floats(0.01, 4.0), runs=st.integers(1, 3), seed=st.integers(0, 1000))
def test_schedules_without_a_request_are_refused_before_one_is_sent(rate: float, runs: int, seed: int):
    """Exactly where no schedule of a run has a moment after the warm-up; the message says how many were expected."""
    own, loads, sent = quick(seed=seed), [Load(rate=rate)], list[Schedule]()

    class Counting(Queue):
        def send(self, messages: Sequence[bytes], schedule: Schedule, *, in_flight: int | None = None) -> Answers:
            sent.append(schedule)
            return super().send(messages, schedule, in_flight=in_flight)

    drawn = [schedule_of(own, loads[0], seed=(seed, run, 0)) for run in range(runs)]
    if any((s.scheduled_ns >= 100 * MS).any() for s in drawn):
        assert run_loads(own, Counting(MS), loads, runs=runs).tally.pick(mated=False).trials > 0
    else:
        with pytest.raises(InputError, match=f"no request is drawn in {runs} x 0.5 s"):
            run_loads(own, Counting(MS), loads, runs=runs)
        assert sent == []


def test_a_load_without_a_request_is_named_beside_others():
    """One of two loads has requests: the run is valid, and its tables name the other one."""
    found = run_loads(quick(), Queue(MS), [Load(rate=1e-3), Load(rate=200.0)], runs=1)
    lines = [line.plain for line in load_tables(load_results(found, groupings=[])) if isinstance(line, Text)]

    assert [m.requests > 0 for m in found.measurements] == [False, True]
    assert "no request was counted at load 0, of which nothing is known; raise --duration" in lines


def test_lag_is_counted_against_the_generator():
    """2 ms late at the 99th percentile is said; times are counted from the moment all the same."""
    schedule, answers = open_loop([0] * 100)
    late = Answers(answers.begin_ns, answers.begin_ns + 2 * MS, answers.done_ns + 2 * MS, answers.status)

    assert not measurement(schedule, answers, load=0, run=0).is_generator_late
    found = measurement(schedule, late, load=0, run=0)
    assert (found.lag_p99_ns, found.is_generator_late) == (2 * MS, True)
    assert (late.latency_ns == 4 * MS).all()


def test_rates_are_of_the_time_after_the_warm_up():
    """100 requests in 100 ms, half of them warm-up: in the last 50 ms those of 47 to 96 ms are answered."""
    found = measurement(*open_loop([0] * 100, latency_ms=3, warm_up_ms=50), load=0, run=0)

    assert found.offered_per_s == pytest.approx(50 / 0.050)
    assert found.achieved_per_s == pytest.approx(50 / 0.050)
    assert found.answered == 50


def test_a_closed_loop_counts_what_it_sent():
    """One at a time with 5 ms each: never more than its time allows, and no lag."""
    own = quick(scenario="single-stream")
    with scripted(lambda _: (0.005, StatusCode.OK)) as server:
        found = run_loads(own, GrpcGenerator(Server(server.address), SEARCH), [Load(in_flight=1)], runs=1)

    assert 1 <= found.tally.pick(mated=False).trials <= 101
    assert found.measurements[0].lag_p99_ns is None
    assert found.tally.pick(mated=False).at_or_above(int(np.searchsorted(found.tally.plan.axis, 5 * MS))) >= 1


def test_saturation_is_never_above_capacity():
    """Four at a time with 20 ms each are 200 a second: 26 fours in half a second at most."""
    with scripted(lambda _: (0.02, StatusCode.OK), threads=4) as server:
        found = saturation(quick(), GrpcGenerator(Server(server.address), SEARCH))

    assert 0 < found <= 208
    assert [round(load.rate / found, 9) for load in loads_of_sweep(found)] == [
        0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2,
    ]  # fmt: skip


@given(st.floats(1, 1e5), st.floats(1e-2, 1e2))
def test_the_highest_rate_is_found_from_anywhere(capacity: float, off: float):
    """What is met below a capacity and missed above it is found within the tolerance, never above."""

    def judge(rate: float, _: int) -> Trial:
        return Trial(rate, 1000, 0, rate <= capacity)

    rate, trials = highest_rate(judge, capacity * off)

    assert rate is not None
    assert capacity / (1 + TOLERANCE) <= rate <= capacity
    assert len(trials) <= 24


def test_where_no_rate_is_met_none_is_found():
    """The search ends, and says what it tried."""
    rate, trials = highest_rate(lambda rate, _: Trial(rate, 10, 10, False), 100.0)

    assert rate is None
    assert all(math.isclose(t.rate, 100 / 2**i) for i, t in enumerate(trials))


def test_an_objective_is_met_up_to_what_queueing_allows():
    """Service of 1 ms in an M/D/1 queue: P(time > 5 ms) is 0.02 at 600 a second, 0.09 at 750 and 0.41 at 900.

    The wait decays as exp(-a x) with load (exp(a) - 1) = a, times (1 - load) / (load exp(a) - 1), x = 4 services.
    """
    own, objective = quick(seconds=60.0), Objective.parse("p90=5ms")
    queue = Queue(MS)

    rate, _ = highest_rate(lambda r, i: try_rate(own, queue, objective, r, number=i), 500.0)

    assert rate is not None
    assert 600 < rate < 900


def test_a_real_server_is_found_to_bear_less_than_its_capacity():
    """One at a time with 5 ms each cannot keep p90 below 60 ms above 200 a second for 0.8 s of requests."""
    lock = threading.Lock()

    def serial(_: int) -> tuple[float, StatusCode]:
        with lock:
            time.sleep(0.005)
        return 0.0, StatusCode.OK

    own, objective = quick(seconds=0.8), Objective.parse("p90=60ms")
    with scripted(serial) as server:
        generator = GrpcGenerator(Server(server.address), SEARCH)
        overloaded = try_rate(own, generator, objective, 400, number=0)
        rate, _ = highest_rate(lambda r, i: try_rate(own, generator, objective, r, number=i), 100, tolerance=0.5)

    assert not overloaded.is_met
    assert overloaded.late > overloaded.requests / 4
    assert rate is not None
    assert rate < 300


def test_failed_requests_are_late():
    """A server that refuses a tenth at once meets no p99, however fast it is."""

    def refuses(call: int) -> tuple[float, StatusCode]:
        return 0.0, StatusCode.OK if call % 10 else StatusCode.RESOURCE_EXHAUSTED

    with scripted(refuses) as server:
        own, generator = quick(seconds=1.0), GrpcGenerator(Server(server.address), SEARCH)
        found = try_rate(own, generator, Objective.parse("p99=60s"), 600, number=0)

    assert found.late / found.requests == pytest.approx(0.1, abs=0.01)
    assert not found.is_met


def test_a_server_that_will_never_answer_is_said_before_anything_is_timed():
    """No such gallery: one request, one sentence."""
    with scripted(lambda _: (0.0, StatusCode.NOT_FOUND)) as server:
        generator = GrpcGenerator(Server(server.address), SEARCH)
        with pytest.raises(InputError, match="gallery 'people' with NOT_FOUND"):
            check_answered(task(), generator)

    assert len(server.requests) == 1


def test_a_port_without_grpc_is_said_before_anything_is_timed():
    """Something listens and hangs up: the connection opens, and carries nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_hang_up, args=(listening,), daemon=True).start()
        generator = GrpcGenerator(Server(f"127.0.0.1:{listening.getsockname()[1]}"), SEARCH)
        with pytest.raises(EngineUnavailable):
            check_answered(task(), generator)


def _hang_up(listening: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            listening.accept()[0].close()


def test_a_server_that_answers_nothing_has_no_saturation():
    """It is said what it answers instead."""
    with scripted(lambda _: (0.001, StatusCode.RESOURCE_EXHAUSTED)) as server:
        generator = GrpcGenerator(Server(server.address), SEARCH)
        with pytest.raises(EngineUnavailable, match="RESOURCE_EXHAUSTED"):
            saturation(quick(seconds=0.2), generator)
