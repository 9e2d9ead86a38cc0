"""Reads which threshold each group needs, what it gets at the others', and whether a threshold keeps its promise.

A threshold is set on one population and used on another: of another group, another data set, another year. What it
realises there is read at the same edge, with counts and intervals, beside the threshold that would have been needed.
Thresholds are edges of the tally and never exceed their target (K2); one that the data cannot show is refused (K3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from frbench.choices import Failed
from frbench.estimate import Estimate
from frbench.plan import EVERYBODY, OVERALL, Group
from frbench.reading import thresholds
from frbench.reading.groups.rates import labelled
from frbench.reading.rate import both_rates
from frbench.reading.thresholds import Target, Threshold, exactly
from frbench.tally import Tally

Verdict = Literal["kept", "broken", "not settled"]


@dataclass(frozen=True)
class RatesAt:
    """Rates of one group, of comparisons within it, at a threshold that was set on another.

    set_on, group : names; `overall` is everybody.
    """

    set_on: str
    group: str
    threshold: float
    fmr: Estimate
    fnmr: Estimate


@dataclass(frozen=True)
class Worst:
    """The threshold that holds the target in every group, and the group that needs it; or None and the reason."""

    threshold: float | None
    group: str | None
    reason: str = ""


@dataclass(frozen=True)
class GroupThresholds:
    """Thresholds at one target, set on everybody and on each group, and the rates of every group at each of them.

    worst : the one that holds the target in the group that needs the highest.
    rates : at every threshold that exists, for everybody and for every group.
    left_out : groups without a threshold because they have no label or no comparisons.
    """

    columns: tuple[str, ...]
    rate: str
    everybody: Threshold
    by_group: Mapping[str, Threshold]
    worst: Worst
    rates: tuple[RatesAt, ...]
    left_out: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        named = {OVERALL: self.everybody, **self.by_group}
        return {
            "grouping": ",".join(self.columns),
            "rate": self.rate,
            "thresholds": [
                {"set_on": name, **found.point.to_json(), "beyond": found.beyond} for name, found in named.items()
            ],
            "worst": asdict(self.worst),
            "rates": [asdict(rates) for rates in self.rates],
            "left_out": [{"group": name, "reason": why} for name, why in self.left_out.items()],
        }


@dataclass(frozen=True)
class Realised:
    """What a threshold does to one group.

    times : FMR over the promised one; None without comparisons.
    verdict : `kept` if the whole interval is at most the promise, `broken` if it is above, else `not settled`.
    """

    group: str
    fmr: Estimate
    fnmr: Estimate
    times: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Transfer:
    """A promise made at a threshold, and what became of it on other people.

    everybody : all comparisons. groups : comparisons within each group. worst : the group of the highest FMR.
    needed : the threshold that would have kept the promise for everybody here. needed_by_worst : in every group.
    Each interval stands by itself: with many groups some verdicts are chance.
    """

    promised: str
    threshold: float
    everybody: Realised
    groups: tuple[Realised, ...]
    worst: Realised | None
    needed: Threshold
    needed_by_worst: Worst
    left_out: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {
            "promised": self.promised,
            "threshold": self.threshold,
            "everybody": asdict(self.everybody),
            "groups": [asdict(group) for group in self.groups],
            "worst": None if self.worst is None else self.worst.group,
            "needed": self.needed.point.to_json(),
            "needed_by_worst": asdict(self.needed_by_worst),
            "left_out": [{"group": name, "reason": why} for name, why in self.left_out.items()],
        }


def of_tally(tally: Tally, rate: Target, columns: Sequence[str], *, failed: Failed = "reject") -> GroupThresholds:
    """Thresholds at FMR <= `rate` of everybody and of each group, and what each group's rates are at all of them.

    Parameters
    ----------
    rate : the target.
    columns : label columns; none is everybody alone.

    FMR of everybody is of all pairs, that of a group of pairs within it. FMR falls with the threshold, so that the
    highest of the groups' thresholds holds the target in all of them.

    Raises
    ------
    InputError : a rate that is not above 0 and at most 1, or a grouping that was not counted.

    Source: K2 and K9; Robinson et al. (2020), BFW, for thresholds by group.
    """
    names, left_out = labelled(tally, columns) if columns else ([], {})
    groups = {name: Group.within(columns, name) for name in names}
    found = {name: thresholds.at_fmr(tally, rate, group=group, failed=failed) for name, group in groups.items()}
    left_out |= {name: "0 non-mated comparisons" for name in names if found[name].point.n == 0}
    by_group = {name: threshold for name, threshold in found.items() if name not in left_out}
    everybody = thresholds.at_fmr(tally, rate, failed=failed)
    rates = tuple(
        RatesAt(set_on, name, at, *_rates(tally, at, groups.get(name, EVERYBODY), failed))
        for set_on, threshold in {OVERALL: everybody, **by_group}.items()
        if (at := threshold.point.threshold) is not None
        for name in (OVERALL, *by_group)
    )
    return GroupThresholds(tuple(columns), str(rate), everybody, by_group, _worst(by_group), rates, left_out)


def realised(
    tally: Tally, threshold: float, rate: Target, columns: Sequence[str], *, failed: Failed = "reject"
) -> Transfer:
    """What a threshold that promises FMR <= `rate`, a vendor's for instance, does on the people of a tally.

    Raises
    ------
    EdgeNotInPlan : the threshold is not an edge of the tally; the message says how to recount it.
    InputError : no such rate or grouping.
    """
    needed = of_tally(tally, rate, columns, failed=failed)
    everybody, *groups = (
        _realised(name, float(exactly(rate)), *_rates(tally, threshold, group, failed))
        for name, group in [(OVERALL, EVERYBODY), *((n, Group.within(columns, n)) for n in needed.by_group)]
    )
    return Transfer(
        promised=f"fmr={rate}",
        threshold=threshold,
        everybody=everybody,
        groups=tuple(groups),
        worst=max(groups, key=lambda group: group.fmr.value or 0, default=None),
        needed=needed.everybody,
        needed_by_worst=needed.worst,
        left_out=needed.left_out,
    )


def _worst(by_group: Mapping[str, Threshold]) -> Worst:
    """The highest threshold of all groups, if each has one."""
    if not by_group:
        return Worst(None, None, "no group has comparisons")
    missing = [f"{name}: {found.point.reason}" for name, found in by_group.items() if found.point.threshold is None]
    if missing:
        return Worst(None, None, f"not every group can show the rate; {'; '.join(missing)}")
    known = {name: found.point.threshold for name, found in by_group.items() if found.point.threshold is not None}
    group = max(known, key=lambda name: known[name])
    return Worst(known[group], group)


def _realised(name: str, promise: float, fmr: Estimate, fnmr: Estimate) -> Realised:
    times = None if fmr.value is None else fmr.value / promise
    verdict: Verdict = "not settled"
    if fmr.high is not None and fmr.high <= promise:
        verdict = "kept"
    elif fmr.low is not None and fmr.low > promise:
        verdict = "broken"
    return Realised(name, fmr, fnmr, times, verdict)


def _rates(tally: Tally, threshold: float, group: Group, failed: Failed) -> tuple[Estimate, Estimate]:
    fmr, fnmr = (rate.of(tally, group) for rate in both_rates("verify", threshold, failed=failed))
    return fmr, fnmr
