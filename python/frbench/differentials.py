"""Differentials: how many times the rate of one group is that of another, with an interval of its own.

Two groups share a threshold and, through the same blocks, subjects: the ratio is taken without each block in turn,
not from two separate intervals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench.estimate import LEVEL, MIN_BLOCKS, jackknife_variance, student_t
from frbench.metrics import UNKNOWN_PEOPLE, Failed, Pair, errors, knows_people, occupied, trials
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
    tally: Tally,
    threshold: float,
    group: Pair,
    reference: Pair,
    *,
    grouping: Sequence[str],
    failed: Failed = "reject",
    level: float = LEVEL,
) -> Ratio:
    """FMR of `group` over FMR of `reference` at one threshold, under the policy for failed templates.

    Raises
    ------
    EdgeNotInPlan : the threshold is not an edge of the tally.
    """
    edge = tally.edge(threshold)
    sides = [tally.pick(mated=False, grouping=grouping, groups=pair) for pair in (group, reference)]
    k = tuple(int(_errors(side.bins, edge, failed)) for side in sides)
    n = tuple(int(trials(side.bins, failed=failed)) for side in sides)
    ratio = Ratio(group, reference, None, None, None, (k[0], k[1]), (n[0], n[1]), level)
    if 0 in n or 0 in k:
        what = "comparisons" if 0 in n else "false matches"
        whose = group if 0 in (n[0], k[0]) else reference
        return replace(ratio, reason=f"0 {what} of {' and '.join(sorted(set(whose)))}")
    value = (k[0] / n[0]) / (k[1] / n[1])
    if not knows_people(tally):
        return replace(ratio, value=value, reason=UNKNOWN_PEOPLE)
    logs = _log_ratio_without(sides, edge, failed)
    fewest = min(occupied(tally, grouping, name) for name in (*group, *reference))
    if min(fewest, len(logs)) < MIN_BLOCKS or not np.isfinite(logs).all():
        return replace(ratio, value=value, reason="interval not estimable: too few subjects with errors")
    spread = student_t(len(logs) - 1, level) * math.sqrt(jackknife_variance(logs))
    return replace(ratio, value=value, low=value * math.exp(-spread), high=value * math.exp(spread))


def _errors(bins: NDArray[np.uint64], edge: int, failed: Failed) -> NDArray[np.int64]:
    return errors(bins, edge, errors_below=False, failed=failed)


def _log_ratio_without(sides: Sequence[Histogram], edge: int, failed: Failed) -> NDArray[np.float64]:
    """Logarithm of the ratio without each block in which either group has trials."""
    rates, is_occupied = [], np.zeros(len(sides[0].touching), dtype=bool)
    for side in sides:
        all_trials = int(trials(side.bins, failed=failed))
        k = int(_errors(side.bins, edge, failed)) - _errors(side.touching, edge, failed).astype(np.float64)
        n = all_trials - trials(side.touching, failed=failed).astype(np.float64)
        is_occupied |= n < all_trials
        rates.append(np.divide(k, n, out=np.zeros(len(n)), where=n > 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        logs: NDArray[np.float64] = np.log(rates[0][is_occupied]) - np.log(rates[1][is_occupied])
    return logs
