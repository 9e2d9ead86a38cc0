"""Reads what rules ask about error rates, by the readers that results and comparisons use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from frbench.errors import NotComparable
from frbench.estimate import Estimate, at_level, undefined
from frbench.finished_run import FinishedRun
from frbench.gates.asked import Asked, asked_groups, groups_of
from frbench.gates.bounds import Bounds
from frbench.gates.claims import Claim, select_of
from frbench.gates.reading import Count, Ends, Form, Reading, Size, worst
from frbench.gates.rules import Rule
from frbench.plan import EVERYBODY, Group
from frbench.reading import joint
from frbench.reading.joint import Contrast, Replicates
from frbench.reading.people import largest
from frbench.reading.rate import Metric, Rate
from frbench.reading.systems.paired import Paired
from frbench.reading.systems.sides import BY_CONSTRUCTION, Setting, Sides, failed_policy, is_target, sides

OF_KIND = {"verify": ("fmr", "fnmr"), "identify": ("fpir", "fnir")}
FORMS: dict[str, Form] = {"fmr": "rare", "fpir": "rare", "fnmr": "common", "fnir": "common"}
SMALLEST = 1e-300


@dataclass(frozen=True)
class Point:
    """Where a rate is read: the threshold of a run, None for none; or the reason why there is no such threshold.

    at, population : the target and whom it was set on, "" for a threshold that was given.
    """

    threshold: float | None
    at: str = ""
    population: str = ""
    reason: str = ""


def asked(rule: Rule, run: FinishedRun, baseline: FinishedRun | None) -> Iterator[Asked]:
    """The rows of a rule about a rate; everything that it names is looked up first, and nothing is computed.

    Raises
    ------
    InputError : the run lacks a metric, label, group, threshold or rank that the rule names; the message lists its own.
    NotComparable : the baseline lacks it.
    """
    refuse_other_metrics(rule, run)
    point = _point(rule, run)
    rate = _rate(rule, run, point)
    if rule.kind == "change":
        assert baseline is not None
        yield from _changes(rule, run, baseline, point, rate)
        return
    groups = _groups(rule, run)
    form, versus = FORMS[rate.metric], ""
    read = partial(_value, run, rate, point.reason)
    if rule.kind == "ratio":
        reference = _reference(rule, run)
        form, versus = "ratio", f" / {reference.name}"
        read = partial(_ratio, run, rate, point.reason, reference)
    if rule.whose == "worst":
        select = f"{','.join(rule.claim.columns)}: worst of {len(groups)}{versus}"
        yield Asked(rule, rule.claim.of(select), form, lambda: worst([(group.name, read(group)) for group in groups]))
        return
    for group in groups:
        yield Asked(rule, rule.claim.of(select_of(group) + versus), form, partial(read, group))


def estimate(text: str, run: FinishedRun) -> Estimate:
    """The rate that a claim such as `fnmr[sex=female] at fmr=1e-3` names.

    Raises
    ------
    InputError : the run lacks what the claim names, or it names no single group; the message lists what there is.
    """
    rule = Rule(0, "claim", Claim.parse(text), Bounds(None, None), "fail")
    refuse_other_metrics(rule, run)
    if rule.claim.columns and rule.claim.group.pair is None:
        raise rule.refused(f"no group is named, expected one of {_listed(groups_of(rule, run))}")
    point = _point(rule, run)
    rate = _rate(rule, run, point)
    if point.reason:
        return undefined(point.reason)
    (group,) = _groups(rule, run)
    return rate.of(run.tally, group)


def refuse_other_metrics(rule: Rule, run: FinishedRun) -> None:
    """Raises InputError if a run has no such rate."""
    kind = str(run.results["kind"])
    if rule.claim.metric not in OF_KIND.get(kind, ()):
        has = ", ".join(OF_KIND.get(kind, ("times",)))
        raise rule.refused(f"{run.name} is of kind {kind} and has no {rule.claim.metric}, only {has}")
    if rule.claim.batch is not None or rule.claim.load is not None:
        raise rule.refused("batch and load are of times, and this is a rate")


def _groups(rule: Rule, run: FinishedRun) -> list[Group]:
    """Groups that a rule is about; of a ratio, those other than its reference."""
    groups = asked_groups(rule, run)
    if groups == [EVERYBODY]:
        return groups
    if rule.claim.group.pair is None:
        return [group for group in groups if rule.kind != "ratio" or group != _reference(rule, run)]
    (group,) = groups
    if rule.claim.metric in ("fpir", "fnir") and not group.is_within:
        raise rule.refused("a search belongs to one group, and two are named")
    if rule.kind == "ratio" and (not group.is_within or group == _reference(rule, run)):
        raise rule.refused(f"a ratio is of one group to another, and the reference is '{_reference(rule, run).name}'")
    return groups


def _reference(rule: Rule, run: FinishedRun) -> Group:
    """The group that ratios are taken to: the one that is named, or the one with most subjects."""
    groups = groups_of(rule, run)
    if not rule.reference:
        return largest(run.tally, groups)
    named = Group.within(rule.claim.columns, rule.reference)
    if named not in groups:
        raise rule.refused(f"reference is '{rule.reference}', and the groups of {run.name} are {_listed(groups)}")
    return named


def _listed(groups: Sequence[Group]) -> str:
    return ", ".join(group.name for group in groups)


def _point(rule: Rule, run: FinishedRun) -> Point:
    claim = rule.claim
    if claim.threshold is not None:
        run.tally.edge(claim.threshold)
        return Point(claim.threshold)
    if not claim.at:
        if claim.metric == "fnir":
            return Point(None)
        raise rule.refused(f"{claim.metric} needs a threshold, {_has(run)}")
    found = next((p for (at, _), p in run.points.items() if claim.is_at(at)), None)
    if found is None:
        raise rule.refused(f"{run.name} has no threshold at {claim.at}, {_has(run)}")
    return Point(found["threshold"], found["at"], found["population"], found["reason"])


def _has(run: FinishedRun) -> str:
    points = [f"at {at}" for at, _ in run.points]
    given = [f"at {threshold:g}" for threshold in run.results["thresholds"]]
    return f"expected one of those of the run: {', '.join(dict.fromkeys(points + given)) or 'it has none'}"


def _rate(rule: Rule, run: FinishedRun, point: Point) -> Rate:
    rank, metric = rule.claim.rank, cast(Metric, rule.claim.metric)
    if metric != "fnir":
        if rank is not None:
            raise rule.refused("a rank is of fnir alone")
        return Rate(metric, point.threshold, failed=failed_policy(run))
    rank = 1 if rank is None else rank
    if rank not in run.results["ranks"]:
        raise rule.refused(f"rank {rank} was not counted, only {', '.join(map(str, run.results['ranks']))}")
    return Rate(metric, point.threshold, rank)


def _value(run: FinishedRun, rate: Rate, reason: str, group: Group) -> Reading:
    """The rate itself; `reason` is why there is no threshold, or ""."""
    if reason:
        return Reading(None, reason=reason)
    side = joint.replicates(run.tally, rate, group)
    found = side.estimate
    counts, size = (_count(rate, found),), _subjects(found)
    if found.value is None or found.low is None or found.high is None:
        return Reading(found.value, counts=counts, size=size, reason=found.reason)
    varies, at = 0 < found.k < found.n, (found.low, found.high)
    shape = {"is_log": varies, "shrinks": 0.5 if varies else 1.0}
    return Reading.of(found.value, _ends(side), at_level=at, counts=counts, size=size, method=found.method, **shape)


def _ends(found: Replicates) -> Ends:
    """Ends at any doubt of a rate that has an interval; at zero errors the bound on independent trials has one end."""
    n_ends = 1 if found.doubt is None else 2
    return lambda alpha: _both(at_level(found.estimate, found.doubt, 1 - n_ends * alpha))


def _both(found: Estimate | Contrast | Paired) -> tuple[float, float]:
    """Both ends of an interval that exists."""
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def _ratio(run: FinishedRun, rate: Rate, reason: str, reference: Group, group: Group) -> Reading:
    """The rate of a group over that of the reference; `reason` is why there is no threshold, or ""."""
    if reason:
        return Reading(None, reason=reason)
    one, other = (joint.replicates(run.tally, rate, side) for side in (group, reference))
    counts = tuple(_count(rate, side.estimate, side.group.name) for side in (one, other))
    size = Size(sum(side.estimate.n_subjects or 0 for side in (one, other)), "subjects of both groups")
    if not one.estimate.k and other.estimate.k:
        return _ratio_without_errors(one, other, counts, size)
    found = joint.ratio(one, other)
    if found.value is None or found.low is None or found.high is None:
        return Reading(found.value, counts=counts, size=size, reason=found.reason)
    told: dict[str, Any] = {"counts": counts, "size": size, "is_log": True, "method": joint.METHOD}
    return Reading.of(found.value, lambda alpha: _both(joint.ratio(one, other, level=1 - 2 * alpha)), **told)


def _ratio_without_errors(one: Replicates, other: Replicates, counts: tuple[Count, ...], size: Size) -> Reading:
    """No errors of the group: the ratio lies between 0 and a bound, each side at half the doubt."""
    if one.known(1.0, 0.5) is None or other.known(1.0, 0.5) is None:
        reason = one.estimate.reason or other.estimate.reason
        return Reading(0.0, counts=counts, size=size, reason=reason)

    def ends(alpha: float) -> tuple[float, float]:
        level = 1 - alpha
        reach = joint.quantile(one, other, level)
        bound, rate = one.known(reach, level), other.known(reach, level)
        assert bound is not None
        assert rate is not None
        return 0.0, bound[2] / max(rate[0], SMALLEST)

    method = "bound of a group without errors over the lower end of the reference"
    return Reading.of(0.0, ends, counts=counts, size=size, shrinks=1.0, method=method)


def _changes(rule: Rule, run: FinishedRun, baseline: FinishedRun, point: Point, rate: Rate) -> Iterator[Asked]:
    other = _point_of_baseline(rule, run, baseline, point)
    if rate.rank is not None and rate.rank not in baseline.results["ranks"]:
        raise NotComparable(f"rank {rate.rank} was not counted by {baseline.name}; recount it with --ranks {rate.rank}")
    setting = Setting((other.threshold, point.threshold), point.at, point.population)
    form: Form = "ratio" if rule.bounds.are_relative else FORMS[rate.metric]
    for group in _groups(rule, run):
        if is_target(baseline, setting, rate, group):
            raise rule.refused(f"it cannot change: {BY_CONSTRUCTION}")
        read = partial(_change, baseline, run, setting, rate, group, form == "ratio", point.reason or other.reason)
        yield Asked(rule, f"change of {rule.claim.of(select_of(group))}", form, read)


def _point_of_baseline(rule: Rule, run: FinishedRun, baseline: FinishedRun, point: Point) -> Point:
    if not point.at:
        if point.threshold is not None:
            baseline.tally.edge(point.threshold)
        return point
    found = baseline.points.get((point.at, point.population))
    if found is None:
        raise NotComparable(
            f"{baseline.name} has no threshold at {point.at} of {point.population}, as rule {rule.number} asks and "
            f"{run.name} has; recount it with the same --at and --at-population"
        )
    return Point(found["threshold"], point.at, point.population, found["reason"])


def _change(
    baseline: FinishedRun, run: FinishedRun, setting: Setting, rate: Rate, group: Group, is_ratio: bool, reason: str
) -> Reading:
    """How far the rate is from that of the baseline, paired: a difference, or a ratio where bounds are in percent.

    Parameters
    ----------
    is_ratio : whether bounds are in percent.
    reason : why there is no threshold, or "".
    """
    if reason:
        return Reading(None, reason=reason)
    both = sides(baseline, run, setting, rate, group)
    counts = _count(rate, both.a, "baseline"), _count(rate, both.b, "run")
    found, size = both.paired(), _subjects(both.b)
    if not is_ratio:
        if found.difference is None or found.low is None:
            return Reading(found.difference, counts=counts, size=size, reason=found.reason)
        told: dict[str, Any] = {"counts": counts, "size": size, "method": found.method}
        return Reading.of(found.difference, lambda alpha: _both(both.paired(1 - 2 * alpha)), **told)
    if found.ratio == 0 and both.a.low is not None and both.b.low is not None:
        of_baseline = joint.replicates(baseline.tally, rate.at(setting.thresholds[0]), group)
        return _change_to_zero(_ends(of_baseline), both, counts)
    if found.ratio is None or found.ratio_low is None:
        return Reading(found.ratio, counts=counts, size=size, reason=found.ratio_reason or found.reason)

    def ratios(alpha: float) -> tuple[float, float]:
        at = both.paired(1 - 2 * alpha)
        return _both(Contrast(at.ratio, at.ratio_low, at.ratio_high))

    return Reading.of(found.ratio, ratios, counts=counts, size=size, is_log=True, method=found.method)


def _change_to_zero(of_baseline: Ends, both: Sides, counts: tuple[Count, ...]) -> Reading:
    """No errors of the run: its bound over the lower end of the baseline, each at half the doubt."""

    def ends(alpha: float) -> tuple[float, float]:
        return 0.0, _both(at_level(both.b, None, 1 - alpha / 2))[1] / max(of_baseline(alpha / 2)[0], SMALLEST)

    method = "bound of a run without errors over the lower end of the baseline, not paired"
    return Reading.of(0.0, ends, counts=counts, size=_subjects(both.b), shrinks=1.0, method=method)


def _count(rate: Rate, found: Estimate, whose: str = "") -> Count:
    return Count(whose, found.n, joint.TRIALS[rate.metric], found.k)


def _subjects(found: Estimate) -> Size | None:
    return Size(found.n_subjects, "subjects") if found.n_subjects else None
