"""Sides: one rate of two finished runs, each at a threshold of its own, and what it is without each block.

Thresholds that were set at a target rate are set again without each block, so that the doubt about them is in what
follows; given ones are held fixed.
"""

from __future__ import annotations

from dataclasses import dataclass

from frbench.choices import Failed
from frbench.errors import InputError
from frbench.estimate import LEVEL, Estimate
from frbench.finished_run import FinishedRun
from frbench.plan import name_of
from frbench.reading import metrics
from frbench.reading.metrics import Pair
from frbench.reading.systems.paired import Paired, Rate, paired
from frbench.reading.systems.replicates import Edges, Trials, held, set_again

BY_CONSTRUCTION = "both thresholds were set at this rate on these trials"


@dataclass(frozen=True)
class Setting:
    """A threshold of A and one of B, None for no threshold.

    at : the target that both were set at, "" if they were given; population : whom they were set on.
    """

    thresholds: tuple[float | None, float | None]
    at: str = ""
    population: str = ""


@dataclass(frozen=True)
class Quantity:
    """A rate that both runs have: fmr, fnmr, fpir or fnir, of a group or of everybody, fnir at a rank."""

    metric: str
    grouping: tuple[str, ...] = ()
    group: Pair | None = None
    rank: int | None = None

    def estimate(self, run: FinishedRun, threshold: float | None) -> Estimate:
        """The rate of one run, as its results have it."""
        name = None if self.group is None else self.group[0]
        if self.rank is not None:
            return metrics.fnir(run.tally, threshold, rank=self.rank, grouping=self.grouping, group=name)
        if threshold is None:
            raise InputError(f"{self.metric} has no value without a threshold")
        if self.metric == "fpir":
            return metrics.fpir(run.tally, threshold, grouping=self.grouping, group=name)
        share = metrics.fmr if self.metric == "fmr" else metrics.fnmr
        return share(run.tally, threshold, grouping=self.grouping, group=self.group, failed=failed_policy(run))

    def trials(self, run: FinishedRun) -> Trials:
        """The trials of one run."""
        are_misses = self.metric in ("fnmr", "fnir")
        everything = run.tally.pick(mated=are_misses, grouping=self.grouping, groups=self.group)
        if self.rank is None:
            return Trials(everything, everything, are_misses, failed_policy(run))
        within = range(run.tally.plan.details["ranks"].index(self.rank) + 1)
        hits = run.tally.pick(mated=True, grouping=self.grouping, groups=self.group, parts=within)
        return Trials(everything, hits, are_misses, failed_policy(run))


@dataclass(frozen=True)
class Sides:
    """One rate of both systems, and what it is without each block of subjects.

    rates : None where one of them has no trials. reason : why the difference has no interval, if somebody knows.
    """

    a: Estimate
    b: Estimate
    rates: tuple[Rate, Rate] | None
    are_set_again: bool
    reason: str = ""

    def paired(self, level: float = LEVEL) -> Paired:
        """The difference and the ratio, at any level."""
        if self.rates is None:
            return Paired(reason=(self.b if self.a.n else self.a).reason)
        independent = self.a.n_effective, self.b.n_effective
        return paired(*self.rates, reason=self.reason, independent=independent, level=level)


def sides(a: FinishedRun, b: FinishedRun, setting: Setting, quantity: Quantity) -> Sides:
    """One rate of both systems at one setting, thresholds set again without each block where a target set them.

    Raises
    ------
    EdgeNotInPlan : a threshold is not an edge of the tally it was given for.
    """
    runs = list(zip((a, b), setting.thresholds, strict=True))
    edges = [_edges(run, setting, threshold) for run, threshold in runs]
    are_set_again = all(side.are_set_again for side in edges)
    of_a, of_b = (quantity.estimate(run, threshold) for run, threshold in runs)
    if not (of_a.n and of_b.n):
        return Sides(of_a, of_b, None, are_set_again)
    rate_a, rate_b = (quantity.trials(run).rate(edge) for (run, _), edge in zip(runs, edges, strict=True))
    known = next((e.reason for e in (of_a, of_b) if e.low is None), "")
    reason = BY_CONSTRUCTION if are_set_again and is_target(a, setting, quantity) else known
    return Sides(of_a, of_b, (rate_a, rate_b), are_set_again, reason)


def _edges(run: FinishedRun, setting: Setting, threshold: float | None) -> Edges:
    """Where a rate is read without each block: at the threshold of everybody, or at that which meets the target."""
    tally = run.tally
    if threshold is None:
        return held(-1, tally.plan.n_blocks)
    edge = tally.edge(threshold)
    target = _target(run, setting)
    if target is None:
        return held(edge, tally.plan.n_blocks)
    grouping, group = target
    return set_again(tally.pick(mated=False, grouping=grouping, groups=group), edge, failed_policy(run))


def _target(run: FinishedRun, setting: Setting) -> tuple[tuple[str, ...], Pair | None] | None:
    """Grouping and group whose non-mated trials the threshold was set on; None if the tally does not hold them."""
    metric = setting.at.partition("=")[0]
    if metric != ("fpir" if run.results["kind"] == "identify" else "fmr"):
        return None
    population = run.manifest["options"]["at_population"]
    if population == "all":
        return (), None
    column, _, value = population.partition("=")
    name = name_of([value])
    return ((column,), (name, name)) if column in run.tally.plan.columns else None


def is_target(run: FinishedRun, setting: Setting, quantity: Quantity) -> bool:
    """Whether a rate is the one that thresholds were set at, on the same trials."""
    is_same_metric = quantity.metric == setting.at.partition("=")[0]
    return is_same_metric and _target(run, setting) == (quantity.grouping, quantity.group)


def failed_policy(run: FinishedRun) -> Failed:
    """How a run counts trials with a failed template."""
    policy: Failed = run.results.get("failed_policy", "reject")
    return policy
