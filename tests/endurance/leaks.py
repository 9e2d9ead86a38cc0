"""Searches, and makes, fills and drops galleries, and looks whether memory, files and disk stay as they are.

python -m tests.endurance.leaks --searches 100000 --cycles 1000
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from frbench.service.client import Client
from tests.endurance.garbage import resident
from tests.worlds.servers import Running, running

DIMENSION, N_PROBES, N_TEMPLATES = 128, 64, 2048
MIB = 1 << 20
# Of what a search or a cycle could leak, the first is 32 KiB and the second 1 MiB.
SLACK_BYTES = 32 * MIB
SLACK_DISK_BYTES = 16 * MIB


@dataclass(frozen=True)
class Use:
    """What a server has: bytes of memory and of its store, open files, threads."""

    memory_bytes: int
    disk_bytes: int
    files: int
    threads: int

    @staticmethod
    def of(server: Running, data: Path) -> Use:
        """What it has now."""
        process = Path(f"/proc/{server.process.pid}")
        files, threads = (len(list((process / kind).iterdir())) for kind in ("fd", "task"))
        return Use(resident(server.process.pid), (data / "galleries.redb").stat().st_size, files, threads)

    def check(self, before: Use) -> None:
        """Looks at what was gained.

        Raises
        ------
        AssertionError : more than the slack.
        """
        gained = f"before {before}, after {self}"
        assert self.memory_bytes - before.memory_bytes < SLACK_BYTES, gained
        assert self.disk_bytes - before.disk_bytes < SLACK_DISK_BYTES, gained
        # Threads for work that waits come and go.
        assert self.files - before.files < 8, gained


def used(*, searches: int, cycles: int) -> tuple[Use, Use, Use]:
    """What a server has after a tenth of all, after the searches, and after the cycles."""
    source = np.random.default_rng(2)
    rows = source.standard_normal((N_TEMPLATES, DIMENSION)).astype(np.float32)
    ids, probes = [f"t{i}" for i in range(N_TEMPLATES)], rows[:N_PROBES]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        with running("--data", folder) as server, Client(server.target) as client:

            def fill(name: str) -> None:
                client.create_gallery(name, DIMENSION)
                client.enrol(name, rows, ids)

            def cycle() -> None:
                fill("passing")
                client.drop_gallery("passing")

            def search() -> None:
                client.search("people", probes, 10, rows_only=True)

            fill("people")
            repeat(search, searches // 10)
            repeat(cycle, cycles // 10)
            before = Use.of(server, data)
            repeat(search, searches - searches // 10)
            between = Use.of(server, data)
            repeat(cycle, cycles - cycles // 10)
            return before, between, Use.of(server, data)


def repeat(work: Callable[[], None], times: int) -> None:
    """Does it so many times."""
    for _ in range(times):
        work()


def main() -> None:
    """Looks for leaks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--searches", type=int, default=100_000)
    parser.add_argument("--cycles", type=int, default=1000)
    asked = parser.parse_args()
    found = used(searches=asked.searches, cycles=asked.cycles)
    for when, use in zip(("a tenth", f"{asked.searches:,} searches", f"{asked.cycles:,} cycles"), found, strict=True):
        memory, disk = use.memory_bytes / MIB, use.disk_bytes / MIB
        print(f"after {when}: {memory:.0f} MiB, {disk:.0f} MiB on disk, {use.files} files, {use.threads} threads")
    for use in found[1:]:
        use.check(found[0])


if __name__ == "__main__":
    main()
