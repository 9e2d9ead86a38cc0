"""The command line: options in, the files of a run out, mistakes in one sentence."""

from __future__ import annotations

import io
import json
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click

from frbench import files, identify, jobs, latency, machine, report, summary
from frbench.calibrate import Target, parse_targets
from frbench.client import address_of
from frbench.commands import recorded as cli_recorded
from frbench.commands.ab import ab_command
from frbench.commands.audit_log import audit_log_command
from frbench.commands.compare import compare_command
from frbench.commands.export import export_command
from frbench.commands.fuse import fuse_command
from frbench.commands.gate import gate_command
from frbench.commands.groupings import groupings
from frbench.commands.history import history_command
from frbench.commands.load import load_command
from frbench.commands.power import power
from frbench.commands.report import report_command
from frbench.commands.serve import serve
from frbench.commands.servers import credentials_of, server_options
from frbench.commands.token import token
from frbench.commands.transfer import transfer_command
from frbench.errors import FrbenchError, InputError
from frbench.jobs import Options
from frbench.metrics import FAILED_POLICIES
from frbench.pair_list import PairList
from frbench.plan import DEFAULT_BLOCKS
from frbench.progress import TerminalProgress
from frbench.templates import Templates, load

INTERRUPTED = 130
DEMO_DATA = Path("examples/lfw")
# Three runs of three groups then have the 4,603 requests that p99.9 needs.
DEMO_REQUESTS = 520


def main() -> NoReturn:
    """Runs the command and exits: 0, its own code, 2 for a mistake in the input, 130 when interrupted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        sys.exit(app.main(standalone_mode=False) or 0)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _say("stopped; the same command goes on from what was kept")
        sys.exit(INTERRUPTED)
    except FrbenchError as error:
        _say(f"error: {error}")
        sys.exit(error.exit_code)
    except MemoryError:
        _say("error: out of memory; use fewer --group columns, a coarser --axis-step or a smaller file")
        sys.exit(InputError.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)


def _say(text: str) -> None:
    click.echo(f"frbench: {text}", err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="frbench")
def app() -> None:
    """Benchmark and audit face-recognition matching, by demographic group.

    frbench takes templates (embeddings) that a matcher made, counts exactly, and reports error rates with
    their numerators, denominators and intervals, and latency, by group.

    \b
    Start with:  frbench demo   (in the repository, which has the example templates)
    Then:        frbench verify templates.npy --labels labels.csv --group sex --at fmr=1e-3,1e-4
    """


def _numbers(
    kind: Callable[[str], Any], _: click.Context, option: click.Parameter, text: str | None
) -> tuple[Any, ...]:
    try:
        return tuple(kind(item) for item in text.split(",")) if text else ()
    except ValueError as error:
        raise InputError(f"{option.opts[0]} is '{text}', expected numbers with commas between them") from error


def _population(_: click.Context, __: click.Parameter, text: str) -> tuple[str, str] | None:
    if text == "all":
        return None
    column, equals, value = text.partition("=")
    if not equals or not column or not value:
        raise InputError(f"--at-population is '{text}', expected all or COLUMN=LABEL, such as sex=male")
    return column, value


def _engine(_: click.Context, __: click.Parameter, text: str) -> str:
    if text not in ("cpu", "reference"):
        for target in text.split(","):
            address_of(target)
    return text


def _shared(default_out: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Options of every command."""
    options = [
        click.option("--group", "groupings", multiple=True, callback=groupings, metavar="COLUMN[,COLUMN]",
                     help="Count by this label, or by the intersection of several. Repeat for more."),
        click.option("--per-template", multiple=True, metavar="COLUMN",
                     help="Label that describes the photograph, and so may differ within a subject."),
        click.option("--out", type=click.Path(path_type=Path), default=Path(default_out), show_default=True,
                     help="Run directory: results.json, manifest.json, tally, report.html."),
        click.option("--json", "as_json", is_flag=True, help="Print results.json instead of tables."),
        click.option("--threads", type=int, default=0, help="Threads; 0 uses every processor.  [default: 0]"),
        click.option("--isa", help="Instruction set, such as amx or avx2; `frbench info` lists those of this machine. "
                                   "Also FRBENCH_ISA.  [default: best]"),
        click.option("--no-report", is_flag=True, help="Do not write report.html."),
        click.option("--quiet", is_flag=True, help="No progress and no tables."),
    ]  # fmt: skip
    return partial(_decorate, options)


