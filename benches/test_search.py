"""Search and sweep against numpy in the same process; every answer is checked before it is timed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from frbench import Gallery, load

LFW = Path(__file__).parents[1] / "examples" / "lfw" / "dlib-128.npy"
N_PROBES, K = 1000, 50
EDGES = np.linspace(0.5, 1, 501)

Matrix = NDArray[np.float32]


@pytest.fixture(scope="module")
def unit() -> Matrix:
    """Unit rows of the example templates."""
    return load(LFW).unit


def numpy_search(gallery: Matrix, probes: Matrix) -> NDArray[np.int64]:
    """The k best rows by a float32 product and argpartition, in no order."""
    return np.argpartition(-(probes @ gallery.T), K, axis=1)[:, :K]


def numpy_count(gallery: Matrix, probes: Matrix) -> NDArray[np.int64]:
    """Scores at or above each edge by a float32 product and a histogram."""
    histogram = np.histogram((probes @ gallery.T).ravel(), bins=[*EDGES, np.inf])[0]
    return histogram[::-1].cumsum()[::-1]


@pytest.mark.benchmark(group="search: 1,000 probes, gallery 13,233 x 128, k = 50")
@pytest.mark.parametrize("who", ["frbench", "numpy float32"])
def test_search(benchmark: Callable[..., Any], unit: Matrix, who: str) -> None:
    """Both find the same rows, but for scores that float32 cannot tell apart."""
    probes = unit[:N_PROBES]
    gallery = Gallery(unit)
    exact = gallery.search(probes, k=K)[0]
    found = numpy_search(unit, probes)
    kth = np.sort((probes[:, None, :] * unit[found]).sum(axis=2), axis=1)[:, 0]
    # A float32 product of 128 terms errs by less than 128 * 2^-24.
    assert np.abs(kth - exact[:, -1]).max() < 128 * 2.0**-24

    if who == "frbench":
        benchmark(gallery.search, probes, K)
    else:
        benchmark(numpy_search, unit, probes)


@pytest.mark.benchmark(group="count: 1,000 probes, gallery 13,233 x 128, 501 thresholds")
@pytest.mark.parametrize("who", ["frbench", "numpy float32"])
def test_count(benchmark: Callable[..., Any], unit: Matrix, who: str) -> None:
    """Both count the same, but for pairs whose score lies within float32 error of a threshold."""
    probes = unit[:N_PROBES]
    gallery = Gallery(unit)
    error = 128 * 2.0**-24
    low, high = (gallery.count(probes, np.clip(EDGES + shift, -1, 1)) for shift in (error, -error))
    counted = numpy_count(unit, probes)
    # At 1 itself the shifted threshold would be outside [-1, 1].
    assert (low[:-1] <= counted[:-1]).all()
    assert (counted[:-1] <= high[:-1]).all()

    if who == "frbench":
        benchmark(gallery.count, probes, EDGES)
    else:
        benchmark(numpy_count, unit, probes)
