"""Says beside an index of differences between groups where such an index is known to mislead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from frbench.estimate import Estimate
from frbench.operating_point import RULE_OF_30
from frbench.reading.groups.indices import BOTH, Index, Rates, Weights, max_over_min
from frbench.reading.rate import ERRORS

USELESS_ABOVE = 0.5
BLIND_BELOW = 0.01
DRIVEN_ABOVE = 2.0
HOMOGENEITY_ABOVE = 2.0
EPSILON_ABOVE = 0.1


@dataclass(frozen=True)
class Caution:
    """code : stable, for programs. text : one sentence."""

    code: str
    text: str


def cautions_of(
    accuracy: Mapping[str, Estimate],
    accepts: Rates,
    rejects: Rates,
    found: Sequence[Index],
    impostors: Mapping[str, Estimate],
    weights: Weights,
) -> tuple[Caution, ...]:
    """Every caution that applies, accuracy first.

    Parameters
    ----------
    accuracy : both rates of everybody. impostors : FMR of pairs of one group and of all pairs; empty in 1:N.
    """
    by_key = {(index.of, index.name): index for index in found}
    of_both = f"{accepts.metric}{BOTH}{rejects.metric}"
    return (
        *_useless(accuracy),
        *_homogeneity(impostors),
        *(caution for rates in (accepts, rejects) for caution in _small_cells(rates)),
        *_blind(by_key.get((of_both, "fdr")), accepts, weights),
        *_epsilon(by_key.get((of_both, "werm")), accepts, rejects, weights),
    )


def _useless(accuracy: Mapping[str, Estimate]) -> Iterator[Caution]:
    """Where nearly every trial is an error, groups cannot differ."""
    for metric, estimate in accuracy.items():
        if estimate.value is not None and estimate.value >= USELESS_ABOVE:
            yield Caution(
                "useless_matcher",
                f"{metric.upper()} of everybody is {estimate.value:.0%}: where most trials are errors, groups can "
                "hardly differ, and indices look good",
            )


def _homogeneity(impostors: Mapping[str, Estimate]) -> Iterator[Caution]:
    """All pairs together hide what happens among people of one group. Source: Howard, Sirotin & Vemury (BTAS 2019)."""
    same, pooled = (impostors[name].value if name in impostors else None for name in ("same_group", "pooled"))
    if same and pooled and same / pooled >= HOMOGENEITY_ABOVE:
        yield Caution(
            "broad_homogeneity",
            f"FMR of pairs of one group is {same:.2e}, {same / pooled:.3g} times that of all pairs, {pooled:.2e}",
        )


def _small_cells(rates: Rates) -> Iterator[Caution]:
    """Groups with fewer than 30 errors, and whether the smallest of them makes max/min."""
    if len(rates.groups) < 2 or not any(rates.k):
        return
    name, errors = rates.metric.upper(), ERRORS[rates.metric]
    few = [f"{group} ({k})" for group, k in zip(rates.groups, rates.k, strict=True) if k < RULE_OF_30]
    if few:
        yield Caution("few_errors", f"indices of {name} rest on fewer than {RULE_OF_30} {errors} of {', '.join(few)}")
    fewest = int(np.argmin(rates.k))
    others = np.delete(rates.values, fewest)
    if len(others) < 2 or not (rates.values > 0).all():
        return
    whole, rest = float(max_over_min(rates.values)), float(max_over_min(others))
    if whole / rest >= DRIVEN_ABOVE:
        yield Caution(
            "driven_by_smallest_cell",
            f"max/min of {name} is {whole:.3g} with {rates.groups[fewest]} ({rates.k[fewest]} {errors}) and {rest:.3g} "
            "without",
        )


def _blind(fdr: Index | None, accepts: Rates, weights: Weights) -> Iterator[Caution]:
    """FDR takes differences: rates far below 1 cannot move it."""
    if fdr is None or fdr.value is None:
        return
    most = weights.alpha * float(accepts.values.max())
    if most < BLIND_BELOW:
        name = accepts.metric.upper()
        yield Caution(
            "fdr_blind",
            f"FDR cannot fall below {1 - most:.6g} through {name}, however many times groups differ in it: it is a "
            "function of the other rate",
        )


def _epsilon(werm: Index | None, accepts: Rates, rejects: Rates, weights: Weights) -> Iterator[Caution]:
    """WERM adds epsilon to what it divides by: it is defined without errors, and then made of epsilon."""
    if werm is None or werm.value is None:
        return
    smallest = min(float(accepts.values.min()), float(rejects.values.min()))
    if weights.epsilon >= EPSILON_ABOVE * smallest:
        yield Caution(
            "werm_epsilon",
            f"WERM adds {weights.epsilon:g} to rates as small as {smallest:.2g}: it is {werm.value:.3g} by the "
            "choice of epsilon, and may be below 1",
        )
