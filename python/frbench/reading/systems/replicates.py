"""Replicates: the errors of one rate without each block, at thresholds that are held or set again.

A threshold that meets a target rate is a function of the data. Set again without each block, it moves along the
trade-off of errors, and what it does to other rates is part of their doubt. Between two edges both errors are taken
as linear, so that a threshold may move by less than a step of the axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frbench.choices import Failed
from frbench.reading import metrics
from frbench.reading.systems import paired
from frbench.tally import Histogram

Ints = NDArray[np.int64]


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
    n = int(metrics.trials(population.bins, failed=failed))
    left = n - metrics.trials(population.touching, failed=failed)
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


@dataclass(frozen=True, eq=False)
class Trials:
    """Trials of one rate, and those that can be accepted: all of them in 1:1, those within a rank in 1:N.

    are_misses : errors are the trials that are not accepted.
    """

    everything: Histogram
    hits: Histogram
    are_misses: bool
    failed: Failed

    def rate(self, edges: Edges) -> paired.Rate:
        """The rate at `edges`, of everybody and without each block."""
        k, _ = self._errors(edges.edge)
        without = np.zeros(len(edges.below))
        for number in np.unique(np.concatenate([edges.below, edges.below[edges.share > 0] + 1])):
            all_errors, touching = self._errors(int(number))
            weight = np.where(edges.below == number, 1 - edges.share, 0) + np.where(
                edges.below + 1 == number, edges.share, 0
            )
            without += weight * (all_errors - touching)
        n_touching = metrics.trials(self.everything.touching, failed=self.failed)
        n = int(metrics.trials(self.everything.bins, failed=self.failed))
        return paired.rate(k, n, without, n_touching, threshold_moves=edges.are_set_again)

    def _errors(self, edge: int) -> tuple[int, Ints]:
        """Errors at an edge: of everybody, and (b,) those that touch each block."""
        k, touching = (
            metrics.errors(bins, edge, errors_below=False, failed=self.failed)
            for bins in (self.hits.bins, self.hits.touching)
        )
        if not self.are_misses:
            return int(k), touching
        n, n_touching = (
            metrics.trials(bins, failed=self.failed) for bins in (self.everything.bins, self.everything.touching)
        )
        return int(n - k), n_touching - touching


def _at_or_above(bins: NDArray[np.uint64], failed: Failed) -> Ints:
    """(m, t) trials at or above each edge of (m, t + 2) bins, under the policy for failed templates."""
    tail = bins[:, :0:-1][:, 1:].cumsum(axis=1)[:, ::-1].astype(np.int64)
    unscored: Ints = bins[:, -1:].astype(np.int64) * (failed == "accept")
    return tail + unscored
