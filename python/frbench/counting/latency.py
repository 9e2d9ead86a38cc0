"""Times searches by probe group, as a tally on a nanosecond axis.

A trial is a request: one call of `Gallery.search` with one probe or a batch of one group, timed around the call,
from a matrix in memory to scores and rows in memory. Requests of all groups and batch sizes are shuffled together,
so that a slow moment of the machine falls on everybody. A block is a process: every run is a fresh one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from frbench.counting.gallery import Gallery
from frbench.counting.layout import Layout
from frbench.counting.side_by_side import SideBySide
from frbench.engines import Engine
from frbench.engines.cpu import CpuEngine
from frbench.engines.gpu import GpuEngine
from frbench.errors import InputError
from frbench.inputs.arrays import Advance, Ints
from frbench.plan import Cell, Kind, Plan, digest_of
from frbench.tally import Tally
from frbench.templates import Templates

TIMER = "time.perf_counter_ns around Gallery.search, normalisation of the probes included"
WARM_UP = 0.05
CHECKED_PROBES = 3
# float32 scores of unit rows, against a float64 product of rows that were normalised once more.
CHECK_TOLERANCE = 3e-7


def nanosecond_axis() -> tuple[float, ...]:
    """Edges from 1 microsecond to 100 seconds, each 1% above the one before."""
    n = int(np.ceil(np.log(1e8) / np.log(1.01)))
    return tuple(float(round(1000 * 1.01**i)) for i in range(n + 1))


@dataclass(frozen=True, eq=False)
class LatencyTask:
    """Searches to time.

    Parameters
    ----------
    batches : probes a request.
    requests : timed requests for each group and batch size, in each run.
    hardware : what the times belong to; times of other hardware are never added.
    engine : whether the processors search, or the GPUs.
    """

    gallery: Templates
    probes: Templates
    columns: tuple[str, ...]
    hardware: str
    k: int = 50
    batches: tuple[int, ...] = (1, 64)
    requests: int = 500
    threads: int = 0
    isa: str | None = None
    engine: Literal["cpu", "gpu"] = "cpu"

    def open_engine(self) -> Engine:
        """The engine that searches."""
        return GpuEngine() if self.engine == "gpu" else CpuEngine(threads=self.threads, isa=self.isa)

    @property
    def kernels(self) -> str:
        """The instruction set or GPU that multiplies, in words."""
        isa = str(self.open_engine().describe()["isa"])
        return f"gpu {isa}" if self.engine == "gpu" else isa

    def __post_init__(self) -> None:
        if not 1 <= self.k <= len(self.gallery):
            raise InputError(f"k is {self.k}, expected 1 to {len(self.gallery)}, the size of the gallery")
        if self.requests < 1 or not self.batches or min(self.batches) < 1:
            raise InputError("requests and batch sizes must be at least 1")
        if self.probes.failed.all():
            raise InputError("no probe can be searched: every one is NaN, infinite or zero, or there is none")
        if self.gallery.dimension != self.probes.dimension:
            raise InputError(f"probes have dimension {self.probes.dimension}, the gallery has {self.gallery.dimension}")

    def plan(self) -> Plan:
        """The plan of these requests: a cell for each group and batch size."""
        layout = Layout.of(self.probes, self.columns)
        inputs = digest_of(self.gallery.digest, self.probes.digest, layout.group, self.hardware)
        details = {
            "gallery": len(self.gallery),
            "dimension": self.gallery.dimension,
            "k": self.k,
            "batches": list(self.batches),
            "threads": self.threads,
            "probes": list(map(len, searchable(layout))),
            "isa": self.kernels,
            "timer": TIMER,
            "warm_up": WARM_UP,
        }
        return plan_of_requests("latency", layout, len(self.batches), inputs=inputs, details=details)


def plan_of_requests(kind: Kind, layout: Layout, n_parts: int, *, inputs: str, details: Mapping[str, Any]) -> Plan:
    """The plan of timed requests: a cell for each group of probes and each of `n_parts` batches or loads."""
    cells = tuple(Cell(False, g, g, part) for g in range(len(layout.groups)) for part in range(n_parts))
    subjects = layout.parties(np.flatnonzero(~layout.templates.failed))
    return Plan(
        kind=kind,
        inputs=inputs,
        edges=nanosecond_axis(),
        columns=layout.columns,
        groups=layout.groups,
        cells=cells,
        trials=(0,) * len(cells),
        subjects=subjects,
        mated_subjects=subjects,
        details=details,
    )


def searchable(layout: Layout) -> list[Ints]:
    """For each group, the rows that have a template."""
    ok = ~layout.templates.failed
    return [np.flatnonzero((layout.group == group) & ok) for group in range(len(layout.groups))]


def measure(task: LatencyTask, run: int) -> Tally:
    """The tally of one run in this process; `run` is its number and the seed of its order.

    Raises
    ------
    AssertionError : a search does not return what a float64 product says; no time is reported then.
    """
    plan = task.plan()
    gallery = Gallery(task.gallery.unit, threads=task.threads, engine=task.open_engine())
    check_answer(gallery, task)
    random = np.random.default_rng(run)
    members = searchable(Layout.of(task.probes, task.columns))
    wanted = [i for i, cell in enumerate(plan.cells) for _ in range(task.requests) if len(members[cell.group_a])]
    order = random.permutation(wanted)
    warm_up = random.choice(order, int(np.ceil(len(order) * WARM_UP)))
    took = np.empty(len(warm_up) + len(order), dtype=np.int64)
    for i, number in enumerate(np.concatenate([warm_up, order])):
        cell = plan.cells[number]
        probes = task.probes.unit[random.choice(members[cell.group_a], task.batches[cell.part])]
        begin = time.perf_counter_ns()
        gallery.search(probes, k=task.k)
        took[i] = time.perf_counter_ns() - begin
    counts = np.zeros((len(plan.cells), plan.n_bins), dtype=np.int64)
    np.add.at(counts, (order, np.searchsorted(plan.axis, took[len(warm_up) :], side="right")), 1)
    return Tally.of_tile(plan, (run, run), counts)


class _Run:
    """A run in a process of its own."""

    def __init__(self, task: LatencyTask) -> None:
        self._task = task

    def measure(self, run: int) -> Tally:
        return measure(self._task, run)


def measure_runs(task: LatencyTask, runs: int, advance: Advance = lambda _: None) -> Tally:
    """The tally of several runs, each in a fresh process, one after another.

    advance : told the number of requests that each run added.
    """
    if runs < 1:
        raise InputError(f"number of runs is {runs}, expected at least 1")
    # A number of its own for each run, so that adding the same run twice is refused.
    first = time.time_ns() >> 10
    total = Tally.zero(task.plan())
    for run in range(first, first + runs):
        with SideBySide(partial(_Run, task), 1) as process:
            (tally,) = process.ask("measure", [(run,)])
        advance(int(tally.total.sum()))
        total = total + tally
    return total


def check_answer(gallery: Gallery, task: LatencyTask) -> None:
    """Compares the first searches with a float64 product."""
    probes = task.probes.unit[np.flatnonzero(~task.probes.failed)[:CHECKED_PROBES]]
    scores, _ = gallery.search(probes, k=task.k)
    kept = task.gallery.unit[~task.gallery.failed]
    for found, probe in zip(scores, probes.astype(np.float64), strict=True):
        exact = np.concatenate([kept[i : i + 65536].astype(np.float64) @ probe for i in range(0, len(kept), 65536)])
        best = -np.sort(-exact)[: task.k]
        if not np.allclose(found[: len(best)], best, rtol=0, atol=CHECK_TOLERANCE):
            raise AssertionError("a search does not return the best scores; no time is reported")
