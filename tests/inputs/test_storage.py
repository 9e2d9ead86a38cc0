"""Rows by their numbers, from files here and from an object store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import save_file

from frbench.errors import InputError
from frbench.inputs import storage
from frbench.inputs.storage import Location, Stored, numbers_of, require_no_secret
from tests.worlds import object_store

N, D = 50, 3
MATRIX = np.arange(N * D, dtype=np.float32).reshape(N, D)


def rows(location: Location, *numbers: storage.Numbers) -> NDArray[np.float32]:
    """The rows of these numbers, put in their places."""
    found = np.full((sum(map(len, numbers)), D), np.nan, np.float32)
    for places, part in storage.windows(location, numbers):
        assert np.isnan(found[places]).all()
        found[places] = part
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is a bucket, with one matrix in three files."""
    bucket = tmp_path_factory.mktemp("store") / "bucket"
    bucket.mkdir()
    np.save(bucket / "m.npy", MATRIX)
    np.save(bucket / "half.npy", MATRIX.astype(np.float16))
    save_file({"x": MATRIX, "other": MATRIX[:1]}, bucket / "m.safetensors")
    return bucket


@pytest.mark.parametrize(("name", "array"), [("m.npy", None), ("half.npy", None), ("m.safetensors", "x")])
@given(wanted=st.lists(st.integers(0, N - 1), max_size=9), start=st.integers(0, N), length=st.integers(0, 9))
def test_rows_are_those_of_the_matrix(
    folder: Path, name: str, array: str | None, wanted: list[int], start: int, length: int
):
    """In any order, twice, none, and in a range; float16 holds these numbers exactly."""
    numbers = (np.array(wanted, dtype=np.int64), range(start, min(N, start + length)))
    expected = np.concatenate([MATRIX[numbers[0]], MATRIX[numbers[1].start : numbers[1].stop]])

    np.testing.assert_array_equal(rows(Location.of(str(folder / name), array), *numbers), expected)


