"""Measures what a worker of this machine does in a second, on a gallery that it reads and searches.

Workers are tried side by side, each in a process of its own. Rows lie in memory that the system has to find, as those
of a large gallery do: below a virtual machine, whose idle memory serves others, that takes many times as long as to use
again what was just set free.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from frbench import templates
from frbench.candidates import best_of
from frbench.counting.identify import Identification
from frbench.counting.side_by_side import SideBySide
from frbench.engines import SETTLED, Engine, counted
from frbench.engines.cluster.parts import Parts
from frbench.engines.cluster.rows import DIGEST_ROWS
from frbench.engines.cluster.shard import Held, digest_of
from frbench.engines.local import open_local
from frbench.errors import InputError
from frbench.inputs import scratch
from frbench.inputs.arrays import Advance, Floats32
from frbench.inputs.matrices import read_matrix
from frbench.inputs.storage import numbers_of
from frbench.planning.hardware import Hardware
from frbench.planning.trial import Trial
from frbench.templates import Templates

# Of rows that are tried: more than caches hold.
BYTES = 192 << 20
# Memory is taken for so long before anything is timed, so that what programs have just set free is used up.
TAKEN_S = 2.0
TAKEN_AT_ONCE = 64 << 20
LABELS = 400_000
PROBES = 1_000
# A search is repeated for this long at least.
LEAST_S = 0.4
# Lists of candidates that are merged at a time.
LISTS = 4
# Things done that `measure` tells of.
STEPS = 4


class _Worker(NamedTuple):
    """Rates of a worker while others do the same; see `Hardware`."""

    rows_read_per_s: float
    comparisons_per_s: float
    rows_passed_per_s: float | None
    lists_per_s: float | None


def measure(
    dimension: int,
    k: int,
    *,
    path: Path | None = None,
    threads: int = 0,
    workers: int = 1,
    advance: Advance = lambda _: None,
) -> Hardware:
    """Rates of this machine, from some seconds of reading and searching.

    Parameters
    ----------
    path : templates whose first rows are read and searched; None takes random ones of `dimension`, which no one
        resembles.
    threads : of a worker; 0 takes its share of the processors.
    workers : on a machine; as many are tried side by side as there are processors for.
    advance : told of each of `STEPS` that is done.

    Raises
    ------
    InputError : the file cannot be read, or has another dimension, too few rows, or failed ones.
    """
    each = threads or max(1, scratch.processors() // workers)
    tried = max(1, min(workers, scratch.processors() // each))
    least = 4 * (k + 1)
    rows = _rows(path, dimension, max(least, BYTES // (4 * dimension)))
    if len(rows) < least:
        raise InputError(f"{path}: rates of this plan are measured on {least:,} rows or more, it has {len(rows):,}")
    with tempfile.TemporaryDirectory(prefix="frbench-plan-") as folder:
        file = Path(folder) / "rows.npy"
        np.save(file, rows)
        del rows
        taken = _taken()
        advance(1)
        begin = time.perf_counter()
        found, held = _prepared(file, threads)
        prepare_s = time.perf_counter() - begin
        advance(1)
        if found.failed.any():
            raise InputError(f"{path}: rates are measured on rows none of which failed, {found.failed.sum():,} did")
        probes = np.ascontiguousarray(found.unit[:: max(1, len(found) // PROBES)][:PROBES])
        with SideBySide(partial(Trial, each), tried) as trials:
            worker = _tried(trials, held, _held(found, len(found) // 2), probes, k)
        advance(1)
        labels_s = _seconds_of_labels(Path(folder), threads)
        advance(1)
    del taken
    return Hardware(
        memory_gib=scratch.memory_bytes() / 2**30,
        dimension=dimension,
        **worker._asdict(),
        rows_prepared_per_s=len(found) / prepare_s,
        candidates_merged_per_s=_merged_per_s(len(probes), k),
        settled_share=_settled_share(open_local("cpu", None, threads), found.unit, probes, k),
        labels_prepared_per_s=LABELS / labels_s,
        workers=workers,
        threads=each,
        source=_source(len(found), dimension, path, tried if tried < workers else None),
    )


def _rows(path: Path | None, dimension: int, most: int) -> NDArray[Any]:
    if path is None:
        return np.random.default_rng(0).standard_normal((most, dimension), dtype=np.float32)
    matrix = read_matrix(path)
    if matrix.dimension != dimension:
        raise InputError(f"{path} has dimension {matrix.dimension}, the plan has {dimension}; give --dimension")
    blocks, left = [], most
    for block in matrix.blocks:
        blocks.append(np.asarray(block[:left]))
        left -= len(blocks[-1])
    return np.concatenate(blocks)


def _taken() -> list[NDArray[np.uint8]]:
    """Memory, to be kept while rates are measured: at most half of what is free, and what rows would be given."""
    most = min(scratch.SHARE_OF_MEMORY * scratch.memory_bytes(), scratch.free_bytes() / 2)
    taken: list[NDArray[np.uint8]] = []
    begin = time.perf_counter()
    while len(taken) * TAKEN_AT_ONCE < most and time.perf_counter() - begin < TAKEN_S:
        taken.append(np.ones(TAKEN_AT_ONCE, np.uint8))
    return taken


def _prepared(file: Path, threads: int) -> tuple[Templates, Held]:
    """The rows as the program that hands out the work reads, checks and digests them, and as a worker holds them."""
    found = templates.load(file, threads=threads)
    _ = found.digest
    return found, _held(found, len(found))


def _seconds_of_labels(folder: Path, threads: int) -> float:
    """Seconds in which that program reads labels, joins and digests them, and plans: each row is of another subject."""
    rows, labels = folder / "narrow.npy", folder / "labels.csv"
    np.save(rows, np.ones((LABELS, 1), np.float32))
    labels.write_text("\n".join(["subject_id", *(f"S{row:09}" for row in range(LABELS))]) + "\n")
    begin = time.perf_counter()
    found = templates.load(rows, labels=labels, threads=threads)
    task = Identification(found, found.take(range(1)), (), k=1)
    _ = task.digest, task.mates, task.plan(())
    return time.perf_counter() - begin


def _held(found: Templates, n: int) -> Held:
    """The first `n` rows, as a worker is told to hold them."""
    assert found.stored is not None
    rows = np.arange(n, dtype=np.int64)
    blocks = (found.unit[rows[start : start + DIGEST_ROWS]] for start in range(0, n, DIGEST_ROWS))
    return Held(found.stored.location, (numbers_of(rows),), found.dimension, digest_of(blocks), Parts.of(n, 1), 0)


def _tried(trials: SideBySide, held: Held, half: Held, probes: Floats32, k: int) -> _Worker:
    """The slowest worker's rates, from searches of as many probes in all and in half of the rows, and of one in all."""

    def most(method: str, *arguments: Any) -> float:
        return max(float(seconds) for seconds in trials.ask(method, [arguments] * trials.n))

    n, fewer, m = held.parts.n, half.parts.n, len(probes)
    read_s = most("read", held)
    in_all, of_one = (most("search", held, asked, k, LEAST_S) for asked in (probes, probes[:1]))
    again_s = most("read", half)
    in_half = most("search", half, probes, k, LEAST_S)
    rows_read_per_s = max(n / read_s, fewer / again_s)
    # Seconds are m (n / comparisons + 1 / lists) + n / passed. Each is known to a share of itself; none is below 0.
    seconds = np.array([in_all, of_one, in_half])
    factors = np.array([[m * n, m, n], [n, 1, n], [m * fewer, m, fewer]]) / seconds[:, None]
    (a_pair, a_list, a_row), _ = nnls(factors, np.ones(3))
    if not a_pair:
        # Too few rows to tell what grows with them: everything is said of pairs.
        return _Worker(rows_read_per_s, m * n / in_all, None, None)
    return _Worker(rows_read_per_s, float(1 / a_pair), _rate(a_row), _rate(a_list))


