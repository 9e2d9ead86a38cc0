"""Rows in few bits, and what their products prove of a score.

# The bound

It is that of `rust/pack.rs`. With a centre m, x = p - m and y = q - m,

    p.q = x.y + (m.p - m.m / 2) + (m.q - m.m / 2),

one number a row beside the product of centred rows. A row is packed as x = s a + r: a scale s, numbers a of few bits,
a residual r. By Cauchy-Schwarz

    |x.y - s_x s_y (a_x . a_y)| <= |s a|_x |r|_y + |r|_x |s a|_y + |r|_x |r|_y,

whatever the rows are: norms of residuals are measured, in float64, on the numbers that were chosen. With any c > 0 the
right side is at most (c (|s a|_x + |r|_x) + |r|_x) max(|r|_y / c, |s a|_y): a *spread* of the probe times one of the
gallery row. c is the usual share of a residual in a row of this gallery.

# What the chip adds

int8: products of integers and their sums are exact in 32 bits up to 65,536 components.

bf16: a is the row rounded to bfloat16, s is 1, and products are exact in float32. Tensor cores do not add as IEEE 754
says. Measurements (Fasi, Higham, Mikaitis and Pranesh, "Numerical behavior of NVIDIA tensor cores", 2021, and those of
later chips since) agree on this: some products, of a number that is not documented, and the sum so far are aligned to
the largest of them; what lies below the last of 24 bits, or a few more, is cut off, not rounded; and their sum is cut
likewise. So a cut is at most u = 2^-23 of the largest sum on the way. The largest of b products and a sum is not cut,
so with the new sum there are b + 1 cuts every b products: at most 2 d, at b = 1. Cuts all go one way, and nothing is
taken from their cancelling. With T <= |a_x| |a_y| the sum of magnitudes, by Cauchy-Schwarz, each sum on the way is at
most T (1 + error), hence

    |computed - a_x . a_y| <= r / (1 - r) T,    r = 2 d u.

The engine takes u = 2^-21, as if two bits fewer were kept than on any chip that was measured: 0.0005 at d = 512, which
goes into the probe's spread. That u is known from measurements of the chips and not from their manual, so int8 is what
the engine takes by itself.

# Roundings

The sieve converts the product to float32 and computes ((product s_y) s_x) + (spread spread + offset) in float32, with
or without fused multiply-adds. Counting the rounded offset and the limit, that is at most nine roundings by 2^-24 of
terms below (1 + |m|)^2 <= 4; GUARD, 64 such units, covers them, the error of the float64 sums and that the score is
itself rounded to float32. What a probe needs is lowered by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from frbench.engines.gpu.arrays import Array, Arrays, Side
from frbench.inputs.arrays import Floats32

GUARD = 64.0 / (1 << 24)
# Products of more components might not fit in 32 bits.
MOST_COMPONENTS = 1 << 16
# What a tensor core cuts off a sum of float32, at most, as a part of the largest sum on the way.
CUT = 2.0**-21
# Numbers of a row are filled up to a multiple of this, which is what the kernels read at a time.
DEPTH_STEP = 128
PEAK = 127
# Below this a component is left to the residual: its reciprocal might not be finite.
SMALLEST = 1e-30
# Sums of float64 err by less than this part, in any order, for any dimension that fits in memory.
UP = 1.0 + 1e-9
# Rows from which the centre and the usual residual are taken.
CENTRE_ROWS = 1 << 14
SHARE_ROWS = 256
# Rows packed at a time: their float64 copies take some hundreds of megabytes.
ROWS_AT_A_TIME = 1 << 15
# Stands for minus infinity where it will be added to.
LOWEST = -1e30


@dataclass(frozen=True, eq=False)
class Centre:
    """A vector near which the rows of a gallery lie, and the usual share of a residual in one of them.

    mean : (d,) float32. half_square : half of the square of its norm.
    """

    mean: Floats32
    half_square: float
    share: float

    @property
    def usual_slack(self) -> float:
        """How far the packed product of two usual rows may be from their score, about."""
        return 2.0 * self.share * max(0.0, 1.0 - 2.0 * self.half_square)

    @classmethod
    def of(cls, sample: Floats32, arrays: Arrays) -> Centre:
        """The centre of some rows (n, d)."""
        mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32) if len(sample) else sample.sum(axis=0)
        bare = cls(mean, float(np.square(mean, dtype=np.float64).sum() / 2), 0.0)
        some = sample[:: max(1, len(sample) // SHARE_ROWS)]
        packed = _pack(arrays.put(some), bare, arrays)
        norm, residual = arrays.get(packed.norm), arrays.get(packed.residual)
        shares = residual[norm > 0] / norm[norm > 0]
        return cls(mean, bare.half_square, max(float(np.median(shares)) if len(shares) else 0.0, 1e-9))


@dataclass(frozen=True, eq=False)
class Packed:
    """Rows in few bits, and what these leave unsaid: norms of what was kept and of the residual, never too small.

    rows : (n, depth). scale : (n,) float32. offset, norm, residual : (n,) float64.
    """

    rows: Array
    scale: Array
    offset: Array
    norm: Array
    residual: Array
    centre: Centre

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, start: int, stop: int) -> Packed:
        """Some of the rows."""
        rows, scale, offset, norm, residual = (column[start:stop] for column in _numbers(self))
        return Packed(rows, scale, offset, norm, residual, self.centre)

    def as_gallery(self, arrays: Arrays) -> Side:
        """These rows as what probes meet."""
        spread = arrays.larger(self.residual / self.centre.share, self.norm)
        return Side(self.rows, self.scale, _up(spread, arrays), arrays.cast(self.offset, "float32"))

    def as_probes(self, limits: Array, arrays: Arrays) -> Side:
        """These rows, to find every gallery row whose score may reach `limits` (n,) float32."""
        c, d = self.centre.share, len(self.centre.mean)
        spread = c * (self.norm + self.residual) + self.residual
        if arrays.screen == "bf16":
            spread = spread + tensor_core_error(d) * self.norm
        lowest = arrays.larger(arrays.cast(limits, "float64"), self.offset * 0.0 + LOWEST)
        need = arrays.cast(lowest - self.offset - GUARD, "float32")
        return Side(self.rows, self.scale, _up(spread, arrays), need)


def depth_of(d: int) -> int:
    """Numbers of a packed row of dimension `d`."""
    return -(-d // DEPTH_STEP) * DEPTH_STEP


def tensor_core_error(d: int) -> float:
    """How far a sum of d products on tensor cores may be from the exact one, as a part of the product of the norms."""
    r = 2 * d * CUT
    return r / (1 - r)


def packed(unit: Array, centre: Centre, arrays: Arrays) -> Packed:
    """Unit rows (n, d) packed about the centre of the gallery that they are of, or will meet."""
    parts = [_pack(unit[i : i + ROWS_AT_A_TIME], centre, arrays) for i in range(0, max(1, len(unit)), ROWS_AT_A_TIME)]
    if len(parts) == 1:
        return parts[0]
    rows, scale, offset, norm, residual = (arrays.join(column) for column in zip(*map(_numbers, parts), strict=True))
    return Packed(rows, scale, offset, norm, residual, centre)


def _numbers(packed: Packed) -> tuple[Array, Array, Array, Array, Array]:
    return packed.rows, packed.scale, packed.offset, packed.norm, packed.residual


def _pack(unit: Array, centre: Centre, arrays: Arrays) -> Packed:
    mean = arrays.put(centre.mean)
    centred = unit - mean[None, :]
    if arrays.screen == "bf16":
        scale = arrays.zeros((len(unit),), "float32") + 1.0
        numbers = arrays.brief(centred)
    else:
        widest = arrays.largest(abs(centred)) / PEAK
        scale = arrays.cast(arrays.either(widest >= SMALLEST, widest, widest * 0.0), "float32")
        inverse = arrays.either(scale > 0, 1.0 / arrays.larger(scale, scale * 0.0 + SMALLEST), scale * 0.0)
        numbers = arrays.cast(
            arrays.bounded(arrays.nearest(centred * inverse[:, None]), -float(PEAK), float(PEAK)), "int8"
        )
    wide, wide_mean, wide_scale = (arrays.cast(each, "float64") for each in (unit, mean, scale))
    exact = arrays.full(numbers)
    left = (wide - wide_mean[None, :]) - wide_scale[:, None] * exact
    return Packed(
        rows=_filled(numbers, arrays),
        scale=scale,
        offset=arrays.total(wide * wide_mean[None, :]) - centre.half_square,
        norm=wide_scale * arrays.root(arrays.total(exact * exact)) * UP,
        residual=arrays.root(arrays.total(left * left)) * UP + 1e-300,
        centre=centre,
    )


def _filled(numbers: Array, arrays: Arrays) -> Array:
    """(n, depth) numbers, zeros beyond those that are there."""
    n, d = numbers.shape
    shape = (n, depth_of(d))
    if d == shape[1]:
        return numbers
    rows = arrays.zeros(shape, "int8") if arrays.screen == "int8" else arrays.brief(arrays.zeros(shape, "float32"))
    rows[:, :d] = numbers
    return rows


def _up(x: Array, arrays: Arrays) -> Array:
    """float32 not below float64 `x` >= 0: two units in the last place more than the nearest."""
    return arrays.cast(x * (1.0 + 2.0**-22) + 1e-38, "float32")
