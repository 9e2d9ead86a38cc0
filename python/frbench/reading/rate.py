"""Names an error rate, and reads it from the tally of any group: FMR, FNMR, FPIR or FNIR, at a threshold and a rank.

A trial is accepted when `score >= threshold`. `failed` says what becomes of comparisons with a failed template:

- `reject` (default): they are rejected, as in a positive claim: false non-matches, never false matches;
- `exclude`: they leave the denominators, as in the plain rates over completed comparisons;
- `accept`: they are accepted, as in a negative claim (de-duplication): false matches, never false non-matches.

In 1:N a failed template is always a miss and never a candidate (convention K6).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from frbench.choices import FAILED_POLICIES, Failed
from frbench.errors import InputError
from frbench.estimate import Estimate, rate
from frbench.inputs.arrays import Ints
from frbench.plan import EVERYBODY, Group, Kind
from frbench.reading.people import UNKNOWN_PEOPLE, People, people_of
from frbench.tally import Histogram, Tally

Metric = Literal["fmr", "fnmr", "fpir", "fnir"]

METRICS: tuple[Metric, ...] = get_args(Metric)
ERRORS = {"fmr": "false matches", "fnmr": "false non-matches", "fpir": "false positives", "fnir": "misses"}
TRIALS = {
    "fmr": "non-mated comparisons",
    "fnmr": "mated comparisons",
    "fpir": "non-mated searches",
    "fnir": "mated searches",
}
MATED = {"fnmr", "fnir"}
NO_BOUND = "interval not estimable: no bound at the end of the range where failed templates are excluded"


@dataclass(frozen=True)
class Rate:
    """One of the four error rates.

    Parameters
    ----------
    threshold : an edge of the tally that it is read from; None, for FNIR alone, is no threshold.
    rank : of FNIR, None is 1: a mate further down is a miss.
    failed : policy for failed templates, in 1:1.
    """

    metric: Metric
    threshold: float | None = None
    rank: int | None = None
    failed: Failed = "reject"

    @property
    def is_mated(self) -> bool:
        """Whether it is about mated trials."""
        return self.metric in MATED

    @property
    def name(self) -> str:
        """Its name in a heading."""
        return self.metric.upper() + (f", rank {self.rank}" if self.rank else "")

    @property
    def key(self) -> dict[str, Any]:
        """Metric, threshold and rank, as a row of `results.json` has them."""
        return {"metric": self.metric, "threshold": self.threshold, "rank": self.rank}

    def at(self, threshold: float | None) -> Rate:
        """The same rate at another threshold."""
        return replace(self, threshold=threshold)

    def of(self, tally: Tally, group: Group = EVERYBODY) -> Estimate:
        """The rate of a group, with its interval; errors as in `trials`."""
        return self.trials(tally, group).estimate

    def trials(self, tally: Tally, group: Group = EVERYBODY) -> Trials:
        """The trials of a group that the rate is a share of, at its threshold.

        Raises
        ------
        EdgeNotInPlan : the threshold is not an edge of the tally; the message names the two nearest.
        InputError : a rank that was not counted, a threshold that is missing, or no such policy.
        """
        if self.threshold is None and self.metric != "fnir":
            raise InputError(f"{self.metric.upper()} needs a threshold")
        check_policy(self.failed)
        everything = tally.pick(mated=self.is_mated, group=group)
        hits = everything
        if self.metric == "fnir":
            within = classes_within(tally, 1 if self.rank is None else self.rank)
            hits = tally.pick(mated=True, group=group, parts=within)
        failed: Failed = self.failed if self.metric in ("fmr", "fnmr") else "reject"
        edge = -1 if self.threshold is None else tally.edge(self.threshold)
        people = people_of(tally, group, mated=self.is_mated)
        return Trials(everything, hits, self.is_mated, failed, edge, people, TRIALS[self.metric])


def both_rates(
    kind: Kind, threshold: float | None = None, *, rank: int | None = None, failed: Failed = "reject"
) -> tuple[Rate, Rate]:
    """The rates of false accepts and of false rejects of a kind of run: FMR and FNMR, or FPIR and FNIR at a rank."""
    if kind == "identify":
        return Rate("fpir", threshold), Rate("fnir", threshold, rank)
    return Rate("fmr", threshold, failed=failed), Rate("fnmr", threshold, failed=failed)


@dataclass(frozen=True, eq=False)
class Trials:
    """Trials of one group, and how many of them are errors at one edge.

    Parameters
    ----------
    everything, hits : all trials, and those that can be accepted: all of them too in 1:1, those within a rank in 1:N.
    are_mated : errors are the trials that are not accepted.
    edge : number of the edge; -1 is no threshold.
    people : None if nobody knows them.
    what : what is counted, for the reason when there is none.
    """

    everything: Histogram
    hits: Histogram
    are_mated: bool
    failed: Failed
    edge: int
    people: People | None
    what: str

    def at(self, edge: int) -> Trials:
        """The same trials at the edge of this number."""
        return replace(self, edge=edge)

    @cached_property
    def n(self) -> int:
        """Trials."""
        return int(trials(self.everything.bins, failed=self.failed))

    @cached_property
    def n_touching(self) -> Ints:
        """(n_blocks,) trials in which subjects of each block took part."""
        return trials(self.everything.touching, failed=self.failed)

    @cached_property
    def k(self) -> int:
        """Errors."""
        k = int(accepted(self.hits.bins, self.edge, failed=self.failed))
        return self.n - k if self.are_mated else k

    @cached_property
    def k_touching(self) -> Ints:
        """(n_blocks,) errors in which subjects of each block took part."""
        k = accepted(self.hits.touching, self.edge, failed=self.failed)
        return self.n_touching - k if self.are_mated else k

    @property
    def estimate(self) -> Estimate:
        """The share of errors, with its interval."""
        k, n = self.k, self.n
        if n and self.people is not None and k in (0, n) and self.failed == "exclude" and self.everything.unscored:
            return Estimate(k / n, None, None, k, n, reason=NO_BOUND)
        return rate_of(k, n, self.k_touching, self.n_touching, self.people, what=self.what)


def accepted(bins: NDArray[np.uint64], edge: int, *, failed: Failed) -> Ints:
    """Trials at or above edge number `edge` over the last axis of bins, and failed ones if they are accepted."""
    unscored = bins[..., -1] * np.uint64(failed == "accept")
    return np.asarray(bins[..., edge + 1 : -1].sum(axis=-1) + unscored, dtype=np.int64)


def trials(bins: NDArray[np.uint64], *, failed: Failed) -> Ints:
    """Trials over the last axis of bins, under the policy for failed templates."""
    kept = bins[..., :-1] if failed == "exclude" else bins
    return np.asarray(kept.sum(axis=-1), dtype=np.int64)


def check_policy(failed: str) -> None:
    """Raises InputError unless `failed` is one of the policies for failed templates."""
    if failed not in FAILED_POLICIES:
        raise InputError(f"policy for failed templates is '{failed}', expected one of: {', '.join(FAILED_POLICIES)}")


def classes_within(tally: Tally, rank: int) -> range:
    """Parts of a 1:N tally that hold the mates within `rank`.

    Raises
    ------
    InputError : the tally was not counted at this rank; the message lists those that it was.
    """
    ranks = list(tally.plan.details.get("ranks", ()))
    if rank not in ranks:
        known = ", ".join(map(str, ranks)) or "none"
        raise InputError(f"rank {rank} was not counted, only {known}; add it with --ranks")
    return range(ranks.index(rank) + 1)


def rate_of(
    k: int, n: int, k_touching: NDArray[Any], n_touching: NDArray[Any], people: People | None, *, what: str
) -> Estimate:
    """k / n with its interval; without one if nobody knows the people."""
    if n and people is None:
        return Estimate(k / n, None, None, k, n, reason=UNKNOWN_PEOPLE)
    people = people or People(0, 0, 0)
    who = {"n_subjects": people.n, "n_independent": people.n_independent, "n_occupied": people.n_occupied}
    return rate(k, n, k_touching, n_touching, what=what, **who)
