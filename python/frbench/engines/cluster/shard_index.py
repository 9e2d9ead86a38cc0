"""An approximate index of the rows of one worker, made as a recipe says."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from frbench.engines.ann import FAMILIES
from frbench.inputs.arrays import Floats32, Ints
from frbench.plan import digest_of


@dataclass(frozen=True, eq=False)
class Recipe:
    """What makes an index of a worker's rows, the same each time.

    family : name of one of `FAMILIES`. order : (n,) own rows as they are inserted; None takes them as they lie.
    digest : of all of this.
    """

    family: str
    parameters: Mapping[str, int]
    seed: int
    order: Ints | None
    digest: str

    @classmethod
    def of(cls, family: str, parameters: Mapping[str, int], *, seed: int, order: Ints | None) -> Recipe:
        """The recipe, with its digest."""
        said = [family, str(sorted(parameters.items())), str(seed)]
        return cls(family, parameters, seed, order, digest_of(*said, *([] if order is None else [order])))


class Made(NamedTuple):
    """Rows of an index, its bytes where it is saved, and the seconds of its build."""

    rows: int
    nbytes: int
    seconds: float


class ShardIndex:
    """The index of `unit` (n, d), the rows of a worker."""

    def __init__(self, recipe: Recipe, unit: Floats32) -> None:
        self.digest, self._order = recipe.digest, recipe.order
        begin = time.perf_counter()
        inserted = unit if recipe.order is None else unit[recipe.order]
        self._index = FAMILIES[recipe.family].build(inserted, recipe.parameters, recipe.seed, lambda _: None)
        seconds = time.perf_counter() - begin
        self.made = Made(len(unit), self._index.nbytes, seconds)

    def propose(self, probes: Floats32, k: int, effort: int) -> Ints:
        """(m, min(k, n)) own rows, each at most once, in any order; -1 where there is none."""
        found = self._index.propose(probes, min(k, self.made.rows), effort)
        return found if self._order is None else np.where(found < 0, -1, self._order[found])
