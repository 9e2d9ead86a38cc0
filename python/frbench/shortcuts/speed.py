"""Measures the searches a second of several ways to search, which take turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from frbench.inputs.arrays import Ints

PASSES = 5
SAMPLE = 1000


@dataclass(frozen=True)
class Speed:
    """Searches a second: the median of some passes, the slowest and the fastest; or None and the reason.

    searches : in one call. threads : at work.
    """

    per_s: float | None
    low: float | None
    high: float | None
    searches: int = 0
    passes: int = 0
    threads: int = 1
    reason: str = ""


def sample(usable: Ints) -> Ints:
    """At most `SAMPLE` of the probes, spread evenly over the file."""
    if len(usable) <= SAMPLE:
        return usable
    return usable[np.linspace(0, len(usable) - 1, SAMPLE).astype(np.int64)]


def unknown(reason: str) -> Speed:
    """A speed that was not measured."""
    return Speed(None, None, None, reason=reason)


def measured(
    searches: Sequence[Callable[[], Any]], n: int, *, threads: int = 1, clock: Callable[[], float] = time.perf_counter
) -> list[Speed]:
    """The speed of each call, all of which search the same `n` probes.

    They take turns, pass by pass, so that what the machine does meanwhile meets all of them; a first pass of each is
    not counted. threads : at work in each call.
    """
    if not n:
        return [unknown("0 probes with a template") for _ in searches]
    seconds: list[list[float]] = [[] for _ in searches]
    for search in searches:
        search()
    for _ in range(PASSES):
        for search, own in zip(searches, seconds, strict=True):
            begin = clock()
            search()
            own.append(max(clock() - begin, 1e-9))
    return [Speed(n / statistics.median(own), n / max(own), n / min(own), n, PASSES, threads) for own in seconds]
