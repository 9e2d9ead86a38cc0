"""What engines answer with: the best pairs of each cell, and the best rows of each probe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from frbench.inputs.arrays import Bools, Floats32, Ints


class Hits(NamedTuple):
    """Pairs with their scores: (m,) numbers of cells, float32 scores, and rows of both sides."""

    cell: Ints
    score: Floats32
    a: Ints
    b: Ints

    def take(self, chosen: Bools | Ints) -> Hits:
        """Some of these."""
        return Hits(self.cell[chosen], self.score[chosen], self.a[chosen], self.b[chosen])


NO_HITS = Hits(np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64))


class Found(NamedTuple):
    """What a search found of each probe, best first.

    scores, rows : (m, k); equal scores by lower row. at_or_above : (m,) rows at or above its floor, (0,) without one.
    """

    scores: Floats32
    rows: Ints
    at_or_above: NDArray[np.uint64]

    @classmethod
    def zeros(cls, m: int, k: int, *, has_floors: bool) -> Found:
        """Room for the best `k` of `m` probes."""
        above = np.zeros(m if has_floors else 0, np.uint64)
        return cls(np.zeros((m, k), np.float32), np.zeros((m, k), np.int64), above)


def require_rows(k: int, n: int) -> None:
    """Raises ValueError if a gallery of `n` rows has no best `k`."""
    if k > n:
        raise ValueError(f"k is {k}, but the gallery has {n} rows")


def joined(parts: Iterable[Hits]) -> Hits:
    """The hits of all parts, one part after another; there is at least one."""
    return Hits(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def best(hits: Hits, n: int) -> Hits:
    """The best `n` hits of each cell, cell after cell, best first; equal scores in the order of rows."""
    ordered = hits.take(np.lexsort((hits.b, hits.a, -hits.score, hits.cell)))
    return ordered.take(ranks(ordered.cell) <= n)


def ranks(cells: Ints) -> Ints:
    """(m,) place of each entry within its run of equal cells, from 1."""
    starts = np.flatnonzero(np.diff(cells, prepend=-1))
    lengths = np.diff(np.append(starts, len(cells)))
    return np.arange(1, len(cells) + 1) - np.repeat(starts, lengths)
