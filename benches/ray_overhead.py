"""What handing tiles to Ray costs: the same tiles by one process, by processes that nobody hands anything, and by Ray.

One process shares what it lays out among its threads; processes that divide the gallery cannot, whoever hands them
their tiles. So a run is compared with both: the second ratio is what the runner itself costs. By the clock, and by
processor seconds of everybody, which say more on a machine that others use.

python -m benches.ray_overhead --rows 141000 --blocks 3 --workers 2
python -m benches.ray_overhead --rows 300000 --axis-from 0.2
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from frbench import templates
from frbench.counting.layout import Layout
from frbench.counting.side_by_side import SideBySide
from frbench.counting.verify import AllPairs
from frbench.engines import Engine
from frbench.engines.cluster.ray_cluster import local_cluster
from frbench.engines.cluster.rows import ClusterEngine
from frbench.engines.cluster.runners import Runner
from frbench.engines.cluster.shard import Shard
from frbench.engines.cpu import CpuEngine
from frbench.engines.local import open_local
from frbench.inputs import scratch
from frbench.plan import score_axis
from frbench.runs.manifest import hardware
from frbench.templates import Templates

DIMENSION = 512

Counts = NDArray[np.int64]


class Work(NamedTuple):
    """All pairs of a file of rows, in blocks, on an axis that begins at `lowest`."""

    file: Path
    blocks: int
    lowest: float


class Took(NamedTuple):
    """What a side counted, its seconds by the clock and of processors, and the share of workers' time without work."""

    counts: Counts
    clock_s: float
    cpu_s: float
    idle: float | None = None


class Counter:
    """Counts all pairs by an engine; its workers have read their rows and packed them."""

    def __init__(self, work: Work, engine: Engine) -> None:
        self._engine = engine
        self._counter = AllPairs(Layout.of(_loaded(work.file), (), work.blocks), engine)
        self._plan = self._counter.plan(score_axis(0.001, lowest=work.lowest))
        self._counter.count(self._counter.plan((1.0,)), (0, 0))
        # Those off the diagonal, as nearly all of a long run are.
        self.tiles = [tile for tile in self._plan.tiles() if tile[0] != tile[1]]

    def count(self) -> Counts:
        """Counts of tiles, as many at a time as a run counts."""
        with ThreadPoolExecutor(self._engine.parallel) as threads:
            counts = list(threads.map(partial(self._counter.count, self._plan), self.tiles))
        # Nobody failed, and nobody is there twice: one cell, without the bin of trials that failed.
        total: Counts = np.sum(counts, axis=(0, 1))[:-1]
        return total


class Recorder:
    """Workers in this process that note down what they are asked to count."""

    lost: Sequence[str] = ()
    threads = 1

    def __init__(self, n: int) -> None:
        self.n = n
        self.asked: list[Sequence[tuple[Any, ...]]] = []
        self._shards = [_shard(scratch.processors()) for _ in range(n)]

    def share(self, value: Any) -> Any:
        """`value`: it stays here."""
        return value

    def map(self, method: str, pieces: Iterable[Sequence[tuple[Any, ...]]]) -> Iterator[list[Any]]:
        """For each piece, the answers of all workers."""
        for piece in pieces:
            self.asked.append(piece)
            yield [getattr(shard, method)(*arguments) for shard, arguments in zip(self._shards, piece, strict=True)]

    def describe(self) -> Mapping[str, Any]:
        """Nothing."""
        return {}

    def close(self) -> None:
        """Nothing is held elsewhere."""


class Process:
    """A worker without a runner: it has everything that it will be asked before it begins."""

    def __init__(self) -> None:
        self._shard = _shard(1)

    def begin(self, first: tuple[Any, ...], asked: list[tuple[Any, ...]]) -> None:
        """Reads its rows, and keeps what it will be asked."""
        self._shard.count(*first)
        self._asked = asked

    def count(self) -> tuple[Counts, float]:
        """What it counts in all, and its processor seconds."""
        begin = time.process_time()
        counts = [self._shard.count(*arguments).value.sum(axis=0) for arguments in self._asked]
        return np.sum(counts, axis=0).astype(np.int64), time.process_time() - begin


def begin(processes: SideBySide, work: Work) -> None:
    """Tells each process what a worker on Ray is asked in a run."""
    recorder = Recorder(processes.n)
    counter = Counter(work, ClusterEngine(recorder, CpuEngine()))
    # What reads the rows is no part of the run.
    first = recorder.asked[0]
    recorder.asked.clear()
    counter.count()
    processes.ask("begin", [(first[i], [piece[i] for piece in recorder.asked]) for i in range(processes.n)])


