"""`frbench ab`: two commands by turns, and which of them is slower."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from frbench import files
from frbench.commands.options import amounts
from frbench.estimate import LEVEL
from frbench.runs.directory import refuse_run
from frbench.runs.progress import TerminalProgress
from frbench.speed import tables
from frbench.speed.compare import DEFAULT_PAIRS, Budget, compare
from frbench.speed.goal import EXIT_CODES, Goal
from frbench.speed.printed import pattern
from frbench.speed.process import CPU, WALL, Command, split
from frbench.speed.results import FILE, results

INTERRUPTED = 130


@click.command(name="ab", context_settings={"allow_interspersed_args": False})
@click.option("--max-slowdown", callback=amounts.share, metavar="SHARE",
              help="B may be slower by 3%, say; below 0 it must be faster.  [default: only measure]")  # fmt: skip
@click.option(
    "--width",
    callback=amounts.share,
    metavar="SHARE",
    help="Half of an interval that is narrow enough.  [default: 0.02, or what --max-slowdown needs]",
)
@click.option("--budget", callback=amounts.seconds, default="300s", show_default=True, metavar="TIME",
              help="No round is begun that would not end in time.")  # fmt: skip
@click.option("--pairs", type=int, default=DEFAULT_PAIRS, show_default=True, help="Pairs at most; a round has two.")
@click.option("--timeout", callback=amounts.seconds, default="60s", show_default=True, metavar="TIME",
              help="A process is killed then.")  # fmt: skip
@click.option(
    "--metric-regex",
    "regexes",
    multiple=True,
    metavar="REGEX",
    help="Figure to find in the output, at its last match; named groups are metrics. Repeat for more.",
)
@click.option("--wall", is_flag=True, help="Time whole processes: the default where they print no metric.")
@click.option("--cpu", is_flag=True, help="Processor time of whole processes: what a busy machine disturbs least.")
@click.option("--level", type=float, default=LEVEL, show_default=True, help="Of the intervals of all metrics together.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the orders.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Directory for ab.json.")
@click.option("--json", "as_json", is_flag=True, help="Print ab.json instead of a table.")
@click.option("--quiet", is_flag=True, help="No progress and no table.")
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- CMD_A... -- CMD_B...")
def command(words: tuple[str, ...], out: Path | None, as_json: bool, quiet: bool, **given: Any) -> None:
    """Run CMD_A and CMD_B in fresh processes, in pairs whose order is drawn, until the interval of B/A is narrow.

    Timed is the process, or what it prints: a line {"frbench_ab": {"p99": 0.012}}, or what --metric-regex finds;
    figures must grow with the time taken. The same rounds compare A with A and B with B: that is the noise floor, and a
    limit within it is refused. Commands are started without a shell.

    --out keeps ab.json, and `frbench gate DIRECTORY` holds it against the same limit, or against --rules, and writes
    JUnit and a job summary. Rules with false_failures = 0.01, the default, need --level 0.98 to fail where this does.

    Exit codes: 0 pass, or nothing was asked; 1 fail; 2 misuse; 4 inconclusive or invalid.

    \b
    frbench ab -- ./old -- ./new
    frbench ab --max-slowdown 3% --out out/ab -- python bench.py --engine old -- python bench.py --engine new
    frbench ab --metric-regex 'p99 (?P<p99>[0-9.]+) ms' -- sh -c 'make -s bench-a' -- sh -c 'make -s bench-b'
    """
    a, b = split(words)
    goal = Goal(given["max_slowdown"], given["width"])
    budget = Budget(given["pairs"], given["budget"], given["level"])
    shared = {
        "patterns": tuple(map(pattern, given["regexes"])),
        "clocks": tuple(clock for clock in (WALL, CPU) if given[clock]),
        "timeout_s": given["timeout"],
    }
    if out is not None:
        refuse_run(files.prepare(out), "a comparison")
        files.remove([out / FILE])
    progress = TerminalProgress(quiet=quiet or as_json)
    sides = Command("A", a, **shared), Command("B", b, **shared)
    try:
        found = compare(*sides, goal=goal, budget=budget, seed=given["seed"], progress=progress)
    except KeyboardInterrupt:
        click.echo("frbench: stopped; nothing was written", err=True)
        click.get_current_context().exit(INTERRUPTED)
    _tell(results(found, commands={"a": a, "b": b}), out, as_json=as_json, quiet=quiet)
    click.get_current_context().exit(EXIT_CODES[found.outcome])


def _tell(values: Mapping[str, Any], out: Path | None, *, as_json: bool, quiet: bool) -> None:
    """Writes and prints a comparison: it is printed even where it cannot be written, for it took minutes."""
    try:
        if out is not None:
            files.write_json(out / FILE, values)
    finally:
        if as_json:
            click.echo(json.dumps(values))
        elif not quiet:
            tables.show(values)
    if out is not None and not as_json and not quiet:
        click.echo(f"comparison: {out / FILE}")
