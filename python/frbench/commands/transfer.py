"""`frbench transfer`: what a threshold that was set on some people does to others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import click
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from frbench import files
from frbench.choices import Failed
from frbench.commands.options.amounts import groupings_of
from frbench.counting.calibrate import parse_targets
from frbench.errors import EdgeNotInPlan, InputError
from frbench.reading.groups.thresholds import realised
from frbench.reading.metrics import FAILED_POLICIES
from frbench.reading.thresholds import at_fmr
from frbench.tally import Tally
from frbench.terminal import figures
from frbench.terminal.figures import UNDEFINED, sentences

PATH = click.Path(path_type=Path)


@click.command(name="transfer")
@click.argument("runs", nargs=-1, required=True, type=PATH, metavar="[SET_ON_RUN] USED_ON_RUN")
@click.option("--at", metavar="fmr=F", help="Rate that the threshold is set at, on everybody of SET_ON_RUN.")
@click.option("--threshold", type=float, metavar="T", help="A threshold from elsewhere, a vendor's for instance.")
@click.option("--promised", metavar="fmr=F", help="Rate that --threshold is said to hold.")
@click.option("--group", metavar="COLUMN[,COLUMN]",
              help="Look at these groups.  [default: those that USED_ON_RUN was counted by]")  # fmt: skip
@click.option("--failed", type=click.Choice(FAILED_POLICIES),
              help="Comparisons with a failed template.  [default: as in the runs]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def command(
    runs: tuple[Path, ...],
    at: str | None,
    threshold: float | None,
    promised: str | None,
    group: str | None,
    failed: str | None,
    as_json: bool,
) -> None:
    """Say what a threshold does to people it was not set on: the FMR they get, against the one that was promised.

    Runs are directories of `frbench verify`, of one matcher. A verdict is kept if the whole 95% interval is at most
    the promise, broken if it is above, and else not settled.

    \b
    A threshold set on one run, used on another; the second must have been counted there:
      frbench verify b.npy --labels b.csv --group race --thresholds 0.6234 --out out/b
      frbench transfer out/a out/b --at fmr=1e-3 --group race
    A threshold and a promise from a data sheet:
      frbench transfer out/b --threshold 0.62 --promised fmr=1e-3 --group race
    """
    used_on = runs[-1]
    rate = _rate(runs, at, threshold, promised)
    tallies = [_tally(run) for run in runs]
    policy = cast(Failed, failed or _policy(runs))
    point = None
    if threshold is None:
        point = at_fmr(tallies[0], rate, failed=policy).point
        if point.threshold is None:
            raise InputError(f"{runs[0]}: no threshold for {point.at} of {point.population}: {point.reason}")
        threshold = point.threshold
    grouping = groupings_of([group])[0] if group else tallies[-1].plan.columns
    try:
        found = realised(tallies[-1], threshold, rate, grouping=grouping, failed=policy)
    except (EdgeNotInPlan, InputError) as error:
        raise type(error)(f"{used_on}: {error}") from error
    made = {
        "used_on": str(used_on),
        "set_on": None if point is None else {"run": str(runs[0]), **point.to_json()},
        "grouping": ",".join(grouping),
        "failed_policy": policy,
        **found.to_json(),
    }
    if as_json:
        click.echo(json.dumps(made))
    else:
        show(made)


def show(made: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints what became of a promise."""
    figures.terminal(console).print(Group(*_lines(made)))


def _rate(runs: tuple[Path, ...], at: str | None, threshold: float | None, promised: str | None) -> str:
    """The promised rate as text, from the one way to call the command that was chosen."""
    is_set = len(runs) == 2 and at is not None and threshold is None and promised is None
    is_given = len(runs) == 1 and at is None and threshold is not None and promised is not None
    if not is_set and not is_given:
        ways = "SET_ON_RUN USED_ON_RUN --at fmr=1e-3, or USED_ON_RUN --threshold T --promised fmr=1e-3"
        raise InputError(f"expected {ways}")
    option, text = ("--at", at) if promised is None else ("--promised", promised)
    try:
        (target,) = parse_targets(str(text), ["fmr"])
    except ValueError as error:
        raise InputError(f"{option} is '{text}', expected one rate above 0 and at most 1, such as fmr=1e-3") from error
    return target.text


