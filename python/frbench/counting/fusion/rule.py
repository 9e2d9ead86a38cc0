"""Makes one score of the scores of two systems, on a scale that both were brought to.

| rule | fused score of x and y, the scores of A and B on the common scale | accepts at T |
|---|---|---|
| sum | x + y | |
| weighted | w x + (1 - w) y; x alone with w = 1, y alone with w = 0 | |
| and | the lower of x and y | where both do |
| or | the higher of x and y | where one does |

Source: Kittler, Hatef, Duin & Matas (1998), On combining classifiers; Jain, Nandakumar & Ross (2005), Score
normalization in multimodal biometric systems.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from frbench.choices import Combination as Combination
from frbench.inputs.arrays import Floats, Floats32

FORMULA = {
    "sum": "x + y",
    "weighted": "w x + (1 - w) y",
    "and": "the lower of x and y: T accepts where both systems do",
    "or": "the higher of x and y: T accepts where one system does",
}
FAILURES = {
    "or": "a trial has a score where one system has; where both failed it has none",
    "sum": "a trial has no score where one system has none",
    "alone": "a trial has no score where the system that has all of the weight has none",
}


@dataclass(frozen=True)
class Scale:
    """The scale (s - center) / scale of scores s."""

    center: float = 0.0
    scale: float = 1.0

    def __call__(self, scores: Floats32) -> Floats:
        """The scores on this scale, in float64; a score equal to `center` is 0, and none above it is below 0."""
        return (scores.astype(np.float64) - self.center) / self.scale


@dataclass(frozen=True)
class Rule:
    """How two scores become one.

    Parameters
    ----------
    a, b : scales of the systems.
    weight : of A, for "weighted" alone.
    """

    combination: Combination
    a: Scale = Scale()
    b: Scale = Scale()
    weight: float | None = None

    def __call__(self, a: Floats32, b: Floats32) -> Floats:
        """(n,) fused scores of `a` and `b` (n,), NaN where there is none; float64, element by element."""
        x, y = self.a(a), self.b(b)
        if self.combination == "and":
            return np.minimum(x, y)
        if self.combination == "or":
            return np.fmax(x, y)
        if self.weight is None:
            return x + y
        if self.is_alone:
            return x if self.weight else y
        return np.asarray(self.weight * x + (1 - self.weight) * y)

    @property
    def is_alone(self) -> bool:
        """Whether one system has all of the weight, so that failures of the other one do not matter."""
        return self.weight in (0.0, 1.0)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Rule:
        """The rule that `to_json` wrote."""
        return cls(values["rule"], Scale(**values["a"]), Scale(**values["b"]), values["weight"])

    def to_json(self) -> dict[str, Any]:
        """The rule as JSON values, with its formula in words."""
        return {
            "rule": self.combination,
            "formula": FORMULA[self.combination],
            "weight": self.weight,
            "a": asdict(self.a),
            "b": asdict(self.b),
            "failures": FAILURES["alone" if self.is_alone else "or" if self.combination == "or" else "sum"],
        }
