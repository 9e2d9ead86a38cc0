"""Engines: each scores, counts and searches rows; all give the same answers.

An engine packs unit rows once. What it then offers is small enough that a new one is a class with four methods,
and `tests/engines/test_engines.py` holds every engine to the oracle.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from frbench.inputs import scratch
from frbench.templates import Templates

# Among the screens that pairs passed: those that the definition settled after one.
SETTLED = "settled"


class Rows(Protocol):
    """Unit rows, packed by an engine."""

    def __len__(self) -> int: ...

    def count(
        self,
        gallery: Self,
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
        """(n_cells, t + 1) pairs by cell and by the number of edges at or below their score.

        `cells[probe group, gallery group]` is a pair's cell; `upper` counts only pairs whose gallery row comes
        after the probe row.
        """
        ...

    def search(
        self, probes: Self, k: int, *, floors: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.uint64]]:
        """(m, k) best scores, (m, k) their rows, ties by lower row; (m,) rows at or above `floors`, or (0,)."""
        ...

    def tail(
        self,
        gallery: Self,
        n: int,
        floors: NDArray[np.float64],
        *,
        probe_range: tuple[int, int],
        gallery_range: tuple[int, int],
        upper: bool,
        probe_groups: NDArray[np.uint32],
        gallery_groups: NDArray[np.uint32],
        cells: NDArray[np.uint32],
        probe_subjects: NDArray[np.uint32],
        gallery_subjects: NDArray[np.uint32],
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
        """Cells, scores, rows of this and of `gallery` of the best `n` pairs of each cell, of two subjects.

        Cells as in `count`. Cell after cell, best first; equal scores by lower row of this, then of the gallery. Pairs
        below `floors[cell]` are left out.
        """
        ...

    def score_pairs(self, other: Self, mine: NDArray[np.int64], theirs: NDArray[np.int64]) -> NDArray[np.float32]:
        """Scores of rows `mine[i]` of this and `theirs[i]` of `other`."""
        ...


class Engine(Protocol):
    """Something that can pack rows."""

    name: str

    @property
    def parallel(self) -> int:
        """Tiles that it counts at the same time; 1 if it divides one tile among all that it has."""
        ...

    def rows(self, unit: NDArray[np.float32]) -> Rows:
        """`unit` (n, d) packed for this engine."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """What a manifest says about this engine, with what `described` says of its work."""
        ...

    def close(self) -> None:
        """Lets go of what it holds elsewhere; its rows are of no use any more."""
        ...


@runtime_checkable
class Elsewhere(Protocol):
    """An engine whose rows are read where they are counted, not sent there."""

    def rows_of(self, templates: Templates, numbers: NDArray[np.int64]) -> Any:
        """Rows `numbers` of `templates`, as `Engine.rows` would pack them."""
        ...


def packed(engine: Engine, templates: Templates, numbers: NDArray[np.int64]) -> Rows:
    """Rows `numbers` of `templates`, packed; from storage, if the engine reads them there."""
    if isinstance(engine, Elsewhere):
        found: Rows = engine.rows_of(templates, numbers)
        return found
    is_whole = len(numbers) == len(templates) and (numbers == np.arange(len(templates))).all()
    return engine.rows(templates.unit if is_whole else scratch.take(templates.unit, numbers))


def described(work: Mapping[str, int]) -> dict[str, Any]:
    """Pairs that passed each screen, and those `SETTLED` after it, as `Engine.describe` says them."""
    screened = {screen: n for screen, n in work.items() if screen != SETTLED}
    return {"screened": screened, "settled": work.get(SETTLED, 0)}


def counted(probes: Rows, gallery: Rows, edges: NDArray[np.float64]) -> NDArray[np.uint64]:
    """(t + 1,) pairs of every probe and every gallery row by the number of edges (t,) at or below their score."""
    counts = probes.count(
        gallery,
        edges,
        probe_range=(0, len(probes)),
        gallery_range=(0, len(gallery)),
        upper=False,
        probe_groups=np.zeros(len(probes), np.uint32),
        gallery_groups=np.zeros(len(gallery), np.uint32),
        cells=np.zeros((1, 1), np.uint32),
        n_cells=1,
    )
    pairs: NDArray[np.uint64] = counts[0]
    return pairs
