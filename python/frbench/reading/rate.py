"""Question: one of the four error rates of a tally at one threshold, asked of one group after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from frbench.choices import Failed
from frbench.errors import InputError
from frbench.estimate import Estimate
from frbench.reading import metrics
from frbench.reading.metrics import Pair
from frbench.tally import Tally

Metric = Literal["fmr", "fnmr", "fpir", "fnir"]
ERRORS = {"fmr": "false matches", "fnmr": "false non-matches", "fpir": "false positives", "fnir": "misses"}
MATED = {"fnmr", "fnir"}


@dataclass(frozen=True)
class Question:
    """What is asked.

    threshold : an edge of the tally; None, for FNIR alone, is no threshold. rank : for FNIR.
    """

    tally: Tally
    threshold: float | None
    metric: Metric
    grouping: tuple[str, ...]
    failed: Failed
    rank: int

    def estimate(self, group: Pair) -> Estimate:
        """The rate between the groups of both sides; for searches the same name twice.

        Raises
        ------
        EdgeNotInPlan : the threshold is not an edge of the tally.
        InputError : a rank that was not counted, a threshold that is missing, or no such policy.
        """
        if self.metric == "fnir":
            return metrics.fnir(self.tally, self.threshold, rank=self.rank, grouping=self.grouping, group=group[0])
        if self.threshold is None:
            raise InputError(f"{self.metric.upper()} needs a threshold")
        if self.metric == "fpir":
            return metrics.fpir(self.tally, self.threshold, grouping=self.grouping, group=group[0])
        rate = metrics.fmr if self.metric == "fmr" else metrics.fnmr
        return rate(self.tally, self.threshold, grouping=self.grouping, group=group, failed=self.failed)

    def touching(self, group: Pair) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(n_blocks,) errors and trials of the group in which subjects of each block took part."""
        bins = self._touching(group)
        edge = -1 if self.threshold is None else self.tally.edge(self.threshold)
        if self.metric == "fnir":
            classes = range(list(self.tally.plan.details["ranks"]).index(self.rank) + 1)
            n = metrics.trials(bins, failed="reject")
            return n - self._touching(group, classes)[:, edge + 1 : -1].sum(axis=1).astype(np.int64), n
        failed: Failed = "reject" if self.metric == "fpir" else self.failed
        k = metrics.errors(bins, edge, errors_below=self.metric in MATED, failed=failed)
        return k, metrics.trials(bins, failed=failed)

    def _touching(self, group: Pair, parts: range | None = None) -> NDArray[np.uint64]:
        mated = self.metric in MATED
        return self.tally.pick(mated=mated, grouping=self.grouping, groups=group, parts=parts).touching
