"""Speed: how often `frbench ab` finds a slowdown that is there, and one that is not.

`python -m studies.speed --out docs/speed.md` draws noisy times and writes the tables; the same seed gives the same
tables. `--record S` records times of one command on this machine for so many seconds, and `--real N` runs `frbench ab`
here, N times with a slowdown and N times without: both keep what they found in studies/speed_*.json, from which the
page is written, and trials that were kept are not run again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from frbench.speed.compare import Budget, Comparison, compare
from frbench.speed.goal import Goal
from frbench.speed.looks import missing, plan
from studies.coverage import Share, percent
from studies.speed_real import CLOCKS, Design, holds, page, real, words

Floats = NDArray[np.float64]
Noise = Callable[[np.random.Generator, int], Floats]

SEED = 20261122
TRIALS = 400
SLOWDOWN = 0.05
LIMIT = 0.03
PAIRS = 2000
BLOCK = 200
HERE = Path(__file__).parent
RECORDED = HERE / "speed_recorded.json"
REAL = {"process_time": HERE / "speed_real.json", "perf_counter": HERE / "speed_real_wall.json"}


@dataclass(frozen=True)
class World:
    """A machine. noise : logarithms of what it does to the times of so many processes, one after another."""

    name: str
    noise: Noise


def _walk(random: np.random.Generator, n: int) -> Floats:
    return np.cumsum(0.005 * random.standard_normal(n)) + 0.03 * random.standard_normal(n)


def _bursts(random: np.random.Generator, n: int) -> Floats:
    """Busy one time in five, 40 processes on end: then times are half as long again, and scatter."""
    lengths = random.geometric(1 / 40, size=n)
    busy = np.repeat(random.random(n) < 0.2, lengths)[:n]
    return np.where(busy, 0.4 + 0.15 * random.standard_normal(n), 0.03 * random.standard_normal(n))


def _alike(random: np.random.Generator, n: int) -> Floats:
    """Correlation 0.95 from one process to the next."""
    own = random.standard_normal(n)
    for i in range(1, n):
        own[i] = 0.95 * own[i - 1] + math.sqrt(1 - 0.95**2) * own[i]
    return 0.1 * own + 0.02 * random.standard_normal(n)


def _two_speeds(random: np.random.Generator, n: int) -> Floats:
    """A process is fast or a tenth slower, by chance: a ratio of two has three modes."""
    return 0.1 * (random.random(n) < 0.5) + 0.01 * random.standard_normal(n)


def _recorded(random: np.random.Generator, n: int) -> Floats:
    """Stretches of 200 times, as they were recorded."""
    logs = np.log(np.asarray(json.loads(RECORDED.read_text())["seconds"]))
    starts = random.integers(len(logs) - BLOCK, size=n // BLOCK + 1)
    return np.concatenate([logs[start : start + BLOCK] for start in starts])[:n]


WORLDS = (
    World("quiet: 1%, normal", lambda random, n: 0.01 * random.standard_normal(n)),
    World("5%, normal", lambda random, n: 0.05 * random.standard_normal(n)),
    World("heavy tails: Student's t with 2 degrees, 3%", lambda random, n: 0.03 * random.standard_t(2, n)),
    World("skewed: exponential, 10%", lambda random, n: 0.1 * random.standard_exponential(n)),
    World("drift: a walk of 0.5% a process, and 3%", _walk),
    World("bursts: a fifth of the time half as slow again", _bursts),
    World("correlated: 10% at 0.95 from one to the next, and 2%", _alike),
    World("two speeds, 10% apart", _two_speeds),
    World("recorded on a busy machine", _recorded),
)


@dataclass
class Machine:
    """Processes in a world: a clock that only they move."""

    logs: Floats
    slowdown: float
    now: float = 0.0
    n: int = 0

    def run(self, factor: float) -> dict[str, float]:
        """One process."""
        seconds = 0.2 * factor * math.exp(self.logs[self.n])
        self.n, self.now = self.n + 1, self.now + seconds
        return {"wall": seconds}

    def compare(self, goal: Goal, budget: Budget, seed: int) -> Comparison:
        """A against B, which is slower."""
        return compare(
            lambda: self.run(1.0),
            lambda: self.run(1 + self.slowdown),
            goal=goal,
            budget=budget,
            seed=seed,
            clock=lambda: self.now,
        )


@dataclass
class Record:
    """What trials in a world showed, of the same command twice and of one with a slowdown planted."""

    world: World
    alarms: Share = field(default_factory=Share)
    passed: Share = field(default_factory=Share)
    caught: Share = field(default_factory=Share)
    held: Share = field(default_factory=Share)
    narrow_held: Share = field(default_factory=Share)
    pairs_same: list[int] = field(default_factory=list)
    pairs_slower: list[int] = field(default_factory=list)
    pairs_narrow: list[int] = field(default_factory=list)

    def add(self, random: np.random.Generator, budget: Budget) -> None:
        """One more trial of each kind."""
        gate = Goal(max_slowdown=LIMIT)
        same, slower, narrow = (
            self._one(random, slowdown, goal, budget)
            for slowdown, goal in ((0.0, gate), (SLOWDOWN, gate), (SLOWDOWN, Goal()))
        )
        self.alarms.add(same.outcome == "fail")
        self.passed.add(same.outcome == "pass")
        self.caught.add(slower.outcome == "fail")
        for found, truth in ((same, 1.0), (slower, 1 + SLOWDOWN)):
            self.held.add(holds(found.metrics["wall"].ratio, truth))
        self.narrow_held.add(holds(narrow.metrics["wall"].ratio, 1 + SLOWDOWN))
        self.pairs_same.append(2 * len(same.rounds))
        self.pairs_slower.append(2 * len(slower.rounds))
        self.pairs_narrow.append(2 * len(narrow.rounds))

    def _one(self, random: np.random.Generator, slowdown: float, goal: Goal, budget: Budget) -> Comparison:
        logs = self.world.noise(random, 2 * budget.pairs + 4)
        return Machine(logs, slowdown).compare(goal, budget, int(random.integers(2**31)))


def study(world: World, trials: int, *, pairs: int = PAIRS, seed: int = SEED) -> Record:
    """What so many trials show in a world."""
    random = np.random.default_rng([seed, *world.name.encode()])
    record = Record(world)
    for _ in range(trials):
        record.add(random, Budget(pairs=pairs, seconds=1e9))
    return record


@dataclass(frozen=True)
class Once:
    """How often intervals of `n` pairs that are looked at once hold the truth, and how wide they are."""

    n: int
    ranks: Share
    bootstrap: Share
    widths: tuple[float, float]


def once(n: int, world: World, trials: int, *, seed: int = SEED) -> Once:
    """Order statistics against the percentile bootstrap of the median."""
    random = np.random.default_rng([seed, n, *world.name.encode()])
    rank = _fixed_rank(n)
    shares, widths = (Share(), Share()), np.zeros((trials, 2))
    for trial in range(trials):
        noise = world.noise(random, 2 * n).reshape(n, 2)
        logs = np.sort((noise[:, 0] - noise[:, 1]) * random.choice((-1, 1), n))
        drawn = np.median(logs[random.integers(n, size=(1000, n))], axis=1)
        for i, (low, high) in enumerate(((logs[rank - 1], logs[n - rank]), np.quantile(drawn, (0.025, 0.975)))):
            shares[i].add(bool(low <= 0 <= high))
            widths[trial, i] = high - low
    means = widths.mean(axis=0)
    return Once(n, shares[0], shares[1], (float(means[0]), float(means[1])))


def _fixed_rank(n: int) -> int:
    """The largest rank whose interval, looked at once, misses with at most 5%."""
    return int(stats.binom.ppf(0.025, n, 0.5))


def peeking(pairs: int) -> tuple[float, float]:
    """Chance that some look misses the truth: with an interval of 95% at each, and with shares of the error."""
    looks = plan(pairs)
    return missing(looks.pairs, [_fixed_rank(n) for n in looks.pairs]), missing(looks.pairs, looks.ranks)


def record(seconds: float, loops: int) -> dict[str, Any]:
    """Times of one command, again and again."""
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.perf_counter()
        subprocess.run(words(loops), check=True, stdout=subprocess.DEVNULL)
        found.append(round(time.perf_counter() - start, 6))
    return {"load": [round(load, 2) for load in os.getloadavg()], "seconds": found}


HEAD = """# Speed: what `frbench ab` finds

