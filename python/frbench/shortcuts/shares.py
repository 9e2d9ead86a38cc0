"""Counts k of n by group and by block of subjects, for what has no place on a score axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench.counting.layout import Ints, Layout
from frbench.plan import Party, name_of


@dataclass(frozen=True, eq=False)
class Shares:
    """Counts of the finest groups.

    Parameters
    ----------
    k, n : (g, b) counts by group and block.
    parties : the subjects behind n.
    """

    columns: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    k: Ints
    n: Ints
    parties: tuple[Party, ...]

    @classmethod
    def of(cls, layout: Layout, rows: Ints, k: NDArray[Any], n: NDArray[Any] | int = 1) -> Shares:
        """The counts k of n of each of these rows of the layout."""
        place = layout.group[rows] * layout.n_blocks + layout.block[rows]
        shape = len(layout.groups), layout.n_blocks

        def by_place(amounts: NDArray[Any]) -> Ints:
            return np.bincount(place, amounts, minlength=shape[0] * shape[1]).round().astype(np.int64).reshape(shape)

        amounts = np.broadcast_to(np.asarray(n), len(rows))
        return cls(layout.columns, layout.groups, by_place(k), by_place(amounts), layout.parties(rows))

    def names(self, grouping: Sequence[str]) -> list[str]:
        """For each of the finest groups, its name in `grouping`."""
        columns = [self.columns.index(c) for c in grouping]
        return [name_of([group[c] for c in columns]) for group in self.groups]

    def rows(self, groupings: Sequence[tuple[str, ...]]) -> list[tuple[tuple[str, ...], str]]:
        """Everybody, and every group of every grouping whose columns are there."""
        wanted = [(), *(g for g in groupings if g and set(g) <= set(self.columns))]
        return [(grouping, name) for grouping in wanted for name in sorted(set(self.names(grouping)))]

    def pick(self, grouping: Sequence[str], name: str) -> tuple[Ints, Ints, Ints]:
        """(b,) k, n and subjects of a group."""
        names = self.names(grouping)
        own = np.array([other == name for other in names])
        blocks = [party.blocks for party in self.parties if any(names[a] == name for a, _ in party.pairs)]
        subjects = np.reshape(np.array(blocks, dtype=np.int64), (-1, self.k.shape[1])).sum(axis=0)
        return self.k[own].sum(axis=0), self.n[own].sum(axis=0), subjects
