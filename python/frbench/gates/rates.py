"""Rates: what rules about error rates ask of finished runs, by the readers that results and comparisons use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from frbench.choices import Failed
from frbench.errors import NotComparable
from frbench.estimate import Estimate, at_level, doubt, undefined
from frbench.finished_run import FinishedRun
from frbench.gates.asked import Asked, groups_of, named_group
from frbench.gates.bounds import Bounds
from frbench.gates.claims import Claim, Pair, select_of
from frbench.gates.reading import Count, Ends, Form, Reading, Size, worst
from frbench.gates.rules import Rule
from frbench.plan import ALL
from frbench.reading import joint, metrics
from frbench.reading.joint import Replicates
from frbench.reading.rate import Metric, Question
from frbench.reading.systems.sides import BY_CONSTRUCTION, Quantity, Setting, Sides, is_target, sides

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
    point, rank = _point(rule, run), _rank(rule, run)
    if rule.kind == "change":
        assert baseline is not None
        yield from _changes(rule, run, baseline, point, rank)
        return
    read = partial(_ratio, rule, run, point, rank) if rule.kind == "ratio" else partial(_value, rule, run, point, rank)
    groups = _groups(rule, run)
    form: Form = "ratio" if rule.kind == "ratio" else FORMS[rule.claim.metric]
    versus = f" / {_reference(rule, run)}" if rule.kind == "ratio" else ""
    if rule.whose == "worst":
        names = [group[0] for group in groups if group is not None]
        yield Asked(
            rule,
            rule.claim.of(f"{','.join(rule.claim.columns)}: worst of {len(names)}{versus}"),
            form,
            lambda: worst([(name, read((name, name))) for name in names]),
        )
        return
    for group in groups:
        select = "" if group is None else select_of(rule.claim.columns, group)
        yield Asked(rule, rule.claim.of(select + versus), form, partial(read, group))


def estimate(text: str, run: FinishedRun) -> Estimate:
    """The rate that a claim such as `fnmr[sex=female] at fmr=1e-3` names.

    Raises
    ------
    InputError : the run lacks what the claim names, or it names no single group; the message lists what there is.
    """
    rule = Rule(0, "claim", Claim.parse(text), Bounds(None, None), "fail")
    refuse_other_metrics(rule, run)
    if rule.claim.columns and rule.claim.group is None:
        raise rule.refused(f"no group is named, expected one of {', '.join(groups_of(rule, run))}")
    point, rank = _point(rule, run), _rank(rule, run)
    if point.reason:
        return undefined(point.reason)
    (group,) = _groups(rule, run)
    return _quantity(rule, group, rank).estimate(run, point.threshold)


def refuse_other_metrics(rule: Rule, run: FinishedRun) -> None:
    """Raises InputError if a run has no such rate."""
    kind = str(run.results["kind"])
    if rule.claim.metric not in OF_KIND.get(kind, ()):
        has = ", ".join(OF_KIND.get(kind, ("times",)))
        raise rule.refused(f"{run.name} is of kind {kind} and has no {rule.claim.metric}, only {has}")
    if rule.claim.batch is not None or rule.claim.load is not None:
        raise rule.refused("batch and load are of times, and this is a rate")


def _groups(rule: Rule, run: FinishedRun) -> list[Pair | None]:
    """Groups that a rule is about; of a ratio, those other than its reference."""
    claim = rule.claim
    groups_of(rule, run)
    if not claim.columns:
        return [None]
    if claim.group is None:
        names = [n for n in groups_of(rule, run) if rule.kind != "ratio" or n != _reference(rule, run)]
        return [(name, name) for name in names]
    group = named_group(rule, run)
    if rule.claim.metric in ("fpir", "fnir") and group[0] != group[1]:
        raise rule.refused("a search belongs to one group, and two are named")
    if rule.kind == "ratio" and (group[0] != group[1] or group[0] == _reference(rule, run)):
        raise rule.refused(f"a ratio is of one group to another, and the reference is '{_reference(rule, run)}'")
    return [group]


def _reference(rule: Rule, run: FinishedRun) -> str:
    """The group that ratios are taken to: the one that is named, or the one with most subjects."""
    names = groups_of(rule, run)
    if rule.reference and rule.reference not in names:
        raise rule.refused(f"reference is '{rule.reference}', and the groups of {run.name} are {', '.join(names)}")
    return rule.reference or max(names, key=lambda name: metrics.n_members(run.tally, rule.claim.columns, name))


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


def _rank(rule: Rule, run: FinishedRun) -> int | None:
    if rule.claim.metric != "fnir":
        if rule.claim.rank is not None:
            raise rule.refused("a rank is of fnir alone")
        return None
    rank = 1 if rule.claim.rank is None else rule.claim.rank
    if rank not in run.results["ranks"]:
        raise rule.refused(f"rank {rank} was not counted, only {', '.join(map(str, run.results['ranks']))}")
    return rank


def _failed(run: FinishedRun) -> Failed:
    policy: Failed = run.results.get("failed_policy", "reject")
    return policy


def _quantity(rule: Rule, group: Pair | None, rank: int | None) -> Quantity:
    return Quantity(rule.claim.metric, rule.claim.columns, group, rank)


def _value(rule: Rule, run: FinishedRun, point: Point, rank: int | None, group: Pair | None) -> Reading:
    """The rate itself."""
    form = FORMS[rule.claim.metric]
    if point.reason:
        return Reading(None, reason=point.reason, form=form)
    found = _quantity(rule, group, rank).estimate(run, point.threshold)
    counts, size = (_count(rule, found),), _subjects(found)
    ends = _ends(rule, run, point, rank, group, found)
    if ends is None or found.value is None or found.low is None or found.high is None:
        return Reading(found.value, counts=counts, form=form, size=size, reason=found.reason)
    return Reading.of(
        found.value,
        ends,
        at_level=(found.low, found.high),
        counts=counts,
        form=form,
        size=size,
        method=found.method,
        is_log=0 < found.k < found.n,
        shrinks=0.5 if 0 < found.k < found.n else 1.0,
    )


def _ends(
    rule: Rule, run: FinishedRun, point: Point, rank: int | None, group: Pair | None, found: Estimate
) -> Ends | None:
    """Ends of a rate at any doubt; at zero errors the bound on independent trials has one end."""
    if found.low is None:
        return None
    how = None
    if 0 < found.k < found.n:
        metric: Metric = rule.claim.metric  # type: ignore[assignment]
        question = Question(run.tally, point.threshold, metric, rule.claim.columns, _failed(run), rank or 1)
        how = doubt(found.k, found.n, *question.touching(group or (ALL, ALL)))

    def ends(alpha: float) -> tuple[float, float]:
        at = at_level(found, how, 1 - alpha if how is None else 1 - 2 * alpha)
        assert at.low is not None
        assert at.high is not None
        return at.low, at.high

    return ends


def _ratio(rule: Rule, run: FinishedRun, point: Point, rank: int | None, group: Pair | None) -> Reading:
    """The rate of a group over that of the reference."""
    if point.reason:
        return Reading(None, reason=point.reason, form="ratio")
    reference, metric = _reference(rule, run), rule.claim.metric
    assert group is not None
    one, other = (
        joint.replicates(
            run.tally,
            metric,  # type: ignore[arg-type]
            point.threshold,
            pair,
            grouping=rule.claim.columns,
            failed=_failed(run),
            rank=rank or 1,
        )
        for pair in (group, (reference, reference))
    )
    counts = tuple(_count(rule, side.estimate, side.group[0]) for side in (one, other))
    size = Size(sum(side.estimate.n_subjects or 0 for side in (one, other)), "subjects of both groups")
    if not one.estimate.k and other.estimate.k:
        return _ratio_without_errors(one, other, counts, size)
    found = joint.ratio(one, other)
    if found.value is None or found.low is None or found.high is None:
        return Reading(found.value, counts=counts, form="ratio", size=size, reason=found.reason)

    def ends(alpha: float) -> tuple[float, float]:
        at = joint.ratio(one, other, level=1 - 2 * alpha)
        assert at.low is not None
        assert at.high is not None
        return at.low, at.high

    return Reading.of(found.value, ends, counts=counts, form="ratio", size=size, is_log=True, method=joint.METHOD)


def _ratio_without_errors(one: Replicates, other: Replicates, counts: tuple[Count, ...], size: Size) -> Reading:
    """No errors of the group: the ratio lies between 0 and a bound, each side at half the doubt."""
    if one.known(1.0, 0.5) is None or other.known(1.0, 0.5) is None:
        reason = one.estimate.reason or other.estimate.reason
        return Reading(0.0, counts=counts, form="ratio", size=size, reason=reason)

    def ends(alpha: float) -> tuple[float, float]:
        level = 1 - alpha
        reach = joint.quantile(one, other, level)
        bound, rate = one.known(reach, level), other.known(reach, level)
        assert bound is not None
        assert rate is not None
        return 0.0, bound[2] / max(rate[0], SMALLEST)

    method = "bound of a group without errors over the lower end of the reference"
    return Reading.of(0.0, ends, counts=counts, form="ratio", size=size, shrinks=1.0, method=method)


def _changes(rule: Rule, run: FinishedRun, baseline: FinishedRun, point: Point, rank: int | None) -> Iterator[Asked]:
    other = _point_of_baseline(rule, run, baseline, point)
    if rank is not None and rank not in baseline.results["ranks"]:
        raise NotComparable(f"rank {rank} was not counted by {baseline.name}; recount it with --ranks {rank}")
    setting = Setting((other.threshold, point.threshold), point.at, point.population)
    is_relative = rule.bounds.are_relative
    form: Form = "ratio" if is_relative else FORMS[rule.claim.metric]
    for group in _groups(rule, run):
        quantity = _quantity(rule, group, rank)
        reason = point.reason or other.reason
        if is_target(baseline, setting, quantity):
            raise rule.refused(f"it cannot change: {BY_CONSTRUCTION}")
        select = "" if group is None else select_of(rule.claim.columns, group)
        read = partial(_change, rule, baseline, run, setting, quantity, reason)
        yield Asked(rule, f"change of {rule.claim.of(select)}", form, read)


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
    rule: Rule, baseline: FinishedRun, run: FinishedRun, setting: Setting, quantity: Quantity, reason: str
) -> Reading:
    """How far the rate is from that of the baseline, paired: a difference, or a ratio where bounds are in percent."""
    form: Form = "ratio" if rule.bounds.are_relative else FORMS[rule.claim.metric]
    if reason:
        return Reading(None, reason=reason, form=form)
    both = sides(baseline, run, setting, quantity)
    counts = _count(rule, both.a, "baseline"), _count(rule, both.b, "run")
    found, size = both.paired(), _subjects(both.b)
    if not rule.bounds.are_relative:
        if found.difference is None or found.low is None:
            return Reading(found.difference, counts=counts, form=form, size=size, reason=found.reason)

        def ends(alpha: float) -> tuple[float, float]:
            at = both.paired(1 - 2 * alpha)
            assert at.low is not None
            assert at.high is not None
            return at.low, at.high

        return Reading.of(found.difference, ends, counts=counts, form=form, size=size, method=found.method)
    if found.ratio == 0 and both.a.low is not None and both.b.low is not None:
        return _change_to_zero(rule, baseline, setting, quantity, both, counts)
    if found.ratio is None or found.ratio_low is None:
        why = found.ratio_reason or found.reason
        return Reading(found.ratio, counts=counts, form=form, size=size, reason=why)

    def ratios(alpha: float) -> tuple[float, float]:
        at = both.paired(1 - 2 * alpha)
        assert at.ratio_low is not None
        assert at.ratio_high is not None
        return at.ratio_low, at.ratio_high

    return Reading.of(found.ratio, ratios, counts=counts, form=form, size=size, is_log=True, method=found.method)


def _change_to_zero(
    rule: Rule, baseline: FinishedRun, setting: Setting, quantity: Quantity, both: Sides, counts: tuple[Count, ...]
) -> Reading:
    """No errors of the run: its bound over the lower end of the baseline, each at half the doubt."""
    point = Point(setting.thresholds[0])
    of_a = _ends(rule, baseline, point, quantity.rank, quantity.group, both.a)
    assert of_a is not None

    def ends(alpha: float) -> tuple[float, float]:
        high = at_level(both.b, None, 1 - alpha / 2).high
        assert high is not None
        return 0.0, high / max(of_a(alpha / 2)[0], SMALLEST)

    method = "bound of a run without errors over the lower end of the baseline, not paired"
    return Reading.of(0.0, ends, counts=counts, form="ratio", size=_subjects(both.b), shrinks=1.0, method=method)


def _count(rule: Rule, found: Estimate, whose: str = "") -> Count:
    return Count(whose, found.n, joint.TRIALS[rule.claim.metric], found.k)


def _subjects(found: Estimate) -> Size | None:
    return Size(found.n_subjects, "subjects") if found.n_subjects else None
