"""Draws rounds of A twice and B twice in two pairs, and reads ratios from them.

A round gives two ratios of B to A, one of each pair, and two controls: A against itself and B against itself, from one
pair to the other. Which of the two is called the first of a control is drawn as well, so that controls are as blind to
drift as ratios are.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

Values = Mapping[str, float]


@dataclass(frozen=True)
class Order:
    """The order of a round, as it was drawn.

    turns : the sides in their order, such as ABBA. signs : of the control of A and of B: -1 swaps it.
    """

    turns: str
    signs: tuple[int, int]


@dataclass(frozen=True)
class Round:
    """An order, and what was measured in each of its four turns, by metric."""

    order: Order
    values: tuple[Values, ...]

    def of(self, side: str, metric: str) -> tuple[float, float]:
        """Both values of a side, in order of time."""
        first, second = (
            values[metric] for turn, values in zip(self.order.turns, self.values, strict=True) if turn == side
        )
        return first, second

    def ratios(self, metric: str) -> tuple[float, float]:
        """Logarithm of B to A in each pair."""
        (a0, a1), (b0, b1) = self.of("A", metric), self.of("B", metric)
        return math.log(b0 / a0), math.log(b1 / a1)

    def controls(self, metric: str) -> tuple[float, float]:
        """Logarithm of A to A and of B to B, across the two pairs."""
        (a0, a1), (b0, b1) = self.of("A", metric), self.of("B", metric)
        sign_a, sign_b = self.order.signs
        return sign_a * math.log(a1 / a0), sign_b * math.log(b1 / b0)


def draw(source: random.Random) -> Order:
    """An order, of four fair coins."""
    turns = source.choice(("AB", "BA")) + source.choice(("AB", "BA"))
    return Order(turns, (source.choice((1, -1)), source.choice((1, -1))))
