"""Reads rows of a matrix file by their numbers, piece by piece, wherever the file lies.

A whole file is never read at once, nor mapped: what a reader holds is the rows that it was asked for and a few MiB.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote, urlsplit

import numpy as np
from numpy.typing import NDArray
from pyarrow import ArrowException
from pyarrow import fs as filesystems

from frbench.errors import InputError
from frbench.inputs.arrays import Ints

# Numbers of rows: a range where they follow each other, so that they are small to send.
Numbers: TypeAlias = range | Ints
# Bytes of a file that are read at a time.
WINDOW_BYTES = 8 << 20
SCHEME = "://"
# Names of options of a URI whose values are not for everybody.
SECRET = re.compile("key|secret|token|password|signature|^sig$", re.IGNORECASE)
# As much as safetensors itself reads.
MOST_HEADER_BYTES = 100_000_000
# Rows that nobody asked for are read over if they are fewer bytes than these.
GAP_BYTES = 1 << 20
DTYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}


@dataclass(frozen=True)
class Location:
    """A matrix file that any machine can find.

    Parameters
    ----------
    uri : absolute path, or URI that pyarrow.fs knows, such as s3://bucket/templates.npy.
    array : tensor to take where the file holds several.
    is_unit : whether its rows are unit rows as they are.
    """

    uri: str
    array: str | None = None
    is_unit: bool = False

    @classmethod
    def of(cls, path: str, array: str | None = None) -> Location:
        """A file of this machine, under the name that it was given, whatever a link of that name leads to."""
        return cls(str(Path(path).absolute()), array)

    @property
    def suffix(self) -> str:
        """What the name of the file ends with, dot included."""
        return PurePosixPath(urlsplit(self.uri).path if SCHEME in self.uri else self.uri).suffix

    def within(self, folder: str) -> Location:
        """The file of the same name in `folder`, a path or URI, of which options after a question mark stay."""
        name = PurePosixPath(self.uri).name
        if SCHEME not in folder:
            return replace(self, uri=str(Path(folder).absolute() / name))
        begin, mark, options = folder.partition("?")
        return replace(self, uri=f"{begin.rstrip('/')}/{quote(name)}{mark}{options}")


def require_no_secret(folder: str) -> None:
    """Raises InputError if a URI holds what only its owner may know: command lines and manifests are read by others."""
    try:
        parts = urlsplit(folder)
        is_secret = parts.password is not None or any(SECRET.search(name) for name, _ in parse_qsl(parts.query))
    except ValueError as error:
        raise InputError(f"the folder of files is no path and no URI: {error}") from error
    if is_secret:
        raise InputError(
            "the folder of files names a key or a password; leave it out, and set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY where workers are started"
        )


@dataclass(frozen=True, eq=False)
class Stored:
    """Where rows are stored: in a file, `rows` of it in that order, or all of them if None."""

    location: Location
    rows: Ints | None = None

    def take(self, rows: Ints) -> Stored:
        """Some of these rows, in that order."""
        return Stored(self.location, rows if self.rows is None else self.rows[rows])


@dataclass(frozen=True)
class Shape:
    """Where the elements of an (n, d) matrix lie in a file."""

    offset: int
    dtype: np.dtype[Any]
    n: int
    d: int

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return self.d * self.dtype.itemsize


def numbers_of(rows: Ints) -> Numbers:
    """`rows` as a range if each is one more than the one before it."""
    if len(rows) and (np.diff(rows) == 1).all():
        return range(int(rows[0]), int(rows[-1]) + 1)
    return rows


def windows(location: Location, numbers: Sequence[Numbers]) -> Iterator[tuple[Ints, NDArray[Any]]]:
    """Rows of the file in turns: places in `numbers`, one part after another, and the (m, d) rows for them.

    Rows are read in their order in the file, each stretch of it at most once.

    Raises
    ------
    InputError : the file is missing, damaged, of another format than NPY or safetensors, or lacks a row.
    """
    parts = [np.arange(part.start, part.stop) if isinstance(part, range) else part for part in numbers]
    wanted: Ints = np.concatenate([np.zeros(0, np.int64), *parts])
    places = np.argsort(wanted, kind="stable")
    ordered = wanted[places]
    with _opened(location) as file:
        shape = _shape(file, location)
        if len(ordered) and not 0 <= ordered[0] <= ordered[-1] < shape.n:
            raise InputError(f"{location.uri} has {shape.n} rows, expected row {ordered[-1]}; is it another file?")
        step = max(1, WINDOW_BYTES // shape.row_bytes)
        start = 0
        while start < len(ordered):
            first = int(ordered[start])
            stop = int(np.searchsorted(ordered, first + step))
            gaps = np.flatnonzero(np.diff(ordered[start:stop]) * shape.row_bytes > GAP_BYTES)
            stop = start + int(gaps[0]) + 1 if len(gaps) else stop
            here = ordered[start:stop]
            yield places[start:stop], _rows(file, location, shape, first, int(here[-1]) + 1)[here - first]
            start = stop


@contextmanager
def _opened(location: Location) -> Iterator[Any]:
    try:
        if SCHEME in location.uri:
            system, path = filesystems.FileSystem.from_uri(location.uri)
        else:
            system, path = filesystems.LocalFileSystem(), location.uri
        with system.open_input_file(path) as file:
            yield file
    except (OSError, ArrowException) as error:
        raise InputError(f"{location.uri}: a worker cannot read it ({error}); is it where workers find it?") from error


def _rows(file: Any, location: Location, shape: Shape, first: int, stop: int) -> NDArray[Any]:
    length = (stop - first) * shape.row_bytes
    found = file.read_at(length, shape.offset + first * shape.row_bytes)
    if len(found) != length:
        raise InputError(f"{location.uri} ends before its row {stop - 1}; it is truncated")
    return np.frombuffer(found, shape.dtype).reshape(stop - first, shape.d)


def _shape(file: Any, location: Location) -> Shape:
    try:
        if location.suffix == ".npy":
            return _npy_shape(file, location)
        if location.suffix == ".safetensors":
            return _safetensors_shape(file, location.array)
    except InputError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{location.uri} is damaged: {error}") from error
    raise InputError(
        f"{location.uri}: workers read rows of .npy and .safetensors files, not of '{location.suffix}'; save the "
        "matrix as .npy, and give this file as --labels if it names ids or subjects"
    )


def _npy_shape(file: Any, location: Location) -> Shape:
    file.seek(0)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    (n, d), is_fortran, dtype = read(file)
    if is_fortran:
        raise InputError(f"{location.uri}: its rows are not contiguous, as workers need them; save it in C order")
    return Shape(file.tell(), dtype, n, d)


def _safetensors_shape(file: Any, array: str | None) -> Shape:
    size = int.from_bytes(file.read_at(8, 0), "little")
    if size > MOST_HEADER_BYTES:
        raise ValueError(f"its header claims {size} bytes")
    header = json.loads(file.read_at(size, 8))
    names = [name for name in header if name != "__metadata__"]
    entry = header[array if array is not None else names[0]]
    n, d = entry["shape"]
    return Shape(8 + size + entry["data_offsets"][0], np.dtype(DTYPES[entry["dtype"]]), n, d)
