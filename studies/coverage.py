"""Coverage: how often the intervals of frbench hold a truth that is known, and how often its tests are wrong.

`python -m studies.coverage --out docs/coverage.md` draws the worlds and writes the tables; the same seed gives the
same tables.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from frbench.plan import Group
from frbench.reading import joint
from frbench.reading.differentials import detectable
from frbench.reading.joint import Replicates, replicates
from frbench.reading.power import Design, subjects_needed
from frbench.reading.rate import Metric, Rate
from studies.equivalence import equivalence
from studies.populations import GROUPING, THRESHOLD, Population, World, worlds

SEED = 20240601
WORLDS = 2000
MARGIN = 1.5
ENOUGH = 10
METRICS: tuple[Metric, ...] = ("fmr", "fnmr", "fpir", "fnir")
COMMON: dict[Metric, float] = {"fmr": 1e-3, "fnmr": 0.02, "fpir": 0.02, "fnir": 0.05}
RARE: dict[Metric, float] = {"fmr": 1e-5, "fnmr": 0.003, "fpir": 0.003, "fnir": 0.01}
SCARCE: dict[Metric, float] = {"fmr": 1e-6, "fnmr": 5e-4, "fpir": 5e-4, "fnir": 1e-3}

POPULATIONS = (
    Population("300 and 600 people, common errors", (300, 600), COMMON),
    Population("the same, f errs three times as often", (300, 600), COMMON, ratio=3),
    Population("the same people in both groups", (400, 400), COMMON, is_shared=True),
    Population("people alike", (400, 800), COMMON, spread=0.01),
    Population("one template a person, ten searches", (500, 800), COMMON, templates=2, searches=10),
    Population("people differ much", (800, 1600), COMMON, spread=1.2),
    Population("one person in 50 has 30 templates", (300, 600), COMMON, famous=0.02),
    Population("pairs of people differ, too", (150, 200), COMMON, spread=0.5, clump=2),
    Population("1,000 and 3,000 people, rare errors", (1000, 3000), RARE),
    Population("the same, f errs twice as often", (1000, 3000), RARE, ratio=2),
    Population("very few errors", (800, 2000), SCARCE),
    Population("60 and 90 people", (60, 90), COMMON | {"fmr": 5e-3, "fpir": 0.05}),
    Population("16 and 24 people", (16, 24), COMMON | {"fmr": 2e-2, "fpir": 0.1, "fnmr": 0.1, "fnir": 0.1}),
    Population("100 people who differ very much", (100, 200), COMMON | {"fmr": 5e-3}, spread=1.5),
)


@dataclass
class Share:
    """How often something was so, out of how often it was looked at."""

    hits: int = 0
    n: int = 0

    def add(self, hit: bool) -> None:
        """One more look."""
        self.hits += hit
        self.n += 1

    @property
    def value(self) -> float:
        """The share; NaN if nobody looked."""
        return self.hits / self.n if self.n else math.nan


@dataclass
class Record:
    """What the worlds of one population showed of one metric."""

    population: Population
    metric: Metric
    errors: list[tuple[int, int]] = field(default_factory=list)
    rate: tuple[Share, Share] = field(default_factory=lambda: (Share(), Share()))
    ratio: Share = field(default_factory=Share)
    difference: Share = field(default_factory=Share)
    detected: Share = field(default_factory=Share)
    missing: Share = field(default_factory=Share)
    detectable: list[float] = field(default_factory=list)

    def add(self, world: World) -> None:
        """One more world."""
        f, m = sides(world, self.metric)
        true_f, true_m = world.truth[self.metric]
        self.errors.append((f.estimate.k, m.estimate.k))
        for share, side, truth in zip(self.rate, (f, m), (true_f, true_m), strict=True):
            if side.estimate.low is not None and side.estimate.high is not None:
                share.add(side.estimate.low <= truth <= side.estimate.high)
        ratio, difference = joint.ratio(f, m), joint.difference(f, m)
        self.missing.add(ratio.low is None)
        if ratio.low is not None and ratio.high is not None:
            self.ratio.add(ratio.low <= true_f / true_m <= ratio.high)
            self.detected.add(not ratio.low <= 1 <= ratio.high)
        if difference.low is not None and difference.high is not None:
            self.difference.add(difference.low <= true_f - true_m <= difference.high)
        smallest = detectable(f, m)
        if smallest is not None:
            self.detectable.append(smallest)

    @property
    def tests_nothing(self) -> bool:
        """Whether both groups have the same true rate."""
        return self.population.ratio == 1


def sides(world: World, metric: Metric) -> tuple[Replicates, Replicates]:
    """A rate of both groups."""
    tally = world.searches if metric in ("fpir", "fnir") else world.comparisons
    f, m = (replicates(tally, Rate(metric, THRESHOLD), Group(GROUPING, (g, g))) for g in "fm")
    return f, m


def study(population: Population, n: int, seed: int = SEED) -> list[Record]:
    """What `n` worlds of a population show, by metric."""
    records = [Record(population, metric) for metric in METRICS]
    for world in worlds(population, n, np.random.default_rng([seed, *population.subjects])):
        for record in records:
            record.add(world)
    return records


def coverage_table(records: Sequence[Record]) -> Iterator[str]:
    """Lines of markdown: how often each interval held the truth, in percent."""
    yield "| population | rate | errors f, m | f | m | ratio | difference | no ratio | false alarms |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for r in records:
        f, m = (f"{np.median([k[g] for k in r.errors]):,.0f}" for g in (0, 1))
        cells = [percent(share) for share in (*r.rate, r.ratio, r.difference, r.missing)]
        alarms = percent(r.detected) if r.tests_nothing else ""
        yield f"| {r.population.name} | {r.metric.upper()} | {f}, {m} | {' | '.join(cells)} | {alarms} |"


@dataclass(frozen=True)
class Summary:
    """Extremes of the coverage table.

    intervals : of rates, ratios and differences with at least ten errors on each side. alarms : of the same.
    """

    intervals: tuple[float, float]
    alarms: tuple[float, float]
    outside: int
    n: int

    @classmethod
    def of(cls, records: Sequence[Record]) -> Summary:
        """The summary of records."""
        many = [r for r in records if min(np.median(np.array(r.errors), axis=0)) >= ENOUGH]
        shares = [100 * s.value for r in many for s in (*r.rate, r.ratio, r.difference)]
        alarms = [100 * r.detected.value for r in many if r.tests_nothing]
        outside = sum(not 93 <= share <= 98 for share in shares)
        return cls((min(shares), max(shares)), (min(alarms), max(alarms)), outside, len(shares))


def percent(share: Share) -> str:
    """A share in percent; a dash where nothing was estimated."""
    return f"{100 * share.value:.1f}" if share.n else "-"


@dataclass(frozen=True)
class Reached:
    """The ratio that was said to be detectable, and how often it was detected where it is the true one."""

    name: str
    metric: Metric
    ratio: float
    detected: Share


def power_reached(record: Record, n: int) -> Reached:
    """The median ratio that worlds without a difference call detectable, put to the test."""
    ratio = float(np.median(record.detectable))
    found = Share()
    raised = record.population.with_ratio(ratio)
    for world in worlds(raised, n, np.random.default_rng([SEED, 2, *raised.subjects])):
        contrast = joint.ratio(*sides(world, record.metric))
        found.add(contrast.low is not None and contrast.low > 1)
    return Reached(record.population.name, record.metric, ratio, found)


def plan_reached(design: Design, ratio: float, n: int) -> tuple[int, Share]:
    """The number of subjects that a design asks for, and how often they show the ratio."""
    subjects = subjects_needed(design, ratio)
    spread = math.sqrt(math.log1p(design.spread**2))
    population = Population("planned", (subjects, subjects), COMMON | {"fmr": design.rate}, ratio, spread, templates=1)
    found = Share()
    for world in worlds(population, n, np.random.default_rng([SEED, 3])):
        contrast = joint.ratio(*sides(world, "fmr"))
        found.add(contrast.low is not None and contrast.low > 1)
    return subjects, found


def equivalence_shown(population: Population, metric: Metric, n: int) -> Share:
    """How often rates are called alike."""
    found = Share()
    for world in worlds(population, n, np.random.default_rng([SEED, 4])):
        found.add(equivalence(*sides(world, metric), margin=MARGIN).is_shown)
    return found


PLANS = (Design("fmr", 1e-5, 1, 1.0), Design("fmr", 1e-4, 1, 0.5))
ALIKE = Population("1,000 and 3,000 people, common errors", (1000, 3000), COMMON)
OF_POWER = (0, 3, 5, 8)

HEAD = """# Coverage

