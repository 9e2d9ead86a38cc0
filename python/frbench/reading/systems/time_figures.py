"""Lists every time, rate and share of a latency or a load run, by names that other runs share.

Each has a value with the interval of its run, and what a comparison of two runs needs: a logarithm with its variance,
or the requests of each process.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench.estimate import LEVEL, student_t, wilson
from frbench.plan import ALL, EVERYBODY, Group
from frbench.reading.systems import timed
from frbench.reading.systems.run_figures import Figure, Name
from frbench.reading.systems.timed import ONE_PROCESS, Timed
from frbench.tally import Histogram, Tally

PROBES_A_SECOND = "probes_per_second"
ANSWERS_A_SECOND = "answers_per_second"
SATURATION = "saturation"
OBJECTIVE = "objective_rate"
UNANSWERED = "unanswered"
MEASURED_ONCE = (SATURATION, OBJECTIVE)
RATES = (PROBES_A_SECOND, ANSWERS_A_SECOND, *MEASURED_ONCE)
ONCE = "measured once: how often it would be another is not known"
NONE_UNANSWERED = "requests of one process fail together, so that none in {:,} bounds nothing"
# What a time depends on beside the software that is timed, by kind of run: entry of results.json, and words.
WORK: dict[str, dict[str, str]] = {
    "latency": {"gallery": "sizes of gallery (rows)", "k": "lengths of candidate lists", "batches": "sizes of request"},
    "load": {
        "scenario": "scenarios (--scenario)",
        "gallery": "galleries (--gallery)",
        "k": "lengths of candidate lists",
        "batch": "sizes of request (--batch)",
        "mix": "mixes of groups (--mix)",
        "connections": "numbers of connections",
        "timeout_s": "deadlines (--timeout)",
    },
}


@dataclass(frozen=True, eq=False)
class Share:
    """Requests without an answer. k, n : (processes,) of each process: those without an answer, and all."""

    k: NDArray[np.int64]
    n: NDArray[np.int64]

    @property
    def value(self) -> float:
        """Of all processes."""
        return float(self.k.sum() / self.n.sum())

    @property
    def variance(self) -> float:
        """The larger of two: between processes, and of independent requests with half of one more without an answer."""
        r, n, k = len(self.n), int(self.n.sum()), int(self.k.sum())
        smooth = (k + 0.5) / (n + 1)
        return max(float(np.var(self.k / self.n, ddof=1)) / r, smooth * (1 - smooth) / n)

    def figure(self) -> Figure:
        """With Wilson's interval at the number of independent requests that would vary as much."""
        k, n, r = int(self.k.sum()), int(self.n.sum()), len(self.n)
        if not n:
            return Figure(None, None, None, None, 0, 0, None, "0 requests")
        reason = ONE_PROCESS if r < 2 else "" if 0 < k < n else NONE_UNANSWERED.format(n) if not k else "no answer"
        if reason:
            return Figure(k / n, None, None, LEVEL, k, n, None, reason)
        effective = self.value * (1 - self.value) / self.variance
        low, high = wilson(self.value, effective, student_t(r - 1, LEVEL))
        return Figure(k / n, low, high, LEVEL, k, n, None, "")


@dataclass(frozen=True, eq=False)
class Measured:
    """A figure of one run, and what two of them are compared by: a logarithm, or a share; neither for what is once."""

    figure: Figure
    timed: Timed | None = None
    share: Share | None = None


def times_of(results: Mapping[str, Any], tally: Tally) -> dict[Name, Measured]:
    """Everything that a run of latency or load has, by name."""
    return dict(_of_latency(results, tally) if results["kind"] == "latency" else _of_load(results, tally))


def _of_latency(results: Mapping[str, Any], tally: Tally) -> Iterator[tuple[Name, Measured]]:
    for row in results["groups"]:
        at = f"request of {row['batch']}"
        histogram = _histogram(row, tally, list(results["batches"]).index(row["batch"]))
        yield from _quantiles(row, at, histogram, tally)
        speed = timed.throughput(histogram, tally.plan.axis, batch=row["batch"])
        yield _name(row, PROBES_A_SECOND, at), _rate(row["probes_per_second"], speed)