Made by `python -m studies.speed --out docs/speed.md` (seed {seed}; the same seed gives the same tables). The intervals
are of the median ratio of B to A in pairs whose order is drawn, at 95% over all looks together; the limit is a slowdown
of {limit:.0%}, and at most {pairs:,} pairs are run.

## A slowdown that is there, and one that is not

Each row is {trials:,} trials in a simulated machine, or one put together from stretches of {block} times of one
command that were recorded on a core shared with other work ({n_recorded:,} times, load {load}). In percent: *caught*,
runs that fail where B takes {slowdown:.0%} longer; *false alarms*, runs that fail where B is A; *passed*, runs of the
same command that pass (the others are inconclusive, or their limit was within the noise floor); *held*, runs whose
interval holds the truth where they stopped, with the limit, and at a half-width of 2%. *pairs*: median, ninth tenth.

"""

LOOKS = """
## Looking again and again

The order of a pair is drawn, so at the true ratio a fair coin says which of the two was slower, in any world: the
chance that an interval misses is that of a walk of coins, without a model of the noise, and is computed here exactly.
With {pairs:,} pairs there are {looks} looks. Intervals of 95% at each look miss at some look in **{naive:.1%}** of
runs; the ranks that `frbench ab` takes share the error, and miss in **{ours:.1%}**. That costs {cost:.0%} of width.

