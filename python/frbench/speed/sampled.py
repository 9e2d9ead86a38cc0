"""Times one call of a function in this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from frbench.errors import InputError

CALL = "call"
DEFAULT_SAMPLE_S = 0.01


@dataclass(frozen=True)
class Function:
    """A function that is timed, so many calls at a time. clock : in seconds."""

    function: Callable[[], Any]
    calls: int
    clock: Callable[[], float] = time.perf_counter

    def __call__(self) -> dict[str, float]:
        """Seconds of one call, as `call`: the mean of some in a row."""
        start = self.clock()
        for _ in range(self.calls):
            self.function()
        return {CALL: max((self.clock() - start) / self.calls, 1e-12)}


def calls_for(
    *functions: Callable[[], Any], sample_s: float = DEFAULT_SAMPLE_S, clock: Callable[[], float] = time.perf_counter
) -> int:
    """Calls in a row that take `sample_s` seconds of whichever function is faster: a power of 2.

    Raises
    ------
    InputError : a time of 0 or less.
    """
    if not sample_s > 0:
        raise InputError(f"a sample of {sample_s:g} s is asked for, expected above 0")
    calls = 1
    while min(Function(each, calls, clock)()[CALL] for each in functions) * calls < sample_s:
        calls *= 2
    return calls
