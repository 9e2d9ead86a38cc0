"""The command `frbench power`: how many people it takes to see a difference, before there are any data."""

from __future__ import annotations

import json
from typing import Any

import click

from frbench import api
from frbench.estimate import LEVEL
from frbench.reading.power import KINDS, POWER


@click.command(name="power")
@click.option("--metric", type=click.Choice(list(KINDS)), default="fmr", show_default=True, help="Rate to compare.")
@click.option("--rate", type=float, required=True, metavar="R",
              help="Rate expected of the reference group, such as 1e-5.")  # fmt: skip
@click.option("--ratio", type=float, default=2.0, show_default=True,
              help="True ratio of the rates of two groups to see.")  # fmt: skip
@click.option("--templates", type=int,
              help="Templates of each subject; searches for FPIR and FNIR.  [default: 1; FNMR 2]")  # fmt: skip
@click.option("--spread", type=float, default=1.0, show_default=True,
              help="Deviation of people's own rates over their mean.")  # fmt: skip
@click.option("--power", type=float, default=POWER, show_default=True, help="Chance to see it.")
@click.option("--level", type=float, default=LEVEL, show_default=True, help="Level of the interval that shows it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool, **given: Any) -> None:
    """Say how many subjects each of two groups needs.

    \b
    frbench power --rate 1e-5 --ratio 2              FMR of 1e-5 against 2e-5
    frbench power --metric fnmr --rate 0.01 --ratio 1.5 --templates 3

    Templates of the same two people are taken as independent, which is optimistic: more subjects are better than more
    templates.
    """
    found = api.power(**given)
    click.echo(json.dumps(found.to_json()) if as_json else str(found))
