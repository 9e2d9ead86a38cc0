"""Across groups: what a tally says about differences between groups at one threshold, accuracy first.

Rates by group with counts and intervals; who was compared with whom, side by side; then every index with its interval
and with what chance alone would show; and cautions where an index is known to mislead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from frbench.choices import Failed
from frbench.estimate import Estimate
from frbench.reading import metrics
from frbench.reading.groups import indices, null
from frbench.reading.groups.assessment import assess
from frbench.reading.groups.cautions import Caution, cautions_of
from frbench.reading.groups.impostors import Impostors, Matrix
from frbench.reading.groups.indices import Index, Weights
from frbench.reading.groups.rates import GroupRates, of_groups
from frbench.tally import Tally

NULL_METHOD = "pooled rate, beta of subjects from the blocks, lognormal and binomial draws"


@dataclass(frozen=True, eq=False)
class Differentials:
    """Groups at one threshold.

    accuracy : both rates of everybody. accepts, rejects : by group, of trials within the group.
    against_all : FMR of each group's people against everybody; empty in 1:N.
    impostors : FMR of pairs of one group, of two groups, and of all pairs; empty in 1:N.
    rank : of FNIR; None in 1:1. set_on : populations that the threshold was set on, as far as known.
    """

    grouping: tuple[str, ...]
    threshold: float
    rank: int | None
    accuracy: Mapping[str, Estimate]
    accepts: GroupRates
    rejects: GroupRates
    against_all: Mapping[str, Estimate]
    impostors: Mapping[str, Estimate]
    matrix: Matrix | None
    set_on: tuple[str, ...]
    indices: tuple[Index, ...]
    cautions: tuple[Caution, ...]
    draws: int
    seed: int

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {
            "grouping": ",".join(self.grouping),
            "threshold": self.threshold,
            "rank": self.rank,
            "accuracy": {name: e.to_json() for name, e in self.accuracy.items()},
            "impostors": {name: e.to_json() for name, e in self.impostors.items()},
            "threshold_set_on": list(self.set_on),
            "groups": [
                {"group": name, "metric": metric, "among": among, **e.to_json()}
                for metric, among, found in self._by_group()
                for name, e in found.items()
            ],
            "left_out": [
                {"metric": side.metric, "group": name, "reason": why}
                for side in (self.accepts, self.rejects)
                for name, why in side.left_out.items()
            ],
            "matrix": None if self.matrix is None else {k: _lists(v) for k, v in asdict(self.matrix).items()},
            "indices": [index.to_json() for index in self.indices],
            "no_difference": {"method": NULL_METHOD, "draws": self.draws, "seed": self.seed},
            "cautions": [asdict(caution) for caution in self.cautions],
        }

    def _by_group(self) -> list[tuple[str, str, Mapping[str, Estimate]]]:
        sides = [
            (s.metric, "within", dict(zip(s.groups, s.estimates, strict=True))) for s in (self.accepts, self.rejects)
        ]
        return [sides[0], (self.accepts.metric, "everybody", self.against_all), sides[1]]


def of_tally(
    tally: Tally,
    threshold: float,
    *,
    grouping: Sequence[str],
    failed: Failed = "reject",
    rank: int = 1,
    weights: Weights | None = None,
    set_on: Sequence[str] = (),
    draws: int = null.DRAWS,
    seed: int = null.SEED,
) -> Differentials:
    """Everything about differences between the groups of `grouping` at `threshold`.

    FMR and FNMR of a 1:1 tally, FPIR and FNIR at `rank` of a 1:N one.

    Raises
    ------
    EdgeNotInPlan : the threshold is not an edge of the tally.
    InputError : a grouping that was not counted.
    """
    weights = weights or Weights()
    is_search = tally.plan.kind == "identify"
    accepts, rejects = (
        of_groups(tally, threshold, metric, grouping=grouping, failed=failed, rank=rank)
        for metric in indices.METRICS[is_search]
    )
    pairs = None if is_search else Impostors(tally, threshold, tuple(grouping), failed, accepts)
    accuracy = _accuracy(tally, threshold, failed, rank)
    found = tuple(
        index
        for side in ([accepts], [rejects], [accepts, rejects])
        for index in assess(side, weights, draws=draws, seed=seed)
    )
    impostors = {} if pairs is None else pairs.by_pairing()
    return Differentials(
        grouping=tuple(grouping),
        threshold=threshold,
        rank=rank if is_search else None,
        accuracy=accuracy,
        accepts=accepts,
        rejects=rejects,
        against_all={} if pairs is None else pairs.against_all(),
        impostors=impostors,
        matrix=None if pairs is None else pairs.matrix(),
        set_on=tuple(set_on),
        indices=found,
        cautions=cautions_of(accuracy, accepts.rates, rejects.rates, found, impostors, weights),
        draws=draws,
        seed=seed,
    )


def _accuracy(tally: Tally, threshold: float, failed: Failed, rank: int) -> dict[str, Estimate]:
    if tally.plan.kind == "identify":
        return {"fpir": metrics.fpir(tally, threshold), "fnir": metrics.fnir(tally, threshold, rank=rank)}
    return {
        "fmr": metrics.fmr(tally, threshold, failed=failed),
        "fnmr": metrics.fnmr(tally, threshold, failed=failed),
    }


def _lists(values: Any) -> Any:
    return [_lists(v) for v in values] if isinstance(values, tuple) else values
