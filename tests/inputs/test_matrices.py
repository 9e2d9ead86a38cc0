"""What is read from other people's files, and what is refused with which words."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from frbench.errors import InputError
from frbench.inputs.matrices import read_matrix
from frbench.inputs.tables import open_table

VALUES = np.array([[1.0, 2.0, -3.0], [0.5, 0.25, 8.0]], dtype=np.float16)


def saved_npy(path: Path, values: np.ndarray) -> Path:
    """A .npy file of `values`."""
    file = path / "m.npy"
    np.save(file, values)
    return file


def saved_npz(path: Path, **arrays: Any) -> Path:
    """A .npz file of `arrays`."""
    file = path / "m.npz"
    np.savez(file, **arrays)
    return file


def saved_safetensors(path: Path, **tensors: np.ndarray) -> Path:
    """A .safetensors file of `tensors`."""
    file = path / "m.safetensors"
    safetensors.numpy.save_file(tensors, file)
    return file


def saved_parquet(path: Path, columns: dict[str, Any], *, schema: pa.Schema | None = None) -> Path:
    """A .parquet file of `columns`."""
    file = path / "m.parquet"
    pq.write_table(pa.table(columns, schema=schema), file)
    return file


def saved_arrow(path: Path, table: pa.Table) -> Path:
    """An Arrow IPC file of `table`."""
    file = path / "m.arrow"
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return file


def saved_csv(path: Path, content: str | bytes) -> Path:
    """A .csv file of `content`, byte for byte."""
    file = path / "t.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def vectors(values: np.ndarray) -> pa.FixedSizeListArray:
    """A column of fixed-size lists, one for each row of `values`."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def packed(values: np.ndarray) -> pa.Array:
    """A column of fixed-length bytes, one for each row of `values`."""
    return pa.array([row.tobytes() for row in values], pa.binary(values.shape[1] * values.itemsize))


def stacked(file: Path, **options: Any) -> np.ndarray:
    """All rows that `read_matrix` finds, as one array."""
    return np.concatenate([np.asarray(block) for block in read_matrix(file, **options).blocks])


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f2", ">f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_is_read_in_either_order_and_byte_order(tmp_path: Path, dtype: str, order: Any):
    """Fortran order and big-endian floats are the same matrix."""
    file = saved_npy(tmp_path, np.array(VALUES, dtype=dtype, order=order))

    np.testing.assert_array_equal(stacked(file), VALUES)


def test_npy_is_memory_mapped(tmp_path: Path):
    """A large matrix is not loaded before it is normalised."""
    (block,) = read_matrix(saved_npy(tmp_path, VALUES)).blocks

    assert isinstance(block, np.memmap)


def test_suffix_is_read_in_any_case(tmp_path: Path):
    """M.NPY is an NPY file."""
    file = saved_npy(tmp_path, VALUES).rename(tmp_path / "M.NPY")

    np.testing.assert_array_equal(stacked(file), VALUES)


@pytest.mark.parametrize("id_name", ["template_id", "template_ids", "image"])
def test_npz_carries_ids_beside_the_matrix(tmp_path: Path, id_name: str):
    """The ids of an NPZ file are found under the two usual names and the name asked for."""
    id_column = "image" if id_name == "image" else "template_id"
    matrix = read_matrix(saved_npz(tmp_path, vec=VALUES, **{id_name: np.array([7, 9])}), id_column=id_column)

    assert matrix.table is not None
    assert list(matrix.table.column(id_column)) == ["7", "9"]


