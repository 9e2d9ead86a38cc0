"""Computes one number for how far rates differ between groups, each by its published formula.

An index is defined on rates alone. Rates of several groups stand on the last axis of an array, so that one formula
serves what was seen, what is seen without a block, and what is drawn where nothing differs; there, undefined is NaN.
`of_side` gives what was seen with its reasons. No index is an accuracy: read the rates first.

Names: `F` are the rates of false accepts by group (FMR or FPIR), `N` those of false rejects (FNMR or FNIR), `x` is
either of them, `a` is alpha.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from frbench.errors import InputError
from frbench.estimate import LEVEL
from frbench.inputs.arrays import Floats
from frbench.reading.rate import ERRORS, TRIALS, Metric

Key = tuple[str, str]

NO_ERRORS = "no errors in any group"
BOTH = " and "


@dataclass(frozen=True)
class Weights:
    """alpha : weight of false accepts in FDR, IR, GARBE and WERM. epsilon : what WERM adds to rates it divides by.

    Raises
    ------
    InputError : alpha outside [0, 1] or epsilon not above 0.
    """

    alpha: float = 0.5
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise InputError(f"alpha is {self.alpha}, the weight of false accepts, expected 0 to 1")
        if not self.epsilon > 0:
            raise InputError(f"epsilon of WERM is {self.epsilon}, expected above 0")


@dataclass(frozen=True)
class Rates:
    """One rate of several groups at one threshold, as counts.

    k, n : errors and trials by group. upper : upper end of each interval, None where there is none.

    Raises
    ------
    InputError : a group without trials, or with more errors than trials.
    """

    metric: Metric
    groups: tuple[str, ...]
    k: tuple[int, ...]
    n: tuple[int, ...]
    upper: tuple[float | None, ...] = ()

    def __post_init__(self) -> None:
        for group, k, n in zip(self.groups, self.k, self.n, strict=True):
            if not 0 <= k <= n or n == 0:
                raise InputError(f"group {group} has {k} errors in {n} trials, expected 0 to n errors and n above 0")

    @property
    def values(self) -> Floats:
        """(groups,) k / n."""
        return np.array(self.k, dtype=np.float64) / np.array(self.n, dtype=np.float64)

    @property
    def without_errors(self) -> list[str]:
        """Groups without errors."""
        return [group for group, k in zip(self.groups, self.k, strict=True) if k == 0]


@dataclass(frozen=True)
class Index:
    """A number for how far groups differ; or None and the reason.

    of : the rates it is made of. at_equality : its value where all groups have the same rates.
    parameters : alpha and epsilon, of the indices that have them.
    lower_bound : of max/min where a group has no errors: the largest rate over the bound on the group's.
    low, high : interval at `level` from the blocks of subjects; None with `interval_reason`.
    expected, critical : median where nothing differs, and what 95 of 100 such populations do not pass;
        None with `null_reason`.
    p_value : share of populations without a difference that reach the value, the one seen counted among them.
    """

    name: str
    of: str
    value: float | None
    at_equality: float
    parameters: Mapping[str, float]
    reason: str = ""
    lower_bound: float | None = None
    low: float | None = None
    high: float | None = None
    level: float = LEVEL
    method: str = ""
    interval_reason: str = ""
    expected: float | None = None
    critical: float | None = None
    p_value: float | None = None
    null_reason: str = ""

    @property
    def is_beyond_chance(self) -> bool:
        """Whether fewer than 5 of 100 populations without a difference would show as much."""
        return self.p_value is not None and self.p_value < 1 - self.level

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self) | {"parameters": dict(self.parameters)}


def max_over_min(x: Floats) -> Floats:
    """The largest rate over the smallest; undefined if a group has no errors.

    Source: NISTIR 8280; NIST FRTE demographics page, column Max/Min.
    """
    smallest = _relative(x).min(axis=-1)
    return 1 / np.where(smallest > 0, smallest, np.nan)


def max_over_mean(x: Floats) -> Floats:
    """The largest rate over the arithmetic mean of groups; undefined without errors.

    Source: NIST FRTE demographics page, column Max/ArithMean.
    """
    return np.asarray(1 / _relative(x).mean(axis=-1))


def max_over_geomean(x: Floats) -> Floats:
    """The largest rate over the geometric mean of groups; undefined if a group has no errors.

    Source: NIST FRTE demographics page, column Max/GeoMean; NISTIR 8429.
    """
    return np.asarray(np.exp(-_log(_relative(x)).mean(axis=-1)))


def vary_geomean(x: Floats) -> Floats:
    """Mean distance of groups from their geometric mean, in powers of ten; undefined if a group has no errors.

    mean |log10(x / geomean)|. Source: NIST FRTE demographics page, column Vary GeoMean.
    """
    decades = _log(_relative(x)) / np.log(10)
    return np.asarray(np.abs(decades - decades.mean(axis=-1, keepdims=True)).mean(axis=-1))


def gini(x: Floats) -> Floats:
    """Gini coefficient of the rates, 0 to 1 - 1/n for n groups; undefined without errors.

    sum_ij |x_i - x_j| / (2 n^2 mean), not corrected for n. Source: NIST FRTE demographics page, column Gini.
    """
    n = x.shape[-1]
    place = 2 * np.arange(1, n + 1) - n - 1
    relative = np.sort(_relative(x), axis=-1)
    return np.asarray((place * relative).sum(axis=-1) / (n * relative.sum(axis=-1)))


def fdr(f: Floats, n: Floats, weights: Weights) -> Floats:
    """Fairness discrepancy rate: 1 is best, and differences, not ratios, of rates count.

    1 - (a (max F - min F) + (1 - a) (max N - min N)). Source: de Freitas Pereira & Marcel (2021), arXiv 2011.02395.
    """
    a = weights.alpha
    return np.asarray(1 - (a * np.ptp(f, axis=-1) + (1 - a) * np.ptp(n, axis=-1)))


def ir(f: Floats, n: Floats, weights: Weights) -> Floats:
    """Inequity ratio; undefined if a group has no errors of either kind.

    (max F / min F)^a (max N / min N)^(1 - a). Source: Grother (2021), as coded by others; attribution not verified.
    """
    a = weights.alpha
    return max_over_min(f) ** a * max_over_min(n) ** (1 - a)


def garbe(f: Floats, n: Floats, weights: Weights) -> Floats:
    """Gini aggregation rate for biometric equitability, 0 to 1, 0 best; undefined where a rate is 0 in all groups.

    a G(F) + (1 - a) G(N), G = Gini coefficient times n / (n - 1). Source: Howard et al. (2022), arXiv 2203.05051.
    """
    a, groups = weights.alpha, f.shape[-1]
    return np.asarray((a * gini(f) + (1 - a) * gini(n)) * groups / (groups - 1))


def werm(f: Floats, n: Floats, weights: Weights) -> Floats:
    """Worst-case error over the geometric mean, of both kinds; below 1 where epsilon is not small beside the rates.

    (max F / geomean(F + e))^a (max N / geomean(N + e))^(1 - a). Source: Linghu et al., IJCB 2024, with a = 1/2.
    """
    a = weights.alpha
    of_f, of_n = (x.max(axis=-1) / np.exp(np.log(x + weights.epsilon).mean(axis=-1)) for x in (f, n))
    return np.asarray(of_f**a * of_n ** (1 - a))


@dataclass(frozen=True)
class Definition:
    """How an index is computed and read.

    rule : of one rate, or of both. parameters : names of the weights it takes. limits : range of its values.
    is_ratio : its interval is taken on the logarithm. falls : smaller means further apart.
    needs : what must not be 0 for it to exist.
    """

    name: str
    title: str
    at_equality: float
    limits: tuple[float, float]
    needs: Literal["every group", "some group", "nothing"]
    of_one: Callable[[Floats], Floats] | None = None
    of_both: Callable[[Floats, Floats, Weights], Floats] | None = None
    parameters: tuple[str, ...] = ()
    is_ratio: bool = False
    falls: bool = False


INFINITY = float("inf")
DEFINITIONS = (
    Definition("max_over_min", "max/min", 1, (1, INFINITY), "every group", max_over_min, is_ratio=True),
    Definition("max_over_mean", "max/mean", 1, (1, INFINITY), "some group", max_over_mean, is_ratio=True),
    Definition("max_over_geomean", "max/geomean", 1, (1, INFINITY), "every group", max_over_geomean, is_ratio=True),
    Definition("vary_geomean", "vary geomean", 0, (0, INFINITY), "every group", vary_geomean),
    Definition("gini", "Gini", 0, (0, 1), "some group", gini),
    Definition("fdr", "FDR", 1, (0, 1), "nothing", of_both=fdr, parameters=("alpha",), falls=True),
    Definition("ir", "IR", 1, (1, INFINITY), "every group", of_both=ir, parameters=("alpha",), is_ratio=True),
    Definition("garbe", "GARBE", 0, (0, 1), "some group", of_both=garbe, parameters=("alpha",)),
    Definition(
        "werm", "WERM", 1, (0, INFINITY), "nothing", of_both=werm, parameters=("alpha", "epsilon"), is_ratio=True
    ),
)
BY_NAME = {definition.name: definition for definition in DEFINITIONS}


def evaluate(rates: Sequence[Floats], weights: Weights) -> dict[str, Floats]:
    """Values of every index of one rate, or of every index of both, by name; NaN where undefined.

    Parameters
    ----------
    rates : one or two arrays (..., groups); of two, false accepts come first.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if len(rates) == 1:
            return {d.name: d.of_one(rates[0]) for d in DEFINITIONS if d.of_one is not None}
        return {d.name: d.of_both(rates[0], rates[1], weights) for d in DEFINITIONS if d.of_both is not None}


