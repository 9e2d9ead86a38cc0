"""Verify: 1:1 comparisons, all pairs of templates or a list of pairs, counted tile by tile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frbench import moments
from frbench.engines import Engine, Rows
from frbench.errors import Conservation, InputError
from frbench.layout import Ints, Layout
from frbench.moments import Advance, Listed, Moments
from frbench.plan import Cell, Plan, Tile, digest_of
from frbench.tables import Table, open_table
from frbench.templates import Source, Templates, table_source


class AllPairs:
    """Counts every unordered pair of templates once.

    The engine counts all scored pairs of a tile as non-mated; mated pairs, which the labels name, are scored one
    by one and moved. Trials that failed are the declared ones less the scored ones.
    """

    def __init__(self, layout: Layout, engine: Engine) -> None:
        self._layout = layout
        self._rows: Rows = engine.rows(layout.templates.unit[layout.order])
        self._group = layout.group[layout.order].astype(np.uint32)
        g = len(layout.groups)
        self._upper = np.triu_indices(g)
        self._of_pair = np.zeros((g, g), dtype=np.uint32)
        self._of_pair[self._upper] = np.arange(len(self._upper[0]))
        self._of_pair.T[self._upper] = self._of_pair[self._upper]

    def plan(self, edges: tuple[float, ...], *, keeps_blocks: bool = True) -> Plan:
        """The plan of all unordered pairs."""
        return self._layout.verify_plan(edges, keeps_blocks=keeps_blocks)

    def count(self, plan: Plan, tile: Tile) -> NDArray[np.int64]:
        """(cells, bins) counts of `tile` of a plan of this layout.

        Raises
        ------
        Conservation : the engine scored another number of pairs than there are.
        """
        scored = self._scored(plan, tile)
        out = np.zeros((len(plan.cells), plan.n_bins), dtype=np.int64)
        declared = self._layout.trials(tile, scored=False)
        expected = self._layout.trials(tile, scored=True)
        for row, cell in zip(out, plan.cells, strict=True):
            at = (cell.group_a, cell.group_b)
            row[:-1] = scored[cell.mated][self._of_pair[at]]
            if row.sum() != expected[cell.mated][at]:
                raise Conservation(
                    f"tile {tile}: the engine scored {row.sum()} pairs of {cell}, there are {expected[cell.mated][at]}"
                )
            row[-1] = declared[cell.mated][at] - expected[cell.mated][at]
        return out

    @cached_property
    def rows_in_moments(self) -> int:
        """Rows that `moments` reads: each scored one, and both of every mated pair."""
        layout = self._layout
        mated = sum(int(layout.trials((b, b), scored=True)[1].sum()) for b in range(layout.n_blocks))
        return len(layout.order) + 2 * mated

    def moments(self, plan: Plan, advance: Advance = lambda _: None) -> Moments:
        """Sums of all scores by cell of a plan of this layout, without the engine; `advance` is told the rows read."""
        layout = self._layout
        return moments.of_all_pairs(plan, layout.templates.unit, layout.scored_group, self._mated_rows(), advance)

    def _mated_rows(self) -> Iterator[Listed]:
        layout = self._layout
        for block in range(layout.n_blocks):
            for a, b in layout.mated_pairs(block):
                yield np.ones(len(a), dtype=bool), layout.order[a], layout.order[b]

    def _scored(self, plan: Plan, tile: Tile) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Non-mated and mated counts (pairs of groups, t + 1) of the scored pairs."""
        (i, j), start = tile, self._layout.start
        n_cells = len(self._upper[0])
        pairs = self._rows.count(
            self._rows,
            plan.axis,
            probe_range=(int(start[i]), int(start[i + 1])),
            gallery_range=(int(start[j]), int(start[j + 1])),
            upper=i == j,
            probe_groups=self._group,
            gallery_groups=self._group,
            cells=self._of_pair,
            n_cells=n_cells,
        ).astype(np.int64)
        mated = np.zeros_like(pairs)
        for a, b in self._layout.mated_pairs(i) if i == j else ():
            bins = np.searchsorted(plan.axis, self._rows.score_pairs(self._rows, a, b), side="right")
            np.add.at(mated, (self._of_pair[self._group[a], self._group[b]], bins), 1)
        return pairs - mated, mated


@dataclass(frozen=True, eq=False)
class PairList:
    """Pairs of templates to compare, by row.

    a, b : (n,) rows; mated : (n,) whether both are of one subject; source : the file.
    """

    templates: Templates
    a: Ints
    b: Ints
    mated: NDArray[np.bool_]
    source: Source

    @classmethod
    def read(cls, path: Path, templates: Templates) -> PairList:
        """The pairs of a CSV, Parquet or Arrow file with columns template_a, template_b[, mated][, fold].

        Raises
        ------
        InputError : a column or a template is missing, a pair is given twice or with itself, or `mated` is
            neither true nor false or contradicts the labels; the message names the file and the line.
        """
        table = open_table(path)
        a = _rows_of("template_a", table, templates)
        b = _rows_of("template_b", table, templates)
        if not len(table):
            raise InputError(f"{path}: no pairs, expected at least one")
        _refuse_repeats(a, b, table)
        return cls(templates, a, b, _mated(a, b, table, templates), table_source(table))

    @property
    def digest(self) -> str:
        """Digest of templates and pairs."""
        return digest_of(self.templates.digest, self.a, self.b, self.mated)


