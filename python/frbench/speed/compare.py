"""Runs rounds of A and B until the intervals answer, or the budget ends."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from frbench.errors import InputError, InvalidRun
from frbench.estimate import LEVEL
from frbench.runs.progress import TerminalProgress
from frbench.speed import looks
from frbench.speed.goal import Goal, Outcome, Verdict, worst
from frbench.speed.looks import Looks
from frbench.speed.ratio import Ratio, ratio, wilcoxon
from frbench.speed.rounds import Order, Round, Values, draw

Measure = Callable[[], Values]
Clock = Callable[[], float]
Ending = Literal["answered", "budget", "pairs"]

DEFAULT_PAIRS = 2000
DEFAULT_BUDGET_S = 300.0


@dataclass(frozen=True)
class Budget:
    """Limits of a comparison.

    Parameters
    ----------
    pairs : at most.
    seconds : no round is begun that would not end in time.
    level : of all metrics together.
    """

    pairs: int = DEFAULT_PAIRS
    seconds: float = DEFAULT_BUDGET_S
    level: float = LEVEL

    def __post_init__(self) -> None:
        looks.plan(self.pairs, level=self.level)
        if not self.seconds > 0:
            raise InputError(f"the budget is {self.seconds:g} s, expected above 0")


@dataclass(frozen=True)
class Metric:
    """Ratio, noise and verdict of one metric.

    Parameters
    ----------
    ratio : of B to A.
    noise : of A to A and of B to B, in as many pairs.
    wilcoxon_p : a check on the ratio that knows nothing of repeated looks.
    """

    name: str
    ratio: Ratio
    noise: Ratio
    wilcoxon_p: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """A finished comparison; its rounds hold everything that was measured, without the first, which is discarded."""

    goal: Goal
    budget: Budget
    seed: int
    looks: Looks
    rounds: tuple[Round, ...]
    metrics: dict[str, Metric]
    ending: Ending
    seconds: float

    @property
    def outcome(self) -> Outcome:
        """The worst of all metrics: pass, measured, inconclusive, invalid or fail."""
        return worst(metric.verdict for metric in self.metrics.values())


def compare(
    a: Measure,
    b: Measure,
    *,
    goal: Goal,
    budget: Budget,
    seed: int = 1,
    clock: Clock = time.perf_counter,
    progress: TerminalProgress | None = None,
) -> Comparison:
    """Rounds of `a` and `b` until every metric's interval answers the goal, or the budget ends.

    Parameters
    ----------
    a, b : measure once and return figures that grow with the time taken.
    seed : of the orders.

    Raises
    ------
    InputError : a first measurement fails, or sides have other metrics. InvalidRun : a later one does.
    """
    start, source = clock(), random.Random(seed)
    names = _metrics(_measured(a, b, draw(source)))
    plan = looks.plan(budget.pairs, level=1 - (1 - budget.level) / len(names))
    done: list[Round] = []
    with (progress or TerminalProgress(quiet=True)).step("compare", plan.pairs[-1], "pairs") as advance:
        while _has_room(done, plan, budget, clock() - start):
            done.append(_later(a, b, draw(source), len(done) + 1, names))
            advance(2)
            if 2 * len(done) in plan.pairs:
                found = _read(done, names, goal, plan, plan.rank(2 * len(done)))
                if all(goal.is_reached(metric.ratio, metric.noise) for metric in found.values()):
                    return Comparison(goal, budget, seed, plan, tuple(done), found, "answered", clock() - start)
    found = _read(done, names, goal, plan, plan.last(2 * len(done)) if done else 0)
    ending: Ending = "pairs" if 2 * len(done) == plan.pairs[-1] else "budget"
    return Comparison(goal, budget, seed, plan, tuple(done), found, ending, clock() - start)


def _has_room(done: Sequence[Round], plan: Looks, budget: Budget, spent_s: float) -> bool:
    """Whether one more round is allowed, and would end in time if it took as long as all before it on average."""
    rounds = len(done) + 1
    return 2 * rounds <= plan.pairs[-1] and spent_s * (rounds + 1) / rounds <= budget.seconds


def read(done: Sequence[Round], metric: str, *, goal: Goal, rank: int, level: float) -> Metric:
    """What the rounds say of one metric, with intervals of order statistics of this rank."""
    logs = [log for each in done for log in each.ratios(metric)]
    control = [log for each in done for log in each.controls(metric)]
    ratio_found, noise = ratio(logs, rank=rank, level=level), ratio(control, rank=rank, level=level)
    return Metric(metric, ratio_found, noise, wilcoxon(logs), goal.judge(ratio_found, noise))


def _read(done: Sequence[Round], names: Sequence[str], goal: Goal, plan: Looks, rank: int) -> dict[str, Metric]:
    return {name: read(done, name, goal=goal, rank=rank, level=plan.level) for name in names}


def _measured(a: Measure, b: Measure, order: Order) -> Round:
    return Round(order, tuple((a if turn == "A" else b)() for turn in order.turns))


def _later(a: Measure, b: Measure, order: Order, number: int, names: Sequence[str]) -> Round:
    try:
        found = _measured(a, b, order)
        if set(_metrics(found)) != set(names):
            raise InputError(f"both sides printed {', '.join(found.values[0])}, expected {', '.join(names)}")
    except InputError as error:
        raise InvalidRun(f"round {number} broke off, after the first had worked; {error}") from error
    return found


def _metrics(found: Round) -> tuple[str, ...]:
    """The metrics of every turn.

    Raises
    ------
    InputError : there are several sets of them.
    """
    first = found.values[0]
    for turn, values in zip(found.order.turns, found.values, strict=True):
        if set(values) != set(first):
            raise InputError(
                f"{turn} has the metrics {', '.join(values)}, the run before {', '.join(first)}, "
                "expected the same of every run of both sides"
            )
    return tuple(first)
