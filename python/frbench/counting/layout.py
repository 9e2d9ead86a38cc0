"""Puts the rows of Templates in counting order, and declares the trials of every cell in closed form.

Rows are sorted by (block, group), so that within a run of rows the cell is constant. Failed templates are left
out of the rows and kept in the numbers: every count of trials here is independent of any engine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from frbench.counting.population import Population, of_templates
from frbench.errors import InputError
from frbench.inputs.arrays import Ints
from frbench.plan import DEFAULT_BLOCKS, OVERALL, POPULATION, UNLABELLED, Cell, Party, Plan, Tile, blocks_of, digest_of
from frbench.templates import Templates

PAIRS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Layout:
    """Rows arranged for counting.

    `group`, `subject`, `block` describe every row of the templates; `order` lists the scored rows in counting
    order and `start` the first of each block, so rows `order[start[b]:start[b + 1]]` are those of block b.
    """

    templates: Templates
    columns: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    group: Ints
    subject: Ints
    block: Ints
    n_blocks: int

    @classmethod
    def of(cls, templates: Templates, columns: Sequence[str], n_blocks: int = DEFAULT_BLOCKS) -> Layout:
        """The layout of `templates` by the finest groups of the label `columns`."""
        subjects = subjects_of(templates)
        names, subject = np.unique(subjects, return_inverse=True)
        groups, group = finest_groups(templates, columns)
        return cls(
            templates=templates,
            columns=tuple(columns),
            groups=groups,
            group=group,
            subject=subject.astype(np.int64),
            block=blocks_of(names, n_blocks)[subject],
            n_blocks=n_blocks,
        )

    @cached_property
    def order(self) -> Ints:
        """(n_scored,) rows of the templates in counting order."""
        scored = np.flatnonzero(~self.templates.failed)
        return scored[np.lexsort((scored, self.subject[scored], self.group[scored], self.block[scored]))]

    @cached_property
    def start(self) -> Ints:
        """(n_blocks + 1,) first position in `order` of each block."""
        return np.searchsorted(self.block[self.order], np.arange(self.n_blocks + 1)).astype(np.int64)

    @cached_property
    def block_of_subject(self) -> Ints:
        """Block of each subject number."""
        blocks = np.zeros(self.subject.max() + 1, dtype=np.int64)
        blocks[self.subject] = self.block
        return blocks

    def parties(self, rows: Ints) -> tuple[Party, ...]:
        """The subjects of `rows`, by the groups of these rows."""
        return self.parties_of_pairs(self.subject[rows], self.group[rows], self.group[rows])

    def parties_of_pairs(self, subject: Ints, group_a: Ints, group_b: Ints) -> tuple[Party, ...]:
        """The subjects who take part in trials between two groups, on one side or on both."""
        trials = np.unique(np.stack([subject, group_a, group_b]), axis=1)
        first = np.flatnonzero(np.diff(trials[0], prepend=-1))
        n = np.diff(np.append(first, trials.shape[1]))
        members: dict[tuple[tuple[int, int], ...], Ints] = defaultdict(lambda: np.zeros(self.n_blocks, np.int64))
        alone = trials[:, first[n == 1]]
        for a, b in np.unique(alone[1:], axis=1).T:
            of_pair = alone[0, (alone[1] == a) & (alone[2] == b)]
            members[((int(a), int(b)),)] += np.bincount(self.block_of_subject[of_pair], minlength=self.n_blocks)
        for start, end in zip(first[n > 1], (first + n)[n > 1], strict=True):
            pairs = tuple((int(a), int(b)) for a, b in trials[1:, start:end].T)
            members[pairs][self.block_of_subject[trials[0, start]]] += 1
        return tuple(Party(pairs, tuple(map(int, blocks))) for pairs, blocks in sorted(members.items()))

    def mated_pairs(self, block: int) -> Iterator[tuple[Ints, Ints]]:
        """Positions in `order` of both rows of every scored mated pair of `block`, a bounded number at a time."""
        start, end = self.start[block], self.start[block + 1]
        subject = self.subject[self.order[start:end]]
        by_subject = start + np.argsort(subject, kind="stable")
        sizes = np.unique(subject, return_counts=True)[1]
        first = np.cumsum(sizes) - sizes
        # Row number r of a subject is paired with the rows of that subject before it.
        before = np.arange(len(subject)) - np.repeat(first, sizes)
        part = np.cumsum(before) // PAIRS_AT_ONCE
        for rows in np.split(np.arange(len(subject)), np.flatnonzero(np.diff(part)) + 1):
            n = before[rows]
            later = np.repeat(rows, n)
            earlier = later - np.repeat(n, n) + np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
            if len(later):
                yield by_subject[earlier], by_subject[later]

    def trials(self, tile: Tile, *, scored: bool) -> tuple[Ints, Ints]:
        """(g, g) numbers of non-mated and of mated pairs of the tile, upper triangle; all rows or scored ones."""
        (i, j), rows = tile, self._rows[scored]
        if i != j:
            return _upper(np.outer(rows[i], rows[j])), np.zeros((len(self.groups),) * 2, np.int64)
        mated = self._mated[scored][i]
        return _among(rows[i]) - mated, mated

    def verify_plan(self, edges: tuple[float, ...], *, keeps_blocks: bool = True) -> Plan:
        """The plan of all unordered pairs of templates."""
        mated = self._mated[False].sum(axis=0)
        non_mated = _among(self._rows[False].sum(axis=0)) - mated
        table = {(False, a, b): non_mated[a, b] for a, b in np.argwhere(non_mated)}
        table |= {(True, a, b): mated[a, b] for a, b in np.argwhere(mated)}
        return Plan(
            kind="verify",
            inputs=digest_of(self.templates.digest, self.group),
            edges=edges,
            columns=self.columns,
            groups=self.groups,
            cells=tuple(Cell(m, int(a), int(b)) for m, a, b in table),
            trials=tuple(int(n) for n in table.values()),
            subjects=self._all_parties,
            mated_subjects=self._mated_parties,
            n_blocks=self.n_blocks,
            keeps_blocks=keeps_blocks,
            details={"n_subjects": int(self.subject.max()) + 1, POPULATION: self.population},
        )

    @cached_property
    def population(self) -> Population:
        """Whose templates these are."""
        found = self.templates
        return of_templates(found.template_ids, subjects_of(found), self.columns, self.groups, self.group)

    @cached_property
    def _all_parties(self) -> tuple[Party, ...]:
        return self.parties(np.arange(len(self.templates)))

    @cached_property
    def _mated_parties(self) -> tuple[Party, ...]:
        """Subjects with two rows, by the groups of every two of them."""
        (subject, group), n = np.unique(np.stack([self.subject, self.group]), axis=1, return_counts=True)
        several = n > 1
        trials = [(subject[several], group[several], group[several])]
        for same, apart in _neighbours(subject, len(self.groups)):
            trials.append((subject[same], group[same], group[same + apart]))
        return self.parties_of_pairs(*(np.concatenate(column) for column in zip(*trials, strict=True)))

    @cached_property
    def _rows(self) -> tuple[Ints, Ints]:
        """(blocks, g) rows, all of them and the scored ones."""
        return self._count_rows(np.arange(len(self.templates))), self._count_rows(self.order)

    def _count_rows(self, rows: Ints) -> Ints:
        table = np.zeros((self.n_blocks, len(self.groups)), dtype=np.int64)
        np.add.at(table, (self.block[rows], self.group[rows]), 1)
        return table

    @cached_property
    def _mated(self) -> tuple[Ints, Ints]:
        """(blocks, g, g) mated pairs, of all rows and of the scored ones."""
        return self._count_mated(np.arange(len(self.templates))), self._count_mated(self.order)

    def _count_mated(self, rows: Ints) -> Ints:
        """(block, g, g) mated pairs, upper triangle, from the number of rows of each subject in each group."""
        g = len(self.groups)
        table = np.zeros((self.n_blocks, g, g), dtype=np.int64)
        keys, first, n = np.unique(
            np.stack([self.subject[rows], self.group[rows]]), axis=1, return_index=True, return_counts=True
        )
        block = self.block[rows[first]]
        np.add.at(table, (block, keys[1], keys[1]), n * (n - 1) // 2)
        for same, apart in _neighbours(keys[0], g):
            np.add.at(table, (block[same], keys[1][same], keys[1][same + apart]), n[same] * n[same + apart])
        return table


def _neighbours(subject: Ints, n_groups: int) -> Iterator[tuple[Ints, int]]:
    """Places of a sorted list whose subject stands again `apart` places later, for each `apart` from 1 on."""
    for apart in range(1, n_groups):
        same = np.flatnonzero(subject[apart:] == subject[:-apart])
        if not len(same):
            return
        yield same, apart


def subjects_of(templates: Templates) -> NDArray[np.object_]:
    """(n,) subject ids.

    Raises
    ------
    InputError : subjects are not known.
    """
    if templates.subject_ids is None:
        raise InputError("subjects are not known; give a labels file with a subject_id column (--labels)")
    return templates.subject_ids


def finest_groups(templates: Templates, columns: Sequence[str]) -> tuple[tuple[tuple[str, ...], ...], Ints]:
    """The groups of all `columns` together, sorted, and the group of each row."""
    if not columns:
        return ((),), np.zeros(len(templates), dtype=np.int64)
    templates.require_labels(columns, per_template=columns)
    code = np.zeros(len(templates), dtype=np.int64)
    names = []
    for column in columns:
        labels, number = np.unique(templates.labels[column], return_inverse=True)
        _refuse_ambiguous(column, set(labels.tolist()), is_joined=len(columns) > 1)
        code = code * len(labels) + number
        names.append(labels.tolist())
    used, group = np.unique(code, return_inverse=True)
    places = np.unravel_index(used, [len(labels) for labels in names])
    groups = zip(*([labels[i] for i in at] for labels, at in zip(names, places, strict=True)), strict=True)
    return tuple(groups), group.astype(np.int64)


def _refuse_ambiguous(column: str, labels: set[str], *, is_joined: bool) -> None:
    """Labels must give every group a name of its own."""
    if {"", UNLABELLED} <= labels:
        raise InputError(f"column {column} has the label {UNLABELLED!r} beside rows without one; rename it")
    if OVERALL in labels:
        raise InputError(f"column {column} has the label {OVERALL!r}, the name of everybody together; rename it")
    with_comma = sorted(label for label in labels if "," in label)
    if is_joined and with_comma:
        raise InputError(f"column {column}: label {with_comma[0]!r} has a comma, which joins labels of several columns")


def _among(rows: Ints) -> Ints:
    """(g, g) unordered pairs of rows, upper triangle, from the number of rows of each group."""
    pairs = np.outer(rows, rows)
    np.fill_diagonal(pairs, rows * (rows - 1) // 2)
    return np.triu(pairs)


def _upper(pairs: Ints) -> Ints:
    """Ordered pairs of groups folded into the upper triangle."""
    return np.triu(pairs) + np.triu(pairs.T, k=1)
