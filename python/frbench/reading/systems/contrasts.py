"""Compares how much rates of groups differ in one system with how much in another, on the same trials.

The ratio of a group to the reference has an interval of its own in each system. Whether one system treats groups more
alike than the other is another question: the ratio of both ratios, with every block left out of all four rates at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from frbench.finished_run import FinishedRun
from frbench.plan import Group, Grouping
from frbench.reading.differentials import Ratio, ratio_of
from frbench.reading.joint import replicates
from frbench.reading.people import largest
from frbench.reading.rate import ERRORS, Rate
from frbench.reading.systems.paired import RatioOfRatios, holm, ratio_of_ratios
from frbench.reading.systems.sides import Setting, Sides, sides


@dataclass(frozen=True)
class Contrast:
    """The ratio of a group to the reference in both systems, and the ratio of both."""

    rate: Rate
    a: Ratio
    b: Ratio
    change: RatioOfRatios


def contrasts(
    a: FinishedRun, b: FinishedRun, setting: Setting, rates: Sequence[Rate], groupings: Sequence[Grouping]
) -> list[dict[str, Any]]:
    """Every group within itself against the one with most people, at one setting, as `comparison.json` has them."""
    known = [rate for rate in rates if rate.metric == "fnir" or None not in setting.thresholds]
    found = [c for columns in groupings for rate in known for c in _of_grouping(a, b, setting, rate, columns)]
    adjusted = holm([c.change.p for c in found])
    return [_json(c, setting, p) for c, p in zip(found, adjusted, strict=True)]


def _of_grouping(a: FinishedRun, b: FinishedRun, setting: Setting, rate: Rate, columns: Grouping) -> Iterator[Contrast]:
    groups = [group for group in a.tally.plan.groups_of(columns) if group.is_labelled]
    if len(groups) < 2:
        return
    reference = largest(a.tally, groups)
    both = {group: sides(a, b, setting, rate, group) for group in groups}
    alone = [
        {group: replicates(run.tally, rate.at(threshold), group) for group in groups}
        for run, threshold in zip((a, b), setting.thresholds, strict=True)
    ]
    for group in groups:
        if group != reference:
            own = [ratio_of(of_run[group], of_run[reference]) for of_run in alone]
            change = _change(rate, {group: both[group], reference: both[reference]})
            yield Contrast(rate, own[0], own[1], change)


def _change(rate: Rate, both: Mapping[Group, Sides]) -> RatioOfRatios:
    """The ratio of both ratios of a group and the reference, or what is missing in which system."""
    for group, found in both.items():
        for side, whose in ((found.a, "A"), (found.b, "B")):
            if not (side.k and side.n):
                what = ERRORS[rate.metric] if side.n else "trials"
                return RatioOfRatios(reason=f"0 {what} of {group.name} in {whose}")
    of_group, of_reference = (found.rates for found in both.values())
    assert of_group is not None
    assert of_reference is not None
    reasons = (side.reason for found in both.values() for side in (found.a, found.b) if side.low is None)
    return ratio_of_ratios(of_group, of_reference, reason=next(reasons, ""))


def _json(found: Contrast, setting: Setting, p_holm: float | None) -> dict[str, Any]:
    return {
        "metric": found.rate.metric,
        "at": setting.at,
        "thresholds": list(setting.thresholds),
        "grouping": found.a.group.title,
        "group": found.a.group.name,
        "reference": found.a.reference.name,
        "rank": found.rate.rank,
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
