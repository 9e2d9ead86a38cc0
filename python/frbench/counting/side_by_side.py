"""Runs processes that do the same at the same time, and share the memory and caches of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Any, Self

from frbench.errors import EngineUnavailable


class SideBySide:
    """`n` processes, each with what `make` returns; to be closed, or used in a `with` statement."""

    def __init__(self, make: Callable[[], Any], n: int) -> None:
        self.n = n
        self._processes = ExitStack()
        context = multiprocessing.get_context("spawn")
        self._connections: list[Connection] = []
        for _ in range(n):
            here, there = context.Pipe()
            process = context.Process(target=_answer, args=(there, make), daemon=True)
            process.start()
            there.close()
            self._processes.callback(process.join)
            self._processes.callback(process.terminate)
            self._connections.append(here)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.close()

    def ask(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """What the method returns in each process, one tuple of arguments each; all are asked before one is awaited.

        Raises
        ------
        EngineUnavailable : a process was killed. Exception : what a process raised.
        """
        try:
            for connection, each in zip(self._connections, arguments, strict=True):
                connection.send((method, each))
            answers = [connection.recv() for connection in self._connections]
        except (EOFError, OSError) as error:
            raise EngineUnavailable("a process that measured was killed; free memory and try again") from error
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers


def _answer(connection: Connection, make: Callable[[], Any]) -> None:
    # Ctrl-C reaches the whole group of processes; the parent says what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    asked = make()
    while True:
        try:
            method, arguments = connection.recv()
        except (EOFError, OSError):
            # Whoever asked is gone, killed or not.
            return
        try:
            connection.send(getattr(asked, method)(*arguments))
        except Exception as error:
            connection.send(error)


def _end_with_parent() -> None:
    """Ends this process when the one that started it is gone, killed or not, whatever it is doing."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
