"""Options that commands have in common: what a run writes, how it counts, and how its files are read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from frbench.choices import DEFAULT_BLOCKS, ENGINES, EXACT_ENGINES
from frbench.commands.options.amounts import numbers
from frbench.commands.options.decorated import decorated
from frbench.commands.options.runner import runner_options
from frbench.commands.options.servers import server_options
from frbench.service.credentials import address_of

PATH = click.Path(path_type=Path)
Command = Callable[..., None]


at_population = click.option("--at-population", default="all", metavar="all|COLUMN=LABEL",
                             help="Whom the thresholds are set on.  [default: all]")  # fmt: skip
CHECKPOINTS = (
    click.option("--checkpoint-every", type=float, default=2.0, show_default=True, metavar="SECONDS",
                 help="How often progress is kept."),
    click.option("--fresh", is_flag=True, help="Forget what an interrupted run has counted."),
)  # fmt: skip


def of_runs(default_out: str) -> Callable[[Command], Command]:
    """Options of every command."""
    options = [
        click.option("--group", "by", multiple=True, metavar="COLUMN[,COLUMN]",
                     help="Count by this label, or by the intersection of several. Repeat for more."),
        click.option("--per-template", multiple=True, metavar="COLUMN",
                     help="Label that describes the photograph, and so may differ within a subject."),
        click.option("--out", type=click.Path(path_type=Path), default=Path(default_out), show_default=True,
                     help="Run directory: results.json, manifest.json, tally, report.html."),
        click.option("--json", "as_json", is_flag=True, help="Print results.json instead of tables."),
        click.option("--threads", type=int, default=0, help="Threads; 0 uses every processor.  [default: 0]"),
        click.option("--isa", help="Instruction set, such as amx or avx2; `frbench info` lists those of this machine. "
                                   "Also FRBENCH_ISA.  [default: best]"),
        click.option("--no-report", "report", flag_value=False, default=True, help="Do not write report.html."),
        click.option("--quiet", is_flag=True, help="No progress and no tables."),
    ]  # fmt: skip
    return partial(decorated, options)


def of_searches(command: Command) -> Command:
    """What is searched with what."""
    options = [
        click.argument("templates", type=PATH, required=False),
        click.option("--labels", type=PATH, help="CSV or Parquet with subject_id and label columns, of all templates."),
        click.option("--gallery", type=PATH, help="Templates to search, instead of a split of TEMPLATES."),
        click.option("--probes", type=PATH, help="Templates to search with."),
        click.option("--gallery-labels", type=PATH, help="Labels of the gallery.  [default: --labels]"),
        click.option("--probe-labels", type=PATH, help="Labels of the probes.  [default: --labels]"),
        click.option("--nonmated-subjects", type=int,
                     help="Subjects kept out of the gallery, the last to appear.  [default: 1 in 5]"),
    ]  # fmt: skip
    return decorated(options, command)


def of_counting(command: Command) -> Command:
    """Options of commands that count on a score axis, on this machine, by servers or by workers of a cluster."""
    engine = click.option(
        "--engine", default="cpu", show_default=True, callback=engine_of, metavar="|".join([*ENGINES, "SERVER,..."]),
        help="gpu takes every NVIDIA GPU of this machine (frbench[gpu]); reference is numpy float64: slow, the oracle. "
             "A SERVER is grpc://HOST:PORT on this machine, grpcs://HOST:PORT anywhere; several share the work.",
    )  # fmt: skip
    return server_options(runner_options(_counting(engine, command)))


def of_exact_counting(command: Command) -> Command:
    """Options of commands that hold cheaper searches against an exact one, which is not sent to servers."""
    engine = click.option("--engine", type=click.Choice(EXACT_ENGINES), default="cpu", show_default=True,
                          help="What searches exactly; reference is numpy float64: slow, the oracle.")  # fmt: skip
    return _counting(engine, command)


def _counting(engine: Callable[[Any], Any], command: Command) -> Command:
    options = [
        click.option("--thresholds", callback=partial(numbers, float), metavar="T,T,...",
                     help="Report at these thresholds, in [-1, 1]."),
        click.option("--at", multiple=True, metavar="RATE=F[,F...]",
                     help="Set thresholds at these rates, such as fmr=1e-3,1e-4 or fnmr=0.01; never "
                          "exceeded, then frozen."),
        at_population,
        click.option("--axis-step", type=float, default=0.001, show_default=True, help="Step of the score axis."),
        click.option("--axis-from", type=float, default=-1.0, show_default=True, metavar="T",
                     help="Lowest edge of the score axis; scores below it are only numbered. Above the bulk of "
                          "non-mated scores, counting is several times faster."),
        click.option("--blocks", type=int, default=DEFAULT_BLOCKS, show_default=True,
                     help="Blocks of subjects, from which intervals come."),
        engine,
        click.option("--train-subjects", type=click.Path(path_type=Path), metavar="FILE",
                     help="Subjects that the matcher was trained on (column subject_id); a note names those tested."),
        *CHECKPOINTS,
    ]  # fmt: skip
    return decorated(options, command)


def of_files(command: Command) -> Command:
    """Options that say how files are read."""
    options = [
        click.option("--id-column", default="template_id", show_default=True, help="Column of template ids."),
        click.option("--subject-column", default="subject_id", show_default=True, help="Column of subject ids."),
        click.option("--scratch", type=click.Path(path_type=Path, file_okay=False),
                     help="Keep unit rows in a nameless file in this directory, mapped to memory. Also "
                          "FRBENCH_SCRATCH.  [default: in memory up to a quarter of it]"),
        click.option("--array", help="Array, tensor or column to take where a file holds several."),
    ]  # fmt: skip
    return decorated(options, command)


def engine_of(_: click.Context, __: click.Parameter, text: str) -> str:
    """The engine, as the callback of an option that looks at the addresses of servers."""
    if text not in ENGINES:
        for target in text.split(","):
            address_of(target)
    return text
