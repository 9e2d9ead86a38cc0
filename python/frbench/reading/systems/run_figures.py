"""Lists every rate that a run reports, with names that other runs share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from frbench.plan import ALL, OVERALL


class Name(NamedTuple):
    """What a figure is of: the same in every run that has it.

    metric : fmr, fnmr, fpir, fnir, or a percentile such as p99, in ns, or one that `time_figures` names. at : the
    target that the threshold was set at, or the threshold itself, or the size of a request, or the load; "" for none.
    population : whom a threshold was set on. group_a, group_b : of both sides, equal where a trial has one.
    """

    metric: str
    at: str
    population: str
    grouping: str
    group_a: str
    group_b: str
    rank: int | None = None


@dataclass(frozen=True)
class Figure:
    """A value with its interval, counts and threshold; `reason` says why value or interval are missing.

    A time with `low` alone has no upper end: that one falls among requests without an answer.
    """

    value: float | None
    low: float | None
    high: float | None
    level: float | None
    k: int | None
    n: int
    threshold: float | None
    reason: str


def rates_of(results: Mapping[str, Any]) -> dict[Name, Figure]:
    """Every rate of a run of verify or identify, by name."""
    return dict(_rates(results))


def _rates(results: Mapping[str, Any]) -> Iterator[tuple[Name, Figure]]:
    for found in results["estimates"]:
        a, b = (found["group_a"], found["group_b"]) if "group_a" in found else (found["group"],) * 2
        figure = Figure(**{field.name: found[field.name] for field in fields(Figure)})
        for at, population in _origins(results, found["threshold"]):
            yield Name(found["metric"], at, population, found["grouping"], a, b, found.get("rank")), figure


def _origins(results: Mapping[str, Any], threshold: float | None) -> list[tuple[str, str]]:
    """What a threshold was set at, and on whom; itself if it was given."""
    if threshold is None:
        return [("", "")]
    points = [(p["at"], p["population"]) for p in results["operating_points"] if p["threshold"] == threshold]
    return points or [(f"threshold {threshold:.9g}", "")]


def is_of_everybody(name: Name) -> bool:
    """Whether no group was picked."""
    return name.grouping == ALL or name.group_a == OVERALL
