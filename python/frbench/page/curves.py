"""Makes rows of charts of the counts of a tally, thinned to what an eye can tell apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from frbench.choices import Failed
from frbench.page.charts import Series
from frbench.page.parts import MIN_CHART_TRIALS
from frbench.page.style import Style
from frbench.plan import Group
from frbench.reading import metrics
from frbench.reading.metrics import Det
from frbench.results.types import Estimate
from frbench.tally import Histogram, Tally

STEPS_A_DECADE = 80
BINS = 80


def thinned(det: Det) -> list[int]:
    """Edges at which both counts are positive and the point moves by 1/80 of a decade or more."""
    kept: list[int] = []
    last = None
    for i in np.flatnonzero((det.false_matches > 0) & (det.false_nonmatches > 0)):
        here = tuple(
            round(math.log10(k / n) * STEPS_A_DECADE)
            for k, n in ((det.false_matches[i], det.n_nonmated), (det.false_nonmatches[i], det.n_mated))
        )
        if here != last:
            kept.append(int(i))
            last = here
    return kept


def tradeoff_series(
    tally: Tally,
    name: str,
    style: Style,
    *,
    group: Group,
    marks: Sequence[tuple[float, Estimate, Estimate]],
    failed: Failed = "reject",
    parts: Sequence[int] | None = None,
) -> Series | None:
    """The trade-off of one group; None if it has too few trials or no edge with both kinds of error.

    marks : threshold and the estimates of both rates.
    """
    det = metrics.det(tally, group=group, failed=failed, parts=parts)
    if min(det.n_nonmated, det.n_mated) < MIN_CHART_TRIALS:
        return None
    rows = [_det_row(det, i) for i in thinned(det)]
    marked = [
        _det_row(det, tally.edge(t)) | {"xl": x["low"], "xh": x["high"], "yl": y["low"], "yh": y["high"]}
        for t, x, y in marks
        if x["k"] and y["k"]
    ]
    return Series(name, style, rows, marked) if rows else None


def _det_row(det: Det, i: int) -> dict[str, Any]:
    kx, ky = int(det.false_matches[i]), int(det.false_nonmatches[i])
    return {"t": float(f"{det.thresholds[i]:.9g}"), "kx": kx, "nx": det.n_nonmated, "ky": ky, "ny": det.n_mated}


def bin_ends(histograms: Sequence[Histogram], axis: np.ndarray[Any, Any]) -> list[int]:
    """Edges that cut the scores that occur into about 80 bins."""
    occurring = np.flatnonzero(sum((h.bins[:-1] for h in histograms), np.zeros(len(axis) + 1, np.uint64)))
    if not len(occurring):
        return [0, len(axis) - 1]
    first, last = max(0, int(occurring[0]) - 1), min(len(axis) - 1, int(occurring[-1]))
    width = _round_width(float(axis[last] - axis[first]) / BINS)
    grid = np.arange(math.floor(axis[first] / width), math.ceil(axis[last] / width) + 1) * width
    # A little slack: 45 times 0.02 is not the decimal 0.9.
    edges = np.clip(np.searchsorted(axis, grid - 1e-9), 0, len(axis) - 1)
    return [int(e) for e in np.unique(edges)]


def share_rows(histogram: Histogram, axis: np.ndarray[Any, Any], ends: Sequence[int]) -> list[dict[str, Any]]:
    """Share of the scored trials in each bin between `ends`, the outermost bins open."""
    n = histogram.trials - histogram.unscored
    above = [n, *(histogram.at_or_above(e) for e in ends[1:-1]), 0]
    counts = [a - b for a, b in pairwise(above)]
    starts = [float(axis[e]) for e in ends]
    rows = [
        {"s": round(s, 6), "bin": f"{s:.3f} to {e:.3f}", "share": float(f"{k / n:.4g}"), "k": k}
        for s, e, k in zip(starts, starts[1:], counts, strict=False)
    ]
    return [*rows, {"s": round(starts[-1], 6), "share": rows[-1]["share"]}]


def _round_width(width: float) -> float:
    """The next larger of 1, 2, 5 times a power of ten."""
    if width <= 0:
        return 0.01
    power = 10.0 ** math.floor(math.log10(width))
    return next(power * m for m in (1, 2, 5, 10) if power * m >= width * (1 - 1e-9))
