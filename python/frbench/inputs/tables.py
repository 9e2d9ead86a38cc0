"""Reads columns of text from CSV, Parquet or Arrow, and says where each row stands in its file."""

from __future__ import annotations

import codecs
import csv
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from frbench.errors import InputError
from frbench.inputs.arrays import Ints
from frbench.inputs.texts import Texts as Texts
from frbench.inputs.texts import empty, of_arrow, put
from frbench.inputs.texts import texts as texts

PathLike: TypeAlias = str | os.PathLike[str]
Reader = TypeVar("Reader")
# Reads columns by name.
Columns: TypeAlias = Callable[[list[str]], pa.Table]
COLUMNAR = (".parquet", ".arrow", ".feather", ".ipc")
NEWLINE = ord("\n")
# What the rules of quotes and of lines are for.
NOT_PLAIN = (b'"', b"\r", b"\0")


@dataclass(frozen=True)
class Table:
    """Columns of text of equal length, and where each row stands in its file."""

    path: str
    columns: Mapping[str, Texts]
    lines: range | Ints | None = None

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
        return self.columns[column_of(self.path, self.columns, name)]


def open_table(path: PathLike) -> Table:
    """Every text, number and boolean column of a .csv, .parquet or Arrow IPC file as text, at least one row.

    Values are stripped of surrounding blanks; null becomes "". Columns of lists and of bytes are vectors and left out.

    Raises
    ------
    InputError : the file is missing, damaged, of an unknown format, empty, ragged, or names a column twice.
    """
    file = existing(path)
    reader = reader_of(file, TABLE_READERS)
    with explained(file):
        table = reader(file)
    # What a file was parsed into is larger than its texts, and would be kept for the next one.
    pa.default_memory_pool().release_unused()
    return table


def named(names: Sequence[str] | Mapping[str, object]) -> str:
    """Names quoted and joined for a message; "none" where there are none."""
    return ", ".join(repr(name) for name in names) or "none"


def column_of(path: str, names: Sequence[str] | Mapping[str, object], wanted: str) -> str:
    """`wanted`, if it is one of the names of the columns of `path`; InputError lists those that exist."""
    if wanted not in names:
        raise InputError(f"{path}: no column {wanted!r}, only {named(names)}")
    return wanted


def existing(path: PathLike) -> str:
    """`path` as text, if it is a file; InputError if it is missing or a directory."""
    file = os.fspath(path)
    if Path(file).is_dir():
        raise InputError(f"{file}: is a directory, expected a file")
    if not Path(file).exists():
        raise InputError(f"{file}: no such file")
    return file


def reader_of(file: str, readers: Mapping[str, Reader]) -> Reader:
    """The reader for the suffix of `file`; InputError lists the suffixes that have one."""
    suffix = Path(file).suffix.lower()
    if suffix not in readers:
        raise InputError(f"{file}: unknown suffix {suffix!r}, expected one of {', '.join(readers)}")
    return readers[suffix]


@contextmanager
def explained(file: str) -> Iterator[None]:
    """Turns whatever a parser raises on damaged bytes into an InputError that names the file."""
    try:
        yield
    except InputError:
        raise
    except Exception as problem:  # the parsers promise no exception type for damaged bytes
        reason = (str(problem).splitlines() or [""])[0] or type(problem).__name__
        what = f"{file}: cannot be read as {Path(file).suffix.lower()} ({reason})"
        raise InputError(f"{what}; it may be damaged or of another format") from problem


def open_columnar(file: str) -> tuple[pa.Schema, Columns]:
    """Schema of a Parquet or Arrow file, and a function that reads the named columns."""
    if Path(file).suffix.lower() == ".parquet":
        parquet = pq.ParquetFile(file, memory_map=True)
        schema, columns = parquet.schema_arrow, parquet.read
    else:
        table = pa.ipc.open_file(pa.memory_map(file)).read_all()
        schema, columns = table.schema, table.select
    refuse_twice_named(file, schema.names)
    return schema, columns


def refuse_twice_named(file: str, names: Sequence[str]) -> None:
    """Raises InputError if two columns have one name."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"{file}: column {name!r} occurs twice; rename or remove one of them")
        seen.add(name)


def is_text(kind: pa.DataType) -> bool:
    """Whether columns of this type are read as text: texts, numbers, booleans, dates; not lists and bytes."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    tests = ("string", "large_string", "string_view", "integer", "floating", "boolean", "null", "date", "decimal")
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)


def _read_columnar_table(file: str) -> Table:
    schema, columns = open_columnar(file)
    names = [field.name for field in schema if is_text(field.type)]
    if not names:
        raise InputError(f"{file}: no column of text among {named(schema.names)}, expected ids or labels")
    table = columnar_table(file, names, columns)
    if not len(table):
        raise InputError(f"{file}: has no rows, expected at least one")
    return table


def columnar_table(file: str, names: Sequence[str], columns: Columns) -> Table:
    """The named columns of an Arrow table as text, read one after another."""
    found = {}
    for name in names:
        column = columns([name]).column(name)
        column.validate(full=True)
        found[name] = of_arrow(column.cast(pa.large_string()))
    return Table(file, found)


def _read_csv(file: str) -> Table:
    columns = _plain_csv(Path(file).read_bytes().removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n"))
    if columns is None:
        return _any_csv(file)
    return Table(file, columns, range(2, 2 + len(next(iter(columns.values())))))


def _plain_csv(content: bytes) -> dict[str, Texts] | None:
    """Columns of lines that are a row each, without a quote; None for any others, which may be mistakes."""
    begin, end = content.find(b"\n") + 1, len(content)
    while end > begin and content[end - 1] == NEWLINE:
        end -= 1
    if begin >= end or content.find(b"\n\n", 0, end) >= 0 or any(mark in content for mark in NOT_PLAIN):
        return None
    if content.startswith(codecs.BOM_UTF8, begin):
        return None
    try:
        header = [name.strip() for name in content[:begin].decode().split(",")]
        if "" in header or len(set(header)) < len(header):
            return None
        columns = {name: empty(content.count(b"\n", begin, end) + 1) for name in header}
        return columns if _put_rows(pa.py_buffer(content).slice(begin, end - begin), columns) else None
    except (UnicodeDecodeError, pa.ArrowInvalid):
        return None


def _put_rows(rows: pa.Buffer, columns: Mapping[str, Texts]) -> bool:
    """Writes fields to their columns; False if one is longer than a reader of rows would have it.

    Raises
    ------
    ArrowInvalid : another number of fields in a row, or bytes that are no UTF-8.
    """
    names, start = list(columns), 0
    parts = pyarrow.csv.open_csv(
        pa.BufferReader(rows),
        pyarrow.csv.ReadOptions(column_names=names),
        pyarrow.csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
        pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.large_string())),
        # The pool of Arrow keeps a dozen MB once it has parsed the smallest file.
        memory_pool=pa.system_memory_pool(),
    )
    for part in parts:
        for values, fields in zip(columns.values(), part.columns, strict=True):
            if pc.max(pc.binary_length(fields)).as_py() > csv.field_size_limit():
                return False
            put(values, start, fields)
        start += len(part)
    return True


def _any_csv(file: str) -> Table:
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
    refuse_twice_named(file, header)


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


TABLE_READERS: Mapping[str, Callable[[str], Table]] = {
    ".csv": _read_csv,
    **dict.fromkeys(COLUMNAR, _read_columnar_table),
}
