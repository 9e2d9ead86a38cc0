"""Computes what a part of the gallery would have shown, in replicates without one block of people each.

The cells of the gallery are dealt to sixteen parts, and those of a part to sixteen blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench.candidates import CELLS, NonmatedSearches
from frbench.inputs.arrays import Ints
from frbench.operating_point import RULE_OF_30
from frbench.reading.sizes import score_tail
from frbench.reading.sizes.gallery_models import Counts

PARTS = 16
GALLERY_BLOCKS = CELLS // PARTS
EVERYTHING = tuple(range(PARTS))
TAIL_SHARE = 0.1

Parts = tuple[int, ...]


def hidden_sizes() -> Iterator[Parts]:
    """Disjoint parts of the gallery: its sixteenths, eighths, quarters and halves."""
    for share in (16, 8, 4, 2):
        step = PARTS // share
        for first in range(0, PARTS, step):
            yield tuple(range(first, first + step))


@dataclass(frozen=True, eq=False)
class PartedSearches:
    """Non-mated searches of one group, as parts of the gallery would have answered them.

    rows_of_cell : gallery rows by cell.
    """

    searches: NonmatedSearches
    rows_of_cell: Ints

    @cached_property
    def probe_blocks(self) -> Ints:
        """Blocks that hold a probe."""
        return np.unique(self.searches.block)

    @cached_property
    def best(self) -> NDArray[np.floating[Any]]:
        """(m,) best scores, increasing; -inf for a search without a candidate."""
        return np.sort(self.searches.scores[:, 0])

    def rows(self, parts: Parts) -> Ints:
        """(GALLERY_BLOCKS,) gallery rows of these parts by block."""
        return np.asarray(self.rows_of_cell.reshape(GALLERY_BLOCKS, PARTS)[:, list(parts)].sum(axis=1))

    def seen(self, threshold: float, parts: Parts) -> Counts:
        """What these parts show at the threshold: everything, without each probe block, without each gallery block.

        Candidate lists must hold every match. Replicates come in this order; a gallery block without rows has none.
        """
        probe, block = self._matches(threshold, parts)
        m = len(self.searches.block)
        by_block = np.zeros((m, GALLERY_BLOCKS), dtype=np.int64)
        np.add.at(by_block, (probe, block), 1)
        rows = self.rows(parts)
        occupied = np.flatnonzero(rows)
        count = by_block.sum(axis=1)
        whole = _statistics(count)
        total = whole.sum(axis=1)
        touching = np.array([np.bincount(self.searches.block, row)[self.probe_blocks] for row in whole])
        without_gallery = [_statistics(count - by_block[:, g]).sum(axis=1) for g in occupied]
        found = np.vstack([total, total - touching.T, *without_gallery]).astype(np.float64)
        n = np.bincount(self.searches.block)[self.probe_blocks]
        searches = np.concatenate([[m], m - n, np.full(len(occupied), m)]).astype(np.float64)
        left = np.concatenate([np.full(1 + len(n), rows.sum()), rows.sum() - rows[occupied]]).astype(np.float64)
        matches, positives, singles, doubles = found.T
        tail = self._tail(parts, searches).at(threshold)
        return Counts(searches, left, matches, positives, singles, doubles, tail)

    def _matches(self, threshold: float, parts: Parts) -> tuple[Ints, Ints]:
        """Probe and gallery block of every false match of these parts."""
        probe, place = np.nonzero(self.searches.reaching(threshold))
        cell = self.searches.cell[probe, place]
        inside = np.isin(cell % PARTS, parts)
        return probe[inside], cell[inside] // PARTS

    def _tail(self, parts: Parts, searches: NDArray[np.float64]) -> score_tail.Tail:
        if parts not in self._kept_tails:
            self._kept_tails[parts] = self._fitted_tail(parts, searches)
        return self._kept_tails[parts]

    @cached_property
    def _kept_tails(self) -> dict[Parts, score_tail.Tail]:
        return {}

    def _fitted_tail(self, parts: Parts, searches: NDArray[np.float64]) -> score_tail.Tail:
        """Tails of best scores of all replicates above one level: that of a tenth of the searches."""
        found = self.searches
        probe, place = np.nonzero(np.isin(found.cell % PARTS, parts) & (found.cell >= 0))
        by_block = np.full((len(found.block), GALLERY_BLOCKS), -np.inf)
        np.maximum.at(by_block, (probe, found.cell[probe, place] // PARTS), found.scores[probe, place])
        best = by_block.max(axis=1)
        level = self._level(best)
        high = best > level
        best, by_block, block = best[high], by_block[high], found.block[high]
        samples = [
            best,
            *(np.where(block == b, -np.inf, best) for b in self.probe_blocks),
            *(np.delete(by_block, g, axis=1).max(axis=1) for g in np.flatnonzero(self.rows(parts))),
        ]
        return score_tail.fit(np.array(samples), searches, level)

    def _level(self, best: NDArray[np.float64]) -> float:
        """The level that a tenth of the searches exceed, at least 60 of them, and below which no list ends.

        Infinite, so that there is no tail, where fewer than 30 exceed it.
        """
        n = min(max(2 * RULE_OF_30, int(TAIL_SHARE * len(best))), int(np.isfinite(best).sum()) - 1)
        if n < RULE_OF_30:
            return np.inf
        tenth = np.partition(best, len(best) - 1 - n)[len(best) - 1 - n]
        unlisted = self.searches.scores[np.isneginf(best), -1]
        level = float(max(tenth, unlisted.max(initial=-np.inf)))
        return level if (best > level).sum() >= RULE_OF_30 else np.inf


def _statistics(count: Ints) -> Ints:
    """(4, m) matches, and whether there is one at least, exactly one, exactly two."""
    return np.array([count, count > 0, count == 1, count == 2], dtype=np.int64)
