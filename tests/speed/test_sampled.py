"""Sampled: calls in a row, on a clock that they move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from frbench.errors import InputError
from frbench.speed.sampled import Function, calls_for


@dataclass
class Hand:
    """A clock that functions move."""

    now: float = 0.0

    def taking(self, seconds: float) -> Callable[[], None]:
        """A function that takes so long."""

        def call() -> None:
            self.now += seconds

        return call


def test_a_time_is_the_mean_of_calls_in_a_row():
    """Four calls of a quarter of a second."""
    clock = Hand()

    assert Function(clock.taking(0.25), 4, lambda: clock.now)() == {"call": 0.25}
    assert clock.now == 1.0


def test_calls_are_as_many_as_the_faster_function_needs():
    """A second of calls of 1/8 s, beside one of 1/2 s: eight."""
    clock = Hand()

    assert calls_for(clock.taking(0.125), clock.taking(0.5), sample_s=1.0, clock=lambda: clock.now) == 8
    assert calls_for(clock.taking(2.0), clock.taking(4.0), sample_s=1.0, clock=lambda: clock.now) == 1


def test_a_sample_takes_time():
    """No sample of 0 s."""
    with pytest.raises(InputError, match="expected above 0"):
        calls_for(print, sample_s=0)
