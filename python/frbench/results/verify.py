"""Makes results.json of a 1:1 run: counts by cell, FMR and FNMR. The schema is `schema/results.schema.json`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

from frbench.choices import Failed
from frbench.counting.pair_list import PairList
from frbench.moments import Moments, Sums, d_prime
from frbench.operating_point import ALL_PAIRS, OperatingPoint
from frbench.plan import EVERYBODY, Group, Grouping
from frbench.reading.folds import FoldAccuracy
from frbench.reading.rate import both_rates
from frbench.reading.thresholds import threshold_interval
from frbench.results import audits, curves, groups, types
from frbench.results.head import contrasts, head_of, ratios
from frbench.tally import Tally


def verify_results(
    tally: Tally,
    *,
    thresholds: Sequence[float],
    groupings: Sequence[Grouping],
    points: Sequence[OperatingPoint],
    failed: Failed,
    moments: Moments | None = None,
    excluded: PairList | None = None,
    folds: FoldAccuracy | None = None,
) -> types.Verify:
    """Counts by cell, FMR and FNMR with intervals at every threshold, mean and standard deviation of all scores.

    moments : of the plan that the tally counts; None if nobody computed them. excluded : pairs that it does not count.
    folds : of a list of pairs in folds, for which there is a key more.

    Raises
    ------
    EdgeNotInPlan : a threshold is not an edge of the tally.
    """
    groupings = groupings or [()]
    overall = [_cell(tally, thresholds, EVERYBODY, mated) for mated in (False, True)]
    between = contrasts(tally, thresholds, groupings, both_rates("verify", failed=failed))
    found = {
        **head_of("verify", tally, thresholds=thresholds, groupings=groupings, points=points),
        "threshold_intervals": _threshold_intervals(tally, points, failed),
        "failed_policy": failed,
        "excluded": None if excluded is None else _excluded(excluded),
        "cells": [
            _cell(tally, thresholds, group, mated)
            for columns in groupings
            for mated in (False, True)
            for group in tally.plan.groups_of(columns, pairs=True)
        ],
        "overall": overall,
        "estimates": [
            estimate
            for threshold in thresholds
            for group in tally.plan.everybody_and(groupings, pairs=True)
            for estimate in _verify_estimates(tally, threshold, group, failed)
        ],
        "ratios": ratios(between.get("contrasts", ())),
        **between,
        "moments": _moments(tally, groupings, moments or Moments.undefined(tally.plan, "no sums were computed")),
        **groups.keys(tally, thresholds=thresholds, groupings=groupings, points=points, failed=failed),
        **curves.keys(tally, thresholds=thresholds, groupings=groupings, failed=failed),
        **({} if folds is None else {"folds": folds.to_json()}),
        **audits.failures(tally, thresholds=thresholds, groupings=groupings),
    }
    return cast("types.Verify", found)


def excluded_in_words(found: types.Verify) -> str:
    """What was left out of every rate of a verify run, in one sentence; "" if nothing was."""
    excluded = found.get("excluded")
    if excluded is None:
        return ""
    pairs, is_one = excluded["pairs"], excluded["pairs"] == 1
    return (
        f"{pairs:,} reviewed {'pair' if is_one else 'pairs'} of {Path(excluded['file']).name} "
        f"{'is' if is_one else 'are'} excluded from every rate; {excluded['mated']:,} of them mated."
    )


def _threshold_intervals(
    tally: Tally, points: Sequence[OperatingPoint], failed: Failed
) -> list[types.ThresholdInterval]:
    """Between which edges each threshold lies that was set at an FMR of everybody, with other people."""
    found = ((point, Fraction(point.at.removeprefix("fmr="))) for point in points if _is_fmr_of_all(point))
    made = [
        {"at": point.at, "threshold": point.threshold} | vars(threshold_interval(tally, float(rate), failed=failed))
        for point, rate in found
    ]
    return cast("list[types.ThresholdInterval]", made)


def _is_fmr_of_all(point: OperatingPoint) -> bool:
    return point.at.startswith("fmr=") and point.population == ALL_PAIRS and point.threshold is not None


def _excluded(pairs: PairList) -> types.Excluded:
    mated = int(pairs.mated.sum())
    return {
        "file": pairs.source.path,
        "sha256": pairs.source.sha256,
        "pairs": len(pairs.mated),
        "mated": mated,
        "nonmated": len(pairs.mated) - mated,
    }


def _cell(tally: Tally, thresholds: Sequence[float], group: Group, mated: bool) -> types.Cell:
    histogram = tally.pick(mated=mated, group=group)
    a, b = group.sides("verify")
    return {
        "grouping": group.title,
        "mated": mated,
        "group_a": a,
        "group_b": b,
        "trials": histogram.trials,
        "unscored": histogram.unscored,
        "accepted": [histogram.at_or_above(tally.edge(t)) for t in thresholds],
    }


def _verify_estimates(tally: Tally, threshold: float, group: Group, failed: Failed) -> Iterator[types.VerifyEstimate]:
    for rate in both_rates("verify", threshold, failed=failed):
        found = rate.of(tally, group)
        if rate.metric == "fmr" or group.is_within or found.n:
            head = {"metric": rate.metric, **group.pair_key("verify"), "threshold": threshold}
            yield cast("types.VerifyEstimate", {**head, **found.to_json()})


def _moments(tally: Tally, groupings: Sequence[Grouping], moments: Moments) -> types.Moments:
    """Spread of the scores of everybody, by every grouping and by the finest groups; none if there are no sums."""
    finest = tally.plan.columns
    wanted = list(dict.fromkeys([(), *groupings]))
    if not any(set(grouping) == set(finest) for grouping in wanted):
        wanted.append(finest)
    return {
        "checksum": moments.checksum,
        "groups": [] if moments.reason else [row for g in wanted for row in _spreads(tally, g, moments)],
    }


def _spreads(tally: Tally, grouping: Grouping, moments: Moments) -> Iterator[types.Spreads]:
    pooled = moments.pool(grouping)
    for group in tally.plan.groups_of(grouping, pairs=True):
        a, b = group.sides("verify")
        nonmated, mated = (pooled.get((is_mated, a, b), Sums()) for is_mated in (False, True))
        sides = {"nonmated": _spread(nonmated, "non-mated"), "mated": _spread(mated, "mated")}
        reasons = [side["reason"] for side in sides.values() if side["reason"]]
        yield cast(
            "types.Spreads",
            {**group.pair_key("verify"), **sides, "d_prime": _separation(d_prime(nonmated, mated), reasons)},
        )


def _spread(sums: Sums, kind: str) -> types.Spread:
    reasons = (f"0 scored {kind} comparisons", f"only 1 scored {kind} comparison")
    reason = reasons[sums.n] if sums.n < len(reasons) else ""
    return {"n": sums.n, "mean": sums.mean, "sd": sums.deviation, "reason": reason}


def _separation(value: float | None, reasons: Sequence[str]) -> types.Value:
    why = reasons[0] if reasons else "both standard deviations are 0 up to rounding"
    return {"value": value, "reason": why if value is None else ""}
