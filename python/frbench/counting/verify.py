"""Counts 1:1 comparisons tile by tile: all pairs of templates, or a list of pairs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from frbench import moments
from frbench.counting import population
from frbench.counting.exclusion import Exclusion
from frbench.counting.layout import Layout, subjects_of
from frbench.counting.pair_list import PairList
from frbench.counting.recorded.comparisons import Matching
from frbench.counting.tail import Keeper, Tail, conserved, floors, reached
from frbench.engines import Engine, Rows, packed
from frbench.engines.hits import Hits, best, joined
from frbench.errors import Conservation
from frbench.inputs.arrays import Advance, Bools, Floats, Floats32, Ints
from frbench.moments import Listed, Moments
from frbench.plan import POPULATION, Cell, Plan, Rectangle, Tile, digest_of
from frbench.tally import Tally


class AllPairs:
    """Counts every unordered pair of templates once, but for those `excluded`.

    The engine counts all scored pairs of a tile as non-mated; mated pairs, which the labels name, are scored one
    by one and moved, and excluded ones are scored and taken out. Trials that failed are the declared ones less the
    scored ones.
    """

    def __init__(self, layout: Layout, engine: Engine, excluded: PairList | None = None) -> None:
        self._layout, self._engine = layout, engine
        self._packing = threading.Lock()
        self._exclusion = Exclusion(layout, excluded)
        self._group = layout.group[layout.order].astype(np.uint32)
        g = len(layout.groups)
        self._upper = np.triu_indices(g)
        self._of_pair = np.zeros((g, g), dtype=np.uint32)
        self._of_pair[self._upper] = np.arange(len(self._upper[0]))
        self._of_pair.T[self._upper] = self._of_pair[self._upper]

    def plan(self, edges: tuple[float, ...], *, keeps_blocks: bool = True) -> Plan:
        """The plan of all unordered pairs."""
        return self._exclusion.leave(self._layout.verify_plan(edges, keeps_blocks=keeps_blocks))

    def count(self, plan: Plan, tile: Tile) -> Ints:
        """(cells, bins) counts of `tile` of a plan of this layout.

        Raises
        ------
        Conservation : the engine scored another number of pairs than there are.
        """
        counts = self._scored(plan, tile)
        out = np.zeros((len(plan.cells), plan.n_bins), dtype=np.int64)
        declared, expected = (self._trials(tile, scored=scored) for scored in (False, True))
        for row, cell in zip(out, plan.cells, strict=True):
            at = (int(cell.mated), cell.group_a, cell.group_b)
            row[:-1] = counts[at[0], self._of_pair[at[1:]]]
            if row.sum() != expected[at]:
                raise Conservation(
                    f"tile {tile}: the engine scored {row.sum()} pairs of {cell}, there are {expected[at]}"
                )
            row[-1] = declared[at] - expected[at]
        return out

    @cached_property
    def rows_in_moments(self) -> int:
        """Rows that `moments` reads: each scored one, and both of every mated and of every excluded pair."""
        layout = self._layout
        mated = sum(int(layout.trials((b, b), scored=True)[1].sum()) for b in range(layout.n_blocks))
        return len(layout.order) + 2 * (mated + int(self._exclusion.trials(None, scored=True).sum()))

    def moments(self, plan: Plan, advance: Advance = lambda _: None) -> Moments:
        """Sums of all scores by cell of a plan of this layout, without the engine; `advance` is told the rows read."""
        layout = self._layout
        excluded = [self._exclusion.scored()]
        group = np.where(layout.templates.failed, -1, layout.group)
        return moments.of_all_pairs(plan, layout.templates.unit, group, self._mated_rows(), advance, excluded)

    def tail(self, tally: Tally, n: int, advance: Advance = lambda _: None) -> Tail:
        """The best `n` non-mated pairs of every cell of `tally`, a complete tally of a plan of this layout.

        Only pairs that reach what `n` pairs of their cell reach are scored; equal scores stand in the order of the
        layout. `advance` is told the comparisons passed.

        Raises
        ------
        Conservation : the engine found another number of pairs than the tally says.
        """
        keeper = Keeper(n)
        for hits in self._swept(tally.plan, n, floors(tally, n), advance):
            keeper.add(hits)
        return Tail.of(tally, n, self._by_row(keeper.hits()), self._layout.group)

    def reaching(self, tally: Tally, threshold: float, advance: Advance = lambda _: None) -> Hits:
        """Every scored non-mated pair at or above an edge of `tally`, a complete tally of a plan of this layout.

        Both sides are rows of the templates; `advance` is told the comparisons passed. Memory grows with the pairs
        found.

        Raises
        ------
        Conservation : the engine found another number of pairs than the tally says.
        """
        n, limits = reached(tally, threshold), np.where([cell.mated for cell in tally.plan.cells], np.inf, threshold)
        parts = self._swept(tally.plan, max(1, int(n.max(initial=0))), limits, advance)
        return conserved(self._by_row(joined(list(parts))), n)

    def _swept(self, plan: Plan, n: int, limits: Floats, advance: Advance) -> Iterator[Hits]:
        """The best `n` non-mated pairs of each cell of a tile after the other, by place in the layout."""
        cells, limits = self._nonmated_cells(plan), np.append(limits, np.inf)
        for tile in plan.tiles():
            yield self._hits(tile, n, limits, cells)
            advance(int(self._trials(tile, scored=False).sum()))

    def _by_row(self, hits: Hits) -> Hits:
        return hits._replace(a=self._layout.order[hits.a], b=self._layout.order[hits.b])

    def mated_scores(self) -> Iterator[tuple[Ints, Ints, Floats32]]:
        """Rows of both sides and scores of all scored mated pairs, a bounded number at a time."""
        order = self._layout.order
        for block in range(self._layout.n_blocks):
            for a, b in self._layout.mated_pairs(block):
                kept = ~self._exclusion.holds(order[a], order[b])
                a, b = a[kept], b[kept]
                yield order[a], order[b], self._rows.score_pairs(self._rows, a, b)

    def trials_of_subjects(self, inside: Bools, *, mated: bool) -> Ints:
        """(subjects,) scored pairs in which each subject takes part, both rows of groups that are `inside` (g,)."""
        layout, order = self._layout, self._layout.order
        n_subjects = int(layout.subject.max()) + 1
        rows = np.bincount(layout.subject[order[inside[layout.group[order]]]], minlength=n_subjects)
        trials: Ints = rows * (rows - 1) // 2 if mated else rows * (rows.sum() - rows)
        is_mated, a, b = self._exclusion.scored()
        left_out = (is_mated == mated) & inside[layout.group[a]] & inside[layout.group[b]]
        for side in (a,) if mated else (a, b):
            trials -= np.bincount(layout.subject[side[left_out]], minlength=n_subjects)
        return trials

    def _nonmated_cells(self, plan: Plan) -> NDArray[np.uint32]:
        """(g, g) number of the non-mated cell; pairs of groups that the plan does not count are of a cell more."""
        cells = np.full_like(self._of_pair, len(plan.cells))
        for number, cell in enumerate(plan.cells):
            if not cell.mated:
                cells[[cell.group_a, cell.group_b], [cell.group_b, cell.group_a]] = number
        return cells

    def _hits(self, tile: Tile, n: int, limits: Floats, cells: NDArray[np.uint32]) -> Hits:
        """The best `n` of each cell of a tile, by place in the layout, and some more; no excluded ones."""
        order = self._layout.order
        where, subjects = self._rectangle(tile, cells, len(limits)), (self._subject, self._subject)
        found = self._rows.tail(self._rows, n + len(self._exclusion), limits, where, subjects)
        return found.take(~self._exclusion.holds(order[found.a], order[found.b]))

    def _rectangle(self, tile: Tile, cells: NDArray[np.uint32], n_cells: int) -> Rectangle:
        probes, gallery = ((int(self._layout.start[b]), int(self._layout.start[b + 1])) for b in tile)
        return Rectangle(probes, gallery, tile[0] == tile[1], self._group, self._group, cells, n_cells)

    def _trials(self, tile: Tile, *, scored: bool) -> Ints:
        """(2, g, g) numbers of non-mated and of mated pairs of the tile, upper triangle; all rows or scored ones."""
        return np.stack(self._layout.trials(tile, scored=scored)) - self._exclusion.trials(tile, scored=scored)

    def _mated_rows(self) -> Iterator[Listed]:
        layout = self._layout
        for block in range(layout.n_blocks):
            for a, b in layout.mated_pairs(block):
                yield np.ones(len(a), dtype=bool), layout.order[a], layout.order[b]

    @property
    def _rows(self) -> Rows:
        """Scored rows in the order of the layout, packed once: by the first of the threads that count them."""
        with self._packing:
            return self._packed

    @cached_property
    def _packed(self) -> Rows:
        return packed(self._engine, self._layout.templates, self._layout.order)

    def _scored(self, plan: Plan, tile: Tile) -> Ints:
        """(2, pairs of groups, t + 1) counts of the scored non-mated and mated pairs."""
        where = self._rectangle(tile, self._of_pair, len(self._upper[0]))
        pairs = self._rows.count(self._rows, plan.axis, where).astype(np.int64)
        counts = np.zeros((2, *pairs.shape), dtype=np.int64)
        for a, b in self._layout.mated_pairs(tile[0]) if tile[0] == tile[1] else ():
            np.add.at(counts[1], self._bins(plan, a, b), 1)
        np.subtract(pairs, counts[1], out=counts[0])
        is_mated, a, b = self._exclusion.scored(tile)
        np.subtract.at(counts, (is_mated.astype(np.int64), *self._bins(plan, self._place[a], self._place[b])), 1)
        return counts

    def _bins(self, plan: Plan, a: Ints, b: Ints) -> tuple[NDArray[np.uint32], Ints]:
        """Pair of groups and bin of pairs, by place in the layout."""
        bins = np.searchsorted(plan.axis, self._rows.score_pairs(self._rows, a, b), side="right")
        return self._of_pair[self._group[a], self._group[b]], bins.astype(np.int64)

    @cached_property
    def _subject(self) -> NDArray[np.uint32]:
        """Subject of every scored row, in the order of the layout."""
        return self._layout.subject[self._layout.order].astype(np.uint32)

    @cached_property
    def _place(self) -> Ints:
        """Place in the layout of every scored row."""
        place = np.zeros(len(self._layout.templates), dtype=np.int64)
        place[self._layout.order] = np.arange(len(self._layout.order))
        return place


class Pairs:
    """Counts the pairs of a list."""

    def __init__(self, pairs: PairList, layout: Layout, engine: Engine) -> None:
        self._pairs, self._layout = pairs, layout
        sides = np.stack([pairs.a, pairs.b])
        blocks, self._groups = np.sort(layout.block[sides], axis=0), np.sort(layout.group[sides], axis=0)
        self._tile = blocks[0] * layout.n_blocks + blocks[1]
        self._scored = ~(layout.templates.failed[pairs.a] | layout.templates.failed[pairs.b])
        self._engine = engine

    def plan(self, edges: tuple[float, ...], *, keeps_blocks: bool = True) -> Plan:
        """The plan of these pairs."""
        return replace(self._plan, edges=edges, keeps_blocks=keeps_blocks)

    @cached_property
    def _plan(self) -> Plan:
        """The plan without an axis."""
        keys, cell, n = np.unique(
            np.stack([self._pairs.mated, *self._groups]), axis=1, return_inverse=True, return_counts=True
        )
        layout, pairs = self._layout, self._pairs
        mated = pairs.mated
        subject = layout.subject[np.stack([pairs.a, pairs.b])]
        return Plan(
            kind="pairs",
            inputs=digest_of(pairs.digest, layout.group),
            edges=(),
            columns=layout.columns,
            groups=layout.groups,
            cells=tuple(Cell(bool(m), int(x), int(y)) for m, x, y in keys.T),
            trials=tuple(map(int, n)),
            subjects=layout.parties(np.concatenate([pairs.a[~mated], pairs.b[~mated]])),
            mated_subjects=layout.parties_of_pairs(subject[0, mated], *self._groups[:, mated]),
            n_blocks=layout.n_blocks,
            details={
                "n_subjects": len(np.unique(subject)),
                "subjects_known": pairs.templates.subject_ids is not None,
                "independent": [_independent(subject[:, cell.ravel() == i]) for i in range(len(n))],
                "independent_nonmated": _independent(subject[:, ~mated]),
                POPULATION: self._population,
            },
        )

    @cached_property
    def _population(self) -> population.Population:
        """Whose pairs these are; templates that no pair names play no part."""
        layout, pairs = self._layout, self._pairs
        used, place = np.unique(np.concatenate([pairs.a, pairs.b]), return_inverse=True)
        ids, subjects = layout.templates.template_ids[used], subjects_of(layout.templates)[used]
        of_templates = population.of_templates(ids, subjects, layout.columns, layout.groups, layout.group[used])
        a, b = np.split(place.astype(np.int64), 2)
        return of_templates | population.of_pairs(ids, a, b, pairs.mated)

    def count(self, plan: Plan, tile: Tile) -> Ints:
        """(cells, bins) counts of `tile`."""
        here = np.flatnonzero(self._tile == tile[0] * self._layout.n_blocks + tile[1])
        bins = np.full(len(here), plan.n_bins - 1)
        scored = self._scored[here]
        bins[scored] = np.searchsorted(plan.axis, self._scores[here[scored]], side="right")
        out = np.zeros((len(plan.cells), plan.n_bins), dtype=np.int64)
        np.add.at(out, (self._cells(plan, here), bins), 1)
        return out

    def _cells(self, plan: Plan, pairs: Ints) -> Ints:
        """Number of the cell of each of these pairs."""
        number = {tuple(c[:3]): i for i, c in enumerate(plan.cells)}
        keys = zip(self._pairs.mated[pairs], *self._groups[:, pairs], strict=True)
        return np.array([number[bool(m), int(x), int(y)] for m, x, y in keys], dtype=np.int64)

    @property
    def scores(self) -> Floats32:
        """(n,) score of each pair in the order of the list, NaN where a template failed."""
        return np.where(self._scored, self._scores, np.float32(np.nan))

    @property
    def rows_in_moments(self) -> int:
        """Rows that `moments` reads: both of every scored pair."""
        return 2 * int(self._scored.sum())

    def moments(self, plan: Plan, advance: Advance = lambda _: None) -> Moments:
        """Sums of the scores by cell of a plan of these pairs, without the engine; `advance` is told the rows read."""
        pairs, layout, scored = self._pairs, self._layout, self._scored
        listed = [(pairs.mated[scored], pairs.a[scored], pairs.b[scored])]
        return moments.of_list(plan, layout.templates.unit, layout.group, listed, advance)

    def tail(self, tally: Tally, n: int, advance: Advance = lambda _: None) -> Tail:
        """See `AllPairs.tail`."""
        pairs = self._pairs
        found = np.flatnonzero(self._scored & ~pairs.mated)
        a, b = np.sort(np.stack([pairs.a[found], pairs.b[found]]), axis=0)
        advance(len(pairs.a))
        hits = best(Hits(self._cells(tally.plan, found), self._scores[found], a, b), n)
        return Tail.of(tally, n, hits, self._layout.group)

    def reaching(self, tally: Tally, threshold: float, advance: Advance = lambda _: None) -> Hits:
        """See `AllPairs.reaching`."""
        pairs = self._pairs
        found = np.flatnonzero(self._scored & ~pairs.mated & (self._scores.astype(np.float64) >= threshold))
        advance(len(pairs.a))
        hits = Hits(self._cells(tally.plan, found), self._scores[found], pairs.a[found], pairs.b[found])
        return conserved(hits, reached(tally, threshold))

    def mated_scores(self) -> Iterator[tuple[Ints, Ints, Floats32]]:
        """See `AllPairs.mated_scores`."""
        found = np.flatnonzero(self._scored & self._pairs.mated)
        yield self._pairs.a[found], self._pairs.b[found], self._scores[found]

    def trials_of_subjects(self, inside: Bools, *, mated: bool) -> Ints:
        """See `AllPairs.trials_of_subjects`."""
        pairs, layout = self._pairs, self._layout
        chosen = self._scored & (pairs.mated == mated) & inside[self._groups].all(axis=0)
        sides = [layout.subject[side[chosen]] for side in ((pairs.a,) if mated else (pairs.a, pairs.b))]
        return np.bincount(np.concatenate(sides), minlength=int(layout.subject.max()) + 1)

    @cached_property
    def _scores(self) -> Floats32:
        used = self._pairs.rows
        rows = self._engine.rows(self._layout.templates.unit[used])
        a, b = (np.searchsorted(used, side) for side in (self._pairs.a, self._pairs.b))
        return rows.score_pairs(rows, a, b)


def _independent(subjects: Ints) -> int:
    """Trials of (2, n) that share no subject, as many as `Matching` takes."""
    found = Matching()
    found.add(subjects[0], subjects[1], int(subjects.max(initial=-1)) + 1)
    return found.n
