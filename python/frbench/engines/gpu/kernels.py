"""What Triton runs on a GPU: a sieve whose products never leave the chip, and scores by the definition.

Both run on an NVIDIA GPU, and in Triton's interpreter (TRITON_INTERPRET=1) on any machine.

Sieve. One program makes a tile of products of packed rows, and compares each, still in registers, with what its probe
must reach. Of each comparison one bit is kept, 32 rows to a word, so that nothing of the size of the tile outlives its
products. Pairs that may reach it are few: most words are empty, and nearly all others hold one. The last bit of every
word is taken at a time, with one request for room in the list for all of them; so a tile asks as often as its fullest
word has bits. The list says how many there were, whether or not they had room. A tile is compared in two halves:
numbers of all of its rows would not fit beside its products in the registers of a thread.

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
# Rows of which one word says which are hits.
WORD = tl.constexpr(32)

# Tiles that the tuner tries: probes, gallery rows, bytes of a row at a time; warps and stages. A multiprocessor of an
# H100 holds two of the first two: one multiplies while the other compares. `tests/engines/test_gpu_torch.py` counts it.
SHAPES = (
    (128, 128, 128, 4, 3),
    (128, 128, 64, 4, 4),
    (128, 256, 128, 8, 3),
    (256, 128, 128, 8, 3),
    (64, 128, 64, 4, 4),
)
# The tile of work that is too small to be tuned for; any card has room for it.
ANY_SHAPE = (128, 128, 64, 4, 3)
# Pairs from which on it pays to tune, and that are sieved to time a tile.
WORTH_TUNING = 1 << 32
PAIRS_OF_A_PROGRAM = 32
# Tiles of probes that pass over the gallery together, so that its rows are read from the cache.
TILES_OF_A_BAND = 8
TIMED_RUNS = 3


# One binary for every size and place in memory: only packed rows are known to begin at multiples of sixteen bytes.
VARYING = ["probe_scale", "probe_spread", "probe_need", "row_scale", "row_spread", "row_offset", "found_probe"]
VARYING += ["found_row", "found", "m", "n", "capacity", "shift"]


@triton.jit
def hits(
    products,
    scale,
    spread,
    need,
    probe,
    row_scale,
    row_spread,
    row_offset,
    row,
    n,
    shift,
    UPPER: tl.constexpr,
    WHOLE: tl.constexpr,
):
    """(PROBES, ROWS / 32) words of the hits among the products of some rows."""
    PROBES: tl.constexpr = products.shape[0]
    ROWS: tl.constexpr = products.shape[1]
    is_row = row < n
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
    bit = tl.full((), 1, tl.int32) << (tl.arange(0, ROWS) % WORD)
    return tl.sum(tl.reshape(tl.where(is_hit, bit[None, :], 0), (PROBES, ROWS // WORD, WORD)), axis=2)


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
    is_probe = probe < m
    scale = tl.load(probe_scale + probe, mask=is_probe, other=0.0)
    spread = tl.load(probe_spread + probe, mask=is_probe, other=0.0)
    need = tl.load(probe_need + probe, mask=is_probe, other=float("inf"))
    HALF: tl.constexpr = ROWS // 2
    WORDS: tl.constexpr = ROWS // WORD
    left, right = tl.split(tl.permute(tl.reshape(products, (PROBES, 2, HALF)), (0, 2, 1)))
    row = first_row + tl.arange(0, HALF)
    of_left = hits(left, scale, spread, need, probe, row_scale, row_spread, row_offset, row, n, shift, UPPER, WHOLE)
    row += HALF
    of_right = hits(right, scale, spread, need, probe, row_scale, row_spread, row_offset, row, n, shift, UPPER, WHOLE)
    words = tl.reshape(tl.permute(tl.join(of_left, of_right), (0, 2, 1)), (PROBES * WORDS,))
    word = tl.arange(0, PROBES * WORDS)
    wanted = (words != 0).to(tl.int32)
    count = tl.sum(wanted, axis=0)
    place = tl.zeros((), dtype=tl.int64)
    while (count > 0) & (place <= capacity):
        place = tl.atomic_add(found, count.to(tl.int64), sem="relaxed")
        places = place + tl.cumsum(wanted, axis=0) - 1
        has_room = (wanted > 0) & (places < capacity)
        last = words & -words
        # The exponent of a power of two.
        bit = (last.to(tl.uint32, bitcast=True).to(tl.float32).to(tl.int32, bitcast=True) >> 23) - 127
        tl.store(found_probe + places, first_probe + word // WORDS, mask=has_room)
        tl.store(found_row + places, first_row + word % WORDS * WORD + bit, mask=has_room)
        words = words ^ last
        wanted = (words != 0).to(tl.int32)
        count = tl.sum(wanted, axis=0)


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
    arrays: tuple[Any, ...], sizes: tuple[int, int, int, int], *, shape: tuple[int, ...], upper: bool, is_whole: bool
) -> None:
    """Runs `sieve` once, on its arrays, of which the last is set to nothing found, and its four sizes."""
    arrays[-1].zero_()
    tiles = triton.cdiv(sizes[0], shape[0]) * triton.cdiv(sizes[1], shape[1])
    known = shape_of_sieve(shape, upper=upper, is_whole=is_whole)
    sieve[(tiles,)](*arrays, *sizes, arrays[0].shape[1], **known)


def shape_of_sieve(shape: tuple[int, ...], *, upper: bool, is_whole: bool) -> dict[str, Any]:
    """What is known of `sieve` when it is compiled: its constants, and how."""
    probes, rows, step, warps, stages = shape
    return {
        "UPPER": upper,
        "WHOLE": is_whole,
        "PROBES": probes,
        "ROWS": rows,
        "STEP": step if is_whole else step // 2,
        "BAND": TILES_OF_A_BAND,
        "num_warps": warps,
        "num_stages": stages,
        "enable_fp_fusion": True,
    }


def fastest(torch: Any, run: Callable[[tuple[int, ...]], None]) -> tuple[int, ...]:
    """The shape with which `run` takes the least time; one that the device has no room for is left out."""
    times = {}
    for shape in SHAPES:
        try:
            run(shape)
            times[shape] = min(_milliseconds(torch, run, shape) for _ in range(TIMED_RUNS))
        except (triton.runtime.errors.OutOfResources, triton.runtime.errors.PTXASError):
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
    known = {"PAIRS": PAIRS_OF_A_PROGRAM, "enable_fp_fusion": True}
    score[(triton.cdiv(n, PAIRS_OF_A_PROGRAM),)](a, b, a_rows, b_rows, out, n, a.shape[1], **known)
