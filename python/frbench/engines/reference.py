"""The definition of a score in numpy float64, written to be read: the oracle that every other engine is held to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench.engines import Subjects
from frbench.engines.hits import Found, Hits, require_rows
from frbench.inputs.arrays import Bools, Floats, Floats32, Ints
from frbench.plan import Rectangle

LANES = 16


def unit_rows(matrix: NDArray[Any]) -> tuple[Floats32, Bools]:
    """Unit rows (n, d) of `matrix`, and which rows have a direction; the others are zero.

    A row is scaled by the power of two that brings its largest component into [1, 2), which is exact, and divided
    by its norm in float64; the quotient is rounded to float32.
    """
    rows = np.asarray(matrix, dtype=np.float64)
    largest = np.abs(rows).max(axis=1)
    ok = np.isfinite(rows).all(axis=1) & (largest > 0)
    unit = np.zeros(rows.shape, dtype=np.float32)
    scaled = np.ldexp(rows[ok], 1 - np.frexp(largest[ok])[1][:, None])
    unit[ok] = scaled / np.sqrt(_add(scaled[:, None, :], scaled[:, None, :]))
    return unit, ok


def scores(a: Floats32, b: Floats32) -> Floats32:
    """(n, m) scores of the rows of `a` and of `b`: float64 sums in the order of the definition, rounded to float32."""
    wide_b = b.astype(np.float64)[None, :, :]
    out = np.empty((len(a), len(b)), dtype=np.float32)
    for i, row in enumerate(a.astype(np.float64)):
        out[i] = _add(np.broadcast_to(row, wide_b.shape), wide_b)[0]
    return out


def _add(x: Floats, y: Floats) -> Floats:
    """Sums of products over the last axis: sixteen sums, one for each remainder by sixteen, then by halves."""
    lanes = np.zeros((*x.shape[:-1], LANES))
    for k in range(0, x.shape[-1], LANES):
        product = x[..., k : k + LANES] * y[..., k : k + LANES]
        lanes[..., : product.shape[-1]] += product
    while lanes.shape[-1] > 1:
        half = lanes.shape[-1] // 2
        lanes = lanes[..., :half] + lanes[..., half:]
    total: Floats = lanes[..., 0]
    return total


class ReferenceRows:
    """Unit rows as they are."""

    def __init__(self, unit: Floats32) -> None:
        self.unit = unit

    def __len__(self) -> int:
        return len(self.unit)

    def count(self, gallery: ReferenceRows, edges: Floats, where: Rectangle) -> NDArray[np.uint64]:
        """See `engines.Rows.count`."""
        i, j, cell, wanted = _pairs(where)
        bins = np.searchsorted(edges, scores(self.unit[i], gallery.unit[j]), side="right")
        counts = np.zeros((where.n_cells, len(edges) + 1), dtype=np.uint64)
        np.add.at(counts, (cell[wanted], bins[wanted]), np.uint64(1))
        return counts

    def search(self, probes: ReferenceRows, k: int, *, floors: Floats32 | None = None) -> Found:
        """See `engines.Rows.search`."""
        require_rows(k, len(self))
        all_scores = scores(probes.unit, self.unit)
        order = np.argsort(-all_scores, axis=1, kind="stable")[:, :k]
        at_or_above = np.zeros(0) if floors is None else (all_scores >= floors[:, None]).sum(axis=1)
        best = np.take_along_axis(all_scores, order, axis=1)
        return Found(best, order.astype(np.int64), at_or_above.astype(np.uint64))

    def tail(self, gallery: ReferenceRows, n: int, floors: Floats, where: Rectangle, subjects: Subjects) -> Hits:
        """See `engines.Rows.tail`."""
        i, j, cell, wanted = _pairs(where)
        score = scores(self.unit[i], gallery.unit[j])
        wanted &= (score >= floors[cell]) & (subjects[0][i][:, None] != subjects[1][j][None, :])
        # Places are in order of rows, and sorting keeps the order of what is equal.
        places = np.argwhere(wanted)[np.argsort(-score[wanted], kind="stable")]
        best = [places[cell[tuple(places.T)] == number][:n] for number in range(len(floors))]
        a, b = np.concatenate(best).T if best else np.zeros((2, 0), np.int64)
        return Hits(cell[a, b], score[a, b], i[a], j[b])

    def score_pairs(self, other: ReferenceRows, mine: Ints, theirs: Ints) -> Floats32:
        """See `engines.Rows.score_pairs`."""
        products = _add(self.unit[mine].astype(np.float64), other.unit[theirs].astype(np.float64))
        return products.astype(np.float32)


def _pairs(where: Rectangle) -> tuple[Ints, Ints, Ints, Bools]:
    """(n,) probes, (m,) gallery rows, and the (n, m) cells of their pairs and which of these are wanted."""
    i, j = np.arange(*where.probes), np.arange(*where.gallery)
    cell = where.cells[np.ix_(where.probe_groups[i], where.gallery_groups[j])].astype(np.int64)
    wanted = j[None, :] > i[:, None] if where.is_upper else np.ones(cell.shape, dtype=bool)
    return i, j, cell, wanted


class ReferenceEngine:
    """The oracle: slow, and for small populations."""

    name = "reference"
    parallel = 1

    def rows(self, unit: Floats32) -> ReferenceRows:
        """`unit` (n, d) as it is."""
        return ReferenceRows(unit)

    def close(self) -> None:
        """Nothing is held elsewhere."""

    def describe(self) -> Mapping[str, Any]:
        """Name, and that it is numpy in one thread."""
        return {"engine": self.name, "isa": "numpy", "threads": 1}
