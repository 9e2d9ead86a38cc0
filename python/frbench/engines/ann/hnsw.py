"""A hierarchical navigable small world graph by hnswlib.

Source: Malkov & Yashunin (2018), IEEE TPAMI 42, 824.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from frbench.engines.ann.index import THREADS, Family, Matrix, Numbers, inserted, missing
from frbench.inputs.arrays import Advance, Ints

NAME = "hnsw"


class HnswIndex:
    """A graph by hnswlib, on inner products."""

    def __init__(self, unit: Matrix, parameters: Numbers, seed: int, advance: Advance) -> None:
        try:
            import hnswlib
        except ImportError as error:
            raise missing("hnswlib", NAME, error) from error
        self._graph: Any = hnswlib.Index(space="ip", dim=unit.shape[1])
        self._graph.init_index(
            len(unit), M=parameters["M"], ef_construction=parameters["ef_construction"], random_seed=seed
        )
        for part in inserted(len(unit), advance):
            self._graph.add_items(unit[part], np.arange(part.start, part.stop), num_threads=THREADS)
        self._reached = max(1, len(unit) // 2)

    @property
    def nbytes(self) -> int:
        """See `Index.nbytes`."""
        return int(self._graph.index_file_size())

    def propose(self, probes: Matrix, k: int, effort: int) -> Ints:
        """See `Index.propose`."""
        self._graph.set_ef(effort)
        return self._found(probes, k)

    def _found(self, probes: Matrix, k: int) -> Ints:
        """hnswlib refuses a whole call in which a probe reaches fewer than k rows: such probes are asked for fewer."""
        labels = self._labels(probes, k)
        if labels is not None:
            return labels
        if len(probes) > 1:
            half = len(probes) // 2
            return np.concatenate([self._found(probes[:half], k), self._found(probes[half:], k)])
        found = self._as_many_as_there_are(probes, k)
        return np.pad(found, ((0, 0), (0, k - found.shape[1])), constant_values=-1)

    def _as_many_as_there_are(self, probe: Matrix, k: int) -> Ints:
        """(1, n) rows of a probe that reaches n < k: by halving, from what the last such probe reached."""
        found, refused = np.empty((1, 0), dtype=np.int64), k
        guess = min(self._reached, k - 1)
        while refused - found.shape[1] > 1:
            labels = self._labels(probe, guess)
            if labels is None:
                refused = guess
            else:
                found = labels
            is_right = labels is not None and guess == self._reached
            guess = guess + 1 if is_right else (found.shape[1] + refused) // 2
        self._reached = max(1, found.shape[1])
        return found

    def _labels(self, probes: Matrix, k: int) -> Ints | None:
        try:
            labels, _ = self._graph.knn_query(probes, k, num_threads=THREADS)
        except RuntimeError:
            return None
        return np.asarray(labels).astype(np.int64)


HNSW = Family(
    name=NAME,
    distribution="hnswlib",
    knob="ef",
    defaults=lambda _, __: {"M": 16, "ef_construction": 200},
    build=HnswIndex,
)