def _counting(command: Callable[..., None]) -> Callable[..., None]:
    """Options of commands that count on a score axis."""
    options = [
        click.option("--thresholds", callback=partial(_numbers, float), metavar="T,T,...",
                     help="Report at these thresholds, in [-1, 1]."),
        click.option("--at", multiple=True, metavar="RATE=F[,F...]",
                     help="Set thresholds at these rates, such as fmr=1e-3,1e-4; never exceeded, then frozen."),
        click.option("--at-population", "population", default="all", callback=_population, metavar="all|COLUMN=LABEL",
                     help="Whom the thresholds are set on.  [default: all]"),
        click.option("--axis-step", type=float, default=0.001, show_default=True, help="Step of the score axis."),
        click.option("--axis-from", type=float, default=-1.0, show_default=True, metavar="T",
                     help="Lowest edge of the score axis; scores below it are only numbered. Above the bulk of "
                          "non-mated scores, counting is several times faster."),
        click.option("--blocks", type=int, default=DEFAULT_BLOCKS, show_default=True,
                     help="Blocks of subjects, from which intervals come."),
        click.option("--engine", default="cpu", show_default=True, callback=_engine, metavar="cpu|reference|SERVER,...",
                     help="reference is numpy float64: slow, the oracle. A SERVER is grpc://HOST:PORT on this machine, "
                          "grpcs://HOST:PORT anywhere; several share the work."),
        click.option("--train-subjects", type=click.Path(path_type=Path), metavar="FILE",
                     help="Subjects that the matcher was trained on (column subject_id); a note names those tested."),
        click.option("--checkpoint-every", type=float, default=2.0, show_default=True, metavar="SECONDS",
                     help="How often progress is kept."),
        click.option("--fresh", is_flag=True, help="Forget what an interrupted run has counted."),
    ]  # fmt: skip
    return server_options(_decorate(options, command))