def of_side(side: Sequence[Rates], weights: Weights) -> tuple[Index, ...]:
    """Every index of one rate, or of two, without intervals."""
    definitions = [d for d in DEFINITIONS if (d.of_one is None) == (len(side) == 2)]
    refusal = why_not(side)
    values = {} if refusal else evaluate([rates.values for rates in side], weights)
    return tuple(_index(definition, side, values, refusal, weights) for definition in definitions)


def why_not(side: Sequence[Rates]) -> str:
    """Why these rates have no index at all, or ""."""
    for rates in side:
        if len(rates.groups) < 2:
            who = f"only {rates.groups[0]} has" if rates.groups else "no group has"
            return f"{who} {TRIALS[rates.metric]}, at least 2 groups are needed"
    if len({rates.groups for rates in side}) > 1:
        apart = sorted(set(side[0].groups) ^ set(side[1].groups))
        return f"only one of {BOTH.join(rates.metric.upper() for rates in side)} is known of {', '.join(apart)}"
    return ""


def _index(
    definition: Definition, side: Sequence[Rates], values: Mapping[str, Floats], refusal: str, weights: Weights
) -> Index:
    index = Index(
        definition.name,
        BOTH.join(rates.metric for rates in side),
        None,
        _at_equality(definition, side, weights),
        {name: getattr(weights, name) for name in definition.parameters},
        refusal or _missing(definition, side),
    )
    if index.reason:
        return replace(index, lower_bound=_lower_bound(side[0]) if definition.name == "max_over_min" else None)
    return replace(index, value=float(values[definition.name]))


