"""Speed on a real machine: `frbench ab` on one command, and on it with a slowdown planted, many times over.

Trials take turns, so that both kinds see the same machine, and each is kept at once: the same command goes on where it
was. What the machine did is kept with them: the load, how far the same command strayed from itself (the noise floor of
each trial), and how far two of its processes were apart.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from frbench import files
from frbench.errors import NotComparable
from frbench.estimate import clopper_pearson
from frbench.runs.manifest import machine
from frbench.speed import compare_commands
from frbench.speed.compare import Comparison
from frbench.speed.ratio import Ratio
from frbench.speed.results import results

SCHEMA = "frbench.study.speed-real/1"
METRIC = "loop"
OUTCOMES = ("fail", "pass", "inconclusive", "invalid")

# The start of the interpreter is not timed, so that what is planted in the loop is what the figure grows by.
LOOP = """
import json, sys, time
clock = getattr(time, sys.argv[2])
start = clock()
for i in range(int(sys.argv[1])):
    i * i
print(json.dumps({"frbench_ab": {"loop": clock() - start}}))
"""
# Other work disturbs processor time less than a clock on the wall.
CLOCKS = {"process_time": "processor time", "perf_counter": "wall time"}


@dataclass(frozen=True)
class Design:
    """What every trial does.

    slowdown : of B, in each second trial. limit : that is asked. loops : of A. clock : that the command reads, one of
    `CLOCKS`.
    """

    slowdown: float
    limit: float
    loops: int
    budget_s: float
    clock: str = "process_time"

    def more(self, n: int) -> float:
        """What is planted in trial `n`."""
        return self.slowdown if n % 2 == 0 else 0.0

    def words(self, more: float = 0.0) -> tuple[str, ...]:
        """A command that does a piece of work, and a share more of it."""
        return words(round(self.loops * (1 + more)), self.clock)


def words(loops: int, clock: str = "process_time") -> tuple[str, ...]:
    """A command that does a piece of work this often, and prints the time that this took."""
    return (sys.executable, "-I", "-S", "-c", LOOP, str(loops), clock)


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
    found = compare_commands(
        design.words(), design.words(more), max_slowdown=design.limit, budget_s=design.budget_s, seed=n
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
        "apart": apart(found),
        **{key: metric[key] for key in ("a", "b", "ratio", "noise", "wilcoxon_p")},
    }


def apart(found: Comparison) -> float | None:
    """The median distance of two processes of the same command, as a share; None without a round."""
    controls = [abs(log) for each in found.rounds for log in each.controls(METRIC)]
    return round(float(np.expm1(np.median(controls))), 6) if controls else None


def noise(trials: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
    """What the machine did, at the least, in the median and at the most; nothing where nothing was found."""
    kinds = {
        "load": [each["load"][0] for each in trials],
        "apart": [each["apart"] for each in trials],
        "floor": [floor(each) for each in trials],
    }
    found = {name: [value for value in values if value is not None] for name, values in kinds.items()}
    return {
        name: [round(float(np.quantile(values, q)), 4) for q in (0, 0.5, 1)] if values else []
        for name, values in found.items()
    }


def floor(trial: dict[str, Any]) -> float | None:
    """How far the same command may be off from itself, as a share: the noise floor; None without an interval."""
    found = Ratio(**trial["noise"]).floor
    return None if found is None else math.expm1(found)


def _kept(path: Path, design: Design) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    said = files.read_json(path, schema=SCHEMA)
    for name, asked in (("design", asdict(design)), ("machine", machine())):
        if said[name] != asked:
            raise NotComparable(f"{path} holds trials with the {name} {said[name]}, expected {asked}; move it away")
    return list(said["trials"])


def _keep(path: Path, design: Design, trials: Sequence[dict[str, Any]]) -> None:
    """Writes everything, one line a trial."""
    head = {"schema": SCHEMA, "design": asdict(design), "machine": machine(), "noise": noise(trials)}
    entries = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
    lines = ",\n".join(f"    {json.dumps(each)}" for each in trials)
    files.write(path, "{\n" + ",\n".join(entries) + f',\n  "trials": [\n{lines}\n  ]\n}}\n')


PAGE = """
## On a real machine

Runs of at most {budget:.0f} s each with a limit of {limit:.0%}: fresh processes of Python that print what a loop took,
on {cores} cores that other work kept busy. By turns B has {slowdown:.0%} more loops, and as many as A. *fail*:
caught where B has more, a false alarm where it has as many; in brackets the exact interval of the share at 95%.
*held*: runs whose interval holds what was planted. Every trial is listed in {files}.

"""

NOISE = """
What the machine did meanwhile, at the least, in the median and at the most: *load*, of the last minute; *apart*, how
far two processes of the same command were from each other in the median of a run; *noise floor*, how far the same
command may be off from itself after as many pairs as the run took.

"""


def page(paths: Sequence[Path]) -> Iterator[str]:
    """Markdown: what the trials in each file showed, and what the machine did meanwhile."""
    kept = [files.read_json(path, schema=SCHEMA) for path in paths]
    yield PAGE.format(
        cores=" or ".join(sorted({str(each["machine"]["cores"]) for each in kept})),
        files=" and ".join(f"`studies/{path.name}`" for path in paths),
        **kept[0]["design"] | {"budget": kept[0]["design"]["budget_s"]},
    )
    yield f"| time of | B | runs | fail | {' | '.join(OUTCOMES[1:])} | held | pairs: median, most | s |\n"
    yield f"|{'---|' * (len(OUTCOMES) + 6)}\n"
    for each in kept:
        for more in (each["design"]["slowdown"], 0.0):
            yield f"| {' | '.join(_cells(each, more))} |\n"
    yield NOISE
    yield "| time of | load | apart | noise floor |\n|---|---|---|---|\n"
    for each in kept:
        load, distance, off = (each["noise"][name] for name in ("load", "apart", "floor"))
        shares = (", ".join(f"{share:.1%}" for share in shares) for shares in (distance, off))
        cells = CLOCKS[each["design"]["clock"]], ", ".join(f"{value:.1f}" for value in load), *shares
        yield f"| {' | '.join(cells)} |\n"


def _cells(kept: Mapping[str, Any], more: float) -> Iterator[str]:
    trials = [trial for trial in kept["trials"] if trial["more"] == more]
    found = [sum(trial["outcome"] == outcome for trial in trials) for outcome in OUTCOMES]
    low, high = clopper_pearson(found[0], len(trials))
    pairs = [trial["ratio"]["pairs"] for trial in trials]
    yield CLOCKS[kept["design"]["clock"]]
    yield f"{more:.0%} more" if more else "A again"
    yield f"{len(trials)}"
    yield f"{found[0]} ({low:.1%} to {high:.1%})"
    yield from map(str, found[1:])
    yield f"{sum(holds(Ratio(**trial['ratio']), 1 + more) for trial in trials)}"
    yield f"{np.median(pairs):,.0f}, {max(pairs):,}"
    yield f"{np.median([trial['seconds'] for trial in trials]):.0f}"


def holds(found: Ratio, truth: float) -> bool:
    """Whether the interval holds the truth; one that was not made does."""
    return found.low is None or found.high is None or found.low <= truth <= found.high
