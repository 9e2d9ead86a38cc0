"""What an engine offers: rows that it packs once, and can then count, search and score; all give the same answers.

A new engine is a class with four methods, and `tests/engines/test_engines.py` holds every one to the oracle.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from frbench.engines.hits import Found, Hits
from frbench.inputs import scratch
from frbench.inputs.arrays import Floats, Floats32, Ints
from frbench.plan import Groups, Rectangle
from frbench.templates import Templates

Subjects = tuple[Groups, Groups]
# Among the screens that pairs passed: those that the definition settled after one.
SETTLED = "settled"


class Rows(Protocol):
    """Unit rows, packed by an engine."""

    def __len__(self) -> int: ...

    def count(self, gallery: Self, edges: Floats, where: Rectangle) -> NDArray[np.uint64]:
        """(cells, t + 1) pairs of `where` by cell and by the number of edges at or below their score."""

    def search(self, probes: Self, k: int, *, floors: Floats32 | None = None) -> Found:
        """The best `k` rows of each probe, and how many rows reach its floor.

        Raises
        ------
        ValueError : there are fewer than `k` rows.
        """

    def tail(self, gallery: Self, n: int, floors: Floats, where: Rectangle, subjects: Subjects) -> Hits:
        """The best `n` pairs of two subjects of each cell of `where`; their rows are of this and of `gallery`.

        Cell after cell, best first; equal scores by lower row of this, then of the gallery.

        Parameters
        ----------
        floors : (cells,) score below which pairs of a cell are left out.
        subjects : (n,), (m,) subject of every row of this and of `gallery`.
        """

    def score_pairs(self, other: Self, mine: Ints, theirs: Ints) -> Floats32:
        """Scores of rows `mine[i]` of this and `theirs[i]` of `other`."""


class Engine(Protocol):
    """Something that can pack rows."""

    name: str

    @property
    def parallel(self) -> int:
        """Tiles that it counts at the same time; 1 if it divides one tile among all that it has."""

    def rows(self, unit: Floats32) -> Rows:
        """`unit` (n, d) packed for this engine."""

    def describe(self) -> Mapping[str, Any]:
        """What a manifest says about this engine, with what `described` says of its work."""

    def close(self) -> None:
        """Lets go of what it holds elsewhere; its rows are of no use any more."""


@runtime_checkable
class Elsewhere(Protocol):
    """An engine whose rows are read where they are counted, not sent there."""

    def rows_of(self, templates: Templates, numbers: Ints) -> Any:
        """Rows `numbers` of `templates`, as `Engine.rows` would pack them."""


def packed(engine: Engine, templates: Templates, numbers: Ints) -> Rows:
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


def counted(probes: Rows, gallery: Rows, edges: Floats) -> NDArray[np.uint64]:
    """(t + 1,) pairs of every probe and every gallery row by the number of edges (t,) at or below their score."""
    groups = np.zeros(len(probes), np.uint32), np.zeros(len(gallery), np.uint32)
    pairs: NDArray[np.uint64] = probes.count(gallery, edges, Rectangle.whole(*groups, np.zeros((1, 1), np.uint32)))[0]
    return pairs
