"""Manifest: what produced a result, so that somebody else can produce it again."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from frbench import _rust
from frbench.inputs import scratch
from frbench.templates import Source

LIBRARIES = ("numpy", "scipy", "pyarrow", "safetensors", "vl-convert-python")


def manifest(
    *,
    command: Sequence[str],
    options: Mapping[str, Any],
    sources: Sequence[Source],
    engine: Mapping[str, Any],
    plan: str,
    durations_s: Mapping[str, float],
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """The manifest of one run, as JSON values.

    durations_s : seconds of each step, resumed work not included. notes : what a person should look at in the input.
    """
    return {
        "schema": "frbench.manifest",
        "schema_version": 1,
        "frbench": version("frbench"),
        "command": list(command),
        "options": dict(options),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "plan": plan,
        "inputs": [asdict(source) for source in sources],
        "notes": list(notes),
        "conventions": CONVENTIONS,
        "engine": dict(engine),
        "kernels": _rust.kernels(),
        "machine": machine(),
        "libraries": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        "durations_s": {step: round(seconds, 3) for step, seconds in durations_s.items()},
    }


CONVENTIONS = {
    "score": "cosine of unit float32 rows: float64 sum in one fixed order, rounded to float32",
    "accept": "score >= threshold",
    "threshold": "smallest float32 whose rate does not exceed the target, set on the stated population, then frozen",
    "rank": "1 + number of non-mates at or above the mate's score",
    "fpir": "non-mated searches with at least one candidate at or above the threshold",
    "comparisons": "unordered pairs of templates, each once",
}


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, memory and system; no host name."""
    return {
        "processor": _processor(),
        "cores": _rust.threads(0),
        "memory_gib": round(scratch.memory_bytes() / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "byte_order": sys.byteorder,
    }


def hardware() -> str:
    """The machine as one line: what times belong to."""
    return ", ".join(str(value) for value in machine().values())


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()
