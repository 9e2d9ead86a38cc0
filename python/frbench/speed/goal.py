"""Holds what a comparison is asked, and judges what its intervals answer."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from frbench.errors import InputError
from frbench.speed.ratio import Ratio

Outcome = Literal["pass", "measured", "inconclusive", "invalid", "fail"]

# The worst of several metrics is the outcome of all.
OUTCOMES: tuple[Outcome, ...] = ("measured", "pass", "inconclusive", "invalid", "fail")
EXIT_CODES: dict[Outcome, int] = {"pass": 0, "measured": 0, "fail": 1, "inconclusive": 4, "invalid": 4}
DEFAULT_WIDTH = 0.02
# A number of pairs beyond this is not worth naming.
FORESEEN = 1_000_000


@dataclass(frozen=True)
class Verdict:
    """Outcome, reason, and after about how many pairs it would be decided (None: decided, or none foreseen)."""

    outcome: Outcome
    reason: str
    pairs_to_settle: int | None = None

    @property
    def exit_code(self) -> int:
        """0 pass or measured, 1 fail, 4 inconclusive or invalid."""
        return EXIT_CODES[self.outcome]


@dataclass(frozen=True)
class Goal:
    """The question of a comparison.

    max_slowdown : B may take this much longer than A, 0.03 for 3%; below 0, B must be faster by as much; None asks
        nothing. width : half of the interval that is narrow enough; None is 0.02 where nothing else is asked.
    """

    max_slowdown: float | None = None
    width: float | None = None

    def __post_init__(self) -> None:
        limit = self.max_slowdown
        if limit is not None and not (-1 < limit < 1 and limit != 0):
            raise InputError(
                f"the largest slowdown is {limit:.4g}, expected a share above -1 and below 1, and not 0, "
                "for every noise floor is above that; 3% is usual"
            )
        if self.width is not None and not 0 < self.width < 1:
            raise InputError(f"the width is {self.width:.4g}, expected above 0 and below 1; 0.02 is usual")

    @property
    def narrow(self) -> float | None:
        """The half-width that ends a comparison; None where the limit alone does."""
        return DEFAULT_WIDTH if self.width is None and self.max_slowdown is None else self.width

    def is_reached(self, ratio: Ratio, noise: Ratio) -> bool:
        """Whether no more pairs are needed."""
        half = ratio.half_width
        is_narrow = self.narrow is None or (half is not None and half <= self.narrow)
        return is_narrow and self.judge(ratio, noise).outcome in ("pass", "fail", "measured")

    def judge(self, ratio: Ratio, noise: Ratio) -> Verdict:
        """What the interval of a ratio says, beside the interval of the same commands against themselves."""
        if ratio.value is None or ratio.low is None or ratio.high is None or noise.value is None or noise.floor is None:
            return Verdict("inconclusive", f"there is no interval: {ratio.reason or noise.reason}")
        shown = f"B/A is {ratio.low:.4f} to {ratio.high:.4f}"
        if self.max_slowdown is None:
            return Verdict("measured", f"{shown}, and nothing was asked of it")
        limit, at = 1 + self.max_slowdown, f"the limit {1 + self.max_slowdown:.4f}"
        if abs(math.log(limit)) <= noise.floor:
            floor = f"{math.expm1(noise.floor):.2%}"
            reason = f"{at} is within the noise floor: a command may be off by {floor} from itself; {shown}"
            return Verdict("invalid", reason, _settling(noise, limit, 1 / limit))
        if ratio.low > limit:
            return Verdict("fail", f"{shown}, all above {at}")
        if ratio.high < limit:
            return Verdict("pass", f"{shown}, all below {at}")
        return Verdict("inconclusive", f"{shown}, on both sides of {at}", _settling(ratio, limit))


def worst(verdicts: Iterable[Verdict]) -> Outcome:
    """The worst outcome of several metrics: fail, else invalid, inconclusive, pass, measured."""
    return max((verdict.outcome for verdict in verdicts), key=OUTCOMES.index)


def _settling(found: Ratio, *limits: float) -> int | None:
    """Pairs after which an interval around the same value leaves out these limits, if it shrinks as 1 / sqrt(pairs)."""
    most = 0.0
    for limit in limits:
        end = found.low if found.value is not None and found.value > limit else found.high
        if found.value is None or end is None or found.value == limit:
            return None
        most = max(most, found.pairs * (math.log(end / found.value) / math.log(limit / found.value)) ** 2)
    return math.ceil(most) if most <= FORESEEN else None
