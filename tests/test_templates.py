"""Which rows fail, whose the others are, and when two files do not belong together."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from frbench import templates
from frbench.errors import InputError
from frbench.templates import Source, Templates, load
from tests import ROOT

LFW = ROOT / "examples" / "lfw"
VALUES = np.array([[3.0, 4.0], [0.0, 0.0], [np.nan, 1.0], [-8.0, 6.0]], dtype=np.float32)
LABELS = "subject_id,sex,mask\nann,f,yes\nann,f,no\nbob,m,no\nbob,,no\n"


def saved_matrix(path: Path, *, ids: list[str] | None = None, name: str = "m", values: np.ndarray = VALUES) -> Path:
    """An NPY file of `values`, or an NPZ file of `values` and `ids`."""
    if ids is None:
        file = path / f"{name}.npy"
        np.save(file, values)
    else:
        file = path / f"{name}.npz"
        np.savez(file, vectors=values, template_id=np.array(ids))
    return file


def saved_labels(path: Path, content: str = LABELS) -> Path:
    """A CSV file of `content`."""
    file = path / "labels.csv"
    file.write_text(content)
    return file


def loaded(path: Path, content: str = LABELS, **options: Any) -> Templates:
    """Four templates of two subjects, joined by row order."""
    return load(saved_matrix(path), labels=saved_labels(path, content), **options)


def fixed_lists(values: np.ndarray) -> pa.Array:
    """A column of fixed-size lists, one for each row of `values`."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def saved_in_every_format(path: Path, values: np.ndarray) -> list[Path]:
    """The same matrix as NPY in both orders and byte orders, NPZ, safetensors, Parquet and Arrow."""
    files = [path / name for name in ("c.npy", "f.npy", "big.npy", "m.npz", "m.safetensors", "m.parquet", "m.arrow")]
    np.save(files[0], values)
    np.save(files[1], np.asfortranarray(values))
    np.save(files[2], values.astype(values.dtype.newbyteorder(">")))
    np.savez(files[3], vectors=values)
    safetensors.numpy.save_file({"vectors": values}, files[4])
    pq.write_table(pa.table({"vectors": fixed_lists(values)}), files[5])
    table = pa.table({"vectors": pa.array([row.tobytes() for row in values], pa.binary(values[0].nbytes))})
    schema = pa.schema([pa.field("vectors", table.schema[0].type, metadata={"dtype": values.dtype.name})])
    with pa.OSFile(str(files[6]), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(table.cast(schema))
    return files


def test_rows_are_normalised_and_failures_kept(tmp_path: Path):
    """A row of zeros and a row with NaN fail, keep their place, and hold zeros."""
    found = load(saved_matrix(tmp_path))

    # 3-4-5 and 8-6-10 triangles; 0.6 and 0.8 are the float32 nearest to the quotients.
    np.testing.assert_array_equal(found.unit, np.array([[0.6, 0.8], [0, 0], [0, 0], [-0.8, 0.6]], np.float32))
    np.testing.assert_array_equal(found.failed, [False, True, True, False])
    assert (len(found), found.dimension, found.unit.dtype) == (4, 2, np.float32)


def test_templates_without_ids_are_numbered(tmp_path: Path):
    """The ids of an unnamed matrix are its row numbers as text, and nobody's subjects."""
    found = load(saved_matrix(tmp_path))

    assert list(found.template_ids) == ["0", "1", "2", "3"]
    assert found.subject_ids is None
    assert (dict(found.labels), found.joined_by) == ({}, "none")


def test_chunks_do_not_change_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Normalising one row at a time gives the bits of normalising all at once."""
    file = saved_matrix(tmp_path)
    whole = load(file)
    monkeypatch.setattr(templates, "CHUNK_BYTES", 1)

    assert load(file).digest == whole.digest


def test_misaligned_npy_is_read(tmp_path: Path):
    """Other writers do not pad the header, so that the floats begin at an odd byte."""
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2)}"
    header += b" " * (len(header) % 2) + b"\n"
    file = tmp_path / "odd.npy"
    file.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + VALUES.tobytes())

    assert (10 + len(header)) % 2 == 1
    assert load(file).digest == load(saved_matrix(tmp_path)).digest


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=hnp.arrays(
        st.sampled_from([np.float16, np.float32, np.float64]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.floats(width=16),
    ),
    n_threads=st.integers(0, 3),
)
def test_format_of_the_file_does_not_enter(tmp_path: Path, values: np.ndarray, n_threads: int):
    """Whichever file carries the matrix, rows and digest are the same."""
    values[0, 0] = 1
    values[0, 1:] = 0
    first, *others = [load(file, threads=n_threads) for file in saved_in_every_format(tmp_path, values)]

    for other in others:
        np.testing.assert_array_equal(other.unit, first.unit)
        assert other.digest == first.digest


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=hnp.arrays(np.float16, (4, 5), elements=st.sampled_from([0.0, 1e-3, -0.5, 1.0, 65504.0, np.nan, np.inf])))
def test_element_type_does_not_enter(tmp_path: Path, values: np.ndarray):
    """The same numbers as float16, float32 and float64 are the same templates."""
    values[0] = 1
    digests = {
        load(saved_matrix(tmp_path, name=dtype, values=values.astype(dtype))).digest
        for dtype in ("float16", "float32", "float64")
    }

    assert len(digests) == 1


def test_digest_tells_apart_what_counts(tmp_path: Path):
    """Rows, failures, ids and subjects enter the digest; labels do not."""
    rows = loaded(tmp_path)
    other_label = loaded(tmp_path, LABELS.replace("yes", "no"))
    other_subject = loaded(tmp_path, LABELS.replace("bob", "eve"))
    other_id = load(saved_matrix(tmp_path, ids=["a", "b", "c", "d"]), labels=saved_labels(tmp_path))
    no_subject = load(saved_matrix(tmp_path))
    other_row = load(saved_matrix(tmp_path, values=-VALUES), labels=saved_labels(tmp_path))

    assert rows.digest == other_label.digest
    assert len({each.digest for each in (rows, other_subject, other_id, no_subject, other_row)}) == 5
    assert len(rows.digest) == 64


def test_labels_without_ids_are_joined_by_row_order(tmp_path: Path):
    """The first line of labels describes the first row."""
    found = loaded(tmp_path)

    assert found.joined_by == "row order"
    assert found.subject_ids is not None
    assert list(found.subject_ids) == ["ann", "ann", "bob", "bob"]
    assert {column: list(values) for column, values in found.labels.items()} == {
        "sex": ["f", "f", "m", ""],
        "mask": ["yes", "no", "no", "no"],
    }


def test_labels_give_their_ids_to_a_matrix_without(tmp_path: Path):
    """A matrix without ids takes those of the labels, in row order."""
    found = loaded(tmp_path, "template_id,subject_id\nw,a\nx,a\ny,b\nz,b\n")

    assert (list(found.template_ids), found.joined_by) == (["w", "x", "y", "z"], "row order")
    assert dict(found.labels) == {}


def test_matrix_keeps_its_ids_where_the_labels_have_none(tmp_path: Path):
    """Row order does not rename templates."""
    found = load(saved_matrix(tmp_path, ids=["w", "x", "y", "z"]), labels=saved_labels(tmp_path))

    assert (list(found.template_ids), found.joined_by) == (["w", "x", "y", "z"], "row order")


def test_labels_are_joined_by_id_where_both_have_ids(tmp_path: Path):
    """Order and extra lines of the labels do not matter when both files name their templates."""
    file = saved_matrix(tmp_path, ids=["w", "x", "y", "z"])
    labels = saved_labels(tmp_path, "subject_id,template_id,sex\nb,z,m\nb,y,m\nc,extra,f\na,x,f\na,w,f\n")

    found = load(file, labels=labels)

    assert found.joined_by == "template_id"
    assert found.subject_ids is not None
    assert list(found.template_ids) == ["w", "x", "y", "z"]
    assert list(found.subject_ids) == ["a", "a", "b", "b"]
    assert list(found.labels["sex"]) == ["f", "f", "m", "m"]


def test_columns_beside_the_vectors_are_labels(tmp_path: Path):
    """A Parquet file may carry ids, subjects and labels itself; a labels file replaces them."""
    columns = {"v": fixed_lists(VALUES), "template_id": list("wxyz"), "subject_id": list("aabb"), "sex": list("ffmm")}
    file = tmp_path / "m.parquet"
    pq.write_table(pa.table(columns), file)

    alone = load(file)
    labelled = load(file, labels=saved_labels(tmp_path, "template_id,subject_id,age\nz,1,9\ny,1,9\nx,2,8\nw,2,8\n"))

    assert (list(alone.template_ids), alone.joined_by) == (["w", "x", "y", "z"], "none")
    assert alone.subject_ids is not None
    assert labelled.subject_ids is not None
    assert (list(alone.subject_ids), list(alone.labels["sex"])) == (["a", "a", "b", "b"], ["f", "f", "m", "m"])
    assert (list(labelled.subject_ids), list(labelled.labels)) == (["2", "2", "1", "1"], ["age"])


def test_id_and_subject_columns_may_have_other_names(tmp_path: Path):
    """The columns are named by the caller and are then no labels."""
    found = loaded(tmp_path, "image,person\nw,a\nx,a\ny,b\nz,b\n", id_column="image", subject_column="person")

    assert found.subject_ids is not None
    assert (list(found.template_ids), list(found.subject_ids)) == (["w", "x", "y", "z"], ["a", "a", "b", "b"])
    assert dict(found.labels) == {}


def test_sources_name_each_file_and_its_hash(tmp_path: Path):
    """The manifest can say which bytes were read."""
    found = loaded(tmp_path)
    matrix, labels = tmp_path / "m.npy", tmp_path / "labels.csv"

    assert found.sources == (
        Source(str(matrix), hashlib.sha256(matrix.read_bytes()).hexdigest(), 4, "float32", 2),
        Source(str(labels), hashlib.sha256(labels.read_bytes()).hexdigest(), 4),
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("subject_id\na\nb\nc\n", r"labels\.csv: 3 rows of labels for the 4 rows of .*m\.npz.*'template_id'"),
        ("template_id,sex\nw,f\n", "no column 'subject_id', only 'template_id', 'sex'"),
        ("template_id,subject_id\nw,a\nx, \n", "line 3: empty subject_id"),
        ("template_id,subject_id\nw,a\n,b\n", "line 3: empty template_id"),
        ("template_id,subject_id\nw,a\nx,a\nw,a\n", r"'w' occurs twice \(line 2 and line 4\)"),
        ("template_id,subject_id\nw,a\nz,a\n", r"no row with template_id 'x', and none for 2 of the 4 .* add the miss"),
        (
            "template_id,subject_id\n1,a\n2,a\n",
            r"template_id 'w', and none for 4 of the 4 .* labels of other templates\?",
        ),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path: Path, content: str, said: str):
    """The message names the labels file, the line and the field."""
    file = saved_matrix(tmp_path, ids=["w", "x", "y", "z"])

    with pytest.raises(InputError, match=said) as caught:
        load(file, labels=saved_labels(tmp_path, content))
    assert "labels.csv" in str(caught.value)


def test_duplicate_ids_beside_the_matrix_are_refused(tmp_path: Path):
    """Both rows are named."""
    with pytest.raises(InputError, match=r"'w' occurs twice \(row 0 and row 2\)"):
        load(saved_matrix(tmp_path, ids=["w", "x", "w", "z"]))


def test_id_column_that_exists_nowhere_is_refused(tmp_path: Path):
    """A mistyped id column does not fall back to row order."""
    with pytest.raises(InputError, match=r"m\.npy and .*labels\.csv: no id column 'imgae', only 'subject_id'"):
        loaded(tmp_path, id_column="imgae")


def test_all_rows_failed_is_refused(tmp_path: Path):
    """A file of failures is a mistake of the file."""
    with pytest.raises(InputError, match=r"m\.npy: all 3 rows failed"):
        load(saved_matrix(tmp_path, values=np.array([[0.0], [np.inf], [np.nan]])))


def test_require_labels_accepts_one_label_per_subject(tmp_path: Path):
    """A missing label contradicts nothing."""
    loaded(tmp_path).require_labels(["sex"])


def test_require_labels_lists_the_columns_that_exist(tmp_path: Path):
    """A mistyped column is answered with those that there are, also among the per-template ones."""
    found = loaded(tmp_path)

    for columns, per_template in ((["sx"], []), (["sex"], ["sx"])):
        with pytest.raises(InputError, match="no label column 'sx', only 'sex', 'mask'"):
            found.require_labels(columns, per_template)
    with pytest.raises(InputError, match="only none"):
        load(saved_matrix(tmp_path)).require_labels(["sex"])


def test_require_labels_refuses_two_labels_of_one_subject(tmp_path: Path):
    """Subject, labels and rows are named, and so is the way out."""
    found = loaded(tmp_path)

    with pytest.raises(
        InputError,
        match=r"'ann' .* 'mask': 'yes' \(row 0, template '0'\) and 'no' \(row 1, template '1'\).*--per-template mask",
    ):
        found.require_labels(["sex", "mask"])
    found.require_labels(["sex", "mask"], per_template=["mask"])


def test_take_keeps_the_order_asked_for(tmp_path: Path):
    """A subset has its rows, ids, subjects and labels in the given order."""
    found = loaded(tmp_path).take([3, 0])

    np.testing.assert_array_equal(found.unit, np.array([[-0.8, 0.6], [0.6, 0.8]], np.float32))
    assert found.subject_ids is not None
    assert (list(found.template_ids), list(found.subject_ids)) == (["3", "0"], ["bob", "ann"])
    assert list(found.labels["mask"]) == ["no", "yes"]


def test_take_of_every_row_is_the_same_templates(tmp_path: Path):
    """The digest is that of the content, not of the file."""
    found = loaded(tmp_path)

    assert found.take(np.arange(4)).digest == found.digest
    assert found.take([3, 2, 1, 0]).digest != found.digest
    assert len(found.take([])) == 0


@pytest.mark.parametrize(
    ("rows", "said"),
    [([4], "from 4 to 4"), ([-1], "from 0 to 3"), ([1, 1], "twice"), ([1.0], "float64"), ([True], "bool")],
)
def test_take_refuses_rows_that_do_not_exist(tmp_path: Path, rows: list[Any], said: str):
    """Nothing wraps around and no template is taken twice."""
    found = loaded(tmp_path)

    with pytest.raises(InputError, match=said):
        found.take(rows)


def test_templates_are_read_only(tmp_path: Path):
    """What was digested cannot change."""
    found = loaded(tmp_path)

    for values in (found.unit, found.failed, found.template_ids, found.subject_ids, found.labels["sex"]):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = values[1]


def test_templates_travel_to_another_process(tmp_path: Path):
    """A worker that is sent templates has the same templates."""
    found = loaded(tmp_path)

    assert pickle.loads(pickle.dumps(found)).digest == found.digest


def test_example_data_is_read():
    """The templates that the README runs on are whole: 13233 images, one sex label for each of 5749 people."""
    found = load(LFW / "dlib-128.npy", labels=LFW / "labels.csv")

    found.require_labels(["sex"])
    assert found.subject_ids is not None
    assert (len(found), found.dimension, len(set(found.subject_ids))) == (13233, 128, 5749)
    assert not found.failed.any()


def test_row_numbers_in_another_order_are_not_joined_by_row_order(tmp_path: Path):
    """Labels sorted by something else, whose ids are the row numbers of a file without ids, would go to others."""
    shuffled = "template_id,subject_id\n2,bea\n0,ann\n1,ann\n3,bea\n"

    with pytest.raises(InputError, match=r"line 2: template_id is '2'.*sort the labels"):
        load(saved_matrix(tmp_path), labels=saved_labels(tmp_path, shuffled))


def test_templates_show_their_sizes_in_a_line(tmp_path: Path):
    """Rows, dimension, failures, and labels if there are any."""
    assert repr(loaded(tmp_path)) == "Templates(4 x 2, 2 failed, labels sex, mask)"
    assert repr(load(VALUES)) == "Templates(4 x 2, 2 failed)"
