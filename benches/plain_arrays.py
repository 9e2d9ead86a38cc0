"""Machines without a GPU on which the GPU engine runs: numpy, for tests, and PyTorch on processors, for rehearsals."""

from __future__ import annotations

import numpy as np

from frbench.engines.gpu.arrays import LANES, Array, Arrays, Kind, Screen, Side, sums_of_lanes
from frbench.engines.gpu.torch_arrays import TorchArrays

# Products that the plain sieve makes at a time.
PLAIN_PRODUCTS = 1 << 22
# Pairs that the plain scores are made of at a time.
PLAIN_PAIRS = 1 << 14


def plain_sieve(
    arrays: Arrays, probes: Side, gallery: Side, *, upper: bool, shift: int, capacity: int
) -> tuple[int, Array, Array]:
    """`Arrays.sieve` in the words of `Arrays`: every product is written down."""
    found_probe, found_row, found = [], [], 0
    step = max(1, PLAIN_PRODUCTS // max(1, len(gallery.rows)))
    rows, numbers = arrays.full(gallery.rows), arrays.numbers(len(gallery.rows))
    for start in range(0, len(probes.rows), step):
        some = probes.part(start, start + step)
        products = arrays.cast(arrays.full(some.rows) @ rows.T, "float32")
        most = products * gallery.scale[None, :] * some.scale[:, None]
        most = most + (some.spread[:, None] * gallery.spread[None, :] + gallery.offset[None, :])
        is_hit = most >= some.offset[:, None]
        if upper:
            first = arrays.numbers(len(some.rows)) + start
            is_hit = is_hit & (numbers[None, :] > first[:, None] + shift)
        probe, row = arrays.places(is_hit)
        found += len(probe)
        found_probe.append(arrays.cast(probe + start, "int32"))
        found_row.append(arrays.cast(row, "int32"))
        if found > capacity:
            break
    nothing = arrays.zeros((0,), "int32")
    listed = (arrays.join(found_probe or [nothing]), arrays.join(found_row or [nothing]))
    return found, listed[0][:capacity], listed[1][:capacity]


def plain_scores(arrays: Arrays, a: Array, b: Array, a_rows: Array, b_rows: Array) -> Array:
    """`Arrays.scores` in the words of `Arrays`."""
    starts = range(0, max(1, len(a_rows)), PLAIN_PAIRS)
    some = [(a_rows[i : i + PLAIN_PAIRS], b_rows[i : i + PLAIN_PAIRS]) for i in starts]
    return arrays.join([arrays.cast(sums_of_lanes(arrays, a[x], b[y]), "float32") for x, y in some])


class HostArrays:
    """The engine without a GPU, on numpy, for tests of what it decides."""

    name = "numpy"
    # Words of `Arrays` that numpy has, too.
    get = staticmethod(np.asarray)
    root = staticmethod(np.sqrt)
    nearest = staticmethod(np.rint)
    bounded = staticmethod(np.clip)
    larger = staticmethod(np.maximum)
    either = staticmethod(np.where)
    places = staticmethod(np.nonzero)
    join = staticmethod(np.concatenate)
    put = staticmethod(np.ascontiguousarray)
    zeros = staticmethod(np.zeros)
    numbers = staticmethod(np.arange)

    def __init__(self, screen: Screen = "int8", *, free: int = 1 << 30) -> None:
        self.screen = screen
        self._free = free

    def free_bytes(self) -> int:
        """What it was told."""
        return self._free

    def cast(self, x: Array, kind: Kind) -> Array:
        """See `Arrays.cast`."""
        return x.astype(kind)

    def largest(self, x: Array) -> Array:
        """See `Arrays.largest`."""
        return x.max(axis=-1)

    def total(self, x: Array) -> Array:
        """See `Arrays.total`."""
        return x.sum(axis=-1)

    def lanes(self, x: Array) -> Array:
        """See `Arrays.lanes`."""
        n, d = x.shape
        padded = np.zeros((n, -(-d // LANES) * LANES), x.dtype)
        padded[:, :d] = x
        return padded.reshape(n, padded.shape[1] // LANES, LANES)

    def power_of_two(self, x: Array) -> Array:
        """See `Arrays.power_of_two`."""
        return np.ldexp(1.0, 1 - np.frexp(x)[1])

    def brief(self, x: Array) -> Array:
        """See `Arrays.brief`; kept as float32."""
        bits = np.ascontiguousarray(x).view(np.uint32)
        rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
        return rounded.astype(np.uint32).view(np.float32)

    def full(self, x: Array) -> Array:
        """See `Arrays.full`."""
        return x.astype(np.float64)

    def product(self, a: Array, b: Array) -> Array:
        """See `Arrays.product`."""
        return a @ b.T

    rough = product

    def top(self, x: Array, k: int) -> tuple[Array, Array]:
        """See `Arrays.top`."""
        places = np.argsort(-x, axis=-1, kind="stable")[..., :k]
        return np.take_along_axis(x, places, axis=-1), places

    def bins(self, edges: Array, x: Array) -> Array:
        """See `Arrays.bins`."""
        return np.searchsorted(edges, x, side="right")

    def histogram(self, index: Array, n: int) -> Array:
        """See `Arrays.histogram`."""
        return np.bincount(index.ravel(), minlength=n)

    def order(self, group: Array, score: Array, row: Array) -> Array:
        """See `Arrays.order`."""
        return np.lexsort((row, -score, group))

    sieve, scores = plain_sieve, plain_scores


class PlainTorch(TorchArrays):
    """PyTorch without Triton: every product is written down."""

    sieve, scores = plain_sieve, plain_scores
