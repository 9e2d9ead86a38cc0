"""How the cost of a sweep grows: with rows, with threads, with dimensions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from benches import checks, own, peers, workload
from benches.conftest import Run
from benches.race import Work
from benches.workload import Matrix, Size
from frbench import Gallery

DIMENSIONS = (64, 96, 127, 128, 129, 192, 256, 384, 512, 513, 576, 768, 1024)


def edges_of(d: int) -> NDArray[np.float64]:
    """200 edges from 3.09 standard deviations up, where one random pair in a thousand lies above."""
    return np.minimum(3.09 / np.sqrt(d) + 0.001 * np.arange(200), 1)


def checked(gallery: Gallery, probes: Matrix, matrix: Matrix) -> Callable[[], NDArray[np.uint64]]:
    """A sweep that was found right for some probes."""
    edges = edges_of(matrix.shape[1])
    true = checks.truth(probes, matrix)
    checks.counts(gallery.count(probes[true.at], edges), true.scores, edges, error=checks.OWN_ERROR)
    return lambda: gallery.count(probes, edges)


def test_sweep_with_rows_and_threads(run: Run, size: Size) -> None:
    """Twice the probes, twice the gallery, both; one thread."""
    d = 512
    probes = workload.unit_rows(2 * size.rows(500), d, seed=2)
    matrix = workload.unit_rows(2 * size.rows(100_000, least=256), d, seed=1)
    m, n = len(probes) // 2, len(matrix) // 2
    small, large, alone = Gallery(matrix[:n]), Gallery(matrix), Gallery(matrix[:n], threads=1)
    plain = checked(small, probes[:m], matrix[:n])
    contestants = [
        *own.twice(f"frbench {small.isa}", plain),
        own.contestant("2 x probes", checked(small, probes, matrix[:n]), kind="own"),
        own.contestant("2 x gallery", checked(large, probes[:m], matrix), kind="own"),
        own.contestant("2 x both", checked(large, probes, matrix), kind="own"),
        own.contestant("1 thread", checked(alone, probes[:m], matrix[:n]), kind="own"),
    ]
    size_in_words = f"{m:,} probes, {n:,} x {d}, 200 edges, {own.threads()} threads"
    run(Work("sweep", size_in_words, m * n), contestants, rounds=9)


@pytest.mark.parametrize("d", DIMENSIONS)
def test_sweep_by_dimension(run: Run, size: Size, d: int) -> None:
    """One dimension, beside the bare product in numpy."""
    probes = workload.unit_rows(size.rows(1000), d, seed=2)
    matrix = workload.unit_rows(size.rows(50_000, least=256), d, seed=1)
    gallery = Gallery(matrix)
    plain = checked(gallery, probes, matrix)
    numpy_product = peers.numpy_product(matrix, probes)
    checks.product(numpy_product.call(), checks.truth(probes, matrix), checks.float32_error(d))
    ours = own.twice(f"frbench {gallery.isa}", plain)
    words = f"sweep by dimension: {len(probes):,} probes, {len(matrix):,} rows, 200 edges"
    run(Work("sweep", "", len(probes) * len(matrix), series=words, label=f"d = {d}"), [*ours, numpy_product], rounds=9)
