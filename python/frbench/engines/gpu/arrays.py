"""What the engine asks of the machine that holds its arrays.

All of the engine's decisions are written in these few words, so they run where there is no GPU. `x + y`, `x >= y`,
`x[rows]` and the like mean the same for every kind of array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

Array = Any
Kind = Literal["int8", "int32", "int64", "float32", "float64"]
Screen = Literal["int8", "bf16"]
LANES = 16
# Roundings of a float32 sum of d products, on any path, by 2^-24 each: d - 1 sums, the products, and eight to spare.
SPARE_ROUNDINGS = 8


@dataclass(frozen=True, eq=False)
class Side:
    """Packed rows of one side of a sieve; `packing` says what the numbers prove.

    rows : (n, depth) integers, or bfloat16, filled up with zeros. scale, spread, offset : (n,) float32; probes have
    what they need to be found in the place of the offset.
    """

    rows: Array
    scale: Array
    spread: Array
    offset: Array

    def part(self, start: int, stop: int) -> Side:
        """Some of the rows."""
        return Side(self.rows[start:stop], self.scale[start:stop], self.spread[start:stop], self.offset[start:stop])


class Arrays(Protocol):
    """A machine that holds arrays and computes with them."""

    name: str
    screen: Screen

    def put(self, host: Any) -> Array:
        """An array of this machine with what `host` holds: a numpy array, or one that is there already."""

    def get(self, x: Array) -> NDArray[Any]:
        """A numpy array with what `x` holds."""

    def free_bytes(self) -> int:
        """Memory that is not in use."""

    def cast(self, x: Array, kind: Kind) -> Array:
        """`x` in another type; floats are cut off or rounded to nearest."""

    def zeros(self, shape: tuple[int, ...], kind: Kind) -> Array:
        """Zeros."""

    def numbers(self, n: int) -> Array:
        """0 to n - 1, as int64."""

    def root(self, x: Array) -> Array:
        """Square roots."""

    def nearest(self, x: Array) -> Array:
        """The nearest integers, as floats."""

    def bounded(self, x: Array, least: float, most: float) -> Array:
        """No less than `least`, no more than `most`."""

    def larger(self, x: Array, y: Array) -> Array:
        """The larger of two, element by element."""

    def either(self, condition: Array, x: Array, y: Array) -> Array:
        """`x` where `condition` holds, else `y`."""

    def largest(self, x: Array) -> Array:
        """Largest along the last axis."""

    def total(self, x: Array) -> Array:
        """Sums along the last axis."""

    def lanes(self, x: Array) -> Array:
        """(n, d) as (n, ceil(d / 16), 16), filled up with zeros."""

    def power_of_two(self, x: Array) -> Array:
        """2^-e for float64 x > 0 with 2^e <= x < 2^(e + 1), both within the normal range."""

    def brief(self, x: Array) -> Array:
        """float32 `x` rounded to bfloat16, in the type that the sieve multiplies."""

    def full(self, x: Array) -> Array:
        """What `brief` made, as float64."""

    def product(self, a: Array, b: Array) -> Array:
        """(n, m) float32 products of the rows of `a` and `b`; sums in any order, each step rounded to float32."""

    def rough(self, a: Array, b: Array) -> Array:
        """(n, m) products of unit rows, as fast as they come; of their error nothing is promised."""

    def top(self, x: Array, k: int) -> tuple[Array, Array]:
        """The `k` largest along the last axis, falling, and their places."""

    def bins(self, edges: Array, x: Array) -> Array:
        """Number of `edges` (t,), increasing, at or below each of `x`."""

    def histogram(self, index: Array, n: int) -> Array:
        """(n,) how often each number from 0 on occurs in `index`."""

    def order(self, group: Array, score: Array, row: Array) -> Array:
        """Places by group, then by falling score, then by row."""

    def places(self, condition: Array) -> Sequence[Array]:
        """Where `condition` holds: one array of numbers an axis."""

    def join(self, parts: Sequence[Array]) -> Array:
        """One after another."""

    def sieve(self, probes: Side, gallery: Side, *, upper: bool, shift: int, capacity: int) -> tuple[int, Array, Array]:
        """How many pairs may reach what their probe needs, and which: at most `capacity` of them.

        upper : only pairs with row > probe + shift.
        """

    def scores(self, a: Array, b: Array, a_rows: Array, b_rows: Array) -> Array:
        """Scores of rows `a_rows[p]` of `a` and `b_rows[p]` of `b`, by the definition."""


def float32_error(d: int) -> float:
    """How far a float32 product of two unit rows may be from their score.

    A sum of d products by r roundings of at most u = 2^-24 on any path has a relative error of r u / (1 - r u) on the
    sum of magnitudes, which Cauchy-Schwarz bounds by the product of the norms. What is to spare covers norms above one,
    the score's own rounding, and that of comparisons; 1e-30 what is lost below the normal range.
    """
    r = (d + SPARE_ROUNDINGS) * 2.0**-24
    return r / (1 - r) + 1e-30 if r < 0.5 else float("inf")


def sums_of_lanes(arrays: Arrays, a: Array, b: Array) -> Array:
    """(n,) float64 sums of products of the rows of `a` and `b`, in the order of the definition."""
    x, y = (arrays.lanes(arrays.cast(side, "float64")) for side in (a, b))
    sums = arrays.zeros((len(x), LANES), "float64")
    for k in range(x.shape[1]):
        sums = sums + x[:, k] * y[:, k]
    while sums.shape[1] > 1:
        half = sums.shape[1] // 2
        sums = sums[:, :half] + sums[:, half:]
    return sums[:, 0]
