"""The class `frbench.Gallery`: a matrix of templates packed once, for search and counting from Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from frbench import _rust
from frbench.engines import Engine
from frbench.engines.cpu import CpuEngine, CpuRows
from frbench.errors import InputError
from frbench.inputs.arrays import Bools, Floats, Floats32, Ints
from frbench.plan import Rectangle, checked_thresholds

# Largest result of `Gallery.count`: as much again is needed while it is put in order.
MOST_BYTES = 2 << 30
# The core clamps the number of threads to the machine; this only tells a number of threads from a mistake.
MOST_THREADS = 1 << 16


class Gallery:
    """Templates to search, packed once.

    Rows are normalised here, in float64; the score of two rows is their cosine as `rust/dot` defines it, and
    `score >= threshold` accepts. A row with NaN, an infinity or only zeros is a failed template: it stays in the
    numbering, and is never found and never accepted.

    Parameters
    ----------
    matrix : (n, d) float16, float32 or float64.
    threads : 0 uses every processor.
    isa : instruction set; None takes FRBENCH_ISA or the best that is there.
    engine : what searches and counts, such as a `GpuEngine`; None takes the CPU. Rows are normalised on the CPU.

    Raises
    ------
    InputError : not a matrix of floats, or without a usable row; threads that are no number from 0 on.

    Example
    -------
    >>> gallery = Gallery(np.eye(3, dtype=np.float32))
    >>> scores, rows = gallery.search(np.float32([[0, 1, 1]]), k=2)
    >>> rows
    array([[1, 2]])
    """

    def __init__(
        self, matrix: ArrayLike, *, threads: int = 0, isa: str | None = None, engine: Engine | None = None
    ) -> None:
        self._threads = _threads(threads)
        self._engine: Engine = CpuEngine(threads=self._threads, isa=isa) if engine is None else engine
        unit, ok = _unit(matrix, "gallery", threads)
        self._kept = np.flatnonzero(ok)
        if not len(self._kept):
            raise InputError(f"gallery has no usable row: all {len(ok)} are NaN, infinite or zero")
        self.failed: Ints = np.flatnonzero(~ok)
        self.n, self.dimension = len(unit), int(unit.shape[1])
        self._rows = self._engine.rows(unit if ok.all() else unit[self._kept])
        if isinstance(self._rows, CpuRows):
            self._rows.pack()

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        return f"Gallery({self.n:,} x {self.dimension}, {len(self.failed):,} failed, {self.isa})"

    @property
    def isa(self) -> str:
        """Instruction set in use."""
        return str(self._engine.describe()["isa"])

    def search(self, probes: ArrayLike, k: int = 1) -> tuple[Floats32, Ints]:
        """The best `k` gallery rows of each probe, exactly; equal scores in order of rows.

        Returns (m, k) scores float32 and (m, k) rows int64, best first. A failed probe has rows of -1 with scores
        of -inf, and so have places beyond the usable rows of the gallery.

        Raises
        ------
        InputError : k below 1 or above the number of rows; probes of another dimension.
        """
        if not 1 <= k <= self.n:
            raise InputError(f"k is {k}, expected 1 to {self.n}, the number of gallery rows")
        unit, ok = self._probes(probes)
        found = min(k, len(self._kept))
        scores = np.full((len(unit), k), -np.inf, dtype=np.float32)
        rows = np.full((len(unit), k), -1, dtype=np.int64)
        best, at, _ = self._rows.search(self._engine.rows(unit[ok]), found)
        scores[ok, :found] = best
        rows[ok, :found] = self._kept[at]
        return scores, rows

    def count(
        self,
        probes: ArrayLike,
        thresholds: Sequence[float] | NDArray[Any],
        probe_groups: ArrayLike | None = None,
        gallery_groups: ArrayLike | None = None,
    ) -> NDArray[np.uint64]:
        """Pairs of a probe and a gallery row whose score is at or above each threshold.

        Parameters
        ----------
        thresholds : (t,) in [-1, 1], in any order.
        probe_groups, gallery_groups : (m,) and (n,) group numbers from 0 on; None puts all in one group.

        Returns (t,) without groups, else (probe groups, gallery groups, t), uint64. Failed rows are not accepted.

        Raises
        ------
        InputError : thresholds or groups that are not what is said above; a result beyond 2 GiB.
        """
        wanted = _thresholds(thresholds)
        unit, ok = self._probes(probes)
        a, n_a = _groups(probe_groups, len(unit), "probe_groups")
        b, n_b = _groups(gallery_groups, self.n, "gallery_groups")
        needed = n_a * n_b * (len(wanted) + 1) * 8
        if needed > MOST_BYTES:
            raise InputError(
                f"{n_a} probe groups by {n_b} gallery groups by {len(wanted)} thresholds need {needed / 2**30:.1f} "
                f"GiB, expected at most {MOST_BYTES / 2**30:.0f}: number the groups without gaps, or count fewer at a "
                "time"
            )
        edges, place = np.unique(wanted, return_inverse=True)
        rows = self._engine.rows(unit[ok])
        cells = np.arange(n_a * n_b, dtype=np.uint32).reshape(n_a, n_b)
        bins = rows.count(self._rows, edges, Rectangle.whole(a[ok], b[self._kept], cells))
        tails = bins[:, :0:-1].cumsum(axis=1, dtype=np.uint64)[:, ::-1][:, place]
        without_groups = probe_groups is None and gallery_groups is None
        return np.asarray(tails[0] if without_groups else tails.reshape(n_a, n_b, len(wanted)))

    def _probes(self, probes: ArrayLike) -> tuple[Floats32, Bools]:
        unit, ok = _unit(probes, "probes", self._threads)
        if unit.shape[1] != self.dimension:
            raise InputError(f"probes have dimension {unit.shape[1]}, the gallery has {self.dimension}")
        return unit, ok


def _unit(matrix: ArrayLike, what: str, threads: int) -> tuple[Floats32, Bools]:
    array = np.asarray(matrix)
    if array.ndim != 2 or array.dtype.kind != "f" or array.dtype.itemsize > 8 or not array.shape[1]:
        raise InputError(
            f"{what} is {array.dtype} of shape {array.shape}, expected a matrix (n, d) of float16, float32 or float64"
        )
    unit = np.empty(array.shape, dtype=np.float32)
    ok = _rust.unit_rows(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")), unit, threads)
    return unit, ok


def _threads(threads: int) -> int:
    if not isinstance(threads, int | np.integer) or not 0 <= threads <= MOST_THREADS:
        raise InputError(f"threads is {threads!r}, expected an integer from 0 (every processor) to {MOST_THREADS}")
    return int(threads)


def _thresholds(thresholds: Sequence[float] | NDArray[Any]) -> Floats:
    try:
        given = list(thresholds)
    except TypeError as error:
        raise InputError(f"thresholds is {thresholds!r}, expected a sequence of numbers") from error
    try:
        wanted = checked_thresholds(given)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"thresholds is {thresholds!r}, expected numbers in [-1, 1]") from error
    if not wanted:
        raise InputError("thresholds is empty, expected at least one")
    return np.asarray(wanted, dtype=np.float64)


def _groups(groups: ArrayLike | None, n: int, what: str) -> tuple[NDArray[np.uint32], int]:
    if groups is None:
        return np.zeros(n, dtype=np.uint32), 1
    numbers = np.asarray(groups)
    if numbers.shape != (n,) or numbers.dtype.kind not in "iu" or (n and numbers.min() < 0):
        raise InputError(f"{what} is {numbers.dtype} of shape {numbers.shape}, expected ({n},) integers from 0 on")
    if n and numbers.max() >= 2**31:
        raise InputError(f"{what} holds {numbers.max()}, expected group numbers below {2**31}")
    return numbers.astype(np.uint32), int(numbers.max()) + 1 if n else 1
