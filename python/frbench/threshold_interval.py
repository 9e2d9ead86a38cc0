"""Threshold interval: between which edges of a tally the threshold at an FMR lies, had other people been counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from frbench.errors import InputError
from frbench.estimate import LEVEL
from frbench.reading import metrics
from frbench.reading.metrics import Failed, Pair
from frbench.tally import Tally


@dataclass(frozen=True)
class ThresholdInterval:
    """Edges around the threshold that has the FMR `rate` among all people of the kind that was sampled.

    low : the nearest edge below where FMR is above the rate beyond doubt; high : the nearest above where it is below.
    None where no edge of the tally is, with the reason.
    """

    rate: float
    low: float | None
    high: float | None
    level: float = LEVEL
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return vars(self).copy()


def threshold_interval(
    tally: Tally,
    rate: float,
    *,
    grouping: Sequence[str] = (),
    group: Pair | None = None,
    failed: Failed = "reject",
) -> ThresholdInterval:
    """The interval of the threshold at FMR `rate`: edges at which that of FMR holds the rate, and one each way.

    A threshold is inside if FMR there is not different from the rate beyond doubt, so the interval holds the true
    threshold as often as that of FMR holds the true FMR. It is as fine as the axis of the tally.

    Raises
    ------
    InputError : a rate that is not between 0 and 1.

    Source: inversion of a test; Clopper & Pearson (1934).
    """
    if not 0 < rate < 1:
        raise InputError(f"rate is {rate}, expected above 0 and below 1")
    edges = tally.plan.axis
    curve = metrics.det(tally, grouping=grouping, group=group, failed=failed)
    first = int(np.searchsorted(-curve.false_matches, -rate * curve.n_nonmated))

    def beyond(edge: float, is_above: bool) -> bool:
        found = metrics.fmr(tally, edge, grouping=grouping, group=group, failed=failed)
        end = found.low if is_above else found.high
        return end is not None and (end > rate if is_above else end < rate)

    low = next((float(edge) for edge in edges[:first][::-1] if beyond(float(edge), True)), None)
    high = next((float(edge) for edge in edges[first:] if beyond(float(edge), False)), None)
    missing = [side for side, edge in (("above", low), ("below", high)) if edge is None]
    reason = f"no edge of the tally has an FMR {' or '.join(missing)} {rate:g} beyond doubt" if missing else ""
    return ThresholdInterval(rate, low, high, reason=reason)
