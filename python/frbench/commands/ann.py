"""`frbench ann`: a gallery and probes in, whom an approximate index misses out, by group."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from frbench.choices import INDEXES
from frbench.commands.options.amounts import numbers, parameters
from frbench.commands.options.common import of_exact_counting, of_files, of_runs, of_searches
from frbench.commands.options.runner import runner_options


@click.command(name="ann")
@of_searches
@click.option("-k", "--candidates", "k", type=int, help="Length of candidate lists.  [default: 10, or the gallery]")
@click.option("--ranks", default="1", show_default=True, callback=partial(numbers, int),
              help="Ranks at which misses count.")  # fmt: skip
@click.option("--index", type=click.Choice(INDEXES), default="hnsw", show_default=True,
              help="Kind of index: hnswlib, three of faiss, usearch.")  # fmt: skip
@click.option("--build", callback=parameters, metavar="NAME=N[,NAME=N]",
              help="Build parameters, such as M=16,ef_construction=200.  [default: see docs/ann.md]")  # fmt: skip
@click.option("--effort", callback=partial(numbers, int), metavar="N[,N...]",
              help="Widths of search (ef, nprobe, expansion) to sweep.  [default: k, 2k ... 16k]")  # fmt: skip
@click.option("--proposals", type=int, default=0, metavar="N",
              help="Rows that an index proposes for each probe, of which the best k stay.  [default: k]")  # fmt: skip
@click.option("--rebuilds", type=int, default=3, show_default=True,
              help="Builds in random orders of insertion, to see which answers depend on it.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Of builds and of random orders.")
@of_files
@runner_options
@of_exact_counting
@of_runs("out/ann")
def command(**given: Any) -> None:
    """Search every probe exactly and with an approximate index, and report whom the index misses.

    Misses and false positives by group in both, those that the index adds and hides, with intervals, over a sweep of
    effort; gallery members that no search reaches; answers that depend on the order of insertion; searches a second
    in one thread, and memory. The index proposes, the definition scores: it can miss, and never misscore. With --runner
    ray every worker has an index of its own rows, as large galleries have one a shard; what all propose is merged.

    \b
    frbench ann t.npy --labels l.csv --group sex
    frbench ann t.npy --labels l.csv --group sex,region --index faiss-ivfpq --proposals 100
    frbench ann --gallery g.npy --probes p.npy --labels l.csv --build M=32,ef_construction=400 --effort 50,100,200 -k 50
    frbench ann --gallery g.npy --probes p.npy --labels l.csv --runner ray --workers 4
    """
    from frbench import api
    from frbench.commands.options.asking import said, shown
    from frbench.files import CHANGED

    run = api.ann(**said(given))
    shown([run], given)
    if run.tables and not (given["quiet"] or given["as_json"]):
        click.echo(f"searches that depend on the order of insertion: {given['out'] / CHANGED}")
