"""Computes the rates of the mean random subset of a gallery, from one search of all of it.

Of N rows c reach a threshold; n rows drawn from them hold none with the hypergeometric probability
C(N - c, n) / C(N, n). The mean over searches is FPIR at n, with no subset drawn and no seed. Intervals are over
probes, conditional on the gallery: the delete-a-block jackknife, never below the variance of independent probes, and
Wilson's interval at the number of searches that would vary as much. At n = N they are those of `metrics.fpir`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from frbench import estimate
from frbench.candidates import MatedSearches, NonmatedSearches
from frbench.inputs.arrays import Floats, Ints


@dataclass(frozen=True)
class MeanRate:
    """The mean of a rate over all subsets of one size, its interval, or None and the reason."""

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str = ""


def fpir(searches: NonmatedSearches, count: Ints, *, gallery: int, size: int) -> MeanRate:
    """Share of non-mated searches with a false positive among `size` of `gallery` rows.

    count : (m,) rows at or above the threshold in each search of the whole gallery.
    """
    return _mean(-np.expm1(log_none(count, gallery, size)), searches, "non-mated searches")


def fnir(searches: MatedSearches, within: Floats, threshold: float) -> MeanRate:
    """Share of mated searches whose mate is below the threshold or not within a rank.

    within : (m,) probability that it is within the rank, NaN where the mates' rows do not fit into the gallery.
    """
    if np.isnan(within).any():
        most = int(searches.mates.max())
        return MeanRate(None, reason=f"a probe has {most} enrolled rows, more than the gallery would hold")
    found = np.where(searches.reaching(threshold), within, 0.0)
    return _mean(1 - found, searches, "mated searches")


def within_ranks(searches: MatedSearches, ranks: Sequence[int], *, gallery: int, size: int) -> Floats:
    """(m, ranks) probability that the mate is within each rank among `size` rows, those of the mate enrolled.

    0 without a scored mate; NaN where the mates' rows alone are more than `size`.
    """
    found = np.full((len(searches.mates), len(ranks)), np.nan)
    for mates in np.unique(searches.mates[searches.mates <= size]):
        own = searches.mates == mates
        cdf = fewer_than(searches.above_mate[own], gallery - int(mates), size - int(mates), max(ranks))
        found[own] = cdf[:, np.array(ranks) - 1]
    found[np.isnan(searches.mate_score) & (searches.mates <= size)] = 0
    return found


def log_none(count: Ints, gallery: int, size: int) -> Floats:
    """log of C(N - c, n) / C(N, n), for (m,) counts c: that n of N rows hold none of c.

    The sum over j < c of log(1 - n / (N - j)): every term has the same sign, so that the result is right to rounding
    where a difference of logarithms of factorials would lose it in cancellation.
    """
    most = min(int(count.max(initial=0)), gallery - size)
    steps = np.log1p(-size / (gallery - np.arange(most, dtype=np.float64)))
    table = np.concatenate([[0.0], np.cumsum(steps)])
    return np.where(count <= most, table[np.minimum(count, most)], -np.inf)


def fewer_than(count: Ints, gallery: int, size: int, limit: int) -> Floats:
    """(m, limit) probability that n of N rows hold fewer than 1, 2, ..., limit of c.

    Terms from the smallest possible number h on, by their ratio (c - h)(n - h) / ((h + 1)(N - c - n + h + 1)). More
    than N - n rows do not fit into what is left out: then h > 0, and its term is that of no other row left out.
    """
    first = np.maximum(count + size - gallery, 0)
    log_term = np.where(
        first == 0,
        log_none(np.where(first == 0, count, 0), gallery, size),
        log_none(np.where(first == 0, 0, gallery - count), gallery, gallery - size),
    )
    mass = np.zeros((len(count), limit + 1))
    rows = np.arange(len(count))
    with np.errstate(divide="ignore"):
        for step in range(limit):
            h = first + step
            mass[rows, np.minimum(h, limit)] = np.exp(log_term)
            up, down = np.maximum(count - h, 0) * np.maximum(size - h, 0), (h + 1) * (gallery - count - size + h + 1)
            log_term = log_term + np.log(up / down)
    return np.minimum(np.cumsum(mass[:, :limit], axis=1), 1)


def _mean(share: Floats, searches: NonmatedSearches | MatedSearches, what: str) -> MeanRate:
    """The mean of (m,) probabilities of an error, with its interval."""
    m, n_subjects = len(share), len(np.unique(searches.subject))
    n = np.bincount(searches.block)
    n_blocks = int((n > 0).sum())
    value = float(share.mean()) if m else 0.0
    if value in (0.0, 1.0):
        end = estimate.rate(
            m * int(value), m, n, n, n_subjects=n_subjects, n_independent=n_subjects, n_occupied=n_blocks, what=what
        )
        return MeanRate(end.value, end.low, end.high, end.reason)
    if n_blocks < estimate.MIN_BLOCKS:
        reason = f"interval not estimable: subjects in {n_blocks} blocks, at least {estimate.MIN_BLOCKS} are needed"
        return MeanRate(value, reason=reason)
    errors = np.bincount(searches.block, share)
    without = estimate.rate_without(share.sum(), m, errors, n)[n > 0]
    # As `estimate.doubt`, where a search is an error or none and varies by p (1 - p); here it varies by less.
    alone = float(((share - value) ** 2).sum()) / m**2
    variance = max(alone, estimate.jackknife_variance(without) - (estimate.times_counted(m, n) - 1) * alone)
    n_effective = value * (1 - value) / variance if variance > 0 else float(m)
    t = estimate.student_t(estimate.freedom_of_rate(without, n))
    return MeanRate(value, *estimate.wilson(value, n_effective, t))
