"""Times: two latency runs of the same work on the same machine, the ratio of each percentile and of the throughput.

Interval of a ratio of percentiles: the ends of both order-statistic intervals, joined on the logarithm (MOVER; Zou &
Donner 2008), requests taken as independent, and the width of a bin. The runs did not alternate, so that whatever the
machine did between them is in the ratio and not in its interval: for a gate, processes must be interleaved.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from frbench.errors import NotComparable
from frbench.estimate import LEVEL
from frbench.systems.compare import Run
from frbench.systems.run_figures import Figure, Name, figures_of

SCHEMA = "frbench.time-comparison"
VERSION = 1
METHOD = "order-statistic intervals of both percentiles, joined on the logarithm (MOVER); the runs did not alternate"
NO_INTERVAL = "the mean of each run is known without an interval"
# Times are known to 1%, the width of their bins; the ratio of two of them is then off by at most as much.
BIN = math.log(1.01)
WORK = {"gallery": "sizes of gallery (rows)", "k": "lengths of candidate lists", "batches": "sizes of request"}
NOTE = "the runs were timed one after the other: what the machine did between them is in the ratio, not in its interval"


def compare_times(a: Run, b: Run) -> dict[str, Any]:
    """Percentiles and throughput of A and B, and ratios of B to A, by group of the probe.

    Raises
    ------
    NotComparable : not two latency runs of the same work on one machine; the message names the first difference.
    """
    refuse_other_work(a, b)
    of_a, of_b = figures_of(a.results), figures_of(b.results)
    return {
        "schema": SCHEMA,
        "schema_version": VERSION,
        "kind": "latency",
        "a": {"name": a.name, "plan": a.tally.plan.digest, "inputs": list(a.manifest["inputs"])},
        "b": {"name": b.name, "plan": b.tally.plan.digest, "inputs": list(b.manifest["inputs"])},
        "rows": [_row(name, of_a[name], of_b[name]) for name in of_a if name in of_b],
        "notes": list(_notes(a, b)),
    }


def refuse_other_work(a: Run, b: Run) -> None:
    """Raises NotComparable if times of the two runs say nothing of each other, and names the first difference."""
    for run in (a, b):
        if run.results["kind"] != "latency":
            raise NotComparable(
                f"{run.name} is a {run.results['kind']} run and the other one of latency: no times both"
            )
    pairs: dict[str, tuple[Any, ...]] = {words: (a.results[entry], b.results[entry]) for entry, words in WORK.items()}
    pairs["machines"] = (_machine(a), _machine(b))
    pairs["numbers of threads"] = tuple(str(run.manifest.get("engine", {}).get("threads", "")) for run in (a, b))
    pairs["columns of groups (--group)"] = (a.tally.plan.columns, b.tally.plan.columns)
    for words, (one, other) in pairs.items():
        if one != other:
            raise NotComparable(
                f"the runs have other {words}: {one!r} ({a.name}) and {other!r} ({b.name}); time both on the same work"
            )


def _machine(run: Run) -> str:
    machine: Mapping[str, Any] = run.manifest.get("machine", {})
    return ", ".join(f"{name} {value}" for name, value in sorted(machine.items()))


def _notes(a: Run, b: Run) -> Iterator[str]:
    yield NOTE
    if a.results["dimension"] != b.results["dimension"]:
        yield f"templates have {a.results['dimension']} columns in A and {b.results['dimension']} in B"


def _row(name: Name, a: Figure, b: Figure) -> dict[str, Any]:
    found = {**name._asdict(), "a": a.to_json(), "b": b.to_json(), **ratio(a, b)}
    return {key: value for key, value in found.items() if key not in ("population", "rank")}


def ratio(a: Figure, b: Figure) -> dict[str, Any]:
    """B / A with its interval, or the reason why there is none."""
    empty = {"ratio": None, "low": None, "high": None, "level": LEVEL, "method": METHOD, "reason": ""}
    if a.value is None or b.value is None or not a.value:
        return empty | {"reason": a.reason or b.reason or "the value of A is 0"}
    value = b.value / a.value
    ends = (a.low, a.high, b.low, b.high)
    if None in ends or not all(end for end in ends):
        return empty | {"ratio": value, "reason": NO_INTERVAL}
    log_a, log_b = (tuple(math.log(v or 1) for v in (f.low, f.value, f.high)) for f in (a, b))
    down = math.hypot(log_b[1] - log_b[0], log_a[2] - log_a[1], BIN)
    up = math.hypot(log_b[2] - log_b[1], log_a[1] - log_a[0], BIN)
    return empty | {"ratio": value, "low": value * math.exp(-down), "high": value * math.exp(up)}
