"""Makes the run of `frbench load`: sends requests to a server, and writes what was answered."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

from frbench.counting.load.generator import Generator
from frbench.counting.load.histograms import histogram_files
from frbench.counting.load.measure import (
    SATURATING,
    check_answered,
    check_drawn,
    highest_rate,
    loads_of_sweep,
    run_loads,
    saturation,
    try_rate,
)
from frbench.counting.load.objective import Objective
from frbench.counting.load.task import Load, LoadTask
from frbench.counting.sweep import Progress
from frbench.errors import InputError
from frbench.finished_run import FinishedRun
from frbench.results.load import load_results
from frbench.runs.directory import prepare_run, write_run
from frbench.runs.manifest import Clock, run_manifest
from frbench.runs.options import Options


@dataclass(frozen=True)
class Asked:
    """What load is asked for: of the scenario `server` one of a rate, a sweep and an objective, else none of them.

    streams : requests at a time of multi-stream.
    """

    rate: float | None = None
    is_sweep: bool = False
    objective: Objective | None = None
    streams: int = 8

    def check(self, task: LoadTask) -> None:
        """Raises InputError where the scenario and what is asked for contradict each other."""
        n = (self.rate is not None) + self.is_sweep + (self.objective is not None)
        if task.scenario == "server" and n != 1:
            raise InputError(f"expected one of --rate, --sweep and --slo, got {n or 'none'} of them")
        if task.scenario != "server" and n:
            raise InputError(
                f"--scenario {task.scenario} is a closed loop and has no rate; leave out --rate, --sweep and --slo"
            )
        if self.rate is not None and not 0 < self.rate < inf:
            raise InputError(f"--rate is {self.rate:g}, expected a finite number of requests a second above 0")
        if self.streams < 1:
            raise InputError(f"--streams is {self.streams}, expected at least 1")


def run_load(
    task: LoadTask, generator: Generator, asked: Asked, options: Options, *, runs: int, progress: Progress
) -> FinishedRun:
    """Sends requests and writes the run to `options.out`."""
    asked.check(task)
    if runs < 1:
        raise InputError(f"number of runs is {runs}, expected at least 1")
    prepare_run(options, [source.path for source in task.probes.sources])
    clock = Clock()
    if asked.rate is not None:
        check_drawn(task, [Load(rate=asked.rate)], runs=runs)
    check_answered(task, generator)
    saturated = None
    if asked.is_sweep or asked.objective is not None:
        with clock.time("saturation"):
            saturated = saturation(task, generator)
    objective, slo = asked.objective, None
    if objective is not None and saturated is not None:
        with clock.time("objective"):
            judged = highest_rate(lambda rate, i: try_rate(task, generator, objective, rate, number=i), saturated / 2)
        slo = (objective, *judged)
    loads = _loads(task, asked, saturated, slo)
    expected = round(sum((load.rate or 0) * task.seconds for load in loads))
    with clock.time("measure"), progress.step("load", expected * runs, "requests") as advance:
        measured = run_loads(task, generator, loads, runs=runs, advance=advance)
    found = load_results(measured, groupings=options.groupings, saturation=saturated, slo=slo)
    plan = measured.tally.plan
    more: dict[str, Any] = {"seed": task.seed, "scenario": task.scenario, "rate": asked.rate, "sweep": asked.is_sweep}
    more |= {"slo": None if asked.objective is None else asked.objective.name}
    engine = {"engine": "load generator", "transport": "tonic, one thread", "connections": task.connections}
    sources = list(task.probes.sources)
    made = run_manifest(options, plan, sources=sources, engine=engine, clock=clock, more=more)
    run = FinishedRun(found, made, measured.tally, tables=histogram_files(measured, options.groupings))
    return write_run(run, options.out, with_report=options.with_report)


def _loads(task: LoadTask, asked: Asked, saturated: float | None, slo: Any) -> list[Load]:
    if asked.is_sweep and saturated is not None:
        return loads_of_sweep(saturated)
    if slo is not None:
        _, rate, trials = slo
        # Where nothing meets the objective, the lowest rate that was tried shows why.
        return [Load(rate=min(trial.rate for trial in trials) if rate is None else rate)]
    at_once = {"single-stream": 1, "multi-stream": asked.streams, "offline": SATURATING}
    return [Load(rate=asked.rate) if task.scenario == "server" else Load(in_flight=at_once[task.scenario])]
