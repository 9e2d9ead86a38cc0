"""Shows how far error rates move with what is done about failed templates, side by side.

One tally holds all it takes: trials without a score are counted beside those with one.
"""

from __future__ import annotations

from dataclasses import dataclass

from frbench.plan import EVERYBODY, Group
from frbench.reading.rate import classes_within
from frbench.tally import Tally

MEANING = {
    "reject": "rejected, as in a positive claim: false non-matches, never false matches",
    "exclude": "left out: rates of completed trials alone",
    "accept": "accepted, as in a negative claim: false matches, never false non-matches",
    "bob": "FAR = FMR (1 - FTA) and FRR = FTA + FNMR (1 - FTA), of completed trials and of all failures together",
}


@dataclass(frozen=True)
class Share:
    """k of n, and the rate that they give; None with a reason without trials.

    Under bob's formula k and n are of completed trials, and the rate is not their quotient.
    """

    value: float | None
    k: int
    n: int
    reason: str = ""


@dataclass(frozen=True)
class Policy:
    """Both error rates of one tally at one threshold under one policy: FMR and FNMR, or FPIR and FNIR."""

    name: str
    meaning: str
    false_positive: Share
    false_negative: Share


@dataclass(frozen=True)
class Accounting:
    """Error rates under every policy, and the failures that make them differ.

    nonmated_failures, mated_failures : trials with a failed template, of all declared ones.
    fta : those of both kinds together, as bob's failure-to-acquire rate has it.
    """

    threshold: float
    nonmated_failures: Share
    mated_failures: Share
    fta: Share
    policies: tuple[Policy, ...]


def accounting(tally: Tally, threshold: float, *, rank: int | None = None, group: Group = EVERYBODY) -> Accounting:
    """Error rates at `threshold` if failed templates are rejected, left out, accepted, and by bob's formula.

    Parameters
    ----------
    rank : of misses in 1:N: the mate outside the top `rank` or below the threshold; None in 1:1.

    Raises
    ------
    EdgeNotInPlan : the threshold is not an edge of the tally. InputError : the tally was not counted at this rank.

    Source: reject and accept: R package NistBiom, scores of -Inf and +Inf; bob: bob.measure, FAR and FRR from FMR, FNMR
    and FTA.
    """
    edge = tally.edge(threshold)
    nonmated, mated = (tally.pick(mated=m, group=group) for m in (False, True))
    hits = mated if rank is None else tally.pick(mated=True, group=group, parts=classes_within(tally, rank))
    accepted, missed = nonmated.at_or_above(edge), mated.trials - mated.unscored - hits.at_or_above(edge)
    trials = "comparisons" if rank is None else "searches"
    what = f"non-mated {trials}", f"mated {trials}"
    fta = _share(nonmated.unscored + mated.unscored, nonmated.trials + mated.trials, trials)
    completed = tuple(
        _share(k, of.trials - of.unscored, f"completed {words}")
        for k, of, words in zip((accepted, missed), (nonmated, mated), what, strict=True)
    )
    shares = {
        "reject": (_share(accepted, nonmated.trials, what[0]), _share(missed + mated.unscored, mated.trials, what[1])),
        "exclude": completed,
        "accept": (
            _share(accepted + nonmated.unscored, nonmated.trials, what[0]),
            _share(missed, mated.trials, what[1]),
        ),
        "bob": (_thinned(completed[0], fta, 0.0), _thinned(completed[1], fta, 1.0)),
    }
    return Accounting(
        threshold,
        _share(nonmated.unscored, nonmated.trials, what[0]),
        _share(mated.unscored, mated.trials, what[1]),
        fta,
        tuple(Policy(name, MEANING[name], *rates) for name, rates in shares.items()),
    )


def _share(k: int, n: int, what: str) -> Share:
    return Share(k / n, k, n) if n else Share(None, k, n, f"0 {what}")


def _thinned(completed: Share, fta: Share, failures_count: float) -> Share:
    """A rate of completed trials among all of which a share of `fta` failed, and counts as so many errors each."""
    if completed.value is None or fta.value is None:
        return completed
    value = failures_count * fta.value + completed.value * (1 - fta.value)
    return Share(value, completed.k, completed.n)
