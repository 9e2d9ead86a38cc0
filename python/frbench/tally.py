"""Holds what was counted and adds it up. Counting stops here, reading starts here.

`total[cell, bin]` holds every trial once: in the bin of its value, or in the last column if it has no score.
`touching[block, cell, bin]` holds the trials in which a subject of the block took part, so
`total - touching[b]` is the tally of the run without the subjects of block b.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from frbench.errors import Conservation, EdgeNotInPlan, PlanMismatch, TileCountedTwice
from frbench.plan import EVERYBODY, Group, Plan, Tile

Counts = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Histogram:
    """Trials of some cells together.

    bins : (t + 2,) trials by bin, the last without a score.
    touching : (n_blocks, t + 2) those that a subject of each block took part in; (0, t + 2) if not kept.
    """

    bins: Counts
    touching: Counts

    @property
    def trials(self) -> int:
        """All trials, those without a score included."""
        return int(self.bins.sum())

    @property
    def unscored(self) -> int:
        """Trials without a score."""
        return int(self.bins[-1])

    def at_or_above(self, edge: int) -> int:
        """Trials whose value is at or above edge number `edge`."""
        return int(self.bins[edge + 1 : -1].sum())

    def tail(self) -> NDArray[np.int64]:
        """(t,) trials at or above each edge."""
        return self.bins[:0:-1][1:].cumsum()[::-1].astype(np.int64)


@dataclass(frozen=True, eq=False)
class Tally:
    """Counts of the tiles in `tiles` of one plan. Immutable; tallies of disjoint tiles add."""

    plan: Plan
    tiles: frozenset[Tile]
    total: Counts
    touching: Counts

    @classmethod
    def zero(cls, plan: Plan) -> Tally:
        """The tally of no tile: `zero + t == t`."""
        c, t = len(plan.cells), plan.n_bins
        blocks = plan.n_blocks if plan.keeps_blocks else 0
        return cls(plan, frozenset(), np.zeros((c, t), np.uint64), np.zeros((blocks, c, t), np.uint64))

    @classmethod
    def of_tile(cls, plan: Plan, tile: Tile, counts: ArrayLike) -> Tally:
        """The tally of one tile.

        Parameters
        ----------
        counts : (cells, edges + 2) trials by bin, the last column without a score.
        """
        ledger = Ledger(cls.zero(plan))
        ledger.add(tile, np.asarray(counts, dtype=np.uint64))
        return ledger.tally()

    def __repr__(self) -> str:
        plan, of = self.plan, len(self.plan.tiles())
        tiles = f"{len(self.tiles):,}{f' of {of:,}' if of else ''} tiles"
        sizes = f"{len(plan.cells)} cells x {plan.n_bins:,} bins, {len(self.touching)} blocks"
        return f"Tally({plan.kind}, {sizes}, {tiles}, {int(self.total.sum()):,} trials)"

    def __add__(self, other: Tally) -> Tally:
        """Both counts together.

        Raises
        ------
        PlanMismatch : the tallies count different things.
        TileCountedTwice : a tile is in both.
        """
        if self.plan.digest != other.plan.digest:
            raise PlanMismatch(
                f"cannot add tallies of two plans: {self.plan.digest[:8]} ({self.plan.kind}) and "
                f"{other.plan.digest[:8]} ({other.plan.kind}); recount one of them with the other's inputs and options"
            )
        refuse_overlap(self.tiles, other.tiles)
        return Tally(self.plan, self.tiles | other.tiles, self.total + other.total, self.touching + other.touching)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Tally)
            and self.plan.digest == other.plan.digest
            and self.tiles == other.tiles
            and np.array_equal(self.total, other.total)
            and np.array_equal(self.touching, other.touching)
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def is_complete(self) -> bool:
        """Whether every tile of the plan has been counted."""
        return self.tiles >= frozenset(self.plan.tiles())

    def without(self, block: int) -> Counts:
        """(cells, bins) counts of the run without the subjects of `block`."""
        left: Counts = self.total - self.touching[block]
        return left

    def check(self) -> Tally:
        """This tally, if it holds exactly the trials that its plan declares.

        Raises
        ------
        Conservation : a cell holds another number of trials.
        """
        counted: Counter[tuple[bool, int, int]] = Counter()
        declared: Counter[tuple[bool, int, int]] = Counter()
        for cell, got, trials in zip(self.plan.cells, self.total.sum(axis=1), self.plan.trials, strict=True):
            counted[cell[:3]] += int(got)
            declared[cell[:3]] += trials
        for kind, trials in declared.items():
            if counted[kind] != trials:
                raise Conservation(
                    f"cell {kind} holds {counted[kind]} trials, the plan declares {trials}; do not use these counts"
                )
        return self

    def edge(self, threshold: float) -> int:
        """Number of the edge that equals `threshold`.

        Raises
        ------
        EdgeNotInPlan : no edge equals it; the message names the two nearest.
        """
        edges = self.plan.axis
        i = int(np.searchsorted(edges, threshold))
        if i < len(edges) and edges[i] == threshold:
            return i
        near = " and ".join(str(float(e)) for e in edges[max(0, i - 1) : i + 1])
        raise EdgeNotInPlan(
            f"threshold {threshold} is not an edge of this tally, the nearest are {near}; "
            f"recount with --thresholds {threshold}"
        )

    def pick(self, *, mated: bool, group: Group = EVERYBODY, parts: Collection[int] | None = None) -> Histogram:
        """Trials of the mated or non-mated cells of a group.

        Parameters
        ----------
        group : whose trials; everybody pools every pair of groups.
        parts : parts to take; None takes all.
        """
        names = self.plan.group_names(group.columns)
        wanted = None if group.pair is None else set(group.pair)
        rows = [
            i
            for i, cell in enumerate(self.plan.cells)
            if cell.mated == mated
            and (wanted is None or {names[cell.group_a], names[cell.group_b]} == wanted)
            and (parts is None or cell.part in parts)
        ]
        return Histogram(
            self.total[rows].sum(axis=0, dtype=np.uint64), self.touching[:, rows].sum(axis=1, dtype=np.uint64)
        )


class Ledger:
    """A tally in the making: the only mutable thing in counting, and it has one owner, the runner."""

    def __init__(self, begun: Tally) -> None:
        self._plan = begun.plan
        self._tiles = set(begun.tiles)
        self._total = begun.total.copy()
        self._touching = begun.touching.copy()

    def add(self, tile: Tile, counts: NDArray[Any]) -> None:
        """Adds the (cells, bins) counts of one tile.

        Raises
        ------
        TileCountedTwice : the tile has been added before.
        """
        refuse_overlap(self._tiles, {tile})
        self._tiles.add(tile)
        trials = np.asarray(counts).astype(np.uint64)
        self._total += trials
        if self._plan.keeps_blocks:
            for block in {b % self._plan.n_blocks for b in tile}:
                self._touching[block] += trials

    @property
    def tiles(self) -> frozenset[Tile]:
        """Tiles added so far."""
        return frozenset(self._tiles)

    def tally(self) -> Tally:
        """What has been counted so far."""
        return Tally(self._plan, frozenset(self._tiles), self._total.copy(), self._touching.copy())


def refuse_overlap(counted: Collection[Tile], more: Collection[Tile]) -> None:
    """Raises TileCountedTwice if a tile is in both."""
    twice = sorted(set(counted) & set(more))
    if twice:
        more_text = f" and {len(twice) - 1} more" if len(twice) > 1 else ""
        raise TileCountedTwice(
            f"tile {twice[0]}{more_text} is in both tallies, and would be counted twice; add each once"
        )
