"""The verbs of the library: templates in, a finished run out, with its rates, charts and pages.

A verb has the name, the keywords and the defaults of the command of its name: `--at-population` is `at_population=`,
`--group` is `by=`, `--no-report` is `report=False`. Nothing is written unless `out=` is given. A mistake raises
`InputError` with the sentence that the command prints.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self, TypedDict, Unpack

from frbench import files, page
from frbench.choices import Combination, Failed, Norm, groupings_of
from frbench.counting import sweep
from frbench.counting.calibrate import parse_targets
from frbench.errors import InputError
from frbench.estimate import LEVEL, Estimate
from frbench.finished_run import FinishedRun
from frbench.gates import rates
from frbench.gates.gate import gate, read_baseline
from frbench.gates.rules import Doubt, Rules
from frbench.gates.verdicts import Gate
from frbench.page import inline
from frbench.page.comparison import render_comparison
from frbench.reading.power import POWER, plan_study
from frbench.reading.systems import transfer as transfers
from frbench.reading.systems.compare import compare as compare_rates
from frbench.reading.systems.time_figures import WORK
from frbench.reading.systems.times import compare_times
from frbench.results.types import results_of
from frbench.runs import asked, directory
from frbench.runs.asked import Asked
from frbench.runs.progress import progress_of
from frbench.runs.table import Table, html, table_of
from frbench.templates import Templates
from frbench.terminal import brief
from frbench.terminal import power as power_words
from frbench.terminal import transfer as transfer_words

PathLike = str | Path
Texts = str | Iterable[str]
Numbers = float | Iterable[float]
Progress = bool | Callable[[str, float], None] | sweep.Progress
TITLE = "Face matching by demographic group"
# Options whose keywords are spelt otherwise.
SPELT = {"group": "by", "groups": "by", "no_report": "report", "quiet": "progress"}
WAYS_TO_TRANSFER = "SET_ON_RUN USED_ON_RUN --at fmr=1e-3, or USED_ON_RUN --threshold T --promised fmr=1e-3"


class Reading(TypedDict, total=False):
    """Keywords that say how templates and labels are read."""

    id_column: str
    subject_column: str
    array: str
    scratch: PathLike


class Running(TypedDict, total=False):
    """Keywords of every run: threads (0: all), instruction set, whether `out` gets a page, who is told of progress."""

    per_template: Texts
    threads: int
    isa: str
    report: bool
    command: tuple[str, ...]


class Asking(TypedDict, total=False):
    """Keywords that every verb which makes a run has; they stand in the signatures of `verify` and `identify`."""

    by: Texts
    at: Texts
    thresholds: Numbers
    out: PathLike | None
    progress: Progress


class Searched(TypedDict, total=False):
    """Keywords that say what is searched with what, where `templates` are not split."""

    gallery: Any
    probes: Any
    gallery_labels: Any
    probe_labels: Any
    nonmated_subjects: int


class Counting(Reading, Running, total=False):
    """Keywords of runs that count on a score axis."""

    at_population: str
    axis_step: float
    axis_from: float
    blocks: int
    engine: str
    train_subjects: PathLike
    checkpoint_every: float
    fresh: bool


class Handing(TypedDict, total=False):
    """Keywords that hand tiles to workers of a cluster or to servers."""

    runner: str
    address: str
    workers: int
    storage: str
    token_file: PathLike
    ca: PathLike
    cert: PathLike
    key: PathLike


class Recordings(TypedDict, total=False):
    """Keywords that say how recorded scores or candidates are read."""

    format: str
    columns: Mapping[str, str]
    distance: bool
    similarity: bool


class VerifyKeywords(Counting, Handing, Recordings, total=False):
    """Further keywords of `verify`; see `frbench verify --help`."""

    pairs: PathLike
    exclude: PathLike
    keep_pairs: int
    per_subject: bool
    declared: Sequence[int]
    scores: PathLike
    impostors: PathLike


class IdentifyKeywords(Counting, Handing, Recordings, Searched, total=False):
    """Further keywords of `identify`; see `frbench identify --help`."""

    split: str
    k: int | None
    candidates: PathLike | None
    ranks: Sequence[int]
    gallery_sizes: Sequence[int]
    enrolled: PathLike
    searches: PathLike


class LatencyKeywords(Asking, Reading, Running, Searched, total=False):
    """Further keywords of `latency`; see `frbench latency --help`."""

    k: int
    batches: Sequence[int]
    requests: int
    runs: int


class ShortcutKeywords(Asking, Counting, Searched, total=False):
    """Further keywords of `precision`; see `frbench precision --help`."""

    k: int
    ranks: Sequence[int]


class AnnKeywords(ShortcutKeywords, Handing, total=False):
    """Further keywords of `ann`; see `frbench ann --help`."""

    build: Mapping[str, int]
    effort: Sequence[int]
    proposals: int
    rebuilds: int
    seed: int


class FuseKeywords(Asking, Counting, total=False):
    """Further keywords of `fuse`; see `frbench fuse --help`."""

    pairs: PathLike
    weight: float
    threshold_a: float
    threshold_b: float
    calibration_share: float


@dataclass(frozen=True, eq=False, repr=False)
class Run(FinishedRun):
    """A finished run: its rates, tables and charts, and what can be made of it.

    A notebook shows its rates with intervals and the first sentences of its page; so does `print`.

    beside : the same task on other hardware: times of GPUs beside those of processors.
    """

    beside: tuple[Run, ...] = ()

    @classmethod
    def of(cls, run: FinishedRun, name: str = "", beside: Sequence[FinishedRun] = ()) -> Self:
        """`run` with these methods; name : how messages call it."""
        values = {each.name: getattr(run, each.name) for each in fields(run)}
        return cls(**values | {"name": name or run.name, "beside": tuple(Run.of(each, name) for each in beside)})

    def table(self, name: str = "rates") -> Table:
        """A table of `results.json` by name: "rates", or any that `frbench export` writes.

        Raises
        ------
        InputError : there is none of this name; the message lists those that there are.
        """
        return table_of(self.results, name)

    def estimate(self, claim: str) -> Estimate:
        """The rate that a claim names, such as `fnmr[sex=female] at fmr=1e-3`, with its interval, k and n.

        Raises
        ------
        InputError : the run lacks what it names; the message lists what there is.
        """
        return rates.estimate(claim, self)

    def plot(self, name: str = "det") -> inline.Chart:
        """A chart of the page by name, such as "det"; a notebook shows it.

        Raises
        ------
        InputError : there is none of this name; the message lists those that there are.
        """
        return inline.chart(self, name)

    def compare(self, baseline: FinishedRun | PathLike, **how: Any) -> Comparison:
        """This run against an earlier one on the same trials; see `frbench.compare`."""
        return compare(baseline, self, **how)

    def gate(
        self, rules: PathLike, *, baseline: FinishedRun | PathLike | None = None, doubt: Doubt | None = None
    ) -> Gate:
        """The verdict of rules about this run; `exit_code` is 0 for pass, 1 fail, 4 inconclusive.

        Parameters
        ----------
        rules : a TOML file.
        baseline : a run that changes are held against.
        doubt : what an inconclusive row does, instead of what the rules say.

        Raises
        ------
        InputError : the rules name what the run lacks. NoBaseline : a rule is about a change, and there is no baseline.
        """
        other = baseline if baseline is None or isinstance(baseline, FinishedRun) else read_baseline(Path(baseline))
        return gate(self, Rules.read(Path(rules), doubt=doubt), baseline=other)

    def report(self, path: PathLike = "report.html", *, title: str = "") -> Path:
        """Writes the page of this run, and returns its path."""
        return report(self, path, title=title or directory.heading(self))

    def write(self, out: PathLike, *, report: bool = True) -> Path:
        """Writes the run to a directory, as the command does, and returns it. report : whether it has a page.

        Raises
        ------
        OutputError : it cannot be made or written.
        """
        directory.write_run(self, files.prepare(Path(out)), with_report=report)
        return Path(out)

    def __repr__(self) -> str:
        """The rates with their intervals, and the first sentences of the page."""
        head = f"{directory.heading(self)}{f' of {self.name}' if self.name else ''}"
        return "\n\n".join([head, brief.text(brief.brief(results_of(self.results))), *inline.sentences(self)])

    def _repr_html_(self) -> str:
        found = brief.rates(results_of(self.results))
        if not found:
            return inline.preformatted(repr(self))
        tables = "".join(inline.element("h4", title) + html(rows) for title, rows in found)
        return tables + "".join(inline.element("p", each) for each in inline.sentences(self))


@dataclass(frozen=True)
class Found(Mapping[str, Any]):
    """What a question was answered with: a mapping of JSON values, and words for a person."""

    found: Mapping[str, Any]
    words: str

    def __getitem__(self, name: str) -> Any:
        return self.found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    def to_json(self) -> dict[str, Any]:
        """The values as JSON."""
        return dict(self.found)

    def table(self, name: str) -> Table:
        """A list of rows by name, such as "groups".

        Raises
        ------
        InputError : there is none of this name; the message lists those that there are.
        """
        return table_of(self.found, name)

    def __repr__(self) -> str:
        return self.words

    def _repr_html_(self) -> str:
        return inline.preformatted(self.words)


class Comparison(Found):
    """Two runs on the same trials: differences of B against A, paired, in `table("rows")`."""

    def report(self, path: PathLike = "report.html") -> Path:
        """Writes the page of the comparison, and returns its path."""
        files.write(Path(path), render_comparison([self.to_json()]))
        return Path(path)

    def write(self, out: PathLike) -> Path:
        """Writes comparison.json and report.html to a directory, and returns it."""
        directory.refuse_run(files.prepare(Path(out)), "a comparison")
        files.write_json(Path(out) / "comparison.json", self.to_json())
        self.report(Path(out) / "report.html")
        return Path(out)


def verify(
    templates: Any = None,
    labels: Any = None,
    *,
    by: Texts = (),
    at: Texts = (),
    thresholds: Numbers = (),
    failed: Failed = "reject",
    out: PathLike | None = None,
    progress: Progress = False,
    **more: Unpack[VerifyKeywords],
) -> Run:
    """Compares all pairs of templates, 1:1: FMR and FNMR by group.

    Parameters
    ----------
    templates : path of a matrix, an (n, d) array of floats, a torch tensor, or `Templates`.
    labels : path of a table, a data frame, an Arrow table, or {"subject_id": [...], "sex": [...]}; n rows in order, or
        with a template_id.
    by : label columns to count by, "sex" or ["sex", "sex,age"].
    at : rates to set thresholds at, such as "fmr=1e-3,1e-4"; that is the default without `thresholds`.
    thresholds : given ones, in [-1, 1].
    failed : what becomes of comparisons with a failed template: reject, exclude or accept.
    out : directory to write the run to; None writes nothing.
    progress : True shows bars on a terminal; a function is called with the title of a step and its share done.
    more : options of `frbench verify` by name, such as pairs, keep_pairs, engine, threads.

    Raises
    ------
    InputError : the sentence that `frbench verify` prints.

    >>> import numpy as np
    >>> import frbench
    >>> random = np.random.default_rng(1)
    >>> people = np.repeat(np.arange(40), 3)
    >>> faces = random.normal(size=(40, 16))[people] + 0.3 * random.normal(size=(120, 16))
    >>> labels = {"subject_id": people, "sex": np.where(people % 2, "f", "m")}
    >>> run = frbench.verify(faces, labels, by="sex", at="fmr=0.01")
    >>> fnmr = run.estimate("fnmr at fmr=0.01")
    >>> fnmr.k, fnmr.n
    (0, 120)
    >>> len(run.table("rates"))
    7
    """
    shared = {"templates": templates, "labels": labels, "by": by, "at": at, "thresholds": thresholds, "failed": failed}
    with _asked("verify", shared | {"out": out, "progress": progress}, more, VerifyKeywords) as one:
        return Run.of(asked.verify(one), _name(templates if more.get("scores") is None else more["scores"]))


def identify(
    templates: Any = None,
    labels: Any = None,
    *,
    by: Texts = (),
    at: Texts = (),
    thresholds: Numbers = (),
    out: PathLike | None = None,
    progress: Progress = False,
    **more: Unpack[IdentifyKeywords],
) -> Run:
    """Searches probes in a gallery, 1:N open set: FPIR, FNIR and CMC by group.

    Parameters
    ----------
    templates, labels : as of `verify`; the first row of each subject is enrolled, but of `nonmated_subjects` (1 in 5).
        Or leave templates out and give gallery=, probes= and their labels.
    by, at, thresholds, out, progress : as of `verify`; at is "fpir=0.1,0.01" by default.
    more : options of `frbench identify` by name, such as k, ranks, gallery_sizes, candidates (a recorded log).

    Raises
    ------
    InputError : the sentence that `frbench identify` prints.
    """
    shared = {"templates": templates, "labels": labels, "by": by, "at": at, "thresholds": thresholds}
    with _asked("identify", shared | {"out": out, "progress": progress}, more, IdentifyKeywords) as one:
        return Run.of(asked.identify(one), _name(templates))


def latency(
    templates: Any = None,
    labels: Any = None,
    *,
    engine: Literal["cpu", "gpu"] | None = "cpu",
    **more: Unpack[LatencyKeywords],
) -> Run:
    """Times searches by probe group on this machine, in fresh processes: call it below `if __name__ == "__main__"`.

    Parameters
    ----------
    templates, labels, by, out, progress : as of `identify`.
    engine : cpu or gpu; None times both where there is a GPU, whose run is then `run.beside[0]`.
    more : options of `frbench latency` by name, such as requests, runs, batches.

    Raises
    ------
    InputError : the sentence that `frbench latency` prints.
    """
    shared = {"templates": templates, "labels": labels, "engine": engine}
    with _asked("latency", shared, more, LatencyKeywords) as one:
        run, *beside = asked.latency(one)
        return Run.of(run, _name(templates), beside)


def ann(
    templates: Any = None,
    labels: Any = None,
    *,
    index: str = "hnsw",
    **more: Unpack[AnnKeywords],
) -> Run:
    """Searches exactly and with an approximate index: whom the index misses, by group, and what it gains.

    Parameters
    ----------
    templates, labels, by, at, thresholds, out, progress : as of `identify`; at is "fpir=0.1" by default.
    index : hnsw, faiss-hnsw, faiss-ivfpq, faiss-sq8 or usearch.
    more : options of `frbench ann` by name, such as build={"M": 16}, effort, rebuilds.
    """
    shared = {"templates": templates, "labels": labels, "index": index}
    with _asked("ann", shared, more, AnnKeywords) as one:
        return Run.of(asked.ann(one), _name(templates))


def precision(
    templates: Any = None,
    labels: Any = None,
    *,
    format: Texts = ("float16", "bfloat16", "int8"),
    **more: Unpack[ShortcutKeywords],
) -> Run:
    """Searches with templates as they are and as fewer bits or dimensions store them: errors by group.

    Parameters
    ----------
    templates, labels, by, at, thresholds, out, progress : as of `identify`; at is "fpir=0.1" by default.
    format : float16, bfloat16, int8, or pcaN for N dimensions.
    more : options of `frbench precision` by name.
    """
    shared = {"templates": templates, "labels": labels, "format": format}
    with _asked("precision", shared, more, ShortcutKeywords) as one:
        return Run.of(asked.precision(one), _name(templates))


def fuse(
    a: Any,
    b: Any,
    labels: Any,
    *,
    rule: Combination = "sum",
    norm: Norm | None = None,
    failed: Failed = "reject",
    **more: Unpack[FuseKeywords],
) -> Run:
    """Compares all pairs of the images that two systems made templates of, by scores that both give.

    Parameters
    ----------
    a, b : templates of two systems, as of `verify`.
    labels : of both.
    rule : sum, weighted, and, or.
    norm : z, minmax or none; z by default.
    by, at, thresholds, failed, out, progress : as of `verify`.
    more : options of `frbench fuse` by name, such as weight, calibration_share, threshold_a.
    """
    shared = {"a": a, "b": b, "labels": labels, "rule": rule, "failed": failed, "norm": norm}
    with _asked("fuse", shared, more, FuseKeywords) as one:
        return Run.of(asked.fuse(one), f"{_name(a)} and {_name(b)}")


def read(out: PathLike) -> Run:
    """The finished run that was written to a directory.

    Raises
    ------
    FormatError : a file is missing, damaged, or of another run.
    """
    return Run.of(FinishedRun.read(Path(out)))


def report(
    runs: FinishedRun | PathLike | Sequence[FinishedRun | PathLike],
    path: PathLike = "report.html",
    *,
    title: str = TITLE,
) -> Path:
    """Writes one page from finished runs, and returns its path.

    Parameters
    ----------
    runs : one or several, or their directories.
    path : of the page.
    title : its heading.
    """
    several = [runs] if isinstance(runs, FinishedRun | str | Path) else list(runs)
    files.write(Path(path), page.render([_run(each) for each in several], title=title))
    return Path(path)


def compare(
    a: FinishedRun | PathLike,
    b: FinishedRun | PathLike,
    *,
    thresholds: tuple[float, float] | None = None,
    rank: int | None = None,
) -> Comparison:
    """Run B against run A, on the same templates or timed on the same work: paired differences by group.

    Parameters
    ----------
    a, b : finished runs or their directories.
    thresholds : of A and of B; None takes those that both were set at the same rate.
    rank : at which misses of 1:N are compared; None is 1.

    Raises
    ------
    NotComparable : runs of other people, protocols or machines. InputError : thresholds where there are none.
    """
    one, other = _run(a), _run(b)
    if {one.results["kind"], other.results["kind"]} & set(WORK):
        if thresholds is not None or rank is not None:
            raise InputError("times have no thresholds and no ranks; leave --threshold-a, --threshold-b and --rank out")
        found = compare_times(one, other)
    else:
        found = compare_rates(one, other, thresholds=thresholds, rank=rank)
    return Comparison(found, brief.text(brief.compared(found)))


def transfer(
    used_on: FinishedRun | PathLike,
    set_on: FinishedRun | PathLike | None = None,
    *,
    at: str | None = None,
    threshold: float | None = None,
    promised: str | None = None,
    by: str | None = None,
    failed: Failed | None = None,
) -> Found:
    """What a threshold does to people it was not set on: the FMR they get, against the one that was promised.

    Parameters
    ----------
    used_on : a run of `verify`, counted at the threshold.
    set_on, at : the run that it is set on, and the rate, such as "fmr=1e-3". Or:
    threshold, promised : one from elsewhere, and the rate that it is said to hold.
    by : label columns to look at; None takes those that `used_on` was counted by.
    failed : policy for failed templates; None as in the runs.

    Raises
    ------
    InputError : neither way is whole, or the runs do not answer. EdgeNotInPlan : not counted at the threshold.
    """
    asked_of = [each for each in (set_on, used_on) if each is not None]
    rate = _promise(at, promised, n_runs=len(asked_of), threshold=threshold)
    people = [_people(each) for each in asked_of]
    made = transfers.transfer(
        people[-1],
        rate,
        set_on=people[0] if set_on is not None else None,
        threshold=threshold,
        grouping=None if by is None else groupings_of([by])[0],
        failed=failed or _policy(asked_of),
    )
    return Found(made, brief.text(transfer_words.lines(made)))


def power(
    rate: float,
    ratio: float = 2.0,
    *,
    metric: str = "fmr",
    templates: int | None = None,
    spread: float = 1.0,
    power: float = POWER,
    level: float = LEVEL,
) -> Found:
    """How many subjects each of two groups needs, before there are any data.

    Parameters
    ----------
    rate : expected of the reference group. ratio : true ratio of the rates of two groups to see.
    metric : fmr, fnmr, fpir or fnir.
    templates : of each subject; searches for FPIR and FNIR. None takes 1, and 2 for FNMR.
    spread : deviation of people's own rates over their mean.
    power, level : chance to see it, and level of the interval that shows it.

    >>> import frbench
    >>> frbench.power(1e-3, 2.0)["subjects_per_group"]
    342
    """
    found = plan_study(metric, rate, ratio, templates=templates, spread=spread, power=power, level=level)
    return Found(found, power_words.sentences(found))


@contextmanager
def _asked(
    verb: Literal["verify", "identify", "latency", "ann", "precision", "fuse"],
    shared: Mapping[str, Any],
    more: Mapping[str, Any],
    known: type,
) -> Iterator[Asked]:
    """What a verb is asked for; without `out` in a directory that is gone afterwards."""
    if unknown := sorted(set(more) - set(known.__annotations__)):
        names = [*shared, *known.__annotations__]
        near = [SPELT[unknown[0]]] if unknown[0] in SPELT else get_close_matches(unknown[0], names, 1)
        hint = f"; did you mean {near[0]}?" if near else f"; expected some of {', '.join(sorted(names))}"
        raise InputError(f"frbench.{verb} has no keyword {unknown[0]!r}{hint}")
    given = {name: value for name, value in {**more, **shared}.items() if value is not None and not _is_empty(value)}
    out, shown, command = given.pop("out", None), progress_of(given.pop("progress", False)), given.pop("command", ())
    command = command or (f"frbench.{verb}", *(f"{name}={_said(value)}" for name, value in given.items()))
    if out is not None:
        yield Asked(given, Path(out), shown, command)
        return
    with tempfile.TemporaryDirectory(prefix="frbench-") as place:
        yield Asked(given | {"report": False}, Path(place), shown, command)


def _is_empty(value: Any) -> bool:
    return isinstance(value, str | tuple | list) and not value


def _name(templates: Any) -> str:
    """What messages call a run of these templates."""
    return str(templates) if isinstance(templates, str | Path) else "templates in memory"


def _said(value: Any) -> str:
    """A keyword's value as the manifest repeats it: arrays and frames by their kind and size."""
    if isinstance(value, str | Path):
        return str(value)
    if isinstance(value, Templates):
        return f"<{len(value)} templates of dimension {value.dimension}>"
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"<{type(value).__name__} {' x '.join(map(str, shape))}>"
    if isinstance(value, Mapping):
        return f"<{', '.join(map(str, value))}>"
    return repr(value)


