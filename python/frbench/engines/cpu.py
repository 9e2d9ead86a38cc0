"""The engine that is taken by itself: Rust kernels on every processor, the interpreter released."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench import _rust
from frbench.engines import SETTLED, Subjects, described
from frbench.engines.hits import Found, Hits
from frbench.errors import EngineUnavailable
from frbench.inputs.arrays import Floats, Floats32, Ints
from frbench.plan import Rectangle


class CpuRows:
    """Unit rows packed for the kernels of one instruction set."""

    def __init__(self, unit: Floats32, isa: str | None, threads: int, work: Counter[str]) -> None:
        self._rows = _rust.Rows(np.ascontiguousarray(unit), isa, threads)
        self._work = work

    def __len__(self) -> int:
        return len(self._rows)

    def count(self, gallery: CpuRows, edges: Floats, where: Rectangle) -> NDArray[np.uint64]:
        """See `engines.Rows.count`."""
        axis = _axis(edges.tobytes())
        counts, screen, settled = self._rows.count(gallery._rows, axis, **_pairs(where), n_cells=where.n_cells)
        self._work[screen] += int(counts.sum())
        self._work[SETTLED] += settled
        return counts

    def pack(self) -> int:
        """Packs the rows now rather than when they are first searched; bytes that this takes."""
        return self._rows.pack()

    def search(self, probes: CpuRows, k: int, *, floors: Floats32 | None = None) -> Found:
        """See `engines.Rows.search`."""
        return Found(*self._rows.search(probes._rows, k, floors=floors))

    def tail(self, gallery: CpuRows, n: int, floors: Floats, where: Rectangle, subjects: Subjects) -> Hits:
        """See `engines.Rows.tail`."""
        mine, theirs = subjects
        return Hits(
            *self._rows.tail(gallery._rows, n, floors, **_pairs(where), probe_subjects=mine, gallery_subjects=theirs)
        )

    def score_pairs(self, other: CpuRows, mine: Ints, theirs: Ints) -> Floats32:
        """See `engines.Rows.score_pairs`."""
        return self._rows.score_pairs(other._rows, mine, theirs)


class CpuEngine:
    """Exact scoring on this machine's processors.

    Parameters
    ----------
    threads : 0 uses every processor that this process may run on.
    isa : amx, vnni, avx512, avxvnni, avx2, neondot, neon or scalar; None takes FRBENCH_ISA, or else the best that is
        there.

    Raises
    ------
    EngineUnavailable : this machine does not have `isa`.
    """

    name = "cpu"
    parallel = 1

    def __init__(self, *, threads: int = 0, isa: str | None = None) -> None:
        self.threads = threads
        self.isa = _checked_isa(isa)
        self._work: Counter[str] = Counter()

    def rows(self, unit: Floats32) -> CpuRows:
        """`unit` (n, d) packed."""
        return CpuRows(unit, self.isa, self.threads, self._work)

    def close(self) -> None:
        """Nothing is held elsewhere."""

    def describe(self) -> Mapping[str, Any]:
        """Name, instruction set, threads; pairs counted by the screen that they passed, and those settled after it."""
        return {
            "engine": self.name,
            "isa": self.isa,
            "threads": _rust.threads(self.threads),
            **described(self._work),
        }


def _pairs(where: Rectangle) -> dict[str, Any]:
    """A rectangle as the core is told of it, but for the number of its cells."""
    return {
        "probe_range": where.probes,
        "gallery_range": where.gallery,
        "upper": where.is_upper,
        "probe_groups": where.probe_groups,
        "gallery_groups": where.gallery_groups,
        "cells": where.cells,
    }


def _checked_isa(isa: str | None) -> str:
    wish = isa or os.environ.get("FRBENCH_ISA") or None
    try:
        return _rust.Rows(np.ones((1, 1), np.float32), wish).isa
    except RuntimeError as error:
        raise EngineUnavailable(str(error)) from error


@lru_cache(maxsize=4)
def _axis(edges: bytes) -> _rust.Axis:
    return _rust.Axis(np.frombuffer(edges, dtype=np.float64))
