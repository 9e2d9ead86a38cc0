"""Unit rows with the bits of the definition, made where a matrix lies."""

from __future__ import annotations

import numpy as np

from frbench.engines.gpu.arrays import Array, Arrays, sums_of_lanes


def unit_rows(matrix: Array, arrays: Arrays) -> tuple[Array, Array]:
    """Unit rows (n, d) of a matrix of one device, of at most float32, and which rows have a direction.

    `rust/rows.rs` defines them. A row is scaled by the power of two that brings its largest component into [1, 2),
    which is exact, and divided by its norm in float64, added in the order of a score; IEEE 754 fixes every bit of
    product, sum, root and quotient.
    """
    wide = arrays.cast(matrix, "float64")
    largest = arrays.largest(abs(wide))
    # NaN is the largest of whatever it is among, and compares with nothing.
    is_ok = (largest > 0) & (largest < np.inf)
    safe = arrays.either(is_ok[:, None], wide, arrays.zeros(tuple(wide.shape), "float64") + 1.0)
    scaled = safe * arrays.power_of_two(arrays.largest(abs(safe)))[:, None]
    unit = arrays.cast(scaled / arrays.root(sums_of_lanes(arrays, scaled, scaled))[:, None], "float32")
    nothing = arrays.zeros(tuple(unit.shape), "float32")
    return arrays.either(is_ok[:, None], unit, nothing), is_ok
