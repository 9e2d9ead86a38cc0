"""Fits a generalised Pareto distribution to what best scores exceed a level by.

It gives the share of searches above a threshold that few searches or none have reached. Fitted by probability-weighted
moments, which need no iteration and have a value for every sample; a bounded score has a tail with an end, and above
it the share is 0.

Source: Pickands (1975) for the limit; Hosking & Wallis (1987) for the moments and their plotting position.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from frbench.inputs.arrays import Floats

PLOTTING = 0.35
EXPONENTIAL = 1e-9


@dataclass(frozen=True, eq=False)
class Tail:
    """P(excess > y) = share * (1 + shape * y / scale)^(-1 / shape), y above `level`, in each of (r,) samples."""

    level: float
    share: Floats
    scale: Floats
    shape: Floats

    def at(self, threshold: float) -> Floats:
        """(r,) shares of searches at or above a threshold; NaN below the level."""
        excess = threshold - self.level
        if not excess >= 0:
            return np.full(len(self.share), np.nan)
        is_flat = np.abs(self.shape) < EXPONENTIAL
        shape = np.where(is_flat, 1.0, self.shape)
        base = np.maximum(1 + shape * excess / self.scale, 0)
        with np.errstate(divide="ignore"):
            steps = np.where(is_flat, excess / self.scale, np.log(base) / shape)
        return self.share * np.exp(-steps)


def fit(best: Floats, searches: Floats, level: float) -> Tail:
    """Tails of (r, n) best scores of (r,) samples of so many searches; scores that are not listed are below `level`.

    With a0 the mean excess and a1 the mean of excess times one minus its plotting position (i - 0.35) / n:
    shape = 2 - a0 / (a0 - 2 a1), scale = 2 a0 a1 / (a0 - 2 a1).
    """
    excess = np.sort(best, axis=1) - level
    is_above = excess > 0
    n = is_above.sum(axis=1)
    excess = np.where(is_above, excess, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        position = (np.cumsum(is_above, axis=1) - PLOTTING) / n[:, None]
        a0 = excess.sum(axis=1) / n
        a1 = np.where(is_above, excess * (1 - position), 0).sum(axis=1) / n
        return Tail(level, n / searches, 2 * a0 * a1 / (a0 - 2 * a1), 2 - a0 / (a0 - 2 * a1))
