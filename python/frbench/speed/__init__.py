"""Says which of two commands or functions is slower, by how much, and how little this machine can tell.

>>> from frbench.speed import compare_callables
>>> found = compare_callables(lambda: sum(range(2000)), lambda: sum(range(4000)), max_slowdown=0.2)
>>> found.outcome
'fail'
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from frbench.estimate import LEVEL
from frbench.speed.compare import DEFAULT_BUDGET_S, DEFAULT_PAIRS, Budget, Comparison, Metric, compare
from frbench.speed.goal import Goal, Verdict
from frbench.speed.printed import pattern
from frbench.speed.process import Command
from frbench.speed.ratio import Ratio
from frbench.speed.sampled import DEFAULT_SAMPLE_S, Function, calls_for

__all__ = ["Comparison", "Metric", "Ratio", "Verdict", "compare_callables", "compare_commands"]


def compare_commands(
    a: Sequence[str],
    b: Sequence[str],
    *,
    max_slowdown: float | None = None,
    width: float | None = None,
    budget_s: float = DEFAULT_BUDGET_S,
    pairs: int = DEFAULT_PAIRS,
    level: float = LEVEL,
    seed: int = 1,
    metric_regex: Sequence[str] = (),
    clocks: Sequence[str] = (),
    timeout_s: float = 60.0,
) -> Comparison:
    """Commands `a` and `b` in fresh processes, by turns, until the interval of B/A answers or the budget ends.

    Parameters
    ----------
    max_slowdown : 0.03 asks whether B takes at most 3% longer.
    width : half of the interval that is narrow enough.
    pairs : at most.
    level : of all metrics together.
    metric_regex : figures to find in the output, see `pattern`.
    clocks : `wall` and `cpu`; none is the wall time where nothing else is printed.

    Raises
    ------
    InputError : an argument is wrong, or a command fails at once. InvalidRun : one fails later.
    """
    patterns = tuple(map(pattern, metric_regex))
    first, second = (
        Command(side, tuple(words), patterns=patterns, clocks=tuple(clocks), timeout_s=timeout_s)
        for side, words in (("A", a), ("B", b))
    )
    budget = Budget(pairs, budget_s, level)
    return compare(first, second, goal=Goal(max_slowdown, width), budget=budget, seed=seed)


def compare_callables(
    a: Callable[[], Any],
    b: Callable[[], Any],
    *,
    max_slowdown: float | None = None,
    width: float | None = None,
    budget_s: float = 60.0,
    pairs: int = DEFAULT_PAIRS,
    level: float = LEVEL,
    seed: int = 1,
    sample_s: float = DEFAULT_SAMPLE_S,
) -> Comparison:
    """Functions `a` and `b`, called by turns in this process, as `compare_commands` does with commands.

    sample_s : a time is the mean of as many calls in a row as take this long, of both the same number.
    """
    goal, budget = Goal(max_slowdown, width), Budget(pairs, budget_s, level)
    calls = calls_for(a, b, sample_s=sample_s)
    return compare(Function(a, calls), Function(b, calls), goal=goal, budget=budget, seed=seed)
