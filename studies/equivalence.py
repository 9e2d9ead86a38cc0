"""Tests whether two rates are alike, for whoever must show it: that no difference was detected does not.

The interval of their ratio must lie within a margin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scipy import optimize

from frbench.errors import InputError
from frbench.estimate import LEVEL
from frbench.reading import joint
from frbench.reading.joint import Replicates

LEAST_DOUBT = 1e-9


@dataclass(frozen=True)
class Equivalence:
    """Whether two rates were shown to be alike: their ratio between 1 / margin and margin.

    p : of the two one-sided tests together; None with a reason if there is no interval. is_shown : p <= alpha.
    """

    margin: float
    alpha: float
    p: float | None
    is_shown: bool
    reason: str = ""


def equivalence(a: Replicates, b: Replicates, *, margin: float, alpha: float = 1 - LEVEL) -> Equivalence:
    """The test that the rates of `a` and `b` are alike up to a factor `margin`: two one-sided tests at `alpha`.

    They are alike if the interval of the ratio at level 1 - 2 alpha lies between 1 / margin and margin; p is the
    smallest alpha at which it does. A ratio that differs from 1 beyond doubt may still be alike, and rates without a
    detected difference need not be.

    Raises
    ------
    InputError : a margin of 1 or less, or an alpha outside 0 to 0.5.

    Source: Schuirmann (1987), two one-sided tests; the p-value by inverting the interval.
    """
    if not margin > 1:
        raise InputError(f"margin is {margin:g}, expected above 1: 1.25 for rates within a quarter of each other")
    if not 0 < alpha < 0.5:
        raise InputError(f"alpha is {alpha:g}, expected above 0 and below 0.5")
    first = joint.ratio(a, b, level=1 - 2 * alpha)
    if first.value is None or first.low is None:
        return Equivalence(margin, alpha, None, False, first.reason)

    def room(one_sided: float) -> float:
        """How far the interval stays inside the margin; negative outside."""
        found = joint.ratio(a, b, level=1 - 2 * one_sided)
        if found.low is None or found.high is None:
            return -1.0
        return min(found.low * margin - 1, 1 - found.high / margin)

    inside = 1 / margin < first.value < margin
    p = _smallest(room) if inside else 1.0
    return Equivalence(margin, alpha, p, p <= alpha)


def _smallest(room: Callable[[float], float]) -> float:
    """The smallest share in (0, 1/2) from which on `room` is not negative; 1/2 if there is none, 0 if all."""
    if room(0.5 - LEAST_DOUBT) <= 0:
        return 0.5
    return 0.0 if room(LEAST_DOUBT) >= 0 else float(optimize.brentq(room, LEAST_DOUBT, 0.5 - LEAST_DOUBT))