class Pairs:
    """Counts the pairs of a list."""

    def __init__(self, pairs: PairList, layout: Layout, engine: Engine) -> None:
        self._pairs, self._layout = pairs, layout
        blocks = np.sort(np.stack([layout.block[pairs.a], layout.block[pairs.b]]), axis=0)
        self._groups = np.sort(np.stack([layout.group[pairs.a], layout.group[pairs.b]]), axis=0)
        self._tile = blocks[0] * layout.n_blocks + blocks[1]
        failed = layout.templates.failed
        self._scored = ~(failed[pairs.a] | failed[pairs.b])
        used, place = np.unique(np.concatenate([pairs.a, pairs.b]), return_inverse=True)
        self._rows = engine.rows(layout.templates.unit[used])
        self._a, self._b = np.split(place.astype(np.int64), 2)

    def plan(self, edges: tuple[float, ...], *, keeps_blocks: bool = True) -> Plan:
        """The plan of these pairs."""
        return replace(self._plan, edges=edges, keeps_blocks=keeps_blocks)

    @cached_property
    def _plan(self) -> Plan:
        """All of the plan that does not depend on the axis."""
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
            },
        )

    def count(self, plan: Plan, tile: Tile) -> NDArray[np.int64]:
        """(cells, bins) counts of `tile`."""
        here = np.flatnonzero(self._tile == tile[0] * self._layout.n_blocks + tile[1])
        bins = np.full(len(here), plan.n_bins - 1)
        scored = self._scored[here]
        bins[scored] = np.searchsorted(plan.axis, self._scores[here[scored]], side="right")
        number = {tuple(c[:3]): i for i, c in enumerate(plan.cells)}
        keys = zip(self._pairs.mated[here], *self._groups[:, here], strict=True)
        cells = np.array([number[bool(m), int(x), int(y)] for m, x, y in keys], dtype=np.int64)
        out = np.zeros((len(plan.cells), plan.n_bins), dtype=np.int64)
        np.add.at(out, (cells, bins), 1)
        return out

    @property
    def rows_in_moments(self) -> int:
        """Rows that `moments` reads: both of every scored pair."""
        return 2 * int(self._scored.sum())

    def moments(self, plan: Plan, advance: Advance = lambda _: None) -> Moments:
        """Sums of the scores by cell of a plan of these pairs, without the engine; `advance` is told the rows read."""
        pairs, layout, scored = self._pairs, self._layout, self._scored
        listed = [(pairs.mated[scored], pairs.a[scored], pairs.b[scored])]
        return moments.of_list(plan, layout.templates.unit, layout.group, listed, advance)

    @cached_property
    def _scores(self) -> NDArray[np.float32]:
        return self._rows.score_pairs(self._rows, self._a, self._b)


def _independent(subjects: Ints) -> int:
    """Trials of (2, n) that share no subject, taken in order: at least half of the most that there are."""
    taken: set[int] = set()
    n = 0
    for a, b in subjects.T.tolist():
        if a not in taken and b not in taken:
            taken |= {a, b}
            n += 1
    return n


def _rows_of(column: str, table: Table, templates: Templates) -> Ints:
    ids = table.column(column)
    order = np.argsort(templates.template_ids)
    sorted_ids = templates.template_ids[order]
    place = np.minimum(np.searchsorted(sorted_ids, ids), len(order) - 1)
    missing = np.flatnonzero(sorted_ids[place] != ids)
    if len(missing):
        raise InputError(
            f"{table.path}, {table.where(missing[0])}: {column} is {ids[missing[0]]!r}, which is not the id of a "
            f"template ({len(missing)} of {len(ids)} are not)"
        )
    return order[place].astype(np.int64)


def _refuse_repeats(a: Ints, b: Ints, table: Table) -> None:
    same = np.flatnonzero(a == b)
    if len(same):
        raise InputError(f"{table.path}, {table.where(same[0])}: compares a template with itself, expected two")
    _, first, place = np.unique(np.sort(np.stack([a, b]), axis=0), axis=1, return_index=True, return_inverse=True)
    earlier = first[place.ravel()]
    again = np.flatnonzero(earlier != np.arange(len(a)))
    if len(again):
        both = f"{table.where(earlier[again[0]])} and {table.where(again[0])}"
        raise InputError(f"{table.path}: {both} hold the same pair, expected each pair once")


def _mated(a: Ints, b: Ints, table: Table, templates: Templates) -> NDArray[np.bool_]:
    subjects = templates.subject_ids
    if "mated" not in table.columns:
        if subjects is None:
            raise InputError(f"{table.path}: no column 'mated', and subjects are not known; add the column or --labels")
        return np.asarray(subjects[a] == subjects[b], dtype=bool)
    mated = _flags("mated", table)
    if subjects is not None and (mated != (subjects[a] == subjects[b])).any():
        row = int(np.flatnonzero(mated != (subjects[a] == subjects[b]))[0])
        raise InputError(
            f"{table.path}, {table.where(row)}: mated is {str(bool(mated[row])).lower()}, but the labels give the "
            f"subjects {subjects[a[row]]!r} and {subjects[b[row]]!r}"
        )
    return mated


def _flags(column: str, table: Table) -> NDArray[np.bool_]:
    words = {"true": True, "1": True, "false": False, "0": False}
    values = table.column(column)
    flags = np.array([words.get(str(value).lower(), -1) for value in values], dtype=np.int64)
    wrong = np.flatnonzero(flags < 0)
    if len(wrong):
        got = values[wrong[0]]
        raise InputError(f"{table.path}, {table.where(wrong[0])}: {column} is {got!r}, expected true or false")
    return np.asarray(flags == 1)
