"""Takes reviewed pairs out of numerator and denominator of every rate, as a layout counts them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from frbench.counting import population
from frbench.counting.layout import Layout
from frbench.counting.pair_list import PairList
from frbench.inputs.arrays import Bools, Ints
from frbench.moments import Listed
from frbench.plan import POPULATION, Plan, Tile, digest_of


class Exclusion:
    """Pairs of a layout that are not counted, scored or not; none if there is no list.

    Subjects and parties of the plan stay as they are: from them come the bounds at zero errors, which each excluded
    pair would move by at most one independent trial.
    """

    def __init__(self, layout: Layout, pairs: PairList | None) -> None:
        self._layout = layout
        self._keys: Ints = np.zeros(0, np.int64) if pairs is None else np.sort(pairs.keys)
        # By row of the templates, so that the order of the list and of each pair does not matter.
        self._rows: Ints = np.stack(np.divmod(self._keys, len(layout.templates)))
        rows = self._rows
        self._mated = layout.subject[rows[0]] == layout.subject[rows[1]]
        self._blocks, self._groups = (np.sort(of[rows], axis=0) for of in (layout.block, layout.group))
        self._is_scored = ~layout.templates.failed[rows].any(axis=0)

    def __len__(self) -> int:
        return len(self._keys)

    def leave(self, plan: Plan) -> Plan:
        """`plan` of this layout without these pairs; a plan of its own, unless there are none."""
        if not len(self):
            return plan
        whose = population.of_excluded(self._layout.templates.template_ids, *self._rows)
        excluded = self.trials(None, scored=False)
        left = {
            cell: n - int(excluded[int(cell.mated), cell.group_a, cell.group_b])
            for cell, n in zip(plan.cells, plan.trials, strict=True)
        }
        return replace(
            plan,
            inputs=digest_of(plan.inputs, "without", self._keys),
            cells=tuple(cell for cell, n in left.items() if n),
            trials=tuple(n for n in left.values() if n),
            details={**plan.details, POPULATION: self._layout.population | whose},
        )

    def trials(self, tile: Tile | None, *, scored: bool) -> Ints:
        """(2, g, g) numbers of non-mated and of mated pairs of a tile or of all, upper triangle; all or scored ones."""
        chosen = self._in(tile) & (self._is_scored | (not scored))
        g = len(self._layout.groups)
        table = np.zeros((2, g, g), dtype=np.int64)
        np.add.at(table, (self._mated[chosen].astype(np.int64), *self._groups[:, chosen]), 1)
        return table

    def scored(self, tile: Tile | None = None) -> Listed:
        """Scored pairs of a tile or of all: whether each is mated, and both of its rows."""
        chosen = self._in(tile) & self._is_scored
        return self._mated[chosen], *self._rows[:, chosen]

    def holds(self, a: Ints, b: Ints) -> Bools:
        """Which of the pairs of rows `a` and `b` are excluded."""
        return np.isin(population.pair_keys(a, b, len(self._layout.templates)), self._keys)

    def _in(self, tile: Tile | None) -> Bools:
        if tile is None:
            return np.ones(len(self), dtype=bool)
        return np.asarray((self._blocks == np.reshape(tile, (2, 1))).all(axis=0))
