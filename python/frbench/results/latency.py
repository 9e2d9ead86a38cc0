"""Makes results.json of a latency run: percentiles and throughput by group and batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from frbench.plan import Group, Grouping
from frbench.reading import timing
from frbench.results import types
from frbench.results.head import head_of
from frbench.tally import Tally

QUANTILES = (0.5, 0.9, 0.99, 0.999)


def latency_results(tally: Tally, *, groupings: Sequence[Grouping]) -> types.Latency:
    """Percentiles, mean and throughput by group and batch size, in nanoseconds and probes a second."""
    found = {
        **head_of("latency", tally, groupings=groupings),
        **{
            name: tally.plan.details[name]
            for name in ("gallery", "dimension", "k", "batches", "isa", "timer", "warm_up")
        },
        "runs": len(tally.tiles),
        "resolution": "1% of the value: edges of the nanosecond axis",
        "groups": [
            _timings(tally, group, part, batch)
            for part, batch in enumerate(tally.plan.details["batches"])
            for group in tally.plan.everybody_and(groupings)
        ],
    }
    return cast("types.Latency", found)


def n_probes(tally: Tally, group: Group) -> int:
    """Different probes of a group that requests were drawn from."""
    counts = zip(tally.plan.group_names(group.columns), tally.plan.details["probes"], strict=True)
    return sum(n for own, n in counts if group.pair is None or own in group.pair)


def _timings(tally: Tally, group: Group, part: int, batch: int) -> types.Timing:
    histogram = tally.pick(mated=False, group=group, parts=[part])
    axis = np.asarray(tally.plan.axis)
    mean = timing.mean_ns(histogram, axis)
    found = {
        **group.key("latency"),
        "batch": batch,
        "requests": histogram.trials,
        "probes": n_probes(tally, group),
        "mean_ns": mean,
        "probes_per_second": None if mean is None else batch * 1e9 / mean,
        "quantiles": [vars(timing.quantile(histogram, axis, q)) for q in QUANTILES],
    }
    return cast("types.Timing", found)