def _tally(run: Path) -> Tally:
    """The tally of a run of 1:1 comparisons."""
    path = run / "tally.safetensors"
    if not path.is_file():
        raise InputError(f"{run} holds no tally.safetensors, expected the directory of a finished `frbench verify`")
    tally = files.load_tally(path)
    if tally.plan.kind in ("identify", "latency"):
        raise InputError(f"{run} is a run of `frbench {tally.plan.kind}`, expected one of `frbench verify`")
    return tally


def _policy(runs: tuple[Path, ...]) -> str:
    """What all runs do with failed templates."""
    policies = {run: files.read_json(run / "results.json", schema="frbench.results")["failed_policy"] for run in runs}
    if len(set(policies.values())) > 1:
        each = ", ".join(f"{run}: {policy}" for run, policy in policies.items())
        raise InputError(f"the runs treat failed templates differently ({each}); choose one with --failed")
    return str(policies[runs[-1]])


def _lines(made: Mapping[str, Any]) -> Iterator[RenderableType]:
    set_on = made["set_on"]
    yield Text(f"threshold {made['threshold']:.9g}, promised {made['promised']}")
    if set_on is not None:
        yield Text(f"set on:  {set_on['run']}, {_achieved(set_on)}")
    yield Text(f"used on: {made['used_on']}")
    if set_on is not None and not set_on["rule_of_30"]:
        yield Text(f"{made['promised']} rests on {set_on['k']} false matches, fewer than 30", style="yellow")
    yield Text(f"failed templates: {made['failed_policy']}. k / n: errors / comparisons, of groups within them.\n")
    yield _table(made)
    rows = (made["everybody"], *made["groups"])
    yield from map(Text, sentences((m.upper(), row["group"], row[m]) for m in ("fmr", "fnmr") for row in rows))
    yield from (Text(f"{each['group']} is left out: {each['reason']}") for each in made["left_out"])
    yield Text("")
    yield from _needed(made)


def _table(made: Mapping[str, Any]) -> Table:
    columns = ("FMR", "95% interval", "k / n", "times promised", "promise", "FNMR", "95% interval", "k / n")
    table = figures.table("group", *columns)
    for row in (made["everybody"], *made["groups"]):
        times = UNDEFINED if row["times"] is None else f"{row['times']:.3g}"
        fmr, fnmr = figures.rate(row["fmr"], figures.power), figures.rate(row["fnmr"], figures.percent)
        table.add_row(Text(row["group"]), *fmr, times, row["verdict"], *fnmr)
    return table


def _needed(made: Mapping[str, Any]) -> Iterator[Text]:
    """Which group is worst off, and what would have kept the promise."""
    if made["worst"] is not None:
        worst = next(row for row in made["groups"] if row["group"] == made["worst"])
        if worst["fmr"]["k"]:
            yield Text(f"highest FMR: {worst['group']}, {worst['times']:.3g} times the promise")
    needed = made["needed"]
    kept = needed["reason"] if needed["threshold"] is None else f"{needed['threshold']:.9g} ({_achieved(needed)})"
    yield Text(f"threshold that keeps the promise here for everybody: {kept}")
    if made["grouping"]:
        worst = made["needed_by_worst"]
        reason = f"none, {worst['reason']}"
        kept = reason if worst["threshold"] is None else f"{worst['threshold']:.9g}, which {worst['group']} needs"
        yield Text(f"within every group of {made['grouping']}: {kept}")
    if len(made["groups"]) > 1:
        yield Text("each interval stands by itself: with many groups some verdicts are chance")


def _achieved(point: Mapping[str, Any]) -> str:
    return f"achieved {point['k']:,} / {point['n']:,}"
