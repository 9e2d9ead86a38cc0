"""Counts the errors of one rate without each block, at thresholds that are held or set again.

A threshold that meets a target rate is a function of the data. Set again without each block, it moves along the
trade-off of errors, and what it does to other rates is part of their doubt. Between two edges both errors are taken
as linear, so that a threshold may move by less than a step of the axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frbench.choices import Failed
from frbench.inputs.arrays import Ints
from frbench.reading import rate
from frbench.reading.rate import Trials
from frbench.reading.systems.paired import Side
from frbench.tally import Histogram


@dataclass(frozen=True, eq=False)
class Edges:
    """Where a rate is read: at edge number `edge` for everybody; without block b, `share[b]` of the way from edge
    number `below[b]` to the next.
    """

    edge: int
    below: Ints
    share: NDArray[np.float64]
    are_set_again: bool


def held(edge: int, n_blocks: int) -> Edges:
    """The same edge without every block."""
    return Edges(edge, np.full(n_blocks, edge), np.zeros(n_blocks), are_set_again=False)


def set_again(population: Histogram, edge: int, failed: Failed) -> Edges:
    """The edges at which the rate of `population` without each block is that of everybody at edge number `edge`.

    Source: the jackknife of a statistic at an estimated quantile; Efron & Tibshirani (1993), 11.6 for large blocks.
    """
    accepted, touching = (_at_or_above(bins, failed) for bins in (population.bins[None], population.touching))
    n = int(rate.trials(population.bins, failed=failed))
    left = n - rate.trials(population.touching, failed=failed)
    t = accepted.shape[1]
    if t < 2 or not (left > 0).all():
        return held(edge, len(left))
    rates = (accepted - touching) / left[:, None]
    goal = accepted[0, edge] / n
    after = (rates > goal).sum(axis=1)
    below = np.clip(after - 1, 0, t - 2)
    rows = np.arange(len(left))
    step = rates[rows, below] - rates[rows, below + 1]
    share = np.divide(rates[rows, below] - goal, step, out=np.zeros(len(left)), where=step > 0)
    return Edges(edge, below, np.clip(share, 0, 1), are_set_again=True)


def rate_at(trials: Trials, edges: Edges) -> Side:
    """The rate of some trials at `edges`, of everybody and without each block."""
    without = np.zeros(len(edges.below))
    for number in np.unique(np.concatenate([edges.below, edges.below[edges.share > 0] + 1])).tolist():
        found = trials.at(number)
        weight = np.where(edges.below == number, 1 - edges.share, 0) + np.where(
            edges.below + 1 == number, edges.share, 0
        )
        without += weight * (found.k - found.k_touching)
    k = trials.at(edges.edge).k
    return Side.of(k, trials.n, without, trials.n_touching, threshold_moves=edges.are_set_again)


def _at_or_above(bins: NDArray[np.uint64], failed: Failed) -> Ints:
    """(m, t) trials at or above each edge of (m, t + 2) bins, under the policy for failed templates."""
    tail = bins[:, :0:-1][:, 1:].cumsum(axis=1)[:, ::-1].astype(np.int64)
    unscored: Ints = bins[:, -1:].astype(np.int64) * (failed == "accept")
    return tail + unscored