def _decorate(options: list[Callable[..., Any]], command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(options):
        command = option(command)
    return command


def _columns(command: Callable[..., None]) -> Callable[..., None]:
    """Options that say how files are read."""
    options = [
        click.option("--id-column", default="template_id", show_default=True, help="Column of template ids."),
        click.option("--subject-column", default="subject_id", show_default=True, help="Column of subject ids."),
        click.option(
            "--scratch",
            type=click.Path(path_type=Path, file_okay=False),
            help="Keep unit rows in a nameless file in this directory, mapped to memory. Also "
            "FRBENCH_SCRATCH.  [default: in memory up to a quarter of it]",
        ),
        click.option("--array", help="Array, tensor or column to take where a file holds several."),
    ]
    return _decorate(options, command)


PATH = click.Path(path_type=Path)


@app.command(short_help="Compare all pairs, 1:1: FMR and FNMR by group.")
@click.argument("templates", type=PATH, required=False)
@click.option("--labels", type=PATH, help="CSV or Parquet with subject_id and label columns.")
@click.option("--pairs", type=PATH, help="Compare these pairs only: template_a, template_b[, mated].")
@click.option(
    "--exclude", type=PATH, help="Leave these pairs out of every rate: template_a, template_b[, reason], or a tail.csv."
)
@click.option(
    "--keep-pairs", type=int, metavar="N",
    help="Name the N non-mated pairs of highest score of every two groups in tail.csv, for review.",
)  # fmt: skip
@click.option(
    "--per-subject", "by_subject", is_flag=True,
    help="Write comparisons and errors of every subject to subjects.csv, and how far errors rest on few of them.",
)  # fmt: skip
@click.option(
    "--declared", callback=partial(_numbers, int), metavar="N[,N...]",
    help="Numbers of comparisons that a protocol states: says which way of counting gives each.",
)  # fmt: skip
@click.option(
    "--failed", type=click.Choice(FAILED_POLICIES), default="reject", show_default=True,
    help="Comparisons with a failed template: rejected, out of the denominators, or accepted.",
)  # fmt: skip
@cli_recorded.score_options
@_columns
@_counting
@_shared("out/verify")
def verify(
    templates: Path | None,
    labels: Path | None,
    pairs: Path | None,
    exclude: Path | None,
    keep_pairs: int | None,
    by_subject: bool,
    declared: tuple[int, ...],
    failed: Any,
    **given: Any,
) -> None:
    """Compare all pairs of TEMPLATES, 1:1, and report FMR and FNMR by group.

    TEMPLATES is a matrix (n, d) of float16, float32 or float64 in .npy, .npz, .safetensors, Parquet or Arrow.
    Interrupted runs go on where they stopped.

    \b
    frbench verify t.npy --labels l.csv --group sex --group sex,age --at fmr=1e-3,1e-4
    frbench verify t.npy --labels l.csv --pairs pairs.csv --thresholds 0.9,0.95
    frbench verify t.npy --labels l.csv --group sex --keep-pairs 1000
    frbench verify t.npy --labels l.csv --group sex --exclude reviewed.csv
    frbench verify --scores scores.txt --format bob4
    """
    if templates is None or given["scores"]:
        section, recorded = cli_recorded.verify(click.get_current_context().params, _progress(given))
        _show(section, recorded, given)
        return
    cli_recorded.refuse_without("scores")
    options = _options(given, default_at="fmr=1e-3,1e-4", metrics=["fmr"])
    read = _load(templates, labels, given)
    listed = PairList.read(pairs, read) if pairs else None
    excluded = PairList.reviewed(exclude, read, listed) if exclude else None
    section = jobs.run_verify(
        read,
        options,
        pairs=listed,
        failed=failed,
        progress=_progress(given),
        excluded=excluded,
        keep_pairs=keep_pairs,
        declared=declared,
        by_subject=by_subject,
    )
    _show(section, options, given)


@app.command(name="identify", short_help="Search probes in a gallery, 1:N: FPIR, FNIR and CMC by group.")
@click.argument("templates", type=PATH, required=False)
@click.option("--labels", type=PATH, help="CSV or Parquet with subject_id and label columns, of all templates.")
@click.option("--gallery", type=PATH, help="Templates to search, instead of a split of TEMPLATES.")
@click.option("--probes", type=PATH, help="Templates to search with.")
@click.option("--gallery-labels", type=PATH, help="Labels of the gallery.  [default: --labels]")
@click.option("--probe-labels", type=PATH, help="Labels of the probes.  [default: --labels]")
@click.option("--split", type=click.Choice(["first-per-subject"]), default="first-per-subject", show_default=True,
              help="How TEMPLATES become gallery and probes: the first row of each subject is enrolled.")  # fmt: skip
@click.option(
    "--nonmated-subjects", type=int, help="Subjects kept out of the gallery, the last to appear.  [default: 1 in 5]"
)
@click.option("-k", "--candidates", multiple=True, metavar="K|FILE",
              help="Length of candidate lists, or a file of recorded ones.  [default: 50, or the gallery]")  # fmt: skip
@cli_recorded.candidate_options
@click.option("--ranks", callback=partial(_numbers, int), help="Ranks for FNIR and CMC.  [default: 1,2,3,5,10,20,50]")
@click.option("--gallery-sizes", callback=partial(_numbers, int), metavar="N,N,...",
              help="Report at these sizes, too: exactly up to the gallery, extrapolated above it.")  # fmt: skip
@_columns
@_counting
@_shared("out/identify")
def identify_command(
    candidates: tuple[str, ...], ranks: tuple[int, ...], gallery_sizes: tuple[int, ...], **given: Any
) -> None:
    """Search probes in a gallery, 1:N open set, and report FPIR, FNIR and CMC by group.

    \b
    frbench identify t.npy --labels l.csv --group sex --nonmated-subjects 1000 --at fpir=0.01
    frbench identify --gallery g.npy --gallery-labels g.csv --probes p.npy --probe-labels p.csv
    frbench identify --candidates log.txt --format frte --enrolled enrolled.csv --searches searches.csv
    """
    k, recorded = cli_recorded.length_and_file(candidates)
    if recorded is not None:
        if gallery_sizes:
            raise InputError("--gallery-sizes needs templates to search; recorded candidate lists are of one gallery")
        params, ranks = click.get_current_context().params, _with_rank_1(ranks)
        section, chosen = cli_recorded.identify(recorded, k, ranks, params, _progress(given))
        _show(section, chosen, given)
        return
    cli_recorded.refuse_without("candidates")
    options = _options(given, default_at="fpir=0.1,0.01", metrics=["fpir", "fmr"])
    gallery, probes = _gallery_and_probes(given)
    section = jobs.run_identify(
        gallery,
        probes,
        options,
        k=min(identify.DEFAULT_K, len(gallery)) if k is None else k,
        ranks=_with_rank_1(ranks) or identify.DEFAULT_RANKS,
        progress=_progress(given),
        sizes=gallery_sizes,
    )
    _show(section, options, given)


@app.command(name="latency", short_help="Time searches by probe group on this machine.")
@click.argument("templates", type=PATH, required=False)
@click.option("--labels", type=PATH, help="CSV or Parquet with subject_id and label columns, of all templates.")
@click.option("--gallery", type=PATH, help="Templates to search, instead of a split of TEMPLATES.")
@click.option("--probes", type=PATH, help="Templates to search with.")
@click.option("--gallery-labels", type=PATH, help="Labels of the gallery.  [default: --labels]")
@click.option("--probe-labels", type=PATH, help="Labels of the probes.  [default: --labels]")
@click.option("--nonmated-subjects", type=int, help="Subjects kept out of the gallery.  [default: 1 in 5]")
@click.option("-k", "--candidates", "k", type=int, help="Length of candidate lists.  [default: 50, or the gallery]")
@click.option("--batches", callback=partial(_numbers, int), help="Probes a request.  [default: 1,64]")
@click.option("--requests", type=int, default=500, show_default=True, help="Requests by group, batch size and run.")
@click.option("--runs", type=int, default=3, show_default=True, help="Fresh processes, one after another.")
@_columns
@_shared("out/latency")
def latency_command(k: int | None, batches: tuple[int, ...], requests: int, runs: int, **given: Any) -> None:
    """Time searches by probe group on this machine, one probe a request and in batches.

    Percentiles are printed only where enough requests support them. A score threshold does not change the time
    of a search, so there is none here.

    \b
    frbench latency t.npy --labels l.csv --group sex --runs 5
    """
    options = _options(given, default_at="", metrics=[])
    gallery, probes = _gallery_and_probes(given)
    task = _latency_task(gallery, probes, options, k, batches, requests)
    _show(jobs.run_latency(task, options, runs=runs, progress=_progress(given)), options, given)


@app.command(short_help="Benchmark the example templates by sex, in one report.")
@click.option("--data", type=PATH, default=DEMO_DATA, show_default=True, help="Example templates and labels.")
@click.option("--thresholds", callback=partial(_numbers, float), metavar="T,T,...", help="Report at these, too.")
@click.option("--at", multiple=True, metavar="RATE=F[,F...]", help="Set thresholds at these.  [default: fmr=1e-3,1e-4]")
@_shared("out/demo")
def demo(data: Path, **given: Any) -> None:
    """Verify, identify and time the example templates by sex, and write one report.

    The example is Labeled Faces in the Wild through a public network: 13,233 real templates of 5,749 people.
    """
    given["groupings"] = given["groupings"] or (("sex",),)
    out = given["out"]
    templates = load(data / "dlib-128.npy", labels=data / "labels.csv", threads=given["threads"])
    gallery, probes = identify.split_first_per_subject(templates, 1000)

    def options(name: str, metrics: list[str], default_at: str) -> Options:
        own = given | {"out": out / name, "no_report": True, "at": given["at"] if metrics == ["fmr"] else ()}
        return _options(own, default_at=default_at, metrics=metrics)

    progress = _progress(given)
    verified = options("verify", ["fmr"], "fmr=1e-3,1e-4")
    searched = options("identify", ["fpir"], "fpir=0.1,0.01")
    timed = options("latency", [], "")
    task = _latency_task(gallery, probes, timed, None, (), DEMO_REQUESTS)
    sections = [
        jobs.run_verify(templates, verified, pairs=None, failed="reject", progress=progress),
        jobs.run_identify(
            gallery, probes, searched, k=identify.DEFAULT_K, ranks=identify.DEFAULT_RANKS, progress=progress
        ),
        jobs.run_latency(task, timed, runs=3, progress=progress),
    ]
    if not given["no_report"]:
        page = report.render(sections, title="Face matching by demographic group", subtitle="Labeled Faces in the Wild")
        files.write(out / "report.html", page)
    if given["as_json"]:
        click.echo(json.dumps([section.results for section in sections]))
        return
    for section in () if given["quiet"] else sections:
        summary.show(section.results)
        click.echo()
    _say_where(out, given)


app.add_command(report_command)
app.add_command(fuse_command)
app.add_command(compare_command)
app.add_command(history_command)
app.add_command(gate_command)
app.add_command(ab_command)
app.add_command(transfer_command)
app.add_command(power)
app.add_command(export_command)
app.add_command(serve)
app.add_command(load_command)
app.add_command(audit_log_command)
app.add_command(token)


@app.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON; numbers carry their units in their names.")
@click.option("--quick", is_flag=True, help="Measure nothing.")
def info(as_json: bool, quick: bool) -> None:
    """Show what frbench found on this machine, and measure what its kernels do: some seconds."""
    found = machine.describe(measures=not quick)
    if as_json:
        click.echo(json.dumps(found))
    else:
        machine.show(found)


def _options(given: dict[str, Any], *, default_at: str, metrics: list[str]) -> Options:
    thresholds = given.get("thresholds", ())
    texts = given.get("at", ()) or ((default_at,) if default_at and not thresholds else ())
    targets: list[Target] = [target for text in texts for target in parse_targets(text, metrics)]
    return Options(
        out=given["out"],
        groupings=given["groupings"],
        per_template=given["per_template"],
        thresholds=thresholds,
        targets=tuple(dict.fromkeys(targets)),
        population=given.get("population"),
        axis_step=given.get("axis_step", 0.001),
        axis_from=given.get("axis_from", -1.0),
        n_blocks=given.get("blocks", DEFAULT_BLOCKS),
        engine=given.get("engine", "cpu"),
        credentials=credentials_of(given),
        isa=given["isa"],
        threads=given["threads"],
        checkpoint_s=given.get("checkpoint_every", 2.0),
        fresh=given.get("fresh", False),
        with_report=not given["no_report"],
        train_subjects=given.get("train_subjects"),
    )


def _load(path: Path, labels: Path | None, given: dict[str, Any]) -> Templates:
    return load(
        path,
        labels=labels,
        id_column=given["id_column"],
        subject_column=given["subject_column"],
        array=given["array"],
        threads=given["threads"],
        scratch_directory=given["scratch"],
    )


def _gallery_and_probes(given: dict[str, Any]) -> tuple[Templates, Templates]:
    """Two files, or a split of one."""
    templates, gallery, probes = given["templates"], given["gallery"], given["probes"]
    if (gallery is None) != (probes is None) or (gallery is None) == (templates is None):
        raise InputError("expected either TEMPLATES to split, or both --gallery and --probes")
    if templates is None:
        return (
            _load(gallery, given["gallery_labels"] or given["labels"], given),
            _load(probes, given["probe_labels"] or given["labels"], given),
        )
    read = _load(templates, given["labels"], given)
    wanted = given["nonmated_subjects"]
    if wanted is None:
        wanted = 0 if read.subject_ids is None else len(set(read.subject_ids)) // 5
    return identify.split_first_per_subject(read, wanted)


def _with_rank_1(ranks: tuple[int, ...]) -> tuple[int, ...]:
    """Rank 1 is always counted; results have a field for it."""
    return ranks if not ranks or ranks[0] <= 1 else (1, *ranks)


def _latency_task(
    gallery: Templates, probes: Templates, options: Options, k: int | None, batches: tuple[int, ...], requests: int
) -> latency.LatencyTask:
    probes.require_labels(options.columns, options.per_template)
    return latency.LatencyTask(
        gallery=gallery,
        probes=probes,
        columns=options.columns,
        hardware=jobs.hardware(),
        k=min(identify.DEFAULT_K, len(gallery)) if k is None else k,
        batches=batches or (1, 64),
        requests=requests,
        threads=options.threads,
        isa=options.isa,
    )


def _progress(given: dict[str, Any]) -> TerminalProgress:
    return TerminalProgress(quiet=given["quiet"] or given["as_json"])


def _show(section: report.Section, options: Options, given: dict[str, Any]) -> None:
    if given["as_json"]:
        click.echo(json.dumps(section.results))
    elif not given["quiet"]:
        for whose, joined in section.manifest["options"].get("labels_joined_by", {}).items():
            click.echo(f"labels of {whose} joined by {joined}")
        summary.show(section.results)
        for note in section.manifest.get("notes", ()):
            click.echo(f"note: {note}")
        _say_where(options.out, given)
        if section.manifest["options"].get("keep_pairs") is not None:
            click.echo(f"kept pairs: {options.out / jobs.TAIL}")
        if "subjects" in section.results:
            click.echo(f"subjects: {options.out / jobs.SUBJECTS}")


def _say_where(out: Path, given: dict[str, Any]) -> None:
    if not given["quiet"]:
        click.echo(f"run: {out}" + ("" if given["no_report"] else f"\nreport: {out / 'report.html'}"))
