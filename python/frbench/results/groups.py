"""Makes the keys of `results.json` about differences between groups and thresholds by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from frbench.choices import Failed
from frbench.operating_point import OperatingPoint
from frbench.plan import Grouping
from frbench.reading.groups import at_threshold
from frbench.reading.groups import thresholds as group_thresholds
from frbench.reading.rate import both_rates
from frbench.tally import Tally


def keys(
    tally: Tally,
    *,
    thresholds: Sequence[float],
    groupings: Sequence[Grouping],
    points: Sequence[OperatingPoint],
    failed: Failed = "reject",
    rank: int = 1,
) -> Mapping[str, object]:
    """Differentials of every grouping and threshold, and thresholds by group at every target FMR; empty without groups.

    points : where thresholds came from. rank : of FNIR.
    """
    grouped = list(filter(None, groupings))
    if not grouped:
        return {}
    found = [
        at_threshold.of_tally(
            tally,
            both_rates(tally.plan.kind, threshold, rank=rank, failed=failed),
            columns,
            set_on=[point.population for point in points if point.threshold == threshold],
        )
        for columns in grouped
        for threshold in thresholds
    ]
    rates = dict.fromkeys(point.at.removeprefix("fmr=") for point in points if point.at.startswith("fmr="))
    by_group = [
        group_thresholds.of_tally(tally, rate, columns, failed=failed)
        for columns in grouped
        for rate in (rates if tally.plan.kind != "identify" else ())
    ]
    return {
        "differentials": [differentials.to_json() for differentials in found],
        "group_thresholds": [at_rate.to_json() for at_rate in by_group],
    }
