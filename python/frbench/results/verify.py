"""Results: what `results.json` says, read from a tally. Its schema is `frbench/schema/results.schema.json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from frbench.choices import Failed
from frbench.counting.pair_list import PairList
from frbench.moments import Moments, Sums, d_prime
from frbench.operating_point import ALL_PAIRS, OperatingPoint
from frbench.plan import ALL, OVERALL, UNLABELLED
from frbench.reading import differentials, metrics, timing
from frbench.reading.folds import FoldAccuracy
from frbench.reading.joint import replicates
from frbench.reading.rate import Metric
from frbench.reading.thresholds import threshold_interval
from frbench.results import audits, curves, groups, modes
from frbench.results.modes import Lists
from frbench.tally import Tally

VERSION = 1
QUANTILES = (0.5, 0.9, 0.99, 0.999)
Grouping = tuple[str, ...]


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
) -> dict[str, Any]:
    """Counts by cell, FMR and FNMR with intervals at every threshold, mean and standard deviation of all scores.

    moments : of the plan that the tally counts; None if nobody computed them. excluded : pairs that it does not count.
    folds : of a list of pairs in folds, for which there is a key more.

    Raises
    ------
    EdgeNotInPlan : a threshold is not an edge of the tally.
    """
    groupings = groupings or [()]
    overall = [_cell(tally, thresholds, (), mated, None) for mated in (False, True)]
    return {
        **head_of("verify", tally, thresholds=thresholds, groupings=groupings, points=points),
        "threshold_intervals": _threshold_intervals(tally, points, failed),
        "failed_policy": failed,
        "excluded": None if excluded is None else _excluded(excluded),
        "cells": [
            _cell(tally, thresholds, grouping, mated, pair)
            for grouping in groupings
            for mated in (False, True)
            for pair in _pairs(tally, grouping)
        ],
        "overall": overall,
        "estimates": [
            estimate
            for threshold in thresholds
            for grouping, pair in [((), None), *((g, p) for g in groupings if g for p in _pairs(tally, g))]
            for estimate in _verify_estimates(tally, threshold, grouping, pair, failed)
        ],
        **_contrasts(tally, thresholds, groupings, ("fmr", "fnmr"), failed=failed),
        "moments": _moments(tally, groupings, moments or Moments.undefined(tally.plan, "no sums were computed")),
        **groups.keys(tally, thresholds=thresholds, groupings=groupings, points=points, failed=failed),
        **curves.keys(tally, thresholds=thresholds, groupings=groupings, failed=failed),
        **({} if folds is None else {"folds": folds.to_json()}),
        **audits.failures(tally, thresholds=thresholds, groupings=groupings),
    }


def excluded_in_words(found: Mapping[str, Any]) -> str:
    """What was left out of every rate of a verify run, in one sentence; "" if nothing was."""
    excluded = found.get("excluded")
    if excluded is None:
        return ""
    pairs, is_one = excluded["pairs"], excluded["pairs"] == 1
    return (
        f"{pairs:,} reviewed {'pair' if is_one else 'pairs'} of {Path(excluded['file']).name} "
        f"{'is' if is_one else 'are'} excluded from every rate; {excluded['mated']:,} of them mated."
    )


def identify_results(
    tally: Tally,
    *,
    thresholds: Sequence[float],
    groupings: Sequence[Grouping],
    points: Sequence[OperatingPoint],
    lists: Lists | None = None,
) -> dict[str, Any]:
    """Counts of searches by group, and FPIR, FNIR and rank hits with intervals.

    lists : candidates of the non-mated searches, for selectivity; None for no such key.
    """
    rows: list[tuple[Grouping, str | None]] = [((), None)]
    rows += [(g, name) for g in groupings if g for name in group_names(tally, g)]
    details = tally.plan.details
    return {
        **head_of("identify", tally, thresholds=thresholds, groupings=groupings, points=points),
        "gallery": details["gallery"],
        "gallery_subjects": details["gallery_subjects"],
        "gallery_failed": details["gallery_failed"],
        "k": details["k"],
        "ranks": details["ranks"],
        "interval": "over probe subjects, conditional on this gallery",
        "groups": [_searches(tally, thresholds, grouping, name) for grouping, name in rows],
        "estimates": [e for g, name in rows for e in _identify_estimates(tally, thresholds, g, name)],
        **_contrasts(tally, thresholds, groupings, ("fpir", "fnir"), rank=details["ranks"][0]),
        **groups.keys(tally, thresholds=thresholds, groupings=groupings, points=points, rank=details["ranks"][0]),
        **modes.keys(tally, thresholds=thresholds, groupings=groupings, lists=lists),
        **audits.failures(tally, thresholds=thresholds, groupings=groupings, rank=details["ranks"][0]),
    }


def latency_results(tally: Tally, *, groupings: Sequence[Grouping]) -> dict[str, Any]:
    """Percentiles, mean and throughput by group and batch size, in nanoseconds and probes a second."""
    rows: list[tuple[Grouping, str | None]] = [((), None)]
    rows += [(g, name) for g in groupings if g for name in group_names(tally, g)]
    return {
        **head_of("latency", tally, groupings=groupings),
        **{
            name: tally.plan.details[name]
            for name in ("gallery", "dimension", "k", "batches", "isa", "timer", "warm_up")
        },
        "runs": len(tally.tiles),
        "resolution": "1% of the value: edges of the nanosecond axis",
        "groups": [
            _timings(tally, grouping, name, part, batch)
            for part, batch in enumerate(tally.plan.details["batches"])
            for grouping, name in rows
        ],
    }


def _threshold_intervals(tally: Tally, points: Sequence[OperatingPoint], failed: Failed) -> list[dict[str, Any]]:
    """Between which edges each threshold lies that was set at an FMR of everybody, with other people."""
    found = ((point, Fraction(point.at.removeprefix("fmr="))) for point in points if _is_fmr_of_all(point))
    return [
        {"at": point.at, "threshold": point.threshold} | threshold_interval(tally, float(rate), failed=failed).to_json()
        for point, rate in found
    ]


def _is_fmr_of_all(point: OperatingPoint) -> bool:
    return point.at.startswith("fmr=") and point.population == ALL_PAIRS and point.threshold is not None


def _excluded(pairs: PairList) -> dict[str, Any]:
    mated = int(pairs.mated.sum())
    return {
        "file": pairs.source.path,
        "sha256": pairs.source.sha256,
        "pairs": len(pairs.mated),
        "mated": mated,
        "nonmated": len(pairs.mated) - mated,
    }


def head_of(
    kind: str,
    tally: Tally,
    *,
    thresholds: Sequence[float] = (),
    groupings: Sequence[Grouping] = (),
    points: Sequence[OperatingPoint] = (),
) -> dict[str, Any]:
    """What every `results.json` begins with. groupings : () is one of everybody."""
    return {
        "schema": "frbench.results",
        "schema_version": VERSION,
        "kind": kind,
        "plan": tally.plan.digest,
        "thresholds": list(thresholds),
        "groupings": [_title(g) for g in groupings or [()]],
        "operating_points": [point.to_json() for point in points],
    }


def _title(grouping: Grouping) -> str:
    return ",".join(grouping) or ALL


def group_names(tally: Tally, grouping: Grouping) -> list[str]:
    """Groups of a grouping, each once, in the order of their names."""
    return sorted(set(tally.plan.group_names(grouping)))


def _pairs(tally: Tally, grouping: Grouping) -> list[tuple[str, str]]:
    names = group_names(tally, grouping)
    return [(a, b) for i, a in enumerate(names) for b in names[i:]]


def _cell(
    tally: Tally, thresholds: Sequence[float], grouping: Grouping, mated: bool, pair: tuple[str, str] | None
) -> dict[str, Any]:
    histogram = tally.pick(mated=mated, grouping=grouping, groups=pair)
    a, b = pair or (ALL, ALL)
    return {
        "grouping": _title(grouping),
        "mated": mated,
        "group_a": a,
        "group_b": b,
        "trials": histogram.trials,
        "unscored": histogram.unscored,
        "accepted": [histogram.at_or_above(tally.edge(t)) for t in thresholds],
    }


def _verify_estimates(
    tally: Tally, threshold: float, grouping: Grouping, pair: tuple[str, str] | None, failed: Failed
) -> list[dict[str, Any]]:
    a, b = pair or (ALL, ALL)
    head = {"grouping": _title(grouping), "group_a": a, "group_b": b, "threshold": threshold}
    fmr = metrics.fmr(tally, threshold, grouping=grouping, group=pair, failed=failed)
    found = [{"metric": "fmr", **head, **fmr.to_json()}]
    fnmr = metrics.fnmr(tally, threshold, grouping=grouping, group=pair, failed=failed)
    if a == b or fnmr.n:
        found.append({"metric": "fnmr", **head, **fnmr.to_json()})
    return found


def _contrasts(
    tally: Tally,
    thresholds: Sequence[float],
    groupings: Sequence[Grouping],
    kinds: Sequence[Metric],
    *,
    failed: Failed = "reject",
    rank: int = 1,
) -> dict[str, list[dict[str, Any]]]:
    """Every group against the one with most subjects, and the groups that may have the highest rate; none ungrouped."""
    contrasts, highest = [], []
    for threshold, grouping, metric in product(thresholds, filter(None, groupings), kinds):
        names = group_names(tally, grouping)
        rates = {
            name: replicates(tally, metric, threshold, (name, name), grouping=grouping, failed=failed, rank=rank)
            for name in names
        }
        reference = rates[max(names, key=lambda name: metrics.n_members(tally, grouping, name))]
        head = {"grouping": _title(grouping), "threshold": threshold, "rank": rank if metric == "fnir" else None}
        contrasts += [
            {**head, **differentials.contrast_of(rate, reference).to_json()}
            for rate in rates.values()
            if rate is not reference
        ]
        labelled = [rate for name, rate in rates.items() if UNLABELLED not in name.split(",")]
        highest.append({**head, "metric": metric, **differentials.worst(labelled).to_json()})
    if not any(groupings):
        return {"ratios": []} if "fmr" in kinds else {}
    left_out = ("rank", "difference")
    ratios = [{k: v for k, v in c.items() if k not in left_out} for c in contrasts if c["metric"] == "fmr"]
    return ({"ratios": ratios} if "fmr" in kinds else {}) | {"contrasts": contrasts, "highest": highest}


def _moments(tally: Tally, groupings: Sequence[Grouping], moments: Moments) -> dict[str, Any]:
    """Spread of the scores of everybody, by every grouping and by the finest groups; none if there are no sums."""
    finest = tally.plan.columns
    wanted = list(dict.fromkeys([(), *groupings]))
    if not any(set(grouping) == set(finest) for grouping in wanted):
        wanted.append(finest)
    return {
        "checksum": moments.checksum,
        "groups": [] if moments.reason else [row for g in wanted for row in _spreads(tally, g, moments)],
    }


def _spreads(tally: Tally, grouping: Grouping, moments: Moments) -> Iterator[dict[str, Any]]:
    pooled = moments.pool(grouping)
    for a, b in _pairs(tally, grouping):
        nonmated, mated = (pooled.get((is_mated, a, b), Sums()) for is_mated in (False, True))
        sides = {"nonmated": _spread(nonmated, "non-mated"), "mated": _spread(mated, "mated")}
        reasons = [side["reason"] for side in sides.values() if side["reason"]]
        yield {
            "grouping": _title(grouping),
            "group_a": a,
            "group_b": b,
            **sides,
            "d_prime": _separation(d_prime(nonmated, mated), reasons),
        }


def _spread(sums: Sums, kind: str) -> dict[str, Any]:
    reasons = (f"0 scored {kind} comparisons", f"only 1 scored {kind} comparison")
    reason = reasons[sums.n] if sums.n < len(reasons) else ""
    return {"n": sums.n, "mean": sums.mean, "sd": sums.deviation, "reason": reason}


def _separation(value: float | None, reasons: Sequence[str]) -> dict[str, Any]:
    why = reasons[0] if reasons else "both standard deviations are 0 up to rounding"
    return {"value": value, "reason": why if value is None else ""}


def _searches(tally: Tally, thresholds: Sequence[float], grouping: Grouping, name: str | None) -> dict[str, Any]:
    pair = None if name is None else (name, name)
    nonmated = tally.pick(mated=False, grouping=grouping, groups=pair)
    mated = tally.pick(mated=True, grouping=grouping, groups=pair)
    ranks = tally.plan.details["ranks"]
    misses = {
        str(rank): [metrics.fnir(tally, t, rank=rank, grouping=grouping, group=name).k for t in thresholds]
        for rank in ranks
    }
    return {
        "grouping": _title(grouping),
        "group": OVERALL if name is None else name,
        "mated_searches": mated.trials,
        "mated_unscored": mated.unscored,
        "nonmated_searches": nonmated.trials,
        "nonmated_unscored": nonmated.unscored,
        "false_positives": [nonmated.at_or_above(tally.edge(t)) for t in thresholds],
        "misses_rank1": misses.get("1", []),
        "misses": misses,
        "rank_hits": {str(rank): metrics.rank_hits(tally, rank, grouping=grouping, group=name)[0] for rank in ranks},
    }


def _identify_estimates(
    tally: Tally, thresholds: Sequence[float], grouping: Grouping, name: str | None
) -> list[dict[str, Any]]:
    head = {"grouping": _title(grouping), "group": OVERALL if name is None else name}
    found = []
    ranks = tally.plan.details["ranks"]
    for threshold in thresholds:
        fpir = metrics.fpir(tally, threshold, grouping=grouping, group=name)
        found.append({"metric": "fpir", **head, "threshold": threshold, "rank": None, **fpir.to_json()})
    for limit in (*thresholds, None):
        for rank in ranks:
            fnir = metrics.fnir(tally, limit, rank=rank, grouping=grouping, group=name)
            found.append({"metric": "fnir", **head, "threshold": limit, "rank": rank, **fnir.to_json()})
    return found


def n_probes(tally: Tally, grouping: Grouping, name: str | None) -> int:
    """Different probes of a group that requests were drawn from."""
    names = tally.plan.group_names(grouping)
    counts = zip(names, tally.plan.details["probes"], strict=True)
    return sum(n for own, n in counts if name is None or own == name)


def _timings(tally: Tally, grouping: Grouping, name: str | None, part: int, batch: int) -> dict[str, Any]:
    pair = None if name is None else (name, name)
    histogram = tally.pick(mated=False, grouping=grouping, groups=pair, parts=[part])
    axis = np.asarray(tally.plan.axis)
    mean = timing.mean_ns(histogram, axis)
    return {
        "grouping": _title(grouping),
        "group": OVERALL if name is None else name,
        "batch": batch,
        "requests": histogram.trials,
        "probes": n_probes(tally, grouping, name),
        "mean_ns": mean,
        "probes_per_second": None if mean is None else batch * 1e9 / mean,
        "quantiles": [vars(timing.quantile(histogram, axis, q)) for q in QUANTILES],
    }
