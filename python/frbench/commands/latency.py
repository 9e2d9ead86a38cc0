"""`frbench latency`: a gallery and probes in, times of searches by probe group out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from frbench.commands.amounts import numbers
from frbench.commands.options import of_files, of_runs

PATH = click.Path(path_type=Path)


@click.command(name="latency")
@click.argument("templates", type=PATH, required=False)
@click.option("--labels", type=PATH, help="CSV or Parquet with subject_id and label columns, of all templates.")
@click.option("--gallery", type=PATH, help="Templates to search, instead of a split of TEMPLATES.")
@click.option("--probes", type=PATH, help="Templates to search with.")
@click.option("--gallery-labels", type=PATH, help="Labels of the gallery.  [default: --labels]")
@click.option("--probe-labels", type=PATH, help="Labels of the probes.  [default: --labels]")
@click.option("--nonmated-subjects", type=int, help="Subjects kept out of the gallery.  [default: 1 in 5]")
@click.option("-k", "--candidates", "k", type=int, help="Length of candidate lists.  [default: 50, or the gallery]")
@click.option("--batches", callback=partial(numbers, int), help="Probes a request.  [default: 1,64]")
@click.option("--requests", type=int, default=500, show_default=True, help="Requests by group, batch size and run.")
@click.option("--runs", type=int, default=3, show_default=True, help="Fresh processes, one after another.")
@click.option("--engine", type=click.Choice(["cpu", "gpu"]),
              help="What searches.  [default: cpu, and gpu beside it where there is one]")  # fmt: skip
@of_files
@of_runs("out/latency")
def latency_command(**given: Any) -> None:
    """Time searches by probe group on this machine, one probe a request and in batches.

    Where there is a GPU, the same searches are timed on it too: its run is in the directory gpu of the other, and
    the page shows both.

    Percentiles are printed only where enough requests support them. A score threshold does not change the time
    of a search, so there is none here.

    \b
    frbench latency t.npy --labels l.csv --group sex --runs 5
    """
    from frbench.commands import runs

    runs.latency(given)
