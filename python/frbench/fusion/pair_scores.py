"""Pair scores: all pairs of templates that two systems made, scored by both, a bounded number at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from frbench.engines import Engine
from frbench.errors import InputError
from frbench.fusion.rule import Rule
from frbench.fusion.twins import Twins
from frbench.layout import Ints, Layout
from frbench.plan import Plan
from frbench.recorded.recording import MAX_PLACES, Recording, Subjects
from frbench.recorded.score_files import Recorded
from frbench.recorded.spool import Spool

Advance = Callable[[int], None]
SIDE = 1024


class Scored(NamedTuple):
    """Pairs of rows and their scores by both systems, NaN where a template failed. All are (n,)."""

    i: Ints
    j: Ints
    a: NDArray[np.float32]
    b: NDArray[np.float32]


def pair_scores(twins: Twins, engine: Engine, advance: Advance = lambda _: None) -> Iterator[Scored]:
    """Every unordered pair of rows once, at most a million at a time."""
    sides = [(t.failed, engine.rows(t.unit)) for t in (twins.a, twins.b)]
    n = len(twins)
    for first in range(0, n, SIDE):
        for start in range(first, n, SIDE):
            i, j = _pairs(first, start, n)
            scores = []
            for failed, rows in sides:
                found = rows.score_pairs(rows, i, j)
                found[failed[i] | failed[j]] = np.nan
                scores.append(found)
            yield Scored(i, j, scores[0], scores[1])
            advance(len(i))


def _pairs(first: int, start: int, n: int) -> tuple[Ints, Ints]:
    """Rows of the pairs of one square of the matrix; on the diagonal, those above it."""
    rows, columns = np.arange(first, min(first + SIDE, n)), np.arange(start, min(start + SIDE, n))
    i, j = np.repeat(rows, len(columns)), np.tile(columns, len(rows))
    return (i[j > i], j[j > i]) if first == start else (i, j)


@dataclass(frozen=True, eq=False)
class FusedPairs:
    """All pairs of the templates of two systems under one rule."""

    twins: Twins
    rule: Rule
    layout: Layout

    def record(
        self, plan: Plan, engine: Engine, directory: Path, *, stack: ExitStack, advance: Advance = lambda _: None
    ) -> Recording:
        """The fused scores of every trial of `plan`, that of all pairs, in nameless files until `stack` is closed.

        They take 12 bytes a pair in `directory`.

        Raises
        ------
        InputError : too many pairs of groups and blocks to number.
        OutputError : the disk is full.
        """
        if len(plan.cells) * plan.n_blocks**2 > MAX_PLACES:
            raise InputError(f"{len(plan.cells)} pairs of groups and {plan.n_blocks} blocks are too many; use fewer")
        spool = Spool(directory, stack, np.int32, np.float64)
        lowest, highest, unscored = math.inf, -math.inf, 0
        for found in pair_scores(self.twins, engine, advance):
            fused = self.rule(found.a, found.b)
            spool.write(self._places(plan, found), fused)
            scored = fused[~np.isnan(fused)]
            unscored += len(fused) - len(scored)
            if len(scored):
                lowest, highest = min(lowest, float(scored.min())), max(highest, float(scored.max()))
        return Recording(
            source=Recorded(()),
            knows_subjects=True,
            subjects=Subjects(self.twins.a, self.layout.columns, plan.n_blocks),
            columns=self.layout.columns,
            n_blocks=plan.n_blocks,
            keys=plan.cells,
            trials=plan.trials,
            independent=(),
            independent_nonmated=0,
            took_part=np.zeros((2, 0), dtype=bool),
            unscored=unscored,
            lowest=lowest if lowest <= highest else math.nan,
            highest=highest if lowest <= highest else math.nan,
            rows=(sum(plan.trials),),
            population=self.layout.population,
            spool=spool,
        )

    def _places(self, plan: Plan, found: Scored) -> NDArray[np.int32]:
        """Cell and blocks of pairs in one number, the lower block first."""
        layout = self.layout
        g = len(layout.groups)
        number = np.full(2 * g * g, -1, dtype=np.int32)
        for at, cell in enumerate(plan.cells):
            number[(int(cell.mated) * g + cell.group_a) * g + cell.group_b] = at
        groups, blocks = (np.sort(np.stack([of[found.i], of[found.j]]), axis=0) for of in (layout.group, layout.block))
        mated = layout.subject[found.i] == layout.subject[found.j]
        cell_of = number[(mated * g + groups[0]) * g + groups[1]]
        places: NDArray[np.int32] = ((cell_of * plan.n_blocks + blocks[0]) * plan.n_blocks + blocks[1]).astype(np.int32)
        return places
