"""Finds the k-th largest of more numbers than memory holds, exactly, in a few passes.

The range is cut into a million cells, by a function of the number that never decreases; the cell with the k-th largest
is collected and sorted, or cut again if it holds too many.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from frbench.inputs.arrays import Floats, Ints

Pass = Callable[[], Iterator[Floats]]
N_CELLS = 1 << 20
COLLECTED = 1 << 22


def largest(
    numbers: Pass, ks: Sequence[int], *, low: float, high: float, n_cells: int = N_CELLS, collected: int = COLLECTED
) -> list[float]:
    """For each k, the k-th largest number, 1 being the first.

    Parameters
    ----------
    numbers : makes a pass over all of them, some at a time; none is NaN, and all lie in [low, high].
    ks : each 1 to the number of numbers.
    collected : numbers that may be held in memory.
    """
    if low == high:
        return [low] * len(ks)
    # How many lie at or above each cell, the last cell first.
    counts = _counts(numbers, low, high, n_cells)
    above = np.append(counts[::-1].cumsum()[::-1], 0)
    cell_of = [int(np.searchsorted(-above, -k, side="right")) - 1 for k in ks]
    found = {
        cell: _in_cell(
            numbers, cell, [k - int(above[cell + 1]) for k, c in zip(ks, cell_of, strict=True) if c == cell],
            low=low, high=high, n=int(counts[cell]), n_cells=n_cells, collected=collected,
        )
        for cell in set(cell_of)
    }  # fmt: skip
    return [found[cell].pop(0) for cell in cell_of]


def _in_cell(
    numbers: Pass, cell: int, ks: Sequence[int], *, low: float, high: float, n: int, n_cells: int, collected: int
) -> list[float]:
    """The k-th largest of the numbers in one cell, of which there are `n`."""

    def inside() -> Iterator[Floats]:
        for part in numbers():
            yield part[_cells(part, low, high, n_cells) == cell]

    if n <= collected:
        decreasing = np.sort(np.concatenate(list(inside())))[::-1]
        return [float(decreasing[k - 1]) for k in ks]
    ends = [(part.min(), part.max()) for part in inside() if len(part)]
    least, most = min(a for a, _ in ends), max(b for _, b in ends)
    return largest(inside, ks, low=float(least), high=float(most), n_cells=n_cells, collected=collected)


def _counts(numbers: Pass, low: float, high: float, n_cells: int) -> Ints:
    counts = np.zeros(n_cells, dtype=np.int64)
    for part in numbers():
        counts += np.bincount(_cells(part, low, high, n_cells), minlength=n_cells)
    return counts


def _cells(part: Floats, low: float, high: float, n_cells: int) -> Ints:
    """Cell of each number: 0 for `low`, the last for `high`. Halves are taken where the difference overflows."""
    scale = 1.0 if math.isfinite(high - low) else 0.5
    share = (part * scale - low * scale) / (high * scale - low * scale)
    return np.minimum(share * n_cells, n_cells - 1).astype(np.int64)


def smallest_above(decreasing: Floats, allowed: int, *, lowest: float) -> tuple[float, int]:
    """The smallest T of `lowest` or more with at most `allowed` numbers at or above it, and how many they are.

    T is the float64 after the number that is one too many.
    """
    cut = lowest
    if allowed < len(decreasing):
        cut = max(lowest, math.nextafter(float(decreasing[allowed]), math.inf))
    return cut, int(np.searchsorted(-decreasing, -cut, side="right"))
