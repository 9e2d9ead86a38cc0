"""`frbench fuse`: templates of two systems in, one run of their fused scores out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, get_args

import click

from frbench.choices import DEFAULT_BLOCKS, ENGINES, FAILED_POLICIES, Combination, Norm
from frbench.commands.options.amounts import numbers
from frbench.commands.options.common import CHECKPOINTS, PATH, at_population, of_files, of_runs
from frbench.commands.options.decorated import decorated
from frbench.errors import InputError


def _engine(_: click.Context, __: click.Parameter, text: str) -> str:
    if text not in ENGINES:
        raise InputError(
            f"--engine is '{text}', expected {', '.join(ENGINES)}: a fused score needs the scores of both systems in "
            "one place, which servers do not send"
        )
    return text


@click.command(name="fuse")
@click.argument("a", type=PATH)
@click.argument("b", type=PATH)
@click.option("--labels", type=PATH, required=True, help="CSV or Parquet with subject_id and labels, of both.")
@click.option("--pairs", type=PATH, help="Compare these pairs only: template_a, template_b[, mated][, fold].")
@click.option("--rule", type=click.Choice(get_args(Combination)), default="sum", show_default=True,
              help="Sum of both scores, weighted sum, or decisions: accepted where both systems "
                   "accept, or one.")  # fmt: skip
@click.option("--norm", type=click.Choice(get_args(Norm)), default="z", show_default=True,
              help="How scores come to one scale: by mean and deviation of non-mated scores, or "
                   "lowest and highest.")  # fmt: skip
@click.option("--weight", type=float, metavar="W", help="Weight of A, 0 to 1.  [default: fitted]")
@click.option("--threshold-a", type=float, help="With and, or: A's own threshold; the fused threshold is then 0.")
@click.option("--threshold-b", type=float, help="With and, or: B's own threshold.")
@click.option("--calibration-share", type=float, default=0.2, show_default=True,
              help="Share of the subjects to fit scales and weight on; they are left out of every rate.")  # fmt: skip
@click.option("--thresholds", callback=partial(numbers, float), metavar="T,T,...",
              help="Report at these fused thresholds.")  # fmt: skip
@click.option("--at", multiple=True, metavar="fmr=F[,F...]",
              help="Set thresholds at these rates.  [default: fmr=1e-3,1e-4]")  # fmt: skip
@at_population
@click.option("--axis-step", type=float, help="Step of the axis.  [default: at most 2,001 edges]")
@click.option("--blocks", type=int, default=DEFAULT_BLOCKS, show_default=True, help="Blocks of subjects.")
@click.option("--failed", type=click.Choice(FAILED_POLICIES), default="reject", show_default=True,
              help="Comparisons without a fused score.")  # fmt: skip
@click.option("--engine", default="cpu", show_default=True, callback=_engine, metavar="|".join(ENGINES),
              help="What scores the pairs; reference is numpy float64: slow, the oracle.")  # fmt: skip
@partial(decorated, CHECKPOINTS)
@of_files
@of_runs("out/fuse")
def command(**given: Any) -> None:
    """Compare all pairs of the images that two systems made the templates A and B of, by scores that both give.

    Scales, and the weight unless it is given, are fitted on some of the subjects, who are then left out; with --pairs
    on all pairs of theirs that the list's templates make. Fused scores take 12 bytes a pair in --out until the run is
    finished; an interrupted run goes on where it stopped.

    \b
    frbench fuse a.npy b.npy --labels l.csv --group sex --at fmr=1e-3
    frbench fuse a.npy b.npy --labels l.csv --pairs pairs.csv --at fmr=1e-2
    frbench fuse a.npy b.npy --labels l.csv --rule weighted
    frbench fuse a.npy b.npy --labels l.csv --rule and --threshold-a 0.93 --threshold-b 0.71

    The systems alone, on the same people: --rule weighted --weight 1, and --weight 0. `frbench compare` then says what
    fusion gains.

    Comparisons only, on this machine only: searches, 1:N, and servers give the best scores of one system, and the
    fused score of a pair needs those of both.
    """
    from frbench import api
    from frbench.commands.options.asking import said, shown

    run = api.fuse(**said(given))
    if not (given["as_json"] or given["quiet"]):
        click.echo(_rule_in_words(run.results["fusion"]))
    shown([run], given)


def _rule_in_words(fusion: Mapping[str, Any]) -> str:
    fit = fusion["calibration"]
    weight = "" if fusion["weight"] is None else f", weight of A {fusion['weight']:.4g}"
    rule = f"rule {fusion['rule']}, scale {fusion['norm']}{weight}: {fusion['formula']}"
    if fit is None:
        return rule
    listed = f", and so are {fit['pairs_left_out']:,} listed pairs with them" if "pairs_left_out" in fit else ""
    return (
        f"{rule}\nfitted on {fit['subjects']:,} subjects, {fit['mated']:,} mated and {fit['nonmated']:,} non-mated "
        f"pairs; they are left out of every rate{listed}"
    )
