"""Computes the accuracy of a list of pairs in folds, as the protocol of Labeled Faces in the Wild reports it.

A threshold is chosen on all folds but one and applied to that one, for each in turn. A pair is accepted when
`score >= threshold`; accuracy is the share of pairs that are decided rightly.

Tie rule: thresholds are scores of the other folds, or above them all, and of those with the greatest accuracy the
smallest is taken. What another choice among them would have made of the accuracy is given as a range.

Source: Huang et al. (2007), Labeled Faces in the Wild, University of Massachusetts 07-49, section III.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from frbench.inputs.arrays import Bools
from frbench.inputs.texts import texts

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Fold:
    """One fold, decided at the threshold of the others.

    threshold : None where the best of the others is to accept no score. n_tied : thresholds that are as good there.
    correct, n : pairs decided rightly and all pairs, mated ones n_mated. least, most : correct ones over the tied.
    """

    name: str
    threshold: float | None
    n_tied: int
    correct: int
    n: int
    n_mated: int
    least: int
    most: int


@dataclass(frozen=True)
class FoldAccuracy:
    """Mean accuracy over folds and its standard error; None and the reason with fewer than two folds.

    mean : of the accuracies of the folds. standard_error : their standard deviation / sqrt(folds).
    least, most : the mean had every fold taken the worst or the best of its tied thresholds.
    n_unscored : pairs with a failed template. failed : what became of them.
    """

    mean: float | None
    standard_error: float | None
    least: float | None
    most: float | None
    n_unscored: int
    failed: str
    folds: tuple[Fold, ...]
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {**asdict(self), "folds": [asdict(fold) for fold in self.folds]}


def accuracy(
    scores: NDArray[np.floating],
    mated: Bools,
    fold: NDArray[Any],
    *,
    failed: Literal["reject", "exclude", "accept"] = "reject",
) -> FoldAccuracy:
    """Mean accuracy and standard error over the folds of a list of pairs.

    Parameters
    ----------
    scores : (n,) NaN for a pair with a failed template, which is rejected, left out or accepted.
    fold : (n,) names of the folds.

    Source: Huang et al. (2007): mean of the folds, and S / sqrt(folds) with S their standard deviation by folds - 1.
    """
    value = scores.astype(np.float64)
    unscored = np.isnan(value)
    kept = ~unscored if failed == "exclude" else np.ones(len(value), dtype=bool)
    value[unscored] = math.inf if failed == "accept" else -math.inf
    value, mated, names = value[kept], mated[kept], texts(fold[kept])
    found = sorted(set(names.tolist()), key=lambda name: (len(name), name))
    if len(found) < 2:
        reason = f"{len(found)} fold with pairs that count, at least 2 are needed"
        return FoldAccuracy(None, None, None, None, int(unscored.sum()), failed, (), reason)
    folds = tuple(_fold(name, names == name, value, mated) for name in found)
    right = np.array([(fold.correct, fold.least, fold.most) for fold in folds]).T
    shares, least, most = right / np.array([fold.n for fold in folds])
    error, n_unscored = float(shares.std(ddof=1) / math.sqrt(len(folds))), int(unscored.sum())
    return FoldAccuracy(float(shares.mean()), error, float(least.mean()), float(most.mean()), n_unscored, failed, folds)


def _fold(name: str, held_out: Bools, value: Scores, mated: Bools) -> Fold:
    trained, own = value[~held_out], value[held_out]
    # No threshold accepts what is rejected for having no score.
    candidates = np.unique(np.append(trained[trained > -math.inf], math.inf))
    right = correct_at(candidates, trained, mated[~held_out])
    tied = candidates[right == right.max()]
    correct = correct_at(tied, own, mated[held_out])
    threshold = None if tied[0] == math.inf else float(tied[0])
    n_mated, least, most = int(mated[held_out].sum()), int(correct.min()), int(correct.max())
    return Fold(name, threshold, len(tied), int(correct[0]), len(own), n_mated, least, most)


def correct_at(thresholds: Scores, value: Scores, mated: Bools) -> NDArray[np.int64]:
    """(t,) pairs decided rightly at each threshold: mated ones at or above it, non-mated ones below."""
    hits, rejections = (np.sort(value[kind]) for kind in (mated, ~mated))
    below = np.searchsorted(rejections, thresholds, side="left")
    return np.asarray(below + len(hits) - np.searchsorted(hits, thresholds, side="left"), dtype=np.int64)
