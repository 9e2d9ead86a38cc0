"""Makes float matrices that may be larger than memory, in files that vanish with the program."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from frbench.errors import InputError
from frbench.inputs.arrays import Floats32, Ints

# Matrices above this share of memory go to a file, of which the system keeps in memory what is in use.
SHARE_OF_MEMORY = 0.25
ENVIRONMENT = "FRBENCH_SCRATCH"
ROWS_AT_ONCE = 1 << 14


def matrix(n: int, d: int, directory: Path | None = None) -> Floats32:
    """(n, d) float32 to be written: in memory, or mapped to a nameless file if it is large or a directory is given.

    directory : where the file goes; None takes FRBENCH_SCRATCH, or the system's place for temporary files if the
        matrix exceeds a quarter of memory.

    Raises
    ------
    InputError : the directory cannot be written, or has too little room.
    """
    wish = directory or (Path(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None)
    if not n * d or (wish is None and 4 * n * d <= SHARE_OF_MEMORY * memory_bytes()):
        return np.empty((n, d), dtype=np.float32)
    return _mapped(n, d, wish or Path(tempfile.gettempdir()))


def take(rows: Floats32, numbers: Ints) -> Floats32:
    """`rows[numbers]`; in a file of its own beside that of `rows`, if they are in one."""
    if not isinstance(rows, np.memmap):
        return rows[numbers]
    taken = matrix(len(numbers), rows.shape[1], Path(rows.filename).parent if rows.filename else None)
    for start in range(0, len(numbers), ROWS_AT_ONCE):
        taken[start : start + ROWS_AT_ONCE] = rows[numbers[start : start + ROWS_AT_ONCE]]
    return taken


def _mapped(n: int, d: int, directory: Path) -> Floats32:
    needed = 4 * n * d
    try:
        room = os.statvfs(directory)
        if room.f_bavail * room.f_frsize < needed:
            free = room.f_bavail * room.f_frsize / 2**30
            raise InputError(
                f"{directory}: {needed / 2**30:.1f} GiB of unit rows do not fit in the {free:.1f} GiB that are free; "
                f"name another directory with --scratch or {ENVIRONMENT}"
            )
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".frbench-", suffix=".unit") as file:
            # The map outlives the name: nothing is left behind, however the program ends.
            return np.memmap(file.name, dtype=np.float32, mode="w+", shape=(n, d))
    except OSError as error:
        raise InputError(
            f"{directory}: cannot hold unit rows ({error.strerror}); name another with --scratch"
        ) from error


def memory_bytes() -> int:
    """Memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def free_bytes() -> int:
    """Memory that nothing uses, if the system says so; else 0."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") if "SC_AVPHYS_PAGES" in os.sysconf_names else 0


def processors() -> int:
    """Processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
