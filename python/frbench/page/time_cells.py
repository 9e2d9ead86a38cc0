"""Writes times, rates and shares of latency and load runs in words, for pages and terminals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from frbench.page import words
from frbench.page.words import RateCell
from frbench.reading.systems import time_figures
from frbench.reading.systems.time_figures import UNANSWERED
from frbench.results.types import Estimate

TITLES = {
    time_figures.PROBES_A_SECOND: "Probes a second",
    time_figures.ANSWERS_A_SECOND: "Answers a second",
    time_figures.SATURATION: "Answers a second at saturation",
    time_figures.OBJECTIVE: "Requests a second that meet the objective",
    UNANSWERED: "Requests without an answer",
}


def is_time(metric: str) -> bool:
    """Whether a metric is a percentile, in nanoseconds."""
    return metric.startswith("p") and metric not in time_figures.RATES


def title(metric: str) -> str:
    """The metric as a heading."""
    return TITLES.get(metric, f"{metric} of the time of a request")


def cell(metric: str, found: Mapping[str, Any]) -> RateCell:
    """A figure with its interval, or the reason why something is missing; the number of requests below."""
    requests = words.plural(found["n"], "request") if found["n"] else ""
    if found["value"] is None:
        return RateCell("not estimable", False, words.reason(found["reason"]), under=requests)
    if metric == UNANSWERED:
        made = words.stacked(cast("Estimate", found))
        return replace(made, interval=_ends(metric, found), warning="")
    return RateCell(_written(metric, found["value"]), True, _ends(metric, found), under=requests)


def change(row: Mapping[str, Any]) -> RateCell:
    """B / A, or B less A of a share, with its interval or the reason why there is none."""
    factor, difference = row["ratio"], row["difference"]
    if factor is None and difference is None:
        return words.missing(row["reason"])
    write, value = (words.factor, factor) if difference is None else (words.signed_percent, difference)
    return words.value_cell({"value": value, "low": row["low"], "high": row["high"], "reason": row["reason"]}, write)


def _ends(metric: str, found: Mapping[str, Any]) -> str:
    low, high = found["low"], found["high"]
    if low is None:
        return words.reason(found["reason"])
    if high is None:
        return f"from {_written(metric, low)} on"
    return f"{_written(metric, low)} to {_written(metric, high)}"


def _written(metric: str, value: float) -> str:
    if metric == UNANSWERED:
        return words.percent(value)
    return words.nanoseconds(value) if is_time(metric) else words.digits(value, 4)
