"""Counts how many candidates a non-mated search puts before a reviewer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from frbench.errors import InputError
from frbench.reading.jackknife import LOG, Statistic, interval_of


@dataclass(frozen=True, kw_only=True)
class Selectivity(Statistic):
    """Candidates at or above the threshold per non-mated search.

    value : k / n. k : candidates. n : searches, those without a template included. gallery : N.
    n_censored : lists that are full at or above the threshold; with any, `value` is a lower bound.
    """

    threshold: float
    k: int
    n: int
    gallery: int
    n_censored: int

    @property
    def is_censored(self) -> bool:
        """Whether the truth may be higher, because a full list hides what comes after it."""
        return self.n_censored > 0


def selectivity(
    scores: NDArray[np.floating], threshold: float, *, gallery: int, block: ArrayLike, n_blocks: int
) -> Selectivity:
    """Enrolled candidates at or above `threshold` over all non-mated searches / non-mated searches.

    SEL(N, T) = candidates with score >= T / searches; FPIR <= SEL <= N.

    Parameters
    ----------
    scores : (m, L) candidates of each non-mated search, best first, -inf where there is none.
    gallery : N, templates enrolled; a list as long as the gallery hides nothing.
    block : (m,) block of the probe's subject, 0 to n_blocks - 1, from which the interval comes.

    Raises
    ------
    InputError : a list is not in falling order, or longer than the gallery.

    Source: NIST FRVT 1:N, selectivity.
    """
    if scores.shape[1] > gallery or (scores[:, 1:] > scores[:, :-1]).any():
        raise InputError(f"candidate lists must be in falling order and at most {gallery} long, as the gallery is")
    # In float64: numpy would round the threshold to the type of the scores.
    above = (scores.astype(np.float64) >= threshold).sum(axis=1)
    n, k = len(above), int(above.sum())
    n_censored = int((above == scores.shape[1]).sum()) if scores.shape[1] < gallery else 0
    if not n:
        found = Statistic(value=None, reason="0 non-mated searches")
    elif not k:
        found = Statistic(value=0.0, reason="interval not estimable: no candidates, see the bound of FPIR")
    else:
        found = replace(_interval(above, np.asarray(block), n_blocks), value=k / n)
    return Selectivity(**vars(found), threshold=float(threshold), k=k, n=n, gallery=gallery, n_censored=n_censored)


def _interval(above: NDArray[np.int64], block: NDArray[np.int64], n_blocks: int) -> Statistic:
    searches = np.bincount(block, minlength=n_blocks)
    candidates = np.bincount(block, weights=above, minlength=n_blocks)
    occupied = (searches > 0) & (searches < len(above))
    without = (above.sum() - candidates[occupied]) / (len(above) - searches[occupied])
    return interval_of(above.mean(), without, scale=LOG, n_occupied=int(occupied.sum()))