def test_array_names_one_of_several(tmp_path: Path):
    """`array=` picks the matrix in a file of several."""
    npz = saved_npz(tmp_path, a=VALUES, b=-VALUES)
    tensors = saved_safetensors(tmp_path, a=VALUES, b=-VALUES)
    columns = saved_parquet(tmp_path, {"a": vectors(VALUES), "b": vectors(-VALUES)})

    for file in (npz, tensors, columns):
        np.testing.assert_array_equal(stacked(file, array="b"), -VALUES)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_columns_of_vectors_are_read_from_every_layout(tmp_path: Path, dtype: str):
    """Fixed-size lists, lists, large lists and declared bytes hold the same matrix."""
    values = VALUES.astype(dtype)
    declared = pa.schema([pa.field("v", pa.binary(3 * values.itemsize), metadata={"dtype": dtype})])
    element = pa.from_numpy_dtype(values.dtype)
    rows = [list(row) for row in values]

    for column, schema in (
        (vectors(values), None),
        (pa.array(rows, pa.list_(element)), None),
        (pa.array(rows, pa.large_list(element)), None),
        (packed(values), declared),
    ):
        table = pa.table({"v": column}, schema=schema)
        for file in (saved_parquet(tmp_path, {"v": column}, schema=schema), saved_arrow(tmp_path, table)):
            assert read_matrix(file).dtype == dtype
            np.testing.assert_array_equal(stacked(file), values)


def test_bytes_without_a_dtype_are_little_endian_float32(tmp_path: Path):
    """Twelve bytes are three components."""
    file = saved_parquet(tmp_path, {"v": packed(VALUES.astype("<f4"))})

    np.testing.assert_array_equal(stacked(file), VALUES)


@pytest.mark.parametrize("layout", [vectors, packed, lambda values: vectors(values).cast(pa.list_(pa.float32()))])
def test_chunks_and_slices_keep_their_rows(tmp_path: Path, layout: Callable[[np.ndarray], pa.Array]):
    """A column of several record batches, some of them slices, is read in order."""
    values = np.arange(1, 31, dtype=np.float32).reshape(10, 3)
    column = pa.chunked_array([layout(values)[2:5], layout(values)[5:5], layout(values)[5:9]])

    np.testing.assert_array_equal(stacked(saved_arrow(tmp_path, pa.table({"v": column}))), values[2:9])


@pytest.mark.parametrize("kind", [pa.list_(pa.float32(), 2), pa.list_(pa.float32()), pa.binary(8)])
def test_null_vectors_are_rows_of_nan(tmp_path: Path, kind: pa.DataType):
    """A template that the matcher did not make keeps its row."""
    row = np.array([3, 4], "<f4")
    present = row.tobytes() if pa.types.is_fixed_size_binary(kind) else list(row)
    file = saved_parquet(tmp_path, {"v": pa.array([None, present, None], kind)})

    np.testing.assert_array_equal(stacked(file), [[np.nan, np.nan], [3, 4], [np.nan, np.nan]])


def test_columns_beside_the_vectors_are_text(tmp_path: Path):
    """Text, integers, booleans and dictionaries beside the vectors become text, null becomes empty."""
    columns = {
        "v": vectors(VALUES),
        "template_id": pa.array([4, 5]),
        "sex": pa.array([" female ", None]),
        "mask": pa.array([True, False]),
        "region": pa.array(["x", "y"]).dictionary_encode(),
    }

    table = read_matrix(saved_parquet(tmp_path, columns)).table

    assert table is not None
    assert {name: list(values) for name, values in table.columns.items()} == {
        "template_id": ["4", "5"],
        "sex": ["female", ""],
        "mask": ["true", "false"],
        "region": ["x", "y"],
    }


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.ones((2, 3), np.int32), "int32"),
        (np.ones((2, 3), np.complex64), "complex64"),
        (np.ones((2, 3), np.bool_), "bool"),
        (np.array([["a", "b"]]), "<U1"),
        (np.ones((2,), [("x", "f4"), ("y", "f4")]), "float16, float32, float64"),
        (np.ones(3, np.float32), r"\(3,\).*\(rows, dimension\)"),
        (np.ones((2, 3, 4), np.float32), r"\(2, 3, 4\)"),
        (np.float32(1), r"\(\)"),
        (np.ones((0, 3), np.float32), r"\(0, 3\).*at least one row"),
        (np.ones((2, 0), np.float32), r"\(2, 0\).*at least one row and one column"),
    ],
)
def test_arrays_that_are_no_matrix_of_floats_are_refused(tmp_path: Path, values: Any, said: str):
    """Element type and shape are named."""
    for file in (saved_npy(tmp_path, values), saved_npz(tmp_path, only=values)):
        with pytest.raises(InputError, match=said):
            read_matrix(file)


