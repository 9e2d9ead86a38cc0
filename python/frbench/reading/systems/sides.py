"""Reads one rate of two finished runs, each at a threshold of its own, and what it is without each block.

Thresholds that were set at a target rate are set again without each block, so that the doubt about them is in what
follows; given ones are held fixed.
"""

from __future__ import annotations

from dataclasses import dataclass

from frbench.choices import Failed
from frbench.estimate import LEVEL, Estimate
from frbench.finished_run import FinishedRun
from frbench.plan import EVERYBODY, Group, name_of
from frbench.reading.rate import Rate
from frbench.reading.systems.paired import Paired, Side, paired
from frbench.reading.systems.replicates import Edges, held, rate_at, set_again

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
class Sides:
    """One rate of both systems, and what it is without each block of subjects.

    rates : None where one of them has no trials. reason : why the difference has no interval, if somebody knows.
    """

    a: Estimate
    b: Estimate
    rates: tuple[Side, Side] | None
    are_set_again: bool
    reason: str = ""

    def paired(self, level: float = LEVEL) -> Paired:
        """The difference and the ratio, at any level."""
        if self.rates is None:
            return Paired(reason=(self.b if self.a.n else self.a).reason)
        independent = self.a.n_effective, self.b.n_effective
        return paired(*self.rates, reason=self.reason, independent=independent, level=level)


def sides(a: FinishedRun, b: FinishedRun, setting: Setting, rate: Rate, group: Group) -> Sides:
    """One rate of both systems at one setting, thresholds set again without each block where a target set them.

    Parameters
    ----------
    rate : its threshold is that of the setting.

    Raises
    ------
    EdgeNotInPlan : a threshold is not an edge of the tally it was given for.
    """
    runs = list(zip((a, b), setting.thresholds, strict=True))
    edges = [_edges(run, setting, threshold) for run, threshold in runs]
    are_set_again = all(side.are_set_again for side in edges)
    trials = [rate.at(threshold).trials(run.tally, group) for run, threshold in runs]
    of_a, of_b = (found.estimate for found in trials)
    if not (of_a.n and of_b.n):
        return Sides(of_a, of_b, None, are_set_again)
    rate_a, rate_b = map(rate_at, trials, edges)
    known = next((e.reason for e in (of_a, of_b) if e.low is None), "")
    reason = BY_CONSTRUCTION if are_set_again and is_target(a, setting, rate, group) else known
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
    return set_again(tally.pick(mated=False, group=target), edge, failed_policy(run))


def _target(run: FinishedRun, setting: Setting) -> Group | None:
    """The group whose non-mated trials the threshold was set on; None if the tally does not hold them."""
    metric = setting.at.partition("=")[0]
    if metric != ("fpir" if run.results["kind"] == "identify" else "fmr"):
        return None
    population = run.manifest["options"]["at_population"]
    if population == "all":
        return EVERYBODY
    column, _, value = population.partition("=")
    return Group.within((column,), name_of([value])) if column in run.tally.plan.columns else None


def is_target(run: FinishedRun, setting: Setting, rate: Rate, group: Group) -> bool:
    """Whether a rate is the one that thresholds were set at, on the same trials."""
    return rate.metric == setting.at.partition("=")[0] and _target(run, setting) == group


def failed_policy(run: FinishedRun) -> Failed:
    """How a run counts trials with a failed template."""
    policy: Failed = run.results.get("failed_policy", "reject")
    return policy