def _at_equality(definition: Definition, side: Sequence[Rates], weights: Weights) -> float:
    """The value where all groups have the pooled rates: WERM is a little less than 1 there."""
    if definition.name != "werm" or not all(rates.groups for rates in side):
        return definition.at_equality
    pooled = [np.array([sum(rates.k) / sum(rates.n)]) for rates in side]
    return float(werm(pooled[0], pooled[1], weights)) if all(p > 0 for p in pooled) else definition.at_equality


def _missing(definition: Definition, side: Sequence[Rates]) -> str:
    """Why the formula has no value on these rates, or ""."""
    for rates in side if definition.needs != "nothing" else ():
        zero = rates.without_errors
        if len(zero) == len(rates.groups):
            return f"0 {ERRORS[rates.metric]}: {NO_ERRORS}"
        if zero and definition.needs == "every group":
            return f"0 {ERRORS[rates.metric]} of {', '.join(zero)}"
    return ""


def _lower_bound(rates: Rates) -> float | None:
    """The largest rate over the smallest upper bound of a group without errors; None without such a bound."""
    bounds = [upper for k, upper in zip(rates.k, rates.upper, strict=False) if k == 0 and upper]
    if len(rates.groups) < 2 or not any(rates.k) or not bounds:
        return None
    return max(1.0, float(rates.values.max()) / min(bounds))


def _relative(x: Floats) -> Floats:
    """Rates over the largest of them, so that equal rates are 1 exactly; NaN where all are 0."""
    largest = x.max(axis=-1, keepdims=True)
    return x / np.where(largest > 0, largest, np.nan)


def _log(x: Floats) -> Floats:
    """Natural logarithm; NaN, not minus infinity, at 0."""
    return np.log(np.where(x > 0, x, np.nan))
