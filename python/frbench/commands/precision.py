"""`frbench precision`: a gallery and probes in, errors of what fewer bits or dimensions store out, by group."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from frbench.commands.options.amounts import numbers
from frbench.commands.options.common import of_exact_counting, of_files, of_runs, of_searches


def _names(_: click.Context, __: click.Parameter, text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(","))


@click.command(name="precision")
@of_searches
@click.option("-k", "--candidates", "k", type=int, help="Length of candidate lists.  [default: 10, or the gallery]")
@click.option("--ranks", default="1", show_default=True, callback=partial(numbers, int),
              help="Ranks at which misses count.")  # fmt: skip
@click.option("--format", default="float16,bfloat16,int8", show_default=True, callback=_names,
              metavar="FORMAT[,FORMAT]", help="float16, bfloat16, int8, or pcaN for N dimensions.")  # fmt: skip
@of_files
@of_exact_counting
@of_runs("out/precision")
def command(**given: Any) -> None:
    """Search every probe with templates as they are and as other formats store them, and report errors by group.

    Thresholds are those of the exact search, and a second table sets each format its own. Stored rows are scored by
    the definition, so that a difference is that of the format; int8 is scaled by row, and nothing is settled.

    \b
    frbench precision t.npy --labels l.csv --group sex
    frbench precision t.npy --labels l.csv --group sex --format int8,pca64,pca32
    """
    from frbench import api
    from frbench.commands.options.asking import said, shown

    shown([api.precision(**said(given))], given)
