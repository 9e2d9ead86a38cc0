"""Jobs: what a command does from input files to the files of a run. Counting and reading meet here, in a tally."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from frbench import files, folds, identify, report, results, tail
from frbench.audits import audit_results
from frbench.audits.leakage import Finding, in_comparisons, in_searches, lengths, polarity, read_subjects, trained
from frbench.audits.per_subject import per_subject
from frbench.audits.reconcile import Counts
from frbench.audits.subject_view import hubness
from frbench.calibrate import Target, operating_points
from frbench.candidates import Candidates
from frbench.cluster.runners import Runner
from frbench.credentials import ANYBODY, Credentials
from frbench.engines import Engine
from frbench.engines.gpu import devices
from frbench.engines.local import LOCAL, open_local
from frbench.errors import InputError
from frbench.identify import Identification
from frbench.latency import LatencyTask, measure_runs
from frbench.layout import Ints, Layout, subjects_of
from frbench.manifest import machine, manifest
from frbench.metrics import Failed
from frbench.mode_results import Lists
from frbench.operating_point import ALL_PAIRS, OperatingPoint
from frbench.pair_list import PairList
from frbench.plan import DEFAULT_BLOCKS, Plan, checked_thresholds, name_of, score_axis
from frbench.run import Checkpoint, kept_on_exit, sweep
from frbench.sizes.gallery_hits import hits_of
from frbench.sizes.gallery_size import checked_sizes, gallery_sizes
from frbench.tally import Histogram, Tally
from frbench.templates import Templates
from frbench.verify import AllPairs, Pairs

Grouping = tuple[str, ...]
TAIL = "tail.csv"
SUBJECTS = "subjects.csv"
# Length of the lists in which hubs are counted, as is usual for k-occurrences.
HUB_LENGTH = 10


class Progress(Protocol):
    """Shows how far a step is."""

    def step(self, title: str, total: int, unit: str) -> Any:
        """A context manager whose value is told every amount done."""
        ...


@dataclass(frozen=True)
class Options:
    """What all commands share.

    out : run directory. groupings : label columns of each --group. thresholds : in [-1, 1].
    targets : rates to set thresholds at. population : None for all, or (column, value).
    train_subjects : file of subjects that the matcher was trained on.
    engine : cpu, gpu, reference, or targets of servers with commas between them, which are shown the `credentials`.
    runner : who is handed the tiles; None for this process.
    """

    out: Path
    groupings: tuple[Grouping, ...] = ()
    per_template: tuple[str, ...] = ()
    thresholds: tuple[float, ...] = ()
    targets: tuple[Target, ...] = ()
    population: tuple[str, str] | None = None
    axis_step: float = 0.001
    axis_from: float = -1.0
    n_blocks: int = DEFAULT_BLOCKS
    engine: str = "cpu"
    credentials: Credentials = ANYBODY
    runner: Runner | None = None
    isa: str | None = None
    threads: int = 0
    checkpoint_s: float = 2.0
    fresh: bool = False
    with_report: bool = True
    command: tuple[str, ...] = ()
    train_subjects: Path | None = None

    def __post_init__(self) -> None:
        checked_thresholds(self.thresholds)
        if self.threads < 0:
            raise InputError(f"--threads is {self.threads}, expected 0 (all) or more")

    @property
    def columns(self) -> Grouping:
        """Every label column that a grouping uses, once."""
        return tuple(dict.fromkeys(c for grouping in self.groupings for c in grouping))

    def open_engine(self) -> Engine:
        """The engine that was asked for."""
        if self.isa is not None and self.engine not in ("cpu", "reference"):
            raise InputError(
                "--isa says what this machine's processors count with; servers are told by `frbench serve --isa`"
            )
        if self.engine in LOCAL and self.runner is not None:
            return self.runner.open(self.engine, self.isa, self.threads)
        if self.engine in LOCAL:
            return open_local(self.engine, self.isa, self.threads)
        if self.runner is not None:
            raise InputError(
                "--runner ray hands tiles to workers of its own; name no servers with --engine, or leave it out"
            )
        # grpcio takes a while to load, and most runs call nobody.
        from frbench.engines.remote import RemoteEngine

        return RemoteEngine(self.engine.split(","), credentials=self.credentials, threads=self.threads)

    def trained(self, templates: Templates) -> list[Finding]:
        """Subjects of `templates` that a matcher was trained on, if a list of those was given."""
        path = self.train_subjects
        return [] if path is None else trained(templates, read_subjects(path), str(path))

    def checkpoint(self) -> Checkpoint:
        """Where this run keeps what it has counted."""
        return Checkpoint(self.out, self.checkpoint_s, self.fresh)

    def edges(self, points: Sequence[OperatingPoint]) -> tuple[float, ...]:
        """The axis of the final tally."""
        regular = set(score_axis(self.axis_step, self.thresholds, self.axis_from))
        return tuple(sorted(regular | set(_set_thresholds(points))))

    def all_thresholds(self, points: Sequence[OperatingPoint]) -> list[float]:
        """Thresholds to report, increasing, each once."""
        return sorted(set(self.thresholds) | set(_set_thresholds(points)))


@dataclass
class Clock:
    """Seconds that each step took."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time(self, step: str) -> Iterator[None]:
        """Adds the time of the work inside to `step`."""
        begin = time.perf_counter()
        yield
        self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - begin


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
    for given in (pairs, excluded):
        _refuse_to_replace(given, options.out / TAIL)
    if by_subject and templates.subject_ids is None:
        raise InputError("--per-subject needs to know who is who; give a labels file with a subject_id column")
    files.prepare(options.out)
    clock, checkpoint = Clock(), options.checkpoint()
    with closing(options.open_engine()) as engine:
        _require(templates, options)
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
            points = _verify_points(known, comparisons, count, options, failed)
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
        sources = [*templates.sources, *(each.source for each in (pairs, excluded) if each)]
        more = {"failed": failed, "keep_pairs": keep_pairs, "labels_joined_by": {"templates": templates.joined_by}}
        section = report.Section(
            found,
            _manifest(
                options, sources, {**engine.describe(), "checksum": moments.checksum}, plan, clock, more, findings
            ),
            tally,
        )
        tables = {TAIL: kept, SUBJECTS: None if whose is None else whose.to_csv()}
        _write(
            options, section, "1:1 verification", checkpoint, {name: t for name, t in tables.items() if t is not None}
        )
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
    files.prepare(options.out)
    clock, checkpoint = Clock(), options.checkpoint()
    with closing(options.open_engine()) as engine:
        _require(probes, options)
        task = Identification(gallery, probes, options.columns, k=k, ranks=ranks, n_blocks=options.n_blocks)
        with clock.time("search"), progress.step("identify", len(probes), "searches") as advance:
            candidates = identify.search_all(task, engine, checkpoint=checkpoint, advance=advance)
        with clock.time("calibrate"):
            points = _identify_points(task, candidates, options, engine)
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
        sources = list(dict.fromkeys((*gallery.sources, *probes.sources)))
        joined = {
            "k": k,
            "ranks": list(ranks),
            "gallery_sizes": list(sizes),
            "labels_joined_by": {"gallery": gallery.joined_by, "probes": probes.joined_by},
        }
        findings = [*in_searches(gallery, probes), *lengths(gallery), *lengths(probes), *options.trained(probes)]
        findings = list(dict.fromkeys(findings))
        section = report.Section(
            found, _manifest(options, sources, engine.describe(), plan, clock, joined, findings), tally
        )
        files.save_candidates(candidates, options.out / "candidates.safetensors")
        _write(options, section, "1:N identification", checkpoint)
        return section


