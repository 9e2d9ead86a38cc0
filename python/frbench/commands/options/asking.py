"""Passes on what a command line says, as keywords of the library, and shows the run that comes back."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from frbench import files
from frbench.finished_run import FinishedRun
from frbench.runs.progress import TerminalProgress
from frbench.terminal.show import show

# Options of commands alone: what is printed.
OF_SCREENS = ("as_json", "quiet")


def said(given: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords of the library for the options that stand on the command line, and for where the run goes."""
    context = click.get_current_context()
    typed = {
        name: value
        for name, value in given.items()
        if name not in OF_SCREENS and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    return typed | {"out": given["out"], "progress": progress_of(given), "command": tuple(sys.argv)}


def progress_of(given: Mapping[str, Any]) -> TerminalProgress:
    """Progress as the options want it."""
    return TerminalProgress(quiet=given["quiet"] or given["as_json"])


def shown(runs: Sequence[FinishedRun], given: Mapping[str, Any]) -> None:
    """Prints finished runs as the options want it: JSON, tables with notes and places of files, or nothing."""
    if given["as_json"]:
        results = [run.results for run in runs]
        click.echo(json.dumps(results[0] if len(results) == 1 else results))
    elif not given["quiet"]:
        for run in runs:
            _show(run, given["out"], given["report"])


def say_where(out: Path, *, with_report: bool) -> None:
    """Prints where a run is."""
    click.echo(f"run: {out}" + (f"\nreport: {out / 'report.html'}" if with_report else ""))


def _show(run: FinishedRun, out: Path, with_report: bool) -> None:
    options = run.manifest["options"]
    for whose, joined in options.get("labels_joined_by", {}).items():
        click.echo(f"labels of {whose} joined by {joined}")
    show(run.results)
    for note in run.manifest.get("notes", ()):
        click.echo(f"note: {note}")
    say_where(out, with_report=with_report)
    if options.get("keep_pairs") is not None:
        click.echo(f"kept pairs: {out / files.TAIL}")
    if "subjects" in run.results:
        click.echo(f"subjects: {out / files.SUBJECTS}")
