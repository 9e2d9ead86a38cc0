"""Machines: times that are known, for comparisons of speed without a clock."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from frbench.speed.compare import Budget, Comparison, compare
from frbench.speed.goal import Goal
from frbench.speed.rounds import Order, Round


@dataclass
class Machine:
    """Processes that take a second each, times what `noise` says; they alone move its clock."""

    noise: Callable[[], float] = lambda: 1.0
    now: float = 0.0
    order: list[str] = field(default_factory=list)

    def side(self, name: str, seconds: float) -> Callable[[], dict[str, float]]:
        """A measurement of one side."""

        def measure() -> dict[str, float]:
            taken = seconds * self.noise()
            self.now += taken
            self.order.append(name)
            return {"wall": taken}

        return measure

    def compare(
        self, b: float, *, goal: Goal | None = None, pairs: int = 400, seconds: float = 1e9, seed: int = 1
    ) -> Comparison:
        """A, of one second, against B."""
        sides = self.side("A", 1.0), self.side("B", b)
        budget = Budget(pairs=pairs, seconds=seconds)
        return compare(*sides, goal=goal or Goal(), budget=budget, seed=seed, clock=lambda: self.now)


def lognormal(spread: float, *, seed: int) -> Callable[[], float]:
    """Noise with this standard deviation of its logarithm."""
    source = random.Random(seed)
    return lambda: math.exp(source.gauss(0, spread))


def rounds_of(values: Mapping[str, Any]) -> list[Round]:
    """The rounds in an ab.json."""
    return [
        Round(
            Order(each["turns"], tuple(each["signs"])),
            tuple({name: each["values"][name][turn] for name in each["values"]} for turn in range(4)),
        )
        for each in values["rounds"]
    ]


def rounds(*times: Sequence[float]) -> list[Round]:
    """Rounds ABBA of these times."""
    return [Round(Order("ABBA", (1, 1)), tuple({"wall": t} for t in four)) for four in times]
