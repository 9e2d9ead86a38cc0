"""Reads what `frbench ab` found of two commands that took turns, and how noisy the machine was."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from scipy import special

from frbench.errors import FormatError
from frbench.gates.asked import Asked
from frbench.gates.claims import MEDIAN
from frbench.gates.reading import Count, Reading, Size
from frbench.gates.rules import Doubt, Rule, Rules, default_for_times
from frbench.speed.ratio import Ratio

SCHEMA = "frbench.ab/1"
METHOD = "interval of the interleaved pairs, other levels by the normal law on the logarithm"


@dataclass(frozen=True)
class Metric:
    """ratio : of B to A. noise : of A to A and of B to B."""

    ratio: Ratio
    noise: Ratio


@dataclass(frozen=True)
class Interleaved:
    """A file of `frbench ab`.

    metrics : by name. max_slowdown : that was asked; None where nothing was. level : of the intervals of all metrics
    together. outcome, notes : what was said of it.
    """

    name: str
    metrics: Mapping[str, Metric]
    max_slowdown: float | None
    level: float
    outcome: str
    notes: tuple[str, ...]

    @classmethod
    def parse(cls, said: Mapping[str, Any], name: str) -> Interleaved:
        """What a JSON document says.

        Raises
        ------
        FormatError : it lacks some of it, or has an interval that is none.
        """
        try:
            limit = said["max_slowdown"]
            return cls(
                name,
                {key: Metric(_ratio(each["ratio"]), _ratio(each["noise"])) for key, each in said["metrics"].items()},
                None if limit is None else float(limit),
                float(said["design"]["level"]),
                str(said["outcome"]),
                tuple(map(str, said["notes"])),
            )
        except KeyError as error:
            raise FormatError(f"{name} is not a file of frbench ab, it lacks {error}; measure again") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise FormatError(f"{name} is not a file of frbench ab: {error}; measure again") from error

    def rules(self, doubt: Doubt | None = None) -> Rules:
        """What `frbench ab` was asked, as rules: the same limit, and the doubt that it left to all metrics together."""
        if self.max_slowdown is None:
            return default_for_times(doubt)
        return default_for_times(doubt, max_slowdown=self.max_slowdown, false_failures=(1 - self.level) / 2)


def _ratio(said: Mapping[str, Any]) -> Ratio:
    value, low, high = (None if said[end] is None else float(said[end]) for end in ("value", "low", "high"))
    level, pairs = float(said["level"]), int(said["pairs"])
    if value is None or low is None or high is None:
        return Ratio(value, None, None, level, pairs, str(said.get("reason") or "no interval was estimated"))
    if not (0 < low <= value <= high < math.inf and 0 < level < 1):
        raise ValueError(f"an interval has low {low:g}, value {value:g}, high {high:g} and level {level:g}")
    return Ratio(value, low, high, level, pairs)


def asked(rule: Rule, run: Interleaved) -> Iterator[Asked]:
    """The rows of a rule about medians; one whose bound the machine's noise does not allow blocks at any doubt.

    Raises
    ------
    InputError : the file lacks the metric; the message lists those that it has.
    """
    if rule.claim.metric != MEDIAN:
        raise rule.refused(f"{run.name} holds interleaved times, expected change = 'median' or 'median[NAME]'")
    if rule.whose is None and rule.claim.select not in run.metrics:
        raise rule.refused(f"there is no metric '{rule.claim.select}', only {', '.join(run.metrics)}")
    for name in run.metrics if rule.whose else (rule.claim.select,):
        metric = run.metrics[name]
        refused = _refused(rule, metric.noise)
        strict = replace(rule, doubt="fail") if refused else rule
        yield Asked(strict, f"change of {rule.claim.of(name)}", "ratio", partial(_change, metric, refused))


def _refused(rule: Rule, noise: Ratio) -> str:
    """Why the noise does not allow a bound of a rule; "" where it does, or where nobody knows it."""
    for bound in (rule.bounds.lower, rule.bounds.upper):
        if bound is not None and noise.floor is not None and abs(math.log(bound)) <= noise.floor:
            return (
                f"the bound is within the noise floor: a command may be off by {math.expm1(noise.floor):.2%} from "
                "itself, and a bound must be wider than that; measure more pairs, or on a quieter machine"
            )
    return ""


def _change(metric: Metric, refused: str) -> Reading:
    found, noise = metric.ratio, metric.noise
    counts = Count("", found.pairs, "pairs"), Count("noise", noise.pairs, "pairs of the same command")
    unknown = Reading(found.value, None, found.low, found.high, counts, Size(found.pairs, "pairs"))
    if found.value is None or found.low is None or found.high is None:
        return replace(unknown, reason=found.reason)
    if noise.floor is None or refused:
        return replace(unknown, reason=refused or f"the noise floor is not known: {noise.reason}", method=METHOD)
    value, z = found.value, float(special.ndtri((1 + found.level) / 2))
    below, above = math.log(value / found.low) / z, math.log(found.high / value) / z

    def ends(alpha: float) -> tuple[float, float]:
        reach = -float(special.ndtri(alpha))
        return value * math.exp(-reach * below), value * math.exp(reach * above)

    return Reading.of(value, ends, counts=counts, size=unknown.size, is_log=True, method=METHOD)
