"""Makes results.json of a latency run: percentiles and throughput by group and batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from frbench.plan import OVERALL
from frbench.reading import timing
from frbench.results.head import Grouping, group_names, head_of, title
from frbench.tally import Tally

QUANTILES = (0.5, 0.9, 0.99, 0.999)


def latency_results(tally: Tally, *, groupings: Sequence[Grouping]) -> dict[str, Any]:
    """Percentiles, mean and throughput by group and batch size, in nanoseconds and probes a second."""
    rows: list[tuple[Grouping, str | None]] = [((), None)]
    rows += [(g, name) for g in groupings if g for name in group_names(tally, g)]
    return {
        **head_of("latency", tally, groupings=groupings),
        **{
            name: tally.plan.details[name]
            for name in ("gallery", "dimension", "k", "batches", "isa", "timer", "warm_up")
        },
        "runs": len(tally.tiles),
        "resolution": "1% of the value: edges of the nanosecond axis",
        "groups": [
            _timings(tally, grouping, name, part, batch)
            for part, batch in enumerate(tally.plan.details["batches"])
            for grouping, name in rows
        ],
    }


def n_probes(tally: Tally, grouping: Grouping, name: str | None) -> int:
    """Different probes of a group that requests were drawn from."""
    names = tally.plan.group_names(grouping)
    counts = zip(names, tally.plan.details["probes"], strict=True)
    return sum(n for own, n in counts if name is None or own == name)


def _timings(tally: Tally, grouping: Grouping, name: str | None, part: int, batch: int) -> dict[str, Any]:
    pair = None if name is None else (name, name)
    histogram = tally.pick(mated=False, grouping=grouping, groups=pair, parts=[part])
    axis = np.asarray(tally.plan.axis)
    mean = timing.mean_ns(histogram, axis)
    return {
        "grouping": title(grouping),
        "group": OVERALL if name is None else name,
        "batch": batch,
        "requests": histogram.trials,
        "probes": n_probes(tally, grouping, name),
        "mean_ns": mean,
        "probes_per_second": None if mean is None else batch * 1e9 / mean,
        "quantiles": [vars(timing.quantile(histogram, axis, q)) for q in QUANTILES],
    }
