"""Figures that are put together from others: a ratio of FMR, FNMR at FMR, and all indices of two rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from frbench.choices import Failed
from frbench.estimate import Estimate, undefined
from frbench.plan import EVERYBODY, Group
from frbench.reading.differentials import Ratio, ratio_of
from frbench.reading.groups.indices import Index, Rates, Weights, of_side
from frbench.reading.joint import replicates
from frbench.reading.rate import Rate
from frbench.reading.thresholds import Target, Threshold, at_fmr
from frbench.tally import Tally


def fmr_ratio(
    tally: Tally, threshold: float, group: Group, reference: Group, *, failed: Failed = "reject", **options: Any
) -> Ratio:
    """FMR of `group` over FMR of `reference` at one threshold."""
    rate = Rate("fmr", threshold, failed=failed)
    return ratio_of(*(replicates(tally, rate, side) for side in (group, reference)), **options)


@dataclass(frozen=True)
class Tradeoff:
    """FNMR at FMR: one threshold and both rates there."""

    threshold: Threshold
    fmr: Estimate
    fnmr: Estimate


def fnmr_at_fmr(
    tally: Tally,
    rate: Target,
    *,
    population: Group = EVERYBODY,
    group: Group = EVERYBODY,
    failed: Failed = "reject",
) -> Tradeoff:
    """FNMR of `group` at the threshold that holds FMR at `rate` on `population`, and the FMR of `group` there.

    Source: NIST FRTE 1:1, FNMR at FMR = 1e-6, the threshold frozen over groups.
    """
    found = at_fmr(tally, rate, group=population, failed=failed)
    threshold = found.point.threshold
    if threshold is None:
        return Tradeoff(found, undefined(found.point.reason), undefined(found.point.reason))
    fmr, fnmr = (Rate(metric, threshold, failed=failed).of(tally, group) for metric in ("fmr", "fnmr"))
    return Tradeoff(found, fmr, fnmr)


def of_rates(accepts: Rates, rejects: Rates, weights: Weights | None = None) -> tuple[Index, ...]:
    """Every index of false accepts, of false rejects, and of both, without intervals."""
    sides = ([accepts], [rejects], [accepts, rejects])
    return tuple(index for side in sides for index in of_side(side, weights or Weights()))
