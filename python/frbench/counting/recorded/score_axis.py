"""Makes the edges of an axis for scores of any scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from frbench.errors import InputError

MAX_REGULAR = 2001
MAX_EDGES = 1_000_000
DEFAULT_STEP = Fraction(1, 1000)


def edges_over(
    low: float, high: float, thresholds: Sequence[float], *, step: float | None = None, first: float | None = None
) -> tuple[float, ...]:
    """Increasing edges over [low, high], and the given thresholds exactly.

    Parameters
    ----------
    low, high : range of the scores; NaN if there is none.
    step : between edges, which are multiples of it; None takes the smallest of 1, 2 or 5 times a power of ten that
        leaves at most 2,001 edges.
    first : lowest edge; None starts at or below `low`.

    Raises
    ------
    InputError : a step that is not above 0 or leaves more than a million edges, or a threshold that is not finite.
    """
    if wrong := [t for t in thresholds if not math.isfinite(t)]:
        raise InputError(f"threshold {wrong[0]} is not a finite number")
    if step is not None and not (step > 0 and math.isfinite(step)):
        raise InputError(f"--axis-step is {step}, expected more than 0")
    if math.isnan(low):
        return tuple(sorted(set(thresholds))) or (0.0,)
    exact = regular_step(low, high) if step is None else Fraction(str(step))
    start = math.floor(Fraction(low) / exact) if first is None else math.ceil(Fraction(str(first)) / exact)
    end = max(start, math.ceil(Fraction(high) / exact))
    if end - start > MAX_EDGES:
        raise InputError(f"--axis-step {step} makes {end - start:,} edges from {low:g} to {high:g}; take a larger one")
    # A quotient of integers is the decimal that a person would type: 0.9, not 0.9000000000000001.
    regular = {float(i * exact) for i in range(start, end + 1)}
    return tuple(sorted(regular | {float(t) for t in thresholds}))


def regular_step(low: float, high: float) -> Fraction:
    """The smallest 1, 2 or 5 times a power of ten of which at most 2,001 multiples span [low, high].

    A span of nothing has steps of 1/1000.
    """
    if not high > low:
        return DEFAULT_STEP
    # Up to two multiples lie beyond the ends.
    needed = (Fraction(high) - Fraction(low)) / (MAX_REGULAR - 3)
    power = Fraction(10) ** (math.floor(math.log10(needed)) - 1)
    return next(step for m in (1, 2, 5, 10, 20, 50, 100, 200) if (step := m * power) >= needed)
