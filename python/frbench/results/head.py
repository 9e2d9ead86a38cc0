"""Makes what every results.json begins with, and the comparisons of groups that several kinds share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from frbench.choices import Failed
from frbench.operating_point import OperatingPoint
from frbench.plan import ALL, UNLABELLED
from frbench.reading import differentials, metrics
from frbench.reading.joint import replicates
from frbench.reading.rate import Metric
from frbench.tally import Tally

VERSION = 1
Grouping = tuple[str, ...]


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
        "groupings": [title(g) for g in groupings or [()]],
        "operating_points": [point.to_json() for point in points],
    }


def title(grouping: Grouping) -> str:
    """The label columns with commas between them; "all" without any."""
    return ",".join(grouping) or ALL


def group_names(tally: Tally, grouping: Grouping) -> list[str]:
    """Groups of a grouping, each once, in the order of their names."""
    return sorted(set(tally.plan.group_names(grouping)))


def pairs(tally: Tally, grouping: Grouping) -> list[tuple[str, str]]:
    """Unordered pairs of groups of a grouping, a group with itself among them."""
    names = group_names(tally, grouping)
    return [(a, b) for i, a in enumerate(names) for b in names[i:]]


def contrasts(
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
        head = {"grouping": title(grouping), "threshold": threshold, "rank": rank if metric == "fnir" else None}
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
