"""A graph, inverted lists of product codes, and a scan of 8-bit codes by faiss, all on inner products.

Source: Douze et al. (2024), arXiv 2401.08281.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from frbench.engines.ann.index import THREADS, Family, Matrix, Numbers, doublings, inserted, missing
from frbench.errors import InputError
from frbench.inputs.arrays import Advance, Ints

# An empty index of the library for rows of d components, from build parameters and a seed.
Make = Callable[[Any, int, Numbers, int], Any]
# What the library is told for an effort.
Ask = Callable[[Any, int], Any]


class FaissIndex:
    """An index of faiss. `make` an empty one; `ask` says how much to look at."""

    def __init__(
        self, name: str, make: Make, ask: Ask, unit: Matrix, parameters: Numbers, seed: int, advance: Advance
    ) -> None:
        self._faiss, self._ask = _library(name), ask
        with self._one_thread():
            try:
                self._index = make(self._faiss, unit.shape[1], parameters, seed)
                self._index.train(unit)
            except RuntimeError as error:
                asked = ", ".join(f"{key}={value}" for key, value in parameters.items())
                why = str(error).partition("Error: ")[2] or str(error)
                raise InputError(f"{name} cannot be built of {len(unit)} rows with {asked}: {why}") from error
            for part in inserted(len(unit), advance):
                self._index.add(unit[part])

    @property
    def nbytes(self) -> int:
        """See `Index.nbytes`."""
        return int(self._faiss.serialize_index(self._index).nbytes)

    def propose(self, probes: Matrix, k: int, effort: int) -> Ints:
        """See `Index.propose`."""
        with self._one_thread():
            _, labels = self._index.search(probes, k, params=self._ask(self._faiss, effort))
        return np.asarray(labels, dtype=np.int64)

    @contextmanager
    def _one_thread(self) -> Iterator[None]:
        """faiss has one number of threads for the whole process."""
        before = self._faiss.omp_get_max_threads()
        self._faiss.omp_set_num_threads(THREADS)
        try:
            yield
        finally:
            self._faiss.omp_set_num_threads(before)


def _library(name: str) -> Any:
    try:
        with warnings.catch_warnings():
            # Its generated binding names types that Python calls deprecated.
            warnings.simplefilter("ignore", DeprecationWarning)
            import faiss
    except ImportError as error:
        raise missing("faiss-cpu", name, error) from error
    return faiss


def _graph(faiss: Any, d: int, parameters: Numbers, seed: int) -> Any:
    index = faiss.IndexHNSWFlat(d, parameters["M"], faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = parameters["ef_construction"]
    index.hnsw.rng = faiss.RandomGenerator(seed)
    return index


def _lists(faiss: Any, d: int, parameters: Numbers, seed: int) -> Any:
    index = faiss.IndexIVFPQ(
        faiss.IndexFlatIP(d), d, parameters["nlist"], parameters["m"], parameters["nbits"], faiss.METRIC_INNER_PRODUCT
    )
    for clusters in (index.cp, index.pq.cp):
        clusters.seed = seed
        # Small galleries are trained on all that there is; faiss would complain on standard error.
        clusters.min_points_per_centroid = 1
    return index


def _scan(faiss: Any, d: int, _: Numbers, __: int) -> Any:
    return faiss.IndexScalarQuantizer(d, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)


def _defaults_of_lists(n: int, d: int) -> Numbers:
    """Four times the root of n lists, and codes of the largest divisor of d that leaves 4 components or more each."""
    nlist = max(1, min(round(4 * math.sqrt(n)), n // 39))
    pieces = max(m for m in range(1, d + 1) if d % m == 0 and (m == 1 or d // m >= 4))
    return {"nlist": nlist, "m": pieces, "nbits": max(1, min(8, int(math.log2(n))))}


FAISS_HNSW = Family(
    name="faiss-hnsw",
    distribution="faiss-cpu",
    knob="efSearch",
    defaults=lambda _, __: {"M": 16, "ef_construction": 200},
    build=partial(FaissIndex, "faiss-hnsw", _graph, lambda faiss, effort: faiss.SearchParametersHNSW(efSearch=effort)),
)
FAISS_IVFPQ = Family(
    name="faiss-ivfpq",
    distribution="faiss-cpu",
    knob="nprobe",
    is_at_least_k=False,
    defaults=_defaults_of_lists,
    build=partial(FaissIndex, "faiss-ivfpq", _lists, lambda faiss, effort: faiss.SearchParametersIVF(nprobe=effort)),
    efforts=lambda _, parameters: tuple(sorted({*doublings(1, parameters["nlist"]), parameters["nlist"]})),
    highest=lambda _, parameters: parameters["nlist"],
)
FAISS_SQ8 = Family(
    name="faiss-sq8",
    distribution="faiss-cpu",
    knob="",
    is_at_least_k=False,
    defaults=lambda _, __: {},
    build=partial(FaissIndex, "faiss-sq8", _scan, lambda _, __: None),
    efforts=lambda _, __: (0,),
    highest=lambda _, __: 0,
)
