"""Triton kernels: a sieve whose products never leave the chip, and scores by the definition.

Both run on an NVIDIA GPU, and in Triton's interpreter (TRITON_INTERPRET=1) on any machine.

Sieve. One program makes a tile of products of packed rows, and compares each, still in registers, with what its probe
must reach. Pairs that may reach it are few: their columns are taken out of the tile row by row, the last of each row
first, so that a tile asks for room in the list once for as many pairs as its fullest row holds. The list says how many
there were, whether or not they had room.

Score. Sixteen lanes a pair add float64 products, component after component, and then by halves: `rust/dot` defines it
so. A product of two float32 is exact in float64, so it does not matter whether a multiply-add rounds once or twice;
each sum is of two terms, so it does not matter which comes first. The result is rounded to the nearest float32. IEEE
754 leaves nothing else open, so the bits are those of the definition.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import triton
import triton.language as tl

LANES = tl.constexpr(16)

# Tiles that the autotuner tries: probes, gallery rows, bytes of a row at a time; warps and stages.
SHAPES = (
    (128, 256, 128, 8, 3),
    (128, 256, 64, 8, 4),
    (128, 128, 128, 4, 4),
    (256, 128, 128, 8, 3),
    (64, 256, 128, 4, 4),
)
# The tile of work that is too small to be tuned for; any card has room for it.
ANY_SHAPE = (128, 128, 64, 4, 3)
WORTH_TUNING = 1 << 32
PAIRS_OF_A_PROGRAM = 32
# Tiles of probes that pass over the gallery together, so that its rows are read from the cache.
TILES_OF_A_BAND = 8
TIMED_RUNS = 3


# One binary for every size and place in memory: only packed rows are known to begin at multiples of sixteen bytes.
VARYING = ["probe_scale", "probe_spread", "probe_need", "row_scale", "row_spread", "row_offset", "found_probe"]
VARYING += ["found_row", "found", "m", "n", "capacity", "shift"]


@triton.jit(do_not_specialize=VARYING)
def sieve(
    probes,
    gallery,
    probe_scale,
    probe_spread,
    probe_need,
    row_scale,
    row_spread,
    row_offset,
    found_probe,
    found_row,
    found,
    m,
    n,
    capacity,
    shift,
    depth,
    UPPER: tl.constexpr,
    WHOLE: tl.constexpr,
    PROBES: tl.constexpr,
    ROWS: tl.constexpr,
    STEP: tl.constexpr,
    BAND: tl.constexpr,
):
    """Lists pairs with product * scale * scale + spread * spread + offset >= need, as far as there is room.

    Scales of bfloat16 are one, and left out.
    probes (m, depth), gallery (n, depth) : integers (WHOLE) or bfloat16, filled up with zeros. found : how many there
    are; more than `capacity` if the list is not all of them. UPPER : only pairs with row > probe + shift.
    """
    if tl.load(found) > capacity:
        return
    # Programs that run together share rows: BAND tiles of probes pass over the gallery side by side.
    program = tl.program_id(0)
    probe_tiles = tl.cdiv(m, PROBES)
    in_band = BAND * tl.cdiv(n, ROWS)
    first_tile = program // in_band * BAND
    height = min(probe_tiles - first_tile, BAND)
    first_probe = (first_tile + program % in_band % height) * PROBES
    first_row = program % in_band // height * ROWS
    if UPPER:
        if min(first_row + ROWS, n) - 1 <= first_probe + shift:
            return
    probe = first_probe + tl.arange(0, PROBES)
    row = first_row + tl.arange(0, ROWS)
    step = tl.arange(0, STEP)
    # Rows beyond the last are read as the last, and never kept.
    a = probes + tl.minimum(probe, m - 1).to(tl.int64)[:, None] * depth + step[None, :]
    b = gallery + tl.minimum(row, n - 1).to(tl.int64)[None, :] * depth + step[:, None]
    if WHOLE:
        products = tl.zeros((PROBES, ROWS), dtype=tl.int32)
    else:
        products = tl.zeros((PROBES, ROWS), dtype=tl.float32)
    for _ in range(0, depth, STEP):
        if WHOLE:
            products = tl.dot(tl.load(a), tl.load(b), products, out_dtype=tl.int32)
        else:
            products = tl.dot(tl.load(a), tl.load(b), products, out_dtype=tl.float32)
        a += STEP
        b += STEP
    is_probe, is_row = probe < m, row < n
    scale = tl.load(probe_scale + probe, mask=is_probe, other=0.0)
    spread = tl.load(probe_spread + probe, mask=is_probe, other=0.0)
    need = tl.load(probe_need + probe, mask=is_probe, other=float("inf"))
    slack = spread[:, None] * tl.load(row_spread + row, mask=is_row, other=0.0)[None, :]
    slack += tl.load(row_offset + row, mask=is_row, other=float("-inf"))[None, :]
    if WHOLE:
        most = products.to(tl.float32) * tl.load(row_scale + row, mask=is_row, other=0.0)[None, :]
        most = most * scale[:, None] + slack
    else:
        most = products + slack
    is_hit = most >= need[:, None]
    if UPPER:
        is_hit = is_hit & (row[None, :] > probe[:, None] + shift)
    columns = tl.where(is_hit, tl.arange(0, ROWS)[None, :], -1)
    last = tl.max(columns, axis=1)
    place = tl.zeros((), dtype=tl.int64)
    while (tl.max(last, axis=0) >= 0) & (place <= capacity):
        is_found = last >= 0
        wanted = is_found.to(tl.int32)
        place = tl.atomic_add(found, tl.sum(wanted, axis=0).to(tl.int64))
        places = place + tl.cumsum(wanted, axis=0) - 1
        has_room = is_found & (places < capacity)
        tl.store(found_probe + places, probe, mask=has_room)
        tl.store(found_row + places, first_row + last, mask=has_room)
        columns = tl.where(columns == last[:, None], -1, columns)
        last = tl.max(columns, axis=1)


@triton.jit(do_not_specialize=["a", "b", "a_rows", "b_rows", "scores", "n", "d"])
def score(a, b, a_rows, b_rows, scores, n, d, PAIRS: tl.constexpr):
    """Scores of rows `a_rows[p]` of `a` and `b_rows[p]` of `b`, both (rows, d) float32."""
    pair = tl.program_id(0).to(tl.int64) * PAIRS + tl.arange(0, PAIRS)
    is_pair = pair < n
    lane = tl.arange(0, LANES)
    x = a + tl.load(a_rows + pair, mask=is_pair, other=0).to(tl.int64)[:, None] * d + lane[None, :]
    y = b + tl.load(b_rows + pair, mask=is_pair, other=0).to(tl.int64)[:, None] * d + lane[None, :]
    sums = tl.zeros((PAIRS, LANES), dtype=tl.float64)
    for k in range(0, d, LANES):
        inside = is_pair[:, None] & (k + lane < d)[None, :]
        sums += tl.load(x + k, mask=inside, other=0.0).to(tl.float64) * tl.load(y + k, mask=inside, other=0.0).to(
            tl.float64
        )
    eight = tl.sum(tl.reshape(sums, (PAIRS, 2, 8)), axis=1)
    four = tl.sum(tl.reshape(eight, (PAIRS, 2, 4)), axis=1)
    two = tl.sum(tl.reshape(four, (PAIRS, 2, 2)), axis=1)
    tl.store(scores + pair, tl.sum(two, axis=1).to(tl.float32), mask=is_pair)


def launch_sieve(
    arrays: tuple[Any, ...],
    sizes: tuple[int, int, int, int],
    *,
    shape: tuple[int, ...],
    upper: bool,
    is_whole: bool,
) -> None:
    """Runs `sieve` once, on its arrays, of which the last is set to nothing found, and its four sizes."""
    probes, rows, step, warps, stages = shape
    depth = arrays[0].shape[1]
    arrays[-1].zero_()
    sieve[(triton.cdiv(sizes[0], probes) * triton.cdiv(sizes[1], rows),)](
        *arrays,
        *sizes,
        depth,
        UPPER=upper,
        WHOLE=is_whole,
        PROBES=probes,
        ROWS=rows,
        STEP=step if is_whole else step // 2,
        BAND=TILES_OF_A_BAND,
        num_warps=warps,
        num_stages=stages,
    )


def fastest(torch: Any, run: Callable[[tuple[int, ...]], None]) -> tuple[int, ...]:
    """The shape with which `run` takes the least time; one that the device has no room for is left out."""
    times = {}
    for shape in SHAPES:
        try:
            run(shape)
            times[shape] = min(_milliseconds(torch, run, shape) for _ in range(TIMED_RUNS))
        except triton.runtime.errors.OutOfResources:
            continue
    return min(times, key=lambda shape: times[shape], default=ANY_SHAPE)


def _milliseconds(torch: Any, run: Callable[[tuple[int, ...]], None], shape: tuple[int, ...]) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    run(shape)
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end))


def launch_score(a: Any, b: Any, a_rows: Any, b_rows: Any, out: Any) -> None:
    """Runs `score` for every pair of rows."""
    n = len(out)
    score[(triton.cdiv(n, PAIRS_OF_A_PROGRAM),)](a, b, a_rows, b_rows, out, n, a.shape[1], PAIRS=PAIRS_OF_A_PROGRAM)
