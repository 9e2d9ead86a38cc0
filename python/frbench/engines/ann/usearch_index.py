"""A hierarchical navigable small world graph by usearch, on inner products."""

from __future__ import annotations

from typing import Any

import numpy as np

from frbench.engines.ann.index import THREADS, Family, Matrix, Numbers, inserted, missing
from frbench.inputs.arrays import Advance, Ints

NAME = "usearch"


class UsearchIndex:
    """A graph by usearch in float32. Its levels are drawn by a generator of its own: the seed is not used."""

    def __init__(self, unit: Matrix, parameters: Numbers, _: int, advance: Advance) -> None:
        try:
            from usearch.index import Index
        except ImportError as error:
            raise missing("usearch", NAME, error) from error
        self._graph: Any = Index(
            ndim=unit.shape[1],
            metric="ip",
            dtype="f32",
            connectivity=parameters["connectivity"],
            expansion_add=parameters["expansion_add"],
        )
        for part in inserted(len(unit), advance):
            self._graph.add(np.arange(part.start, part.stop), unit[part], threads=THREADS)

    @property
    def nbytes(self) -> int:
        """See `Index.nbytes`."""
        return int(self._graph.serialized_length)

    def propose(self, probes: Matrix, k: int, effort: int) -> Ints:
        """See `Index.propose`."""
        self._graph.expansion_search = effort
        # Of a single row usearch answers with a flat list, without counts.
        asked = probes if len(probes) > 1 else np.repeat(probes, 2, axis=0)
        found = self._graph.search(asked, k, threads=THREADS)
        keys, counts = np.asarray(found.keys)[: len(probes)], np.asarray(found.counts)[: len(probes)]
        rows = np.full((len(probes), k), -1, dtype=np.int64)
        there = np.arange(k) < counts[:, None]
        rows[there] = keys[:, :k][there].astype(np.int64)
        return rows


USEARCH = Family(
    name=NAME,
    distribution="usearch",
    knob="expansion",
    defaults=lambda _, __: {"connectivity": 16, "expansion_add": 128},
    build=UsearchIndex,
)
