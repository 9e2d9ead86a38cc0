"""Runs a command in a fresh process, for its wall time, its processor time and what it prints."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from frbench.errors import InputError
from frbench.speed import printed

WALL = "wall"
CPU = "cpu"
TAIL_LINES = 15
# Of a longer line only the end is shown.
TAIL_WIDTH = 300
# Of a long command line only the beginning is shown.
SHOWN = 80
# Of a longer output only the end is read.
READ_BYTES = 4 << 20


@dataclass(frozen=True)
class Command:
    """A command line that is timed.

    Parameters
    ----------
    side : its name in messages.
    words : program and arguments, started without a shell.
    patterns : of figures in its output.
    clocks : `wall` and `cpu`, the time of processors in it and in what it waited for; none is `wall` where it prints no
        figure.
    timeout_s : it is killed then.
    """

    side: str
    words: tuple[str, ...]
    patterns: tuple[re.Pattern[str], ...] = ()
    clocks: tuple[str, ...] = ()
    timeout_s: float = 60.0

    def __call__(self) -> dict[str, float]:
        """The figures that it printed, and seconds of the whole process by each clock.

        Raises
        ------
        InputError : it cannot be started, fails, takes too long, or prints no figure; with the end of its output.
        """
        with tempfile.TemporaryFile() as output:
            seconds = self._run(output)
            text = _read(output)
        try:
            found = printed.metrics(text, self.patterns)
        except InputError as error:
            raise self._failed(str(error), text) from error
        taken = next((clock for clock in self.clocks if clock in found), None)
        if taken is not None:
            raise self._failed(
                f"it prints a metric {taken}, the name of the clock --{taken}; leave out one of both", ""
            )
        clocks = self.clocks or (() if found else (WALL,))
        return {**found, **{clock: seconds[clock] for clock in clocks}}

    def _run(self, output: IO[bytes]) -> dict[str, float]:
        """Seconds from the start of the process to its end, and of processors."""
        is_late, process = threading.Event(), None
        try:
            with _uninterrupted():
                start = time.perf_counter()
                process = self._start(output)
            # Popen.wait(timeout) sleeps between looks, which would round times up.
            timer = threading.Timer(self.timeout_s, _stop, (process, is_late))
            timer.start()
            try:
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
                seconds = time.perf_counter() - start
            finally:
                timer.cancel()
            # Until it is collected, its group is no other's: what it left behind would disturb the next one.
            _kill(process)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        except BaseException:
            if process is not None:
                _stop(process, is_late)
                process.wait()
            raise
        if is_late.is_set():
            raise self._failed(f"it was killed after {self.timeout_s:g} s; allow more with --timeout", _read(output))
        if process.returncode:
            raise self._failed(_ending(process.returncode), _read(output))
        return {WALL: seconds, CPU: max(used.ru_utime + used.ru_stime, 1e-6)}

    def _start(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self.words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        except (OSError, ValueError) as error:
            raise self._failed(f"it cannot be started: {error}", "") from error

    def _failed(self, what: str, text: str) -> InputError:
        lines = [line[-TAIL_WIDTH:] for line in text.splitlines()[-TAIL_LINES:]]
        tail = "\n  | ".join(["; the end of its output:", *lines]) if lines else "; it printed nothing"
        words = " ".join(shlex.join(self.words).split())
        return InputError(f"{self.side} ({words if len(words) <= SHOWN else words[:SHOWN] + ' ...'}): {what}{tail}")


def _stop(process: subprocess.Popen[bytes], is_late: threading.Event) -> None:
    """Kills the process and what it has started."""
    if process.returncode is None:
        is_late.set()
        _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Holds interrupts back until its end, so that no process is begun that nobody would stop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda number, _: held.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for missed in held:
            signal.raise_signal(missed)


def _read(output: IO[bytes]) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - READ_BYTES))
    return output.read().decode(errors="replace")


def _ending(code: int) -> str:
    if code > 0:
        return f"it ended with exit code {code}, expected 0"
    return f"it was ended by {signal.Signals(-code).name}"


def split(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The two commands of CMD_A -- CMD_B.

    Raises
    ------
    InputError : not exactly two commands.
    """
    commands: list[list[str]] = [[]]
    for word in words:
        if word == "--":
            commands.append([])
        else:
            commands[-1].append(word)
    if len(commands) != 2 or not all(commands):
        n = sum(map(bool, commands))
        raise InputError(
            f"found {n} commands between the marks --, expected frbench ab [options] -- CMD_A -- CMD_B; "
            "a command that has a -- of its own stands in sh -c '...'"
        )
    return tuple(commands[0]), tuple(commands[1])
