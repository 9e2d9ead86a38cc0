"""Differentials: how many times the rate of one group is that of another, with an interval of its own.

Two groups share a threshold and, through the same blocks, subjects: the ratio is taken without each block in turn,
not from two separate intervals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from frbench.estimate import LEVEL, MIN_BLOCKS, jackknife_variance, student_t
from frbench.metrics import Pair
from frbench.tally import Histogram, Tally


@dataclass(frozen=True)
class Ratio:
    """value : rate of `group` over rate of `reference`; None with a reason if it does not exist."""

    group: Pair
    reference: Pair
    value: float | None
    low: float | None
    high: float | None
    k: tuple[int, int]
    n: tuple[int, int]
    level: float = LEVEL
    method: str = "jackknife over subject blocks, of the logarithm"
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in vars(self).items()}


def fmr_ratio(
    tally: Tally, threshold: float, group: Pair, reference: Pair, *, grouping: Sequence[str], level: float = LEVEL
) -> Ratio:
    """FMR of `group` over FMR of `reference` at one threshold; failed templates are rejected.

    Raises
    ------
    EdgeNotInPlan : the threshold is not an edge of the tally.
    """
    edge = tally.edge(threshold)
    sides = [tally.pick(mated=False, grouping=grouping, groups=pair) for pair in (group, reference)]
    k = (sides[0].at_or_above(edge), sides[1].at_or_above(edge))
    n = (sides[0].trials, sides[1].trials)
    if 0 in n or 0 in k:
        what = "comparisons" if 0 in n else "false matches"
        whose = group if 0 in (n[0], k[0]) else reference
        reason = f"0 {what} of {' and '.join(sorted(set(whose)))}"
        return Ratio(group, reference, None, None, None, k, n, level, reason=reason)
    value = (k[0] / n[0]) / (k[1] / n[1])
    logs = _log_ratio_without(sides, edge)
    occupied = min(tally.plan.n_occupied(grouping, name, mated=False) for name in (*group, *reference))
    if min(occupied, len(logs)) < MIN_BLOCKS or not np.isfinite(logs).all():
        reason = "interval not estimable: too few subjects with errors"
        return Ratio(group, reference, value, None, None, k, n, level, reason=reason)
    spread = student_t(len(logs) - 1, level) * math.sqrt(jackknife_variance(logs))
    return Ratio(group, reference, value, value * math.exp(-spread), value * math.exp(spread), k, n, level)


def _log_ratio_without(sides: Sequence[Histogram], edge: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Logarithm of the ratio without each block in which either group has trials."""
    rates, occupied = [], np.zeros(len(sides[0].touching), dtype=bool)
    for side in sides:
        k = side.at_or_above(edge) - side.touching[:, edge + 1 : -1].sum(axis=1).astype(np.float64)
        n = side.trials - side.touching.sum(axis=1).astype(np.float64)
        occupied |= n < side.trials
        rates.append(np.divide(k, n, out=np.zeros(len(n)), where=n > 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        logs: np.ndarray[Any, np.dtype[np.float64]] = np.log(rates[0][occupied]) - np.log(rates[1][occupied])
    return logs
