"""`frbench fuse`: templates of two systems in, one run of their fused scores out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import click

from frbench import report, summary
from frbench.calibrate import parse_targets
from frbench.commands.groupings import groupings_of
from frbench.errors import InputError
from frbench.fusion.fitting import Norm
from frbench.fusion.fusion_jobs import Fusion, run_fusion
from frbench.fusion.rule import Combination
from frbench.fusion.twins import Twins
from frbench.metrics import FAILED_POLICIES
from frbench.plan import DEFAULT_BLOCKS
from frbench.progress import TerminalProgress
from frbench.recorded.recorded_jobs import RecordedOptions
from frbench.templates import load

PATH = click.Path(path_type=Path)


@click.command(name="fuse")
@click.argument("a", type=PATH)
@click.argument("b", type=PATH)
@click.option("--labels", type=PATH, required=True, help="CSV or Parquet with subject_id and labels, of both.")
@click.option(
    "--rule",
    "combination",
    type=click.Choice(get_args(Combination)),
    default="sum",
    show_default=True,
    help="Sum of both scores, weighted sum, or decisions: accepted where both systems accept, or one.",
)
@click.option(
    "--norm",
    type=click.Choice(get_args(Norm)),
    default="z",
    show_default=True,
    help="How scores come to one scale: by mean and deviation of non-mated scores, or lowest and highest.",
)
@click.option("--weight", type=float, metavar="W", help="Weight of A, 0 to 1.  [default: fitted]")
@click.option("--threshold-a", type=float, help="With and, or: A's own threshold; the fused threshold is then 0.")
@click.option("--threshold-b", type=float, help="With and, or: B's own threshold.")
@click.option(
    "--calibration-share",
    "share",
    type=float,
    default=0.2,
    show_default=True,
    help="Share of the subjects to fit scales and weight on; they are left out of every rate.",
)
@click.option("--group", "groups", multiple=True, metavar="COLUMN[,COLUMN]", help="Count by this label.")
@click.option("--per-template", multiple=True, metavar="COLUMN", help="Label that may differ within a subject.")
@click.option(
    "--at", multiple=True, metavar="fmr=F[,F...]", help="Set thresholds at these rates.  [default: fmr=1e-3,1e-4]"
)
@click.option("--thresholds", metavar="T,T,...", help="Report at these fused thresholds.")
@click.option("--axis-step", "step", type=float, help="Step of the axis.  [default: at most 2,001 edges]")
@click.option("--blocks", type=int, default=DEFAULT_BLOCKS, show_default=True, help="Blocks of subjects.")
@click.option(
    "--failed",
    type=click.Choice(FAILED_POLICIES),
    default="reject",
    show_default=True,
    help="Comparisons without a fused score.",
)
@click.option("--engine", type=click.Choice(["cpu", "reference"]), default="cpu", show_default=True)
@click.option("--threads", type=int, default=0, help="Threads; 0 uses every processor.  [default: 0]")
@click.option("--id-column", default="template_id", show_default=True, help="Column of template ids.")
@click.option("--subject-column", default="subject_id", show_default=True, help="Column of subject ids.")
@click.option("--out", type=PATH, default=Path("out/fuse"), show_default=True, help="Run directory.")
@click.option("--json", "as_json", is_flag=True, help="Print results.json instead of tables.")
@click.option("--no-report", is_flag=True, help="Do not write report.html.")
@click.option("--quiet", is_flag=True, help="No progress and no tables.")
def fuse_command(a: Path, b: Path, labels: Path, **given: Any) -> None:
    """Compare all pairs of the images that two systems made the templates A and B of, by scores that both give.

    Scales, and the weight unless it is given, are fitted on some of the subjects, who are then left out. Fused scores
    take 12 bytes a pair in --out while the command runs.

    \b
    frbench fuse a.npy b.npy --labels l.csv --group sex --at fmr=1e-3
    frbench fuse a.npy b.npy --labels l.csv --rule weighted
    frbench fuse a.npy b.npy --labels l.csv --rule and --threshold-a 0.93 --threshold-b 0.71

    The systems alone, on the same people: --rule weighted --weight 1, and --weight 0. `frbench compare` then says what
    fusion gains.
    """
    fusion, options = _fusion(given), _options(given)
    one, other = (
        load(
            path,
            labels=labels,
            id_column=given["id_column"],
            subject_column=given["subject_column"],
            threads=given["threads"],
        )
        for path in (a, b)
    )
    for templates in (one, other):
        templates.require_labels(options.columns, options.per_template)
    progress = TerminalProgress(quiet=given["quiet"] or given["as_json"])
    section = run_fusion(
        Twins.of(one, other, options.columns), fusion, options, failed=given["failed"], progress=progress
    )
    if given["as_json"]:
        click.echo(json.dumps(section.results))
    elif not given["quiet"]:
        _show(section, options)


def _fusion(given: dict[str, Any]) -> Fusion:
    own = given["threshold_a"], given["threshold_b"]
    if (own[0] is None) != (own[1] is None):
        raise InputError("expected both --threshold-a and --threshold-b, or neither")
    return Fusion(given["combination"], given["norm"], given["weight"], None if own[0] is None else own, given["share"])


def _options(given: dict[str, Any]) -> RecordedOptions:
    is_decided = given["threshold_a"] is not None
    thresholds = _thresholds(given["thresholds"]) or ((0.0,) if is_decided else ())
    texts = given["at"] or (() if thresholds else ("fmr=1e-3,1e-4",))
    return RecordedOptions(
        out=given["out"],
        groupings=groupings_of(given["groups"]),
        per_template=given["per_template"],
        thresholds=thresholds,
        targets=tuple(dict.fromkeys(target for text in texts for target in parse_targets(text, ["fmr"]))),
        n_blocks=given["blocks"],
        engine=given["engine"],
        threads=given["threads"],
        with_report=not given["no_report"],
        step=given["step"],
    )


def _thresholds(text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(item) for item in text.split(",")) if text else ()
    except ValueError as error:
        raise InputError(f"--thresholds is '{text}', expected numbers with commas between them") from error


def _show(section: report.Section, options: RecordedOptions) -> None:
    fusion = section.results["fusion"]
    fit = fusion["calibration"]
    weight = "" if fusion["weight"] is None else f", weight of A {fusion['weight']:.4g}"
    click.echo(f"rule {fusion['rule']}, scale {fusion['norm']}{weight}: {fusion['formula']}")
    if fit is not None:
        click.echo(
            f"fitted on {fit['subjects']:,} subjects, {fit['mated']:,} mated and {fit['nonmated']:,} non-mated pairs; "
            "they are left out of every rate"
        )
    summary.show(section.results)
    for note in section.manifest["notes"]:
        click.echo(f"note: {note}")
    click.echo(f"run: {options.out}" + (f"\nreport: {options.out / 'report.html'}" if options.with_report else ""))
