"""`frbench latency`: a gallery and probes in, times of searches by probe group out."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from frbench.commands.options.amounts import numbers
from frbench.commands.options.common import of_files, of_runs, of_searches


@click.command(name="latency")
@of_searches
@click.option("-k", "--candidates", "k", type=int, help="Length of candidate lists.  [default: 50, or the gallery]")
@click.option("--batches", callback=partial(numbers, int), help="Probes a request.  [default: 1,64]")
@click.option("--requests", type=int, default=500, show_default=True, help="Requests by group, batch size and run.")
@click.option("--runs", type=int, default=3, show_default=True, help="Fresh processes, one after another.")
@click.option("--engine", type=click.Choice(["cpu", "gpu"]),
              help="What searches.  [default: cpu, and gpu beside it where there is one]")  # fmt: skip
@of_files
@of_runs("out/latency")
def command(**given: Any) -> None:
    """Time searches by probe group on this machine, one probe a request and in batches.

    Where there is a GPU, the same searches are timed on it too: its run is in the directory gpu of the other, and
    the page shows both.

    Percentiles are printed only where enough requests support them. A score threshold does not change the time
    of a search, so there is none here.

    \b
    frbench latency t.npy --labels l.csv --group sex --runs 5
    """
    from frbench import api
    from frbench.commands.options.asking import said, shown

    run = api.latency(**said(given) | {"engine": given["engine"]})
    shown([run, *run.beside], given)
