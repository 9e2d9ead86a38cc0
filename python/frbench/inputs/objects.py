"""Reads matrices and tables that are already in memory: arrays, tensors, data frames, columns and lists of texts.

Nothing is imported for it: a tensor is asked to detach itself, a data frame for its Arrow stream.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from frbench.errors import InputError
from frbench.inputs.matrices import FLOATS, Matrix
from frbench.inputs.tables import Table, is_text, named, refuse_twice_named
from frbench.inputs.texts import lists, of_arrow

WANTED = f"an (n, d) array of {', '.join(FLOATS)}, or the path of a file with one"
# What pandas calls an index that it turns into a column.
INDEX = re.compile(r"__index_level_\d+__")


def is_path(value: object) -> bool:
    """Whether a value names a file."""
    return isinstance(value, str | os.PathLike)


def matrix_of(value: Any, name: str) -> Matrix:
    """The (n, d) matrix of floats that an array, a tensor or a frame of numbers is; not copied where it can be helped.

    Parameters
    ----------
    value : a numpy array, a torch tensor on any device, or a frame whose columns are the d components.
    name : what messages call it, such as "templates".

    Raises
    ------
    InputError : anything else; the message says what it is.
    """
    if isinstance(value, list | tuple | Mapping):
        raise InputError(
            f"{name}: is a {type(value).__name__}, expected {WANTED}; wrap it in numpy.array(..., dtype='float32')"
        )
    array = _array(value)
    if array is None:
        raise InputError(f"{name}: is of type {type(value).__name__}, expected {WANTED}")
    if array.dtype.name not in FLOATS:
        what = "texts or objects" if array.dtype.kind in "OUST" else array.dtype.name
        raise InputError(
            f"{name}: holds {what}, expected one of {', '.join(FLOATS)}; convert it with .astype('float32')"
        )
    if array.ndim != 2 or 0 in array.shape:
        raise InputError(f"{name}: has shape {array.shape}, expected (rows, dimension), each at least 1")
    return Matrix(name, (array,))


def table_of(value: Any, name: str) -> Table:
    """The columns of a data frame, an Arrow table or a mapping from names to columns, as text; null becomes "".

    Parameters
    ----------
    value : a frame of pandas or polars, a pyarrow table, or {"subject_id": [...], "sex": [...]}; lists, arrays and
        columns of any of these libraries.
    name : what messages call it, such as "labels".

    Raises
    ------
    InputError : anything else, columns of unequal length, a column named twice, or no rows.
    """
    table = _arrow(value, name)
    refuse_twice_named(name, table.column_names)
    kept = [field.name for field in table.schema if is_text(field.type) and not INDEX.fullmatch(field.name)]
    if not kept:
        raise InputError(f"{name}: no column of text among {named(table.column_names)}, expected ids or labels")
    if not len(table):
        raise InputError(f"{name}: has no rows, expected at least one")
    try:
        return Table(name, {column: of_arrow(_texts(table.column(column))) for column in kept})
    except pa.ArrowException as problem:
        raise InputError(f"{name}: cannot be read as text ({str(problem).splitlines()[0]})") from problem


def digest_of_matrix(matrix: Matrix) -> str:
    """SHA-256, in hex, of the numbers of a matrix, little-endian, row after row."""
    digest = hashlib.sha256()
    for block in matrix.blocks:
        digest.update(np.ascontiguousarray(block, dtype=block.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def digest_of_table(table: Table) -> str:
    """SHA-256, in hex, of the names and texts of a table, each behind its length."""
    digest = hashlib.sha256()
    for name, column in table.columns.items():
        for text in (name, *(text for part in lists(column) for text in part)):
            encoded = text.encode("utf-8", "surrogatepass")
            digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as text. Categories are cast first, since Arrow takes nothing from some kinds of them."""
    if not pa.types.is_dictionary(column.type):
        return column.cast(pa.large_string())
    parts = [chunk.dictionary.cast(pa.large_string()).take(chunk.indices) for chunk in column.chunks]
    return pa.chunked_array(parts, type=pa.large_string())


def _array(value: Any) -> npt.NDArray[Any] | None:
    """A numpy array of what is one, or can say so; None of anything else."""
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        tensor = value.detach().cpu()
        value = tensor.float() if "bfloat16" in str(tensor.dtype) else tensor
    if not any(hasattr(value, way) for way in ("__array__", "__array_interface__", "to_numpy", "__dlpack__")):
        return None
    return np.asarray(value if hasattr(value, "__array__") or not hasattr(value, "to_numpy") else value.to_numpy())


def _arrow(value: Any, name: str) -> pa.Table:
    if isinstance(value, pa.Table):
        return value
    try:
        if hasattr(value, "__arrow_c_stream__"):
            return pa.table(value)
        if isinstance(value, Mapping):
            return pa.table({str(column): _column(values) for column, values in value.items()})
        if hasattr(value, "to_dict") and hasattr(value, "columns"):
            return pa.Table.from_pandas(value, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError) as problem:
        reason = str(problem).splitlines()[0]
        raise InputError(f"{name}: cannot be read as columns ({reason}); expected one value a row in each") from problem
    raise InputError(
        f"{name}: is of type {type(value).__name__}, expected a data frame, a mapping from names to columns, or the "
        "path of a .csv, .parquet or Arrow file"
    )


def _column(values: Any) -> Any:
    if hasattr(values, "__arrow_c_stream__"):
        return pa.chunked_array(values)
    if isinstance(values, np.ndarray) and values.dtype.kind == "T":
        return values.astype(object)
    return values if isinstance(values, np.ndarray | pa.Array | pa.ChunkedArray) else list(values)
