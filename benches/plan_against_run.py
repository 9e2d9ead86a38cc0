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
from frbench.counting.identify import Identification, search_all
from frbench.engines.cluster.ray_cluster import local_cluster
from frbench.engines.cluster.rows import ClusterEngine
from frbench.engines.cluster.runners import Runner
from frbench.planning.measured import measure
from frbench.planning.sizing import Sizing
from frbench.runs.manifest import hardware

K = 50
ROWS_AT_ONCE = 1 << 16
# Of a probe beside its row of the gallery: they score 0.9.
NOISE = 0.5


def written(folder: Path, n: int, m: int, dimension: int) -> tuple[Path, Path]:
    """Files of `n` random rows, a part at a time, and of `m` other photographs of the first ones; subjects beside."""
    random = np.random.default_rng(1)
    folder.mkdir()
    gallery, probes = folder / "gallery.npy", folder / "probes.npy"
    rows = np.lib.format.open_memmap(gallery, mode="w+", dtype=np.float32, shape=(n, dimension))
    for start in range(0, n, ROWS_AT_ONCE):
        part = rows[start : start + ROWS_AT_ONCE]
        part[:] = random.standard_normal(part.shape, dtype=np.float32)
    np.save(probes, rows[:m] + NOISE * random.standard_normal((m, dimension), dtype=np.float32))
    rows.flush()
    for file, size in ((gallery, n), (probes, m)):
        file.with_suffix(".csv").write_text("\n".join(["subject_id", *(f"S{row}" for row in range(size))]) + "\n")
    return gallery, probes


def searched(engine: ClusterEngine, gallery: Path, probes: Path) -> tuple[float, dict[str, float]]:
    """Seconds of a whole search, and the most that a worker took by kind of work."""
    before = engine.describe()["workers"]
    begin = time.perf_counter()
    found, asked = (templates.load(path, labels=path.with_suffix(".csv"), threads=1) for path in (gallery, probes))
    task = Identification(found, asked, (), k=K)
    search_all(task, engine)
    task.plan(())
    seconds = time.perf_counter() - begin
    after = engine.describe()["workers"]
    return seconds, {
        key: max(b[key] - a[key] for a, b in zip(before, after, strict=True)) for key in ("read_s", "busy_s")
    }


def main(gallery: int, probes: int, dimension: int, workers: int) -> None:
    """Prints seconds and bytes beside those that were planned."""
    begin = time.perf_counter()
    here = measure(dimension, K, threads=1, workers=workers)
    measured_s = time.perf_counter() - begin
    sizing = Sizing(gallery, probes, dimension, here, K)
    with tempfile.TemporaryDirectory(prefix="frbench-bench-") as folder, local_cluster(workers):
        files = written(Path(folder) / "all", gallery, probes, dimension)
        few = written(Path(folder) / "few", 1000, 100, dimension)
        engine = Runner(workers=workers).open("cpu", None, 1)
        try:
            # Workers import what they need.
            searched(engine, *few)
            all_s, first = searched(engine, *files)
            # Rows are packed by the first search of them.
            _, again = searched(engine, *files)
            peak = max(worker["peak_bytes"] for worker in engine.describe()["workers"])
        finally:
            engine.close()
    compare_s = again["busy_s"]
    read_s = first["read_s"] + first["busy_s"] - compare_s
    print(f"{hardware()}; load average {', '.join(f'{each:.1f}' for each in os.getloadavg())}")
    print(f"{gallery:,} rows of dimension {dimension}, {probes:,} probes, lists of {K}, {workers} workers of a thread")
    print(f"rates were measured in {measured_s:.1f} s")
    for what, planned, took in (
        ("prepare and merge, s", sizing.prepare_s + sizing.merge_s, all_s - read_s - compare_s),
        ("read, s", sizing.read_s, read_s),
        ("compare, s", sizing.compare_s, compare_s),
        ("all, s", 3600 * sizing.hours, all_s),
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
