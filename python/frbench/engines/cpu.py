"""The CPU engine: Rust kernels, every processor, the interpreter released."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench import _rust
from frbench.errors import EngineUnavailable


class CpuRows:
    """Unit rows packed for the kernels of one instruction set."""

    def __init__(self, unit: NDArray[np.float32], isa: str | None, threads: int) -> None:
        self._rows = _rust.Rows(np.ascontiguousarray(unit), isa)
        self._threads = threads

    def __len__(self) -> int:
        return len(self._rows)

    def count(
        self,
        gallery: CpuRows,
        edges: NDArray[np.float64],
        *,
        probe_range: tuple[int, int],
        gallery_range: tuple[int, int],
        upper: bool,
        probe_groups: NDArray[np.uint32],
        gallery_groups: NDArray[np.uint32],
        cells: NDArray[np.uint32],
        n_cells: int,
    ) -> NDArray[np.uint64]:
        """See `engines.Rows.count`."""
        return self._rows.count(
            gallery._rows,
            _axis(edges.tobytes()),
            probe_range=probe_range,
            gallery_range=gallery_range,
            upper=upper,
            probe_groups=probe_groups,
            gallery_groups=gallery_groups,
            cells=cells,
            n_cells=n_cells,
            threads=self._threads,
        )

    def search(
        self, probes: CpuRows, k: int, *, floors: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.uint64]]:
        """See `engines.Rows.search`."""
        return self._rows.search(probes._rows, k, floors=floors, threads=self._threads)

    def score_pairs(self, other: CpuRows, mine: NDArray[np.int64], theirs: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `engines.Rows.score_pairs`."""
        return self._rows.score_pairs(other._rows, mine, theirs, threads=self._threads)


class CpuEngine:
    """Exact scoring on this machine's processors.

    Parameters
    ----------
    threads : 0 uses every processor that this process may run on.
    isa : avx512, avx2, neon or scalar; None takes FRBENCH_ISA, or else the best that is there.

    Raises
    ------
    EngineUnavailable : this machine does not have `isa`.
    """

    name = "cpu"

    def __init__(self, *, threads: int = 0, isa: str | None = None) -> None:
        self.threads = threads
        self.isa = _checked_isa(isa)

    def rows(self, unit: NDArray[np.float32]) -> CpuRows:
        """`unit` (n, d) packed."""
        return CpuRows(unit, self.isa, self.threads)

    def describe(self) -> Mapping[str, Any]:
        """Name, instruction set and threads."""
        return {"engine": self.name, "isa": self.isa, "threads": _rust.threads(self.threads)}


def _checked_isa(isa: str | None) -> str:
    wish = isa or os.environ.get("FRBENCH_ISA") or None
    try:
        return _rust.Rows(np.ones((1, 1), np.float32), wish).isa
    except RuntimeError as error:
        raise EngineUnavailable(str(error)) from error


@lru_cache(maxsize=4)
def _axis(edges: bytes) -> _rust.Axis:
    return _rust.Axis(np.frombuffer(edges, dtype=np.float64))
