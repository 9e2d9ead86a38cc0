"""Computes the least that scores could cost when they are taken as log-likelihood ratios.

Natural logarithms; the cost is in bits, 1 for a system that always says LLR = 0. Trials without a score have no LLR
and are left out.

Source: Brummer & du Preez (2006), Computer Speech and Language 20; Brummer & de Villiers (2013), BOSARIS toolkit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from frbench.inputs.arrays import Ints
from frbench.plan import EVERYBODY, Group
from frbench.reading.curves import Range, ordered, pooled, statistic
from frbench.reading.jackknife import LOG, Statistic
from frbench.tally import Counts, Tally


@dataclass(frozen=True, kw_only=True)
class MinCllr(Statistic):
    """The least cost of any calibration that keeps the order of bins.

    bounds : the least cost for scores themselves, whatever their order inside bins; its upper end is `value`.
    n_nonmated, n_mated : scored trials.
    """

    bounds: Range | None = None
    n_nonmated: int = 0
    n_mated: int = 0


def min_cllr(tally: Tally, *, group: Group = EVERYBODY) -> MinCllr:
    """The cost after the best calibration that keeps the order: pooling adjacent violators.

    Tie rule: scores of one bin get one LLR. No trials are added at the ends, so separated scores cost 0. The lower
    bound takes every bin as separated inside.

    Source: Brummer & du Preez (2006), min Cllr; Ayer et al. (1955), pooling adjacent violators.
    """
    found = statistic(tally, _min_cllr_of, group=group, failed="exclude", scale=LOG)
    if found.value is None:
        return MinCllr(**vars(found))
    nonmated, mated = (ordered(tally.pick(mated=kind, group=group).bins, "exclude") for kind in (False, True))
    none = np.zeros_like(mated)
    # Each bin twice: its non-mated trials, then its mated ones.
    apart = least_cost(np.stack([nonmated, none], axis=1).ravel(), np.stack([none, mated], axis=1).ravel())
    return MinCllr(**vars(found), bounds=(apart, found.value), n_nonmated=int(nonmated.sum()), n_mated=int(mated.sum()))


def least_cost(nonmated: Ints, mated: Ints) -> float:
    """min Cllr of ordered trials: the cost of the likelihood ratio of each pooled block."""
    wrong, right = pooled(nonmated, mated)
    p, q = wrong / wrong.sum(), right / right.sum()
    both = (p > 0) & (q > 0)
    # A block of one kind has an LLR without end, which costs its trials nothing.
    return float((p[both] @ np.log2(1 + q[both] / p[both]) + q[both] @ np.log2(1 + p[both] / q[both])) / 2)


def _min_cllr_of(nonmated: Counts, mated: Counts) -> float:
    sides = ordered(nonmated, "exclude"), ordered(mated, "exclude")
    return least_cost(*sides) if all(side.any() for side in sides) else np.nan
