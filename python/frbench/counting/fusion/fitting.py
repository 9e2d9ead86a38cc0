"""Fits the common scale of two systems, and the weight of each, on people that are not counted.

z-norm: mean and standard deviation of the non-mated scores. min-max: the lowest and the highest of all scores. The
weight, unless it is given: Fisher's direction, which best tells mated from non-mated pairs of scores, given their
pooled covariance within each kind. All of it comes from sums of one pass.

Source: Jain, Nandakumar & Ross (2005), Pattern Recognition 38; Fisher (1936), Annals of Eugenics 7.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from frbench.choices import Norm as Norm
from frbench.counting.fusion.pair_scores import Scored
from frbench.counting.fusion.rule import Combination, Rule, Scale
from frbench.errors import InputError
from frbench.inputs.arrays import Floats, Ints

MORE = "take a larger --calibration-share"


@dataclass
class Scatter:
    """Sums over pairs of scores of one kind: how many, (2,) sums, (2, 2) sums of products, (2,) lowest and highest."""

    n: int = 0
    sums: Floats = field(default_factory=lambda: np.zeros(2))
    products: Floats = field(default_factory=lambda: np.zeros((2, 2)))
    low: Floats = field(default_factory=lambda: np.full(2, np.inf))
    high: Floats = field(default_factory=lambda: np.full(2, -np.inf))

    def add(self, scores: Floats) -> None:
        """Takes (n, 2) pairs of scores in."""
        if len(scores):
            self.n += len(scores)
            self.sums = self.sums + scores.sum(axis=0)
            self.products = self.products + scores.T @ scores
            self.low = np.minimum(self.low, scores.min(axis=0))
            self.high = np.maximum(self.high, scores.max(axis=0))

    @property
    def mean(self) -> Floats:
        """(2,) means."""
        return np.asarray(self.sums / self.n)

    @property
    def covariance(self) -> Floats:
        """(2, 2) covariances, of n - 1."""
        return np.asarray((self.products - self.n * np.outer(self.mean, self.mean)) / (self.n - 1))

    @property
    def deviation(self) -> Floats:
        """(2,) standard deviations; 0, and not what rounding makes of it, where all scores are equal."""
        squares = np.maximum(np.diag(self.covariance), 0)
        return np.asarray(np.where(self.high > self.low, np.sqrt(squares), 0.0))


@dataclass(frozen=True, eq=False)
class Calibration:
    """Scores of both systems on the people to fit on. Only pairs that both have scored are in it."""

    nonmated: Scatter
    mated: Scatter

    @classmethod
    def of(cls, scored: Iterable[Scored], subject: Ints) -> Calibration:
        """Sums over all pairs in `scored`; `subject` (n,) is the number of the subject of each row."""
        kinds = (Scatter(), Scatter())
        for found in scored:
            both = np.stack([found.a, found.b], axis=1).astype(np.float64)
            known = ~np.isnan(both).any(axis=1)
            mated = subject[found.i] == subject[found.j]
            for is_mated, kind in enumerate(kinds):
                kind.add(both[known & (mated == bool(is_mated))])
        return cls(*kinds)

    def scales(self, norm: Norm) -> tuple[Scale, Scale]:
        """The scale of each system.

        Raises
        ------
        InputError : too few scores, or all of them are equal.
        """
        if norm == "none":
            return Scale(), Scale()
        if self.nonmated.n < 2:
            raise InputError(f"the calibration part has {self.nonmated.n} non-mated pairs, expected 2 or more; {MORE}")
        if norm == "z":
            centers, widths = self.nonmated.mean, self.nonmated.deviation
        else:
            centers = np.minimum(self.nonmated.low, self.mated.low)
            widths = np.maximum(self.nonmated.high, self.mated.high) - centers
        for system, width in zip("AB", widths, strict=True):
            if not width > 0:
                raise InputError(f"all scores of {system} in the calibration part are equal; {MORE}")
        a, b = (Scale(float(c), float(w)) for c, w in zip(centers, widths, strict=True))
        return a, b

    def weight(self, a: Scale, b: Scale) -> float:
        """Share of A in the weighted sum, on these scales; 0 or 1 where the other system would count against itself.

        Raises
        ------
        InputError : fewer than two pairs of a kind, or scores that hold nothing to choose by.
        """
        few = min(self.nonmated.n, self.mated.n)
        if few < 2:
            raise InputError(f"the calibration part has {few} pairs of one kind, expected 2 or more; {MORE}")
        width = np.array([a.scale, b.scale])
        kinds = (self.nonmated, self.mated)
        freedom = sum(kind.n - 1 for kind in kinds)
        within = sum((kind.n - 1) * kind.covariance for kind in kinds) / freedom / np.outer(width, width)
        apart = (self.mated.mean - self.nonmated.mean) / width
        try:
            direction = np.linalg.solve(within, apart)
        except np.linalg.LinAlgError as error:
            raise InputError(f"the calibration part cannot tell A from B: {error}; give --weight") from error
        kept = np.maximum(direction, 0)
        if not kept.sum() > 0:
            raise InputError("in the calibration part mated scores are not above non-mated ones; give --weight")
        return float(kept[0] / kept.sum())


def fitted(combination: Combination, norm: Norm, weight: float | None, calibration: Calibration) -> Rule:
    """The rule that is fitted on `calibration`; a weight that is None is fitted, too, where the rule has one."""
    a, b = calibration.scales(norm)
    if combination != "weighted":
        return Rule(combination, a, b)
    return Rule(combination, a, b, calibration.weight(a, b) if weight is None else weight)
