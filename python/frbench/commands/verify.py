"""`frbench verify`: templates in, FMR and FNMR by group out."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from frbench.choices import FAILED_POLICIES
from frbench.commands.options.amounts import numbers
from frbench.commands.options.common import PATH, of_counting, of_files, of_runs
from frbench.commands.options.recorded import score_options


@click.command(name="verify")
@click.argument("templates", type=PATH, required=False)
@click.option("--labels", type=PATH, help="CSV or Parquet with subject_id and label columns.")
@click.option("--pairs", type=PATH, help="Compare these pairs only: template_a, template_b[, mated].")
@click.option("--exclude", type=PATH,
              help="Leave these pairs out of every rate: template_a, template_b[, reason], or a tail.csv.")  # fmt: skip
@click.option(
    "--keep-pairs", type=int, metavar="N",
    help="Name the N non-mated pairs of highest score of every two groups in tail.csv, for review.",
)  # fmt: skip
@click.option(
    "--per-subject", is_flag=True,
    help="Write comparisons and errors of every subject to subjects.csv, and how far errors rest on few of them.",
)  # fmt: skip
@click.option("--declared", callback=partial(numbers, int), metavar="N[,N...]",
              help="Numbers of comparisons that a protocol states: says which way of counting gives each.")  # fmt: skip
@click.option("--failed", type=click.Choice(FAILED_POLICIES), default="reject", show_default=True,
              help="Comparisons with a failed template: rejected, out of the denominators, or accepted.")  # fmt: skip
@score_options
@of_files
@of_counting
@of_runs("out/verify")
def command(**given: Any) -> None:
    """Compare all pairs of TEMPLATES, 1:1, and report FMR and FNMR by group.

    TEMPLATES is a matrix (n, d) of float16, float32 or float64 in .npy, .npz, .safetensors, Parquet or Arrow.
    Interrupted runs go on where they stopped.

    \b
    frbench verify t.npy --labels l.csv --group sex --group sex,age --at fmr=1e-3,1e-4
    frbench verify t.npy --labels l.csv --pairs pairs.csv --thresholds 0.9,0.95
    frbench verify t.npy --labels l.csv --group sex --keep-pairs 1000
    frbench verify t.npy --labels l.csv --group sex --exclude reviewed.csv
    frbench verify --scores scores.txt --format bob4
    """
    from frbench import api
    from frbench.commands.options.asking import said, shown

    shown([api.verify(**said(given))], given)