How often the intervals of frbench hold a truth that is known, and how often its tests are wrong: {n:,} worlds for each
row, made by `python -m studies.coverage --out docs/coverage.md` (seed {seed}; the same seed gives the same tables).
A share of {n:,} has a standard error of {error:.1f} points at 95%.

Every world is a new sample of people. Each has an effect of their own on false matches (lognormal, deviation 0.7 of the
logarithm unless said otherwise: a person in a hundred is in four times as many as the mean) and on false non-matches
(probit); `studies/populations.py` says how. Blocks are drawn as a hash draws them, so some are empty and others full.

## Intervals at 95%

Percent of worlds whose interval holds the truth, of those that have one; columns f and m are the rates of the two
groups. *errors*: the median numerators. *no ratio*: worlds in which the ratio is "not estimable", nearly always because
one group has no errors. *false alarms*: worlds that find a difference where there is none.

"""

FOOT = """
Of {cells} intervals with at least {enough} errors on both sides, {inside} hold the truth in 93 to 98% of worlds; the
range is {low:.1f} to {high:.1f}%. False alarms there are {least:.1f} to {most:.1f}%.

Where they do not keep to 93 to 98%:

- **Few errors** (below ten): counts are steps, and intervals are wider than they need to be. Ratios of one to three
  errors hold the truth up to 100% of the time.
