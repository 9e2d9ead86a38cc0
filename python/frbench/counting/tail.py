"""Finds the best non-mated pairs of every cell by name, for somebody to look at.

High non-mated scores are where mislabelled people, duplicates and twins are. A tally says how many pairs reach an
edge, so those that do not can be passed over, and the pairs that were kept can be counted again.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import numpy as np

from frbench.engines.hits import Hits, best, joined, ranks
from frbench.errors import Conservation, InputError
from frbench.inputs.arrays import Floats, Ints
from frbench.plan import Plan
from frbench.tally import Tally
from frbench.templates import Templates

MAX_OF_CELL = 100_000
MAX_PAIRS = 5_000_000
# Pairs that are waiting to be compared with those kept.
PENDING = 1 << 22
COLUMNS = ("group_a", "group_b", "rank", "score", "template_a", "subject_a", "template_b", "subject_b")


def checked(n: int, plan: Plan) -> int:
    """`n`, if that many pairs of every cell of `plan` can be kept.

    Raises
    ------
    InputError : not 1 to 100,000, or more than 5,000,000 pairs in all.
    """
    if not 1 <= n <= MAX_OF_CELL:
        raise InputError(f"--keep-pairs is {n}, expected 1 to {MAX_OF_CELL:,} for each pair of groups")
    trials = [t for cell, t in zip(plan.cells, plan.trials, strict=True) if not cell.mated]
    kept = sum(min(n, t) for t in trials)
    if kept > MAX_PAIRS:
        raise InputError(
            f"--keep-pairs is {n}, which keeps {kept:,} pairs of {len(trials):,} pairs of groups, expected at most "
            f"{MAX_PAIRS:,} in all; keep fewer, or name fewer groups"
        )
    return n


def floors(tally: Tally, n: int) -> Floats:
    """(cells,) a score that the best `n` scored pairs of each non-mated cell reach; infinity for mated cells.

    It is the highest edge that at least n pairs reach, or minus infinity if fewer have a score.
    """
    reached = tally.total[:, -2:0:-1].cumsum(axis=1)[:, ::-1] >= n
    ends = np.concatenate([[-np.inf], tally.plan.axis])
    is_mated = np.array([cell.mated for cell in tally.plan.cells], dtype=bool)
    return np.where(is_mated, np.inf, ends[reached.sum(axis=1)])


def reached(tally: Tally, threshold: float) -> Ints:
    """(cells,) scored pairs of each non-mated cell at or above an edge; 0 for mated cells."""
    above = tally.total[:, tally.edge(threshold) + 1 : -1].sum(axis=1).astype(np.int64)
    return np.where([cell.mated for cell in tally.plan.cells], 0, above)


def conserved(hits: Hits, expected: Ints) -> Hits:
    """`hits`, if there are as many of each cell as `expected` (cells,) says.

    Raises
    ------
    Conservation : a cell has another number of pairs.
    """
    got = np.bincount(hits.cell, minlength=len(expected))
    if not np.array_equal(got, expected):
        cell = int((got != expected).argmax())
        raise Conservation(f"{got[cell]} pairs of cell {cell} were found, the counts say {expected[cell]}; do not use")
    return hits


class Keeper:
    """The best `n` hits of each cell of those added so far; it keeps a bounded number of others."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._parts: list[Hits] = []
        self._pending = 0

    def add(self, hits: Hits) -> None:
        """Adds hits to choose from."""
        self._parts.append(hits)
        self._pending += len(hits.cell)
        if self._pending > PENDING:
            self._parts, self._pending = [self.hits()], 0

    def hits(self) -> Hits:
        """The best so far."""
        return best(joined(self._parts), self._n)


@dataclass(frozen=True, eq=False)
class Tail:
    """The best non-mated pairs of every cell, cells by the names of their groups, best first.

    hits : their cells in the plan and rows in the templates, row `a` of the group whose name comes first.
    """

    plan: Plan
    hits: Hits

    @classmethod
    def of(cls, tally: Tally, n: int, hits: Hits, group: Ints) -> Tail:
        """The tail made of `hits`, the best `n` of each cell, if there are as many as `tally` says.

        group : (rows,) finest group of each row of the templates.

        Raises
        ------
        Conservation : a cell has another number of pairs.
        """
        plan = tally.plan
        kept = np.bincount(hits.cell, minlength=len(plan.cells))
        for cell, got, scored in zip(plan.cells, kept, tally.total[:, :-1].sum(axis=1), strict=True):
            expected = 0 if cell.mated else min(n, int(scored))
            if got != expected:
                raise Conservation(f"{got} pairs of {cell} were kept, the counts say {expected}; do not use these")
        place = np.argsort(np.argsort(plan.group_names(plan.columns)))[group]
        a, b = np.minimum(hits.a, hits.b), np.maximum(hits.a, hits.b)
        is_turned = place[a] > place[b]
        a, b = np.where(is_turned, b, a), np.where(is_turned, a, b)
        # Within a cell the order stays.
        return cls(plan, hits._replace(a=a, b=b).take(np.lexsort((place[b], place[a]))))

    def to_csv(self, templates: Templates) -> str:
        """A table with `COLUMNS`; a score has the fewest digits that give the same float32."""
        names = self.plan.group_names(self.plan.columns)
        groups = [sorted((names[cell.group_a], names[cell.group_b])) for cell in self.plan.cells]
        subjects = np.full(len(templates), "") if templates.subject_ids is None else templates.subject_ids
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(COLUMNS)
        for rank, cell, score, a, b in zip(ranks(self.hits.cell), *self.hits, strict=True):
            sides = (x for row in (a, b) for x in (templates.template_ids[row], subjects[row]))
            table.writerow([*groups[cell], rank, str(score), *sides])
        return text.getvalue()
