"""Jobs on what other programs recorded: scores and candidate lists become the files of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from frbench.candidates import Candidates
from frbench.choices import Failed
from frbench.counting import identify
from frbench.counting.calibrate import points_by
from frbench.counting.recorded import comparisons, searches
from frbench.counting.recorded.candidate_log import CandidateFile, Protocol
from frbench.counting.recorded.column_stream import sha256_of
from frbench.counting.recorded.order_statistics import smallest_above
from frbench.counting.recorded.score_axis import edges_over
from frbench.counting.recorded.score_files import Recorded
from frbench.counting.recorded.scores import RecordedScores, auc, looks_reversed, score_points
from frbench.counting.recorded.searches import SearchLog
from frbench.counting.sweep import Progress
from frbench.errors import InputError
from frbench.finished_run import FinishedRun
from frbench.moments import Moments
from frbench.operating_point import OperatingPoint
from frbench.plan import digest_of
from frbench.reading.audits.leakage import Finding, polarity
from frbench.results.identify import identify_results
from frbench.results.verify import verify_results
from frbench.runs.directory import prepare_run, write_run
from frbench.runs.identify import hubs, nonmated_lists
from frbench.runs.manifest import CONVENTIONS, Clock, run_manifest
from frbench.runs.options import Options
from frbench.tally import Tally
from frbench.templates import Source, Templates

NO_SUMS = "recorded scores have no templates to compute sums from"
NOT_TOLD_APART = "a comparison that is repeated cannot be told: the file names no templates"


@dataclass(frozen=True)
class RecordedOptions(Options):
    """Options of a run on recorded scores, of any scale.

    step, first : step and lowest edge of the axis; None spans the scores. is_similarity : the user says that higher
    scores are more alike, whatever they look like.
    """

    step: float | None = None
    first: float | None = None
    is_similarity: bool = False

    def __post_init__(self) -> None:
        if self.threads < 0:
            raise InputError(f"--threads is {self.threads}, expected 0 (all) or more")

    def edges_of(self, low: float, high: float, points: Sequence[OperatingPoint]) -> tuple[float, ...]:
        """The axis of the tally of scores in [low, high]."""
        return edges_over(low, high, self.all_thresholds(points), step=self.step, first=self.first)


def run_scores(
    source: Recorded, options: RecordedOptions, *, people: Templates | None, failed: Failed, progress: Progress
) -> FinishedRun:
    """Counts recorded comparisons and writes the run to `options.out`.

    people : labels by subject; None for no groups.

    Raises
    ------
    InputError : mated scores are clearly lower than non-mated ones, as distances are; or a mistake in a file.
    """
    prepare_run(options, [*(f.path for f in source.files), *_paths_of(people)])
    clock = Clock()
    with ExitStack() as stack:
        with clock.time("read"), progress.step("read", source.estimated_rows, "rows") as advance:
            found = comparisons.read(
                source,
                options.out,
                people=people,
                columns=options.population_columns,
                n_blocks=options.n_blocks,
                stack=stack,
                advance=advance,
            )
        sources = [Source(f.path, sha256_of(f.path), n) for f, n in zip(source.files, found.rows, strict=True)]
        scores = RecordedScores(found, _inputs(source, sources, people, options))
        with clock.time("calibrate"):
            points = score_points(scores, options.targets, options.population, failed=failed)
        with clock.time("count"), progress.step("count", len(found), "comparisons") as advance:
            plan = scores.plan(options.edges_of(found.lowest, found.highest, points))
            tally = scores.count(plan, advance)
    if looks_reversed(tally) and not options.is_similarity:
        raise InputError(_reversed(source, auc(tally)))
    moments = Moments.undefined(plan, NO_SUMS)
    counted = verify_results(tally, **options.reported(points), failed=failed, moments=moments)
    body: dict[str, Any] = {**counted}
    notes = [] if source.names_templates else [NOT_TOLD_APART]
    body["recorded"] = _recorded(
        source.files[0].format, source.files[0].is_distance, sources, found.lowest, found.highest, notes
    )
    more = {"failed": failed, "format": source.files[0].format, "columns": dict(source.files[0].columns or {})}
    read = [*sources, *(people.sources if people else ())]
    return _finish(options, body, tally, read, clock, more, findings=polarity(tally))


def run_candidates(
    log: CandidateFile,
    protocol: Protocol | None,
    options: RecordedOptions,
    *,
    people: Templates | None,
    k: int | None,
    ranks: tuple[int, ...],
    progress: Progress,
) -> FinishedRun:
    """Counts recorded candidate lists and writes the run to `options.out`.

    Parameters
    ----------
    protocol : who is enrolled and who searches; None if the log says so itself, then `people` are labels by subject.
    k : candidates to keep of each search; None keeps lists as they are, and 50 of whole ones.
    ranks : at which misses are counted; () takes the usual ones that the lists reach.
    """
    known = () if protocol is None else (protocol.gallery, protocol.probes)
    prepare_run(options, [log.path, *_paths_of(people, *known)])
    clock = Clock()
    with clock.time("read"), progress.step("read", log.stream().estimated_rows, "rows") as advance:
        found = searches.read(
            log, protocol, options.out, people=people, k=k, is_similarity=options.is_similarity, advance=advance
        )
    with clock.time("count"):
        task = found.task(options.columns, ranks, options.n_blocks)
        points = _search_points(task, found, options)
        given = found.protocol
        sources = [Source(log.path, sha256_of(log.path), found.n_rows), *given.gallery.sources, *given.probes.sources]
        plan = task.plan(options.edges_of(*found.range, points))
        plan = replace(plan, inputs=digest_of(plan.inputs, found.candidates.search))
        tally = identify.count(task, plan, found.candidates)
    counted = identify_results(tally, **options.reported(points), lists=nonmated_lists(task, found.candidates))
    body: dict[str, Any] = {**counted}
    body["recorded"] = _recorded(log.format, log.is_distance, sources[:1], *found.range, found.notes)
    body["hubness"] = hubs(task, found.candidates)
    more = {"k": task.k, "ranks": list(task.ranks), "format": log.format}
    return _finish(options, body, tally, sources, clock, more, candidates=found.candidates)


def _search_points(task: identify.Identification, found: SearchLog, options: RecordedOptions) -> list[OperatingPoint]:
    """Thresholds for the FPIR targets, from the best candidates of the non-mated searches of the population."""
    wanted, title = np.ones(len(task.probes), dtype=bool), "all non-mated searches"
    if options.population:
        column, value = options.population
        task.probes.require_labels((column,))
        wanted, title = task.probes.labels[column] == value, f"{title} of {column}={value}"
        if not wanted.any():
            raise InputError(f"--at-population: no search has {column}={value}")
    best, n = identify.nonmated_tail(task, found.candidates, wanted)
    decreasing = np.asarray(best, dtype=np.float64)[::-1]
    return points_by(
        lambda allowed: [smallest_above(decreasing, k, lowest=found.range[0]) for k in allowed],
        n,
        options.targets,
        population=title,
    )


def _paths_of(*labelled: Templates | None) -> list[str]:
    """The files that labels were read from."""
    return [source.path for templates in labelled if templates is not None for source in templates.sources]


def _inputs(source: Recorded, sources: Sequence[Source], people: Templates | None, options: RecordedOptions) -> str:
    """Digest of what is counted: the files, how they are read, and the labels."""
    how = [source.files[0].format, source.files[0].is_distance, sorted((source.files[0].columns or {}).items())]
    labels = [] if people is None else [s.sha256 for s in people.sources]
    return digest_of(*(s.sha256 for s in sources), repr(how), *labels, repr(options.population_columns))


def _reversed(source: Recorded, area: float | None) -> str:
    way = "without --distance" if source.files[0].is_distance else "with --distance"
    return (
        f"{source.files[0].path}: mated scores are lower than non-mated ones (AUC {area:.3f}), as they are when "
        f"distances are taken for similarities or the reverse; run it again {way}, or with --similarity if this is "
        "a finding"
    )


def _recorded(
    format: str, is_distance: bool, sources: Sequence[Source], low: float, high: float, notes: Sequence[str]
) -> dict[str, Any]:
    """What `results.json` says of recorded files."""
    return {
        "format": format,
        "files": [{"file": s.path, "sha256": s.sha256, "rows": s.rows} for s in sources],
        "score": "minus the recorded distance" if is_distance else "as recorded",
        "lowest": None if np.isnan(low) else low,
        "highest": None if np.isnan(high) else high,
        "notes": list(notes),
    }


def _finish(
    options: RecordedOptions,
    body: dict[str, Any],
    tally: Tally,
    sources: Sequence[Source],
    clock: Clock,
    more: Mapping[str, Any],
    *,
    candidates: Candidates | None = None,
    findings: Sequence[Finding] = (),
) -> FinishedRun:
    """The run, whose files are written."""
    engine = {"engine": "recorded", "isa": "numpy", "threads": options.threads}
    made = run_manifest(options, tally.plan, sources=sources, engine=engine, clock=clock, more=more, findings=findings)
    made["conventions"] = CONVENTIONS | {
        "score": f"{body['recorded']['score']}, float64",
        "threshold": CONVENTIONS["threshold"].replace("float32", "float64"),
        "comparisons": "rows of the recorded file, each once",
    }
    made["options"] |= {"axis_step": options.step, "axis_from": options.first, "similarity": options.is_similarity}
    run = FinishedRun(body, made, tally, candidates=candidates)
    return write_run(run, options.out, with_report=options.with_report)