def test_rows_are_read_a_window_at_a_time(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Seven rows of twelve bytes at a time: fifty rows take eight windows, and the rows are the same."""
    monkeypatch.setattr(storage, "WINDOW_BYTES", 7 * 4 * D + 5)
    found = list(storage.windows(Location(str(folder / "m.npy")), [range(N)]))

    assert [len(part) for _, part in found] == [7] * 7 + [1]
    np.testing.assert_array_equal(np.concatenate([part for _, part in found]), MATRIX)


def test_rows_of_others_are_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """A gap of more than three rows ends a window; a shorter one is read over."""
    monkeypatch.setattr(storage, "GAP_BYTES", 3 * 4 * D)
    found = list(storage.windows(Location(str(folder / "m.npy")), [np.array([30, 2, 5, 34])]))

    assert [places.tolist() for places, _ in found] == [[1, 2], [0], [3]]
    np.testing.assert_array_equal(np.concatenate([part for _, part in found]), MATRIX[[2, 5, 30, 34]])


def test_rows_come_from_an_object_store(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """The same rows by S3's protocol, in ranges of bytes."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
    with object_store.serving(folder.parent) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{address}")
        there = Location.of(str(folder / "m.npy")).within("s3://bucket/")
        assert there.uri == "s3://bucket/m.npy"
        np.testing.assert_array_equal(rows(there, np.array([40, 2]), range(3, 5)), MATRIX[[40, 2, 3, 4]])
        with pytest.raises(InputError, match=r"s3://bucket/none\.npy: a worker cannot read it"):
            rows(Location("s3://bucket/none.npy"), range(1))


def test_a_store_is_named_with_options_and_a_file_with_any_letters(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """The options of a URI stay behind the name of the file, which is written as URIs write it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
    np.save(folder / "a b#ü%20.npy", MATRIX)
    with object_store.serving(folder.parent) as address:
        options = f"?endpoint_override={address}&scheme=http"
        there = Location.of(str(folder / "a b#ü%20.npy")).within(f"s3://bucket/{options}")
        assert there.uri == f"s3://bucket/a%20b%23%C3%BC%2520.npy{options}"
        np.testing.assert_array_equal(rows(there, range(3, 5)), MATRIX[[3, 4]])


def test_a_file_that_goes_away_is_one_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Between two windows of the same reading."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anything")
    monkeypatch.setattr(storage, "WINDOW_BYTES", 7 * 4 * D)
    np.save(folder / "gone.npy", MATRIX)
    with object_store.serving(folder.parent) as address:
        there = Location(f"s3://bucket/gone.npy?endpoint_override={address}&scheme=http")
        reading = storage.windows(there, [range(N)])
        next(reading)
        (folder / "gone.npy").unlink()
        with pytest.raises(InputError, match=r"s3://bucket/gone\.npy.*: a worker cannot read it"):
            list(reading)


def test_a_link_is_read_under_its_own_name(tmp_path: Path, folder: Path):
    """Stores of datasets link names to contents that have no names of their own."""
    (tmp_path / "0a1b").write_bytes((folder / "m.npy").read_bytes())
    (tmp_path / "m.npy").symlink_to(tmp_path / "0a1b")

    assert Location.of(str(tmp_path / "m.npy")).within("/data").uri == "/data/m.npy"
    np.testing.assert_array_equal(rows(Location.of(str(tmp_path / "m.npy")), range(2)), MATRIX[:2])


def test_a_folder_without_a_beginning_is_that_of_this_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Workers may be started elsewhere."""
    monkeypatch.chdir(tmp_path)
    assert Location("/a/m.npy").within("my data").uri == str(tmp_path / "my data" / "m.npy")


@pytest.mark.parametrize(
    "folder",
    ["s3://KEYID:hidden@bucket/x", "s3://bucket?secret_key=hidden", "abfs://:hidden@account.invalid/x", "s3://[hidden"],
)
def test_a_secret_in_a_folder_is_refused_and_not_repeated(folder: str):
    """Command lines and manifests are read by others; so are error messages."""
    with pytest.raises(InputError, match="the folder of files") as found:
        require_no_secret(folder)
    assert "hidden" not in str(found.value)


@pytest.mark.parametrize(
    "folder", ["/data", "a b/c?", "s3://bucket/x?endpoint_override=127.0.0.1:9000&scheme=http", "gs://anonymous@bucket"]
)
def test_a_folder_without_a_secret_is_taken(folder: str):
    """Options that everybody may know are no secret."""
    require_no_secret(folder)


def test_stored_rows_of_rows_are_rows_of_the_file():
    """Taking twice composes: rows 2 and 0 of rows 30, 10, 20 are rows 20 and 30."""
    stored = Stored(Location("/m.npy")).take(np.array([30, 10, 20])).take(np.array([2, 0]))

    assert stored.rows is not None
    assert stored.rows.tolist() == [20, 30]


def test_consecutive_numbers_are_a_range():
    """Only numbers that rise by one; a range is as small as two numbers."""
    assert numbers_of(np.array([4, 5, 6])) == range(4, 7)
    assert numbers_of(np.array([9])) == range(9, 10)
    for other in ([4, 6], [5, 4], []):
        assert isinstance(numbers_of(np.array(other, dtype=np.int64)), np.ndarray)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.npy", None, "a worker cannot read it"),
        ("t.parquet", b"PAR1", r"workers read rows of .npy and .safetensors files, not of '.parquet'"),
        ("bad.npy", b"nothing of the kind", "is damaged"),
        ("huge.safetensors", b"\xff" * 8, "is damaged: its header claims"),
        ("bad.safetensors", b"\x02\x00\x00\x00\x00\x00\x00\x00{}", "is damaged"),
    ],
)
def test_a_file_that_holds_no_rows_is_one_sentence(tmp_path: Path, name: str, content: bytes | None, message: str):
    """Missing, of another format, damaged: the sentence names the file."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as found:
        rows(Location(str(tmp_path / name)), range(1))
    assert name in str(found.value)


def test_a_file_that_ends_early_is_refused(tmp_path: Path, folder: Path):
    """A row that the header promises and the file lacks; and one that not even the header promises."""
    (tmp_path / "cut.npy").write_bytes((folder / "m.npy").read_bytes()[:-4])
    with pytest.raises(InputError, match="ends before its row 49; it is truncated"):
        rows(Location(str(tmp_path / "cut.npy")), range(49, 50))
    with pytest.raises(InputError, match="has 50 rows, expected row 50"):
        rows(Location(str(folder / "m.npy")), range(50, 51))
    np.save(tmp_path / "f.npy", np.asfortranarray(MATRIX))
    with pytest.raises(InputError, match=r"f\.npy: its rows are not contiguous, .* save it in C order"):
        rows(Location(str(tmp_path / "f.npy")), range(1))
