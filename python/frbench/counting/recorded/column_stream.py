"""Reads columns of large tables some thousand rows at a time: text of any program, Parquet and Arrow.

Arrow parses the text. It says that something is wrong and not where, so a file that it refuses is read once more, line
by line, up to the mistake.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from frbench.errors import InputError
from frbench.inputs.tables import COLUMNAR, existing, explained, is_text, refuse_twice_named

TEXT, NUMBER, INTEGER = pa.string(), pa.float64(), pa.int64()
BLOCK_BYTES = 1 << 22
LINES_BYTES = 1 << 16
ROWS_AT_ONCE = 1 << 18
EXPECTED = {NUMBER: "a number, or nan for a failure", INTEGER: "a whole number"}


@dataclass(frozen=True)
class Dialect:
    """How the lines of a text file are made.

    names : of the columns, in order; () if the first line holds them. delimiter : one character.
    """

    names: tuple[str, ...] = ()
    delimiter: str = ","

    @property
    def header_lines(self) -> int:
        """Lines before the first row."""
        return int(not self.names)

    @property
    def separator(self) -> str:
        """The delimiter in words."""
        return {",": "commas", " ": "single blanks", "\t": "tabs"}.get(self.delimiter, repr(self.delimiter))

    def fields(self, line: str) -> list[str]:
        """The fields of one line."""
        if self.delimiter == ",":
            return next(csv.reader([line], strict=True), [])
        return line.split(self.delimiter)


@dataclass(frozen=True)
class Column:
    """A column of a file that is wanted: its name there and its type (TEXT, NUMBER or INTEGER)."""

    name: str
    kind: pa.DataType


@dataclass(frozen=True)
class ColumnStream:
    """The wanted columns of one file; a new pass starts with every iteration.

    wanted : by the name under which they come back.
    """

    path: str
    dialect: Dialect
    wanted: Mapping[str, Column]
    threads: bool = True

    def __iter__(self) -> Iterator[dict[str, pa.Array]]:
        """Some rows after the other, in the order of the file; a missing number is null.

        Raises
        ------
        InputError : a line has another number of fields, or a field is not of its type; the message names the line.
        """
        rows = 0
        for batch in self._columnar() if is_columnar(self.path) else self._text():
            yield {role: batch.column(i) for i, role in enumerate(self.wanted)}
            rows += len(batch)
        if not rows:
            raise InputError(f"{self.path}: has no rows, expected at least one")

    def where(self, row: int) -> str:
        """Position of `row`, counted from 0, as a person finds it."""
        if is_columnar(self.path):
            return f"row {row}"
        number, _ = next(islice(self._lines(), row, None))
        return f"line {number}"

    @property
    def estimated_rows(self) -> int:
        """About how many rows there are, from the length of the first line; for a bar of progress."""
        if is_columnar(self.path):
            return 0
        return Path(self.path).stat().st_size // (len(first_line(self.path)) + 1)

    def _text(self) -> Iterator[pa.RecordBatch]:
        rows = 0
        try:
            for batch in self._parsed():
                yield batch
                rows += len(batch)
        except pa.ArrowInvalid as problem:
            raise InputError(self._mistake(rows, problem)) from problem

    def _parsed(self) -> Iterator[pa.RecordBatch]:
        quote = '"' if self.dialect.delimiter == "," else False
        names = [column.name for column in self.wanted.values()]
        return iter(
            pa_csv.open_csv(
                existing(self.path),
                read_options=pa_csv.ReadOptions(
                    use_threads=self.threads,
                    block_size=BLOCK_BYTES,
                    column_names=header(self.path, self.dialect),
                    skip_rows=self.dialect.header_lines,
                ),
                parse_options=pa_csv.ParseOptions(delimiter=self.dialect.delimiter, quote_char=quote),
                convert_options=pa_csv.ConvertOptions(
                    column_types={column.name: column.kind for column in self.wanted.values()},
                    include_columns=names,
                    null_values=[],
                ),
            )
        )

    def _mistake(self, rows: int, problem: Exception) -> str:
        """What is wrong after the first `rows` rows, in one sentence."""
        names = header(self.path, self.dialect)
        place = {column.name: names.index(column.name) for column in self.wanted.values()}
        for number, line in islice(self._lines(), rows, None):
            where = f"{self.path}, line {number}"
            try:
                text = line.decode()
                fields = self.dialect.fields(text)
            except UnicodeDecodeError as wrong:
                return f"{where}: byte 0x{line[wrong.start]:02x} is not UTF-8; save the file as UTF-8"
            except csv.Error as wrong:
                return f"{where}: {wrong}"
            if len(fields) != len(names):
                return (
                    f"{where}: {len(fields)} fields, expected {len(names)} with {self.dialect.separator} between them"
                )
            for column in self.wanted.values():
                if column.kind in EXPECTED and not _is_number(fields[place[column.name]], column.kind):
                    got = fields[place[column.name]]
                    return f"{where}: {column.name} is {got!r}, expected {EXPECTED[column.kind]}"
        if not rows and next(self._lines(), None) is None:
            return f"{self.path}: has no rows, expected at least one"
        return f"{self.path}: cannot be read ({str(problem).splitlines()[0]})"

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Number and text of the line of every row."""
        with pa.input_stream(existing(self.path), compression="detect") as file:
            filled = ((n, line) for n, line in enumerate(_split(file), 1) if line)
            yield from islice(filled, self.dialect.header_lines, None)

    def _columnar(self) -> Iterator[pa.RecordBatch]:
        with explained(self.path):
            schema, batches = _columnar_batches(self.path, [c.name for c in self.wanted.values()], self.threads)
            for column in self.wanted.values():
                found = schema.field(column.name).type
                if column.kind == TEXT and not is_text(found):
                    raise InputError(f"{self.path}: column {column.name!r} holds {found}, expected ids")
                if column.kind != TEXT and not _is_numeric(found):
                    raise InputError(f"{self.path}: column {column.name!r} holds {found}, expected numbers")
            for batch in batches:
                arrays = [_cast(batch.column(column.name), column.kind) for column in self.wanted.values()]
                yield pa.RecordBatch.from_arrays(arrays, names=list(self.wanted))


