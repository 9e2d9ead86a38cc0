"""Matrices and tables as they lie on disk, in other people's formats.

A matrix comes back as blocks of rows in the dtype of the file, memory-mapped where the format allows it. A table comes
back as columns of text. Nothing is normalised or joined here; that is `frbench.templates`.
"""

from __future__ import annotations

import csv
import io
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import safetensors

from frbench.errors import InputError

PathLike: TypeAlias = str | os.PathLike[str]
Texts: TypeAlias = npt.NDArray[np.object_]
Block: TypeAlias = npt.NDArray[Any]
Reader = TypeVar("Reader")

FLOATS = ("float16", "float32", "float64")
SAFETENSORS_FLOATS = ("F16", "F32", "F64")
NPZ_ID_NAMES = ("template_id", "template_ids")


@dataclass(frozen=True)
class Table:
    """Columns of text of equal length, and where each row stands in its file."""

    path: str
    columns: Mapping[str, Texts]
    lines: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def where(self, row: int) -> str:
        """Position of `row` as a person finds it: a line of a text file, else a row counted from 0."""
        return f"row {row}" if self.lines is None else f"line {self.lines[row]}"

    def column(self, name: str) -> Texts:
        """Column `name`.

        Raises
        ------
        InputError : there is no such column; the message lists those that exist.
        """
        if name not in self.columns:
            raise InputError(f"{self.path}: no column {name!r}, only {named(self.columns)}")
        return self.columns[name]


@dataclass(frozen=True, eq=False)
class Matrix:
    """An (n, d) matrix of floats as blocks of consecutive rows, with the text columns that stand beside it."""

    path: str
    blocks: tuple[Block, ...]
    table: Table | None = None

    @property
    def rows(self) -> int:
        """Number of rows n over all blocks."""
        return sum(len(block) for block in self.blocks)

    @property
    def dimension(self) -> int:
        """Number of columns d."""
        return int(self.blocks[0].shape[1])

    @property
    def dtype(self) -> str:
        """Name of the element type, whatever its byte order: float16, float32 or float64."""
        return self.blocks[0].dtype.name


@dataclass(frozen=True)
class Selection:
    """Which array of a file is the matrix (None: the only one), and under which name its template ids are filed."""

    array: str | None
    id_column: str


def read_matrix(path: PathLike, *, array: str | None = None, id_column: str = "template_id") -> Matrix:
    """The matrix in `path`, and the ids and labels that the file carries beside it.

    Parameters
    ----------
    path : .npy, .npz, .safetensors, .parquet, or an Arrow IPC file (.arrow, .feather, .ipc).
    array : which array, tensor or column to take; None accepts the only one.
    id_column : under which name the table beside the matrix holds the template ids.

    Raises
    ------
    InputError : the file is missing, damaged, of an unknown format, or holds no (n, d) matrix of floats with n, d > 0.
    """
    file = _existing(path)
    reader = _reader(file, MATRIX_READERS)
    with _explained(file):
        return reader(file, Selection(array, id_column))


def open_table(path: PathLike) -> Table:
    """Every text, number and boolean column of a .csv, .parquet or Arrow IPC file as text, at least one row.

    Values are stripped of surrounding blanks; null becomes "". Columns of lists and of bytes are vectors and left out.

    Raises
    ------
    InputError : the file is missing, damaged, of an unknown format, empty, ragged, or names a column twice.
    """
    file = _existing(path)
    reader = _reader(file, TABLE_READERS)
    with _explained(file):
        return reader(file)


def read_table(path: PathLike) -> dict[str, Texts]:
    """Columns of a CSV, Parquet or Arrow file as text, by name; read and refused as by `open_table`."""
    return dict(open_table(path).columns)


def named(names: Sequence[str] | Mapping[str, object]) -> str:
    """Names quoted and joined for a message; "none" where there are none."""
    return ", ".join(repr(name) for name in names) or "none"


def texts(values: Sequence[Any] | npt.NDArray[Any]) -> Texts:
    """Object array of str, stripped of surrounding blanks; None becomes ""."""
    out = np.empty(len(values), dtype=object)
    out[:] = ["" if value is None else str(value).strip() for value in values]
    return out


