"""What the races are run on: sizes, random unit rows, groups, the example templates."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frbench import load

Matrix = NDArray[np.float32]

LFW = Path(__file__).parents[1] / "examples" / "lfw" / "dlib-128.npy"
# Smallest scores that all non-mated pairs of the example reach at these rates, as `frbench verify --at fmr=...` prints.
LFW_THRESHOLDS = {"1e-2": 0.907101035, "1e-3": 0.925804019}
TINY = 0.005


@dataclass(frozen=True)
class Size:
    """How much is run: rows are multiplied by `scale`; `rounds` replaces those that a race asks for."""

    scale: float
    rounds: int | None = None

    def rows(self, full: int, *, least: int = 64) -> int:
        """`full` rows, scaled."""
        return max(min(least, full), round(full * self.scale))

    def turns(self, full: int) -> int:
        """Rounds of a race that asks for `full`."""
        return full if self.rounds is None else self.rounds

    @property
    def has_scalar(self) -> bool:
        """Whether the scalar kernel runs too: it would take minutes at full size."""
        return self.scale < 0.05


def size(environment: Mapping[str, str] = os.environ, *, is_timed: bool) -> Size:
    """Size by FRBENCH_BENCH_SCALE and FRBENCH_BENCH_ROUNDS; full if timed, else tiny."""
    scale = float(environment.get("FRBENCH_BENCH_SCALE") or (1 if is_timed else TINY))
    rounds = int(environment.get("FRBENCH_BENCH_ROUNDS") or 0)
    if not 0 < scale <= 1 or rounds < 0:
        raise ValueError(
            f"FRBENCH_BENCH_SCALE is {scale} and FRBENCH_BENCH_ROUNDS {rounds}, expected (0, 1] and 1 or more"
        )
    return Size(scale, rounds or None)


def unit_rows(n: int, d: int, *, seed: int) -> Matrix:
    """(n, d) directions without preference, normalised in float64."""
    rows = np.random.default_rng(seed).standard_normal((n, d), dtype=np.float32)
    for start in range(0, n, 1 << 16):
        block = rows[start : start + (1 << 16)].astype(np.float64)
        rows[start : start + (1 << 16)] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return rows


def groups(n: int, n_groups: int, *, seed: int) -> NDArray[np.int64]:
    """(n,) group numbers, unsorted; each group has a row."""
    numbers = np.random.default_rng(seed).integers(n_groups, size=n)
    numbers[:n_groups] = np.arange(n_groups)
    return numbers


def templates(n: int) -> Matrix:
    """The first `n` real templates, 128 dimensions, not centred."""
    return load(LFW).unit[:n]
