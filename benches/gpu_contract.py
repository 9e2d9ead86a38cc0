"""The GPU engine held to the CPU's, which the tests hold to the oracle: every count, candidate and score, bit for bit.

It asks for numpy and frbench alone, so that it runs on a machine that has little else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benches.workload import LFW, Matrix
from frbench.engines import Engine
from frbench.engines.cpu import CpuEngine
from frbench.engines.gpu import GpuEngine
from frbench.engines.gpu.arrays import Arrays
from frbench.engines.reference import ReferenceEngine
from frbench.plan import Rectangle
from frbench.templates import load

CELLS = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]], np.uint32)


class AnswersDiffer(AssertionError):
    """The GPU did not give what the CPU gives."""


def worlds(*, most_rows: int) -> Iterator[tuple[str, Matrix]]:
    """Unit rows by name: ties, near ties, opposite and zero rows, dimensions that are a multiple of nothing, and faces.

    most_rows : larger worlds are left out, and of the example templates, where they are, no more are taken.
    """
    for n, d in ((1, 1), (2, 3), (40, 5), (333, 129), (260, 513), (700, 17), (1500, 512)):
        if n <= most_rows:
            yield f"crowd {n} x {d}", crowd(n, d)
    rows = unit_rows(np.repeat(crowd(3, 64), most_rows // 8, axis=0))
    yield "three rows, each many times", rows
    yield "rows and their opposites", np.concatenate([rows[::20], -rows[::20]])
    whole = unit_rows(np.random.default_rng(1).integers(-2, 3, (min(900, most_rows), 20)).astype(np.float32) + 1e-9)
    whole[::50] = 0
    yield "scores on few values, and zero rows", whole
    if LFW.is_file():
        yield f"faces, {most_rows} x 128", np.ascontiguousarray(load(LFW).unit[:most_rows])


def unit_rows(matrix: NDArray[Any]) -> Matrix:
    """Rows of norm one, to float32."""
    wide = np.asarray(matrix, np.float64)
    return (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float32)


def crowd(n: int, d: int) -> Matrix:
    """Unit rows, a third of which occur twice, and a third of which lie within a few float32 of another."""
    random = np.random.default_rng(n * 1000 + d)
    rows, third = random.normal(size=(n, d)), n // 3
    rows[:third] = rows[third : 2 * third]
    rows[2 * third :] = rows[: n - 2 * third] * (1 + 1e-7 * random.normal(size=(n - 2 * third, d)))
    return unit_rows(rows)


def check(gpu: Engine, unit: Matrix, name: str, *, held: Any = None) -> None:
    """Holds counts, searches, tails and scores of one world to those of the CPU.

    held : the same rows on a device, to be given to the engine in their place.

    Raises
    ------
    AnswersDiffer : the message says in which.
    """
    cpu = CpuEngine()
    ours, theirs = gpu.rows(unit if held is None else held), cpu.rows(unit)
    n, random = len(unit), np.random.default_rng(7)
    a, b = random.integers(n, size=(2, 500))
    scores = theirs.score_pairs(theirs, a, b)
    _same(name, "scores", ours.score_pairs(ours, a, b), scores)
    group, subject = (random.integers(k, size=n).astype(np.uint32) for k in (3, max(1, n // 2)))
    ordered = np.unique(scores.astype(np.float64))
    axes = (ordered[len(ordered) // 2 :], np.linspace(-1, 1, 401), np.array([0.7, float(ordered[-1])]))
    for upper in (False, True):
        where = Rectangle((n // 5, n), (n // 7, n), upper, group, group, CELLS, 6)
        for edges in axes:
            both = [side.count(side, np.unique(edges), where) for side in (ours, theirs)]
            _same(name, f"counts above {edges[0]:.3f}, upper {upper}", *both)
        lowest = np.array([-np.inf, np.inf, 0.1, *ordered[:1], 0.0, 0.9])
        kept = [side.tail(side, 20, lowest, where, (subject, subject)) for side in (ours, theirs)]
        for column, (x, y) in enumerate(zip(*kept, strict=True)):
            _same(name, f"column {column} of the tail, upper {upper}", x, y)
    floors = theirs.score_pairs(theirs, np.arange(n), random.integers(n, size=n))
    for k in sorted({0, 1, min(n, 7), min(n, 60)}):
        answers = zip(ours.search(ours, k, floors=floors), theirs.search(theirs, k, floors=floors), strict=True)
        for part, (x, y) in zip(("best scores", "best rows", "rows at the floor"), answers, strict=True):
            _same(name, f"{part}, k = {k}", x, y)


def check_order(arrays: Arrays) -> None:
    """Scores are added in the order of the definition: of rows whose components cancel, nothing but roundings is left.

    Raises
    ------
    AnswersDiffer : some other order was taken.
    """
    random = np.random.default_rng(5)
    for d in (3, 16, 77, 512):
        half = random.normal(size=(200, d // 2)) * 10.0 ** random.integers(-3, 4, size=(200, d // 2))
        rows = np.zeros((200, d), np.float32)
        rows[:, : 2 * (d // 2)] = random.permuted(np.concatenate([half, -half], axis=1), axis=1)
        ones, place = np.ones((1, d), np.float32), np.arange(200)
        both = arrays.put(rows), arrays.put(ones), arrays.put(place), arrays.put(place * 0)
        expected = ReferenceEngine().rows(rows).score_pairs(ReferenceEngine().rows(ones), place, place * 0)
        _same("cancelling rows", f"scores at d = {d}", arrays.get(arrays.scores(*both)), expected)


def check_from_device(gpu: GpuEngine, torch: Any, device: str) -> None:
    """Rows that are made on the device have the bits of the CPU's, and are counted where they lie."""
    random = np.random.default_rng(3)
    matrix = random.normal(size=(500, 77)).astype(np.float32)
    matrix[[3, 9, 20]] = np.array([[np.nan], [0], [np.inf]])
    held = torch.from_numpy(matrix).to(device)
    unit, is_ok = gpu.unit_rows(held)
    expected = np.zeros_like(matrix)
    from frbench import _rust  # the compiled module is what it is held to

    _same("device", "rows that have a direction", is_ok.cpu().numpy(), _rust.unit_rows(matrix, expected))
    _same("device", "unit rows", unit.cpu().numpy(), expected)
    rows, host = gpu.rows(unit), CpuEngine().rows(expected)
    if rows.unit.data_ptr() != unit.data_ptr():
        raise AnswersDiffer("device: rows that were on the device already were copied")
    _same("device", "best scores", rows.search(rows, 5)[0], host.search(host, 5)[0])


def _same(world: str, what: str, ours: NDArray[Any], theirs: NDArray[Any]) -> None:
    # Adding zero makes one zero of the two.
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype or (ours + 0).tobytes() != (theirs + 0).tobytes():
        differing = np.flatnonzero(ours.ravel() != theirs.ravel()) if ours.shape == theirs.shape else []
        first = f"first at {differing[0]}: {ours.ravel()[differing[0]]}" if len(differing) else f"{ours.shape}"
        expected = theirs.ravel()[differing[0]] if len(differing) else theirs.shape
        raise AnswersDiffer(f"{world}: {what}: {len(differing)} differ, {first}, expected {expected}")