def by_one(counter: Counter) -> Took:
    """Tiles by this process."""
    clock, cpu = time.perf_counter(), time.process_time()
    counts = counter.count()
    return Took(counts, time.perf_counter() - clock, time.process_time() - cpu)


def by_processes(processes: SideBySide) -> Took:
    """Tiles by processes that each count their part."""
    clock = time.perf_counter()
    answers = processes.ask("count", [()] * processes.n)
    clock_s = time.perf_counter() - clock
    return Took(sum(counts for counts, _ in answers), clock_s, sum(cpu_s for _, cpu_s in answers))


def by_ray(counter: Counter, engine: ClusterEngine) -> Took:
    """Tiles by workers on Ray."""
    clock, cpu, before = time.perf_counter(), time.process_time(), _worked(engine)
    counts = counter.count()
    clock_s, (cpu_s, busy_s) = time.perf_counter() - clock, _worked(engine) - before
    idle = 1 - busy_s / (engine.workers.n * clock_s)
    return Took(counts, clock_s, time.process_time() - cpu + cpu_s, idle)


def measured(work: Work, workers: int, rounds: int) -> list[list[Took]]:
    """What each side took in each round; sides begin in turn."""
    with local_cluster(workers), SideBySide(Process, workers) as processes:
        begin(processes, work)
        engine = Runner(workers=workers).open("cpu", None, 1)
        assert isinstance(engine, ClusterEngine)
        try:
            one, ray = Counter(work, CpuEngine(threads=workers)), Counter(work, engine)
            sides: list[Callable[[], Took]] = [
                partial(by_one, one),
                partial(by_processes, processes),
                partial(by_ray, ray, engine),
            ]
            took = []
            for number in range(rounds):
                order = [(number + i) % len(sides) for i in range(len(sides))]
                found = {side: sides[side]() for side in order}
                took.append([found[side] for side in range(len(sides))])
            return took
        finally:
            engine.close()


def show(took: list[list[Took]], workers: int, tiles: int) -> None:
    """Prints medians of both times, and ratios of rounds."""
    if any(not np.array_equal(each.counts, took[0][0].counts) for found in took for each in found):
        raise SystemExit("the counts differ")
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"{hardware()}; load average {load}")
    pairs = int(took[0][0].counts.sum())
    print(f"{pairs:,} pairs in {tiles} tiles, {workers} workers of a thread, {len(took)} rounds, medians")
    for name, kind in (("clock", "clock_s"), ("processors", "cpu_s")):
        seconds = np.array([[getattr(each, kind) for each in found] for found in took])
        one, divided, ray = np.median(seconds, axis=0)
        print(f"{name:<12}one process {one:.2f} s, processes without a runner {divided:.2f} s, Ray {ray:.2f} s")
        for other, side in (("one process", 0), ("processes without a runner", 1)):
            more = seconds[:, 2] / seconds[:, side] - 1
            print(f"{'':<12}Ray over {other}: {np.median(more):+.1%} ({more.min():+.1%} to {more.max():+.1%})")
    print(f"workers without work: {np.median([found[2].idle for found in took]):.1%} of their time")


def _worked(engine: ClusterEngine) -> NDArray[np.float64]:
    workers = engine.describe()["workers"]
    return np.array([sum(worker[kind] for worker in workers) for kind in ("cpu_s", "busy_s")])


def _shard(threads: int) -> Shard:
    return Shard(partial(open_local, "cpu", None), threads)


def _loaded(file: Path) -> Templates:
    found = templates.load(file)
    return found.with_subjects(np.arange(len(found)).astype(str).astype(object))


def main(rows: int, blocks: int, workers: int, rounds: int, lowest: float) -> None:
    """Makes the rows, measures and prints."""
    with tempfile.TemporaryDirectory(prefix="frbench-bench-") as folder:
        work = Work(Path(folder) / "t.npy", blocks, lowest)
        np.save(work.file, np.random.default_rng(1).standard_normal((rows, DIMENSION), dtype=np.float32))
        show(measured(work, workers, rounds), workers, blocks * (blocks - 1) // 2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=141_000)
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--axis-from", type=float, default=-1.0)
    options = parser.parse_args()
    main(options.rows, options.blocks, options.workers, options.rounds, options.axis_from)
