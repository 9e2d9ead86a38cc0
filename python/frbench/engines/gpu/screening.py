"""Pairs of packed rows that may reach a limit, however many there are.

A sieve has room for so many pairs. Where more are found, its rectangle is cut in two and both are sieved, until each
has room: one with no more pairs than there is room for always has. So nothing is lost, and a crowd costs time alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from frbench.engines.gpu.arrays import Array, Arrays, Side

# Pairs that one launch compares at most: a tenth of a second, so that a request to stop is heard soon.
MOST_PAIRS = 1 << 36
# Of the room that pairs are expected to fill; and how much more are expected where there was none.
FILLED = 0.5
SURPRISE = 4.0
# Times as many pairs as there is room for are sieved first, to learn how many are found.
FIRST = 64


@dataclass(frozen=True)
class Piece:
    """Probes and gallery rows of a sieve, by place: from, and to but not with."""

    probes: tuple[int, int]
    rows: tuple[int, int]

    @property
    def pairs(self) -> int:
        """Pairs that it holds."""
        return (self.probes[1] - self.probes[0]) * (self.rows[1] - self.rows[0])

    def halves(self) -> tuple[Piece, Piece]:
        """Two pieces that make this one, of as many probes or rows each."""
        (a, b), (c, d) = self.probes, self.rows
        if b - a > d - c:
            return Piece((a, (a + b) // 2), self.rows), Piece(((a + b) // 2, b), self.rows)
        return Piece(self.probes, (c, (c + d) // 2)), Piece(self.probes, ((c + d) // 2, d))


class Screening:
    """Sieves on one device, and how full they were.

    capacity : pairs that one has room for.
    """

    def __init__(self, arrays: Arrays, capacity: int) -> None:
        self._arrays = arrays
        self._capacity = capacity

    def pairs(self, probes: Side, gallery: Side, *, shift: int | None) -> Iterator[tuple[Array, Array]]:
        """Probes and gallery rows, by place, that may reach what the probe needs; some at a time.

        shift : only pairs with row > probe + shift; None for all.
        """
        waiting, density = [Piece((0, len(probes.rows)), (0, len(gallery.rows)))], FILLED / FIRST
        while waiting:
            piece = waiting.pop()
            if not piece.pairs or (shift is not None and piece.rows[1] - 1 <= piece.probes[0] + shift):
                continue
            is_crowded = piece.pairs > self._capacity and density * piece.pairs > FILLED * self._capacity
            if piece.pairs > MOST_PAIRS or is_crowded:
                waiting += reversed(piece.halves())
                continue
            n, probe, row = self._arrays.sieve(
                probes.part(*piece.probes),
                gallery.part(*piece.rows),
                upper=shift is not None,
                shift=0 if shift is None else shift + piece.probes[0] - piece.rows[0],
                capacity=min(self._capacity, piece.pairs),
            )
            if n > self._capacity:
                density = max(SURPRISE * density, self._capacity / piece.pairs)
                waiting += reversed(piece.halves())
                continue
            density = n / piece.pairs
            if n:
                yield probe + piece.probes[0], row + piece.rows[0]
