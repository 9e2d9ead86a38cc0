"""`frbench export`: results and listed scores for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from frbench.commands.options.common import PATH
from frbench.runs import export


@click.command(name="export")
@click.argument("run", type=PATH)
@click.option("--to", type=click.Choice(export.FORMATS), default="csv", show_default=True,
              help="csv, parquet: every table of results.json; bob4, bob5: the pairs of --keep-pairs.")  # fmt: skip
@click.option("--out", type=PATH, help="Directory to write to.  [default: RUN/export]")
def command(run: Path, to: str, out: Path | None) -> None:
    """Write the tables of RUN (a run directory) for other programs, one file a table.

    \b
    frbench export out/verify --to parquet --out tables
    frbench export out/verify --to bob5
    """
    out = out or run / export.FOLDER
    paths = [export.write_tail(run, to, out)] if to in export.BOB_FORMATS else export.write_tables(run, to, out)
    for path in paths:
        click.echo(path)
