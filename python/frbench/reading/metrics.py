"""Gives one metric at a time, of a tally, a threshold and a group: numerator, denominator and interval.

What becomes of failed templates is said in `rate`, which names the four error rates that others are made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from frbench.choices import Failed
from frbench.estimate import Estimate, clopper_pearson, undefined
from frbench.plan import EVERYBODY, Group
from frbench.reading.people import people_of
from frbench.reading.rate import Rate, rate_of
from frbench.tally import Histogram, Tally


def fmr(tally: Tally, threshold: float, *, group: Group = EVERYBODY, failed: Failed = "reject") -> Estimate:
    """Share of non-mated comparisons accepted at `threshold`.

    FMR(t) = accepted non-mated / non-mated; accepted means score >= t.

    Parameters
    ----------
    threshold : score in [-1, 1]; must be one of the plan's edges.
    group : whose comparisons.
    failed : policy for failed templates.

    Raises
    ------
    EdgeNotInPlan : the tally cannot answer between edges; the message names the two nearest.

    Source: ISO/IEC 2382-37, false match rate.
    """
    return Rate("fmr", threshold, failed=failed).of(tally, group)


def fnmr(tally: Tally, threshold: float, *, group: Group = EVERYBODY, failed: Failed = "reject") -> Estimate:
    """Share of mated comparisons rejected at `threshold`.

    FNMR(t) = rejected mated / mated; rejected means score < t. Parameters and errors as in `fmr`.

    Source: ISO/IEC 2382-37, false non-match rate.
    """
    return Rate("fnmr", threshold, failed=failed).of(tally, group)


def fpir(tally: Tally, threshold: float, *, group: Group = EVERYBODY) -> Estimate:
    """Share of non-mated searches with a candidate at or above `threshold`.

    FPIR(N, T) = non-mated searches with >= 1 candidate at or above T / non-mated searches. The interval is over
    probes, conditional on the gallery.

    Source: NIST FRVT 1:N; ISO/IEC 19795-1, false positive identification rate.
    """
    return Rate("fpir", threshold).of(tally, group)


def fnir(tally: Tally, threshold: float | None, *, rank: int, group: Group = EVERYBODY) -> Estimate:
    """Share of mated searches whose mate is outside the top `rank` or below `threshold`.

    FNIR(N, R, T) = mated searches with the mate's rank > R or its score < T / mated searches. A threshold of None
    is no threshold: investigation mode, and 1 - CMC(R). Ties in rank count against the mate.

    Raises
    ------
    InputError : the tally was not counted at this rank.

    Source: NIST FRVT 1:N; ISO/IEC 19795-1, false negative identification rate.
    """
    return Rate("fnir", threshold, rank).of(tally, group)


def tpir(tally: Tally, threshold: float | None, *, rank: int, group: Group = EVERYBODY) -> Estimate:
    """Share of mated searches whose mate is within the top `rank` and at or above `threshold`.

    TPIR(N, R, T) = 1 - FNIR(N, R, T), also called detection and identification rate. Parameters and errors as in
    `fnir`.

    Source: ISO/IEC 19795-1, true positive identification rate.
    """
    return complement(fnir(tally, threshold, rank=rank, group=group))


def complement(estimate: Estimate) -> Estimate:
    """The share of all the other trials: (n - k) / n, with the interval turned over."""
    if estimate.value is None:
        return estimate
    low, high = (None if end is None else 1 - end for end in (estimate.high, estimate.low))
    hits = estimate.n - estimate.k
    return replace(estimate, value=hits / estimate.n, low=low, high=high, k=hits)


def fta(tally: Tally, *, group: Group = EVERYBODY) -> Estimate:
    """Share of trials without a score, mated and non-mated together.

    FTA = trials with a failed template / trials. In 1:N a mated search also has no score where every template of the
    mate failed to enrol.

    Source: bob.measure, failure to acquire: scores that are NaN / scores.
    """
    sides = [tally.pick(mated=mated, group=group) for mated in (False, True)]
    both = Histogram(sides[0].bins + sides[1].bins, sides[0].touching + sides[1].touching)
    k_touching, n_touching = both.touching[:, -1], both.touching.sum(axis=1)
    people = people_of(tally, group, mated=not sides[0].trials)
    return rate_of(both.unscored, both.trials, k_touching, n_touching, people, what="trials")


def fte(tally: Tally) -> Estimate:
    """Share of gallery templates that failed to enrol.

    FTE = failed enrolments / enrolments. Where each subject is enrolled once the enrolments are independent, and the
    interval is exact.

    Source: ISO/IEC 2382-37, failure-to-enrol rate; Clopper & Pearson (1934).
    """
    details = tally.plan.details
    if "gallery_failed" not in details:
        return undefined("enrolments are those of a gallery, and comparisons 1:1 have none; fta counts their failures")
    k, n, n_subjects = (int(details[name]) for name in ("gallery_failed", "gallery", "gallery_subjects"))
    if n != n_subjects:
        reason = f"interval not estimable: {n} enrolments of {n_subjects} subjects are not independent"
        return Estimate(k / n, None, None, k, n, n_subjects=n_subjects, reason=reason)
    low, high = clopper_pearson(k, n)
    return Estimate(k / n, low, high, k, n, float(n), n_subjects, method="Clopper-Pearson")


class Generalised(NamedTuple):
    """Error rates of transactions: failures of enrolment and acquisition count as rejections."""

    gfar: float
    gfrr: float


def generalised(fmr: float, fnmr: float, *, fta: float, fte: float = 0.0) -> Generalised:
    """GFAR and GFRR of a positive claim, from rates over completed comparisons.

    GFAR = FMR (1 - FTA) (1 - FTE); GFRR = FTE + (1 - FTE) FTA + (1 - FTE) (1 - FTA) FNMR. It takes failures as
    independent of errors. `fmr` and `fnmr` under the policy `reject` are the same rates measured, trial by trial,
    where every failure is in the tally.

    Source: the terms are those of ISO/IEC 19795-1; at FTE = 0 the formulas are bob.measure's FAR and FRR.
    """
    completed = (1 - fta) * (1 - fte)
    return Generalised(fmr * completed, 1 - completed + completed * fnmr)


def rank_hits(tally: Tally, rank: int, *, group: Group = EVERYBODY) -> tuple[int, int]:
    """Mated searches with the mate within the top `rank`, and all mated searches: CMC(rank) as a fraction."""
    miss = fnir(tally, None, rank=rank, group=group)
    return miss.n - miss.k, miss.n


@dataclass(frozen=True)
class Det:
    """Detection error trade-off: counts at every edge, none interpolated.

    thresholds (t,); false_matches, false_nonmatches (t,); n_nonmated, n_mated.
    """

    thresholds: NDArray[np.float64]
    false_matches: NDArray[np.int64]
    false_nonmatches: NDArray[np.int64]
    n_nonmated: int
    n_mated: int


def det(
    tally: Tally, *, group: Group = EVERYBODY, failed: Failed = "reject", parts: Sequence[int] | None = None
) -> Det:
    """The trade-off of false matches and false non-matches (1:1), or of false positives and misses (1:N)."""
    nonmated = tally.pick(mated=False, group=group)
    mated = tally.pick(mated=True, group=group)
    hits = mated if parts is None else tally.pick(mated=True, group=group, parts=parts)
    out_nonmated, out_mated = (nonmated.unscored, mated.unscored) if failed == "exclude" else (0, 0)
    accepted = hits.tail() + (mated.unscored if failed == "accept" else 0)
    return Det(
        tally.plan.axis,
        nonmated.tail() + (nonmated.unscored if failed == "accept" else 0),
        mated.trials - out_mated - accepted,
        nonmated.trials - out_nonmated,
        mated.trials - out_mated,
    )
