"""Estimates how many times as long one side took as the other, from the logarithms of paired times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special


@dataclass(frozen=True)
class Ratio:
    """Median of the ratios of pairs, with an interval that holds it at every look, or None and the reason.

    level : of the interval over all looks together. pairs : how many ratios there are.
    """

    value: float | None
    low: float | None
    high: float | None
    level: float
    pairs: int
    reason: str = ""

    @property
    def half_width(self) -> float | None:
        """Half of the interval on the logarithmic scale: 0.02 is about 2% to each side; None without an interval."""
        if self.low is None or self.high is None:
            return None
        return math.log(self.high / self.low) / 2

    @property
    def floor(self) -> float | None:
        """How far from 1 the interval reaches on the logarithmic scale; None without an interval."""
        if self.low is None or self.high is None:
            return None
        return max(abs(math.log(self.low)), abs(math.log(self.high)))


def ratio(logs: Sequence[float], *, rank: int, level: float) -> Ratio:
    """The median of exp(logs), from the `rank`-th smallest to the `rank`-th largest of them.

    rank : at most half as many as there are logs; 0 gives no interval.
    """
    n = len(logs)
    if not n:
        return Ratio(None, None, None, level, 0, "0 pairs")
    value = math.exp(float(np.median(logs)))
    if not rank:
        return Ratio(value, None, None, level, n, f"{n} pairs are too few for an interval at {100 * level:.4g}%")
    ordered = np.sort(np.asarray(logs, dtype=np.float64))
    return Ratio(value, math.exp(ordered[rank - 1]), math.exp(ordered[n - rank]), level, n)


def wilcoxon(logs: ArrayLike) -> float | None:
    """p of Wilcoxon's signed-rank test that ratios lie around 1, by its normal limit; None if every one is 1.

    Zeros are left out, ties share their ranks. It knows nothing of repeated looks.

    Source: Wilcoxon (1945); the correction for ties is that of Pratt & Gibbons (1981).
    """
    values = np.asarray(logs, dtype=np.float64)
    values = values[values != 0]
    n = len(values)
    if not n:
        return None
    _, which, counts = np.unique(np.abs(values), return_inverse=True, return_counts=True)
    ranks = (counts.cumsum() - (counts - 1) / 2)[which]
    above = ranks[values > 0].sum()
    variance = n * (n + 1) * (2 * n + 1) / 24 - (counts**3 - counts).sum() / 48
    return float(2 * special.ndtr(-abs(above - n * (n + 1) / 4) / math.sqrt(variance)))
