"""Runs: what the commands that search and compare templates start with the options that they were given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from frbench import files
from frbench.choices import DEFAULT_BLOCKS, DEFAULT_K
from frbench.commands.options.servers import credentials_of
from frbench.commands.start import recorded
from frbench.counting.calibrate import Target, parse_targets
from frbench.counting.identify import DEFAULT_RANKS, split_first_per_subject
from frbench.counting.latency import LatencyTask
from frbench.counting.pair_list import PairList
from frbench.engines.cluster.runners import Runner
from frbench.errors import InputError
from frbench.finished_run import FinishedRun
from frbench.page import render
from frbench.runs.ann import run_ann
from frbench.runs.directory import earlier
from frbench.runs.identify import run_identify
from frbench.runs.latency import run_latencies
from frbench.runs.manifest import hardware
from frbench.runs.options import Options
from frbench.runs.precision import run_precision
from frbench.runs.progress import TerminalProgress
from frbench.runs.verify import run_verify
from frbench.shortcuts.indexing import AnnAsked
from frbench.templates import Templates, load
from frbench.terminal.show import show

# Three runs of three groups then have the 4,603 requests that p99.9 needs.
DEMO_REQUESTS = 520
# A shorter list than that of `identify`: an index is asked for few rows.
SHORTCUT_K = 10


def verify(given: dict[str, Any]) -> None:
    """Counts comparisons of templates, or recorded ones, and shows the run."""
    if given["templates"] is None or given["scores"]:
        section, chosen = recorded.verify(given, progress_of(given))
        _show(section, chosen, given)
        return
    recorded.refuse_without("scores")
    options = _options(given, default_at="fmr=1e-3,1e-4", metrics=["fmr"])
    read = templates_of(given["templates"], given["labels"], given)
    listed = PairList.read(given["pairs"], read) if given["pairs"] else None
    section = run_verify(
        read,
        options,
        pairs=listed,
        failed=given["failed"],
        progress=progress_of(given),
        excluded=PairList.reviewed(given["exclude"], read, listed) if given["exclude"] else None,
        keep_pairs=given["keep_pairs"],
        declared=given["declared"],
        by_subject=given["by_subject"],
    )
    _show(section, options, given)


def identify(given: dict[str, Any]) -> None:
    """Counts searches of probes in a gallery, or recorded candidate lists, and shows the run."""
    k, path = recorded.length_and_file(given["candidates"])
    ranks = _with_rank_1(given["ranks"])
    if path is not None:
        if given["gallery_sizes"]:
            raise InputError("--gallery-sizes needs templates to search; recorded candidate lists are of one gallery")
        section, chosen = recorded.identify(path, k, ranks, given, progress_of(given))
        _show(section, chosen, given)
        return
    recorded.refuse_without("candidates")
    options = _options(given, default_at="fpir=0.1,0.01", metrics=["fpir", "fmr"])
    gallery, probes = _gallery_and_probes(given)
    section = run_identify(
        gallery,
        probes,
        options,
        k=min(DEFAULT_K, len(gallery)) if k is None else k,
        ranks=ranks or DEFAULT_RANKS,
        progress=progress_of(given),
        sizes=given["gallery_sizes"],
    )
    _show(section, options, given)


def ann(given: dict[str, Any]) -> None:
    """Searches exactly and with an approximate index, and shows both."""
    options = _options(given, default_at="fpir=0.1", metrics=["fpir", "fmr"])
    names = ("family", "parameters", "efforts", "proposals", "rebuilds", "seed")
    asked = AnnAsked(**{name: given[name] for name in names})
    gallery, probes = _gallery_and_probes(given)
    section = run_ann(gallery, probes, options, asked, **_lists(gallery, given), progress=progress_of(given))
    _show(section, options, given)
    if asked.rebuilds and not (given["quiet"] or given["as_json"]):
        click.echo(f"searches that depend on the order of insertion: {options.out / files.CHANGED}")


def precision(given: dict[str, Any]) -> None:
    """Searches with templates in several formats, and shows all."""
    options = _options(given, default_at="fpir=0.1", metrics=["fpir", "fmr"])
    gallery, probes = _gallery_and_probes(given)
    section = run_precision(
        gallery, probes, options, given["formats"], **_lists(gallery, given), progress=progress_of(given)
    )
    _show(section, options, given)


def latency(given: dict[str, Any]) -> None:
    """Times searches and shows the run."""
    options = _options(given, default_at="", metrics=[])
    gallery, probes = _gallery_and_probes(given)
    task = _latency_task(gallery, probes, options, given["k"], given["batches"], given["requests"])
    sections = run_latencies(task, options, given["engine"], runs=given["runs"], progress=progress_of(given))
    if len(sections) > 1 and given["as_json"]:
        click.echo(json.dumps([section.results for section in sections]))
        return
    for section in sections:
        _show(section, options, given)


def demo(given: dict[str, Any]) -> None:
    """Verifies, identifies and times the example templates, and writes one page of the three runs."""
    given = given | {"groupings": given["groupings"] or (("sex",),)}
    out, data = given["out"], given["data"]
    templates = load(data / "dlib-128.npy", labels=data / "labels.csv", threads=given["threads"])
    gallery, probes = split_first_per_subject(templates, 1000)

    def options(name: str, metrics: list[str], default_at: str) -> Options:
        own = given | {"out": out / name, "no_report": True, "at": given["at"] if metrics == ["fmr"] else ()}
        return _options(own, default_at=default_at, metrics=metrics)

    progress = progress_of(given)
    verified = options("verify", ["fmr"], "fmr=1e-3,1e-4")
    searched = options("identify", ["fpir"], "fpir=0.1,0.01")
    timed = options("latency", [], "")
    task = _latency_task(gallery, probes, timed, None, (), DEMO_REQUESTS)
    sections = [
        run_verify(templates, verified, pairs=None, failed="reject", progress=progress),
        run_identify(gallery, probes, searched, k=DEFAULT_K, ranks=DEFAULT_RANKS, progress=progress),
        *run_latencies(task, timed, None, runs=3, progress=progress),
    ]
    files.remove(earlier(out))
    if not given["no_report"]:
        page = render(sections, title="Face matching by demographic group", subtitle="Labeled Faces in the Wild")
        files.write(out / "report.html", page)
    if given["as_json"]:
        click.echo(json.dumps([section.results for section in sections]))
        return
    for section in () if given["quiet"] else sections:
        show(section.results)
        click.echo()
    _say_where(out, given)


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
        engine=given.get("engine") or "cpu",
        credentials=credentials_of(given),
        runner=_runner(given),
        isa=given["isa"],
        threads=given["threads"],
        checkpoint_s=given.get("checkpoint_every", 2.0),
        fresh=given.get("fresh", False),
        with_report=not given["no_report"],
        train_subjects=given.get("train_subjects"),
    )


def _runner(given: dict[str, Any]) -> Runner | None:
    """Who is handed the tiles; None for this process, for which the other options mean nothing."""
    others = {"workers": given.get("workers"), "address": given.get("address"), "storage": given.get("storage")}
    if given.get("runner") is not None:
        return Runner(workers=others["workers"], address=others["address"], folder=others["storage"])
    if name := next((name for name, value in others.items() if value is not None), None):
        raise InputError(f"--{name} is for workers of a cluster; add --runner ray")
    return None


def templates_of(path: Path, labels: Path | None, given: dict[str, Any]) -> Templates:
    """The templates in a file, read as the options say."""
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
            templates_of(gallery, given["gallery_labels"] or given["labels"], given),
            templates_of(probes, given["probe_labels"] or given["labels"], given),
        )
    read = templates_of(templates, given["labels"], given)
    wanted = given["nonmated_subjects"]
    if wanted is None:
        wanted = 0 if read.subject_ids is None else len(set(read.subject_ids)) // 5
    return split_first_per_subject(read, wanted)


def _lists(gallery: Templates, given: dict[str, Any]) -> dict[str, Any]:
    """How long lists are, and which ranks count."""
    k = min(SHORTCUT_K, len(gallery)) if given["k"] is None else given["k"]
    return {"k": k, "ranks": _with_rank_1(given["ranks"]) or (1,)}


def _with_rank_1(ranks: tuple[int, ...]) -> tuple[int, ...]:
    """Rank 1 is always counted; results have a field for it."""
    return ranks if not ranks or ranks[0] <= 1 else (1, *ranks)


def _latency_task(
    gallery: Templates, probes: Templates, options: Options, k: int | None, batches: tuple[int, ...], requests: int
) -> LatencyTask:
    probes.require_labels(options.columns, options.per_template)
    return LatencyTask(
        gallery=gallery,
        probes=probes,
        columns=options.columns,
        hardware=hardware(),
        k=min(DEFAULT_K, len(gallery)) if k is None else k,
        batches=batches or (1, 64),
        requests=requests,
        threads=options.threads,
        isa=options.isa,
    )


def progress_of(given: dict[str, Any]) -> TerminalProgress:
    """Progress as the options want it."""
    return TerminalProgress(quiet=given["quiet"] or given["as_json"])


def _show(section: FinishedRun, options: Options, given: dict[str, Any]) -> None:
    if given["as_json"]:
        click.echo(json.dumps(section.results))
    elif not given["quiet"]:
        for whose, joined in section.manifest["options"].get("labels_joined_by", {}).items():
            click.echo(f"labels of {whose} joined by {joined}")
        show(section.results)
        for note in section.manifest.get("notes", ()):
            click.echo(f"note: {note}")
        _say_where(options.out, given)
        if section.manifest["options"].get("keep_pairs") is not None:
            click.echo(f"kept pairs: {options.out / files.TAIL}")
        if "subjects" in section.results:
            click.echo(f"subjects: {options.out / files.SUBJECTS}")


def _say_where(out: Path, given: dict[str, Any]) -> None:
    if not given["quiet"]:
        click.echo(f"run: {out}" + ("" if given["no_report"] else f"\nreport: {out / 'report.html'}"))
