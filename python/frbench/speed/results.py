"""Makes JSON of a comparison, with the rounds it was made from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np

from frbench.runs.manifest import machine
from frbench.speed.compare import Comparison, Metric
from frbench.speed.process import WALL
from frbench.speed.ratio import Ratio
from frbench.speed.rounds import Round

SCHEMA = "frbench.ab/1"
FILE = "ab.json"
METHOD = (
    "median of paired ratios; interval of order statistics, exact over all looks because the order of every pair is "
    "drawn; noise: the same command against itself in the same rounds"
)
SHORT_S = 0.1


def results(found: Comparison, *, commands: Mapping[str, Sequence[str]] | None = None) -> dict[str, Any]:
    """The comparison as JSON values.

    commands : words of `a` and of `b`; None where functions of one process were compared.
    """
    return {
        "schema": SCHEMA,
        "frbench": version("frbench"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "commands": None if commands is None else {side: list(words) for side, words in commands.items()},
        "outcome": found.outcome,
        "max_slowdown": found.goal.max_slowdown,
        "width": found.goal.narrow,
        "metrics": {name: _metric(found, metric) for name, metric in found.metrics.items()},
        "notes": notes(found),
        "method": METHOD,
        "design": _design(found),
        "machine": {**machine(), "load": [round(load, 2) for load in os.getloadavg()]},
        "rounds": [_round(each, tuple(found.metrics)) for each in found.rounds],
    }


def notes(found: Comparison) -> list[str]:
    """What a reader should know before the figures are trusted."""
    said = []
    for name, metric in found.metrics.items():
        narrow, half = found.goal.narrow, metric.ratio.half_width
        if narrow is not None and half is not None and half > narrow:
            said.append(f"{name}: half of the interval is {half:.4f}, {narrow:g} was asked: {_ended(found)}")
        if metric.ratio.reason:
            said.append(f"{name}: {metric.ratio.reason}: {_ended(found)}")
        median = _median(found, "A", name)
        if name == WALL and median is not None and median < SHORT_S:
            said.append(f"{name}: A takes {1e3 * median:.3g} ms, much of it the start of a process; give it more work")
        if _excludes_one(metric.noise):
            said.append(
                f"{name}: the control excludes 1, which happens by chance in {1 - metric.noise.level:.2g} of runs"
            )
        if metric.wilcoxon_p is not None and _excludes_one(metric.ratio) and metric.wilcoxon_p > 1 - metric.ratio.level:
            said.append(f"{name}: the interval excludes 1, Wilcoxon's test does not (p {metric.wilcoxon_p:.2g})")
    return said


def _ended(found: Comparison) -> str:
    if found.ending == "budget":
        return f"the budget of {found.budget.seconds:g} s ended after {2 * len(found.rounds)} pairs"
    return f"the {2 * len(found.rounds)} pairs allowed were run"


def _excludes_one(found: Ratio) -> bool:
    return found.low is not None and found.high is not None and not found.low <= 1 <= found.high


def _metric(found: Comparison, metric: Metric) -> dict[str, Any]:
    return {
        **{s.lower(): {"median": _median(found, s, metric.name), "runs": 2 * len(found.rounds)} for s in "AB"},
        "ratio": asdict(metric.ratio),
        "noise": asdict(metric.noise),
        "wilcoxon_p": metric.wilcoxon_p,
        **asdict(metric.verdict),
    }


def _median(found: Comparison, side: str, metric: str) -> float | None:
    values = [value for each in found.rounds for value in each.of(side, metric)]
    return float(np.median(values)) if values else None


def _design(found: Comparison) -> dict[str, Any]:
    return {
        "seed": found.seed,
        "level": found.budget.level,
        "budget_s": found.budget.seconds,
        "max_pairs": found.budget.pairs,
        "looks": list(found.looks.pairs),
        "ranks": list(found.looks.ranks),
        "rounds_discarded": 1,
        "ending": found.ending,
        "seconds": round(found.seconds, 3),
    }


def _round(each: Round, names: Sequence[str]) -> dict[str, Any]:
    values = {name: [turn[name] for turn in each.values] for name in names}
    return {"turns": each.order.turns, "signs": list(each.order.signs), "values": values}
