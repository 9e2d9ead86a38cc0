"""Processes side by side: each answers for itself, and what goes wrong in one is said here."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from functools import partial

import pytest

from frbench.counting.side_by_side import SideBySide
from frbench.errors import EngineUnavailable, InputError


class Counter:
    """Counts from `first` on, or fails."""

    def __init__(self, first: int) -> None:
        self._next = first

    def count(self, step: int) -> tuple[int, int]:
        """The process, and the next number of it."""
        self._next += step
        return os.getpid(), self._next

    def refuse(self, why: str) -> None:
        """Raises InputError."""
        raise InputError(why)

    def die(self) -> None:
        """Ends the process at once."""
        os.kill(os.getpid(), signal.SIGKILL)


def test_each_process_has_an_object_of_its_own():
    """Two processes, neither of them this one, go on from what they were asked before."""
    with SideBySide(partial(Counter, 10), 2) as both:
        assert both.n == 2
        first, second = both.ask("count", [(1,), (5,)]), both.ask("count", [(1,), (5,)])

    assert [number for _, number in (*first, *second)] == [11, 15, 12, 20]
    assert len({process for process, _ in (*first, *second)} | {os.getpid()}) == 3


def test_a_mistake_in_a_process_is_raised_here_and_it_goes_on():
    """What was raised keeps its type and its sentence; a process that was killed has one that says so."""
    with SideBySide(partial(Counter, 0), 1) as one:
        with pytest.raises(InputError, match="no such row"):
            one.ask("refuse", [("no such row",)])
        assert one.ask("count", [(3,)])[0][1] == 3
        with pytest.raises(EngineUnavailable, match="a process that measured was killed; free memory"):
            one.ask("die", [()])


def test_no_process_is_left_behind():
    """They end with the statement, also when it is left by an error."""
    found = []
    with suppress(InputError), SideBySide(partial(Counter, 0), 1) as one:
        found += one.ask("count", [(1,)])
        one.ask("refuse", [("no such row",)])

    ((pid, _),) = found
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
