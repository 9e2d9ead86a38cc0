"""Compares two runs of latency or of load: ratios of percentiles and rates, differences of refused shares.

An interval has the larger of the variances within and between the processes of a run, see `timed`. The runs did not
alternate, so that whatever the machine did between them is in the ratio and not in its interval: for a gate, processes
must be interleaved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from frbench.errors import NotComparable
from frbench.estimate import LEVEL
from frbench.finished_run import FinishedRun
from frbench.reading.systems import timed
from frbench.reading.systems.compare import described
from frbench.reading.systems.run_figures import Name
from frbench.reading.systems.time_figures import WORK, Measured, difference, load_name, times_of

SCHEMA = "frbench.time-comparison"
VERSION = 1
METHOD = f"{timed.METHOD}; the runs did not alternate"
METHOD_OF_SHARES = "larger of the variances within and between processes; the runs did not alternate"
DIMENSION = "dimension"
NOTE = "the runs were timed one after the other: what the machine did between them is in the ratio, not in its interval"


def compare_times(a: FinishedRun, b: FinishedRun) -> dict[str, Any]:
    """Percentiles, throughput and refused shares of A and B, ratios and differences of B to A, by group of the probe.

    Raises
    ------
    NotComparable : not two runs of latency, or two of load, of the same work on one machine; the message names the
        first difference.
    """
    refuse_other_work(a, b)
    of_a, of_b = (times_of(run.results, run.tally) for run in (a, b))
    common = [name for name in of_a if name in of_b]
    if not common:
        raise NotComparable(
            f"{a.name} and {b.name} have no load in common: {_loads(a)} in the first, {_loads(b)} in the second; send "
            "both the same --rate, or --sweep both"
        )
    return {
        "schema": SCHEMA,
        "schema_version": VERSION,
        "kind": a.results["kind"],
        "a": described(a),
        "b": described(b),
        "rows": [_row(name, of_a[name], of_b[name]) for name in common],
        "notes": list(_notes(a, b)),
    }


def refuse_other_work(a: FinishedRun, b: FinishedRun) -> None:
    """Raises NotComparable if times of the two runs say nothing of each other, and names the first difference."""
    kinds = [run.results["kind"] for run in (a, b)]
    if kinds[0] != kinds[1] or kinds[0] not in WORK:
        raise NotComparable(
            f"{a.name} is a {kinds[0]} run and {b.name} a {kinds[1]} run: only two of the same kind can be compared"
        )
    pairs: dict[str, tuple[Any, Any]] = {
        words: (a.results[entry], b.results[entry]) for entry, words in WORK[kinds[0]].items()
    }
    machines = [run.manifest.get("machine", {}) for run in (a, b)]
    for fact in sorted({*machines[0], *machines[1]}):
        pairs[f"machines ({fact})"] = (machines[0].get(fact), machines[1].get(fact))
    pairs["numbers of threads"] = (_threads(a), _threads(b))
    pairs["columns of groups (--group)"] = (a.tally.plan.columns, b.tally.plan.columns)
    for words, (one, other) in pairs.items():
        if one != other:
            raise NotComparable(
                f"the runs have other {words}: {one!r} ({a.name}) and {other!r} ({b.name}); time both on the same work"
            )


def _threads(run: FinishedRun) -> str:
    return str(run.manifest.get("engine", {}).get("threads", ""))


def _loads(run: FinishedRun) -> str:
    return ", ".join(load_name(run.results, load) for load in run.results["loads"])


def _notes(a: FinishedRun, b: FinishedRun) -> Iterator[str]:
    yield NOTE
    if a.results[DIMENSION] != b.results[DIMENSION]:
        yield f"templates have {a.results[DIMENSION]} columns in A and {b.results[DIMENSION]} in B"
    if a.results["kind"] == "load":
        yield from _notes_on_load(a, b)


def _notes_on_load(a: FinishedRun, b: FinishedRun) -> Iterator[str]:
    saturated = [run.results["saturation_per_s"] for run in (a, b)]
    if None not in saturated:
        yield (
            f"shares of saturation are of {saturated[0]:,.1f} answers a second in A and {saturated[1]:,.1f} in B, each "
            "measured once: at the same share they bear other rates"
        )
    names = [[load_name(run.results, load) for load in run.results["loads"]] for run in (a, b)]
    alone = [
        f"{at} ({whose})" for own, other, whose in ((*names, "A"), (*names[::-1], "B")) for at in own if at not in other
    ]
    if alone:
        yield f"loads of one run alone are left out: {', '.join(alone)}"
    for run, whose in ((a, "A"), (b, "B")):
        late = [load_name(run.results, load) for load in run.results["loads"] if load["is_generator_late"]]
        if late:
            yield f"the load generator of {whose} was late at {', '.join(late)}: those times hold its lag, too"


def _row(name: Name, a: Measured, b: Measured) -> dict[str, Any]:
    found = {**name._asdict(), "a": asdict(a.figure), "b": asdict(b.figure), **_change(a, b)}
    return {key: value for key, value in found.items() if key not in ("population", "rank")}


def _change(a: Measured, b: Measured) -> dict[str, Any]:
    """B / A, or B less A of a share, with its interval, or the reason why there is none."""
    one, other = a.figure.value, b.figure.value
    found: dict[str, Any] = {"ratio": None, "difference": None}
    ends: tuple[float, float] | None = None
    method = METHOD
    if one is None or other is None:
        pass
    elif a.share is not None and b.share is not None:
        method, ends = METHOD_OF_SHARES, difference(a.share, b.share)
        found["difference"] = other - one
    elif one:
        ends = None if a.timed is None or b.timed is None else timed.ratio(a.timed, b.timed)
        found["ratio"] = other / one
    low, high = ends or (None, None)
    reason = "" if ends else _reason(a, b)
    return {**found, "low": low, "high": high, "level": LEVEL, "method": method if ends else "", "reason": reason}


def _reason(a: Measured, b: Measured) -> str:
    """Why there is no ratio or difference; if there is one, why it has no interval."""
    sides = ((a, "A"), (b, "B"))
    missing = [f"{side.figure.reason} ({whose})" for side, whose in sides if side.figure.value is None]
    unbounded = [f"{_unbounded(side)} ({whose})" for side, whose in sides if _unbounded(side)]
    return next(iter(missing + unbounded), "the value of A is 0")


def _unbounded(side: Measured) -> str:
    return side.figure.reason if side.timed is None else side.timed.reason
