"""Builds an approximate index of a gallery, in this program or on each worker that holds rows of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from frbench.counting.identify import Identification
from frbench.engines import Engine
from frbench.engines.ann.index import Family, Index, Matrix, Numbers
from frbench.engines.cluster.indexes import ClusterIndex
from frbench.engines.cluster.rows import ClusterEngine, ClusterRows
from frbench.engines.cluster.shard_index import Made
from frbench.inputs.arrays import Advance, Ints
from frbench.shortcuts.proposals import Gallery


@dataclass(frozen=True, eq=False)
class Built:
    """An index and what building took.

    Parameters
    ----------
    order : (n,) usable row of the gallery by the number that the index gives it.
    seconds : of the build, of the slowest worker where each has an index.
    by_worker : what each took; () where the index is one, of this program.
    """

    index: Index
    order: Ints
    seconds: float
    by_worker: tuple[Made, ...] = ()


class Build(Protocol):
    """Builds an index of one gallery."""

    def __call__(
        self, family: Family, parameters: Numbers, *, seed: int, order: Ints | None, advance: Advance
    ) -> Built:
        """An index of the rows, inserted in this order; in that of the file if None."""
        ...


def builder(task: Identification, gallery: Gallery, engine: Engine) -> Build:
    """A function that builds indexes where the engine has the rows: one here, or one on each worker."""
    if isinstance(engine, ClusterEngine):
        return partial(_on_workers, engine, engine.rows_of(task.gallery, gallery.numbers))
    return partial(_here, gallery.unit)


def _here(
    unit: Matrix, family: Family, parameters: Numbers, *, seed: int, order: Ints | None, advance: Advance
) -> Built:
    begin = time.perf_counter()
    index = family.build(unit if order is None else unit[order], parameters, seed, advance)
    seconds = time.perf_counter() - begin
    return Built(index, np.arange(len(unit), dtype=np.int64) if order is None else order, seconds)


def _on_workers(
    engine: ClusterEngine,
    rows: ClusterRows,
    family: Family,
    parameters: Numbers,
    *,
    seed: int,
    order: Ints | None,
    advance: Advance,
) -> Built:
    index = ClusterIndex(engine, rows, family=family, parameters=parameters, seed=seed, order=order)
    advance(len(rows))
    return Built(index, np.arange(len(rows), dtype=np.int64), max(made.seconds for made in index.made), index.made)