def sha256_of(path: str) -> str:
    """SHA-256 of a file, in hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_columnar(path: str) -> bool:
    """Whether `path` is a Parquet or Arrow file, by its suffix."""
    return Path(path).suffix.lower() in COLUMNAR


def header(path: str, dialect: Dialect) -> list[str]:
    """Names of the columns of `path`.

    Raises
    ------
    InputError : the file is missing, empty, or names a column twice.
    """
    file = existing(path)
    if is_columnar(file):
        with explained(file):
            return list(_columnar_batches(file, [], threads=False)[0].names)
    if dialect.names:
        return list(dialect.names)
    names = [name.strip() for name in dialect.fields(first_line(file))]
    refuse_twice_named(f"{file}, line 1", names)
    return names


def first_line(path: str) -> str:
    """The first line of a text file that is not blank.

    Raises
    ------
    InputError : there is none, or it is not UTF-8.
    """
    file = existing(path)
    with explained(file), pa.input_stream(file, compression="detect") as stream:
        for line in _split(stream):
            if line:
                try:
                    return line.decode("utf-8-sig")
                except UnicodeDecodeError as problem:
                    raise InputError(f"{file}, line 1: is not UTF-8 text") from problem
    raise InputError(f"{file}: has no rows, expected at least one")


def _split(file: pa.NativeFile) -> Iterator[bytes]:
    """Lines without their ends."""
    rest = b""
    while block := file.read(LINES_BYTES):
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r")
    if rest:
        yield rest.removesuffix(b"\r")


def _is_number(text: str, kind: pa.DataType) -> bool:
    """Whether Arrow takes `text` as a number of this kind."""
    try:
        pa.array([text.strip()]).cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _is_numeric(kind: pa.DataType) -> bool:
    tests = (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal, pa.types.is_boolean)
    return any(test(kind) for test in tests)


def _columnar_batches(file: str, names: list[str], threads: bool) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    if Path(file).suffix.lower() == ".parquet":
        parquet = pq.ParquetFile(file)
        return parquet.schema_arrow, parquet.iter_batches(ROWS_AT_ONCE, columns=names, use_threads=threads)
    reader = pa.ipc.open_file(pa.memory_map(file))
    return reader.schema, (reader.get_batch(i).select(names) for i in range(reader.num_record_batches))


def _cast(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_boolean(array.type) and kind == TEXT:
        array = pc.if_else(array, "true", "false")
    cast = array.cast(kind)
    return cast.fill_null("") if kind == TEXT else cast