## Order statistics or bootstrap

One look, {trials:,} trials: percent of intervals at 95% that hold the truth, and mean widths, of order statistics and
of the percentile bootstrap of the median (1,000 resamples).

"""

REST = """
The bootstrap of a median resamples the same order statistics. Those are exact by the draw alone, need no seed, and can
be shared out over looks exactly, so they are taken.
"""


def worlds_table(records: Sequence[Record]) -> Iterator[str]:
    """Lines of markdown: what trials showed in each world, in percent."""
    yield "| machine | caught | false alarms | passed | held | held at 2% | pairs, B slower | B is A | to 2% |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for r in records:
        shares = (percent(share) for share in (r.caught, r.alarms, r.passed, r.held, r.narrow_held))
        pairs = (
            f"{np.median(n):,.0f}, {np.quantile(n, 0.9):,.0f}" for n in (r.pairs_slower, r.pairs_same, r.pairs_narrow)
        )
        yield f"| {r.world.name} | {' | '.join([*shares, *pairs])} |"


def once_table(trials: int) -> Iterator[str]:
    """Lines of markdown: intervals that are looked at once."""
    yield "| machine | pairs | order statistics | bootstrap | width, bootstrap = 1 |"
    yield "|---|---|---|---|---|"
    for world in (WORLDS[1], WORLDS[2], WORLDS[7]):
        for n in (10, 30, 100):
            found = once(n, world, trials)
            width = found.widths[0] / found.widths[1]
            yield f"| {world.name} | {n} | {percent(found.ranks)} | {percent(found.bootstrap)} | {width:.2f} |"


def report(trials: int) -> str:
    """The study as markdown."""
    recorded = json.loads(RECORDED.read_text())
    head = HEAD.format(
        seed=SEED,
        limit=LIMIT,
        slowdown=SLOWDOWN,
        pairs=PAIRS,
        trials=trials,
        block=BLOCK,
        n_recorded=len(recorded["seconds"]),
        load=recorded["load"][0],
    )
    looks, (naive, ours) = plan(PAIRS), peeking(PAIRS)
    cost = (PAIRS / 2 - looks.ranks[-1]) / (PAIRS / 2 - _fixed_rank(PAIRS)) - 1
    middle = LOOKS.format(pairs=PAIRS, looks=len(looks.pairs), naive=naive, ours=ours, cost=cost, trials=5 * trials)
    return "".join(
        [
            head,
            *_lines(worlds_table([study(world, trials) for world in WORLDS])),
            middle,
            *_lines(once_table(5 * trials)),
            REST,
            *page([path for path in REAL.values() if path.exists()]),
        ]
    )


def _lines(table: Iterator[str]) -> Iterator[str]:
    return (f"{line}\n" for line in table)


def main() -> None:
    """Writes the page, or records what it needs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/speed.md"))
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--loops", type=int, default=300_000, help="of a command that is timed")
    parser.add_argument("--budget", type=float, default=60.0, metavar="S", help="of a trial of --real")
    parser.add_argument("--clock", choices=CLOCKS, default="process_time", help="that a command of --real reads")
    parser.add_argument("--record", type=float, metavar="S", help="record times for so many seconds, and write no page")
    parser.add_argument("--real", type=int, metavar="N", help="run N trials of each kind here, and write no page")
    given = parser.parse_args()
    if given.record:
        RECORDED.write_text(json.dumps(record(given.record, given.loops)) + "\n")
    elif given.real:
        real(given.real, Design(SLOWDOWN, LIMIT, given.loops, given.budget, given.clock), REAL[given.clock])
    else:
        given.out.write_text(report(given.trials))


if __name__ == "__main__":
    main()