- **Few people with most of the templates**: where 4 of 300 people hold six in ten of the mated comparisons, the
  interval of FNMR rests on these four, and misses more often than one time in twenty.
- **Few people who hold most of the errors** are at the edge: of 100 people with effects of deviation 1.5, one in a
  hundred is in ten times as many false matches as the mean. A sample that lacks them shows neither them nor the doubt,
  and the interval then lies too low. 16 people are enough for blocks, and just enough for an interval.

## Power

The ratio that worlds without a difference call detectable with 80% power (the median), made the true ratio of new
worlds: percent of them in which it is detected.

"""


def report(n: int) -> str:
    """The study as markdown."""
    records = [record for population in POPULATIONS for record in study(population, n)]
    found = Summary.of(records)
    lines = [HEAD.format(n=n, seed=SEED, error=100 * math.sqrt(0.95 * 0.05 / n)), *_lines(coverage_table(records))]
    lines.append(
        FOOT.format(
            cells=found.n,
            enough=ENOUGH,
            inside=found.n - found.outside,
            low=found.intervals[0],
            high=found.intervals[1],
            least=found.alarms[0],
            most=found.alarms[1],
        )
    )
    lines += _lines(power_table(n))
    lines.append("\n`frbench power` before there are data:\n\n")
    lines += _lines(plan_table(n))
    lines.append(
        f"\n## Equivalence\n\nPercent of worlds in which two rates are called alike up to a factor {MARGIN}, at 5%: "
        "where the true ratio is that factor, and where it is 1.\n\n"
    )
    lines += _lines(equivalence_table(n))
    return "".join(lines)


def power_table(n: int) -> Iterator[str]:
    """Lines of markdown: stated and reached power."""
    yield "| population | rate | ratio | detected |"
    yield "|---|---|---|---|"
    for i in OF_POWER:
        for record in study(POPULATIONS[i].with_ratio(1.0), n):
            found = power_reached(record, n)
            yield f"| {found.name} | {found.metric.upper()} | {found.ratio:.2f} | {percent(found.detected)} |"


def plan_table(n: int) -> Iterator[str]:
    """Lines of markdown: planned numbers of subjects, and the power they reach."""
    yield "| FMR | spread | ratio | subjects a group | detected |"
    yield "|---|---|---|---|---|"
    for design in PLANS:
        subjects, found = plan_reached(design, 2.0, n)
        yield f"| {design.rate:.0e} | {design.spread} | 2 | {subjects:,} | {percent(found)} |"


def equivalence_table(n: int) -> Iterator[str]:
    """Lines of markdown: how often rates at the margin, and equal ones, are called alike."""
    yield f"| population | rate | ratio {MARGIN} | ratio 1 |"
    yield "|---|---|---|---|"
    for metric in METRICS[:2]:
        shown = [percent(equivalence_shown(ALIKE.with_ratio(ratio), metric, n)) for ratio in (MARGIN, 1.0)]
        yield f"| {ALIKE.name} | {metric.upper()} | {shown[0]} | {shown[1]} |"


def _lines(table: Iterator[str]) -> list[str]:
    return [f"{line}\n" for line in table]


def main() -> None:
    """Writes the study."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--worlds", type=int, default=WORLDS)
    parser.add_argument("--out", type=Path, default=Path("docs/coverage.md"))
    asked = parser.parse_args()
    asked.out.write_text(report(asked.worlds))


if __name__ == "__main__":
    main()
