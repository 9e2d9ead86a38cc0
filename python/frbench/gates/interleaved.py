"""Interleaved: what `frbench ab` found of two commands that took turns, and how noisy the machine was."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from scipy import special

from frbench.errors import FormatError, InvalidRun
from frbench.gates.asked import Asked
from frbench.gates.claims import MEDIAN
from frbench.gates.reading import Count, Reading, Size
from frbench.gates.rules import Rule

SCHEMA = "frbench.ab/1"
ONLY = "time"
METHOD = "interval of the interleaved pairs, other levels by the normal law on the logarithm"


@dataclass(frozen=True)
class Interval:
    """The median ratio of some pairs and its interval."""

    value: float
    low: float
    high: float
    level: float
    pairs: int


@dataclass(frozen=True)
class Unknown:
    """A ratio without an interval, and why."""

    value: float | None
    pairs: int
    reason: str


@dataclass(frozen=True)
class Metric:
    """ratio : of B to A. noise : of A to A."""

    ratio: Interval | Unknown
    noise: Interval | Unknown


@dataclass(frozen=True)
class Interleaved:
    """A file of `frbench ab`, by the name of each metric."""

    name: str
    metrics: Mapping[str, Metric]

    @classmethod
    def parse(cls, said: Mapping[str, Any], name: str) -> Interleaved:
        """The metrics of a JSON document: `metrics`, or `ratio` and `noise` of a single one.

        Raises
        ------
        FormatError : it lacks some of it.
        """
        try:
            each = said.get("metrics", {ONLY: said})
            found = {key: Metric(_interval(m["ratio"]), _interval(m["noise"])) for key, m in each.items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(f"{name} is not a file of frbench ab, it lacks {error}; measure again") from error
        return cls(name, found)


def _interval(said: Mapping[str, Any]) -> Interval | Unknown:
    if said["low"] is None or said["high"] is None:
        return Unknown(said.get("value"), int(said["pairs"]), str(said.get("reason") or "no interval was estimated"))
    low, high = float(said["low"]), float(said["high"])
    value = float(said.get("value", math.sqrt(low * high)))
    if not 0 < low <= value <= high < math.inf:
        raise ValueError(f"an interval with low {low:g}, value {value:g} and high {high:g}")
    return Interval(value, low, high, float(said.get("level", 0.95)), int(said["pairs"]))


def asked(rule: Rule, run: Interleaved) -> Iterator[Asked]:
    """The rows of a rule about medians.

    Raises
    ------
    InputError : the file lacks the metric; the message lists those that it has.
    InvalidRun : a bound is tighter than the machine's noise, so that nothing can be said about it.
    """
    if rule.claim.metric != MEDIAN:
        raise rule.refused(f"{run.name} holds interleaved times, expected change = 'median' or 'median[NAME]'")
    if rule.whose is None and rule.claim.select not in run.metrics:
        raise rule.refused(f"there is no metric '{rule.claim.select}', only {', '.join(run.metrics)}")
    for name in run.metrics if rule.whose else (rule.claim.select,):
        metric = run.metrics[name]
        _refuse_noise(rule, name, metric)
        yield Asked(rule, f"change of {rule.claim.of(name)}", "ratio", partial(_change, metric))


def _refuse_noise(rule: Rule, name: str, metric: Metric) -> None:
    """Raises InvalidRun if the machine's noise is not known, or exceeds a bound."""
    if isinstance(metric.noise, Unknown):
        raise InvalidRun(f"the noise of '{name}' is not known, {metric.noise.reason}; measure more pairs")
    floor = max(abs(math.log(metric.noise.low)), abs(math.log(metric.noise.high)))
    for bound in (rule.bounds.lower, rule.bounds.upper):
        if bound is not None and abs(math.log(bound)) < floor:
            raise InvalidRun(
                f"rule {rule.number} bounds the change of '{name}' at {bound - 1:+.1%}, and the same command differs "
                f"from itself by {math.expm1(floor):.1%} in {metric.noise.pairs} pairs; a bound must be wider "
                "than that: measure more pairs, or on a quieter machine"
            )


def _change(metric: Metric) -> Reading:
    found = metric.ratio
    counts = Count("", found.pairs, "pairs"), Count("noise", metric.noise.pairs, "pairs of the same command")
    if isinstance(found, Unknown):
        return Reading(found.value, counts=counts, form="ratio", size=Size(found.pairs, "pairs"), reason=found.reason)
    z = float(special.ndtri((1 + found.level) / 2))
    below, above = math.log(found.value / found.low) / z, math.log(found.high / found.value) / z

    def ends(alpha: float) -> tuple[float, float]:
        reach = -float(special.ndtri(alpha))
        return found.value * math.exp(-reach * below), found.value * math.exp(reach * above)

    return Reading.of(
        found.value, ends, counts=counts, form="ratio", size=Size(found.pairs, "pairs"), is_log=True, method=METHOD
    )
