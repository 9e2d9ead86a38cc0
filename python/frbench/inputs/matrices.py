"""Reads matrices of floats from .npy, .npz, .safetensors, Parquet and Arrow files.

A matrix comes back as blocks of rows in the dtype of the file, memory-mapped where the format allows it. Nothing is
normalised or joined here; that is `frbench.templates`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import safetensors

from frbench.errors import InputError
from frbench.inputs.arrays import Bools
from frbench.inputs.tables import (
    COLUMNAR,
    PathLike,
    Table,
    Texts,
    columnar_table,
    existing,
    explained,
    is_text,
    named,
    open_columnar,
    reader_of,
    texts,
)

Block: TypeAlias = npt.NDArray[Any]
FLOATS = ("float16", "float32", "float64")
SAFETENSORS_FLOATS = ("F16", "F32", "F64")
NPZ_ID_NAMES = ("template_id", "template_ids")


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
    file = existing(path)
    reader = reader_of(file, MATRIX_READERS)
    with explained(file):
        return reader(file, Selection(array, id_column))


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
        raise InputError(
            f"{file}: {len(candidates)} {noun}s ({named(candidates)}), expected one; name it with array= (--array)"
        )
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
    schema, columns = open_columnar(file)
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
    beside = [field.name for field in schema if field.name != name and is_text(field.type)]
    return Matrix(file, blocks, columnar_table(file, beside, columns) if beside else None)


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


def _ragged_vectors(file: str, name: str, chunk: pa.Array, dtype: np.dtype[Any], is_null: Bools) -> Block:
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


MATRIX_READERS: Mapping[str, Callable[[str, Selection], Matrix]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".safetensors": _read_safetensors,
    **dict.fromkeys(COLUMNAR, _read_columnar),
}
