"""Rounds templates to a storage format, and scores the cosine of the stored rows by the definition.

So a difference is that of the storage alone: no product is rounded, and no screen is left unsettled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench.engines.reference import unit_rows
from frbench.errors import InputError
from frbench.templates import Templates

Matrix = NDArray[np.float32]
ROWS_AT_ONCE = 4096
PCA = "pca"


@dataclass(frozen=True, eq=False)
class Storage:
    """One way to store rows.

    Parameters
    ----------
    component : format of a component.
    bytes_per_row : scale of a row included.
    round : rows as they come back.
    kept : share of the gallery's sum of squares that the dimensions hold; None where all are kept.
    """

    name: str
    component: str
    dimensions: int
    bytes_per_row: int
    round: Callable[[Matrix], NDArray[Any]]
    kept: float | None = None

    def stored(self, templates: Templates) -> Templates:
        """The templates as they come back, of unit length again; those that vanish have failed."""
        unit = np.zeros((len(templates), self.dimensions), dtype=np.float32)
        failed = templates.failed.copy()
        usable = np.flatnonzero(~templates.failed)
        for start in range(0, len(usable), ROWS_AT_ONCE):
            rows = usable[start : start + ROWS_AT_ONCE]
            unit[rows], has_direction = unit_rows(self.round(templates.unit[rows]))
            failed[rows] = ~has_direction
        return replace(templates, unit=unit, failed=failed)

    def to_json(self) -> dict[str, Any]:
        """As in results.json."""
        return {
            "format": self.component,
            "dimensions": self.dimensions,
            "bytes_per_row": self.bytes_per_row,
            "kept": self.kept,
        }


def as_float16(rows: Matrix) -> NDArray[Any]:
    """Components rounded to float16: 11 significant bits."""
    return rows.astype(np.float16)


def as_bfloat16(rows: Matrix) -> NDArray[Any]:
    """Components rounded to bfloat16, 8 significant bits, ties to even."""
    bits = np.ascontiguousarray(rows).view(np.uint32)
    rounded = bits + (0x7FFF + ((bits >> 16) & 1)).astype(np.uint32)
    return (rounded & np.uint32(0xFFFF0000)).view(np.float32)


def as_int8(rows: Matrix) -> NDArray[Any]:
    """Whole numbers from -127 to 127, on a scale of each row: the largest component is 127."""
    scale = np.abs(rows).max(axis=1, keepdims=True) / 127
    return np.rint(rows / np.where(scale > 0, scale, 1))


FORMATS = {
    "float16": (2, 0, as_float16),
    "bfloat16": (2, 0, as_bfloat16),
    # The scale of a row is a float32.
    "int8": (1, 4, as_int8),
}


def storages(names: tuple[str, ...], gallery: Templates) -> list[Storage]:
    """The ways to store of these names: float16, bfloat16, int8, or pcaN for N dimensions.

    Raises
    ------
    InputError : another name, or dimensions that the templates, or the gallery's rows, do not give.
    """
    return [_storage(name, gallery) for name in dict.fromkeys(names)]


def _storage(name: str, gallery: Templates) -> Storage:
    d = gallery.dimension
    if name in FORMATS:
        width, more, how = FORMATS[name]
        return Storage(name, name, d, width * d + more, how)
    number = name.removeprefix(PCA)
    if not name.startswith(PCA) or not number.isdecimal():
        raise InputError(
            f"--format is {name!r}, expected {', '.join(FORMATS)} or {PCA}N, such as {PCA}{max(1, d // 2)}"
        )
    directions, kept = principal(gallery, int(number))
    return Storage(name, "float32", int(number), 4 * int(number), lambda rows: rows @ directions, kept)


def principal(gallery: Templates, n: int) -> tuple[NDArray[np.float64], float]:
    """(d, n) directions that hold most of the sum of squares of the gallery's rows, and the share that they hold.

    The mean is not subtracted: scores stay the cosines that thresholds are set on, as nearly as n dimensions can.

    Raises
    ------
    InputError : n is not 1 to the dimension less one.
    """
    d = gallery.dimension
    if not 1 <= n < d:
        raise InputError(f"{PCA}{n} keeps {n} dimensions, expected 1 to {d - 1}: templates have {d}")
    square = np.zeros((d, d))
    usable = np.flatnonzero(~gallery.failed)
    for start in range(0, len(usable), ROWS_AT_ONCE):
        rows = gallery.unit[usable[start : start + ROWS_AT_ONCE]].astype(np.float64)
        square += rows.T @ rows
    values, vectors = np.linalg.eigh(square)
    total = float(values.sum())
    return vectors[:, ::-1][:, :n], float(values[::-1][:n].sum() / total) if total > 0 else 0.0
