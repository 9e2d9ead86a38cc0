"""Kills workers of a sweep on Ray with SIGKILL at random moments, and compares the tally with an undisturbed one.

python -m tests.endurance.kill_ray_workers --kills 20
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from frbench import files
from frbench.cli import app
from frbench.engines.cluster.ray_cluster import local_cluster
from tests import ROOT

LFW = ROOT / "examples" / "lfw"
COMMAND = [
    *("verify", str(LFW / "dlib-128.npy"), "--labels", str(LFW / "labels.csv"), "--group", "sex"),
    *("--thresholds", "0.9", "--no-report", "--quiet"),
]
WORKERS = 3
ON_RAY = ["--runner", "ray", "--workers", str(WORKERS), "--threads", "1"]


def descendants(pid: int) -> Iterator[int]:
    """Processes that a process started, and those that they started."""
    with suppress(OSError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, children.read_text().split()):
                yield child
                yield from descendants(child)


def workers_of(pid: int) -> list[int]:
    """Processes of workers among the descendants of a process."""

    def title(process: int) -> str:
        with suppress(OSError):
            return Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace")
        return ""

    return [process for process in descendants(pid) if title(process).startswith("ray::Holder")]


def tally(out: Path, *more: str) -> bytes:
    """The tally file of a run."""
    app.main([*COMMAND, *more, "--out", str(out)], standalone_mode=False)
    return (out / "tally.safetensors").read_bytes()


def killed(out: Path, moments: list[float], choice: random.Random) -> tuple[bytes, int]:
    """The tally of a run of which a worker was killed at each of the moments, and how many losses it noticed."""
    done = threading.Event()

    def kill() -> None:
        begin = time.monotonic()
        for moment in moments:
            if done.wait(max(0.0, moment - (time.monotonic() - begin))):
                return
            if found := workers_of(os.getpid()):
                with suppress(ProcessLookupError):
                    os.kill(choice.choice(found), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        found = tally(out, *ON_RAY)
    finally:
        done.set()
        killer.join()
    return found, len(files.read_json(out / "manifest.json")["engine"]["lost_workers"])


def survive(kills: int, seed: int) -> int:
    """Kills a worker at `kills` random moments, one a run; returns how many losses the runs noticed.

    Raises
    ------
    SystemExit : a tally differs.
    """
    choice = random.Random(seed)
    noticed = 0
    with tempfile.TemporaryDirectory() as scratch:
        expected = tally(Path(scratch) / "here", "--threads", "1")
        begin = time.monotonic()
        if tally(Path(scratch) / "whole", *ON_RAY) != expected:
            raise SystemExit("the undisturbed run differs from one machine")
        seconds = time.monotonic() - begin
        for i in range(kills):
            moment = choice.uniform(0.0, seconds)
            found, losses = killed(Path(scratch) / str(i), [moment], choice)
            if found != expected:
                raise SystemExit(f"kill {i + 1} after {moment:.3f} s: the tally differs")
            noticed += losses
    return noticed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with local_cluster(processors=WORKERS):
        lost = survive(options.kills, options.seed)
    print(f"{options.kills} kills, {options.kills} equal tallies; {lost} found a worker at work")
