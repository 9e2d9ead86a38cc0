"""`frbench demo`: the example templates in, one report of everything out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from frbench.commands.options.amounts import numbers
from frbench.commands.options.common import of_runs

PATH = click.Path(path_type=Path)
DEMO_DATA = Path("examples/lfw")


@click.command(name="demo")
@click.option("--data", type=PATH, default=DEMO_DATA, show_default=True, help="Example templates and labels.")
@click.option("--thresholds", callback=partial(numbers, float), metavar="T,T,...", help="Report at these, too.")
@click.option("--at", multiple=True, metavar="RATE=F[,F...]", help="Set thresholds at these.  [default: fmr=1e-3,1e-4]")
@of_runs("out/demo")
def command(**given: Any) -> None:
    """Verify, identify and time the example templates by sex, and write one report.

    The example is Labeled Faces in the Wild through a public network: 13,233 real templates of 5,749 people.
    """
    from frbench.commands.start import runs

    runs.demo(given)
