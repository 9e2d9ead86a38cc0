"""`frbench transfer`: what a threshold that was set on some people does to others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from frbench import api
from frbench.choices import FAILED_POLICIES
from frbench.commands.options.common import PATH
from frbench.errors import InputError
from frbench.terminal.transfer import show


@click.command(name="transfer")
@click.argument("runs", nargs=-1, required=True, type=PATH, metavar="[SET_ON_RUN] USED_ON_RUN")
@click.option("--at", metavar="fmr=F", help="Rate that the threshold is set at, on everybody of SET_ON_RUN.")
@click.option("--threshold", type=float, metavar="T", help="A threshold from elsewhere, a vendor's for instance.")
@click.option("--promised", metavar="fmr=F", help="Rate that --threshold is said to hold.")
@click.option("--group", "by", metavar="COLUMN[,COLUMN]",
              help="Look at these groups.  [default: those that USED_ON_RUN was counted by]")  # fmt: skip
@click.option("--failed", type=click.Choice(FAILED_POLICIES),
              help="Comparisons with a failed template.  [default: as in the runs]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def command(runs: tuple[Path, ...], as_json: bool, **given: Any) -> None:
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
    if len(runs) > 2:
        raise InputError(f"expected {api.WAYS_TO_TRANSFER}")
    found = api.transfer(runs[-1], runs[0] if len(runs) > 1 else None, **given)
    if as_json:
        click.echo(json.dumps(found.to_json()))
    else:
        show(found)
