"""What handing tiles to Ray costs: the same tile by one process and by workers.

By the clock, and by processor seconds of everybody, which say more on a machine that others use; and how long workers
had nothing to do.

python -m benches.ray_overhead --rows 90000 --workers 2
python -m benches.ray_overhead --rows 250000 --axis-from 0.2
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frbench import templates
from frbench.cluster.ray_workers import local_cluster
from frbench.cluster.runners import Runner
from frbench.engines import Engine
from frbench.engines.cpu import CpuEngine
from frbench.layout import Layout
from frbench.manifest import hardware
from frbench.plan import score_axis
from frbench.templates import Templates
from frbench.verify import AllPairs

DIMENSION = 512
BLOCKS = 2
# Off the diagonal, as nearly all are.
TILE = (0, 1)


class Side:
    """One way to count a tile: by this process, or by workers."""

    def __init__(self, found: Templates, engine: Engine, lowest: float) -> None:
        self._engine = engine
        self._counter = AllPairs(Layout.of(found, (), BLOCKS), engine)
        self._plan = self._counter.plan(score_axis(0.001, lowest=lowest))
        # Rows are read before.
        self._counter.count(self._counter.plan((1.0,)), (0, 0))

    def count(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Counts of a tile; its seconds by the clock, of processors, and of workers at work."""
        begin = self._seconds()
        counts = self._counter.count(self._plan, TILE)
        return counts, self._seconds() - begin

    def _seconds(self) -> NDArray[np.float64]:
        workers = self._engine.describe().get("workers", ())
        cpu_s, busy_s = (sum(worker[kind] for worker in workers) for kind in ("cpu_s", "busy_s"))
        return np.array([time.perf_counter(), time.process_time() + cpu_s, busy_s])


def main(rows: int, workers: int, rounds: int, lowest: float) -> None:
    """Prints medians of both times, and the share of time that workers were idle."""
    with tempfile.TemporaryDirectory(prefix="frbench-bench-") as folder, local_cluster(workers):
        file = Path(folder) / "t.npy"
        np.save(file, np.random.default_rng(1).standard_normal((rows, DIMENSION), dtype=np.float32))
        found = templates.load(file).with_subjects(np.arange(rows).astype(str).astype(object))
        engine = Runner(workers=workers).open("cpu", None, 1)
        try:
            sides = [Side(found, each, lowest) for each in (CpuEngine(threads=workers), engine)]
            took = [[side.count() for side in sides] for _ in range(rounds)]
        finally:
            engine.close()
    if any(not np.array_equal(here[0], there[0]) for here, there in took):
        raise SystemExit("the counts differ")
    seconds = np.array([[each for _, each in pair] for pair in took])
    alone, on_ray = np.median(seconds, axis=0)
    more = seconds[:, 1, :2] / seconds[:, 0, :2] - 1
    print(f"{hardware()}; load average {', '.join(f'{each:.1f}' for each in os.getloadavg())}")
    print(
        f"a tile of {int(took[0][0][0].sum()):,} pairs, {workers} workers of a thread, {rounds} rounds in turn, medians"
    )
    for name, one, other, each in zip(("clock", "processors"), alone, on_ray, more.T, strict=False):
        print(
            f"{name:<12}one process {one:.2f} s, Ray {other:.2f} s; "
            f"{np.median(each):+.1%} in a round ({each.min():+.1%} to {each.max():+.1%})"
        )
    print(f"workers without work: {1 - on_ray[2] / (workers * on_ray[0]):.1%} of their time")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=90_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--axis-from", type=float, default=-1.0)
    options = parser.parse_args()
    main(options.rows, options.workers, options.rounds, options.axis_from)
