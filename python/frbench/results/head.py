"""Makes what every results.json begins with, and the comparisons of groups that several kinds share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import cast

from frbench.operating_point import OperatingPoint
from frbench.plan import Group, Grouping
from frbench.reading import differentials
from frbench.reading.joint import replicates
from frbench.reading.people import largest
from frbench.reading.rate import Rate
from frbench.results import types
from frbench.tally import Tally

VERSION = 1
# What the plan of a search says of the gallery and the lists.
SEARCHED = ("gallery", "gallery_subjects", "gallery_failed", "k", "ranks")


def head_of(
    kind: str,
    tally: Tally,
    *,
    thresholds: Sequence[float] = (),
    groupings: Sequence[Grouping] = (),
    points: Sequence[OperatingPoint] = (),
) -> types.Head:
    """What every `results.json` begins with. groupings : () is one of everybody."""
    found = {
        "schema": "frbench.results",
        "schema_version": VERSION,
        "kind": kind,
        "plan": tally.plan.digest,
        "thresholds": list(thresholds),
        "groupings": [Group(columns).title for columns in groupings or [()]],
        "operating_points": [point.to_json() for point in points],
    }
    return cast("types.Head", found)


def contrasts(
    tally: Tally, thresholds: Sequence[float], groupings: Sequence[Grouping], rates: Sequence[Rate]
) -> types.Contrasts:
    """The keys "contrasts" and "highest"; none ungrouped.

    Every group against the one with most subjects, and the groups that may have the highest of each rate.
    """
    contrasts, highest = [], []
    for threshold, columns, kind in product(thresholds, filter(None, groupings), rates):
        groups, rate = tally.plan.groups_of(columns), kind.at(threshold)
        found = {group: replicates(tally, rate, group) for group in groups}
        reference = found[largest(tally, groups)]
        head = {"grouping": groups[0].title, "threshold": threshold, "rank": rate.rank}
        contrasts += [
            {**head, **differentials.compare(own, reference).to_json()}
            for own in found.values()
            if own is not reference
        ]
        labelled = [own for group, own in found.items() if group.is_labelled]
        highest.append({**head, "metric": rate.metric, **differentials.worst(labelled).to_json()})
    made = {"contrasts": contrasts, "highest": highest} if any(groupings) else {}
    return cast("types.Contrasts", made)


def ratios(contrasts: Sequence[types.Contrast]) -> list[types.Ratio]:
    """The key "ratios": the contrasts of FMR, without what they have besides."""
    left_out = ("rank", "difference")
    found = [{k: v for k, v in c.items() if k not in left_out} for c in contrasts if c["metric"] == "fmr"]
    return cast("list[types.Ratio]", found)
