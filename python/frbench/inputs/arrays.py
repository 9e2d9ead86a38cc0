"""Names for the types of arrays, and of what is told how far work is; open it for what `Ints` or `Floats` are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Ints32: TypeAlias = NDArray[np.int32]
Floats: TypeAlias = NDArray[np.float64]
Floats32: TypeAlias = NDArray[np.float32]
Bools: TypeAlias = NDArray[np.bool_]
# Told every amount of work done.
Advance: TypeAlias = Callable[[int], None]
