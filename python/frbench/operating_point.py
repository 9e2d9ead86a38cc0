"""A threshold, the rate that it was set at, and the population that it was set on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

RULE_OF_30 = 30
ALL_PAIRS = "all non-mated pairs"


def population_title(population: tuple[str, str] | None, *, mated: bool = False) -> str:
    """Whom a threshold is set on, in words. population : (column, label); None for everybody."""
    kind = "mated" if mated else "non-mated"
    return f"all {kind} pairs" if population is None else f"{kind} pairs within {population[0]}={population[1]}"


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and where it came from.

    threshold : None if the data cannot support the target, with the reason.
    k, n : errors at the threshold, of the kind that the target is about, and trials of the population it was set on.
    """

    at: str
    population: str
    threshold: float | None
    k: int
    n: int
    reason: str = ""

    @property
    def is_supported(self) -> bool:
        """Whether at least 30 errors stand behind the threshold (rule of 30)."""
        return self.k >= RULE_OF_30

    def to_json(self) -> dict[str, Any]:
        """The fields, the achieved rate and the rule of 30 as JSON values."""
        achieved = self.k / self.n if self.n and self.threshold is not None else None
        return asdict(self) | {"achieved": achieved, "rule_of_30": self.is_supported}