def run_latency(task: LatencyTask, options: Options, *, runs: int, progress: Progress) -> report.Section:
    """Times searches and writes the run to `options.out`."""
    files.prepare(options.out)
    clock = Clock()
    plan = task.plan()
    with (
        clock.time("measure"),
        progress.step("latency", runs * task.requests * len(plan.cells), "requests") as advance,
    ):
        tally = measure_runs(task, runs, advance)
    found = results.latency_results(tally, groupings=options.groupings)
    sources = list(dict.fromkeys((*task.gallery.sources, *task.probes.sources)))
    engine = task.open_engine().describe()
    section = report.Section(found, _manifest(options, sources, engine, plan, clock, {}), tally)
    _write(options, section, "search latency", None)
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


def hardware() -> str:
    """The machine as one line: what times belong to."""
    return ", ".join(str(value) for value in machine().values())


def _require(templates: Templates, options: Options) -> None:
    columns = options.columns + ((options.population[0],) if options.population else ())
    templates.require_labels(columns, options.per_template)


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


def _refuse_to_replace(given: PairList | None, path: Path) -> None:
    """A run replaces the files of the one before it: a list that stands among them would be lost."""
    if given and Path(given.source.path).resolve() == path.resolve():
        raise InputError(
            f"{given.source.path}: this run replaces it; name it otherwise, such as reviewed.csv, or choose another "
            "--out"
        )


