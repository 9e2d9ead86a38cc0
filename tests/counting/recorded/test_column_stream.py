"""Columns of large tables: what comes back, and which line is named when a file is wrong."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from frbench.counting.recorded import column_stream
from frbench.counting.recorded.column_stream import INTEGER, NUMBER, TEXT, Column, ColumnStream, Dialect, header
from frbench.errors import InputError

BLANKS = Dialect(("id", "score"), " ")
WANTED = {"who": Column("id", TEXT), "score": Column("score", NUMBER)}


def rows(stream: ColumnStream) -> list[tuple[object, ...]]:
    """All rows, as tuples."""
    return [row for part in stream for row in zip(*(part[role].to_pylist() for role in stream.wanted), strict=True)]


def written(directory: Path, text: str | bytes, name: str = "s.txt") -> str:
    """A file of `text`."""
    path = directory / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_rows_come_back_by_role_whatever_ends_a_line(tmp_path: Path, ends: str):
    """Blank lines hold nothing, the last line may lack its end, and nan is a number."""
    found = rows(ColumnStream(written(tmp_path, f"a 0.5{ends}{ends}b 1e-3{ends}c nan"), BLANKS, WANTED))

    assert found[:2] == [("a", 0.5), ("b", 0.001)]
    assert (found[2][0], str(found[2][1])) == ("c", "nan")


def test_a_header_names_columns_in_any_order(tmp_path: Path):
    """Columns that nobody wants are passed over; quotes protect commas."""
    path = written(tmp_path, '\ufeffscore,x,id\n0.5,,"a,b"\n', "s.csv")

    assert rows(ColumnStream(path, Dialect(), WANTED)) == [("a,b", 0.5)]
    assert header(path, Dialect()) == ["score", "x", "id"]


def test_compressed_text_is_read_as_it_is(tmp_path: Path):
    """bob files are often compressed."""
    path = written(tmp_path, gzip.compress(b"a 0.5\nb x\n"), "s.txt.gz")

    with pytest.raises(InputError, match=r"s.txt.gz, line 2: score is 'x'"):
        rows(ColumnStream(path, BLANKS, WANTED))


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64(), pa.decimal128(4, 2)])
def test_parquet_columns_are_cast(tmp_path: Path, kind: pa.DataType):
    """Ids may be numbers or a dictionary; a missing score is null, a missing id empty."""
    table = pa.table(
        {"id": pa.array(["7", None]).dictionary_encode(), "score": pa.array([0.5, None], pa.float64()).cast(kind)}
    )
    pq.write_table(table, tmp_path / "s.parquet")
    stream = ColumnStream(str(tmp_path / "s.parquet"), Dialect(), WANTED)

    assert rows(stream) == [("7", 0.5), ("", None)]
    assert stream.where(1) == "row 1"


def test_an_arrow_file_is_read_batch_after_batch(tmp_path: Path):
    """Three record batches of one row each."""
    path = tmp_path / "s.arrow"
    batch = pa.record_batch({"score": pa.array([0.25]), "id": pa.array([5])})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        for _ in range(3):
            writer.write_batch(batch)

    assert rows(ColumnStream(str(path), Dialect(), WANTED)) == [("5", 0.25)] * 3


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (b"a 0.5\nb 0.5 0.5\n", "line 2: 3 fields, expected 2 with single blanks between them"),
        (b"a 0.5\n\n\nb\n", "line 4: 1 fields, expected 2"),
        (b"a 0.5\nb  0.5\n", "line 2: 3 fields, expected 2"),
        (b"a 0.5\nb half\n", "line 2: score is 'half', expected a number, or nan for a failure"),
        (b"a 0.5\nb \n", "line 2: score is ''"),
        (b"a 0.5\n\xff 0.5\n", "line 2: byte 0xff is not UTF-8"),
        (b"", "has no rows"),
        (b"\n\n", "has no rows"),
    ],
)
def test_a_mistake_names_its_line(tmp_path: Path, text: bytes, named: str):
    """One sentence: file, line, what was found and what was expected."""
    with pytest.raises(InputError, match=named) as refusal:
        rows(ColumnStream(written(tmp_path, text), BLANKS, WANTED))
    assert str(refusal.value).startswith(str(tmp_path))


def test_a_mistake_far_into_the_file_is_found_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Blocks before the one with the mistake are passed over: 2,000 good lines of 10 bytes, in blocks of 1 KiB."""
    monkeypatch.setattr(column_stream, "BLOCK_BYTES", 1024)
    path = written(tmp_path, "id000 0.5\n" * 2000 + "id000 none\n" + "id000 0.5\n" * 500)

    with pytest.raises(InputError, match="line 2001: score is 'none'"):
        rows(ColumnStream(path, BLANKS, WANTED))


def test_lines_are_numbered_across_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Row 300 stands on line 302: a header and a blank line come first."""
    monkeypatch.setattr(column_stream, "LINES_BYTES", 7)
    path = written(tmp_path, "id,score\n\n" + "".join(f"r{i},{i}\n" for i in range(400)), "s.csv")

    assert ColumnStream(path, Dialect(), WANTED).where(300) == "line 303"


def test_a_whole_number_is_no_fraction(tmp_path: Path):
    """Ranks and return codes are counted, not measured."""
    stream = ColumnStream(written(tmp_path, "1\n1.5\n"), Dialect(("n",), " "), {"n": Column("n", INTEGER)})

    with pytest.raises(InputError, match=r"line 2: n is '1.5', expected a whole number"):
        rows(stream)


def test_a_column_of_vectors_is_no_score(tmp_path: Path):
    """The message names the type."""
    pq.write_table(pa.table({"id": ["a"], "score": [[0.5]]}), tmp_path / "s.parquet")

    with pytest.raises(InputError, match=r"column 'score' holds list<.*expected numbers"):
        rows(ColumnStream(str(tmp_path / "s.parquet"), Dialect(), WANTED))


def test_a_header_that_names_a_column_twice_is_refused(tmp_path: Path):
    """Nobody knows which of them is meant."""
    with pytest.raises(InputError, match="line 1: column 'id' occurs twice"):
        header(written(tmp_path, "id,id\n1,2\n", "s.csv"), Dialect())


@pytest.mark.parametrize("name", ["s.parquet", "s.arrow"])
def test_damaged_files_are_refused_in_words(tmp_path: Path, name: str):
    """Whatever a parser raises, the message names the file."""
    with pytest.raises(InputError, match=f"{name}: cannot be read"):
        rows(ColumnStream(written(tmp_path, b"PAR1 nothing", name), Dialect(), WANTED))
