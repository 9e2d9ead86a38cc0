"""A plan against a run: what `frbench plan` says of a search on this machine, and what the search then takes.

python -m benches.plan_against_run --gallery 3000000 --probes 100 --dimension 128 --workers 2
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from frbench import templates
from frbench.cluster.measured import measure
from frbench.cluster.ray_workers import local_cluster
from frbench.cluster.runners import Runner
from frbench.cluster.sizing import Sizing
from frbench.engines import packed
from frbench.manifest import hardware

K = 50
ROWS_AT_ONCE = 1 << 16


def written(file: Path, n: int, dimension: int) -> Path:
    """A file of random rows, written a part at a time."""
    random = np.random.default_rng(1)
    rows = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=(n, dimension))
    for start in range(0, n, ROWS_AT_ONCE):
        part = rows[start : start + ROWS_AT_ONCE]
        part[:] = random.standard_normal(part.shape, dtype=np.float32)
    return file


def main(gallery: int, probes: int, dimension: int, workers: int) -> None:
    """Prints seconds and bytes beside those that were planned."""
    here = measure(dimension, K, threads=1, workers=workers)
    sizing = Sizing(gallery, probes, dimension, here, K)
    with tempfile.TemporaryDirectory(prefix="frbench-bench-") as folder, local_cluster(workers):
        file = written(Path(folder) / "gallery.npy", gallery, dimension)
        engine = Runner(workers=workers).open("cpu", None, 1)
        try:
            # Workers import what they need.
            few = templates.load(written(Path(folder) / "few.npy", 1000, dimension))
            packed(engine, few, np.arange(1000)).search(engine.rows(few.unit[:1]), 1)
            begin = time.perf_counter()
            found = templates.load(file, threads=1)
            rows = packed(engine, found, np.arange(gallery, dtype=np.int64))
            assert found.digest
            assert rows.held  # type: ignore[attr-defined]
            prepared = time.perf_counter()
            rows.search(engine.rows(found.unit[:probes]), K)
            first_s = time.perf_counter() - prepared
            searched = time.perf_counter()
            rows.search(engine.rows(found.unit[:probes]), K)
            compare_s = time.perf_counter() - searched
            peak = max(worker["peak_bytes"] for worker in engine.describe()["workers"])
        finally:
            engine.close()
    print(f"{hardware()}; load average {', '.join(f'{each:.1f}' for each in os.getloadavg())}")
    print(f"{gallery:,} rows of dimension {dimension}, {probes:,} probes, lists of {K}, {workers} workers of a thread")
    for what, planned, took in (
        ("prepare, s", sizing.prepare_s, prepared - begin),
        ("read, s", sizing.read_s, first_s - compare_s),
        ("compare and merge, s", sizing.compare_s + sizing.merge_s, compare_s),
        ("worker, MB", sizing.worker_bytes / 1e6, peak / 1e6),
    ):
        print(f"{what:<22}planned {planned:10,.2f}   took {took:10,.2f}   {took / planned:.2f} times")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--gallery", type=int, default=3_000_000)
    parser.add_argument("--probes", type=int, default=100)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    main(options.gallery, options.probes, options.dimension, options.workers)
