"""Fusion jobs: the templates of two systems become one run of fused scores."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Any

from frbench import files, jobs, report, results
from frbench.audits.leakage import in_comparisons, polarity
from frbench.engines import Engine
from frbench.engines.recorded import RecordedScores
from frbench.errors import InputError
from frbench.fusion.fitting import Calibration, Norm, fitted
from frbench.fusion.pair_scores import FusedPairs, pair_scores
from frbench.fusion.rule import Combination, Rule, Scale
from frbench.fusion.twins import Twins
from frbench.jobs import Clock, Progress
from frbench.layout import Layout
from frbench.manifest import CONVENTIONS
from frbench.metrics import Failed
from frbench.moments import Moments
from frbench.plan import Plan, digest_of
from frbench.recorded.recorded_jobs import RecordedOptions, _score_points

NO_SUMS = "sums of fused scores are no closed form of the templates"


@dataclass(frozen=True)
class Fusion:
    """What was asked for.

    norm : how scores come to one scale; "none" leaves them. weight : of A; None is fitted. thresholds : of A and of
    B, which put each system's own threshold at 0; they take the place of a norm.
    share : of the subjects that are fitted on, and then left out.
    """

    combination: Combination
    norm: Norm = "z"
    weight: float | None = None
    thresholds: tuple[float, float] | None = None
    share: float = 0.2

    def __post_init__(self) -> None:
        if self.weight is not None and (self.combination != "weighted" or not 0 <= self.weight <= 1):
            raise InputError(f"--weight is {self.weight} with --rule {self.combination}, expected 0 to 1 with weighted")
        if self.thresholds is not None and self.combination not in ("and", "or"):
            raise InputError(f"thresholds of A and B are for --rule and or or, got {self.combination}")

    @property
    def is_fitted(self) -> bool:
        """Whether anything is learnt from scores."""
        if self.thresholds is not None:
            return False
        return self.norm != "none" or (self.combination == "weighted" and self.weight is None)

    @property
    def fixed(self) -> Rule:
        """The rule of a fusion that is not fitted."""
        a, b = (Scale(), Scale()) if self.thresholds is None else (Scale(t) for t in self.thresholds)
        return Rule(self.combination, a, b, self.weight)


def run_fusion(
    twins: Twins, fusion: Fusion, options: RecordedOptions, *, failed: Failed, progress: Progress
) -> report.Section:
    """Counts the fused scores of all pairs, and writes the run to `options.out`.

    Raises
    ------
    InputError : nobody is left to count or to fit on.
    """
    twins.a.require_labels(options.population_columns, options.per_template)
    files.prepare(options.out)
    clock = Clock()
    with closing(options.open_engine()) as engine, ExitStack() as stack:
        with clock.time("fit"):
            rule, fit, counted = _fitted(twins, fusion, engine, progress)
        layout = Layout.of(counted.a, options.population_columns, options.n_blocks)
        bare = _plan(layout, counted, rule)
        fused = FusedPairs(counted, rule, layout)
        with clock.time("score"), progress.step("score", sum(bare.trials), "comparisons") as advance:
            recording = fused.record(bare, engine, options.out, stack=stack, advance=advance)
        scores = RecordedScores(recording, bare.inputs)
        with clock.time("calibrate"):
            points = _score_points(scores, options, failed)
        edges = options.edges_of(recording.lowest, recording.highest, points)
        plan = replace(bare, edges=edges, keeps_blocks=True)
        with clock.time("count"), progress.step("count", len(recording), "comparisons") as advance:
            tally = scores.count(plan, advance)
        described = {**engine.describe(), "fused": "numpy float64"}
    body = results.verify_results(
        tally,
        thresholds=options.all_thresholds(points),
        groupings=options.groupings,
        points=points,
        failed=failed,
        moments=Moments.undefined(plan, NO_SUMS),
    )
    body["fusion"] = {**rule.to_json(), "norm": _norm(fusion), "calibration": fit}
    findings = list(dict.fromkeys([*in_comparisons(counted.a), *in_comparisons(counted.b), *polarity(tally)]))
    more = {"failed": failed, "fusion": body["fusion"]}
    sources = list(dict.fromkeys((*twins.a.sources, *twins.b.sources)))
    made = jobs._manifest(options, sources, described, plan, clock, more, findings)
    made["conventions"] = CONVENTIONS | _conventions(rule)
    made["options"] |= {"axis_step": options.step, "axis_from": options.first}
    section = report.Section(body, made, tally)
    jobs._write(options, section, "1:1 verification by two systems", None)
    return section


def _fitted(
    twins: Twins, fusion: Fusion, engine: Engine, progress: Progress
) -> tuple[Rule, dict[str, Any] | None, Twins]:
    """The rule, what it was fitted on, and those that are left to count."""
    if not fusion.is_fitted:
        return fusion.fixed, None, twins
    part, rest = twins.split(fusion.share)
    for side, what in ((part, "fit on"), (rest, "count")):
        if not len(side):
            raise InputError(f"--calibration-share {fusion.share} leaves nobody to {what}; choose another share")
    layout = Layout.of(part.a, (), 1)
    with progress.step("fit", len(part) * (len(part) - 1) // 2, "comparisons") as advance:
        calibration = Calibration.of(pair_scores(part, engine, advance), layout.subject)
    rule = fitted(fusion.combination, fusion.norm, fusion.weight, calibration)
    fit = {
        "share": fusion.share,
        "subjects": int(layout.subject.max()) + 1,
        "templates": len(part),
        "nonmated": calibration.nonmated.n,
        "mated": calibration.mated.n,
    }
    return rule, fit, rest


def _plan(layout: Layout, counted: Twins, rule: Rule) -> Plan:
    """The plan of all pairs, without an axis yet, whose digest knows both systems and the rule."""
    plan = layout.verify_plan((), keeps_blocks=False)
    return replace(plan, inputs=digest_of(plan.inputs, counted.b.digest, json.dumps(rule.to_json(), sort_keys=True)))


def _norm(fusion: Fusion) -> str:
    return "thresholds of A and B" if fusion.thresholds is not None else fusion.norm


def _conventions(rule: Rule) -> dict[str, str]:
    a, b = (f"({name} - {s.center!r}) / {s.scale!r}" for name, s in (("a", rule.a), ("b", rule.b)))
    weight = "" if rule.weight is None else f", w = {rule.weight!r}"
    return {
        "score": f"{rule.to_json()['formula']}, with x = {a} and y = {b}{weight}; a and b: {CONVENTIONS['score']}",
        "threshold": CONVENTIONS["threshold"].replace("float32", "float64"),
        "failures": rule.to_json()["failures"],
    }
