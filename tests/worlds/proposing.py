"""An index that is exact but for rows that it never proposes: what it misses is known beforehand."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from frbench.candidates import Candidates
from frbench.counting.identify import Identification
from frbench.engines import Engine
from frbench.engines.reference import ReferenceEngine, scores
from frbench.shortcuts.proposals import Gallery, ProposedSearch, Proposer


class Blind:
    """Proposes the best rows by float64, never those that are hidden."""

    nbytes = 0

    def __init__(self, unit: NDArray[np.float32], hidden: Collection[int] = ()) -> None:
        self._unit, self._hidden = unit, sorted(hidden)

    def propose(self, probes: NDArray[np.float32], k: int, _: int) -> NDArray[np.int64]:
        """The best k rows of each probe that are not hidden, -1 for the rest; every effort is the same."""
        found = scores(probes, self._unit)
        found[:, self._hidden] = -np.inf
        order = np.argsort(-found, axis=1, kind="stable")[:, :k].astype(np.int64)
        return np.where(np.isinf(np.take_along_axis(found, order, axis=1)), -1, order)


def searched(
    task: Identification, hidden: Collection[int] = (), engine: Engine | None = None, wanted: int = 0
) -> Candidates:
    """The candidates of every probe where these usable rows of the gallery are never proposed."""
    engine = engine or ReferenceEngine()
    gallery = Gallery.of(task, engine)
    proposer = Proposer(gallery, Blind(gallery.unit, hidden), np.arange(len(gallery)), wanted)
    return ProposedSearch(task, engine, proposer).search(0, {"approximate": {"hidden": sorted(map(int, hidden))}})
