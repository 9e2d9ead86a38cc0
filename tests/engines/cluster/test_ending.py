"""Endings that nothing breaks: calls under way are waited for, signals held off, processes of raylets ended."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from frbench import files
from frbench.engines.cluster.ending import Calls, undisturbed
from frbench.errors import EngineUnavailable


def test_an_end_waits_for_the_call_that_is_under_way():
    """Nobody is let in after it, and it comes when the last call is over."""
    calls, inside, may_leave, ended = Calls(), threading.Event(), threading.Event(), threading.Event()

    def call() -> None:
        with calls.one():
            inside.set()
            may_leave.wait(10)

    def end() -> None:
        calls.close(10)
        ended.set()

    threads = [threading.Thread(target=target) for target in (call, end)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    with pytest.raises(EngineUnavailable, match="the workers were ended"):
        call_on(calls)
    assert not ended.is_set()
    may_leave.set()
    assert ended.wait(10)
    for thread in threads:
        thread.join()


def call_on(calls: Calls) -> None:
    """Calls again and again; returns only by an error."""
    while True:
        with calls.one():
            pass


def test_an_end_does_not_wait_forever():
    """A call that never returns is left behind."""
    calls = Calls()
    with calls.one():
        calls.close(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_does_not_break_an_end(number: signal.Signals):
    """It is not heard inside, and heard again as before afterwards."""
    before = signal.signal(number, signal.default_int_handler)
    try:
        with undisturbed():
            signal.raise_signal(number)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    finally:
        signal.signal(number, before)


# In a process of its own: the one that runs tests may have a raylet that they share.
ENDING = """
import subprocess, sys
import ray  # psutil comes with it
from frbench import files
from frbench.engines.cluster.ending import without_orphans

with subprocess.Popen([sys.argv[1]], stdout=subprocess.PIPE, text=True) as raylet:
    child = int(raylet.stdout.readline())
    with without_orphans():
        raylet.kill()
        assert files.is_alive(child)
    raylet.stdout.close()
print(child)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="names of processes are those of their files")
def test_what_a_raylet_started_is_ended_with_it(tmp_path: Path):
    """Killed, it ends nobody itself."""
    script = tmp_path / "raylet"
    script.write_text("#!/bin/sh\nsleep 60 &\necho $!\nwait\n")
    script.chmod(0o700)

    done = subprocess.run([sys.executable, "-c", ENDING, str(script)], stdout=subprocess.PIPE, text=True, check=True)

    end = time.monotonic() + 20
    while files.is_alive(int(done.stdout)) and time.monotonic() < end:
        time.sleep(0.01)
    assert not files.is_alive(int(done.stdout))
