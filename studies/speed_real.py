"""Speed on a real machine: `frbench ab` on one command, and on it with a slowdown planted, many times over.

Trials take turns, so that both kinds see the same machine, and each is kept at once: the same command goes on where it
was. What the machine did is kept with them: the load, how far the same command strayed from itself (the noise floor of
each trial), and how far two of its processes were apart.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from frbench import files, manifest
from frbench.errors import NotComparable
from frbench.estimate import clopper_pearson
from frbench.speed import compare_commands
from frbench.speed.compare import Comparison
from frbench.speed.ratio import Ratio
from frbench.speed.results import results

SCHEMA = "frbench.study.speed-real/1"
METRIC = "loop"
OUTCOMES = ("fail", "pass", "inconclusive", "invalid")

# Prints processor time, which other work disturbs less than a clock on the wall; the start is not timed.
LOOP = """
import json, sys, time
start = time.process_time()
for i in range(int(sys.argv[1])):
    i * i
print(json.dumps({"frbench_ab": {"loop": time.process_time() - start}}))
"""


@dataclass(frozen=True)
class Design:
    """What every trial does. slowdown : of B, in each second trial. limit : that is asked. loops : of A."""

    slowdown: float
    limit: float
    loops: int
    budget_s: float

    def more(self, n: int) -> float:
        """What is planted in trial `n`."""
        return self.slowdown if n % 2 == 0 else 0.0


def words(loops: int) -> tuple[str, ...]:
    """A command that does a piece of work this often."""
    return (sys.executable, "-I", "-S", "-c", LOOP, str(loops))


def real(trials: int, design: Design, path: Path) -> None:
    """So many trials of each kind, kept in a file; those that it has are not run again.

    Raises
    ------
    NotComparable : the file holds trials of another design.
    """
    kept = _kept(path, design)
    while len(kept) < 2 * trials:
        kept.append(trial(len(kept), design))
        _keep(path, design, kept)
        last = kept[-1]
        print(f"{len(kept)}/{2 * trials}  {last['more']:.0%}: {last['outcome']}, load {last['load'][0]}", flush=True)


def trial(n: int, design: Design) -> dict[str, Any]:
    """Trial `n`, whose seed is its number."""
    more = design.more(n)
    slower = round(design.loops * (1 + more))
    found = compare_commands(
        words(design.loops), words(slower), max_slowdown=design.limit, budget_s=design.budget_s, seed=n
    )
    values = results(found)
    metric = values["metrics"][METRIC]
    return {
        "seed": n,
        "more": more,
        "outcome": metric["outcome"],
        "created": values["created"],
        "seconds": values["design"]["seconds"],
        "ending": values["design"]["ending"],
        "load": values["machine"]["load"],
        "apart": round(apart(found), 6),
        **{key: metric[key] for key in ("a", "b", "ratio", "noise", "wilcoxon_p")},
    }


def apart(found: Comparison) -> float:
    """The median distance of two processes of the same command, as a share."""
    controls = [abs(log) for each in found.rounds for log in each.controls(METRIC)]
    return float(np.expm1(np.median(controls)))


def noise(trials: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
    """What the machine did, at the least, in the median and at the most."""
    kinds = {
        "load": [each["load"][0] for each in trials],
        "apart": [each["apart"] for each in trials],
        "floor": [found for found in map(floor, trials) if found is not None],
    }
    return {name: [round(float(np.quantile(values, q)), 4) for q in (0, 0.5, 1)] for name, values in kinds.items() if values}


def floor(trial: dict[str, Any]) -> float | None:
    """How far the same command may be off from itself, as a share: the noise floor; None without an interval."""
    found = Ratio(**trial["noise"]).floor
    return None if found is None else math.expm1(found)


def _kept(path: Path, design: Design) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    said = files.read_json(path, schema=SCHEMA)
    for name, asked in (("design", asdict(design)), ("machine", manifest.machine())):
        if said[name] != asked:
            raise NotComparable(f"{path} holds trials with the {name} {said[name]}, expected {asked}; move it away")
    return list(said["trials"])


def _keep(path: Path, design: Design, trials: Sequence[dict[str, Any]]) -> None:
    """Writes everything, one line a trial."""
    head = {"schema": SCHEMA, "design": asdict(design), "machine": manifest.machine(), "noise": noise(trials)}
    entries = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
    lines = ",\n".join(f"    {json.dumps(each)}" for each in trials)
    files.write(path, "{\n" + ",\n".join(entries) + f',\n  "trials": [\n{lines}\n  ]\n}}\n')


PAGE = """
## On a real machine

{n} runs of at most {budget:.0f} s each with a limit of {limit:.0%}: fresh processes of Python that print the processor
time of a loop, on a machine of {cores} processors that other work kept busy. By turns B has {slowdown:.0%} more loops,
and as many as A; B with as many that fails is a false alarm. Intervals of shares are exact, at 95%.

"""

NOISE = """
What the machine did, at the least, in the median and at the most: load {load}; two processes of the same command
were {apart} apart; noise floor where a run stopped, {floor}.
"""
