"""Scores all pairs of the templates of two systems by both, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from frbench.counting.fusion.kept_scores import KeptScores
from frbench.counting.fusion.rule import Rule
from frbench.counting.fusion.twins import Twins
from frbench.counting.layout import Layout
from frbench.counting.pair_list import PairList
from frbench.counting.recorded.comparisons import MAX_PLACES, Recording, Subjects
from frbench.counting.sweep import kept_on_exit
from frbench.engines import Engine
from frbench.errors import InputError, OutputError
from frbench.inputs.arrays import Advance, Floats32, Ints, Ints32
from frbench.plan import Plan

SIDE = 1024


class Scored(NamedTuple):
    """Pairs of rows and their scores by both systems, NaN where a template failed. All are (n,)."""

    i: Ints
    j: Ints
    a: Floats32
    b: Floats32


def pair_scores(
    twins: Twins, engine: Engine, advance: Advance = lambda _: None, *, pairs: PairList | None = None, done: int = 0
) -> Iterator[Scored]:
    """Every unordered pair of rows once, or each of the listed `pairs`, at most a million at a time.

    done : pairs of the first parts that are left out, for they are known. `advance` is told these, too.
    """
    sides = [(t.failed, engine.rows(t.unit)) for t in (twins.a, twins.b)]
    advance(done)
    for i, j in _squares(len(twins), done) if pairs is None else _stretches(pairs, done):
        scores = []
        for failed, rows in sides:
            found = rows.score_pairs(rows, i, j)
            found[failed[i] | failed[j]] = np.nan
            scores.append(found)
        yield Scored(i, j, scores[0], scores[1])
        advance(len(i))


def _squares(n: int, done: int) -> Iterator[tuple[Ints, Ints]]:
    """Rows of all pairs but the first `done`, a square of the matrix at a time."""
    before = 0
    for first in range(0, n, SIDE):
        for start in range(first, n, SIDE):
            rows, columns = np.arange(first, min(first + SIDE, n)), np.arange(start, min(start + SIDE, n))
            size = len(rows) * len(columns) if start > first else len(rows) * (len(rows) - 1) // 2
            if before >= done:
                i, j = np.repeat(rows, len(columns)), np.tile(columns, len(rows))
                yield (i[j > i], j[j > i]) if first == start else (i, j)
            before += size


def _stretches(pairs: PairList, done: int) -> Iterator[tuple[Ints, Ints]]:
    """Rows of all listed pairs but the first `done`, some at a time."""
    for start in range(done, len(pairs.a), SIDE**2):
        yield pairs.a[start : start + SIDE**2], pairs.b[start : start + SIDE**2]


@dataclass(frozen=True, eq=False)
class FusedPairs:
    """Pairs of the templates of two systems under one rule: the listed ones, or all of them."""

    twins: Twins
    rule: Rule
    layout: Layout
    pairs: PairList | None = None

    def record(
        self, plan: Plan, engine: Engine, kept: KeptScores, *, interval_s: float, advance: Advance = lambda _: None
    ) -> Recording:
        """The fused scores of every trial of `plan`, the plan of these pairs; those in `kept` are not made again.

        interval_s : seconds after which what is done is kept once more; it is kept when the work is interrupted, too.

        Raises
        ------
        InputError : too many pairs of groups and blocks to number.
        OutputError : the disk is full; what was kept is given up.
        """
        if len(plan.cells) * plan.n_blocks**2 > MAX_PLACES:
            raise InputError(f"{len(plan.cells)} pairs of groups and {plan.n_blocks} blocks are too many; use fewer")
        known = kept.written.rows
        try:
            with kept_on_exit(kept.keep, interval_s) as stepped:
                for found in pair_scores(self.twins, engine, advance, pairs=self.pairs, done=known):
                    kept.add(self._places(plan, found), self.rule(found.a, found.b))
                    stepped()
            kept.keep()
        except OutputError:
            kept.remove()
            raise
        return self._recording(plan, kept)

    def _recording(self, plan: Plan, kept: KeptScores) -> Recording:
        lowest, highest = kept.written.range
        return Recording(
            knows_subjects=True,
            subjects=Subjects(self.twins.a, self.layout.columns, plan.n_blocks),
            keys=plan.cells,
            trials=plan.trials,
            unscored=kept.written.unscored,
            lowest=lowest,
            highest=highest,
            rows=(sum(plan.trials),),
            population=self.layout.population,
            spool=kept.spool,
        )

    def _places(self, plan: Plan, found: Scored) -> Ints32:
        """Cell and blocks of pairs in one number, the lower block first."""
        layout = self.layout
        g = len(layout.groups)
        number = np.full(2 * g * g, -1, dtype=np.int32)
        for at, cell in enumerate(plan.cells):
            number[(int(cell.mated) * g + cell.group_a) * g + cell.group_b] = at
        groups, blocks = (np.sort(np.stack([of[found.i], of[found.j]]), axis=0) for of in (layout.group, layout.block))
        mated = layout.subject[found.i] == layout.subject[found.j]
        cell_of = number[(mated * g + groups[0]) * g + groups[1]]
        return np.asarray(((cell_of * plan.n_blocks + blocks[0]) * plan.n_blocks + blocks[1]).astype(np.int32))