def test_pickled_arrays_are_never_loaded(tmp_path: Path):
    """A file of objects could run code; it is refused unread."""
    bomb = np.array([[Bomb()]], dtype=object)

    for file in (saved_npy(tmp_path, bomb), saved_npz(tmp_path, only=bomb)):
        with pytest.raises(InputError, match=r"(?i)object"):
            read_matrix(file)


class Bomb:
    """Fails the test when it is unpickled."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("unpickled",)


def not_a_matrix(path: Path, kind: str) -> Path:
    """One file of each kind that holds no single matrix."""
    twice = pa.table([vectors(VALUES), vectors(VALUES)], names=["v", "v"])
    width = pa.schema([pa.field("v", pa.binary(7))])
    declared = pa.schema([pa.field("v", pa.binary(6), metadata={"dtype": "int8"})])
    files: dict[str, Callable[[], Path]] = {
        "npz of two": lambda: saved_npz(path, a=VALUES, b=VALUES),
        "npz of ids": lambda: saved_npz(path, template_id=np.array(["x"])),
        "npz of float ids": lambda: saved_npz(path, a=VALUES, template_id=np.array([1.0, 2.0])),
        "npz of few ids": lambda: saved_npz(path, a=VALUES, template_id=np.array(["x"])),
        "safetensors of int": lambda: saved_safetensors(path, a=np.ones((2, 3), np.int32)),
        "safetensors of 1-D": lambda: saved_safetensors(path, a=np.ones(3, np.float32)),
        "safetensors of two": lambda: saved_safetensors(path, a=VALUES, b=VALUES),
        "safetensors of bfloat16": lambda: saved_bfloat16(path),
        "parquet of two": lambda: saved_parquet(path, {"a": vectors(VALUES), "b": vectors(VALUES)}),
        "parquet of text": lambda: saved_parquet(path, {"a": ["x"]}),
        "parquet of integers": lambda: saved_parquet(path, {"a": vectors(VALUES.astype(np.int8))}),
        "parquet of ragged": lambda: saved_parquet(path, {"a": [[1.0, 2.0], [1.0]]}),
        "parquet of nothing": lambda: saved_parquet(path, {"a": vectors(VALUES[:0])}),
        "parquet of odd bytes": lambda: saved_parquet(path, {"v": pa.array([b"1234567"], width[0].type)}),
        "parquet of int8": lambda: saved_parquet(path, {"v": pa.array([b"123456"], pa.binary(6))}, schema=declared),
        "arrow named twice": lambda: saved_arrow(path, twice),
    }
    return files[kind]()


def saved_bfloat16(path: Path) -> Path:
    """A .safetensors file with one bfloat16 tensor, written by hand because numpy has no such type."""
    header = b'{"a":{"dtype":"BF16","shape":[1,2],"data_offsets":[0,4]}}'
    file = path / "b.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + b"\x80\x3f\x00\x40")
    return file


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("npz of two", r"2 arrays \('a', 'b'\).*array="),
        ("npz of ids", r"0 arrays \(none\)"),
        ("npz of float ids", "template_id.*float64"),
        ("npz of few ids", r"\(1,\), expected \(2,\)"),
        ("safetensors of int", "I32"),
        ("safetensors of 1-D", r"\(3,\)"),
        ("safetensors of two", r"2 tensors \('a', 'b'\)"),
        ("safetensors of bfloat16", "BF16, expected one of F16"),
        ("parquet of two", r"2 vector columns \('a', 'b'\)"),
        ("parquet of text", r"no column of vectors among 'a' \(string\)"),
        ("parquet of integers", "int8"),
        ("parquet of ragged", r"unequal length \(2 and 1\)"),
        ("parquet of nothing", "no rows"),
        ("parquet of odd bytes", "7 bytes wide.*multiple of 4"),
        ("parquet of int8", "declares dtype 'int8'"),
        ("arrow named twice", "'v' occurs twice"),
    ],
)
def test_files_without_one_matrix_say_what_they_hold(tmp_path: Path, kind: str, said: str):
    """The message names the file and what stands in it."""
    file = not_a_matrix(tmp_path, kind)

    with pytest.raises(InputError, match=said) as caught:
        read_matrix(file)
    assert str(file) in str(caught.value)


def test_array_that_does_not_exist_is_refused(tmp_path: Path):
    """The arrays that exist are listed; an NPY file has no names."""
    for file in (saved_npz(tmp_path, a=VALUES), saved_parquet(tmp_path, {"a": vectors(VALUES)})):
        with pytest.raises(InputError, match="'q', only 'a'"):
            read_matrix(file, array="q")
    with pytest.raises(InputError, match="unnamed array"):
        read_matrix(saved_npy(tmp_path, VALUES), array="q")


@pytest.mark.parametrize(("name", "said"), [("x.npy", "no such file"), (".", "is a directory")])
def test_paths_without_a_file_are_refused(tmp_path: Path, name: str, said: str):
    """A missing file and a directory are told apart, for matrices and tables."""
    for read in (read_matrix, open_table):
        with pytest.raises(InputError, match=said):
            read(tmp_path / name)


def test_unknown_suffix_lists_the_known_ones(tmp_path: Path):
    """A reader who guessed wrong sees what would be right."""
    file = tmp_path / "m.pkl"
    file.touch()

    with pytest.raises(InputError, match=r"'\.pkl'.*\.npy, \.npz, \.safetensors, \.parquet, \.arrow"):
        read_matrix(file)
    with pytest.raises(InputError, match=r"'\.pkl'.*\.csv, \.parquet"):
        open_table(file)


@pytest.mark.parametrize("suffix", ["npy", "npz", "safetensors", "parquet", "arrow", "feather", "ipc"])
@pytest.mark.parametrize("content", [b"", b"garbage", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"ARROW1\x00\x00ARROW1"])
def test_garbage_is_refused_by_every_reader(tmp_path: Path, suffix: str, content: bytes):
    """Bytes of another kind are an input error that names the file."""
    file = tmp_path / f"m.{suffix}"
    file.write_bytes(content)

    with pytest.raises(InputError, match=rf"m\.{suffix}"):
        read_matrix(file)


def bytes_of(suffix: str) -> bytes:
    """A whole small file of each format."""
    table = pa.table({"v": vectors(VALUES), "template_id": ["a", "b"]})
    sink = io.BytesIO()
    if suffix == "npy":
        np.save(sink, VALUES)
    elif suffix == "npz":
        np.savez(sink, v=VALUES)
    elif suffix == "safetensors":
        return safetensors.numpy.save({"v": VALUES})
    elif suffix == "parquet":
        pq.write_table(table, sink)
    else:
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue()


@pytest.mark.parametrize("suffix", ["npy", "npz", "safetensors", "parquet", "arrow"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_truncated_files_are_refused(tmp_path: Path, suffix: str, share: float):
    """Half a file is never half a matrix."""
    whole = bytes_of(suffix)
    file = tmp_path / f"m.{suffix}"
    file.write_bytes(whole[: int(share * len(whole))])

    with pytest.raises(InputError, match=rf"m\.{suffix}"):
        read_matrix(file)


def test_npz_members_that_are_no_arrays_are_refused(tmp_path: Path):
    """A zip archive of something else is not a matrix."""
    file = tmp_path / "m.npz"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "hello")

    with pytest.raises(InputError, match=r"'readme\.txt' is not an array"):
        read_matrix(file)