def _run(value: FinishedRun | PathLike) -> FinishedRun:
    """A finished run, read if only its directory is given."""
    return value if isinstance(value, FinishedRun) else FinishedRun.read(Path(value))


def _people(value: FinishedRun | PathLike) -> transfers.People:
    """Who was compared in a run of 1:1 comparisons."""
    path = value if isinstance(value, FinishedRun) else Path(value) / "tally.safetensors"
    if isinstance(path, Path) and not path.is_file():
        raise InputError(f"{value} holds no tally.safetensors, expected the directory of a finished `frbench verify`")
    tally = files.load_tally(path) if isinstance(path, Path) else path.tally
    if tally.plan.kind in ("identify", "latency"):
        raise InputError(f"{_named(value)} is a run of `frbench {tally.plan.kind}`, expected one of `frbench verify`")
    return transfers.People(_named(value), tally)


def _policy(runs: Sequence[FinishedRun | PathLike]) -> Failed:
    """What all runs do with failed templates."""
    policies: list[tuple[str, Failed]] = [(_named(run), _results(run)["failed_policy"]) for run in runs]
    if len({policy for _, policy in policies}) > 1:
        each = ", ".join(f"{run}: {policy}" for run, policy in policies)
        raise InputError(f"the runs treat failed templates differently ({each}); choose one with --failed")
    return policies[-1][1]


def _named(run: FinishedRun | PathLike) -> str:
    return run.name if isinstance(run, FinishedRun) else str(run)


def _results(run: FinishedRun | PathLike) -> Mapping[str, Any]:
    if isinstance(run, FinishedRun):
        return run.results
    return files.read_json(Path(run) / "results.json", schema="frbench.results")


def _promise(at: str | None, promised: str | None, *, n_runs: int, threshold: float | None) -> str:
    """The promised rate as text, from the one way to ask that was chosen."""
    is_set = n_runs == 2 and at is not None and threshold is None and promised is None
    is_given = n_runs == 1 and at is None and threshold is not None and promised is not None
    if not is_set and not is_given:
        raise InputError(f"expected {WAYS_TO_TRANSFER}")
    option, text = ("--at", at) if promised is None else ("--promised", promised)
    try:
        (target,) = parse_targets(str(text), ["fmr"])
    except ValueError as error:
        raise InputError(f"{option} is '{text}', expected one rate above 0 and at most 1, such as fmr=1e-3") from error
    return target.text
