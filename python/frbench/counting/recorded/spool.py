"""Keeps columns of numbers that memory may not hold in nameless files, which vanish with the program."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from frbench.errors import OutputError

ROWS_AT_ONCE = 1 << 20


class Spool:
    """Rows written one after the other, read from the first on as often as wanted; open until `stack` is closed."""

    def __init__(self, directory: Path, stack: ExitStack, *dtypes: DTypeLike) -> None:
        self._directory = directory
        self._dtypes = [np.dtype(dtype) for dtype in dtypes]
        with explained(directory):
            self._files = [stack.enter_context(self._open(number)) for number in range(len(dtypes))]

    def _open(self, number: int) -> IO[bytes]:
        """The file of a column."""
        del number
        return tempfile.TemporaryFile(dir=self._directory)

    def write(self, *columns: NDArray[Any]) -> None:
        """Adds rows, a column for each dtype.

        Raises
        ------
        OutputError : the disk is full.
        """
        with explained(self._directory):
            for file, dtype, column in zip(self._files, self._dtypes, columns, strict=True):
                file.write(np.ascontiguousarray(column, dtype).data)

    def parts(self, rows_at_once: int = ROWS_AT_ONCE) -> Iterator[tuple[NDArray[Any], ...]]:
        """The columns of some rows after the other; one pass at a time."""
        with explained(self._directory):
            for file in self._files:
                file.seek(0)
        while True:
            part = tuple(np.fromfile(f, d, rows_at_once) for f, d in zip(self._files, self._dtypes, strict=True))
            if not len(part[0]):
                return
            yield part

    def all(self) -> tuple[NDArray[Any], ...]:
        """The columns of all rows."""
        return next(self.parts(-1), tuple(np.zeros(0, dtype) for dtype in self._dtypes))


@contextmanager
def explained(directory: Path) -> Iterator[None]:
    """Turns what the system says of a directory into one sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(
            f"{directory}: cannot hold the rows that are read ({reason}); choose another --out"
        ) from error
