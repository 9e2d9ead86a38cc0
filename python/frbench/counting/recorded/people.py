"""Makes templates without vectors, for people whose trials somebody else scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from frbench.errors import InputError
from frbench.inputs.tables import Table, Texts, open_table
from frbench.inputs.texts import first_conflict
from frbench.templates import Source, Templates, table_source

SUBJECT_COLUMN = "subject_id"


def without_vectors(
    template_ids: Texts,
    subject_ids: Texts,
    labels: Mapping[str, Texts],
    *,
    failed: np.ndarray | None = None,
    sources: Sequence[Source] = (),
) -> Templates:
    """Templates of dimension 0: ids, subjects and labels, none of which failed unless said so."""
    n = len(template_ids)
    return Templates(
        unit=np.zeros((n, 0), dtype=np.float32),
        failed=np.zeros(n, dtype=bool) if failed is None else failed,
        template_ids=template_ids,
        subject_ids=subject_ids,
        labels=dict(labels),
        joined_by="none",
        sources=tuple(sources),
    )


def read_people(path: Path, columns: Sequence[str], subject_column: str = SUBJECT_COLUMN) -> Templates:
    """One row for each subject of a labels file, with its label in each of `columns`; "" where it has none.

    The file may name a subject several times, as one with a row for each template does.

    Raises
    ------
    InputError : no such column, an empty subject, or a subject with two labels; the message names both lines.
    """
    table = open_table(path)
    subjects = table.column(subject_column)
    if (subjects == "").any():
        raise InputError(f"{path}, {table.where(int((subjects == '').argmax()))}: empty {subject_column}")
    names = np.unique(subjects)
    labels = {column: _labels(table, subjects, names, column) for column in columns}
    return without_vectors(names, names, labels, sources=[table_source(table)])


def _labels(table: Table, subjects: Texts, names: Texts, column: str) -> Texts:
    """(names,) the one label of each subject."""
    values = table.column(column)
    conflict = first_conflict(subjects, values)
    if conflict is not None:
        first, row = conflict
        raise InputError(
            f"{table.path}: subject {subjects[row]!r} carries two labels in column {column!r}: "
            f"{values[first]!r} ({table.where(first)}) and {values[row]!r} ({table.where(row)}); "
            "recorded comparisons are of people, expected one label for each"
        )
    labels, is_labelled = np.full(len(names), "", dtype=values.dtype), values != ""
    _, number = np.unique(subjects, return_inverse=True)
    labels[number[is_labelled]] = values[is_labelled]
    return labels
