"""Pairs with scores, and the best of each cell."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Hits(NamedTuple):
    """Pairs with their scores: (m,) numbers of cells, float32 scores, and rows of both sides."""

    cell: Ints
    score: NDArray[np.float32]
    a: Ints
    b: Ints

    def take(self, chosen: NDArray[np.bool_] | Ints) -> Hits:
        """Some of these."""
        return Hits(self.cell[chosen], self.score[chosen], self.a[chosen], self.b[chosen])


def best(hits: Hits, n: int) -> Hits:
    """The best `n` hits of each cell, cell after cell, best first; equal scores in the order of rows."""
    ordered = hits.take(np.lexsort((hits.b, hits.a, -hits.score, hits.cell)))
    return ordered.take(ranks(ordered.cell) <= n)


def ranks(cells: Ints) -> Ints:
    """(m,) place of each entry within its run of equal cells, from 1."""
    starts = np.flatnonzero(np.diff(cells, prepend=-1))
    lengths = np.diff(np.append(starts, len(cells)))
    return np.arange(1, len(cells) + 1) - np.repeat(starts, lengths)
