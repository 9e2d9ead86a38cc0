"""Reads the results of a tally alone, at thresholds and by groups that are chosen after it was counted."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from frbench import files
from frbench.choices import Failed
from frbench.counting.calibrate import Target
from frbench.errors import InputError
from frbench.finished_run import FinishedRun
from frbench.operating_point import ALL_PAIRS, OperatingPoint
from frbench.plan import Grouping
from frbench.reading.thresholds import at_fmr, at_fpir
from frbench.results import types
from frbench.results.identify import identify_results
from frbench.results.verify import verify_results
from frbench.runs.manifest import manifest
from frbench.tally import Tally
from frbench.templates import Source

METRIC = {"verify": "fmr", "pairs": "fmr", "identify": "fpir"}
FROM_EDGES = "thresholds were read from the edges of the tally: the best one lies at most one bin lower"


def read_tally(
    path: Path,
    *,
    groupings: Sequence[Grouping],
    thresholds: Sequence[float] = (),
    targets: Sequence[Target] = (),
    failed: Failed = "reject",
) -> FinishedRun:
    """The run that the tally in `path` alone tells of.

    Parameters
    ----------
    groupings : label columns of each; () takes all columns that were counted. thresholds : edges of the tally.
    targets : rates to set thresholds at, on everybody.

    Raises
    ------
    InputError : a grouping of columns that were not counted, a target of another kind, or a tally of times.
    EdgeNotInPlan : a threshold that is not an edge.
    """
    tally = files.load_tally(path)
    if tally.plan.kind not in METRIC:
        raise InputError(f"{path} counts {tally.plan.kind}, expected error rates; give its run directory instead")
    points = [_point(tally, target, failed) for target in targets]
    found = _results(tally, _checked(path, tally, groupings), thresholds, points, failed)
    source = Source(str(path), hashlib.sha256(path.read_bytes()).hexdigest(), len(tally.tiles))
    made = manifest(
        command=sys.argv,
        options={
            "groups": found["groupings"],
            "thresholds": list(thresholds),
            "at": [target.name for target in targets],
            "at_population": "all",
            "failed": failed,
        },
        sources=[source],
        engine={"engine": "none: a tally was read"},
        plan=tally.plan.digest,
        durations_s={},
        notes=[FROM_EDGES] if targets else [],
    )
    return FinishedRun(found, made, tally)


def _results(
    tally: Tally,
    groupings: Sequence[Grouping],
    thresholds: Sequence[float],
    points: Sequence[OperatingPoint],
    failed: Failed,
) -> types.Rates:
    set_at = {point.threshold for point in points if point.threshold is not None}
    chosen = sorted(set(thresholds) | set_at)
    if tally.plan.kind == "identify":
        return identify_results(tally, thresholds=chosen, groupings=groupings, points=points)
    return verify_results(tally, thresholds=chosen, groupings=groupings, points=points, failed=failed)


def _point(tally: Tally, target: Target, failed: Failed) -> OperatingPoint:
    """The threshold of everybody at a rate, called as a run calls it."""
    expected = METRIC[tally.plan.kind]
    if target.metric != expected:
        raise InputError(f"--at {target.name} cannot be set on this tally, expected {expected}={target.text}")
    if expected == "fpir":
        return replace(at_fpir(tally, target.text).point, population="all non-mated searches")
    return replace(at_fmr(tally, target.text, failed=failed).point, population=ALL_PAIRS)


def _checked(path: Path, tally: Tally, groupings: Sequence[Grouping]) -> Sequence[Grouping]:
    known = tally.plan.columns
    if unknown := sorted({c for grouping in groupings for c in grouping} - set(known)):
        raise InputError(f"{path} was not counted by {unknown[0]!r}, only by {', '.join(known) or 'nothing'}")
    return groupings or ([known] if known else [])
