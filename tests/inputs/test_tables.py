"""Tables: text as text, and every refusal names its line."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from frbench.errors import InputError
from frbench.inputs.tables import open_table
from tests.inputs.test_matrices import VALUES, saved_csv, saved_parquet, vectors


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_csv_is_read_with_and_without_a_byte_order_mark(tmp_path: Path, start: bytes, end: bytes):
    """What spreadsheets write is read as what editors write; blanks around values go."""
    lines = [b"id , sex", b" a,female ", "b,m\u00e4nnlich".encode(), b'"c,1",', b"", b""]

    table = open_table(saved_csv(tmp_path, start + end.join(lines))).columns

    assert {name: list(values) for name, values in table.items()} == {
        "id": ["a", "b", "c,1"],
        "sex": ["female", "m\u00e4nnlich", ""],
    }


def test_csv_rows_know_their_lines(tmp_path: Path):
    """A value over two lines moves the rows below it."""
    table = open_table(saved_csv(tmp_path, 'id,note\na,"one\ntwo"\nb,\n'))

    assert [table.where(row) for row in range(2)] == ["line 2", "line 4"]


@example("a,b\n c ,d\n\n", "\r\n", 2)
@given(st.text('ab,, \n\n\r\t\0"\x85é\ufeff', max_size=30), st.sampled_from(["\n", "\r\n"]), st.integers(1, 3))
def test_csv_without_quotes_is_read_as_with_them(content: str, end: str, width: int):
    """Columns at once are the rows one by one, which a quoted name asks for; so are lines and mistakes."""
    names = [f"c{i}" for i in range(width)]
    with tempfile.TemporaryDirectory() as folder:

        def found(header: list[str]) -> object:
            file = saved_csv(Path(folder), (",".join(header) + end + content.replace("\n", end)).encode())
            try:
                table = open_table(file)
            except InputError as error:
                return str(error)
            columns = {name: values.tolist() for name, values in table.columns.items()}
            return columns, [table.where(row) for row in range(len(table))]

        assert found(names) == found(['"c0"', *names[1:]])


def test_csv_refuses_a_field_longer_than_python_reads(tmp_path: Path):
    """Whichever way it is read."""
    for start in ("", '"b"\n'):
        with pytest.raises(InputError, match=r"field larger than field limit \(131072\)"):
            open_table(saved_csv(tmp_path, "id\n" + start + "a" * 131073 + "\n"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "line 1 is empty"),
        ("\n", "line 1 is empty"),
        ("id,sex\n", "header but no rows"),
        ("id,sex\n\n\n", "header but no rows"),
        ("id,sex\na,f\nb\n", "line 3: 1 fields, expected 2"),
        ("id,sex\na,f,x\n", "line 2: 3 fields, expected 2"),
        ('id,sex\n"a\nb",f\nc\n', "line 4: 1 fields"),
        ("id,sex\na,f\n\nb,m\n", "line 3: is blank"),
        ("id,sex,id\na,f,b\n", "'id' occurs twice"),
        ("id,,sex\na,f,b\n", "column 2 has no name"),
        ('id,sex\na,"f\n', "line 2: unexpected end of data"),
        ('id,sex\na,"f"x\n', "line 2"),
        (b"id,sex\na,f\nb,\xff\n", "line 3: byte 0xff is not UTF-8"),
    ],
)
def test_broken_csv_names_the_line(tmp_path: Path, content: str | bytes, said: str):
    """Each mistake is found at its line."""
    file = saved_csv(tmp_path, content)

    with pytest.raises(InputError, match=said) as caught:
        open_table(file)
    assert str(file) in str(caught.value)


def test_parquet_table_is_the_csv_table(tmp_path: Path):
    """The format of a table does not change its text."""
    file = saved_parquet(tmp_path, {"id": ["a", "b"], "n": [1, None], "is_mated": [True, False], "v": vectors(VALUES)})

    from_parquet = {name: list(values) for name, values in open_table(file).columns.items()}
    from_csv = open_table(saved_csv(tmp_path, "id,n,is_mated\na,1,true\nb,,false\n")).columns

    assert from_parquet == {name: list(values) for name, values in from_csv.items()}
    assert open_table(file).where(1) == "row 1"


@pytest.mark.parametrize(
    ("columns", "said"), [({"v": vectors(VALUES)}, "no column of text"), ({"id": pa.array([], pa.string())}, "no rows")]
)
def test_parquet_without_text_is_no_table(tmp_path: Path, columns: dict[str, pa.Array], said: str):
    """A table needs a column of text and a row."""
    file = saved_parquet(tmp_path, columns)

    with pytest.raises(InputError, match=said):
        open_table(file)