def _existing(path: PathLike) -> str:
    file = os.fspath(path)
    if Path(file).is_dir():
        raise InputError(f"{file}: is a directory, expected a file")
    if not Path(file).exists():
        raise InputError(f"{file}: no such file")
    return file


def _reader(file: str, readers: Mapping[str, Reader]) -> Reader:
    suffix = Path(file).suffix.lower()
    if suffix not in readers:
        raise InputError(f"{file}: unknown suffix {suffix!r}, expected one of {', '.join(readers)}")
    return readers[suffix]


@contextmanager
def _explained(file: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except Exception as problem:  # the parsers promise no exception type for damaged bytes
        reason = (str(problem).splitlines() or [""])[0] or type(problem).__name__
        what = f"{file}: cannot be read as {Path(file).suffix.lower()} ({reason})"
        raise InputError(f"{what}; it may be damaged or of another format") from problem


def _checked(file: str, name: str, values: Block) -> Block:
    what = f"{file}: array {name!r}" if name else file
    if values.dtype.name not in FLOATS:
        raise InputError(f"{what} holds {values.dtype}, expected one of {', '.join(FLOATS)}")
    if values.ndim != 2:
        raise InputError(f"{what} has shape {values.shape}, expected (rows, dimension)")
    if 0 in values.shape:
        raise InputError(f"{what} has shape {values.shape}, expected at least one row and one column")
    return values


def _chosen(file: str, candidates: Sequence[str], array: str | None, *, noun: str) -> str:
    if array is not None and array in candidates:
        return array
    if array is not None:
        raise InputError(f"{file}: no {noun} {array!r}, only {named(candidates)}")
    if len(candidates) != 1:
        raise InputError(f"{file}: {len(candidates)} {noun}s ({named(candidates)}), expected one; name it with array=")
    return candidates[0]


def _read_npy(file: str, selection: Selection) -> Matrix:
    if selection.array is not None:
        raise InputError(f"{file}: an NPY file holds one unnamed array, so leave array={selection.array!r} out")
    return Matrix(file, (_checked(file, "", np.lib.format.open_memmap(file, mode="r")),))


def _read_npz(file: str, selection: Selection) -> Matrix:
    if not zipfile.is_zipfile(file):
        raise InputError(f"{file}: not an NPZ (zip) archive; it may be truncated or of another format")
    with np.load(file, allow_pickle=False) as archive:
        id_names = [
            name for name in (selection.id_column, *NPZ_ID_NAMES) if name in archive.files and name != selection.array
        ]
        candidates = [name for name in archive.files if name not in id_names]
        name = _chosen(file, candidates, selection.array, noun="array")
        values = _checked(file, name, _member(file, archive, name))
        if not id_names:
            return Matrix(file, (values,))
        ids = _npz_ids(file, id_names[0], _member(file, archive, id_names[0]), rows=len(values))
    return Matrix(file, (values,), Table(file, {selection.id_column: ids}))


def _member(file: str, archive: Mapping[str, Any], name: str) -> Block:
    values = archive[name]
    if not isinstance(values, np.ndarray):
        raise InputError(f"{file}: member {name!r} is not an array")
    return values


def _npz_ids(file: str, name: str, ids: Block, *, rows: int) -> Texts:
    if ids.dtype.kind not in "Uiu":
        raise InputError(f"{file}: array {name!r} holds {ids.dtype}, expected template ids as text or integers")
    if ids.shape != (rows,):
        raise InputError(f"{file}: array {name!r} has shape {ids.shape}, expected ({rows},): one id for each row")
    return texts(ids)


def _read_safetensors(file: str, selection: Selection) -> Matrix:
    with safetensors.safe_open(file, framework="np") as tensors:
        name = _chosen(file, list(tensors.keys()), selection.array, noun="tensor")
        dtype = tensors.get_slice(name).get_dtype()
        if dtype not in SAFETENSORS_FLOATS:
            raise InputError(f"{file}: tensor {name!r} holds {dtype}, expected one of {', '.join(SAFETENSORS_FLOATS)}")
        return Matrix(file, (_checked(file, name, tensors.get_tensor(name)),))


def _read_columnar(file: str, selection: Selection) -> Matrix:
    schema, columns = _open_columnar(file)
    name = _vector_column(file, schema, selection.array)
    size = _element_type(file, schema.field(name))
    chunks = columns([name]).column(name)
    chunks.validate()
    blocks = tuple(_vectors(file, name, chunk, size) for chunk in chunks.chunks if len(chunk))
    if not blocks:
        raise InputError(f"{file}: column {name!r} has no rows, expected at least one")
    for block in blocks:
        _checked(file, name, block)
    if len({block.shape[1] for block in blocks}) > 1:
        raise InputError(f"{file}: column {name!r} holds vectors of unequal length, expected one dimension")
    beside = [field.name for field in schema if field.name != name and _is_text(field.type)]
    return Matrix(file, blocks, _columnar_table(file, columns(beside)) if beside else None)


def _open_columnar(file: str) -> tuple[pa.Schema, Callable[[list[str]], pa.Table]]:
    if Path(file).suffix.lower() == ".parquet":
        parquet = pq.ParquetFile(file, memory_map=True)
        schema, columns = parquet.schema_arrow, parquet.read
    else:
        table = pa.ipc.open_file(pa.memory_map(file)).read_all()
        schema, columns = table.schema, table.select
    _refuse_twice_named(file, schema.names)
    return schema, columns


def _refuse_twice_named(file: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"{file}: column {name!r} occurs twice; rename or remove one of them")
        seen.add(name)


def _vector_column(file: str, schema: pa.Schema, array: str | None) -> str:
    if array is not None and array in schema.names:
        return array
    vectors = [field.name for field in schema if _is_vector(field.type)]
    if array is None and not vectors:
        kinds = ", ".join(f"{field.name!r} ({field.type})" for field in schema)
        raise InputError(f"{file}: no column of vectors among {kinds}, expected lists of {', '.join(FLOATS)}")
    return _chosen(file, vectors, array, noun="vector column")


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _is_vector(kind: pa.DataType) -> bool:
    if _is_list(kind):
        return bool(pa.types.is_floating(kind.value_type))
    return bool(pa.types.is_fixed_size_binary(kind))


def _element_type(file: str, field: pa.Field) -> np.dtype[Any]:
    """Element type of a vector column; bytes are little-endian float32 unless the field's metadata says otherwise."""
    if not _is_vector(field.type):
        raise InputError(f"{file}: column {field.name!r} holds {field.type}, expected lists of {', '.join(FLOATS)}")
    if _is_list(field.type):
        element: np.dtype[Any] = np.dtype(field.type.value_type.to_pandas_dtype())
        return element
    declared = (field.metadata or {}).get(b"dtype", b"float32").decode()
    if declared not in FLOATS:
        raise InputError(
            f"{file}: column {field.name!r} declares dtype {declared!r}, expected one of {', '.join(FLOATS)}"
        )
    dtype: np.dtype[Any] = np.dtype(declared).newbyteorder("<")
    if field.type.byte_width % dtype.itemsize:
        width = field.type.byte_width
        raise InputError(
            f"{file}: column {field.name!r} is {width} bytes wide, expected a multiple of {dtype.itemsize} ({declared})"
        )
    return dtype


def _vectors(file: str, name: str, chunk: pa.Array, dtype: np.dtype[Any]) -> Block:
    """Rows of one chunk, (n, d); a null vector or element becomes NaN, so that its template counts as failed."""
    n, is_null = len(chunk), chunk.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_fixed_size_binary(chunk.type):
        width = chunk.type.byte_width
        d = width // dtype.itemsize
        rows = np.frombuffer(chunk.buffers()[1], dtype, count=n * d, offset=chunk.offset * width).reshape(n, d)
    elif pa.types.is_fixed_size_list(chunk.type):
        d = chunk.type.list_size
        rows = chunk.values.slice(chunk.offset * d, n * d).to_numpy(zero_copy_only=False).reshape(n, d)
    else:
        return _ragged_vectors(file, name, chunk, dtype, is_null)
    if not is_null.any():
        return rows
    with_nan = rows.copy()
    with_nan[is_null] = np.nan
    return with_nan


def _ragged_vectors(
    file: str, name: str, chunk: pa.Array, dtype: np.dtype[Any], is_null: npt.NDArray[np.bool_]
) -> Block:
    present = chunk.drop_null()
    lengths = pc.list_value_length(present).to_numpy(zero_copy_only=False)
    d = int(lengths[0]) if len(lengths) else 0
    if (lengths != d).any():
        odd = int(lengths[lengths != d][0])
        raise InputError(
            f"{file}: column {name!r} holds vectors of unequal length ({d} and {odd}), expected one dimension"
        )
    flat: Block = present.flatten().to_numpy(zero_copy_only=False).reshape(len(present), d)
    if len(present) == len(chunk):
        return flat
    rows = np.full((len(chunk), d), np.nan, dtype)
    rows[~is_null] = flat
    return rows


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    tests = ("string", "large_string", "string_view", "integer", "floating", "boolean", "null", "date", "decimal")
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)


