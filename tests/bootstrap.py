"""Bootstrap: the doubt of a rate from its pairs of people, without blocks; the independent check of `estimate`.

It needs what a tally does not keep: for every two people, their trials and errors. The variance by identity is a closed
form; the two bootstraps draw people anew and need a generator of random numbers. They count what belongs to a pair
of people alone three times: where errors are rare, they are too wide by up to a factor of sqrt(3).

Source: Fogliato, Patil & Perona (2024), Confidence intervals for error rates in 1:1 matching tasks, IJCV (arXiv
2306.01198), for the variance by identity, double-or-nothing and the vertex bootstrap; Owen & Eckles (2012) for
double-or-nothing weights; Snijders & Borgatti (1999) for the vertex bootstrap.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from frbench.errors import InputError
from frbench.estimate import LEVEL

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_ENUMERATED = 20
DRAWS_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class PairErrors:
    """Errors of trials between people.

    a, b : (pairs,) numbers of the two people, from 0 to n_subjects - 1, each two people once; the same number twice for
    mated trials. errors, trials : (pairs,) of these two.
    """

    a: Ints
    b: Ints
    errors: Ints
    trials: Ints
    n_subjects: int

    @classmethod
    def of(cls, subject_a: ArrayLike, subject_b: ArrayLike, error: ArrayLike) -> PairErrors:
        """Errors from a list of trials: who is on either side, in either order, and whether it is an error.

        Raises
        ------
        InputError : no trials, or columns of different length.
        """
        first, second, wrong = np.asarray(subject_a), np.asarray(subject_b), np.asarray(error, dtype=np.int64)
        if not len(first) or not len(first) == len(second) == len(wrong):
            lengths = f"{len(first)}, {len(second)} and {len(wrong)}"
            raise InputError(f"columns of trials have {lengths} rows, expected the same number, at least 1")
        names, number = np.unique(np.concatenate([first, second]), return_inverse=True)
        sides = np.sort(number.reshape(2, -1), axis=0)
        pairs, place = np.unique(sides, axis=1, return_inverse=True)
        return cls(
            a=pairs[0].astype(np.int64),
            b=pairs[1].astype(np.int64),
            errors=np.bincount(place.ravel(), weights=wrong).astype(np.int64),
            trials=np.bincount(place.ravel()).astype(np.int64),
            n_subjects=len(names),
        )

    @cached_property
    def rate(self) -> float:
        """Errors over trials."""
        return float(self.errors.sum() / self.trials.sum())

    @cached_property
    def beyond(self) -> Floats:
        """(pairs,) errors beyond those that the rate makes expected."""
        return self.errors - self.rate * self.trials


def identity_variance(pairs: PairErrors) -> float:
    """Variance of a rate from what each person adds to it, never below that of independent trials.

    With d the errors of two people beyond the expected: for mated trials sum d_i^2 / n^2; for trials of two people
    (V + max(S - 2 V, 0)) / n^2, with V = sum d_ij^2 over pairs and S = sum over people of (sum_j d_ij)^2, that is
    the published (2 V + 4 max(C, 0)) / n^2 over ordered pairs.

    Raises
    ------
    InputError : mated and non-mated trials together.
    """
    mated = pairs.a == pairs.b
    if mated.any() and not mated.all():
        raise InputError("mated and non-mated trials are two rates, expected one of them")
    n, rate = float(pairs.trials.sum()), pairs.rate
    own = float((pairs.beyond**2).sum())
    if mated.all():
        return max(own / n**2, 0.0)
    people = np.bincount(pairs.a, pairs.beyond, pairs.n_subjects) + np.bincount(pairs.b, pairs.beyond, pairs.n_subjects)
    shared = max(float((people**2).sum()) - 2 * own, 0.0)
    return max((own + shared) / n**2, rate * (1 - rate) / n)


def double_or_nothing(pairs: PairErrors, *, draws: int, random: np.random.Generator) -> Floats:
    """Rates of samples in which each person counts twice or not at all; those without trials are left out.

    A trial of two people has the product of their weights, a mated trial the weight of its person.
    """
    parts = [
        _reweighted(pairs, 2 * random.integers(0, 2, (min(DRAWS_AT_ONCE, draws - start), pairs.n_subjects)))
        for start in range(0, draws, DRAWS_AT_ONCE)
    ]
    return np.concatenate(parts)


def double_or_nothing_exact(pairs: PairErrors) -> Floats:
    """The rates of all weightings that leave trials, each equally likely.

    Raises
    ------
    InputError : more than 20 people.
    """
    if pairs.n_subjects > MAX_ENUMERATED:
        raise InputError(f"{pairs.n_subjects} people have too many weightings, expected at most {MAX_ENUMERATED}")
    bits = np.arange(2**pairs.n_subjects)[:, None] >> np.arange(pairs.n_subjects) & 1
    return _reweighted(pairs, 2 * bits)


def vertex(pairs: PairErrors, *, draws: int, random: np.random.Generator) -> Floats:
    """Rates of samples of as many people, drawn with replacement.

    A trial of people drawn r and s times counts r s times, a mated one r times. Two copies of one person have no
    trial of two people: each such pair counts as an average pair.
    """
    n = pairs.n_subjects
    found = []
    for start in range(0, draws, DRAWS_AT_ONCE):
        drawn = random.multinomial(n, np.full(n, 1 / n), size=min(DRAWS_AT_ONCE, draws - start))
        copies = (drawn * (drawn - 1)).sum(axis=1) / 2 * float(pairs.a[0] != pairs.b[0])
        found.append(_reweighted(pairs, drawn, copies))
    return np.concatenate(found)


def percentiles(rates: Floats, level: float = LEVEL) -> tuple[float, float]:
    """The middle `level` of bootstrapped rates.

    Raises
    ------
    InputError : no rates.
    """
    if not len(rates):
        raise InputError("no bootstrapped rates, every sample was without trials; draw more")
    low, high = np.quantile(rates, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _reweighted(pairs: PairErrors, weight: Ints, copies: Floats | float = 0.0) -> Floats:
    """Rates under (draws, people) weights and numbers of average pairs; draws without trials are left out."""
    both = np.where(pairs.a == pairs.b, weight[:, pairs.a], weight[:, pairs.a] * weight[:, pairs.b])
    errors = both @ pairs.errors + copies * pairs.errors.mean()
    trials = both @ pairs.trials + copies * pairs.trials.mean()
    rates: Floats = errors[trials > 0] / trials[trials > 0]
    return rates
