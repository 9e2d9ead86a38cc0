"""Counts the exact search once, and cheaper searches beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from frbench import files
from frbench.candidates import Candidates
from frbench.choices import EXACT_ENGINES
from frbench.counting import identify
from frbench.counting.identify import Identification
from frbench.engines import Engine
from frbench.engines.cluster.rows import ClusterEngine
from frbench.engines.cpu import CpuEngine
from frbench.errors import InputError
from frbench.inputs.arrays import Ints
from frbench.operating_point import OperatingPoint
from frbench.plan import Plan
from frbench.runs.identify import search_points
from frbench.runs.options import Options
from frbench.runs.work import Work
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
    """A task, searched exactly.

    points : thresholds that were set by this search. plan, tally : its counts, by their edges and the regular ones.
    """

    task: Identification
    candidates: Candidates
    points: Sequence[OperatingPoint]
    plan: Plan
    tally: Tally

    @classmethod
    def of(cls, task: Identification, work: Work) -> Self:
        """Searches and counts every probe, going on from a checkpoint if there is one.

        What was found is kept until the run is written: an index may take long to build.
        """
        with work.step("exact", len(task.probes), "searches", clocked="exact search") as advance:
            candidates = identify.search_all(task, work.engine, checkpoint=work.checkpoint, advance=advance)
        files.save_candidates(candidates, work.checkpoint.path(task.digest))
        with work.clock.time("calibrate"):
            points = search_points(task, candidates, options=work.options, engine=work.engine)
        plan = task.plan(work.options.edges(points))
        return cls(task, candidates, points, plan, identify.count(task, plan, candidates))

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


def exact_search(task: Identification, engine: Engine) -> Callable[[], Any] | None:
    """A call that searches some of the probes exactly in one thread, or in one of each worker; None if `untimed`."""
    if untimed(engine):
        return None
    unit = task.probes.unit[timed_probes(task)]
    if isinstance(engine, ClusterEngine):
        held, probes = engine.rows_of(task.gallery, np.flatnonzero(~task.gallery.failed)), engine.rows(unit)
        return lambda: held.search(probes, min(task.k, len(held)))
    assert isinstance(engine, CpuEngine)
    one = CpuEngine(threads=1, isa=engine.isa)
    gallery = one.rows(task.gallery.unit[~task.gallery.failed])
    return lambda: gallery.search(one.rows(unit), min(task.k, len(gallery)))


def untimed(engine: Engine) -> str:
    """Why an exact search is not timed; empty if it is."""
    if isinstance(engine, ClusterEngine) and engine.workers.threads > 1:
        return NOT_ALIKE
    return NOT_FAST if engine.name == "reference" else ""


def timed_probes(task: Identification) -> Ints:
    """Probes that are timed."""
    return sample(np.flatnonzero(~task.probes.failed))
