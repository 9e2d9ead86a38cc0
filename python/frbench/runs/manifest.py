"""Run manifest: what a job did, as its options, engine, plan and clock tell it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from frbench.manifest import manifest
from frbench.plan import Plan
from frbench.reading.audits.leakage import Finding
from frbench.runs.options import Options
from frbench.templates import Source


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