def _read_columnar_table(file: str) -> Table:
    schema, columns = _open_columnar(file)
    names = [field.name for field in schema if _is_text(field.type)]
    if not names:
        raise InputError(f"{file}: no column of text among {named(schema.names)}, expected ids or labels")
    table = _columnar_table(file, columns(names))
    if not len(table):
        raise InputError(f"{file}: has no rows, expected at least one")
    return table


def _columnar_table(file: str, table: pa.Table) -> Table:
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        column.validate(full=True)
        columns[name] = texts(column.cast(pa.large_string()).to_pylist())
    return Table(file, columns)


def _read_csv(file: str) -> Table:
    lines = csv.reader(io.StringIO(_utf8(file), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(lines, [])]
        _check_header(file, header)
        rows, numbers = _csv_rows(file, lines, header)
    except csv.Error as problem:
        raise InputError(f"{file}, line {lines.line_num}: {problem}") from problem
    if not rows:
        raise InputError(f"{file}: has a header but no rows, expected at least one")
    columns = {name: texts(values) for name, values in zip(header, zip(*rows, strict=True), strict=True)}
    return Table(file, columns, np.array(numbers, dtype=np.int64))


def _utf8(file: str) -> str:
    content = Path(file).read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise InputError(
            f"{file}, line {line}: byte 0x{content[problem.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from problem


def _check_header(file: str, header: list[str]) -> None:
    if not any(header):
        raise InputError(f"{file}: line 1 is empty, expected the names of the columns")
    if "" in header:
        raise InputError(f"{file}, line 1: column {header.index('') + 1} has no name")
    _refuse_twice_named(file, header)


def _csv_rows(file: str, lines: Any, header: list[str]) -> tuple[list[list[str]], list[int]]:
    """Rows and the line on which each begins; blank lines are accepted only at the end."""
    rows: list[list[str]] = []
    numbers: list[int] = []
    begins, blank = lines.line_num + 1, 0
    for row in lines:
        if row and blank:
            raise InputError(f"{file}, line {blank}: is blank, expected {len(header)} fields")
        if row and len(row) != len(header):
            raise InputError(f"{file}, line {begins}: {len(row)} fields, expected {len(header)} as in the header")
        if row:
            rows.append(row)
            numbers.append(begins)
        else:
            blank = blank or begins
        begins = lines.line_num + 1
    return rows, numbers


MATRIX_READERS: Mapping[str, Callable[[str, Selection], Matrix]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".safetensors": _read_safetensors,
    ".parquet": _read_columnar,
    ".arrow": _read_columnar,
    ".feather": _read_columnar,
    ".ipc": _read_columnar,
}
TABLE_READERS: Mapping[str, Callable[[str], Table]] = {
    ".csv": _read_csv,
    ".parquet": _read_columnar_table,
    ".arrow": _read_columnar_table,
    ".feather": _read_columnar_table,
    ".ipc": _read_columnar_table,
}
