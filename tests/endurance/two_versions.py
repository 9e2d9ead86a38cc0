"""Holds every command of this version to another one: the same exit codes, output and files, byte for byte.

python -m tests.endurance.two_versions --other ../another-checkout      (which has to be built)

Times, dates and rates of the machine are left out; of `latency`, `load`, `ann` and `info` only what is no time is held.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests import ROOT

LFW = ROOT / "examples" / "lfw"
DLIB, OTHER, LABELS = (str(LFW / name) for name in ("dlib-128.npy", "faceres-256.npy", "labels.csv"))
BY = ("--labels", LABELS, "--group", "sex")
GATE = """
[[rule]]
claim = "fnmr[sex=female] at fmr=1e-3"
upper = 0.2

[[rule]]
change = "fnmr at fmr=1e-3"
upper = 0.05
"""
# Keys of JSON whose values are of the clock.
OF_CLOCKS = {"created", "durations_s", "exact_queries", "queries", "build_s", "created_s", "signed", "command"}
CLOCKS = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\+00:00| UTC)?"
    # Seconds of steps on a page: in its table of provenance, and in the manifest that it repeats.
    r'|<td class="left"[^>]*>\d+\.\d+</td>|^ +&#34;[a-z ]+&#34;: \d+\.\d+,?$',
    re.MULTILINE,
)
SCORES, COLUMNS = "scores.csv", "score=score,probe_subject=a,reference_subject=b"
HARDWARE = str(ROOT / "examples" / "plan" / "machines.toml")
GOLDEN = ROOT / "tests" / "golden" / "scores"
RUNS: dict[str, tuple[str, ...]] = {
    "verify": ("verify", DLIB, *BY, "--at", "fmr=1e-3,1e-4", "--keep-pairs", "20", "--per-subject"),
    "verify-b": ("verify", OTHER, *BY, "--at", "fmr=1e-3", "--failed", "exclude"),
    "pairs": ("verify", DLIB, *BY, "--pairs", str(LFW / "pairs.csv"), "--thresholds", "0.9,0.95"),
    "verify-t": ("verify", DLIB, *BY, "--thresholds", "0.9258040189743042,0.95"),
    "verify-c": ("verify", OTHER, *BY, "--at", "fmr=1e-3,1e-4"),
    "identify-b": ("identify", OTHER, *BY, "--nonmated-subjects", "1000"),
    "population": ("verify", DLIB, *BY, "--at", "fmr=1e-3", "--at-population", "sex=male", "--declared", "242257"),
    "recorded": ("verify", "--scores", SCORES, "--format", "csv", "--at", "fmr=0.1", "--columns", COLUMNS),
    "log": (
        "identify", "-k", str(GOLDEN / "probe_vector.frte.txt"), "--format", "frte", "--group", "sex",
        "--enrolled", str(GOLDEN / "enrolled.csv"), "--searches", str(GOLDEN / "searches.csv"), "--thresholds", "0.5",
    ),
    "identify": ("identify", DLIB, *BY, "--nonmated-subjects", "1000", "--gallery-sizes", "1000,100000"),
    "precision": ("precision", DLIB, *BY, "--format", "int8,pca32"),
    "fuse": ("fuse", DLIB, OTHER, *BY, "--at", "fmr=1e-3"),
    "ann": ("ann", DLIB, *BY, "--index", "faiss-sq8", "--rebuilds", "1"),
    "latency": ("latency", DLIB, *BY, "--requests", "20", "--runs", "1"),
    "demo": ("demo", "--data", str(LFW), "--at", "fmr=1e-3"),
}  # fmt: skip
AFTERWARDS: tuple[tuple[str, ...], ...] = (
    ("compare", "verify-b", "fuse", "--json"),
    ("compare", "verify", "population"),
    ("gate", "verify", "--baseline", "verify-c", "--rules", "gates.toml", "--json"),
    ("gate", "verify", "--rules", "missing.toml"),
    ("transfer", "verify", "verify-t", "--at", "fmr=1e-3", "--group", "sex"),
    ("transfer", "verify-t", "--threshold", "0.95", "--promised", "fmr=1e-3", "--json"),
    ("power", "--rate", "1e-5"),
    ("power", "--metric", "fnmr", "--rate", "0.01", "--json"),
    ("compare", "verify", "verify-c"),
    ("compare", "identify", "identify-b", "--json"),
    ("export", "verify", "--to", "csv", "--out", "exported"),
    ("export", "verify", "--to", "bob5", "--out", "bob"),
    ("report", "./verify", "identify", "pairs", "--out", "both.html"),
    ("report", "verify/tally.safetensors", "--group", "sex", "--at", "fmr=1e-3", "--out", "tally.html"),
    ("plan", "--gallery-size", "3e9", "--probes", "1e5", "--json", "--hardware", HARDWARE),
    ("verify",),
    ("verify", DLIB, "--scores", SCORES),
    ("verify", DLIB, *BY, "--at-population", "sex"),
    ("verify", DLIB, *BY, "--workers", "2"),
    ("verify", "--scores", SCORES, "--format", "csv", "--isa", "avx2"),
    ("identify", DLIB, "--gallery", DLIB),
    ("latency", DLIB, "--requests", "0"),
    ("fuse", DLIB, OTHER, *BY, "--threshold-a", "1"),
)  # fmt: skip


def run(tree: Path, place: Path, words: tuple[str, ...]) -> tuple[int, str, str]:
    """Exit code and both streams of a command of one version, started in `place`."""
    command = [sys.executable, "-m", "frbench", *words]
    environment = os.environ | {"PYTHONPATH": str(tree / "python"), "COLUMNS": "132"}
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def without_clocks(value: Any) -> Any:
    """JSON without what is of the clock."""
    if isinstance(value, dict):
        return {key: without_clocks(each) for key, each in value.items() if key not in OF_CLOCKS}
    return [without_clocks(each) for each in value] if isinstance(value, list) else value


def without_trees(text: str) -> str:
    """A text in which the program has no place."""
    return re.sub(r"\S+/python/frbench/__main__.py", "frbench", text)


def content(path: Path) -> bytes:
    """What a file says, without clocks."""
    if path.suffix == ".json":
        return json.dumps(without_clocks(json.loads(path.read_text()))).encode()
    if path.suffix == ".html":
        return CLOCKS.sub("", without_trees(path.read_text())).encode()
    return path.read_bytes()


def differences(trees: list[Path], place: Path) -> Iterator[str]:
    """A line for each command or file in which the versions differ."""
    places = [place / name for name in ("this", "other")]
    for each in places:
        each.mkdir()
        (each / "gates.toml").write_text(GATE)
        scores = np.random.default_rng(0).normal(size=400)
        rows = (f"{s + (i % 4 == 0)},p{i % 20},{'p' if i % 4 == 0 else 'q'}{i % 20}" for i, s in enumerate(scores))
        (each / SCORES).write_text("score,a,b\n" + "\n".join(rows) + "\n")
    calls = [(*words, "--out", name) for name, words in RUNS.items()] + list(AFTERWARDS)
    for words in calls:
        mine, theirs = (run(tree, each, words) for tree, each in zip(trees, places, strict=True))
        is_timed = words[0] in ("latency", "ann", "demo", "precision")
        for what, one, other in zip(("exit code", "output", "errors"), mine, theirs, strict=True):
            if is_timed and what != "exit code":
                continue
            one_text, other_text = (CLOCKS.sub("", str(each)) for each in (one, other))
            if one_text != other_text:
                at = next((i for i, (x, y) in enumerate(zip(one_text, other_text, strict=False)) if x != y), 0)
                yield f"{' '.join(words)}: {what} differs: {one_text[at : at + 80]!r}, not {other_text[at : at + 80]!r}"
        print(f"{mine[0]}  frbench {' '.join(words)}", flush=True)
    names = [{path.relative_to(each).as_posix() for path in each.rglob("*") if path.is_file()} for each in places]
    yield from (f"{name}: written by one version alone" for name in sorted(names[0] ^ names[1]))
    for name in sorted(names[0] & names[1]):
        is_timed = name.startswith(("latency/", "demo/latency", "demo/report", "ann/report", "precision/report"))
        if not is_timed and content(places[0] / name) != content(places[1] / name):
            yield f"{name}: differs"


def main() -> None:
    """Prints every command with its exit code, then what differs; exits with 1 if anything does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--other", type=Path, required=True, help="Checkout of the other version, built.")
    with tempfile.TemporaryDirectory() as place:
        found = list(differences([ROOT, parser.parse_args().other.resolve()], Path(place)))
        print("\n".join(found) or f"{len(RUNS) + len(AFTERWARDS)} commands, nothing differs")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