def _verify_points(
    templates: Templates,
    comparisons: Callable[[Grouping], AllPairs | Pairs],
    count: Callable[[AllPairs | Pairs, Plan, str], Tally],
    options: Options,
    failed: Failed,
) -> list[OperatingPoint]:
    """Thresholds for the targets, set on the stated population by counting passes of their own."""
    if not options.targets:
        return []
    columns: Grouping = ()
    group, population = None, ALL_PAIRS
    if options.population:
        column, value = options.population
        _require_group(templates, options.population)
        columns, group, population = (column,), (name_of([value]),) * 2, f"non-mated pairs within {column}={value}"
    counter = comparisons(columns)

    def histogram(edges: NDArray[np.float64]) -> Histogram:
        plan = counter.plan(tuple(edges.tolist()), keeps_blocks=False)
        return count(counter, plan, "set threshold").pick(mated=False, grouping=columns, groups=group)

    # An edge that no score reaches makes this pass a cheap one.
    everything = histogram(np.array([1.0]))
    return operating_points(
        lambda edges: histogram(edges).tail(),
        everything.trials - (everything.unscored if failed == "exclude" else 0),
        options.targets,
        population=population,
        unscored_accepted=everything.unscored if failed == "accept" else 0,
    )


def _identify_points(
    task: Identification, candidates: Candidates, options: Options, engine: Engine
) -> list[OperatingPoint]:
    """Thresholds for the targets: FPIR on non-mated searches, FMR on non-mated comparisons of probes and gallery."""
    wanted = np.ones(len(task.probes), dtype=bool)
    suffix = ""
    if options.population:
        column, value = options.population
        _require_group(task.probes, options.population)
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


def _require_group(templates: Templates, population: tuple[str, str] | None) -> None:
    if population and population[1] not in templates.labels[population[0]]:
        known = ", ".join(sorted(set(templates.labels[population[0]]) - {""}))
        raise InputError(f"--at-population: no row has {population[0]}={population[1]}; the labels are {known}")


def _set_thresholds(points: Sequence[OperatingPoint]) -> list[float]:
    return [point.threshold for point in points if point.threshold is not None]


def _manifest(
    options: Options,
    sources: Sequence[Any],
    engine: Mapping[str, Any],
    plan: Plan,
    clock: Clock,
    more: Mapping[str, Any],
    findings: Sequence[Finding] = (),
) -> dict[str, Any]:
    chosen = {
        "groups": [",".join(g) for g in options.groupings],
        "per_template": list(options.per_template),
        "thresholds": list(options.thresholds),
        "at": [target.name for target in options.targets],
        "at_population": "=".join(options.population) if options.population else "all",
        "axis_step": options.axis_step,
        "axis_from": options.axis_from,
        "blocks": options.n_blocks,
        **more,
    }
    return manifest(
        command=options.command or tuple(sys.argv),
        options=chosen,
        sources=sources,
        engine=engine,
        plan=plan.digest,
        durations_s=clock.seconds,
        notes=[
            *map(str, findings),
            *(f"a server was lost: {reason}" for reason in engine.get("lost", ())),
            *(f"a worker was lost: {reason}" for reason in engine.get("lost_workers", ())),
        ],
    )


def _write(
    options: Options,
    section: report.Section,
    title: str,
    checkpoint: Checkpoint | None,
    tables: Mapping[str, str] | None = None,
) -> None:
    """Writes the files of a run, `tables` by name among them, results last, and only then forgets the checkpoints.

    Files of an earlier run in the same directory go first, so that two runs are never mixed.
    """
    candidates = () if section.results["kind"] == "identify" else ("candidates.safetensors",)
    files.remove(
        options.out / name for name in ("results.json", "report.html", files.SIGNATURE, TAIL, SUBJECTS, *candidates)
    )
    files.save_tally(section.tally, options.out / "tally.safetensors")
    files.write_json(options.out / "manifest.json", section.manifest)
    for name, text in (tables or {}).items():
        files.write(options.out / name, text)
    if options.with_report:
        files.write(options.out / "report.html", report.render([section], title=title))
    files.write_json(options.out / "results.json", section.results)
    if checkpoint:
        checkpoint.clear()
