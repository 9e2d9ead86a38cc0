"""Reads between which ends a quantity must lie, and refuses what no quantity can keep."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from frbench.errors import InputError
from frbench.gates.claims import RATES, Claim

Kind = Literal["claim", "ratio", "change"]
KINDS: tuple[Kind, ...] = ("claim", "ratio", "change")
UNITS_NS = {"us": 1e3, "ms": 1e6, "s": 1e9}
PERCENT = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*%")
TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s)")


@dataclass(frozen=True)
class Bounds:
    """lower, upper : None for no end. are_relative : of a change, whether they bound the ratio to the baseline."""

    lower: float | None
    upper: float | None
    are_relative: bool = False

    @classmethod
    def parse(cls, kind: Kind, claim: Claim, said: Mapping[str, Any]) -> Bounds:
        """The bounds of a rule, from its keys `lower` and `upper`.

        Raises
        ------
        InputError : none of both, not of the kind that the quantity has, or such that nothing can keep them.
        """
        given = {end: said[end] for end in ("lower", "upper") if end in said}
        if not given:
            raise InputError("neither lower nor upper is given; a rule needs a bound to hold the interval against")
        ends = {end: _end(kind, claim, end, value) for end, value in given.items()}
        relative = {is_relative for _, is_relative in ends.values()}
        if len(relative) > 1:
            raise InputError(
                f"lower is {given['lower']!r} and upper {given['upper']!r}, expected both in percent or none"
            )
        values = {end: value for end, (value, _) in ends.items()}
        found = cls(values.get("lower"), values.get("upper"), relative.pop())
        if found.lower is not None and found.upper is not None and found.lower > found.upper:
            raise InputError(
                f"lower is {given['lower']!r}, above upper, which is {given['upper']!r}; nothing can lie between"
            )
        return found

    def are_kept(self, low: float, high: float) -> bool:
        """Whether an interval lies wholly on the good side."""
        return (self.upper is None or high <= self.upper) and (self.lower is None or low >= self.lower)

    def are_broken(self, low: float, high: float) -> bool:
        """Whether an interval lies wholly on the bad side."""
        return (self.upper is not None and low > self.upper) or (self.lower is not None and high < self.lower)


def _end(kind: Kind, claim: Claim, end: str, value: Any) -> tuple[float, bool]:
    """The bound as a number, and whether it bounds a ratio to the baseline."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InputError(f"{end} is {value!r}, expected a number or a text such as '5%'")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{end} is {value}, expected a finite number")
    if kind == "change":
        return _of_change(claim, end, value)
    if kind == "ratio":
        number = _number(end, value, "a ratio of two rates such as 1.5")
        if not number > 0:
            raise InputError(f"{end} is {number:g}, and a ratio of two rates lies above 0")
        return number, False
    if claim.metric in RATES:
        return _of_rate(end, value), False
    if claim.metric == "throughput":
        return _number(end, value, "searches a second, such as 5000"), False
    return _of_time(end, value), False


def _of_change(claim: Claim, end: str, value: Any) -> tuple[float, bool]:
    percent = PERCENT.fullmatch(value.strip()) if isinstance(value, str) else None
    if percent is not None:
        ratio = 1 + float(percent[1]) / 100
        if not ratio > 0:
            raise InputError(f"{end} is {value!r}, and nothing falls by 100% or more; expected above -100%")
        return ratio, True
    if claim.metric not in RATES:
        raise InputError(f"{end} is {value!r}, expected a change of {claim.metric} in percent, such as '5%'")
    number = _number(end, value, "a difference of two rates such as 0.002, or a change such as '10%'")
    if not -1 < number < 1:
        raise InputError(f"{end} is {number:g}, and a difference of two rates lies between -1 and 1")
    return number, False


def _of_rate(end: str, value: Any) -> float:
    percent = PERCENT.fullmatch(value.strip()) if isinstance(value, str) else None
    number = float(percent[1]) / 100 if percent else _number(end, value, "a rate such as 0.02 or '2%'")
    is_possible = 0 < number <= 1 if end == "upper" else 0 <= number < 1
    if not is_possible:
        expected = "above 0 and at most 1" if end == "upper" else "at least 0 and below 1"
        raise InputError(f"{end} is {value!r}, and the {end} bound of a rate lies {expected}")
    return number


def _of_time(end: str, value: Any) -> float:
    """Nanoseconds."""
    found = TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or not float(found[1]) > 0:
        raise InputError(f"{end} is {value!r}, expected a time with its unit, such as '20ms' or '1.5s'")
    return float(found[1]) * UNITS_NS[found[2]]


def _number(end: str, value: Any, expected: str) -> float:
    if isinstance(value, str):
        raise InputError(f"{end} is {value!r}, expected {expected}")
    return float(value)
