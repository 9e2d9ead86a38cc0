"""Makes a 1:N run: searches every probe, sets thresholds, and counts what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench.candidates import Candidates
from frbench.counting import identify
from frbench.counting.calibrate import operating_points
from frbench.counting.gallery_hits import hits_of
from frbench.counting.identify import Identification
from frbench.counting.layout import subjects_of
from frbench.counting.sweep import Progress
from frbench.engines import Engine
from frbench.finished_run import FinishedRun
from frbench.inputs.arrays import Ints
from frbench.operating_point import OperatingPoint
from frbench.plan import Plan
from frbench.reading.audits.leakage import in_searches, lengths
from frbench.reading.audits.subject_view import hubness
from frbench.reading.sizes.gallery_size import checked_sizes, gallery_sizes
from frbench.results.identify import identify_results
from frbench.results.modes import Lists
from frbench.runs.manifest import sources_of_search
from frbench.runs.options import Options
from frbench.runs.work import Work
from frbench.templates import Templates

# Length of the lists in which hubs are counted, as is usual for k-occurrences.
HUB_LENGTH = 10


def run_identify(
    gallery: Templates,
    probes: Templates,
    options: Options,
    *,
    k: int,
    ranks: tuple[int, ...],
    progress: Progress,
    sizes: tuple[int, ...] = (),
) -> FinishedRun:
    """Searches every probe in the gallery and writes the run to `options.out`.

    sizes : gallery sizes, smaller or larger, to report rates at as well.
    """
    sizes = checked_sizes(sizes)
    with Work.begun(options, sources_of_search(gallery, probes), progress) as work:
        options.require(probes)
        task = Identification(gallery, probes, options.columns, k=k, ranks=ranks, n_blocks=options.n_blocks)
        with work.step("identify", len(probes), "searches", clocked="search") as advance:
            candidates = identify.search_all(task, work.engine, checkpoint=work.checkpoint, advance=advance)
        with work.clock.time("calibrate"):
            points = search_points(task, candidates, options=options, engine=work.engine)
        with work.clock.time("count"):
            tally = identify.count(task, task.plan(options.edges(points)), candidates)
        counted = identify_results(tally, **options.reported(points), lists=nonmated_lists(task, candidates))
        found: dict[str, Any] = {**counted}
        found["hubness"] = hubs(task, candidates)
        if sizes:
            with work.clock.time("gallery sizes"):
                hits = hits_of(task, tally.plan, candidates, work.engine, options.all_thresholds(points))
                found["gallery_sizes"] = gallery_sizes(hits, sizes, ranks=ranks, groupings=options.groupings)
        made = manifest_of_search(work, task, tally.plan, more={"gallery_sizes": list(sizes)})
        return work.written(FinishedRun(found, made, tally, candidates=candidates))


def manifest_of_search(work: Work, task: Identification, plan: Plan, *, more: Mapping[str, Any]) -> dict[str, Any]:
    """What produced a run of searches. more : options of its command, beside those of every search."""
    gallery, probes = task.gallery, task.probes
    joined = {"gallery": gallery.joined_by, "probes": probes.joined_by}
    findings = [*in_searches(gallery, probes), *lengths(gallery), *lengths(probes), *work.options.trained(probes)]
    return work.manifest(
        plan,
        more={"k": task.k, "ranks": list(task.ranks), **more, "labels_joined_by": joined},
        findings=list(dict.fromkeys(findings)),
    )


def nonmated_lists(task: Identification, candidates: Candidates) -> Lists:
    """The candidate lists of the non-mated searches, with the groups and blocks of their probes."""
    nonmated = ~task.is_mated[candidates.probe]
    probe = candidates.probe[nonmated]
    return Lists(candidates.scores[nonmated], task.layout.group[probe], task.layout.block[probe])


def hubs(task: Identification, candidates: Candidates) -> dict[str, Any]:
    """How often templates of the gallery are among the candidates of other people, and which one most often."""
    subjects = subjects_of(task.probes), subjects_of(task.gallery)
    found = asdict(hubness(candidates, *subjects, k=min(HUB_LENGTH, candidates.k)))
    hub = found.pop("hub")
    return found | {"template": None if hub is None else str(task.gallery.template_ids[hub])}


def search_points(
    task: Identification, candidates: Candidates, *, options: Options, engine: Engine
) -> list[OperatingPoint]:
    """Thresholds for the targets: FPIR on non-mated searches, FMR on non-mated comparisons of probes and gallery."""
    wanted = np.ones(len(task.probes), dtype=bool)
    suffix = ""
    if options.population:
        column, value = options.population
        options.require_population(task.probes)
        wanted = task.probes.labels[column] == value
        suffix = f" of {column}={value}"
    best, n_searches = identify.nonmated_tail(task, candidates, wanted)

    def searches(edges: NDArray[np.float64]) -> Ints:
        return (len(best) - np.searchsorted(best, edges, side="left")).astype(np.int64)

    def comparisons(edges: NDArray[np.float64]) -> Ints:
        return identify.comparisons_at_or_above(task, engine, edges, wanted)

    points = []
    for target in options.targets:
        if target.metric == "fpir":
            points += operating_points(searches, n_searches, [target], population=f"all non-mated searches{suffix}")
        else:
            n = identify.n_comparisons(task, wanted)
            population = f"all non-mated comparisons of probes{suffix} and gallery"
            points += operating_points(comparisons, n, [target], population=population)
    return points
