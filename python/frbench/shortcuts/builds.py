"""Builds an approximate index of a gallery, in this program or on each worker that holds rows of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from frbench.counting.identify import Identification
from frbench.engines import Engine
from frbench.engines.ann.index import Advance, Family, Index, Ints, Numbers
from frbench.engines.cluster.indexes import ClusterIndex
from frbench.engines.cluster.rows import ClusterEngine
from frbench.engines.cluster.shard_index import Made
from frbench.shortcuts.proposals import Gallery


@dataclass(frozen=True, eq=False)
class Built:
    """An index and what building took.

    order : (n,) usable row of the gallery by the number that the index gives it. seconds : of the build, of the
    slowest worker where each has an index. by_worker : of each; () where the index is one, of this program.
    """

    index: Index
    order: Ints
    seconds: float
    by_worker: tuple[Made, ...] = ()


class Builder(Protocol):
    """What builds indexes of one gallery."""

    def build(self, family: Family, parameters: Numbers, *, seed: int, order: Ints | None, advance: Advance) -> Built:
        """An index of the rows, inserted in this order; in that of the file if None."""
        ...


class Here:
    """One index, in this program."""

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery

    def build(self, family: Family, parameters: Numbers, *, seed: int, order: Ints | None, advance: Advance) -> Built:
        """See `Builder.build`."""
        begin = time.perf_counter()
        unit = self._gallery.unit if order is None else self._gallery.unit[order]
        index = family.build(unit, parameters, seed, advance)
        seconds = time.perf_counter() - begin
        return Built(index, _everything(len(unit)) if order is None else order, seconds)


class OnWorkers:
    """One index a worker, of the rows that it holds."""

    def __init__(self, task: Identification, gallery: Gallery, engine: ClusterEngine) -> None:
        self._engine, self._rows = engine, engine.rows_of(task.gallery, gallery.numbers)

    def build(self, family: Family, parameters: Numbers, *, seed: int, order: Ints | None, advance: Advance) -> Built:
        """See `Builder.build`."""
        index = ClusterIndex(self._engine, self._rows, family=family, parameters=parameters, seed=seed, order=order)
        advance(len(self._rows))
        slowest = max(made.seconds for made in index.made)
        return Built(index, _everything(len(self._rows)), slowest, index.made)


def builder(task: Identification, gallery: Gallery, engine: Engine) -> Builder:
    """What builds indexes where the engine has the rows."""
    return OnWorkers(task, gallery, engine) if isinstance(engine, ClusterEngine) else Here(gallery)


def _everything(n: int) -> Ints:
    return np.arange(n, dtype=np.int64)
