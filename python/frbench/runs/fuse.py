"""Makes one run of fused scores from the templates of two systems."""

from __future__ import annotations

import json
import math
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from frbench import files
from frbench.choices import Combination, Failed, Norm
from frbench.counting.fusion.fitting import Calibration, fitted
from frbench.counting.fusion.kept_scores import KeptScores
from frbench.counting.fusion.pair_scores import SIDE, FusedPairs, pair_scores
from frbench.counting.fusion.rule import Rule, Scale
from frbench.counting.fusion.twins import Twins, drawn
from frbench.counting.layout import Layout, subjects_of
from frbench.counting.pair_list import PairList
from frbench.counting.recorded.scores import RecordedScores, score_points
from frbench.counting.sweep import Progress
from frbench.counting.verify import Pairs
from frbench.engines import Engine
from frbench.errors import InputError
from frbench.finished_run import FinishedRun
from frbench.inputs.arrays import Ints
from frbench.moments import Moments
from frbench.plan import Plan, digest_of
from frbench.reading import folds
from frbench.reading.audits.leakage import in_comparisons, polarity
from frbench.results.verify import verify_results
from frbench.runs.manifest import CONVENTIONS
from frbench.runs.recorded import RecordedOptions
from frbench.runs.work import Work

FIT = "frbench.fusion-fit.1"
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
        for own in self.thresholds or ():
            if not math.isfinite(own):
                raise InputError(f"a threshold of A or B is {own}, expected a finite number")

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
    twins: Twins,
    fusion: Fusion,
    options: RecordedOptions,
    *,
    failed: Failed,
    progress: Progress,
    pairs: PairList | None = None,
) -> FinishedRun:
    """Counts the fused scores of all pairs, or of the listed ones, and writes the run to `options.out`.

    pairs : of the templates of A. Those of whom the fusion is fitted on are left out, too.

    Raises
    ------
    InputError : nobody is left to count or to fit on, or what the options name is not there.
    """
    _require(twins, options)
    sources = dict.fromkeys((*twins.a.sources, *twins.b.sources, *([] if pairs is None else [pairs.source])))
    with Work.begun(options, list(sources), progress) as work, ExitStack() as stack:
        with work.clock.time("fit"):
            rule, fit, counted, listed = _fitted(twins, pairs, fusion, work)
        layout = Layout.of(counted.a, options.population_columns, options.n_blocks)
        bare = _plan(layout, counted, rule, listed, work.engine)
        kept = KeptScores(digest_of(bare.digest, str(SIDE)), work.checkpoint, stack)
        with work.step("score", sum(bare.trials), "comparisons") as advance:
            recording = FusedPairs(counted, rule, layout, listed).record(
                bare, work.engine, kept, interval_s=options.checkpoint_s, advance=advance
            )
        scores = RecordedScores(recording, bare.inputs)
        with work.clock.time("calibrate"):
            points = score_points(scores, options.targets, options.population, failed=failed)
        edges = options.edges_of(recording.lowest, recording.highest, points)
        plan = replace(bare, edges=edges, keeps_blocks=True)
        with work.step("count", len(recording), "comparisons") as advance:
            tally = scores.count(plan, advance)
        by_fold = _folds(kept, listed, failed)
        engine = {**work.engine.describe(), "fused": "numpy float64"}
    moments = Moments.undefined(plan, NO_SUMS)
    rates = verify_results(tally, **options.reported(points), failed=failed, moments=moments, folds=by_fold)
    body: dict[str, Any] = {**rates}
    norm = fusion.norm if fusion.thresholds is None else "thresholds of A and B"
    body["fusion"] = {**rule.to_json(), "norm": norm, "calibration": fit}
    findings = list(dict.fromkeys([*in_comparisons(counted.a), *in_comparisons(counted.b), *polarity(tally)]))
    joined = {"A": twins.a.joined_by, "B": twins.b.joined_by}
    more = {"failed": failed, "fusion": body["fusion"], "labels_joined_by": joined}
    made = work.manifest(plan, engine=engine, more=more, findings=findings)
    made["conventions"] = CONVENTIONS | _conventions(rule)
    made["options"] |= {"axis_step": options.step, "axis_from": options.first}
    return work.written(FinishedRun(body, made, tally))


