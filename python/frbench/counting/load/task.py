"""Makes a plan of what is asked of a server, and a tally of what it answers.

A trial is a request: one call with one probe or several of one group. Its cell is the group of its probes, at one load;
a request without an answer has no time and falls in the last column. A block is a run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from frbench.counting.latency import plan_of_requests, searchable
from frbench.counting.layout import Layout
from frbench.counting.load.generator import Answers
from frbench.counting.load.schedule import Mix, Order, Schedule
from frbench.errors import InputError
from frbench.inputs.arrays import Bools, Ints
from frbench.plan import Plan, digest_of
from frbench.service import wire
from frbench.tally import Tally
from frbench.templates import Templates

Scenario = Literal["single-stream", "multi-stream", "server", "offline"]
# Messages are made before and kept: more different ones than this say nothing more about a server.
MAX_MESSAGES = 20_000
MAX_MESSAGE_BYTES = 1 << 30
OPEN = "from the moment that was set for a request, whether or not it could be sent, to its status"
CLOSED = "from sending a request to its status"


@dataclass(frozen=True)
class Load:
    """How much is asked for: `rate` requests a second in an open loop, or `in_flight` at a time in a closed one."""

    rate: float | None = None
    in_flight: int | None = None


@dataclass(frozen=True, eq=False)
class LoadTask:
    """Searches to send.

    Parameters
    ----------
    gallery : its name at the server.
    columns : labels of the probes that groups are made of.
    batch : probes a request.
    hardware : what the times belong to, the generator's machine and the server's address.
    seconds, warm_up_s : time of a run, counted and before it.
    """

    gallery: str
    probes: Templates
    columns: tuple[str, ...]
    hardware: str
    scenario: Scenario = "server"
    k: int = 50
    batch: int = 1
    mix: Mix = "natural"
    seconds: float = 30.0
    warm_up_s: float = 3.0
    seed: int = 1
    connections: int = 1
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        if self.k < 1 or self.batch < 1:
            raise InputError(f"-k is {self.k} and --batch {self.batch}, expected at least 1 of both")
        if not (self.seconds > 0 and self.warm_up_s >= 0):
            raise InputError(
                f"--duration is {self.seconds:g} s and --warm-up {self.warm_up_s:g} s, expected more than 0 and at "
                "least 0"
            )
        if self.probes.failed.all():
            raise InputError("no probe can be searched: every one is NaN, infinite or zero, or there is none")

    @cached_property
    def layout(self) -> Layout:
        """Groups of the probes."""
        return Layout.of(self.probes, self.columns)

    @cached_property
    def rows(self) -> list[tuple[int, Order]]:
        """Group and probes of each message: every probe that can be searched, a bounded number of them."""
        random = np.random.default_rng(self.seed)
        found = []
        for group, members in enumerate(searchable(self.layout)):
            if len(members):
                random.shuffle(members)
                filled = np.resize(members, -(-len(members) // self.batch) * self.batch)
                found += [(group, rows.astype(np.uint32)) for rows in filled.reshape(-1, self.batch)]
        limit = min(MAX_MESSAGES, max(1, MAX_MESSAGE_BYTES // (4 * self.batch * self.probes.dimension)))
        if len(found) <= limit:
            return found
        return [found[i] for i in np.sort(random.permutation(len(found))[:limit])]

    @cached_property
    def groups(self) -> list[int]:
        """Group of each message."""
        return [group for group, _ in self.rows]

    def messages(self) -> list[bytes]:
        """The encoded requests."""
        probes = (self.probes.unit[rows] for _, rows in self.rows)
        return [wire.search(self.gallery, rows, self.k, rows_only=True, is_unit=True).request for rows in probes]

    def plan(self, loads: Iterable[Load]) -> Plan:
        """The plan of requests at these loads: a cell for each group and load."""
        layout, points = self.layout, [vars(load) for load in loads]
        details = {
            "gallery": self.gallery,
            "dimension": self.probes.dimension,
            "scenario": self.scenario,
            "k": self.k,
            "batch": self.batch,
            "mix": self.mix,
            "loads": points,
            "seconds": self.seconds,
            "warm_up_s": self.warm_up_s,
            "connections": self.connections,
            "timeout_s": self.timeout_s,
            "probes": list(map(len, searchable(layout))),
            "timer": OPEN if self.scenario == "server" else CLOSED,
        }
        inputs = digest_of(self.probes.digest, layout.group, self.hardware)
        return plan_of_requests("load", layout, len(points), inputs=inputs, details=details)


@dataclass(frozen=True, eq=False)
class Samples:
    """Requests of one run at one load, after the warm-up: their finest groups, and times, -1 without an answer."""

    load: int
    group: Ints
    latency_ns: Ints

    @classmethod
    def of(cls, task: LoadTask, schedule: Schedule, answers: Answers, load: int) -> Samples:
        """Every request after the warm-up, once."""
        wanted = counted(schedule, answers)
        # In a closed loop the requests that were sent are the first of the schedule.
        group = np.asarray(task.groups)[schedule.order[: len(wanted)][wanted]]
        return cls(load, group, np.where(answers.is_answered, answers.latency_ns, -1)[wanted])


def counted(schedule: Schedule, answers: Answers) -> Bools:
    """(n,) which requests count: those whose time begins after the warm-up."""
    return np.asarray(answers.begin_ns >= schedule.warm_up_ns)


def tally_of(plan: Plan, samples: Iterable[Samples], *, run: int) -> Tally:
    """The tally of run number `run` from what was measured at each of its loads; no answer is in the last column."""
    counts = np.zeros((len(plan.cells), plan.n_bins), dtype=np.int64)
    number = {(cell.group_a, cell.part): i for i, cell in enumerate(plan.cells)}
    for found in samples:
        cell = np.array([number[g, found.load] for g in range(len(plan.groups))])[found.group]
        bins = np.searchsorted(plan.axis, found.latency_ns, side="right")
        np.add.at(counts, (cell, np.where(found.latency_ns < 0, plan.n_bins - 1, bins)), 1)
    return Tally.of_tile(plan, (run, run), counts)
