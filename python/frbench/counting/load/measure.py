"""Measures a server at given loads, finds the load that it bears and the highest that meets an objective."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from frbench.counting.load.generator import NOT_SENT, OK, Answers, Generator
from frbench.counting.load.objective import Objective
from frbench.counting.load.schedule import MAX_REQUESTS, NS, Schedule, draw, poisson
from frbench.counting.load.task import Load, LoadTask, Samples, counted, tally_of
from frbench.errors import EngineUnavailable, InputError, InvalidRun
from frbench.inputs.arrays import Advance, Bools
from frbench.tally import Tally

# Shares of saturation of a sweep.
SHARES = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)
SATURATING = 256
SATURATION_S = 10.0
# Requests of a closed loop are drawn before: more than any server answers.
MOST_PER_SECOND = 100_000
LATE_NS = 1_000_000
SECOND_FLOOR = 459
TOLERANCE = 0.05
MOST_TRIALS = 24
# Trials of an objective have this many times the least requests, so that some of them may be late.
TRIAL_REQUESTS = 3
# Of so many expected requests none is drawn once in 10^13 times, and nobody looks.
SURELY_SOME = 30
STATUS = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
# What a connection says that carries nothing, and what a server says of a request that it will never answer.
BROKEN = ("CANCELLED", "UNKNOWN", "INTERNAL", "UNAVAILABLE")
FINAL = (
    "INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED", "FAILED_PRECONDITION", "UNIMPLEMENTED", "UNAUTHENTICATED",
)  # fmt: skip


@dataclass(frozen=True)
class Second:
    """Requests whose time began in one second; times of those answered, in nanoseconds, None without support."""

    second: int
    requests: int
    failed: int
    median_ns: float | None
    p99_ns: float | None
    longest_ns: float | None


@dataclass(frozen=True)
class Measurement:
    """What one run at one load was like, apart from its latencies.

    Parameters
    ----------
    offered_per_s, achieved_per_s : requests whose time began, and answers that came, a second after the warm-up.
    lag_p99_ns : how late the generator sent, at the 99th percentile; None in a closed loop, where nothing is set.
    statuses : of requests without an answer; NOT_SENT is one that found no room among those in flight before its time
        was over.
    """

    load: int
    run: int
    requests: int
    answered: int
    statuses: dict[str, int]
    offered_per_s: float
    achieved_per_s: float
    lag_p99_ns: float | None
    seconds: tuple[Second, ...]

    @property
    def is_generator_late(self) -> bool:
        """Whether the generator, not the server alone, made requests late."""
        return self.lag_p99_ns is not None and self.lag_p99_ns > LATE_NS

    def to_json(self) -> dict[str, Any]:
        """As in results.json."""
        found = asdict(self) | {"is_generator_late": self.is_generator_late}
        return found | {"seconds": [asdict(second) for second in self.seconds]}


@dataclass(frozen=True, eq=False)
class Measured:
    """Tally, measurements and samples of all runs."""

    tally: Tally
    measurements: tuple[Measurement, ...]
    samples: tuple[Samples, ...]


@dataclass(frozen=True)
class Trial:
    """One load tried against an objective: whether `late` of `requests` show that it is met."""

    rate: float
    requests: int
    late: int
    is_met: bool
    is_generator_late: bool = False


def check_answered(task: LoadTask, generator: Generator) -> None:
    """Sends one request, to find what is wrong with all of them before any is timed.

    Raises
    ------
    InputError : the server will never answer such a request; EngineUnavailable : there is no server that answers.
    """
    one = Schedule(np.zeros(1, np.uint32), None, 0, round(task.timeout_s * NS))
    status = name_of_status(int(generator.send(task.messages()[:1], one, in_flight=1).status[0]))
    if status in FINAL:
        raise InputError(
            f"the server answers a search in gallery '{task.gallery}' with {status}; check gallery, dimension "
            f"({task.probes.dimension}), -k, --batch and token"
        )
    if status in BROKEN:
        raise EngineUnavailable(
            f"the first search ended with {status}; check that the server speaks gRPC there, grpc:// or grpcs://, and "
            "--cert and --key where it asks for a certificate"
        )


def schedule_of(task: LoadTask, load: Load, *, seed: Sequence[int], seconds: float | None = None) -> Schedule:
    """Moments and messages of a measurement at `load`, the warm-up first."""
    random = np.random.default_rng(seed)
    length = task.warm_up_s + (task.seconds if seconds is None else seconds)
    if load.rate is None:
        moments, n = None, min(MAX_REQUESTS, math.ceil(MOST_PER_SECOND * length))
    else:
        moments = poisson(load.rate, length, random)
        n = len(moments)
    order = draw(task.groups, n, mix=task.mix, random=random)
    return Schedule(order, moments, round(task.warm_up_s * NS), round(length * NS))


def check_drawn(task: LoadTask, loads: Sequence[Load], *, runs: int) -> None:
    """Draws the schedules of open loops that may be empty, before anything is sent.

    Raises
    ------
    InputError : no request begins after the warm-up, in any run at any load.
    """
    expected = [math.inf if load.rate is None else load.rate * task.seconds * runs for load in loads]
    if max(expected) > SURELY_SOME:
        return
    drawn = (
        schedule_of(task, load, seed=(task.seed, run, part)) for run in range(runs) for part, load in enumerate(loads)
    )
    if not any(s.scheduled_ns is not None and (s.scheduled_ns >= s.warm_up_ns).any() for s in drawn):
        raise InputError(
            f"no request is drawn in {runs} x {task.seconds:g} s at {max(load.rate or 0 for load in loads):g} a "
            f"second, where {sum(expected):.2g} are expected; raise --rate or --duration"
        )


def run_loads(
    task: LoadTask, generator: Generator, loads: Sequence[Load], *, runs: int, advance: Advance = lambda _: None
) -> Measured:
    """`runs` runs at every load.

    advance : told the number of requests that each measurement added.

    Raises
    ------
    InputError : no request is drawn. InvalidRun : none began in the time that counts.
    """
    if runs < 1:
        raise InputError(f"number of runs is {runs}, expected at least 1")
    check_drawn(task, loads, runs=runs)
    plan, messages = task.plan(loads), task.messages()
    # A number of its own for each run, so that adding the same run twice is refused.
    first = time.time_ns() >> 10
    total, found, samples = Tally.zero(plan), list[Measurement](), list[Samples]()
    for run in range(runs):
        for part, load in enumerate(loads):
            schedule = schedule_of(task, load, seed=(task.seed, run, part))
            answers = generator.send(messages, schedule, in_flight=load.in_flight)
            found.append(measurement(schedule, answers, load=part, run=run))
            samples.append(Samples.of(task, schedule, answers, part))
            advance(found[-1].requests)
        total = total + tally_of(plan, samples[-len(loads) :], run=first + run)
    if not any(each.requests for each in found):
        raise InvalidRun(
            f"no request began in the {task.seconds:g} s that count: those of the warm-up ({task.warm_up_s:g} s) were "
            "not answered before; free the server or raise --duration"
        )
    return Measured(total, tuple(found), tuple(samples))


def saturation(task: LoadTask, generator: Generator) -> float:
    """Answers a second with as many requests in flight as a server can use.

    Raises
    ------
    EngineUnavailable : nothing is answered.
    """
    load = Load(in_flight=SATURATING)
    schedule = schedule_of(task, load, seed=(task.seed,), seconds=min(task.seconds, SATURATION_S))
    found = measurement(schedule, generator.send(task.messages(), schedule, in_flight=SATURATING), load=0, run=0)
    if not found.answered:
        said = ", ".join(f"{n:,} {status}" for status, n in found.statuses.items()) or "no request was sent"
        raise EngineUnavailable(f"the server answers no search: {said}; free it or raise --timeout")
    return found.achieved_per_s


def loads_of_sweep(saturated: float) -> list[Load]:
    """The loads of a sweep, from a tenth of what was borne to a fifth more than that."""
    return [Load(rate=share * saturated) for share in SHARES]


def try_rate(task: LoadTask, generator: Generator, objective: Objective, rate: float, *, number: int) -> Trial:
    """Whether `rate` requests a second meet the objective; one that fails is late."""
    seconds = max(task.seconds, TRIAL_REQUESTS * objective.least_requests / rate)
    schedule = schedule_of(task, Load(rate=rate), seed=(task.seed, 1 << 20, number), seconds=seconds)
    answers = generator.send(task.messages(), schedule)
    found = measurement(schedule, answers, load=0, run=0)
    is_late = ~answers.is_answered | (answers.latency_ns > objective.limit_ns)
    late = int(is_late[counted(schedule, answers)].sum())
    return Trial(rate, found.requests, late, objective.is_met(late, found.requests), found.is_generator_late)


def highest_rate(
    judge: Callable[[float, int], Trial], start: float, *, tolerance: float = TOLERANCE
) -> tuple[float | None, list[Trial]]:
    """The highest rate found to meet an objective, None if none does, and every trial.

    It is bracketed, then halved on a logarithm until a rate that is not met lies at most `tolerance` above one that is.

    Parameters
    ----------
    judge : tries a rate, with the number of the trial.
    start : where to begin.
    """
    met: float | None = None
    missed: float | None = None
    rate, trials = start, list[Trial]()
    while len(trials) < MOST_TRIALS:
        trials.append(judge(rate, len(trials)))
        met, missed = (rate, missed) if trials[-1].is_met else (met, rate)
        if met is None:
            rate = rate / 2
        elif missed is None:
            rate = rate * 1.5
        elif missed <= met * (1 + tolerance):
            break
        else:
            rate = math.sqrt(met * missed)
    return met, trials


def measurement(schedule: Schedule, answers: Answers, *, load: int, run: int) -> Measurement:
    """What was offered, what was achieved, and how late the generator was, after the warm-up."""
    wanted = counted(schedule, answers)
    is_answered = answers.is_answered & wanted
    codes = Counter(answers.status[wanted & ~answers.is_answered].tolist())
    in_time = answers.is_answered & (answers.done_ns >= schedule.warm_up_ns) & (answers.done_ns < schedule.end_ns)
    length = (schedule.end_ns - schedule.warm_up_ns) / NS
    sent = wanted & (answers.status != NOT_SENT)
    lag = (answers.sent_ns - answers.begin_ns)[sent]
    has_lag = schedule.scheduled_ns is not None and len(lag)
    return Measurement(
        load=load,
        run=run,
        requests=int(wanted.sum()),
        answered=int(is_answered.sum()),
        statuses={name_of_status(code): n for code, n in sorted(codes.items())},
        offered_per_s=int(wanted.sum()) / length,
        achieved_per_s=int(in_time.sum()) / length,
        lag_p99_ns=float(np.quantile(lag, 0.99, method="higher")) if has_lag else None,
        seconds=_by_second(schedule, answers, wanted),
    )


def name_of_status(code: int) -> str:
    """The name of a code of gRPC; NOT_SENT for a request that never left."""
    if code == NOT_SENT:
        return "NOT_SENT"
    return STATUS[code] if OK <= code < len(STATUS) else f"CODE_{code}"


def _by_second(schedule: Schedule, answers: Answers, wanted: Bools) -> tuple[Second, ...]:
    begin = answers.begin_ns[wanted] - schedule.warm_up_ns
    number = begin // int(NS)
    latency, is_answered = answers.latency_ns[wanted], answers.is_answered[wanted]
    found = []
    for second in range(int(number.max(initial=-1)) + 1):
        own = number == second
        times = latency[own & is_answered]
        median, p99 = np.quantile(times, [0.5, 0.99], method="higher").tolist() if len(times) else (None, None)
        found.append(
            Second(
                second=second,
                requests=int(own.sum()),
                failed=int((own & ~is_answered).sum()),
                median_ns=None if median is None else float(median),
                p99_ns=float(p99) if p99 is not None and len(times) >= SECOND_FLOOR else None,
                longest_ns=float(times.max()) if len(times) else None,
            )
        )
    return tuple(found)
