"""Counts k of n by group and by block of subjects, for what has no place on a score axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench.counting.layout import Layout
from frbench.inputs.arrays import Ints
from frbench.plan import EVERYBODY, Group, Grouping, Party, name_of


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

    def names(self, columns: Sequence[str]) -> list[str]:
        """For each of the finest groups, its name in some label columns."""
        wanted = [self.columns.index(c) for c in columns]
        return [name_of([group[c] for c in wanted]) for group in self.groups]

    def everybody_and(self, groupings: Sequence[Grouping]) -> list[Group]:
        """Everybody, and every group of every grouping whose columns are there."""
        known = [columns for columns in groupings if columns and set(columns) <= set(self.columns)]
        return [EVERYBODY, *(Group.within(c, name) for c in known for name in sorted(set(self.names(c))))]

    def is_in(self, group: Group) -> NDArray[np.bool_]:
        """(g,) whether each of the finest groups belongs to a group."""
        return np.array([group.pair is None or name in group.pair for name in self.names(group.columns)], dtype=bool)

    def pick(self, group: Group) -> tuple[Ints, Ints, Ints]:
        """(b,) k, n and subjects of a group."""
        own = self.is_in(group)
        blocks = [party.blocks for party in self.parties if any(own[a] for a, _ in party.pairs)]
        subjects = np.reshape(np.array(blocks, dtype=np.int64), (-1, self.k.shape[1])).sum(axis=0)
        return self.k[own].sum(axis=0), self.n[own].sum(axis=0), subjects
