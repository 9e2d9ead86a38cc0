"""Contrasts: how much rates of groups differ in one system, beside how much in another on the same trials.

The ratio of a group to the reference has an interval of its own in each system. Whether one system treats groups more
alike than the other is another question: the ratio of both ratios, with every block left out of all four rates at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from frbench.finished_run import FinishedRun
from frbench.plan import UNLABELLED
from frbench.reading import metrics
from frbench.reading.differentials import Ratio, ratio_of
from frbench.reading.joint import Replicates, replicates
from frbench.reading.rate import ERRORS, Metric
from frbench.reading.systems.paired import Rate, RatioOfRatios, holm, ratio_of_ratios
from frbench.reading.systems.sides import Quantity, Setting, failed_policy, sides

Grouping = tuple[str, ...]


@dataclass(frozen=True)
class Contrast:
    """The ratio of a group to the reference in both systems, and the ratio of both."""

    metric: Metric
    grouping: Grouping
    rank: int | None
    a: Ratio
    b: Ratio
    change: RatioOfRatios


def contrasts(
    a: FinishedRun, b: FinishedRun, setting: Setting, groupings: Sequence[Grouping], rank: int | None
) -> list[dict[str, Any]]:
    """Every group within itself against the one with most people, at one setting, as `comparison.json` has them.

    rank : of misses of 1:N; None for 1:1.
    """
    metrics_of: tuple[Metric, ...] = ("fmr", "fnmr") if rank is None else ("fpir", "fnir")
    known = [m for m in metrics_of if m == "fnir" or None not in setting.thresholds]
    found = [c for grouping in groupings for m in known for c in _of_grouping(a, b, setting, m, grouping, rank)]
    adjusted = holm([c.change.p for c in found])
    return [_json(c, setting, p) for c, p in zip(found, adjusted, strict=True)]


def _of_grouping(
    a: FinishedRun, b: FinishedRun, setting: Setting, metric: Metric, grouping: Grouping, rank: int | None
) -> Iterator[Contrast]:
    names = [n for n in sorted(set(a.tally.plan.group_names(grouping))) if UNLABELLED not in n.split(",")]
    if len(names) < 2:
        return
    of_rank = rank if metric == "fnir" else None
    largest = max(names, key=lambda name: metrics.n_members(a.tally, grouping, name))
    rates = {name: _rates(a, b, setting, Quantity(metric, grouping, (name, name), of_rank)) for name in names}
    alone = [_alone(run, metric, threshold, grouping, names, of_rank) for run, threshold in _both(a, b, setting)]
    for name in names:
        if name != largest:
            own = [ratio_of(of_run[name], of_run[largest]) for of_run in alone]
            change = _change(rates[name], rates[largest], metric, (name, largest))
            yield Contrast(metric, grouping, of_rank, own[0], own[1], change)


def _both(a: FinishedRun, b: FinishedRun, setting: Setting) -> Iterator[tuple[FinishedRun, float | None]]:
    return zip((a, b), setting.thresholds, strict=True)


@dataclass(frozen=True, eq=False)
class _Group:
    """Both rates of a group, None where one has no trials; counts of A and of B; why there is no interval, or ""."""

    rates: tuple[Rate, Rate] | None
    k: tuple[int, int]
    n: tuple[int, int]
    reason: str


def _rates(a: FinishedRun, b: FinishedRun, setting: Setting, quantity: Quantity) -> _Group:
    found = sides(a, b, setting, quantity)
    reason = next((side.reason for side in (found.a, found.b) if side.low is None), "")
    return _Group(found.rates, (found.a.k, found.b.k), (found.a.n, found.b.n), reason)


def _alone(
    run: FinishedRun,
    metric: Metric,
    threshold: float | None,
    grouping: Grouping,
    names: Sequence[str],
    rank: int | None,
) -> Mapping[str, Replicates]:
    """Rates of one run, for ratios with intervals of their own."""
    policy = failed_policy(run)
    return {
        name: replicates(run.tally, metric, threshold, (name, name), grouping=grouping, failed=policy, rank=rank or 1)
        for name in names
    }


def _change(group: _Group, reference: _Group, metric: Metric, names: tuple[str, str]) -> RatioOfRatios:
    for side, name in zip((group, reference), names, strict=True):
        for k, n, whose in zip(side.k, side.n, "AB", strict=True):
            if not (k and n):
                return RatioOfRatios(reason=f"0 {ERRORS[metric] if n else 'trials'} of {name} in {whose}")
    assert group.rates is not None
    assert reference.rates is not None
    return ratio_of_ratios(group.rates, reference.rates, reason=group.reason or reference.reason)


def _json(found: Contrast, setting: Setting, p_holm: float | None) -> dict[str, Any]:
    return {
        "metric": found.metric,
        "at": setting.at,
        "thresholds": list(setting.thresholds),
        "grouping": ",".join(found.grouping),
        "group": found.a.group[0],
        "reference": found.a.reference[0],
        "rank": found.rank,
        "a": _own(found.a),
        "b": _own(found.b),
        **found.change.to_json(),
        "p_holm": p_holm,
        "verdict": verdict(found.change, p_holm),
    }


def _own(found: Ratio) -> dict[str, Any]:
    return {name: value for name, value in found.to_json().items() if name not in ("group", "reference")}


def verdict(found: RatioOfRatios, p_holm: float | None = None) -> str:
    """What a ratio of ratios says, in words: never that there is no change, but what would have been seen."""
    if found.value is None or found.low is None or found.high is None or found.detectable is None:
        return found.reason
    if found.error == 0 and found.value == 1:
        return "equal, without every block of subjects too"
    if not found.is_detected:
        return f"no change was detected; a factor of {found.detectable:.3g} would have been, with 80% power"
    words = (
        f"the ratio of B is {found.value:.3g} times that of A ({found.level:.0%} interval {found.low:.3g} to "
        f"{found.high:.3g})"
    )
    may_be_chance = p_holm is not None and p_holm > 1 - found.level
    return f"{words}; among so many ratios, one may be so by chance" if may_be_chance else words
