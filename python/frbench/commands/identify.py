"""`frbench identify`: a gallery and probes in, FPIR, FNIR and CMC by group out."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from frbench.commands.options.amounts import numbers
from frbench.commands.options.common import of_counting, of_files, of_runs, of_searches
from frbench.commands.options.recorded import candidate_options, length_and_file


@click.command(name="identify")
@of_searches
@click.option("--split", type=click.Choice(["first-per-subject"]), default="first-per-subject", show_default=True,
              help="How TEMPLATES become gallery and probes: the first row of each subject is enrolled.")  # fmt: skip
@click.option("-k", "--candidates", multiple=True, metavar="K|FILE",
              help="Length of candidate lists, or a file of recorded ones.  [default: 50, or the gallery]")  # fmt: skip
@candidate_options
@click.option("--ranks", callback=partial(numbers, int), help="Ranks for FNIR and CMC.  [default: 1,2,3,5,10,20,50]")
@click.option("--gallery-sizes", callback=partial(numbers, int), metavar="N,N,...",
              help="Report at these sizes, too: exactly up to the gallery, extrapolated above it.")  # fmt: skip
@of_files
@of_counting
@of_runs("out/identify")
def command(**given: Any) -> None:
    """Search probes in a gallery, 1:N open set, and report FPIR, FNIR and CMC by group.

    \b
    frbench identify t.npy --labels l.csv --group sex --nonmated-subjects 1000 --at fpir=0.01
    frbench identify --gallery g.npy --gallery-labels g.csv --probes p.npy --probe-labels p.csv
    frbench identify --candidates log.txt --format frte --enrolled enrolled.csv --searches searches.csv
    """
    from frbench import api
    from frbench.commands.options.asking import said, shown

    asked = said(given)
    k, candidates = length_and_file(asked.pop("candidates", ()))
    shown([api.identify(**asked, k=k, candidates=candidates)], given)
