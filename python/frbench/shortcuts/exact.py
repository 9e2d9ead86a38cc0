"""Exact: the search that others are held against, counted once, and others counted beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from frbench import files, identify
from frbench.audits.leakage import in_searches, lengths
from frbench.calibrated import search_points
from frbench.candidates import Candidates
from frbench.choices import EXACT_ENGINES
from frbench.cluster.rows import ClusterEngine
from frbench.engines import Engine
from frbench.engines.cpu import CpuEngine
from frbench.errors import InputError
from frbench.identify import Identification
from frbench.layout import Ints
from frbench.operating_point import OperatingPoint
from frbench.plan import Plan
from frbench.run import Checkpoint, Progress
from frbench.run_manifest import Clock, run_manifest
from frbench.run_options import Options
from frbench.shortcuts.differences import Counted
from frbench.shortcuts.proposals import both, plan_of
from frbench.shortcuts.speed import sample
from frbench.tally import Tally
from frbench.templates import Templates

NOT_FAST = "the reference engine is not made to be fast"
NOT_ALIKE = "workers search exactly in several threads each, and their indexes in one: give --threads 1 to compare both"


def task_of(
    gallery: Templates, probes: Templates, options: Options, *, k: int, ranks: tuple[int, ...]
) -> Identification:
    """What is searched.

    Raises
    ------
    InputError : a rank beyond the lists, an engine that is elsewhere, or labels that are not there.
    """
    if ranks[-1] > k:
        raise InputError(f"rank {ranks[-1]} is beyond lists of {k}, which is all that a search returns; raise -k")
    if options.engine not in EXACT_ENGINES:
        raise InputError(
            f"--engine is {options.engine}, expected {' or '.join(EXACT_ENGINES)}: this is done on one machine"
        )
    options.require(probes)
    return Identification(gallery, probes, options.columns, k=k, ranks=ranks, n_blocks=options.n_blocks)


@dataclass(frozen=True, eq=False)
class Exact:
    """A task, searched exactly. checkpoint : where the search was kept meanwhile."""

    task: Identification
    candidates: Candidates
    points: Sequence[OperatingPoint]
    plan: Plan
    tally: Tally
    checkpoint: Checkpoint

    @classmethod
    def of(cls, task: Identification, options: Options, engine: Engine, clock: Clock, progress: Progress) -> Exact:
        """Searches and counts every probe, going on from a checkpoint if there is one.

        What was found is kept until the run is written: an index may take long to build.
        """
        checkpoint = options.checkpoint()
        with clock.time("exact search"), progress.step("exact", len(task.probes), "searches") as advance:
            candidates = identify.search_all(task, engine, checkpoint=checkpoint, advance=advance)
        files.save_candidates(candidates, checkpoint.path(task.digest))
        with clock.time("calibrate"):
            points = search_points(task, candidates, options=options, engine=engine)
        plan = task.plan(options.edges(points))
        return cls(task, candidates, points, plan, identify.count(task, plan, candidates), checkpoint)

    def beside(self, other: Candidates, description: Mapping[str, Any], plan: Plan | None = None) -> Counted:
        """The counts of this search, of another one of the same probes, and of what both found.

        description : how the other one searches, for its tallies. plan : of the other one, if its edges are others.
        """
        theirs = plan_of(plan or self.plan, description)
        together = plan_of(self.plan, {**description, "counted": "found by both"})
        common = both(self.candidates, other)
        return Counted(
            self.tally, identify.count(self.task, theirs, other), identify.count(self.task, together, common)
        )

    def manifest(
        self, options: Options, engine: Mapping[str, Any], clock: Clock, more: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What produced the run. more : options of the command."""
        gallery, probes = self.task.gallery, self.task.probes
        findings = [*in_searches(gallery, probes), *lengths(gallery), *lengths(probes), *options.trained(probes)]
        chosen = {
            "k": self.task.k,
            "ranks": list(self.task.ranks),
            "labels_joined_by": {"gallery": gallery.joined_by, "probes": probes.joined_by},
            **more,
        }
        sources = list(dict.fromkeys((*gallery.sources, *probes.sources)))
        return run_manifest(
            options,
            self.plan,
            sources=sources,
            engine=engine,
            clock=clock,
            more=chosen,
            findings=list(dict.fromkeys(findings)),
        )


def exact_search(task: Identification, engine: Engine) -> Callable[[], Any] | None:
    """A call that searches some of the probes exactly in one thread, or in one of each worker; None if `untimed`."""
    if untimed(engine):
        return None
    if isinstance(engine, ClusterEngine):
        return _search_by_workers(task, engine)
    assert isinstance(engine, CpuEngine)
    one = CpuEngine(threads=1, isa=engine.isa)
    gallery = one.rows(task.gallery.unit[~task.gallery.failed])
    probes = task.probes.unit[timed_probes(task)]
    return lambda: gallery.search(one.rows(probes), min(task.k, len(gallery)))


def untimed(engine: Engine) -> str:
    """Why an exact search is not timed; empty if it is."""
    if isinstance(engine, ClusterEngine) and engine.workers.threads > 1:
        return NOT_ALIKE
    return NOT_FAST if engine.name == "reference" else ""


def _search_by_workers(task: Identification, engine: ClusterEngine) -> Callable[[], Any]:
    gallery = engine.rows_of(task.gallery, np.flatnonzero(~task.gallery.failed))
    probes = engine.rows(task.probes.unit[timed_probes(task)])
    return lambda: gallery.search(probes, min(task.k, len(gallery)))


def timed_probes(task: Identification) -> Ints:
    """Probes that are timed."""
    return sample(np.flatnonzero(~task.probes.failed))
