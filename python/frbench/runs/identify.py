"""Jobs: what a command does from input files to the files of a run. Counting and reading meet here, in a tally."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench import files
from frbench.candidates import Candidates
from frbench.choices import Failed
from frbench.counting import identify
from frbench.counting.calibrate import operating_points
from frbench.counting.gallery_hits import hits_of
from frbench.counting.identify import Identification
from frbench.counting.latency import LatencyTask, measure_runs
from frbench.counting.layout import Ints, subjects_of
from frbench.counting.pair_list import PairList
from frbench.counting.sweep import Progress
from frbench.engines import Engine
from frbench.engines.gpu import devices
from frbench.errors import InputError
from frbench.operating_point import OperatingPoint
from frbench.page import Section, render
from frbench.plan import Plan
from frbench.reading.audits.leakage import in_searches, lengths
from frbench.reading.audits.subject_view import hubness
from frbench.reading.sizes.gallery_size import checked_sizes, gallery_sizes
from frbench.results.modes import Lists
from frbench.results.verify import identify_results, latency_results
from frbench.runs.directory import prepare_run, write_run
from frbench.runs.manifest import Clock, run_manifest
from frbench.runs.options import Options
from frbench.runs.verify import Comparisons
from frbench.runs.work import Work
from frbench.templates import Source, Templates

# Length of the lists in which hubs are counted, as is usual for k-occurrences.
HUB_LENGTH = 10


def run_verify(
    templates: Templates,
    options: Options,
    *,
    pairs: PairList | None,
    failed: Failed,
    progress: Progress,
    excluded: PairList | None = None,
    keep_pairs: int | None = None,
    declared: tuple[int, ...] = (),
    by_subject: bool = False,
) -> Section:
    """Counts all pairs, or the listed ones, and writes the run to `options.out`.

    excluded : pairs that are not counted. keep_pairs : non-mated pairs of every cell to name in tail.csv; None for
    no such file. declared : numbers of comparisons that a protocol states, to be explained. by_subject : whether
    errors are looked up by name and written to subjects.csv.
    """
    if by_subject and templates.subject_ids is None:
        raise InputError("--per-subject needs to know who is who; give a labels file with a subject_id column")
    sources = [*templates.sources, *(each.source for each in (pairs, excluded) if each is not None)]
    with Work.begun(options, sources, progress) as work:
        options.require(templates)
        comparisons = Comparisons.of(templates, pairs, excluded=excluded, failed=failed, work=work)
        if keep_pairs is not None:
            comparisons.check_tail(keep_pairs)
        found = comparisons.verified(keep_pairs=keep_pairs, by_subject=by_subject)
        section = Section(found.results(declared), found.manifest(keep_pairs), found.tally)
        tables = found.tables()
        write_run(section, options, title="1:1 verification", checkpoint=work.checkpoint, tables=tables)
        return section


def run_identify(
    gallery: Templates,
    probes: Templates,
    options: Options,
    *,
    k: int,
    ranks: tuple[int, ...],
    progress: Progress,
    sizes: tuple[int, ...] = (),
) -> Section:
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
        found = identify_results(
            tally,
            thresholds=options.all_thresholds(points),
            groupings=options.groupings,
            points=points,
            lists=nonmated_lists(task, candidates),
        )
        found["hubness"] = hubs(task, candidates)
        if sizes:
            with work.clock.time("gallery sizes"):
                hits = hits_of(task, tally.plan, candidates, work.engine, options.all_thresholds(points))
                found["gallery_sizes"] = gallery_sizes(hits, sizes, ranks=ranks, groupings=options.groupings)
        made = manifest_of_search(work, task, tally.plan, more={"gallery_sizes": list(sizes)})
        section = Section(found, made, tally)
        write_run(section, options, title="1:N identification", checkpoint=work.checkpoint, candidates=candidates)
        return section


def sources_of_search(gallery: Templates, probes: Templates) -> list[Source]:
    """The files that gallery and probes were read from, each once."""
    return list(dict.fromkeys((*gallery.sources, *probes.sources)))


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


def run_latency(task: LatencyTask, options: Options, *, runs: int, progress: Progress) -> Section:
    """Times searches and writes the run to `options.out`."""
    sources = sources_of_search(task.gallery, task.probes)
    prepare_run(options, [source.path for source in sources])
    clock = Clock()
    plan = task.plan()
    with (
        clock.time("measure"),
        progress.step("latency", runs * task.requests * len(plan.cells), "requests") as advance,
    ):
        tally = measure_runs(task, runs, advance)
    found = latency_results(tally, groupings=options.groupings)
    engine = task.open_engine().describe()
    made = run_manifest(options, plan, sources=sources, engine=engine, clock=clock, more={})
    section = Section(found, made, tally)
    write_run(section, options, title="search latency")
    return section


def run_latencies(
    task: LatencyTask, options: Options, engine: str | None, *, runs: int, progress: Progress
) -> list[Section]:
    """Times searches on the engine that was asked for: if none was, on the processors and, where there are, on GPUs.

    The run of the GPUs is in the directory gpu of the other, whose page shows both.

    Raises
    ------
    EngineUnavailable : the GPU was asked for, and there is none; the message says what is missing.
    """
    on_gpu = replace(
        task, engine="gpu", hardware=f"{task.hardware}, {', '.join(each['name'] for each in devices.found())}"
    )
    if engine == "gpu":
        return [run_latency(on_gpu, options, runs=runs, progress=progress)]
    sections = [run_latency(task, options, runs=runs, progress=progress)]
    if engine is None and devices.missing() is None:
        beside = replace(options, out=options.out / "gpu", engine="gpu", with_report=False)
        sections.append(run_latency(on_gpu, beside, runs=runs, progress=progress))
        if options.with_report:
            files.write(options.out / "report.html", render(sections, title="search latency"))
    return sections


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
