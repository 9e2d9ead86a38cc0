"""The other libraries, each at its best that we know; one that is not installed is not in the race.

A searcher answers (scores or None, rows), best first. Every peer has the same unit rows and the same number of threads.
"""

from __future__ import annotations

import importlib
import itertools
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benches.checks import recall
from benches.own import threads
from benches.race import Contestant, settle
from benches.workload import Matrix

DISTRIBUTIONS = {
    "numpy": "numpy",
    "faiss": "faiss-cpu",
    "usearch": "usearch",
    "numkong": "numkong",
    "sklearn": "scikit-learn",
    "hnswlib": "hnswlib",
    "torch": "torch",
}
FAISS_KNOBS = (
    "distance_compute_blas_threshold",
    "distance_compute_blas_query_bs",
    "distance_compute_blas_database_bs",
)
FAISS_GRID = tuple(itertools.product((0, 128_000), (1024, 4096), (1024, 4096)))
# usearch keeps 16 bytes for each pair, and its time grows faster than its probes: fewer of them favour it.
USEARCH_PROBES = 100

Found = tuple[Matrix | None, NDArray[np.int64]]
FaissSetting = tuple[int, int, int]


@cache
def module(name: str) -> ModuleType | None:
    """A peer, or None where it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ImportError:
            return None


def versions() -> dict[str, str]:
    """Versions of the peers that are installed."""
    return {name: version_of(name) for name in DISTRIBUTIONS if module(name) is not None}


def version_of(name: str) -> str:
    """Version of an installed peer; "unknown" where it was not installed as a package."""
    try:
        return version(DISTRIBUTIONS[name])
    except PackageNotFoundError:
        return "unknown"


@cache
def pool() -> ThreadPoolExecutor:
    """As many threads as everyone has, for libraries that leave threads to their caller."""
    return ThreadPoolExecutor(threads())


def parts(n: int) -> list[slice]:
    """`n` rows in as many parts as there are threads."""
    ends = np.linspace(0, n, threads() + 1).astype(int).tolist()
    return [slice(a, b) for a, b in itertools.pairwise(ends) if a < b]


# -- search -----------------------------------------------------------------------------------------------------------


def searchers(gallery: Matrix, probes: Matrix, k: int) -> list[Contestant]:
    """Every peer that searches exactly."""
    makers = (faiss_searchers, numpy_searchers, torch_searchers, sklearn_searchers, usearch_searchers)
    return [contestant for make in makers for contestant in make(gallery, probes, k)]


def numpy_searchers(gallery: Matrix, probes: Matrix, k: int) -> Iterator[Contestant]:
    """One product into memory that is there already, then argpartition by row on every thread."""
    scores = np.empty((len(probes), len(gallery)), np.float32)

    def call() -> Found:
        np.matmul(probes, gallery.T, out=scores)
        found = list(pool().map(lambda part: best_of_each(scores[part], k), parts(len(probes))))
        return np.concatenate([s for s, _ in found]), np.concatenate([r for _, r in found])

    yield Contestant("numpy", call, version_of("numpy"), "float32 product, argpartition", "as it is")


def best_of_each(scores: Matrix, k: int) -> tuple[Matrix, NDArray[np.int64]]:
    """The best k of each row, best first."""
    rows = np.empty((len(scores), k), np.int64)
    for i, row in enumerate(scores):
        best = np.argpartition(row, len(row) - k)[len(row) - k :]
        rows[i] = best[np.argsort(-row[best])]
    return np.take_along_axis(scores, rows, axis=1), rows


def faiss_searchers(gallery: Matrix, probes: Matrix, k: int) -> Iterator[Contestant]:
    """IndexFlatIP as it comes, and at the best of FAISS_GRID for these sizes."""
    faiss = module("faiss")
    if faiss is None:
        return
    faiss.omp_set_num_threads(threads())
    index = faiss.IndexFlatIP(gallery.shape[1])
    index.add(gallery)

    def at(setting: FaissSetting) -> Callable[[], Found]:
        return lambda: faiss_search(index, probes, k, setting=setting)

    default = faiss_default()
    best = fastest(FAISS_GRID, at)
    for name, setting in (("faiss default", default), ("faiss best", best)):
        words = "IndexFlatIP, blas threshold {}, query_bs {}, database_bs {}".format(*setting)
        yield Contestant(name, at(setting), version_of("faiss"), words, "copied")


def faiss_search(index: Any, probes: Matrix, k: int, *, setting: FaissSetting) -> Found:
    """A search with the three settings of the process set for it."""
    for knob, value in zip(FAISS_KNOBS, setting, strict=True):
        setattr(_faiss().cvar, knob, value)
    return index.search(probes, k)


@cache
def faiss_default() -> FaissSetting:
    """The settings of the process before we change any."""
    default = tuple(int(getattr(_faiss().cvar, knob)) for knob in FAISS_KNOBS)
    assert len(default) == 3
    return default


def _faiss() -> ModuleType:
    faiss = module("faiss")
    assert faiss is not None
    return faiss


def fastest(settings: Sequence[FaissSetting], at: Callable[[FaissSetting], Callable[[], Found]]) -> FaissSetting:
    """The setting that took the least time of two calls; a step before the race."""
    faiss_default()
    at(settings[0])()
    took = {setting: min(_once(at(setting)) for _ in range(2)) for setting in settings}
    return min(took, key=took.__getitem__)


def _once(call: Callable[[], Any]) -> float:
    settle()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def usearch_searchers(gallery: Matrix, probes: Matrix, k: int) -> Iterator[Contestant]:
    """Exact search over at most USEARCH_PROBES probes."""
    if module("usearch") is None:
        return
    index = importlib.import_module("usearch.index")
    asked = probes[:USEARCH_PROBES]

    def call() -> Found:
        found = index.search(gallery, asked, k, index.MetricKind.IP, exact=True, threads=threads())
        return 1 - found.distances.reshape(-1, k), found.keys.reshape(-1, k).astype(np.int64)

    setting = "exact, inner product" + ("" if len(asked) == len(probes) else f", {len(asked)} probes")
    yield Contestant("usearch", call, version_of("usearch"), setting, "as it is", share=len(asked) / len(probes))


def sklearn_searchers(gallery: Matrix, probes: Matrix, k: int) -> Iterator[Contestant]:
    """Brute force by Euclidean distance, whose order on unit rows is that of the cosine, in half its time."""
    if module("sklearn") is None:
        return
    neighbors = importlib.import_module("sklearn.neighbors")
    fitted = neighbors.NearestNeighbors(n_neighbors=k, algorithm="brute", metric="euclidean").fit(gallery)
    yield Contestant(
        "scikit-learn",
        lambda: (None, fitted.kneighbors(probes, return_distance=False)),
        version_of("sklearn"),
        "NearestNeighbors, brute, euclidean on unit rows",
        "as it is",
    )


def torch_searchers(gallery: Matrix, probes: Matrix, k: int) -> Iterator[Contestant]:
    """One float32 product into memory that is there already, then topk."""
    torch = module("torch")
    if torch is None:
        return
    torch.set_num_threads(threads())
    a, b = torch.from_numpy(probes), torch.from_numpy(gallery)
    scores = torch.empty((len(probes), len(gallery)))

    def call() -> Found:
        torch.mm(a, b.T, out=scores)
        values, rows = torch.topk(scores, k, dim=1)
        return values.numpy(), rows.numpy()

    yield Contestant("torch", call, version_of("torch"), "float32 mm, topk", "as it is")


# -- products: scores and no more -------------------------------------------------------------------------------------


def numpy_product(gallery: Matrix, probes: Matrix) -> Contestant:
    """The bare float32 product, into memory that is there already."""
    scores = np.empty((len(probes), len(gallery)), np.float32)
    return Contestant(
        "numpy product",
        lambda: np.matmul(probes, gallery.T, out=scores),
        version_of("numpy"),
        "float32",
        "as it is",
        leaves_out="scores only",
    )


def numkong_products(gallery: Matrix, probes: Matrix) -> Iterator[tuple[Contestant, float]]:
    """Bare products in bfloat16 and int8, each with the error that its quantisation allows.

    A call answers with a function that reads the scores of some probes: int8 products are scaled after the clock.
    """
    numkong = module("numkong")
    if numkong is None:
        return
    # Rounding to 8 significant bits moves a unit row by at most 2^-8; the sum is in float32.
    half = 2 * 2.0**-8 + 2.0**-16 + gallery.shape[1] * 2.0**-23
    a, b = (numkong.Tensor(m).astype("bfloat16") for m in (probes, gallery))
    yield _numkong("numkong bf16", a, b, dtype="float32"), half
    (a8, a_scale, a_error), (b8, b_scale, b_error) = quantised(probes), quantised(gallery)
    # Cauchy-Schwarz on the residuals; scales are rounded to float32 and multiplied in it.
    error = a_error + b_error + a_error * b_error + 2.0**-21
    yield _numkong("numkong int8", a8, b8, dtype="int32", scales=(a_scale, b_scale)), error


def _numkong(name: str, a: Any, b: Any, *, dtype: str, scales: tuple[Matrix, Matrix] | None = None) -> Contestant:
    numkong = module("numkong")
    assert numkong is not None
    packed = numkong.dots_pack(b)
    out = numkong.zeros((a.shape[0], b.shape[0]), dtype=dtype)

    def part(rows: slice) -> None:
        numkong.dots_packed(a, packed, out=out, start_row=rows.start, end_row=rows.stop)

    def scores(at: NDArray[np.int64]) -> Matrix:
        raw = np.asarray(out)[at]
        return raw if scales is None else raw * scales[0][at, None] * scales[1]

    def call() -> Callable[[NDArray[np.int64]], Matrix]:
        list(pool().map(part, parts(a.shape[0])))
        return scores

    return Contestant(
        name,
        call,
        version_of("numkong"),
        "dots_packed, probes quantised before the clock",
        "packed",
        leaves_out="inexact scores only",
    )


def quantised(rows: Matrix) -> tuple[NDArray[np.int8], Matrix, float]:
    """Rows as int8 with a scale each, and the longest residual."""
    scale = np.abs(rows).max(axis=1) / 127
    whole = np.rint(rows / scale[:, None]).astype(np.int8)
    residual = np.linalg.norm(rows - whole * scale[:, None], axis=1).max()
    return whole, scale.astype(np.float32), float(residual)


# -- counts -----------------------------------------------------------------------------------------------------------


def numpy_count(rows: Matrix, threshold: float, *, block: int = 1024) -> Contestant:
    """Pairs of all rows with all rows at or above a threshold: products of blocks, compared on every thread."""
    scores = np.empty((block, len(rows)), np.float32)
    floor = np.float32(threshold)

    def call() -> NDArray[np.int64]:
        total = 0
        for start in range(0, len(rows), block):
            some = rows[start : start + block]
            np.matmul(some, rows.T, out=scores[: len(some)])
            total += sum(pool().map(lambda part: _at_or_above(scores[part], floor), parts(len(some))))
        return np.array([total])

    return Contestant("numpy", call, version_of("numpy"), "float32 product, count_nonzero", "as it is")


def _at_or_above(scores: Matrix, floor: np.float32) -> int:
    # Few rows at a time stay in cache between the comparison and the count.
    return sum(int(np.count_nonzero(scores[i : i + 8] >= floor)) for i in range(0, len(scores), 8))


def numpy_histogram(
    gallery: Matrix, probes: Matrix, *, probe_groups: NDArray[np.int64], gallery_groups: NDArray[np.int64]
) -> Contestant:
    """Pairs by cell at or above each of 2,001 edges from -1 to 1; rows are sorted by group before the clock.

    Bins by `bincount` of the scaled score, on every thread: 1.5 ns a score, where `np.histogram` with a range takes 6,
    and sorting with `searchsorted` of the edges 2.
    """
    a, b = np.argsort(probe_groups, kind="stable"), np.argsort(gallery_groups, kind="stable")
    sorted_probes, sorted_gallery = probes[a], gallery[b]
    scores = np.empty((len(probes), len(gallery)), np.float32)
    cells = [(rows, columns) for rows in runs(probe_groups[a]) for columns in runs(gallery_groups[b])]

    def call() -> NDArray[np.int64]:
        np.matmul(sorted_probes, sorted_gallery.T, out=scores)
        bins = np.stack([_binned(scores[rows, columns]) for rows, columns in cells])
        n = int(probe_groups.max()) + 1
        return bins[:, ::-1].cumsum(axis=1)[:, ::-1].reshape(n, -1, 2001)

    return Contestant("numpy", call, version_of("numpy"), "float32 product, bincount by cell", "sorted by group")


def runs(sorted_groups: NDArray[np.int64]) -> list[slice]:
    """The rows of each group, where rows are sorted by it."""
    ends = np.searchsorted(sorted_groups, np.arange(int(sorted_groups[-1]) + 2)).tolist()
    return [slice(a, b) for a, b in itertools.pairwise(ends)]


def _binned(scores: Matrix) -> NDArray[np.int64]:
    # A quarter of a million scores at a time stay in cache.
    step = max(1, 250_000 // max(1, scores.shape[1]))
    chunks = [scores[i : i + step] for i in range(0, len(scores), step)]
    return sum(pool().map(_bins_of, chunks), np.zeros(2001, np.int64))


def _bins_of(scores: Matrix) -> NDArray[np.int64]:
    at = (scores.ravel() + np.float32(1)) * np.float32(1000)
    return np.bincount(at.astype(np.intp), minlength=2001)


# -- ingest -----------------------------------------------------------------------------------------------------------


def ingesters(matrix: Matrix) -> Iterator[Contestant]:
    """Peers that take a matrix in: both only copy it."""
    faiss = module("faiss")
    if faiss is not None:
        faiss.omp_set_num_threads(threads())

        def add() -> Any:
            index = faiss.IndexFlatIP(matrix.shape[1])
            index.add(matrix)
            return index

        yield Contestant("faiss add", add, version_of("faiss"), "IndexFlatIP", "-", leaves_out="copies only")
    yield Contestant("numpy copy", matrix.copy, version_of("numpy"), "float32", "-", leaves_out="copies only")


# -- approximate ------------------------------------------------------------------------------------------------------


def hnsw_searchers(
    gallery: Matrix, probes: Matrix, k: int, *, efs: Sequence[int], exact: NDArray[np.int64]
) -> Iterator[Contestant]:
    """One graph, built before the clock, searched at several widths; each with its recall of the exact rows."""
    hnswlib = module("hnswlib")
    if hnswlib is None:
        return
    graph = hnswlib.Index(space="ip", dim=gallery.shape[1])
    graph.init_index(len(gallery), M=16, ef_construction=200, random_seed=1)
    graph.set_num_threads(threads())
    build_s = _once(lambda: graph.add_items(gallery))

    def at(ef: int) -> Callable[[], NDArray[np.int64]]:
        def call() -> NDArray[np.int64]:
            graph.set_ef(ef)
            rows, _ = graph.knn_query(probes, k)
            return rows.astype(np.int64)

        return call

    for ef in efs:
        share = recall(at(ef)(), exact)
        yield Contestant(
            f"hnswlib ef={ef}",
            at(ef),
            version_of("hnswlib"),
            "M=16, ef_construction=200",
            "built",
            leaves_out=f"recall {share:.3f}",
            facts={"recall": share, "build_s": build_s},
        )
