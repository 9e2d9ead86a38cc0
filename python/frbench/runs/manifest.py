"""Writes down what produced a run, so that somebody else can produce it again."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from frbench import _rust
from frbench.inputs import scratch
from frbench.plan import Plan
from frbench.reading.audits.leakage import Finding
from frbench.runs.options import Options
from frbench.templates import Source, Templates

LIBRARIES = ("numpy", "scipy", "pyarrow", "safetensors", "vl-convert-python")
CONVENTIONS = {
    "score": "cosine of unit float32 rows: float64 sum in one fixed order, rounded to float32",
    "accept": "score >= threshold",
    "threshold": "smallest float32 whose rate does not exceed the target, set on the stated population, then frozen",
    "rank": "1 + number of non-mates at or above the mate's score",
    "fpir": "non-mated searches with at least one candidate at or above the threshold",
    "comparisons": "unordered pairs of templates, each once",
}


@dataclass
class Clock:
    """Seconds that each step took."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time(self, step: str) -> Iterator[None]:
        """Adds the time of the work inside to `step`."""
        begin = time.perf_counter()
        yield
        self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - begin


def run_manifest(
    options: Options,
    plan: Plan,
    *,
    sources: Sequence[Source],
    engine: Mapping[str, Any],
    clock: Clock,
    more: Mapping[str, Any],
    findings: Sequence[Finding] = (),
) -> dict[str, Any]:
    """The manifest of a run.

    engine : as it describes itself; what it lost is a note. more : options of the command, beside the shared ones.
    findings : what a person should look at in the inputs.
    """
    chosen = {
        "groups": [",".join(g) for g in options.groupings],
        "per_template": list(options.per_template),
        "thresholds": list(options.thresholds),
        "at": [target.name for target in options.targets],
        "at_population": "=".join(options.population) if options.population else "all",
        "axis_step": options.axis_step,
        "axis_from": options.axis_from,
        "blocks": options.n_blocks,
        **more,
    }
    return manifest(
        command=options.command or tuple(sys.argv),
        options=chosen,
        sources=sources,
        engine=engine,
        plan=plan.digest,
        durations_s=clock.seconds,
        notes=[
            *map(str, findings),
            *(f"a server was lost: {reason}" for reason in engine.get("lost", ())),
            *(f"a worker was lost: {reason}" for reason in engine.get("lost_workers", ())),
        ],
    )


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


def sources_of_search(gallery: Templates, probes: Templates) -> list[Source]:
    """The files that gallery and probes were read from, each once."""
    return list(dict.fromkeys((*gallery.sources, *probes.sources)))