def _rate(seconds: float) -> float | None:
    return float(1 / seconds) if seconds else None


def _source(n: int, dimension: int, path: Path | None, tried: int | None) -> str:
    """What was measured; rows that fill no call tell little of a large gallery."""
    found = f"measured here, on {n:,} rows {'of random numbers' if path is None else f'of {path.name}'}"
    if tried is not None:
        found += f", {tried} workers at a time"
    if n * dimension * 4 >= BYTES // 2:
        return found
    return f"{found}: too few to tell the rates of a large gallery, which may be much higher"


def _settled_share(engine: Engine, unit: Floats32, probes: Floats32, k: int) -> float:
    """Share of pairs that a sieve leaves, whose limit is what the k-th best of a middling probe reaches."""
    rows, searched = engine.rows(unit), engine.rows(probes)
    scores, _, _ = rows.search(searched, k)
    pairs = counted(searched, rows, np.array([float(np.median(scores[:, -1]))]))
    return float(engine.describe()[SETTLED] / int(pairs.sum()))


def _merged_per_s(probes: int, k: int) -> float:
    scores = np.random.default_rng(0).random((probes, LISTS * k), dtype=np.float32)
    rows = np.arange(scores.size, dtype=np.int64).reshape(scores.shape)
    done, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < LEAST_S:
        best_of(scores, rows, k)
        done += scores.size
    return done / (time.perf_counter() - begin)
