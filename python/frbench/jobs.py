"""Jobs: what a command does from input files to the files of a run. Counting and reading meet here, in a tally."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np

from frbench import files, folds, identify, report, results, tail
from frbench.audits import audit_results
from frbench.audits.leakage import in_comparisons, in_searches, lengths, polarity
from frbench.audits.per_subject import per_subject
from frbench.audits.reconcile import Counts
from frbench.audits.subject_view import hubness
from frbench.calibrated import comparison_points, search_points
from frbench.candidates import Candidates
from frbench.engines.gpu import devices
from frbench.errors import InputError
from frbench.identify import Identification
from frbench.latency import LatencyTask, measure_runs
from frbench.layout import Layout, subjects_of
from frbench.metrics import Failed
from frbench.mode_results import Lists
from frbench.pair_list import PairList
from frbench.plan import Plan
from frbench.run import Progress, kept_on_exit, sweep
from frbench.run_folder import prepare_run, write_run
from frbench.run_manifest import Clock, run_manifest
from frbench.run_options import Grouping, Options
from frbench.sizes.gallery_hits import hits_of
from frbench.sizes.gallery_size import checked_sizes, gallery_sizes
from frbench.tally import Tally
from frbench.templates import Templates
from frbench.verify import AllPairs, Pairs

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
) -> report.Section:
    """Counts all pairs, or the listed ones, and writes the run to `options.out`.

    excluded : pairs that are not counted. keep_pairs : non-mated pairs of every cell to name in tail.csv; None for
    no such file. declared : numbers of comparisons that a protocol states, to be explained. by_subject : whether
    errors are looked up by name and written to subjects.csv.
    """
    if by_subject and templates.subject_ids is None:
        raise InputError("--per-subject needs to know who is who; give a labels file with a subject_id column")
    sources = [*templates.sources, *(each.source for each in (pairs, excluded) if each)]
    prepare_run(options, [source.path for source in sources])
    clock, checkpoint = Clock(), options.checkpoint()
    with closing(options.open_engine(progress)) as engine:
        options.require(templates)
        known = _with_subjects(templates, pairs)
        listed = pairs.without(excluded) if pairs and excluded else pairs

        def comparisons(columns: Grouping) -> AllPairs | Pairs:
            layout = Layout.of(known, columns, options.n_blocks)
            return AllPairs(layout, engine, excluded) if listed is None else Pairs(listed, layout, engine)

        def count(counter: AllPairs | Pairs, plan: Plan, title: str) -> Tally:
            with progress.step(title, sum(plan.trials), "comparisons") as advance:
                return sweep(
                    plan,
                    partial(counter.count, plan),
                    checkpoint=checkpoint,
                    advance=advance,
                    workers=engine.parallel,
                )

        if keep_pairs is not None:
            tail.checked(keep_pairs, comparisons(options.columns).plan(()))
        with clock.time("calibrate"):
            points = comparison_points(known, options, comparisons=comparisons, count=count, failed=failed)
        with clock.time("count"):
            counter = comparisons(options.columns)
            plan = counter.plan(options.edges(points))
            tally = count(counter, plan, "verify")
        kept = None
        with kept_on_exit(partial(files.save_tally, tally, checkpoint.path(plan.digest))):
            with clock.time("checksum"), progress.step("checksum", counter.rows_in_moments, "rows") as advance:
                moments = counter.moments(plan, advance).check(tally)
            if keep_pairs is not None:
                with clock.time("keep pairs"), progress.step("keep pairs", sum(plan.trials), "comparisons") as advance:
                    kept = counter.tail(tally, keep_pairs, advance).to_csv(templates)
            whose = None
            if by_subject:
                layout = Layout.of(known, options.columns, options.n_blocks)
                with (
                    clock.time("per subject"),
                    progress.step("per subject", sum(plan.trials), "comparisons") as advance,
                ):
                    whose = per_subject(counter, layout, tally, options.all_thresholds(points), advance)
        by_fold = None
        if isinstance(counter, Pairs) and listed is not None and listed.folds is not None:
            by_fold = folds.accuracy(counter.scores, listed.mated, listed.folds, failed=failed)
        found = results.verify_results(
            tally,
            thresholds=options.all_thresholds(points),
            groupings=options.groupings,
            points=points,
            failed=failed,
            moments=moments,
            excluded=excluded,
            folds=by_fold,
        )
        found |= audit_results.counts(tally, _rows_of_subjects(known, listed), declared)
        if whose is not None:
            found["subjects"] = whose.to_json(options.groupings)
        findings = [*in_comparisons(templates), *lengths(templates), *polarity(tally), *options.trained(templates)]
        more = {"failed": failed, "keep_pairs": keep_pairs, "labels_joined_by": {"templates": templates.joined_by}}
        described = {**engine.describe(), "checksum": moments.checksum}
        made = run_manifest(options, plan, sources=sources, engine=described, clock=clock, more=more, findings=findings)
        section = report.Section(found, made, tally)
        tables = {files.TAIL: kept, files.SUBJECTS: None if whose is None else whose.to_csv()}
        named = {name: text for name, text in tables.items() if text is not None}
        write_run(section, options, title="1:1 verification", checkpoint=checkpoint, tables=named)
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
) -> report.Section:
    """Searches every probe in the gallery and writes the run to `options.out`.

    sizes : gallery sizes, smaller or larger, to report rates at as well.
    """
    sizes = checked_sizes(sizes)
    sources = list(dict.fromkeys((*gallery.sources, *probes.sources)))
    prepare_run(options, [source.path for source in sources])
    clock, checkpoint = Clock(), options.checkpoint()
    with closing(options.open_engine(progress)) as engine:
        options.require(probes)
        task = Identification(gallery, probes, options.columns, k=k, ranks=ranks, n_blocks=options.n_blocks)
        with clock.time("search"), progress.step("identify", len(probes), "searches") as advance:
            candidates = identify.search_all(task, engine, checkpoint=checkpoint, advance=advance)
        with clock.time("calibrate"):
            points = search_points(task, candidates, options=options, engine=engine)
        with clock.time("count"):
            plan = task.plan(options.edges(points))
            tally = identify.count(task, plan, candidates)
        found = results.identify_results(
            tally,
            thresholds=options.all_thresholds(points),
            groupings=options.groupings,
            points=points,
            lists=nonmated_lists(task, candidates),
        )
        found["hubness"] = hubs(task, candidates)
        if sizes:
            with clock.time("gallery sizes"):
                hits = hits_of(task, plan, candidates, engine, options.all_thresholds(points))
                found["gallery_sizes"] = gallery_sizes(hits, sizes, ranks=ranks, groupings=options.groupings)
        joined = {
            "k": k,
            "ranks": list(ranks),
            "gallery_sizes": list(sizes),
            "labels_joined_by": {"gallery": gallery.joined_by, "probes": probes.joined_by},
        }
        findings = [*in_searches(gallery, probes), *lengths(gallery), *lengths(probes), *options.trained(probes)]
        findings = list(dict.fromkeys(findings))
        made = run_manifest(
            options, plan, sources=sources, engine=engine.describe(), clock=clock, more=joined, findings=findings
        )
        section = report.Section(found, made, tally)
        write_run(section, options, title="1:N identification", checkpoint=checkpoint, candidates=candidates)
        return section


def run_latency(task: LatencyTask, options: Options, *, runs: int, progress: Progress) -> report.Section:
    """Times searches and writes the run to `options.out`."""
    sources = list(dict.fromkeys((*task.gallery.sources, *task.probes.sources)))
    prepare_run(options, [source.path for source in sources])
    clock = Clock()
    plan = task.plan()
    with (
        clock.time("measure"),
        progress.step("latency", runs * task.requests * len(plan.cells), "requests") as advance,
    ):
        tally = measure_runs(task, runs, advance)
    found = results.latency_results(tally, groupings=options.groupings)
    engine = task.open_engine().describe()
    made = run_manifest(options, plan, sources=sources, engine=engine, clock=clock, more={})
    section = report.Section(found, made, tally)
    write_run(section, options, title="search latency")
    return section


def run_latencies(
    task: LatencyTask, options: Options, engine: str | None, *, runs: int, progress: Progress
) -> list[report.Section]:
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
            files.write(options.out / "report.html", report.render(sections, title="search latency"))
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


def _with_subjects(templates: Templates, pairs: PairList | None) -> Templates:
    """Pairs that say which are mated need no labels: each template then stands for a subject of its own."""
    if templates.subject_ids is None and pairs is not None:
        return templates.with_subjects(templates.template_ids)
    return templates


def _rows_of_subjects(templates: Templates, pairs: PairList | None) -> Counts:
    """What the templates make under every convention; of a list of pairs, those that it names."""
    subjects = subjects_of(templates)
    if pairs is not None:
        subjects = subjects[np.unique(np.concatenate([pairs.a, pairs.b]))]
    return Counts.of(list(Counter(subjects).values()))
