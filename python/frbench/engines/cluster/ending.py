"""How a program leaves what it started, whatever disturbs it: calls under way, signals, processes of others."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

from frbench.errors import EngineUnavailable


class Calls:
    """Calls into something that must not end while one is under way."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._under_way = 0
        self._is_closed = False

    @contextmanager
    def one(self) -> Iterator[None]:
        """The time of a call.

        Raises
        ------
        EngineUnavailable : no more are let in.
        """
        with self._changed:
            if self._is_closed:
                raise EngineUnavailable("the workers were ended")
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def close(self, patience_s: float) -> None:
        """Lets no more in, and waits for those under way, but not forever."""
        with self._changed:
            self._is_closed = True
            self._changed.wait_for(lambda: not self._under_way, patience_s)


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Gives handlers of signals back to the program: Ray takes that of SIGTERM, and would end it without a word."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Lets no second Ctrl-C or SIGTERM break the work inside, which ends processes and removes files."""
    with handlers_kept():
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
        yield


@contextmanager
def without_orphans() -> Iterator[None]:
    """Ends what raylets of this process have started and, on a busy machine, leave behind when they are ended."""
    # Ray brings it along, and finds it once Ray is imported.
    psutil = import_module("psutil")
    others: list[Any] = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            others += child.children(recursive=True) if child.name() == "raylet" else []
    yield
    for process in others:
        with suppress(psutil.Error):
            process.kill()
