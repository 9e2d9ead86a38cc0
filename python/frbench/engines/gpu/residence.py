"""Which rows lie on a device; those that were not used for longest make room for others.

Rows are brought in slabs, of which three fit: one of the gallery, one of probes, and one that is coming. So a gallery
of any size is searched; one that fits as a whole is brought once.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from frbench.engines.gpu.arrays import Array, Arrays
from frbench.engines.gpu.packing import Centre, Packed, depth_of, packed
from frbench.errors import InputError
from frbench.plan import Groups

# Of the memory that is free when the device is first used; and slabs that it holds.
SHARE_OF_FREE = 0.6
SLABS = 3
# Of a packed row: what its numbers leave unsaid.
BESIDE_BYTES = 28
# Squares of norms are added in float32.
LONGEST = 1.0 + 1e-4


class Held(Protocol):
    """Unit rows that somebody holds: on the host, or on a device."""

    unit: Any

    @property
    def centre(self) -> Centre:
        """What they are packed about as a gallery."""

    def __len__(self) -> int: ...


@dataclass(eq=False)
class Slab:
    """Rows from `start` on, on a device.

    floats : (rows, d) float32.
    """

    start: int
    floats: Array
    arrays: Arrays
    _packed: weakref.WeakKeyDictionary[Centre, Packed] = field(default_factory=weakref.WeakKeyDictionary)

    def __len__(self) -> int:
        return len(self.floats)

    def packed(self, centre: Centre) -> Packed:
        """These rows packed about a centre, once."""
        found = self._packed.get(centre)
        if found is None:
            found = self._packed[centre] = packed(self.floats, centre, self.arrays)
        return found


class Part(NamedTuple):
    """Rows of a slab from `start` to `stop`, counted from its first."""

    slab: Slab
    start: int
    stop: int

    @property
    def first(self) -> int:
        """Number of the first row among all."""
        return self.slab.start + self.start

    @property
    def n(self) -> int:
        """How many rows."""
        return self.stop - self.start

    @property
    def floats(self) -> Array:
        """(n, d) unit rows."""
        return self.slab.floats[self.start : self.stop]

    def packed(self, centre: Centre) -> Packed:
        """These rows packed about a centre."""
        return self.slab.packed(centre).part(self.start, self.stop)

    def of(self, values: Groups) -> Groups:
        """`values` of all rows, of these."""
        return values[self.first : self.first + self.n]


class Residence:
    """Slabs on one device."""

    def __init__(self, arrays: Arrays, most_bytes: int | None = None) -> None:
        self._arrays = arrays
        self._most_bytes = int(arrays.free_bytes() * SHARE_OF_FREE) if most_bytes is None else most_bytes
        self._slabs: OrderedDict[tuple[int, int], tuple[Slab, int]] = OrderedDict()
        self._samples: weakref.WeakKeyDictionary[Held, dict[int, Array]] = weakref.WeakKeyDictionary()
        self._lock = threading.RLock()

    def slabs(self, held: Held, wanted: tuple[int, int]) -> Iterator[Part]:
        """The rows of a range, in order, by the slabs that hold them."""
        step = self.rows_of_a_slab(held.unit.shape[1])
        start, stop = wanted
        if start >= stop:
            return
        for first in range(start // step * step, stop, step):
            slab = self._slab(held, first, min(first + step, len(held)))
            yield Part(slab, max(start, first) - first, min(stop, first + len(slab)) - first)

    def sample(self, held: Held, sparsity: int) -> Array:
        """Every so-many-th row, brought once."""
        with self._lock:
            known = self._samples.setdefault(held, {})
            if sparsity not in known:
                known[sparsity] = self._arrays.put(held.unit[::sparsity])
            return known[sparsity]

    def rows_of_a_slab(self, d: int) -> int:
        """Rows of dimension `d` that are brought together."""
        return max(1, int(self._most_bytes // (SLABS * _row_bytes(d))))

    def _slab(self, held: Held, start: int, stop: int) -> Slab:
        key = (id(held), start)
        with self._lock:
            if key in self._slabs:
                self._slabs.move_to_end(key)
                return self._slabs[key][0]
            n_bytes = (stop - start) * _row_bytes(held.unit.shape[1])
            while self._slabs and sum(size for _, size in self._slabs.values()) + n_bytes > self._most_bytes:
                self._slabs.popitem(last=False)
            slab = Slab(start, _checked(self._arrays.put(held.unit[start:stop]), self._arrays), self._arrays)
            if not any(known[0] == key[0] for known in self._slabs):
                weakref.finalize(held, self._forget, key[0])
            self._slabs[key] = slab, n_bytes
            return slab

    def clear(self) -> None:
        """Forgets all."""
        with self._lock:
            self._slabs.clear()
            self._samples.clear()

    def _forget(self, number: int) -> None:
        """Rows that nobody holds any more need no room; another may have their number soon."""
        with self._lock:
            for key in [key for key in self._slabs if key[0] == number]:
                del self._slabs[key]


def _row_bytes(d: int) -> int:
    """Bytes of a row of dimension `d`: as floats, and packed about two centres."""
    return 4 * d + 2 * (depth_of(d) + BESIDE_BYTES)


def _checked(unit: Array, arrays: Arrays) -> Array:
    """Rows no longer than one: without that, no bound holds."""
    if len(unit):
        longest = float(np.sqrt(arrays.get(arrays.largest(arrays.total(unit * unit)))))
        if not longest <= LONGEST:
            raise InputError(
                f"rows are to be scored whose largest norm is {longest:.6g}, expected unit rows, and zeros for failed "
                "ones; normalise them first"
            )
    return unit
