"""Reduces a whole trade-off of false matches and false non-matches to EER, AUC, and its convex hull.

All are read from bins. A tally cannot see the order of scores inside a bin: thresholds are edges, trials of one bin
are ties, and what another order could have made of it is given beside the value as exact bounds.

Trials with a failed template stand below every score under the policy `reject`, above every score under `accept`, and
are left out under `exclude`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np
from scipy import optimize

from frbench.choices import Failed
from frbench.inputs.arrays import Ints
from frbench.plan import EVERYBODY, Group
from frbench.reading.jackknife import LOGIT, Measure, Scale, Statistic, interval
from frbench.reading.people import UNKNOWN_PEOPLE, people_of
from frbench.reading.rate import check_policy, trials
from frbench.tally import Counts, Tally

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Eer(Statistic):
    """Equal error rate, in each of its usual senses. A summary for research: nobody operates there.

    value : (FMR(T) + FNMR(T)) / 2 at `threshold`, as bob.measure has it.
    threshold : the edge with the least |FMR - FNMR|, the highest of several.
    false_matches, n_nonmated, false_nonmatches, n_mated : both rates at `threshold`.
    bounds : where `value` and the middle of `fvc` would lie at any other edges.
    fvc : FVC2000's interval around the crossing, whose middle is what pyeer reports.
    rocch : where the convex hull of the ROC has equal errors.
    """

    threshold: float | None = None
    false_matches: int = 0
    n_nonmated: int = 0
    false_nonmatches: int = 0
    n_mated: int = 0
    bounds: Range | None = None
    fvc: Range | None = None
    rocch: float | None = None


@dataclass(frozen=True, kw_only=True)
class Auc(Statistic):
    """Area under the ROC: the chance that a mated comparison scores above a non-mated one, ties counted one half.

    value : (wins + ties / 2) / n.
    wins, ties, n : pairs of one mated and one non-mated comparison, as bins show them.
    bounds : the area if every tie inside a bin were a loss, and if it were a win.
    """

    wins: int = 0
    ties: int = 0
    n: int = 0
    bounds: Range | None = None


def eer(tally: Tally, *, group: Group = EVERYBODY, failed: Failed = "reject") -> Eer:
    """The equal error rate, with its threshold, both rates and both counts.

    bob: T is the edge with the least |FMR - FNMR|, the highest of several, and EER = (FMR(T) + FNMR(T)) / 2.
    FVC: with t1 the last edge where FNMR <= FMR and t2 the first where FNMR >= FMR, the interval
    [FNMR(t1), FMR(t1)] or [FMR(t2), FNMR(t2)], of which the two rates have the smaller sum. ROCCH: the convex hull of
    all operating points, crossed with FMR = FNMR. The interval is of bob's, parameters are those of `metrics.fmr`.

    Source: bob.measure, eer_threshold; Maio et al. (2002), FVC2000, IEEE TPAMI 24(3); Brummer & de Villiers (2013),
    BOSARIS toolkit, for the hull.
    """
    if not tally.plan.edges:
        return Eer(value=None, reason="the tally has no edges, and so no threshold")
    found = statistic(tally, partial(_eer_of, failed=failed), group=group, failed=failed, scale=LOGIT)
    if found.value is None:
        return Eer(**vars(found))
    nonmated, mated = (ordered(tally.pick(mated=kind, group=group).bins, failed) for kind in (False, True))
    points = Points.of(nonmated, mated)
    at = points.equal(_edges(points, failed))
    last, first = points.around()
    return Eer(
        **vars(found),
        threshold=float(tally.plan.axis[at - _edges(points, failed).start]),
        false_matches=int(points.false_matches[at]),
        n_nonmated=points.n_nonmated,
        false_nonmatches=int(points.false_nonmatches[at]),
        n_mated=points.n_mated,
        bounds=(points.middle(first, last), points.middle(last, first)),
        fvc=_fvc(points, last, first),
        rocch=rocch_eer(nonmated, mated),
    )


def auc(tally: Tally, *, group: Group = EVERYBODY, failed: Failed = "reject") -> Auc:
    """The area under the ROC, with the bounds that binning leaves.

    AUC = P(mated > non-mated) + P(tie) / 2 over all pairs of a mated and a non-mated comparison. Comparisons of one
    bin tie. Parameters as in `metrics.fmr`.

    Source: Mann & Whitney (1947); Hanley & McNeil (1982), Radiology 143.
    """
    found = statistic(tally, partial(_auc_of, failed=failed), group=group, failed=failed, scale=LOGIT)
    if found.value is None:
        return Auc(**vars(found))
    sides = [tally.pick(mated=kind, group=group) for kind in (False, True)]
    nonmated, mated = (ordered(side.bins, failed) for side in sides)
    wins, ties, n = wins_and_ties(nonmated, mated)
    # Failed trials tie with one another whatever the bins are.
    loose = ties - (0 if failed == "exclude" else sides[0].unscored * sides[1].unscored)
    fixed = Fraction(2 * wins + ties - loose, 2 * n)
    return Auc(**vars(found), wins=wins, ties=ties, n=n, bounds=(float(fixed), float(fixed + Fraction(loose, n))))


@dataclass(frozen=True, eq=False)
class Points:
    """Operating points of ordered bins: point i accepts bin i and all above it, the last one accepts nothing.

    false_matches, false_nonmatches : (bins + 1,) counts.
    """

    false_matches: Ints
    false_nonmatches: Ints
    n_nonmated: int
    n_mated: int

    @classmethod
    def of(cls, nonmated: Ints, mated: Ints) -> Points:
        """The points of ordered bins."""
        below = [np.concatenate([[0], side.cumsum()]) for side in (nonmated, mated)]
        return cls(below[0][-1] - below[0], below[1], int(below[0][-1]), int(below[1][-1]))

    def fmr(self, i: int) -> float:
        """FMR at point i."""
        return int(self.false_matches[i]) / self.n_nonmated

    def fnmr(self, i: int) -> float:
        """FNMR at point i."""
        return int(self.false_nonmatches[i]) / self.n_mated

    def mean(self, i: int) -> float:
        """(FMR + FNMR) / 2 at point i."""
        return self.middle(i, i)

    def middle(self, i: int, j: int) -> float:
        """(FMR at point i + FNMR at point j) / 2, rounded once."""
        k = int(self.false_matches[i]) * self.n_mated + int(self.false_nonmatches[j]) * self.n_nonmated
        return k / (2 * self.n_nonmated * self.n_mated)

    def equal(self, among: range) -> int:
        """The point with the least |FMR - FNMR| `among` those allowed, the last of several."""
        gaps = self._gaps()
        return min(reversed(among), key=lambda i: abs(gaps[i]))

    def around(self) -> tuple[int, int]:
        """The last point with FNMR <= FMR and the first with FNMR >= FMR."""
        gaps = self._gaps()
        return max(i for i, gap in enumerate(gaps) if gap >= 0), min(i for i, gap in enumerate(gaps) if gap <= 0)

    def _gaps(self) -> list[int]:
        """FMR - FNMR in units of 1 / (n_nonmated n_mated), exact."""
        sides = zip(self.false_matches.tolist(), self.false_nonmatches.tolist(), strict=True)
        return [wrong * self.n_mated - missed * self.n_nonmated for wrong, missed in sides]


def ordered(bins: Counts, failed: Failed) -> Ints:
    """Trials in order of score, those without one where the policy puts them: below, above or nowhere."""
    scored, unscored = bins[:-1].astype(np.int64), bins[-1:].astype(np.int64)
    if failed == "exclude":
        return scored
    return np.concatenate([unscored, scored] if failed == "reject" else [scored, unscored])


def wins_and_ties(nonmated: Ints, mated: Ints) -> tuple[int, int, int]:
    """Pairs of ordered trials in which the mated one is in a higher bin, in the same one, and all pairs."""
    below = np.concatenate([[0], nonmated.cumsum()[:-1]])
    wins = sum(a * b for a, b in zip(below.tolist(), mated.tolist(), strict=True))
    ties = sum(a * b for a, b in zip(nonmated.tolist(), mated.tolist(), strict=True))
    return wins, ties, int(nonmated.sum()) * int(mated.sum())


def pooled(nonmated: Ints, mated: Ints) -> tuple[Ints, Ints]:
    """Ordered trials in the blocks that pooling adjacent violators leaves, in which the share of mated ones rises.

    The ends of the blocks are the corners of the convex hull of the ROC.

    Source: Ayer et al. (1955); Fawcett & Niculescu-Mizil (2007), Machine Learning 68.
    """
    occupied = np.flatnonzero(nonmated + mated)
    trials = (nonmated + mated)[occupied].astype(np.float64)
    starts = optimize.isotonic_regression(mated[occupied] / trials, weights=trials).blocks[:-1]
    return np.add.reduceat(nonmated[occupied], starts), np.add.reduceat(mated[occupied], starts)


def rocch_eer(nonmated: Ints, mated: Ints) -> float:
    """Where the convex hull of the ROC of ordered trials has FMR = FNMR.

    Source: Brummer & de Villiers (2013), BOSARIS toolkit, rocch2eer.
    """
    hull = Points.of(*pooled(nonmated, mated))
    last, first = hull.around()
    if last >= first:
        return hull.fmr(first)
    above, below = hull.fmr(last) - hull.fnmr(last), hull.fnmr(first) - hull.fmr(first)
    return hull.fmr(last) + above / (above + below) * (hull.fmr(first) - hull.fmr(last))


def _fvc(points: Points, last: int, first: int) -> Range:
    if points.mean(last) <= points.mean(first):
        return points.fnmr(last), points.fmr(last)
    return points.fmr(first), points.fnmr(first)


def _edges(points: Points, failed: Failed) -> range:
    """The points that are edges of the axis: not the one that accepts all scores, and not the one that accepts none."""
    ends = {"reject": (2, 1), "exclude": (1, 1), "accept": (1, 2)}[failed]
    return range(ends[0], len(points.false_matches) - ends[1])


def _eer_of(nonmated: Counts, mated: Counts, *, failed: Failed) -> float:
    points = Points.of(ordered(nonmated, failed), ordered(mated, failed))
    return points.mean(points.equal(_edges(points, failed))) if points.n_nonmated and points.n_mated else math.nan


def _auc_of(nonmated: Counts, mated: Counts, *, failed: Failed) -> float:
    wins, ties, n = wins_and_ties(ordered(nonmated, failed), ordered(mated, failed))
    return (2 * wins + ties) / (2 * n) if n else math.nan


def statistic(tally: Tally, measure: Measure, *, group: Group, failed: Failed, scale: Scale) -> Statistic:
    """`measure(non-mated bins, mated bins)` with its interval; undefined without trials of both kinds.

    Source: Efron & Stein (1981), delete-a-block jackknife over subjects.
    """
    check_policy(failed)
    nonmated, mated = (tally.pick(mated=kind, group=group) for kind in (False, True))
    for side, kind in ((nonmated, "non-mated"), (mated, "mated")):
        if not trials(side.bins, failed=failed):
            return Statistic(value=None, reason=f"0 {kind} trials")
    people = [people_of(tally, group, mated=kind) for kind in (False, True)]
    known = [each.n_occupied for each in people if each is not None]
    if len(known) < len(people):
        return Statistic(value=measure(nonmated.bins, mated.bins), reason=UNKNOWN_PEOPLE)
    return interval(measure, nonmated, mated, scale=scale, n_occupied=min(known))
