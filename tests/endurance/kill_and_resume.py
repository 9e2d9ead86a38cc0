"""Kills a sweep with SIGKILL at random moments, resumes it, and compares the tally with one that was left alone.

python -m tests.endurance.kill_and_resume --kills 50
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests import ROOT

LFW = ROOT / "examples" / "lfw"
COMMAND = [
    *(sys.executable, "-m", "frbench", "verify", "t.npy", "--labels", "l.csv"),
    *("--group", "sex", "--thresholds", "0.9", "--no-report", "--quiet", "--checkpoint-every", "0.05"),
]


def write_population(directory: Path, images: int | None) -> None:
    """The first so many images of the example, or all."""
    np.save(directory / "t.npy", np.load(LFW / "dlib-128.npy")[:images])
    header, *lines = (LFW / "labels.csv").read_text().splitlines()
    (directory / "l.csv").write_text("\n".join([header, *lines[:images]]) + "\n")


def start(out: Path) -> subprocess.Popen[bytes]:
    """A sweep of the population beside `out`, where it writes."""
    return subprocess.Popen([*COMMAND, "--out", str(out)], cwd=out.parent)


def tally(out: Path) -> bytes:
    """The tally file of a finished run."""
    return (out / "tally.safetensors").read_bytes()


def undisturbed(out: Path) -> tuple[bytes, float]:
    """The tally of a run that was left alone, and the seconds that it took."""
    begin = time.monotonic()
    if start(out).wait():
        raise SystemExit("the undisturbed run failed")
    return tally(out), time.monotonic() - begin


def killed_and_resumed(out: Path, after_s: float) -> tuple[bytes, bool]:
    """The tally of a run killed after `after_s` and started again, and whether the kill found it with a checkpoint."""
    process = start(out)
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
    had_checkpoint = any(out.glob(".*.partial"))
    if start(out).wait():
        raise SystemExit("the resumed run failed")
    leftovers = [path.name for path in out.iterdir() if path.name.startswith(".")]
    if leftovers:
        raise SystemExit(f"the resumed run left {leftovers} behind")
    return tally(out), had_checkpoint


def survive(kills: int, seed: int, *, images: int | None = None) -> int:
    """Kills and resumes `kills` runs over some images; returns how many were resumed from a checkpoint.

    Raises
    ------
    SystemExit : a resumed tally differs.
    """
    moments = random.Random(seed)
    resumed = 0
    with tempfile.TemporaryDirectory() as scratch:
        write_population(Path(scratch), images)
        expected, seconds = undisturbed(Path(scratch) / "whole")
        for i in range(kills):
            after_s = moments.uniform(0.0, seconds)
            found, had_checkpoint = killed_and_resumed(Path(scratch) / str(i), after_s)
            if found != expected:
                raise SystemExit(f"kill {i + 1} after {after_s:.3f} s: the resumed tally differs")
            resumed += had_checkpoint
    return resumed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    from_checkpoint = survive(options.kills, options.seed)
    print(f"{options.kills} kills, {options.kills} equal tallies; {from_checkpoint} resumed from a checkpoint")
