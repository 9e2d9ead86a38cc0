"""Metrics: rates read from a tally, each with its numerator, denominator and interval.

A comparison is accepted when `score >= threshold`. `failed` says what becomes of trials with a failed template:

- `reject` (default): they are rejected, as in a positive claim: false non-matches, never false matches;
- `exclude`: they leave the denominators, as in the plain rates over completed comparisons;
- `accept`: they are accepted, as in a negative claim (de-duplication): false matches, never false non-matches.

In 1:N a failed template is always a miss and never a candidate (convention K6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from frbench.choices import FAILED_POLICIES as FAILED_POLICIES
from frbench.choices import Failed
from frbench.errors import InputError
from frbench.estimate import Estimate, clopper_pearson, rate, undefined
from frbench.tally import Histogram, Tally

Pair = tuple[str, str]
UNKNOWN_PEOPLE = "interval not estimable: people are not known; give --labels"


def fmr(
    tally: Tally,
    threshold: float,
    *,
    grouping: Sequence[str] = (),
    group: Pair | None = None,
    failed: Failed = "reject",
) -> Estimate:
    """Share of non-mated comparisons accepted at `threshold`.

    FMR(t) = accepted non-mated / non-mated; accepted means score >= t.

    Parameters
    ----------
    threshold : score in [-1, 1]; must be one of the plan's edges.
    grouping : label columns that the names in `group` belong to.
    group : names of the two groups, in either order; None pools every pair.
    failed : policy for failed templates.

    Raises
    ------
    EdgeNotInPlan : the tally cannot answer between edges; the message names the two nearest.

    Source: ISO/IEC 2382-37, false match rate.
    """
    edge = tally.edge(threshold)
    return fmr_at(tally, [edge], grouping=grouping, group=group, failed=failed)[0]


def fmr_at(
    tally: Tally,
    edges: Sequence[int],
    *,
    grouping: Sequence[str] = (),
    group: Pair | None = None,
    failed: Failed = "reject",
) -> list[Estimate]:
    """`fmr` at each of the edges with these numbers; who was compared is looked up once."""
    picked = tally.pick(mated=False, grouping=grouping, groups=group)
    people = people_of(tally, grouping, group, mated=False)
    what = "non-mated comparisons"
    return [_share(picked, edge, errors_below=False, failed=failed, people=people, what=what) for edge in edges]


def fnmr(
    tally: Tally,
    threshold: float,
    *,
    grouping: Sequence[str] = (),
    group: Pair | None = None,
    failed: Failed = "reject",
) -> Estimate:
    """Share of mated comparisons rejected at `threshold`.

    FNMR(t) = rejected mated / mated; rejected means score < t. Parameters and errors as in `fmr`.

    Source: ISO/IEC 2382-37, false non-match rate.
    """
    return _share(
        tally.pick(mated=True, grouping=grouping, groups=group),
        tally.edge(threshold),
        errors_below=True,
        failed=failed,
        people=people_of(tally, grouping, group, mated=True),
        what="mated comparisons",
    )


def fpir(tally: Tally, threshold: float, *, grouping: Sequence[str] = (), group: str | None = None) -> Estimate:
    """Share of non-mated searches with a candidate at or above `threshold`.

    FPIR(N, T) = non-mated searches with >= 1 candidate at or above T / non-mated searches. The interval is over
    probes, conditional on the gallery.

    Source: NIST FRVT 1:N; ISO/IEC 19795-1, false positive identification rate.
    """
    pair = None if group is None else (group, group)
    return _share(
        tally.pick(mated=False, grouping=grouping, groups=pair),
        tally.edge(threshold),
        errors_below=False,
        failed="reject",
        people=people_of(tally, grouping, pair, mated=False),
        what="non-mated searches",
    )


def fnir(
    tally: Tally, threshold: float | None, *, rank: int, grouping: Sequence[str] = (), group: str | None = None
) -> Estimate:
    """Share of mated searches whose mate is outside the top `rank` or below `threshold`.

    FNIR(N, R, T) = mated searches with the mate's rank > R or its score < T / mated searches. A threshold of None
    is no threshold: investigation mode, and 1 - CMC(R). Ties in rank count against the mate.

    Raises
    ------
    InputError : the tally was not counted at this rank.

    Source: NIST FRVT 1:N; ISO/IEC 19795-1, false negative identification rate.
    """
    pair = None if group is None else (group, group)
    everything = tally.pick(mated=True, grouping=grouping, groups=pair)
    hits = tally.pick(mated=True, grouping=grouping, groups=pair, parts=_classes_within(tally, rank))
    first = -1 if threshold is None else tally.edge(threshold)
    hit, hit_touching = hits.at_or_above(first), hits.touching[:, first + 1 : -1].sum(axis=1)
    n_touching = everything.touching.sum(axis=1)
    return rate_of(
        everything.trials - hit,
        everything.trials,
        n_touching - hit_touching,
        n_touching,
        people_of(tally, grouping, pair, mated=True),
        what="mated searches",
    )


def tpir(
    tally: Tally, threshold: float | None, *, rank: int, grouping: Sequence[str] = (), group: str | None = None
) -> Estimate:
    """Share of mated searches whose mate is within the top `rank` and at or above `threshold`.

    TPIR(N, R, T) = 1 - FNIR(N, R, T), also called detection and identification rate. Parameters and errors as in
    `fnir`.

    Source: ISO/IEC 19795-1, true positive identification rate.
    """
    return complement(fnir(tally, threshold, rank=rank, grouping=grouping, group=group))


def complement(estimate: Estimate) -> Estimate:
    """The share of all the other trials: (n - k) / n, with the interval turned over."""
    if estimate.value is None:
        return estimate
    low, high = (None if end is None else 1 - end for end in (estimate.high, estimate.low))
    hits = estimate.n - estimate.k
    return replace(estimate, value=hits / estimate.n, low=low, high=high, k=hits)


def fta(tally: Tally, *, grouping: Sequence[str] = (), group: Pair | None = None) -> Estimate:
    """Share of trials without a score, mated and non-mated together.

    FTA = trials with a failed template / trials. In 1:N a mated search also has no score where every template of the
    mate failed to enrol.

    Source: bob.measure, failure to acquire: scores that are NaN / scores.
    """
    sides = [tally.pick(mated=mated, grouping=grouping, groups=group) for mated in (False, True)]
    both = Histogram(sides[0].bins + sides[1].bins, sides[0].touching + sides[1].touching)
    return rate_of(
        both.unscored,
        both.trials,
        both.touching[:, -1],
        both.touching.sum(axis=1),
        people_of(tally, grouping, group, mated=not sides[0].trials),
        what="trials",
    )


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


def rank_hits(tally: Tally, rank: int, *, grouping: Sequence[str] = (), group: str | None = None) -> tuple[int, int]:
    """Mated searches with the mate within the top `rank`, and all mated searches: CMC(rank) as a fraction."""
    miss = fnir(tally, None, rank=rank, grouping=grouping, group=group)
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
    tally: Tally,
    *,
    grouping: Sequence[str] = (),
    group: Pair | None = None,
    failed: Failed = "reject",
    parts: Sequence[int] | None = None,
) -> Det:
    """The trade-off of false matches and false non-matches (1:1), or of false positives and misses (1:N)."""
    nonmated = tally.pick(mated=False, grouping=grouping, groups=group)
    mated = tally.pick(mated=True, grouping=grouping, groups=group)
    hits = mated if parts is None else tally.pick(mated=True, grouping=grouping, groups=group, parts=parts)
    out_nonmated, out_mated = (nonmated.unscored, mated.unscored) if failed == "exclude" else (0, 0)
    accepted = hits.tail() + (mated.unscored if failed == "accept" else 0)
    return Det(
        tally.plan.axis,
        nonmated.tail() + (nonmated.unscored if failed == "accept" else 0),
        mated.trials - out_mated - accepted,
        nonmated.trials - out_nonmated,
        mated.trials - out_mated,
    )


@dataclass(frozen=True)
class People:
    """Subjects behind a rate, trials of theirs that share none, and blocks that hold them."""

    n: int
    n_independent: int
    n_occupied: int


def errors(bins: NDArray[np.uint64], edge: int, *, errors_below: bool, failed: Failed) -> NDArray[np.int64]:
    """Errors at edge number `edge` over the last axis of bins, under the policy for failed templates."""
    wrong = bins[..., : edge + 1] if errors_below else bins[..., edge + 1 : -1]
    wrong_failed = bins[..., -1] * np.uint64(failed == ("reject" if errors_below else "accept"))
    total: NDArray[np.int64] = (wrong.sum(axis=-1) + wrong_failed).astype(np.int64)
    return total


def check_policy(failed: str) -> None:
    """Raises InputError unless `failed` is one of the policies for failed templates."""
    if failed not in FAILED_POLICIES:
        raise InputError(f"policy for failed templates is '{failed}', expected one of: {', '.join(FAILED_POLICIES)}")


def trials(bins: NDArray[np.uint64], *, failed: Failed) -> NDArray[np.int64]:
    """Trials over the last axis of bins, under the policy for failed templates."""
    kept = bins[..., :-1] if failed == "exclude" else bins
    total: NDArray[np.int64] = kept.sum(axis=-1).astype(np.int64)
    return total


def _share(
    histogram: Histogram, edge: int, *, errors_below: bool, failed: Failed, people: People | None, what: str
) -> Estimate:
    check_policy(failed)
    k = int(errors(histogram.bins, edge, errors_below=errors_below, failed=failed))
    n = int(trials(histogram.bins, failed=failed))
    if n and people is not None and k in (0, n) and failed == "exclude" and histogram.unscored:
        reason = "interval not estimable: no bound at the end of the range where failed templates are excluded"
        return Estimate(k / n, None, None, k, n, reason=reason)
    return rate_of(
        k,
        n,
        errors(histogram.touching, edge, errors_below=errors_below, failed=failed),
        trials(histogram.touching, failed=failed),
        people,
        what=what,
    )


def rate_of(
    k: int, n: int, k_touching: NDArray[Any], n_touching: NDArray[Any], people: People | None, *, what: str
) -> Estimate:
    """k / n with its interval; without one if nobody knows the people."""
    if n and people is None:
        return Estimate(k / n, None, None, k, n, reason=UNKNOWN_PEOPLE)
    people = people or People(0, 0, 0)
    return rate(
        k,
        n,
        k_touching,
        n_touching,
        n_subjects=people.n,
        n_independent=people.n_independent,
        n_occupied=people.n_occupied,
        what=what,
    )


def _classes_within(tally: Tally, rank: int) -> range:
    ranks = list(tally.plan.details["ranks"])
    if rank not in ranks:
        raise InputError(f"rank {rank} was not counted, only {', '.join(map(str, ranks))}; add it with --ranks")
    return range(ranks.index(rank) + 1)


def knows_people(tally: Tally) -> bool:
    """Whether the tally knows who took part; a list of pairs without labels does not."""
    return bool(tally.plan.details.get("subjects_known", True))


def occupied(tally: Tally, grouping: Sequence[str], name: str | None) -> int:
    """Blocks with subjects of a group, or of any for None, that take part in non-mated trials."""
    return int((_members(tally, grouping, name) > 0).sum())


def n_members(tally: Tally, grouping: Sequence[str], name: str | None) -> int:
    """Subjects of a group, or all for None, that take part in non-mated trials."""
    return int(_members(tally, grouping, name).sum())


def people_of(tally: Tally, grouping: Sequence[str], group: Pair | None, *, mated: bool) -> People | None:
    """The people behind the mated or the non-mated trials of a group; None if the tally does not know them."""
    if not knows_people(tally):
        return None
    if mated:
        # Only subjects with a trial between just these groups count.
        blocks = tally.plan.subjects_of(grouping, lambda a, b: group is None or {a, b} == set(group), mated=True)
        n = int(blocks.sum())
        return People(n, n, int((blocks > 0).sum()))
    names: list[str | None] = [None] if group is None else list(group)
    everybody = tally.plan.subjects_of(grouping, lambda a, _: group is None or a in group, mated=False)
    n = int(everybody.sum())
    fewest = min(occupied(tally, grouping, name) for name in names)
    if tally.plan.kind == "identify":
        return People(n, n, fewest)
    if tally.plan.kind == "pairs":
        return People(n, _listed_independent(tally, grouping, group), fewest)
    # Everybody is compared with everybody: a side may have fewer people, and two sides may share some.
    members = (n_members(tally, grouping, name) for name in names)
    return People(n, min(n // 2, *members), fewest)


def _members(tally: Tally, grouping: Sequence[str], name: str | None) -> NDArray[np.int64]:
    return tally.plan.subjects_of(grouping, lambda a, _: name is None or a == name, mated=False)


def _listed_independent(tally: Tally, grouping: Sequence[str], group: Pair | None) -> int:
    """Listed non-mated comparisons that share no subject: of the cell of `group` that has most of them."""
    plan = tally.plan
    if group is None:
        return int(plan.details["independent_nonmated"])
    names = plan.group_names(grouping)
    return max(
        (
            n
            for cell, n in zip(plan.cells, plan.details["independent"], strict=True)
            if not cell.mated and {names[cell.group_a], names[cell.group_b]} == set(group)
        ),
        default=0,
    )
