"""A race: contestants of one piece of work take turns, round by round, in one process.

Each round calls every contestant once, in an order drawn anew from a seed, and a ratio compares times of the same
rounds: what slows the machine for a while slows both sides of it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Kind = Literal["kernel", "again", "own", "peer"]
Seconds = Mapping[str, Sequence[float]]

RESAMPLES = 10_000


@dataclass(frozen=True)
class Contestant:
    """One way to do a piece of work.

    call : does it once and returns the answer, which is let go after the clock has stopped.
    before : what was done with the gallery before the clock.
    kind : "kernel", frbench, to which the others are compared; "again", the first kernel once more, which shows the
        noise; "own", frbench at another work; "peer", another library.
    leaves_out : part of the work that it does not do.
    share : of the work that one call does, in (0, 1]; its time is divided by it.
    facts : what else a reader must know, such as recall or the time to build.
    """

    name: str
    call: Callable[[], Any]
    version: str
    setting: str
    before: str
    kind: Kind = "peer"
    leaves_out: str = ""
    share: float = 1.0
    facts: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """What is to be done.

    comparisons : scores that it stands for; 0 if it is not of comparisons.
    products : multiply-adds of one pass over all of them; 0 if its roof is not asked for.
    is_fine : whether every score is needed, and not only what lies above a limit.
    series, label : works of one series are rows of one table, named by their labels.
    """

    name: str
    size: str
    comparisons: int = 0
    series: str = ""
    label: str = ""
    products: int = 0
    is_fine: bool = False


@dataclass(frozen=True)
class Ratio:
    """A peer's median time divided by ours, with a 95% interval; above 1 the peer is slower."""

    value: float
    low: float
    high: float

    @property
    def verdict(self) -> Literal["won", "even", "lost"]:
        """Lost or won only if the whole interval says so."""
        if self.high < 1:
            return "lost"
        return "won" if self.low > 1 else "even"


def turns(n: int, rounds: int, *, seed: int) -> list[list[int]]:
    """The order of `n` contestants in each round, a permutation drawn for each."""
    draw = random.Random(seed)
    return [draw.sample(range(n), n) for _ in range(rounds)]


def ratio(theirs: Sequence[float], ours: Sequence[float], *, seed: int = 0) -> Ratio:
    """Ratio of medians, with the 2.5% and 97.5% quantiles of a bootstrap over rounds.

    Rounds are drawn whole, so a time of theirs stays with the time of ours that it was run beside.
    """
    a, b = np.log(np.asarray(theirs)), np.log(np.asarray(ours))
    drawn = np.random.default_rng(seed).integers(len(a), size=(RESAMPLES, len(a)))
    logs = np.median(a[drawn], axis=1) - np.median(b[drawn], axis=1)
    low, high = np.quantile(logs, (0.025, 0.975))
    return Ratio(float(np.median(theirs) / np.median(ours)), float(np.exp(low)), float(np.exp(high)))


def settle(*, cpu: Callable[[], float] = time.process_time, nap_s: float = 0.01, most_s: float = 1.0) -> float:
    """Seconds waited until the threads of this process lie still.

    The workers of OpenBLAS turn for 0.1 s after a product, and would take a processor from whoever comes next.
    """
    start = time.perf_counter()
    while time.perf_counter() - start < most_s:
        used = cpu()
        time.sleep(nap_s)
        if cpu() - used < nap_s / 10:
            break
    return time.perf_counter() - start


def timed(contestant: Contestant) -> float:
    """Seconds of the whole work: one call, divided by the share of it that a call does."""
    settle()
    start = time.perf_counter()
    answer = contestant.call()
    seconds = time.perf_counter() - start
    del answer
    return seconds / contestant.share


def run(benchmark: Any, contestants: Sequence[Contestant], *, rounds: int, seed: int) -> Seconds | None:
    """Seconds of each contestant in each round; None if pytest-benchmark is disabled.

    The first contestant is timed by pytest-benchmark itself, so that its JSON has our statistics; in each round the
    others run around it, in the order of `turns`.
    """
    first, *others = contestants
    if not benchmark.enabled:
        benchmark.pedantic(first.call)
        return None
    orders = iter(turns(len(contestants), rounds, seed=seed))
    seconds: dict[str, list[float]] = {other.name: [] for other in others}
    waiting: list[int] = []
    answers: list[Any] = []

    def run_waiting() -> None:
        for i in waiting:
            seconds[contestants[i].name].append(timed(contestants[i]))

    def before() -> None:
        order = next(orders)
        at = order.index(0)
        waiting[:] = order[:at]
        run_waiting()
        waiting[:] = order[at + 1 :]
        settle()

    def after() -> None:
        answers.clear()
        run_waiting()

    benchmark.pedantic(lambda: answers.append(first.call()), setup=before, teardown=after, rounds=rounds)
    return {first.name: list(benchmark.stats.stats.data), **seconds}


def result(work: Work, contestants: Sequence[Contestant], seconds: Seconds) -> dict[str, Any]:
    """The race as JSON: each contestant's median, rounds, and ratio to each kernel of ours."""
    kernels = [c.name for c in contestants if c.kind == "kernel"]
    return {
        "work": work.name,
        "size": work.size,
        "comparisons": work.comparisons,
        "series": work.series,
        "label": work.label,
        "products": work.products,
        "is_fine": work.is_fine,
        "kernels": kernels,
        "entries": [_entry(c, seconds, kernels) for c in contestants],
    }


def _entry(contestant: Contestant, seconds: Seconds, kernels: Sequence[str]) -> dict[str, Any]:
    own = seconds[contestant.name]
    ratios = {name: ratio(own, seconds[name]) for name in kernels if name != contestant.name}
    return {
        "name": contestant.name,
        "kind": contestant.kind,
        "version": contestant.version,
        "setting": contestant.setting,
        "before": contestant.before,
        "leaves_out": contestant.leaves_out,
        "share": contestant.share,
        "facts": dict(contestant.facts),
        "median_s": float(np.median(own)),
        "n": len(own),
        "ratios": {name: [r.value, r.low, r.high] for name, r in ratios.items()},
        "verdicts": {name: r.verdict for name, r in ratios.items()},
        "rounds_s": list(own),
    }
