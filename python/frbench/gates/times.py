"""Reads what rules ask about latency and throughput of finished runs.

Requests of one process resemble each other more than those of two. So an interval has the larger of two variances, on
the logarithm: of the order statistics, for which requests are independent, and between the processes of the run, with
Student's t at one degree of freedom fewer than these. Two runs are of two moments: what the machine did besides in
only one of them is a part of the difference, and `frbench ab` takes turns where that matters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

from frbench.errors import InvalidRun, NotComparable
from frbench.finished_run import FinishedRun
from frbench.gates.asked import Asked, asked_groups
from frbench.gates.claims import QUANTILES, TIMES, select_of
from frbench.gates.reading import Count, Form, Reading, Size
from frbench.gates.rules import Rule
from frbench.plan import Group
from frbench.reading.systems.timed import METHOD, Timed, answers, ends_of, quantile, throughput, welch
from frbench.results.types import results_of

SAME = {
    "latency": ("gallery", "k", "batches", "threads"),
    "load": ("scenario", "gallery", "k", "batch", "mix", "connections", "loads"),
}


def refuse_others(run: FinishedRun, baseline: FinishedRun, *, allows_other_machines: bool) -> None:
    """Raises NotComparable if two runs of times did not do the same, or not on the same machine."""
    kinds = run.results["kind"], baseline.results["kind"]
    if kinds[0] != kinds[1]:
        raise NotComparable(f"{run.name} is of kind {kinds[0]} and {baseline.name} of kind {kinds[1]}")
    for name in SAME[kinds[0]]:
        own, other = (side.tally.plan.details.get(name) for side in (run, baseline))
        if own != other:
            raise NotComparable(
                f"{run.name} was timed with {name} {own} and {baseline.name} with {other}; time one of them again"
            )
    if allows_other_machines:
        return
    machines = [side.manifest.get("machine", {}) for side in (run, baseline)]
    for name in sorted(set(machines[0]) | set(machines[1])):
        own, other = (machine.get(name) for machine in machines)
        if own != other:
            raise NotComparable(
                f"{run.name} and {baseline.name} are of two machines: {name} is {own} and {other}; time both on one, "
                "or give --allow-other-machine"
            )


def asked(rule: Rule, run: FinishedRun, baseline: FinishedRun | None) -> Iterator[Asked]:
    """The rows of a rule about times.

    Raises
    ------
    InputError : the run lacks a metric, label, group or batch size that the rule names.
    InvalidRun : the load generator was late, so that times are partly its own.
    """
    claim, kind = rule.claim, str(run.results["kind"])
    if claim.metric not in TIMES:
        raise rule.refused(f"{run.name} is of kind {kind} and has no {claim.metric}, only {', '.join(TIMES)}")
    if claim.at or claim.rank is not None:
        raise rule.refused("thresholds and ranks are of rates, and this is a time")
    part = _part(rule, run)
    if kind == "load":
        for side in filter(None, (run, baseline)):
            if side.results["loads"][part]["is_generator_late"]:
                raise InvalidRun(f"{side.name} is no measurement: its load generator was late; send fewer requests")
        if claim.metric == "throughput" and claim.columns:
            raise rule.refused("throughput under load is of everybody")
    form: Form = "ratio" if rule.kind == "change" else "number" if claim.metric == "throughput" else "time"
    for group in asked_groups(rule, run):
        select = select_of(group)
        if rule.kind == "change":
            assert baseline is not None
            read = partial(_change, rule, run, baseline, part, group)
            yield Asked(rule, f"change of {claim.of(select)}", form, read)
        else:
            yield Asked(rule, claim.of(select), form, partial(_value, rule, run, part, group))


def _part(rule: Rule, run: FinishedRun) -> int:
    """Number of the batch size or of the load."""
    claim, kind = rule.claim, run.results["kind"]
    word, other = ("batch", "load") if kind == "latency" else ("load", "batch")
    if getattr(claim, other) is not None:
        raise rule.refused(f"{run.name} is of kind {kind}, which has no {other}")
    known = list(run.results["batches"]) if kind == "latency" else list(range(len(run.results["loads"])))
    wanted = getattr(claim, word)
    if wanted is None and len(known) == 1:
        return 0
    if wanted not in known:
        said = f"no {word} is named" if wanted is None else f"there is no {word} {wanted}"
        raise rule.refused(f"{said}, expected one of: {', '.join(f'{word} {n}' for n in known)}")
    return known.index(wanted)


def timed(rule: Rule, run: FinishedRun, part: int, group: Group) -> Timed:
    """What a rule asks of one run."""
    claim, results = rule.claim, results_of(run.results)
    if claim.metric == "throughput" and results["kind"] == "load":
        own = [m["achieved_per_s"] for m in results["measurements"] if m["load"] == part]
        return answers(own, results["loads"][part]["requests"])
    histogram = run.tally.pick(mated=False, group=group, parts=[part])
    axis = run.tally.plan.axis
    if claim.metric == "throughput":
        return throughput(histogram, axis, batch=run.results["batches"][part])
    return quantile(histogram, axis, QUANTILES[claim.metric])


def reading(log: float, variance: float, freedom: float, counts: tuple[Count, ...], n_processes: int) -> Reading:
    """A logarithm with its variance, as a time, a rate or a ratio."""
    told: dict[str, Any] = {"counts": counts, "size": Size(n_processes, "processes a run"), "method": METHOD}
    return Reading.of(math.exp(log), lambda alpha: ends_of(log, variance, freedom, 1 - 2 * alpha), is_log=True, **told)


def _value(rule: Rule, run: FinishedRun, part: int, group: Group) -> Reading:
    found = timed(rule, run, part, group)
    counts = (_count("", found),)
    if found.reason:
        value = None if math.isnan(found.log) else math.exp(found.log)
        return Reading(value, counts=counts, size=Size(found.n_processes, "processes"), reason=found.reason)
    return reading(found.log, found.variance, found.freedom, counts, found.n_processes)


def _change(rule: Rule, run: FinishedRun, baseline: FinishedRun, part: int, group: Group) -> Reading:
    """The ratio to the baseline; degrees of freedom as for two variances.

    Source: Welch (1947) and Satterthwaite (1946).
    """
    new, old = timed(rule, run, part, group), timed(rule, baseline, part, group)
    counts = _count("baseline", old), _count("run", new)
    reason = next((side.reason for side in (new, old) if side.reason), "")
    log = new.log - old.log
    if reason:
        return Reading(None if math.isnan(log) else math.exp(log), counts=counts, reason=reason)
    n_processes = min(new.n_processes, old.n_processes)
    return reading(log, new.variance + old.variance, welch(new, old), counts, n_processes)


def _count(whose: str, found: Timed) -> Count:
    return Count(whose, found.n_requests, f"requests of {found.n_processes} processes")
