"""Puts together what a tally says about differences between groups at one threshold, accuracy first.

Rates by group with counts and intervals; who was compared with whom, side by side; then every index with its interval
and with what chance alone would show; and cautions where an index is known to mislead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from frbench.estimate import Estimate
from frbench.reading.groups import null
from frbench.reading.groups.assessment import assess
from frbench.reading.groups.cautions import Caution, cautions_of
from frbench.reading.groups.impostors import Impostors, Matrix
from frbench.reading.groups.indices import Index, Weights
from frbench.reading.groups.rates import GroupRates, of_groups
from frbench.reading.rate import Rate
from frbench.tally import Tally

NULL_METHOD = "pooled rate, beta of subjects from the blocks, lognormal and binomial draws"


@dataclass(frozen=True, eq=False)
class Differentials:
    """Groups at one threshold.

    Parameters
    ----------
    rate : of false rejects, with the threshold, and the rank in 1:N.
    accuracy : both rates of everybody.
    accepts, rejects : by group, of trials within the group.
    against_all : FMR of each group's people against everybody; empty in 1:N.
    impostors : FMR of pairs of one group, of two groups, and of all pairs; empty in 1:N.
    set_on : populations that the threshold was set on, as far as known.
    """

    columns: tuple[str, ...]
    rate: Rate
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
            "grouping": ",".join(self.columns),
            "threshold": self.rate.threshold,
            "rank": self.rate.rank,
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
    rates: tuple[Rate, Rate],
    columns: Sequence[str],
    *,
    weights: Weights | None = None,
    set_on: Sequence[str] = (),
    draws: int = null.DRAWS,
    seed: int = null.SEED,
) -> Differentials:
    """Everything about differences between the groups of some label columns at one threshold.

    Parameters
    ----------
    rates : of false accepts and of false rejects at the same threshold, as `both_rates` has them.
    set_on : populations that the threshold was set on.
    draws, seed : populations without a difference, and where they begin.

    Raises
    ------
    EdgeNotInPlan : the threshold is not an edge of the tally.
    InputError : a label column that was not counted.
    """
    weights = weights or Weights()
    accepts, rejects = (of_groups(tally, rate, columns) for rate in rates)
    pairs = None if tally.plan.kind == "identify" else Impostors(tally, rates[0], tuple(columns), accepts)
    accuracy: dict[str, Estimate] = {rate.metric: rate.of(tally) for rate in rates}
    found = tuple(
        index
        for side in ([accepts], [rejects], [accepts, rejects])
        for index in assess(side, weights, draws=draws, seed=seed)
    )
    impostors = {} if pairs is None else pairs.by_pairing()
    return Differentials(
        columns=tuple(columns),
        rate=rates[1],
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


def _lists(values: Any) -> Any:
    return [_lists(v) for v in values] if isinstance(values, tuple) else values
