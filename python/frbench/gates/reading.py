"""Holds a quantity as a gate sees it: its value, its ends at any doubt, and what they rest on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from scipy import optimize

from frbench.estimate import LEVEL

Ends = Callable[[float], tuple[float, float]]
Form = Literal["rare", "common", "ratio", "time", "number"]
ALPHA = (1 - LEVEL) / 2
LEAST_DOUBT = 1e-9


@dataclass(frozen=True)
class Count:
    """Errors and trials, or rounds and requests, of one side. k : None where there are only trials."""

    whose: str
    n: int
    unit: str
    k: int | None = None


@dataclass(frozen=True)
class Size:
    """What more of would make an interval narrower: as many of a unit."""

    n: float
    unit: str


@dataclass(frozen=True)
class Reading:
    """A quantity with its doubt.

    ends : for a one-sided doubt alpha, the lower end that the truth lies below with probability alpha at most, and the
    upper one; None with a reason where there is no interval. low, high : at 95%, two-sided.
    counts : what it rests on. size : None where nobody knows what would make it narrower.
    is_log : whether it varies on the scale of its logarithm. shrinks : an interval of f times as many is f^-shrinks as
    wide. who : for the worst of several groups, which one.
    """

    value: float | None
    ends: Ends | None = None
    low: float | None = None
    high: float | None = None
    counts: tuple[Count, ...] = ()
    size: Size | None = None
    is_log: bool = False
    shrinks: float = 0.5
    method: str = ""
    reason: str = ""
    who: str = ""

    @classmethod
    def of(cls, value: float, ends: Ends, *, at_level: tuple[float, float] | None = None, **fields: object) -> Reading:
        """A reading with an interval; `at_level` is that at 95% where it is known already."""

        def open_ended(alpha: float) -> tuple[float, float]:
            """Few blocks bound nothing at a small doubt: a ratio then lies anywhere above 0."""
            try:
                return ends(alpha)
            except OverflowError:
                return 0.0, math.inf

        low, high = open_ended(ALPHA) if at_level is None else at_level
        return cls(value, open_ended, low, high, **fields)  # type: ignore[arg-type]

    def scaled(self, value: float) -> float:
        """A value on the scale on which the quantity varies."""
        return math.log(value) if self.is_log else value

    def back(self, value: float) -> float:
        """The value at a place of that scale."""
        return math.exp(value) if self.is_log else value


def probability_beyond(ends: Ends, lower: float | None, upper: float | None) -> float:
    """The smallest doubt at which an interval lies wholly beyond a bound: one half where it never does.

    Against two bounds it is doubled, for the truth may lie on either.
    """
    beyond: list[Callable[[float], float]] = []
    if upper is not None:
        beyond.append(lambda alpha: ends(alpha)[0] - upper)
    if lower is not None:
        beyond.append(lambda alpha: lower - ends(alpha)[1])
    return min(0.5, len(beyond) * min(map(_smallest, beyond)))


def worst(readings: Sequence[tuple[str, Reading]]) -> Reading:
    """The highest of several quantities: its lower end is the highest of all, taken at a share of the doubt each.

    Its upper end is the highest of all, at the whole doubt: the group with the highest true value exceeds it only if it
    exceeds its own. A group without an interval leaves the highest without one.
    """
    known = [(name, reading) for name, reading in readings if reading.value is not None]
    lacking = next(((name, r) for name, r in readings if r.ends is None), None)
    if not known:
        return replace(readings[0][1], reason=f"{readings[0][1].reason} ({readings[0][0]})")
    name, highest = max(known, key=lambda pair: pair[1].value or 0.0)
    counts = tuple(replace(count, whose=count.whose or name) for count in highest.counts)
    if lacking is not None:
        reason = f"{lacking[1].reason} ({lacking[0]})"
        return replace(highest, ends=None, low=None, high=None, reason=reason, who=name, counts=counts)
    all_ends = [reading.ends for _, reading in readings if reading.ends is not None]

    def ends(alpha: float) -> tuple[float, float]:
        lows = [own(alpha / len(all_ends))[0] for own in all_ends]
        return max(lows), max(own(alpha)[1] for own in all_ends)

    low, high = ends(ALPHA)
    method = f"{highest.method}; highest of {len(readings)} groups"
    return replace(highest, ends=ends, low=low, high=high, who=name, counts=counts, method=method)


def _smallest(beyond: Callable[[float], float]) -> float:
    """The smallest doubt at which `beyond`, which grows with it, is above 0."""
    if beyond(0.5 - LEAST_DOUBT) <= 0:
        return 0.5
    if beyond(LEAST_DOUBT) > 0:
        return LEAST_DOUBT
    at = optimize.brentq(lambda x: beyond(math.exp(x)), math.log(LEAST_DOUBT), math.log(0.5 - LEAST_DOUBT), xtol=1e-6)
    return math.exp(at)
