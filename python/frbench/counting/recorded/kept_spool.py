"""A spool in files with names, which outlive a killed program and belong to one program at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from numpy.typing import DTypeLike

from frbench.counting.recorded.spool import Spool, explained
from frbench.errors import InputError


class KeptSpool(Spool):
    """Rows in `paths`, a file for each dtype, behind those that are there.

    Raises
    ------
    InputError : another process writes there.
    """

    def __init__(self, paths: Sequence[Path], stack: ExitStack, *dtypes: DTypeLike) -> None:
        self._paths = paths
        super().__init__(paths[0].parent, stack, *dtypes)
        if not _is_locked(self._files[0]):
            raise InputError(f"{self._directory}: another run writes there; wait for it, or choose another --out")

    def _open(self, number: int) -> IO[bytes]:
        return os.fdopen(os.open(self._paths[number], os.O_RDWR | os.O_CREAT, 0o644), "r+b")

    def cut(self, n_rows: int) -> bool:
        """Keeps the first `n_rows` rows and deletes the others; False, and nothing is deleted, if there are fewer."""
        ends = [n_rows * dtype.itemsize for dtype in self._dtypes]
        if any(os.fstat(file.fileno()).st_size < end for file, end in zip(self._files, ends, strict=True)):
            return False
        for file, end in zip(self._files, ends, strict=True):
            file.truncate(end)
            file.seek(end)
        return True

    def sync(self) -> None:
        """Returns when all rows have reached the disk.

        Raises
        ------
        OutputError : the disk is full.
        """
        with explained(self._directory):
            for file in self._files:
                file.flush()
                os.fsync(file.fileno())


def is_abandoned(path: Path) -> bool:
    """Whether no process holds the spool whose first file this is."""
    with path.open("rb") as file:
        return _is_locked(file)


def _is_locked(file: IO[bytes]) -> bool:
    """Whether `file` could be locked, until it is closed or its process ends, however that is."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
