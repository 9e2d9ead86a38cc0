"""Makes results.json of a load run: latency by group at every load, and what an objective allows.

Every quantile is given twice: of all requests, where one without an answer takes longer than any other, and of those
answered alone. The first is the one to quote: the second is better the more a server refuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from frbench.counting.load.measure import Measured, Measurement, Trial
from frbench.counting.load.objective import Objective
from frbench.plan import Group, Grouping
from frbench.reading import timing
from frbench.results import types
from frbench.results.head import head_of
from frbench.results.latency import QUANTILES, n_probes
from frbench.tally import Histogram, Tally

MEANING = {
    "server": "open loop: requests arrive at moments drawn beforehand, independent of each other and of the answers",
    "single-stream": "closed loop: one request at a time; a stall keeps back the requests that would have met it",
    "multi-stream": "closed loop: some requests at a time; a stall keeps back those that would have met it",
    "offline": "closed loop: so many requests at a time that the server is never idle: throughput, not latency",
}
FROM_DETAILS = (
    "gallery", "dimension", "scenario", "k", "batch", "mix", "seconds", "warm_up_s", "connections", "timeout_s", "timer"
)  # fmt: skip


def load_results(
    measured: Measured,
    *,
    groupings: Sequence[Grouping],
    saturation: float | None = None,
    slo: tuple[Objective, float | None, Sequence[Trial]] | None = None,
) -> types.Load:
    """Latency by group at every load, what each measurement was like, and what an objective allows.

    saturation : answers a second of a closed loop, where it was measured. slo : the objective, the highest rate that
    meets it, and what was tried.
    """
    tally = measured.tally
    details = tally.plan.details
    rows = tally.plan.everybody_and(groupings)
    found = {
        **head_of("load", tally, groupings=groupings),
        **{name: details[name] for name in FROM_DETAILS},
        "meaning": MEANING[details["scenario"]],
        "runs": len(tally.tiles),
        "resolution": "1% of the value: edges of the nanosecond axis",
        "saturation_per_s": saturation,
        "loads": [
            {"load": part, **load, **_together([m for m in measured.measurements if m.load == part])}
            for part, load in enumerate(details["loads"])
        ],
        "groups": [_times(tally, group, part) for part in range(len(details["loads"])) for group in rows],
        "measurements": [m.to_json() for m in measured.measurements],
        "slo": None if slo is None else _slo(*slo),
    }
    return cast("types.Load", found)


def _answered(histogram: Histogram) -> Histogram:
    bins = histogram.bins.copy()
    bins[-1] = 0
    return Histogram(bins, histogram.touching)


def _times(tally: Tally, group: Group, part: int) -> types.LoadTimes:
    histogram = tally.pick(mated=False, group=group, parts=[part])
    answered, axis = _answered(histogram), tally.plan.axis
    found = {
        **group.key("load"),
        "load": part,
        "requests": histogram.trials,
        "failed": histogram.unscored,
        "probes": n_probes(tally, group),
        "mean_ns": timing.mean_ns(answered, axis),
        "quantiles": [vars(timing.quantile_of_all(histogram, axis, q)) for q in QUANTILES],
        "quantiles_answered": [vars(timing.quantile(answered, axis, q)) for q in QUANTILES],
    }
    return cast("types.LoadTimes", found)


def _together(measured: Sequence[Measurement]) -> Mapping[str, object]:
    """All runs at one load."""
    lags = [m.lag_p99_ns for m in measured if m.lag_p99_ns is not None]
    statuses: dict[str, int] = {}
    for m in measured:
        statuses |= {name: statuses.get(name, 0) + n for name, n in m.statuses.items()}
    return {
        "requests": sum(m.requests for m in measured),
        "answered": sum(m.answered for m in measured),
        "statuses": statuses,
        "offered_per_s": float(np.mean([m.offered_per_s for m in measured])),
        "achieved_per_s": float(np.mean([m.achieved_per_s for m in measured])),
        "lag_p99_ns": max(lags, default=None),
        "is_generator_late": any(m.is_generator_late for m in measured),
    }


def _slo(objective: Objective, rate: float | None, trials: Sequence[Trial]) -> types.Objective:
    found = {
        "objective": objective.name,
        "q": objective.q,
        "limit_ns": objective.limit_ns,
        "rate": rate,
        "trials": [vars(trial) for trial in trials],
    }
    return cast("types.Objective", found)
