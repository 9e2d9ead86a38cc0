"""Real servers for tests: `frbench serve` as a process of its own, on a free port of this machine."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# The command alone: the whole command line takes a second more to be read.
COMMAND = [sys.executable, "-c", "from frbench.commands.serve import command; command()"]
# The whole command line, which turns mistakes into sentences.
PROGRAM = [sys.executable, "-m", "frbench", "serve"]
# Generous: only a server that hangs takes as long.
WAIT_S = 60


@dataclass
class Running:
    """A server that answers calls."""

    process: subprocess.Popen[str]
    ready: dict[str, Any]
    errors: list[str] = field(default_factory=list)

    @property
    def target(self) -> str:
        """Where it is, in plain text."""
        return f"grpc://{self.ready['address']}"

    @property
    def port(self) -> int:
        """Port of the service."""
        return int(self.ready["address"].rpartition(":")[2])

    def kill(self) -> None:
        """Ends it at once, as a crash would."""
        self.process.kill()
        self.process.wait(WAIT_S)

    def freeze(self) -> None:
        """Makes it stand still, with its connections open; returns when it does."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def stop(self) -> int:
        """Ends it in order; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT_S)


@contextmanager
def running(*options: str) -> Iterator[Running]:
    """A server with these options, ended with the block; port 0 unless they say where it listens."""
    where = () if "--listen" in options else ("--listen", "127.0.0.1:0")
    with subprocess.Popen(
        [*COMMAND, "--json", "--log", "warn", "--threads", "1", *where, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield _ready(process)
        finally:
            process.kill()


@contextmanager
def several(n: int) -> Iterator[list[Running]]:
    """So many servers, in memory alone."""
    with ExitStack() as stack:
        yield [stack.enter_context(running()) for _ in range(n)]


def configured(directory: Path, text: str) -> tuple[str, str]:
    """Options that name a configuration file of this text."""
    path = directory / "server.toml"
    path.write_text(text)
    return "--config", str(path)


def until(is_so: Callable[[], bool]) -> None:
    """Returns when it is so, of something that no call waits for.

    Raises
    ------
    AssertionError : it is not so for as long as only a server that hangs takes.
    """
    end = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < end, "nothing changed"
        time.sleep(0.01)


def _ready(process: subprocess.Popen[str]) -> Running:
    """The server, when it has said that it answers."""
    lines: queue.Queue[str] = queue.Queue()
    errors: list[str] = []
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = process.stdout, process.stderr
    threading.Thread(target=lambda: lines.put(out.readline()), daemon=True).start()
    reader = threading.Thread(target=lambda: errors.extend(err), daemon=True)
    reader.start()
    first = lines.get(timeout=WAIT_S)
    if not first:
        reader.join(WAIT_S)
        raise AssertionError(f"the server did not start: {''.join(errors)}")
    return Running(process, json.loads(first), errors)
