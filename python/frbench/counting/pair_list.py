"""Reads pairs of templates as files name them, to be compared or to be left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from frbench.counting.population import pair_keys
from frbench.errors import InputError
from frbench.inputs.arrays import Bools, Ints
from frbench.inputs.tables import Table, Texts, open_table
from frbench.inputs.texts import rows_of
from frbench.plan import digest_of
from frbench.templates import Source, Templates, table_source


@dataclass(frozen=True, eq=False)
class PairList:
    """Pairs of templates, by row.

    Parameters
    ----------
    a, b : (n,) rows.
    mated : (n,) whether both are of one subject.
    source : the file.
    folds : (n,) name of each pair's fold; None if the list has no column `fold`.
    """

    templates: Templates
    a: Ints
    b: Ints
    mated: Bools
    source: Source
    folds: Texts | None = None

    @classmethod
    def read(cls, path: Path, templates: Templates) -> PairList:
        """The pairs of a CSV, Parquet or Arrow file with columns template_a, template_b[, mated][, fold].

        Raises
        ------
        InputError : a column or a template is missing, a pair is given twice or with itself, `fold` is empty, or
            `mated` is neither true nor false or contradicts the labels; the message names the file and the line.
        """
        table, a, b = _read(path, templates)
        return cls(templates, a, b, _mated(a, b, table, templates), table_source(table), _folds(table))

    @classmethod
    def reviewed(cls, path: Path, templates: Templates, among: PairList | None = None) -> PairList:
        """The pairs of a CSV, Parquet or Arrow file with columns template_a, template_b, which a reviewer took out.

        Other columns, a reason or those of a tail, are ignored: which pairs are mated is what `among`, or else the
        labels, say.

        Raises
        ------
        InputError : a column or a template is missing, a pair is given twice, with itself, or is not `among` the
            listed ones, or subjects are not known; the message names the file and the line.
        """
        table, a, b = _read(path, templates)
        if among is not None:
            return cls(templates, a, b, among.mated[among._places(a, b, table)], table_source(table))
        if templates.subject_ids is None:
            raise InputError(f"{path}: subjects are not known; give a labels file with a subject_id column (--labels)")
        return cls(templates, a, b, _same_subject(a, b, templates.subject_ids), table_source(table))

    def without(self, excluded: PairList) -> PairList:
        """These pairs but for those `excluded`, each of which is one of them.

        Raises
        ------
        InputError : none is left.
        """
        kept = ~np.isin(self.keys, excluded.keys)
        if not kept.any():
            raise InputError(
                f"{excluded.source.path}: excludes every pair of {self.source.path}, expected at least one to compare"
            )
        return self._kept(kept)

    def within(self, rows: Ints, templates: Templates) -> PairList:
        """The pairs of which both sides are among `rows` (n,), which became those of `templates`, in that order."""
        place = np.full(len(self.templates), -1, dtype=np.int64)
        place[rows] = np.arange(len(rows))
        a, b = place[self.a], place[self.b]
        return replace(self, templates=templates, a=a, b=b)._kept((a >= 0) & (b >= 0))

    def _kept(self, kept: Bools) -> PairList:
        folds = None if self.folds is None else self.folds[kept]
        return replace(self, a=self.a[kept], b=self.b[kept], mated=self.mated[kept], folds=folds)

    @cached_property
    def rows(self) -> Ints:
        """Rows that the pairs name, increasing, each once."""
        return np.unique(np.concatenate([self.a, self.b]))

    @property
    def digest(self) -> str:
        """Digest of templates and pairs."""
        return digest_of(self.templates.digest, self.a, self.b, self.mated)

    @cached_property
    def keys(self) -> Ints:
        """(n,) one number for each pair, the same in either order of its rows."""
        return pair_keys(self.a, self.b, len(self.templates))

    def _places(self, a: Ints, b: Ints, table: Table) -> Ints:
        """Places in this list of the pairs that `table` holds."""
        keys, order = pair_keys(a, b, len(self.templates)), np.argsort(self.keys)
        place = order[np.minimum(np.searchsorted(self.keys[order], keys), len(order) - 1)]
        missing = np.flatnonzero(self.keys[place] != keys)
        if len(missing):
            ids = self.templates.template_ids
            raise InputError(
                f"{table.path}, {table.where(missing[0])}: {ids[a[missing[0]]]!r} with {ids[b[missing[0]]]!r} is not a "
                f"pair of {self.source.path} ({len(missing)} of {len(a)} are not); delete what is not compared"
            )
        return place


def _read(path: Path, templates: Templates) -> tuple[Table, Ints, Ints]:
    """A table of pairs and the rows that it names, each pair once."""
    table = open_table(path)
    a = _rows_of("template_a", table, templates)
    b = _rows_of("template_b", table, templates)
    if not len(table):
        raise InputError(f"{path}: no pairs, expected at least one")
    _refuse_repeats(a, b, table)
    return table, a, b


def _rows_of(column: str, table: Table, templates: Templates) -> Ints:
    ids = table.column(column)
    rows = rows_of(templates.template_ids, ids)
    missing = np.flatnonzero(rows < 0)
    if len(missing):
        raise InputError(
            f"{table.path}, {table.where(missing[0])}: {column} is {ids[missing[0]]!r}, which is not the id of a "
            f"template ({len(missing)} of {len(ids)} are not)"
        )
    return rows


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


def _mated(a: Ints, b: Ints, table: Table, templates: Templates) -> Bools:
    subjects = templates.subject_ids
    if "mated" not in table.columns:
        if subjects is None:
            raise InputError(f"{table.path}: no column 'mated', and subjects are not known; add the column or --labels")
        return _same_subject(a, b, subjects)
    words = {"true": True, "1": True, "false": False, "0": False}
    values = table.column("mated")
    flags = np.array([words.get(str(value).lower(), -1) for value in values], dtype=np.int64)
    wrong = np.flatnonzero(flags < 0)
    if len(wrong):
        got = values[wrong[0]]
        raise InputError(f"{table.path}, {table.where(wrong[0])}: mated is {got!r}, expected true or false")
    mated = np.asarray(flags == 1)
    if subjects is not None and (mated != (subjects[a] == subjects[b])).any():
        row = int(np.flatnonzero(mated != (subjects[a] == subjects[b]))[0])
        raise InputError(
            f"{table.path}, {table.where(row)}: mated is {str(bool(mated[row])).lower()}, but the labels give the "
            f"subjects {subjects[a[row]]!r} and {subjects[b[row]]!r}"
        )
    return mated


def _folds(table: Table) -> Texts | None:
    if "fold" not in table.columns:
        return None
    folds = table.column("fold")
    empty = np.flatnonzero(folds == "")
    if len(empty):
        raise InputError(f"{table.path}, {table.where(empty[0])}: fold is empty, expected the name of a fold")
    return folds


def _same_subject(a: Ints, b: Ints, subjects: Texts) -> Bools:
    return np.asarray(subjects[a] == subjects[b], dtype=bool)
