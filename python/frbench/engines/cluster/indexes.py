"""Approximate indexes of a cluster, one a worker of the rows that it holds, asked as if they were one."""

from __future__ import annotations

from typing import Any

import numpy as np

from frbench.engines.ann.index import Family, Numbers
from frbench.engines.cluster.parts import Parts
from frbench.engines.cluster.rows import ClusterEngine, ClusterRows
from frbench.engines.cluster.shard_index import Made, Recipe
from frbench.inputs.arrays import Floats32, Ints


class ClusterIndex:
    """Proposals of all workers, by row of the gallery whatever the order of insertion.

    Each has an index of its own rows, which it builds again if it takes the place of a worker that was lost.

    made : what the indexes took, by worker.
    """

    def __init__(
        self,
        engine: ClusterEngine,
        rows: ClusterRows,
        *,
        family: Family,
        parameters: Numbers,
        seed: int,
        order: Ints | None,
    ) -> None:
        self._engine, self._rows = engine, rows
        orders = (_own(order, rows.parts, worker) for worker in range(rows.parts.workers))
        recipes = (Recipe.of(family.name, dict(parameters), seed=seed, order=own) for own in orders)
        self._recipes = [engine.workers.share(recipe) for recipe in recipes]
        self.made: tuple[Made, ...] = tuple(self._ask("build"))

    @property
    def nbytes(self) -> int:
        """Bytes of all indexes."""
        return sum(made.nbytes for made in self.made)

    def propose(self, probes: Floats32, k: int, effort: int) -> Ints:
        """See `Index.propose`: k rows of each worker, or all that it has."""
        return np.concatenate(self._ask("propose", self._engine.workers.share(probes), k, effort), axis=1)

    def _ask(self, method: str, *more: Any) -> list[Any]:
        asked = [(held, recipe, *more) for held, recipe in zip(self._rows.held, self._recipes, strict=True)]
        (answers,) = self._engine.workers.map(method, [asked])
        self._engine.note(answers)
        return [answer.value for answer in answers]


def _own(order: Ints | None, parts: Parts, worker: int) -> Ints | None:
    """(m,) rows of a worker in the order in which they stand in `order`, which is one of all rows."""
    if order is None:
        return None
    when = np.empty(len(order), dtype=np.int64)
    when[order] = np.arange(len(order))
    return np.argsort(when[parts.places(worker)]).astype(np.int64)
