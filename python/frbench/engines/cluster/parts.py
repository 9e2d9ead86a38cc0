"""Which rows are whose, when several workers hold one gallery.

Rows are dealt out in runs, one worker after another, so that every stretch of the gallery is spread over all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from frbench.inputs.arrays import Ints

# Runs that each worker gets: several in every block of subjects.
RUNS = 128
# Bytes of probes that travel in one call.
PIECE_BYTES = 64 << 20
# Of a machine for what travels: four pieces are on their way at most, of two tiles, and small arrays.
STORE_BYTES = 320 << 20


@dataclass(frozen=True)
class Parts:
    """The rows of a gallery, by place from 0 to `n`, dealt out to `workers`."""

    n: int
    workers: int

    @classmethod
    def of(cls, n: int, workers: int) -> Parts:
        """Parts of `n` rows, none of them empty: so of no more workers than there are rows."""
        return cls(n, max(1, min(n, workers)))

    @property
    def grain(self) -> int:
        """Rows of a run; the last one may be shorter."""
        return max(1, self.n // (self.workers * RUNS))

    def before(self, worker: int, place: int) -> int:
        """Rows of a worker that lie before `place`."""
        run, within = divmod(min(place, self.n), self.grain)
        own_runs = max(0, -(-(run - worker) // self.workers))
        return own_runs * self.grain + (within if run % self.workers == worker else 0)

    def size(self, worker: int) -> int:
        """Rows of a worker."""
        return self.before(worker, self.n)

    def places(self, worker: int, first: int = 0, stop: int | None = None) -> Ints:
        """(m,) places of a worker's rows from its `first` one on, increasing."""
        return self.places_of(worker, np.arange(first, self.size(worker) if stop is None else stop, dtype=np.int64))

    def places_of(self, worker: int, own: Ints) -> Ints:
        """Places of these rows of a worker, by number among its own; of any shape."""
        run, within = np.divmod(own, self.grain)
        return (run * self.workers + worker) * self.grain + within

    def runs(self, worker: int, start: int, stop: int) -> list[tuple[int, int]]:
        """Stretches of places from `start` to `stop` that are a worker's, in order."""
        first = start // self.grain
        first += (worker - first) % self.workers
        begins = range(first * self.grain, min(stop, self.n), self.workers * self.grain)
        return [(max(start, begin), min(stop, begin + self.grain, self.n)) for begin in begins]