def _of_load(results: Mapping[str, Any], tally: Tally) -> Iterator[tuple[Name, Measured]]:
    names = [load_name(results, load) for load in results["loads"]]
    for row in results["groups"]:
        histogram = _histogram(row, tally, row["load"])
        yield from _quantiles(row, names[row["load"]], histogram, tally)
        share = _unanswered(histogram)
        yield _name(row, UNANSWERED, names[row["load"]]), Measured(share.figure(), share=share)
    for load, at in zip(results["loads"], names, strict=True):
        own = [m["achieved_per_s"] for m in results["measurements"] if m["load"] == load["load"]]
        speed = timed.answers(own, load["requests"])
        yield _of_all(ANSWERS_A_SECOND, at), _rate(load["achieved_per_s"], speed)
    if results["saturation_per_s"] is not None:
        yield _of_all(SATURATION, "closed loop"), Measured(_once(results["saturation_per_s"], 0))
    slo = results["slo"]
    if slo is not None:
        n = sum(trial["requests"] for trial in slo["trials"])
        yield _of_all(OBJECTIVE, slo["objective"]), Measured(_once(slo["rate"], n))


def load_name(results: Mapping[str, Any], load: Mapping[str, Any]) -> str:
    """What a load is called in every run that has it; the rates of a sweep are shares of what its server bore."""
    if load["rate"] is None:
        return f"{load['in_flight']} at a time"
    saturated = results["saturation_per_s"]
    if saturated is not None and results["slo"] is None:
        return f"{load['rate'] / saturated:.0%} of saturation"
    return f"{load['rate']:.6g} requests a second"


def _histogram(row: Mapping[str, Any], tally: Tally, part: int) -> Histogram:
    group = EVERYBODY if row["grouping"] == ALL else Group.within(row["grouping"].split(","), row["group"])
    return tally.pick(mated=False, group=group, parts=[part])


def _name(row: Mapping[str, Any], metric: str, at: str) -> Name:
    group = ALL if row["grouping"] == ALL else row["group"]
    return Name(metric, at, "", row["grouping"], group, group)


def _of_all(metric: str, at: str) -> Name:
    return Name(metric, at, "", ALL, ALL, ALL)


def _quantiles(row: Mapping[str, Any], at: str, histogram: Histogram, tally: Tally) -> Iterator[tuple[Name, Measured]]:
    for q in row["quantiles"]:
        figure = Figure(q["value_ns"], q["low_ns"], q["high_ns"], q["level"], None, q["n"], None, q["reason"])
        own = timed.quantile(histogram, tally.plan.axis, q["q"])
        yield _name(row, f"p{q['q'] * 100:g}", at), Measured(figure, own)


def _rate(value: float | None, own: Timed) -> Measured:
    """A throughput, with the interval of `own`."""
    if value is None:
        return Measured(Figure(None, None, None, None, None, own.n_requests, None, own.reason), own)
    low, high = timed.interval(own) or (None, None)
    return Measured(Figure(value, low, high, LEVEL, None, own.n_requests, None, own.reason), own)


def _once(value: float | None, n: int) -> Figure:
    return Figure(value, None, None, None, None, n, None, "no rate was found that meets it" if value is None else ONCE)


def _unanswered(histogram: Histogram) -> Share:
    own = histogram.touching[histogram.touching.any(axis=1)].astype(np.int64)
    return Share(own[:, -1], own.sum(axis=1))


def difference(a: Share, b: Share, level: float = LEVEL) -> tuple[float, float] | None:
    """Both ends of B less A, between -1 and 1; None below two processes, or where neither lacks an answer.

    Degrees of freedom as for two variances. Source: Welch (1947) and Satterthwaite (1946).
    """
    if min(len(a.n), len(b.n)) < 2 or not (a.k.any() or b.k.any()):
        return None
    variances = a.variance, b.variance
    freedom = sum(variances) ** 2 / sum(v * v / (len(s.n) - 1) for v, s in zip(variances, (a, b), strict=True))
    reach = student_t(freedom, level) * math.sqrt(sum(variances))
    value = b.value - a.value
    return max(-1.0, value - reach), min(1.0, value + reach)
