"""`frbench plan`: memory, workers, hours and price of a search on a cluster, before it is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from frbench.choices import DEFAULT_K
from frbench.commands.options.amounts import parameters, whole

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(name="plan")
@click.option("--gallery-size", callback=whole, required=True, metavar="N", help="Rows of the gallery, such as 3e9.")
@click.option("--probes", callback=whole, metavar="N",
              help="Probes to search with, such as 1e5.  [default: none; all pairs of the gallery, 1:1]")  # fmt: skip
@click.option("--dimension", type=click.IntRange(min=1), default=512, show_default=True, help="Numbers of a template.")
@click.option("-k", "--candidates", "k", type=click.IntRange(min=1), default=DEFAULT_K, show_default=True,
              help="Length of candidate lists.")  # fmt: skip
@click.option("--hardware", type=FILE, help="Machines of the cluster, TOML or JSON.  [default: measure this machine]")
@click.option("--templates", type=FILE, help="Measure on these templates rather than on random rows.")
@click.option("--workers", type=click.IntRange(min=1), help="Workers on a machine.  [default: 1, or the file's]")
@click.option("--threads", type=click.IntRange(min=0),
              help="Threads of a worker that is measured.  [default: its share]")  # fmt: skip
@click.option("--index", type=click.Choice(["hnsw"]), help="Each worker has an index of its rows, too.")
@click.option("--build", "parameters", callback=parameters, metavar="NAME=N", help="Of the index.  [default: M=16]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; what it says of the hardware is a hardware file.")
def command(**given: Any) -> None:
    """Say on paper what a search of PROBES in a gallery takes, or a sweep of all its pairs.

    \b
    frbench plan --gallery-size 3e9 --probes 1e5
    frbench plan --gallery-size 3e9 --probes 1e5 --hardware machines.toml --json
    frbench plan --gallery-size 3e9 --probes 1e5 --templates t.npy --dimension 128
    frbench plan --gallery-size 3e9 --probes 1e5 --index hnsw --build M=32 --hardware machines.toml

    \b
    Without a hardware file this machine is measured, which takes a quarter of a minute. Workers are tried side by side.

    \b
    A hardware file has these fields; --json prints those of the machine it was measured on:
      memory_gib                of a machine
      dimension                 at which the rates below were measured
      comparisons_per_s         of a worker
      rows_read_per_s           of a worker, from storage to packed rows
      rows_prepared_per_s       of the program that hands out the work
      candidates_merged_per_s   of that program
      settled_share             optional: of pairs, those that the screen leaves
      labels_prepared_per_s     optional: of that program, rows of labels
      rows_passed_per_s         optional: of a worker, in a search of a single probe
      lists_per_s               optional: of a worker, candidate lists begun
      storage_bytes_per_s       optional: into a machine
      workers, threads          optional: workers on a machine, and threads of each
      machines                  optional: how many there are, else as few as hold the gallery
      network_bytes_per_s       optional: into a machine
      price_per_hour, currency  optional: of a machine
      name, source              optional: of whom the numbers speak
    """
    from frbench.planning.paper import planned

    click.echo(planned(given))
