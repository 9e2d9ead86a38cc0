"""Times what a worker does, in a process of its own."""

from __future__ import annotations

import time
from functools import partial

import numpy as np
from numpy.typing import NDArray

from frbench.engines.cluster.shard import Held, Shard
from frbench.engines.local import open_local

# Read before each search, so that caches hold no more of the rows than they would of many.
SWEPT_BYTES = 192 << 20


class Trial:
    """A worker of so many threads that reads and searches, and says how long it took.

    Rows that were read are kept: the next ones then lie in memory that the system has to find, as those of a large
    gallery do, rather than in what was just set free.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._shards: list[Shard] = []
        self._swept = np.ones(SWEPT_BYTES // 8)

    def read(self, held: Held) -> float:
        """Seconds from storage to packed rows."""
        self._shards.append(Shard(partial(open_local, "cpu", None), self._threads))
        probe = np.zeros((1, held.dimension), np.float32)
        probe[0, 0] = 1
        first, again = self._seconds(held, probe, 1), self._seconds(held, probe, 1)
        return max(first - again, 1e-9)

    def search(self, held: Held, probes: NDArray[np.float32], k: int, least_s: float) -> float:
        """Least seconds of a search of what was read last, repeated for `least_s`."""
        begin = time.perf_counter()
        best = self._seconds(held, probes, k)
        while time.perf_counter() - begin < least_s:
            best = min(best, self._seconds(held, probes, k))
        return best

    def _seconds(self, held: Held, probes: NDArray[np.float32], k: int) -> float:
        self._swept.sum()
        begin = time.perf_counter()
        self._shards[-1].search(held, probes, k, None)
        return time.perf_counter() - begin
