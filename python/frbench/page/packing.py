"""Packs arrays of numbers as text inside a page, exact to the last bit.

Each number is held as what differs from the one before it (exclusive or of their bytes), bytes of one place stand
together, and all of it is deflated and written in base64. `assets/packing.js` turns it back.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

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
