"""Fused: what `frbench fuse` starts with the options that it was given."""

from __future__ import annotations

import json
from typing import Any

import click
from click.core import ParameterSource

from frbench.commands.start.runs import progress_of, templates_of
from frbench.counting.calibrate import parse_targets
from frbench.counting.fusion.twins import Twins
from frbench.counting.pair_list import PairList
from frbench.errors import InputError
from frbench.finished_run import FinishedRun
from frbench.runs.fuse import Fusion, run_fusion
from frbench.runs.recorded import RecordedOptions
from frbench.terminal.show import show


def run(given: dict[str, Any]) -> None:
    """Counts fused comparisons and shows the run."""
    fusion, options = _fusion(given), _options(given)
    one, other = (templates_of(given[name], given["labels"], given) for name in ("a", "b"))
    for templates in (one, other):
        templates.require_labels(options.population_columns, options.per_template)
    twins = Twins.of(one, other, options.population_columns)
    section = run_fusion(
        twins,
        fusion,
        options,
        failed=given["failed"],
        progress=progress_of(given),
        pairs=None if given["pairs"] is None else PairList.read(given["pairs"], twins.a),
    )
    if given["as_json"]:
        click.echo(json.dumps(section.results))
    elif not given["quiet"]:
        _show(section, options)


def _fusion(given: dict[str, Any]) -> Fusion:
    own = given["threshold_a"], given["threshold_b"]
    if (own[0] is None) != (own[1] is None):
        raise InputError("expected both --threshold-a and --threshold-b, or neither")
    if own[0] is not None:
        for name, option in (("norm", "--norm"), ("share", "--calibration-share")):
            if click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise InputError(f"{option} is about what is fitted, and with thresholds of A and B nothing is")
    return Fusion(given["combination"], given["norm"], given["weight"], None if own[0] is None else own, given["share"])


def _options(given: dict[str, Any]) -> RecordedOptions:
    is_decided = given["threshold_a"] is not None
    thresholds = given["thresholds"] or ((0.0,) if is_decided else ())
    texts = given["at"] or (() if thresholds else ("fmr=1e-3,1e-4",))
    return RecordedOptions(
        out=given["out"],
        groupings=given["groupings"],
        per_template=given["per_template"],
        thresholds=thresholds,
        targets=tuple(dict.fromkeys(target for text in texts for target in parse_targets(text, ["fmr"]))),
        population=given["population"],
        n_blocks=given["blocks"],
        engine=given["engine"],
        isa=given["isa"],
        threads=given["threads"],
        checkpoint_s=given["checkpoint_every"],
        fresh=given["fresh"],
        with_report=not given["no_report"],
        step=given["step"],
    )


def _show(section: FinishedRun, options: RecordedOptions) -> None:
    fusion = section.results["fusion"]
    fit = fusion["calibration"]
    weight = "" if fusion["weight"] is None else f", weight of A {fusion['weight']:.4g}"
    click.echo(f"rule {fusion['rule']}, scale {fusion['norm']}{weight}: {fusion['formula']}")
    if fit is not None:
        listed = f", and so are {fit['pairs_left_out']:,} listed pairs with them" if "pairs_left_out" in fit else ""
        click.echo(
            f"fitted on {fit['subjects']:,} subjects, {fit['mated']:,} mated and {fit['nonmated']:,} non-mated pairs; "
            f"they are left out of every rate{listed}"
        )
    for whose, joined in section.manifest["options"]["labels_joined_by"].items():
        click.echo(f"labels of {whose} joined by {joined}")
    show(section.results)
    for note in section.manifest["notes"]:
        click.echo(f"note: {note}")
    click.echo(f"run: {options.out}" + (f"\nreport: {options.out / 'report.html'}" if options.with_report else ""))
