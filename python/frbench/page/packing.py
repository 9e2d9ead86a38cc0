"""Packing: arrays of numbers as text inside a page, exact to the last bit.

Each number is held as what differs from the one before it (exclusive or of their bytes), bytes of one place stand
together, and all of it is deflated and written in base64. `assets/packing.js` turns it back.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

WIDTH = 8


def pack(rows: Sequence[ArrayLike]) -> str:
    """Rows of equally many numbers as text."""
    if not len(rows):
        return ""
    numbers = np.ascontiguousarray(rows, dtype="<f8")
    places = numbers.view(np.uint8).reshape(*numbers.shape, WIDTH)
    change = places.copy()
    change[:, 1:] ^= places[:, :-1]
    return base64.b64encode(zlib.compress(change.transpose(2, 0, 1).tobytes(), 9)).decode()


def unpack(text: str, n_columns: int) -> NDArray[np.float64]:
    """The rows that `pack` was given."""
    if not text:
        return np.empty((0, n_columns))
    change = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(WIDTH, -1, n_columns)
    places = np.bitwise_xor.accumulate(change, axis=2).transpose(1, 2, 0)
    return np.ascontiguousarray(places).view("<f8")[..., 0]
