"""What a matcher made of the images: unit rows, whose they are, and the labels that the data gives them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from frbench._rust import unit_rows
from frbench.errors import InputError
from frbench.inputs import scratch
from frbench.inputs.matrices import Matrix, read_matrix
from frbench.inputs.objects import digest_of_matrix, digest_of_table, is_path, matrix_of, table_of
from frbench.inputs.storage import Location, Stored
from frbench.inputs.tables import PathLike, Table, Texts, named, open_table
from frbench.inputs.texts import first_conflict, first_repeat, lists, numerals, rows_of

__all__ = ["Source", "Templates", "load"]

T = TypeVar("T", bound=np.generic)
# Rows of a table: by number, or all of them.
Rows: TypeAlias = npt.NDArray[np.int64] | slice

IN_ORDER = slice(None)
CHUNK_BYTES = 1 << 26
DIGEST_ROWS = 1 << 16
SAMPLED_ROWS = 4096
ID_COLUMN = "template_id"


@dataclass(frozen=True)
class Source:
    """One input file as the manifest names it; `dtype` and `dimension` are those of a matrix, else "" and 0."""

    path: str
    sha256: str
    rows: int
    dtype: str = ""
    dimension: int = 0


@dataclass(frozen=True, eq=False)
class Templates:
    """Unit rows and the table beside them; all arrays have n rows and are read-only.

    Parameters
    ----------
    unit : (n, d) float32, rows of length one, zeros where the template failed.
    failed : (n,) True for rows with NaN or infinity and for rows of zeros: kept, never scored.
    template_ids : (n,) str, each once; "0", "1", ... when the files name none.
    subject_ids : (n,) str, never ""; None when no file names subjects.
    labels : label column -> (n,) str, "" for no label.
    joined_by : how the labels file found its rows: "template_id", "row order", or "none" without such a file.
    sources : the files read, matrix first.
    lengths : (m,) lengths of some rows as they are in the file, drawn with a fixed seed; None if there is no file.
    stored : where these rows can be read again; None if nobody knows.
    """

    unit: npt.NDArray[np.float32]
    failed: npt.NDArray[np.bool_]
    template_ids: Texts
    subject_ids: Texts | None
    labels: Mapping[str, Texts]
    joined_by: str
    sources: tuple[Source, ...]
    lengths: npt.NDArray[np.float64] | None = None
    stored: Stored | None = None

    def __len__(self) -> int:
        return len(self.unit)

    def __repr__(self) -> str:
        labels = f", labels {', '.join(self.labels)}" if self.labels else ""
        return f"Templates({len(self):,} x {self.dimension}, {self.failed.sum():,} failed{labels})"

    @property
    def dimension(self) -> int:
        """Number of columns d."""
        return int(self.unit.shape[1])

    @cached_property
    def digest(self) -> str:
        """BLAKE2b-256, in hex, of shape, unit rows, failures, template ids and subjects, whatever the file format."""
        digest = hashlib.blake2b(digest_size=32)
        digest.update(np.array(self.unit.shape, dtype="<u8").tobytes())
        # In parts, so that Ctrl-C is heard in between.
        for start in range(0, len(self), DIGEST_ROWS):
            digest.update(np.ascontiguousarray(self.unit[start : start + DIGEST_ROWS], dtype="<f4").data)
        digest.update(np.ascontiguousarray(self.failed).data)
        _add_texts(digest, self.template_ids)
        if self.subject_ids is not None:
            _add_texts(digest, self.subject_ids)
        return digest.hexdigest()

    def require_labels(self, columns: Sequence[str], per_template: Sequence[str] = ()) -> None:
        """Check that `columns` exist and that each gives a subject at most one label.

        Parameters
        ----------
        columns : label columns that the caller wants to group by.
        per_template : columns that describe the photograph, where a subject may carry several labels.

        Raises
        ------
        InputError : a column does not exist, or a subject carries two labels; the message names both rows.
        """
        for column in (*columns, *per_template):
            if column not in self.labels:
                raise InputError(f"no label column {column!r}, only {named(self.labels)}")
        for column in columns:
            if column not in per_template and self.subject_ids is not None:
                self._check_one_label_per_subject(column, self.subject_ids)

    def _check_one_label_per_subject(self, column: str, subject_ids: Texts) -> None:
        values = self.labels[column]
        conflict = first_conflict(subject_ids, values)
        if conflict is not None:
            first, row = conflict
            raise InputError(
                f"subject {subject_ids[row]!r} carries two labels in column {column!r}: {values[first]!r} "
                f"({self._where(first)}) and {values[row]!r} ({self._where(row)}); fix the label, or pass "
                f"--per-template {column} if the column describes the photograph rather than the person"
            )

    def _where(self, row: int) -> str:
        return f"row {row}, template {self.template_ids[row]!r}"

    def take(self, rows: npt.ArrayLike) -> Templates:
        """Templates at `rows`, in that order: row numbers counted from 0, each at most once.

        Raises
        ------
        InputError : a row does not exist, is asked for twice, or is no integer.
        """
        chosen = self._row_numbers(np.asarray(rows))
        return replace(
            self,
            unit=_frozen(scratch.take(self.unit, chosen)),
            failed=_frozen(self.failed[chosen]),
            template_ids=_frozen(self.template_ids[chosen]),
            subject_ids=None if self.subject_ids is None else _frozen(self.subject_ids[chosen]),
            labels={column: _frozen(values[chosen]) for column, values in self.labels.items()},
            stored=None if self.stored is None else self.stored.take(chosen),
        )

    def with_subjects(self, subject_ids: Texts) -> Templates:
        """These templates as those of the subjects `subject_ids` (n,)."""
        return replace(self, subject_ids=_frozen(subject_ids.copy()))

    def _row_numbers(self, rows: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
        if rows.size == 0:
            return np.empty(0, dtype=np.int64)
        if rows.dtype.kind not in "iu" or rows.ndim != 1:
            raise InputError(f"rows have dtype {rows.dtype} and shape {rows.shape}, expected a list of row numbers")
        if rows.min() < 0 or rows.max() >= len(self):
            raise InputError(f"rows run from {rows.min()} to {rows.max()}, expected numbers from 0 to {len(self) - 1}")
        if len(np.unique(rows)) != len(rows):
            raise InputError("a row is asked for twice, expected each template at most once")
        return rows.astype(np.int64)


def load(
    path: PathLike | Any,
    *,
    labels: PathLike | Any | None = None,
    id_column: str = ID_COLUMN,
    subject_column: str = "subject_id",
    array: str | None = None,
    threads: int = 0,
    scratch_directory: Path | None = None,
) -> Templates:
    """Templates from a matrix, joined with labels: files, or arrays and data frames in memory.

    The join is by template id where both files have ids, else by row order; then the ids of the labels file become the
    template ids. Without a labels file, the text columns of a Parquet or Arrow matrix are the labels. Label columns are
    all but the id and subject columns.

    Parameters
    ----------
    path : .npy, .npz, .safetensors, .parquet, .arrow, .feather or .ipc with an (n, d) matrix of floats; or the matrix
        itself, a numpy array or a torch tensor.
    labels : .csv, .parquet or Arrow file with a subject column; it may cover more templates when joined by id. Or the
        table itself: a data frame, an Arrow table, or a mapping from names to columns.
    array : the array, tensor or column to take where the file holds several.
    threads : for normalisation; 0 takes every core.
    scratch_directory : keep unit rows in a nameless file there, mapped to memory, however small they are.

    Raises
    ------
    InputError : a file cannot be read or contradicts itself or the other; the message names the file, row and field.
    """
    matrix = read_matrix(path, array=array, id_column=id_column) if is_path(path) else matrix_of(path, "templates")
    table = matrix.table if labels is None else open_table(labels) if is_path(labels) else table_of(labels, "labels")
    own_ids = _ids(matrix.table, id_column)
    _refuse_unknown_id_column(matrix.path, table, own_ids, id_column)
    subjects = _subjects(table, subject_column, is_required=labels is not None)
    template_ids, rows, joined_by = _joined(matrix, table, own_ids, id_column, is_file=labels is not None)
    values = _label_columns(table, (id_column, subject_column))
    unit, failed = _normalised(matrix, threads, scratch_directory)
    return Templates(
        unit=_frozen(unit),
        failed=_frozen(failed),
        template_ids=_frozen(template_ids),
        subject_ids=None if subjects is None else _frozen(subjects[rows]),
        labels={column: _frozen(column_values[rows]) for column, column_values in values.items()},
        joined_by=joined_by,
        sources=_sources(matrix, path, None if labels is None else table, labels),
        lengths=_frozen(_lengths(matrix)),
        stored=Stored(Location.of(matrix.path, array)) if is_path(path) else None,
    )


def _ids(table: Table | None, id_column: str) -> Texts | None:
    """Template ids of `table`, each present and unique; None when it has no such column."""
    if table is None or id_column not in table.columns:
        return None
    ids = table.columns[id_column]
    is_empty, repeat = ids == "", first_repeat(ids)
    if is_empty.any() and (repeat is None or is_empty.argmax() < repeat[1]):
        where = table.where(int(is_empty.argmax()))
        raise InputError(f"{table.path}, {where}: empty {id_column}, expected the id of a template")
    if repeat is not None:
        both = " and ".join(map(table.where, repeat))
        raise InputError(
            f"{table.path}: {id_column} {ids[repeat[1]]!r} occurs twice ({both}), expected each template once"
        )
    return ids


def _refuse_unknown_id_column(path: str, table: Table | None, own_ids: Texts | None, id_column: str) -> None:
    """An id column that was asked for must exist; only the default may be absent."""
    if id_column == ID_COLUMN or own_ids is not None or (table is not None and id_column in table.columns):
        return
    where = path if table is None or table.path == path else f"{path} and {table.path}"
    raise InputError(f"{where}: no id column {id_column!r}, only {named(() if table is None else table.columns)}")


def _joined(
    matrix: Matrix, table: Table | None, own_ids: Texts | None, id_column: str, *, is_file: bool
) -> tuple[Texts, Rows, str]:
    """Template ids, the rows of `table` for those of `matrix`, and how they were found."""
    if table is None or not is_file:
        return _or_numbers(own_ids, matrix), IN_ORDER, "none"
    table_ids = _ids(table, id_column)
    if own_ids is not None and table_ids is not None:
        return own_ids, _rows_by_id(matrix, own_ids, table, table_ids, id_column), "template_id"
    if len(table) != matrix.rows:
        raise InputError(
            f"{table.path}: {len(table)} rows of labels for the {matrix.rows} rows of {matrix.path}, expected as many, "
            f"because they are joined by row order; give both files a column {id_column!r} to join by id"
        )
    if table_ids is None:
        return _or_numbers(own_ids, matrix), IN_ORDER, "row order"
    # Ids that are no numbers name no rows.
    if table_ids[0].isdecimal():
        _refuse_other_order(matrix, table, table_ids, id_column)
    return table_ids, IN_ORDER, "row order"


def _or_numbers(own_ids: Texts | None, matrix: Matrix) -> Texts:
    return numerals(matrix.rows) if own_ids is None else own_ids


def _refuse_other_order(matrix: Matrix, table: Table, table_ids: Texts, id_column: str) -> None:
    numbers = numerals(matrix.rows)
    is_other = table_ids != numbers
    if is_other.any() and (np.sort(table_ids) == np.sort(numbers)).all():
        row = int(is_other.argmax())
        raise InputError(
            f"{table.path}, {table.where(row)}: {id_column} is {table_ids[row]!r}; these ids are the row numbers of "
            f"{matrix.path} in another order, and it has no ids to join by; sort the labels by {id_column}"
        )


def _rows_by_id(matrix: Matrix, own_ids: Texts, table: Table, table_ids: Texts, id_column: str) -> Rows:
    if len(own_ids) == len(table_ids) and (own_ids == table_ids).all():
        return IN_ORDER
    rows = rows_of(table_ids, own_ids)
    is_missing = rows < 0
    if is_missing.any():
        first, n_missing = own_ids[is_missing.argmax()], int(is_missing.sum())
        hint = "are these the labels of other templates?" if n_missing == len(rows) else "add the missing rows"
        raise InputError(
            f"{table.path}: no row with {id_column} {first!r}, and none for {n_missing} of the {len(rows)} templates "
            f"of {matrix.path}; {hint}"
        )
    return rows


def _subjects(table: Table | None, subject_column: str, *, is_required: bool) -> Texts | None:
    if table is None or (subject_column not in table.columns and not is_required):
        return None
    subjects = table.column(subject_column)
    is_empty = subjects == ""
    if is_empty.any():
        where = table.where(int(is_empty.argmax()))
        raise InputError(f"{table.path}, {where}: empty {subject_column}, expected the id of the person in the image")
    return subjects


def _label_columns(table: Table | None, others: tuple[str, ...]) -> dict[str, Texts]:
    return {} if table is None else {name: values for name, values in table.columns.items() if name not in others}


def _normalised(
    matrix: Matrix, threads: int, scratch_directory: Path | None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Unit rows and failures, some 64 MiB at a time so that a mapped file is never copied whole."""
    unit = scratch.matrix(matrix.rows, matrix.dimension, scratch_directory)
    failed = np.empty(matrix.rows, dtype=np.bool_)
    start = 0
    for block in matrix.blocks:
        step = max(1, CHUNK_BYTES // (matrix.dimension * block.dtype.itemsize))
        for first in range(0, len(block), step):
            chunk = np.require(block[first : first + step], block.dtype.newbyteorder("="), ["C", "ALIGNED"])
            stop = start + len(chunk)
            failed[start:stop] = ~unit_rows(chunk, unit[start:stop], threads)
            start = stop
    if failed.all():
        raise InputError(f"{matrix.path}: all {len(failed)} rows failed: each holds NaN or infinity, or only zeros")
    return unit, failed


def _lengths(matrix: Matrix) -> npt.NDArray[np.float64]:
    """(m,) lengths of at most 4,096 rows as they are in the file, NaN and infinity among them."""
    rows = np.unique(np.random.default_rng(0).integers(matrix.rows, size=SAMPLED_ROWS))
    ends = np.cumsum([0, *(len(block) for block in matrix.blocks)])
    bounds = np.searchsorted(rows, ends)
    parts = zip(matrix.blocks, ends[:-1], bounds[:-1], bounds[1:], strict=True)
    sampled = [np.asarray(block[rows[low:high] - end]).astype(np.float64) for block, end, low, high in parts]
    return np.concatenate([np.sqrt(np.einsum("ij,ij->i", part, part)) for part in sampled])


def _sources(matrix: Matrix, path: object, table: Table | None, labels: object) -> tuple[Source, ...]:
    """What was read: files by their bytes, what was in memory by its values."""
    sha256 = _sha256(matrix.path) if is_path(path) else digest_of_matrix(matrix)
    first = Source(matrix.path, sha256, matrix.rows, matrix.dtype, matrix.dimension)
    if table is None:
        return (first,)
    return first, table_source(table) if is_path(labels) else Source(table.path, digest_of_table(table), len(table))


def table_source(table: Table) -> Source:
    """The file of `table`, as the manifest names it."""
    return Source(table.path, _sha256(table.path), len(table))


def _sha256(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _add_texts(digest: hashlib.blake2b, values: Texts) -> None:
    """Adds each text as UTF-8 behind its length, so that no two columns of texts share their bytes."""
    for part in lists(values):
        encoded = [text.encode("utf-8", "surrogatepass") for text in part]
        lengths = {n: n.to_bytes(8, "little") for n in set(map(len, encoded))}
        digest.update(b"".join([lengths[len(text)] + text for text in encoded]))


def _frozen(values: npt.NDArray[T]) -> npt.NDArray[T]:
    values.flags.writeable = False
    return values