def _require(twins: Twins, options: RecordedOptions) -> None:
    """Refuses, before anything is scored, what would be refused after it."""
    for templates in (twins.a, twins.b):
        templates.require_labels(options.population_columns, options.per_template)
    options.require_population(twins.a)
    options.edges_of(math.nan, math.nan, ())


def _fitted(
    twins: Twins, pairs: PairList | None, fusion: Fusion, work: Work
) -> tuple[Rule, dict[str, Any] | None, Twins, PairList | None]:
    """The rule, what it was fitted on, and those that are left to count; of a list, the templates that it names."""
    if pairs is not None:
        twins, pairs = _named(twins, pairs, pairs.rows)
    if not fusion.is_fitted:
        return fusion.fixed, None, twins, pairs
    part, rest = twins.split(fusion.share)
    listed = None
    if pairs is not None:
        rest, listed = _named(twins, pairs, np.flatnonzero(~drawn(subjects_of(twins.a), fusion.share)))
    for side, what in ((len(part), "fit on"), (len(rest if listed is None else listed.a), "count")):
        if not side:
            raise InputError(f"--calibration-share {fusion.share} leaves nobody to {what}; choose another share")
    asked = digest_of(part.a.digest, part.b.digest, repr(fusion))
    found = work.checkpoint.read(asked, _read_fit)
    if found is None:
        found = _fit(part, fusion, work)
        files.write_json(work.checkpoint.path(asked), {"schema": FIT, "rule": found[0].to_json(), "fit": found[1]})
    rule, fit = found
    left_out = {} if pairs is None or listed is None else {"pairs_left_out": len(pairs.a) - len(listed.a)}
    return rule, fit | left_out, rest, listed


def _fit(part: Twins, fusion: Fusion, work: Work) -> tuple[Rule, dict[str, Any]]:
    """The rule that is fitted on all pairs of `part`, and what these were."""
    layout = Layout.of(part.a, (), 1)
    with work.progress.step("fit", len(part) * (len(part) - 1) // 2, "comparisons") as advance:
        calibration = Calibration.of(pair_scores(part, work.engine, advance), layout.subject)
    return fitted(fusion.combination, fusion.norm, fusion.weight, calibration), {
        "share": fusion.share,
        "subjects": int(layout.subject.max()) + 1,
        "templates": len(part),
        "nonmated": calibration.nonmated.n,
        "mated": calibration.mated.n,
    }


def _read_fit(path: Path) -> tuple[Rule, dict[str, Any]]:
    values = files.read_json(path, schema=FIT)
    return Rule.from_json(values["rule"]), values["fit"]


def _named(twins: Twins, pairs: PairList, rows: Ints) -> tuple[Twins, PairList]:
    """These rows, and the pairs among them."""
    taken = twins.take(rows)
    return taken, pairs.within(rows, taken.a)


def _plan(layout: Layout, counted: Twins, rule: Rule, listed: PairList | None, engine: Engine) -> Plan:
    """The plan of the pairs, without an axis yet, whose digest knows both systems and the rule."""
    if listed is None:
        plan = layout.verify_plan((), keeps_blocks=False)
    else:
        plan = Pairs(listed, layout, engine).plan((), keeps_blocks=False)
    return replace(plan, inputs=digest_of(plan.inputs, counted.b.digest, json.dumps(rule.to_json(), sort_keys=True)))


def _folds(kept: KeptScores, listed: PairList | None, failed: Failed) -> folds.FoldAccuracy | None:
    """Accuracy over the folds of a list that has some."""
    if listed is None or listed.folds is None:
        return None
    _, scores = kept.spool.all()
    return folds.accuracy(scores, listed.mated, listed.folds, failed=failed)


def _conventions(rule: Rule) -> dict[str, str]:
    a, b = (f"({name} - {s.center!r}) / {s.scale!r}" for name, s in (("a", rule.a), ("b", rule.b)))
    weight = "" if rule.weight is None else f", w = {rule.weight!r}"
    return {
        "score": f"{rule.to_json()['formula']}, with x = {a} and y = {b}{weight}; a and b: {CONVENTIONS['score']}",
        "threshold": CONVENTIONS["threshold"].replace("float32", "float64"),
        "failures": rule.to_json()["failures"],
    }
