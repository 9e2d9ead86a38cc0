"""Measured: what a worker of this machine does in a second, tried on a gallery that it reads and searches."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frbench import scratch, templates
from frbench.candidates import best_of
from frbench.cluster.hardware import Hardware
from frbench.cluster.parts import Parts
from frbench.cluster.shard import SETTLED, Held, Shard, digest_of
from frbench.engines import Engine
from frbench.engines.local import open_local
from frbench.errors import InputError
from frbench.storage import Stored

# Of random rows: more than caches hold.
BYTES = 96 << 20
PROBES = 1_000
READINGS = 3
# Each rate is measured for this long at least.
LEAST_S = 0.5
# Lists of candidates that are merged at a time.
LISTS = 4


def measure(dimension: int, k: int, *, path: Path | None = None, threads: int = 0, workers: int = 1) -> Hardware:
    """This machine, from a few seconds of reading and searching.

    path : templates whose rows are read and searched; None takes random ones of `dimension`, which no one resembles.
    threads : of a worker; 0 takes every processor. workers : on a machine; only one is tried.

    Raises
    ------
    InputError : the file cannot be read, or has another dimension or too few rows.
    """
    if path is not None:
        return _measured(path, dimension, k, threads, workers, f"of {path.name}")
    with tempfile.TemporaryDirectory(prefix="frbench-plan-") as folder:
        file = Path(folder) / "random.npy"
        n = max(2 * k + 2, BYTES // (4 * dimension))
        np.save(file, np.random.default_rng(0).standard_normal((n, dimension), dtype=np.float32))
        return _measured(file, dimension, k, threads, workers, "of random numbers")


def _measured(path: Path, dimension: int, k: int, threads: int, workers: int, which: str) -> Hardware:
    begin = time.perf_counter()
    found = templates.load(path, threads=threads)
    assert found.digest
    assert digest_of([found.unit])
    prepare_s = time.perf_counter() - begin
    if found.dimension != dimension:
        raise InputError(f"{path} has dimension {found.dimension}, the plan has {dimension}; give --dimension")
    if found.failed.any() or len(found) < 2 * (k + 1) or found.stored is None:
        raise InputError(f"{path}: rates are measured on at least {2 * (k + 1)} rows, none of them failed")
    halves = [_held(found.stored, found.unit, *ends) for ends in ((0, len(found) // 2), (len(found) // 2, len(found)))]
    shard = Shard(partial(open_local, "cpu", None), threads)
    probes = np.ascontiguousarray(found.unit[:: max(1, len(found) // PROBES)][:PROBES])
    # A worker holds one half: asked for the other, it reads.
    read_s = [_seconds_of_search(shard, halves[turn % 2], probes, k) for turn in range(2 * READINGS)]
    rounds = range(max(READINGS, int(LEAST_S / min(read_s))))
    search_s = min(_seconds_of_search(shard, halves[1], probes, k) for _ in rounds)
    return Hardware(
        memory_gib=scratch.memory_bytes() / 2**30,
        dimension=dimension,
        comparisons_per_s=len(probes) * halves[1].parts.n / search_s,
        rows_read_per_s=halves[1].parts.n / max(min(read_s[1::2]) - search_s, 1e-9),
        rows_prepared_per_s=len(found) / prepare_s,
        candidates_merged_per_s=_merged_per_s(len(probes), k),
        settled_share=_settled_share(open_local("cpu", None, threads), found.unit, probes, k),
        workers=workers,
        threads=threads or scratch.processors(),
        source=_source(len(found), dimension, which),
    )


def _source(n: int, dimension: int, which: str) -> str:
    """What was measured; rows that fill no call tell little of a large gallery."""
    found = f"measured here, on {n:,} rows {which}"
    if n * dimension * 4 >= BYTES // 2:
        return found
    return f"{found}: too few to tell the rates of a large gallery, which may be much higher"


def _held(stored: Stored, unit: NDArray[np.float32], start: int, stop: int) -> Held:
    digest = digest_of([unit[start:stop]])
    return Held(stored.location, (range(start, stop),), unit.shape[1], digest, Parts.of(stop - start, 1), 0)


def _seconds_of_search(shard: Shard, held: Held, probes: NDArray[np.float32], k: int) -> float:
    begin = time.perf_counter()
    shard.search(held, probes, k, None)
    return time.perf_counter() - begin


def _settled_share(engine: Engine, unit: NDArray[np.float32], probes: NDArray[np.float32], k: int) -> float:
    """Share of pairs that a sieve leaves, whose limit is what the k-th best of a middling probe reaches."""
    rows, searched = engine.rows(unit), engine.rows(probes)
    scores, _, _ = rows.search(searched, k)
    pairs = searched.count(
        rows,
        np.array([float(np.median(scores[:, -1]))]),
        probe_range=(0, len(probes)),
        gallery_range=(0, len(unit)),
        upper=False,
        probe_groups=np.zeros(len(probes), np.uint32),
        gallery_groups=np.zeros(len(unit), np.uint32),
        cells=np.zeros((1, 1), np.uint32),
        n_cells=1,
    )
    return float(engine.describe()[SETTLED] / int(pairs.sum()))


def _merged_per_s(probes: int, k: int) -> float:
    scores = np.random.default_rng(0).random((probes, LISTS * k), dtype=np.float32)
    rows = np.arange(scores.size, dtype=np.int64).reshape(scores.shape)
    done, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < LEAST_S:
        best_of(scores, rows, k)
        done += scores.size
    return done / (time.perf_counter() - begin)
