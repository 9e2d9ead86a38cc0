"""Draws when each request is sent and which message it is, before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from frbench.errors import InputError

Mix = Literal["natural", "balanced"]
Moments = NDArray[np.uint64]
Order = NDArray[np.uint32]
NS = 1e9
MAX_REQUESTS = 20_000_000


@dataclass(frozen=True, eq=False)
class Schedule:
    """Requests of one measurement.

    Parameters
    ----------
    order : (n,) message of each request.
    scheduled_ns : (n,) moments after the start; None in a closed loop, where a request is sent when one before it is
        answered.
    warm_up_ns : requests of before are sent and not counted.
    end_ns : when it is over.
    """

    order: Order
    scheduled_ns: Moments | None
    warm_up_ns: int
    end_ns: int


def poisson(rate: float, seconds: float, random: np.random.Generator) -> Moments:
    """Moments in [0, seconds) of independent requests, `rate` a second, in nanoseconds: exponential gaps.

    Raises
    ------
    InputError : no rate or time, or more requests than are kept.
    """
    if not (rate > 0 and seconds > 0):
        raise InputError(f"{rate:g} requests a second for {seconds:g} s, expected more than 0 of both")
    expected = rate * seconds
    if expected > MAX_REQUESTS:
        raise InputError(f"{expected:.3g} requests, at most {MAX_REQUESTS:,} are kept; lower the rate or the duration")
    # Seven deviations more than expected: enough in all but one of 10^11 draws, and then more are drawn.
    ends = np.empty(0)
    while not len(ends) or ends[-1] < seconds:
        gaps = random.exponential(1 / rate, size=int(expected + 7 * np.sqrt(expected) + 10))
        ends = np.concatenate([ends, (ends[-1] if len(ends) else 0.0) + gaps.cumsum()])
    return (ends[ends < seconds] * NS).astype(np.uint64)


def draw(groups: Sequence[int], n: int, *, mix: Mix, random: np.random.Generator) -> Order:
    """Messages of `n` requests, drawn with replacement.

    Parameters
    ----------
    groups : of each message.
    mix : natural takes every message alike, balanced every group alike.
    """
    group = np.asarray(groups)
    _, inverse, sizes = np.unique(group, return_inverse=True, return_counts=True)
    weights = np.ones(len(group)) if mix == "natural" else 1 / sizes[inverse]
    return random.choice(len(group), size=n, p=weights / weights.sum()).astype(np.uint32)
