"""Paired: how often intervals of two systems on the same trials, of ratios between groups, of EER and of AUC hold a
truth that is known.

`python -m studies.paired --out docs/coverage-paired.md` draws the worlds and writes the tables; the same seed gives
the same tables.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import special

from frbench.plan import Cell, Party, Plan
from frbench.reading.curves import auc, eer
from frbench.reading.systems import paired
from frbench.reading.systems.paired import Paired, Side
from frbench.tally import Tally
from studies.coverage import Share, percent
from studies.populations import touching_of, upper

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SEED = 20240602
WORLDS = 2000
N_BLOCKS = 32
EDGES = tuple(np.linspace(-6, 9, 301).tolist())


@dataclass(frozen=True)
class Systems:
    """Two systems on one population.

    rates : FMR of A and of B. fnmr : FNMR of both. spread : standard deviation of the logarithm of a person's effect on
    false matches; half as much, on a probit scale, of that on false non-matches.
    alike : correlation of a person's effects on A and on B, below 0 where those hard for A are easy for B.
    together : share of the false matches of the better system that are comparisons in which the other errs as well; of
    the variance of a mated score, the part that both share.
    """

    name: str
    subjects: int
    rates: tuple[float, float]
    fnmr: tuple[float, float] = (0.05, 0.05)
    spread: float = 0.7
    alike: float = 0.5
    together: float = 0.3
    templates: int = 3


SYSTEMS = (
    Systems("errors in common: none, people: other ones", 300, (1e-3, 1e-3), alike=0, together=0),
    Systems("errors in common: none, people: the same", 300, (1e-3, 1e-3), alike=1, together=0),
    Systems("errors in common: half, people: other ones", 300, (1e-3, 1e-3), alike=0, together=0.5),
    Systems("errors in common: half, people: the same", 300, (1e-3, 1e-3), alike=1, together=0.5),
    Systems("errors in common: nine in ten, people: the same", 300, (1e-3, 1e-3), alike=1, together=0.9),
    Systems("errors in common: half, people: opposite ones", 300, (1e-3, 1e-3), alike=-1, together=0.5),
    Systems("people alike, a third in common", 300, (1e-3, 1e-3), spread=0.01),
    Systems("B errs half as often again", 600, (1e-3, 1.5e-3), (0.03, 0.045)),
    Systems("B errs three times as often", 600, (1e-3, 3e-3), (0.03, 0.09)),
    Systems("people differ much", 600, (1e-3, 1e-3), spread=1.2),
    Systems("people differ much, B errs twice as often", 600, (1e-3, 2e-3), (0.03, 0.06), spread=1.2, alike=1),
    Systems("1,000 people, rare errors", 1000, (1e-5, 1e-5), (0.003, 0.003)),
    Systems("1,000 people, rare errors, B errs twice as often", 1000, (1e-5, 2e-5), (0.003, 0.006)),
    Systems("60 people", 60, (5e-3, 5e-3)),
)


@dataclass
class Record:
    """What worlds showed of one rate of two systems. plain : the difference with the jackknife as it is."""

    systems: Systems
    metric: str
    truth: tuple[float, float]
    errors: list[tuple[int, int]] = field(default_factory=list)
    difference: Share = field(default_factory=Share)
    plain: Share = field(default_factory=Share)
    ratio: Share = field(default_factory=Share)
    detected: Share = field(default_factory=Share)
    narrower: list[float] = field(default_factory=list)

    def add(self, a: Side, b: Side) -> None:
        """One more world."""
        found, plain = paired.paired(a, b), paired.paired(_uncorrected(a), _uncorrected(b))
        self.errors.append((a.k, b.k))
        difference = self.truth[1] - self.truth[0]
        self.difference.add(_holds(found, difference))
        self.plain.add(_holds(plain, difference))
        self.detected.add(found.is_detected)
        if found.error is not None and plain.error:
            self.narrower.append(found.error / plain.error)
        if found.ratio_low is not None and found.ratio_high is not None:
            self.ratio.add(found.ratio_low <= self.truth[1] / self.truth[0] <= found.ratio_high)


def _uncorrected(side: Side) -> Side:
    return Side(side.k, side.n, side.without, side.occupied, None)


def _holds(found: Paired, truth: float) -> bool:
    return found.low is not None and found.high is not None and found.low <= truth <= found.high


def study(systems: Systems, n: int, seed: int = SEED) -> list[Record]:
    """What `n` worlds of two systems show of FMR and of FNMR."""
    random = np.random.default_rng([seed, systems.subjects, int(1000 * systems.spread), int(10 * systems.alike) + 10])
    records = [Record(systems, "FMR", systems.rates), Record(systems, "FNMR", systems.fnmr)]
    block = random.integers(N_BLOCKS, size=systems.subjects)
    templates = random.integers(1, 2 * systems.templates, size=systems.subjects)
    for _ in range(n):
        records[0].add(*false_matches(systems, block, templates, random))
        records[1].add(*false_nonmatches(systems, block, templates, random))
    return records


def false_matches(systems: Systems, block: Ints, templates: Ints, random: np.random.Generator) -> tuple[Side, Side]:
    """False matches of all pairs of people: those that both systems have are drawn once."""
    member = np.asarray(block[:, None] == np.arange(N_BLOCKS), dtype=np.float64)
    common, own_a, own_b = _effects(systems, 3, random)
    both = _between(random, systems.together * min(systems.rates), templates * common, member)
    trials = upper((templates @ member)[None], (templates**2 @ member)[None])[0].round().astype(np.int64)
    n, n_touching = int(trials.sum()), touching_of(trials)
    sides = []
    for rate, effect in zip(systems.rates, (own_a, own_b), strict=True):
        alone = _between(random, rate - systems.together * min(systems.rates), templates * effect, member)
        errors = both + alone
        sides.append(Side.of(int(errors.sum()), n, errors.sum() - touching_of(errors), n_touching))
    return sides[0], sides[1]


def _effects(systems: Systems, n: int, random: np.random.Generator) -> Floats:
    """(n, subjects) lognormal effects with mean 1, the last one correlated with each other one as the systems are."""
    shared, own = random.standard_normal(systems.subjects), random.standard_normal((n, systems.subjects))
    signs = np.array([1] * (n - 1) + [math.copysign(1, systems.alike)])[:, None]
    z = math.sqrt(abs(systems.alike)) * signs * shared + math.sqrt(1 - abs(systems.alike)) * own
    effects: Floats = np.exp(systems.spread * z - systems.spread**2 / 2)
    return effects


def _between(random: np.random.Generator, rate: float, load: Floats, member: Floats) -> Ints:
    """(blocks, blocks) errors between different people of two blocks, upper triangle."""
    means = upper((load @ member)[None], (load**2 @ member)[None])[0]
    return random.poisson(max(0.0, rate) * means)


def false_nonmatches(systems: Systems, block: Ints, templates: Ints, random: np.random.Generator) -> tuple[Side, Side]:
    """Mated scores below the threshold of each system, normal with parts of the person and of the comparison."""
    mated = templates * (templates - 1) // 2
    whose = np.repeat(np.arange(systems.subjects), mated)
    spread, total = systems.spread / 2, math.sqrt(1 + systems.spread**2 / 4)
    person = random.standard_normal((3, systems.subjects))
    trial = random.standard_normal((3, len(whose)))
    n_touching, sides = np.bincount(block, mated, N_BLOCKS), []
    for side, rate in enumerate(systems.fnmr, start=1):
        sign = math.copysign(1, systems.alike) if side == len(systems.fnmr) else 1
        effect = sign * math.sqrt(abs(systems.alike)) * person[0] + math.sqrt(1 - abs(systems.alike)) * person[side]
        noise = math.sqrt(systems.together) * trial[0] + math.sqrt(1 - systems.together) * trial[side]
        is_error = spread * effect[whose] + noise < special.ndtri(rate) * total
        k = np.bincount(block[whose], is_error, N_BLOCKS)
        sides.append(Side.of(int(k.sum()), len(whose), k.sum() - k, n_touching))
    return sides[0], sides[1]


@dataclass(frozen=True)
class Scores:
    """Normal scores: mated ones have mean `apart`, all of them variance 1, a share `of_people` of which is people's."""

    name: str
    subjects: int
    apart: float
    of_people: float
    templates: int = 3

    @property
    def eer(self) -> float:
        """Phi(-apart / 2)."""
        return float(special.ndtr(-self.apart / 2))

    @property
    def auc(self) -> float:
        """Phi(apart / sqrt 2)."""
        return float(special.ndtr(self.apart / math.sqrt(2)))


SCORES = (
    Scores("150 people, EER 2.3%", 150, 4.0, 0.3),
    Scores("150 people, EER 16%", 150, 2.0, 0.3),
    Scores("150 people alike, EER 2.3%", 150, 4.0, 0.0),
    Scores("60 people, EER 6.7%", 60, 3.0, 0.3),
)


def score_world(scores: Scores, block: Ints, templates: Ints, random: np.random.Generator) -> Tally:
    """The tally of all comparisons of templates; a person's effect is half of a pair's, and all of a mated one's."""
    whose = np.repeat(np.arange(scores.subjects), templates)
    i, j = np.triu_indices(len(whose), 1)
    i, j = whose[i], whose[j]
    is_mated = i == j
    of_pair, of_self = math.sqrt(scores.of_people) * random.standard_normal((2, scores.subjects))
    people = np.where(is_mated, of_self[i], (of_pair[i] + of_pair[j]) / math.sqrt(2))
    values = people + math.sqrt(1 - scores.of_people) * random.standard_normal(len(i)) + scores.apart * is_mated
    bins = np.searchsorted(EDGES, values, side="right")
    size = len(EDGES) + 2
    total = np.zeros((2, size), dtype=np.uint64)
    touching = np.zeros((N_BLOCKS, 2, size), dtype=np.uint64)
    for kind, of_kind in enumerate((~is_mated, is_mated)):
        low, high = (block[side[of_kind]] for side in (i, j))
        total[kind] = np.bincount(bins[of_kind], minlength=size)
        for own, chosen in ((low, np.ones(len(low), bool)), (high, low != high)):
            at = own[chosen] * size + bins[of_kind][chosen]
            touching[:, kind] += np.bincount(at, minlength=N_BLOCKS * size).reshape(N_BLOCKS, size).astype(np.uint64)
    return Tally(_plan(scores, block, total), frozenset({(0, 0)}), total, touching)


def _plan(scores: Scores, block: Ints, total: NDArray[np.uint64]) -> Plan:
    everybody = (Party(((0, 0),), tuple(np.bincount(block, minlength=N_BLOCKS).tolist())),)
    return Plan(
        kind="verify",
        inputs=scores.name,
        edges=EDGES,
        columns=(),
        groups=((),),
        cells=(Cell(False, 0, 0), Cell(True, 0, 0)),
        trials=(int(total[0].sum()), int(total[1].sum())),
        subjects=everybody,
        mated_subjects=everybody,
        n_blocks=N_BLOCKS,
        details={},
    )


def score_study(scores: Scores, n: int, seed: int = SEED) -> tuple[Share, Share]:
    """How often the intervals of EER and of AUC hold the truth."""
    random = np.random.default_rng([seed, scores.subjects, int(100 * scores.apart)])
    block = random.integers(N_BLOCKS, size=scores.subjects)
    templates = random.integers(1, 2 * scores.templates, size=scores.subjects)
    shares = Share(), Share()
    for _ in range(n):
        tally = score_world(scores, block, templates, random)
        for share, found, truth in zip(shares, (eer(tally), auc(tally)), (scores.eer, scores.auc), strict=True):
            if found.low is not None and found.high is not None:
                share.add(found.low <= truth <= found.high)
    return shares


@dataclass(frozen=True)
class Groups:
    """Two groups of other people in the same two systems."""

    name: str
    group: Systems
    reference: Systems


GROUPS = (
    Groups("A and B alike", Systems("group", 200, (1e-3, 1e-3)), Systems("reference", 300, (5e-4, 5e-4))),
    Groups(
        "B doubles the rates of the group",
        Systems("group", 200, (1e-3, 2e-3), (0.03, 0.06)),
        Systems("reference", 300, (5e-4, 5e-4), (0.03, 0.03)),
    ),
    Groups(
        "people alike",
        Systems("group", 200, (1e-3, 1e-3), spread=0.01),
        Systems("reference", 300, (1e-3, 1e-3), spread=0.01),
    ),
    Groups(
        "people differ much, B doubles the rates of the group",
        Systems("group", 300, (1e-3, 2e-3), (0.03, 0.06), spread=1.2, alike=1),
        Systems("reference", 300, (5e-4, 5e-4), (0.03, 0.03), spread=1.2, alike=1),
    ),
    Groups("60 people each", Systems("group", 60, (5e-3, 5e-3)), Systems("reference", 60, (5e-3, 5e-3))),
    Groups(
        "rare errors, B doubles the rates of the group",
        Systems("group", 500, (2e-5, 4e-5), (0.003, 0.006)),
        Systems("reference", 500, (1e-5, 1e-5), (0.003, 0.003)),
    ),
)


@dataclass
class RatioRecord:
    """What worlds showed of the ratio of a group to the reference in B over that in A.

    held, detected : of the worlds that have an interval.
    """

    groups: Groups
    metric: str
    truth: float
    errors: list[tuple[int, ...]] = field(default_factory=list)
    held: Share = field(default_factory=Share)
    detected: Share = field(default_factory=Share)

    def add(self, group: tuple[Side, Side], reference: tuple[Side, Side]) -> None:
        """One more world."""
        found = paired.ratio_of_ratios(group, reference)
        self.errors.append(tuple(side.k for side in (*group, *reference)))
        if found.low is not None and found.high is not None:
            self.held.add(found.low <= self.truth <= found.high)
            self.detected.add(found.is_detected)


def ratio_study(groups: Groups, n: int, seed: int = SEED) -> list[RatioRecord]:
    """What `n` worlds of two groups show of FMR and of FNMR."""
    both = groups.group, groups.reference
    random = np.random.default_rng([seed, *(s.subjects for s in both), int(1000 * both[0].spread)])
    people = [
        (s, random.integers(N_BLOCKS, size=s.subjects), random.integers(1, 2 * s.templates, size=s.subjects))
        for s in both
    ]
    records = []
    for metric, draw, rates in (
        ("FMR", false_matches, [s.rates for s in both]),
        ("FNMR", false_nonmatches, [s.fnmr for s in both]),
    ):
        (a, b), (c, d) = rates
        record = RatioRecord(groups, metric, (b / a) / (d / c))
        for _ in range(n):
            record.add(*(draw(s, block, templates, random) for s, block, templates in people))
        records.append(record)
    return records


HEAD = """# Coverage of paired differences, EER and AUC

How often intervals at 95% of `frbench compare`, and those of EER and AUC, hold a truth that is known: {n:,} worlds for
each row, made by `python -m studies.paired --out docs/coverage-paired.md` (seed {seed}; the same seed gives the same
tables). A share of {n:,} has a standard error of {error:.1f} points at 95%. `docs/coverage.md` is about single rates.

## Two systems on the same trials

Every world is a new sample of people. A person has an effect on the errors of each system; "the same" people are hard
for both, "other ones" for one of them; "opposite ones" are hard for one and easy for the other. Errors in common are
comparisons in which both systems err.

Percent of worlds whose interval holds the true difference and the true ratio. *as it is*: the difference by the
jackknife without any correction. *width*: of the interval, against that. *alarms*: worlds that find a difference where
there is none.

"""

MIDDLE = """
Of {cells} intervals {inside} hold the truth in 93 to 98% of worlds, and none in fewer than {low:.1f}%.

What belongs to one comparison of two people alone is counted twice by the jackknife. How much that is for a difference
depends on how often both systems err in the same comparison, which two tallies do not say. It is bounded from what they
have in common in all, see `paired.paired`; where both systems find the same people hard, that bound is loose, and the
intervals of FMR are too wide: they hold the truth in up to {high:.1f}% of worlds. Where thresholds are set again
without each block, nothing is corrected, and intervals of rates of two people are as wide as *as it is*.

## EER and AUC

Normal scores, three templates a person on average; "people alike" have no effects of their own.

"""


def paired_table(records: Sequence[Record]) -> Iterator[str]:
    """Lines of markdown: how often differences and ratios held the truth, in percent."""
    yield "| systems | rate | errors A, B | difference | as it is | width | ratio | alarms |"
    yield "|---|---|---|---|---|---|---|---|"
    for r in records:
        a, b = (f"{np.median([k[side] for k in r.errors]):,.0f}" for side in (0, 1))
        cells = percent(r.difference), percent(r.plain), f"{np.mean(r.narrower):.2f}", percent(r.ratio)
        alarms = percent(r.detected) if r.truth[0] == r.truth[1] else ""
        yield f"| {r.systems.name} | {r.metric} | {a}, {b} | {' | '.join(cells)} | {alarms} |"


def score_table(n: int) -> Iterator[str]:
    """Lines of markdown: how often intervals of EER and AUC held the truth, in percent."""
    yield "| scores | EER | AUC |"
    yield "|---|---|---|"
    for scores in SCORES:
        of_eer, of_auc = score_study(scores, n)
        yield f"| {scores.name} | {percent(of_eer)} | {percent(of_auc)} |"


RATIOS = """
## Ratios between groups

The ratio of a group to the reference in B over that in A: percent of worlds whose interval holds the true one, and that
find it other than 1. Errors are those of the group in A and B, then of the reference; a world in which one of the four
has none, or all of them in one block, has no interval (without).

"""


def ratio_table(records: Sequence[RatioRecord]) -> Iterator[str]:
    """Lines of markdown: how often the ratio of two ratios was held, in percent."""
    yield "| groups | rate | errors | true | held | other than 1 | without |"
    yield "|---|---|---|---|---|---|---|"
    for r in records:
        errors = ", ".join(f"{k:,.0f}" for k in np.median(r.errors, axis=0))
        cells = f"{r.truth:.2g}", percent(r.held), percent(r.detected), f"{len(r.errors) - r.held.n:,}"
        yield f"| {r.groups.name} | {r.metric} | {errors} | {' | '.join(cells)} |"


def report(n: int) -> str:
    """The study as markdown."""
    records = [record for systems in SYSTEMS for record in study(systems, n)]
    shares = [100 * share.value for record in records for share in (record.difference, record.ratio)]
    lines = [HEAD.format(n=n, seed=SEED, error=100 * math.sqrt(0.95 * 0.05 / n)), *_lines(paired_table(records))]
    inside = sum(93 <= share <= 98 for share in shares)
    lines.append(MIDDLE.format(cells=len(shares), inside=inside, low=min(shares), high=max(shares)))
    return "".join([*lines, *_lines(score_table(n)), *ratios(n)])


def ratios(n: int) -> list[str]:
    """The part on ratios between groups."""
    return [RATIOS, *_lines(ratio_table([record for groups in GROUPS for record in ratio_study(groups, n)]))]


def _lines(table: Iterator[str]) -> list[str]:
    return [f"{line}\n" for line in table]


def main() -> None:
    """Writes the study."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--worlds", type=int, default=WORLDS)
    parser.add_argument("--out", type=Path, default=Path("docs/coverage-paired.md"))
    asked = parser.parse_args()
    asked.out.write_text(report(asked.worlds))


if __name__ == "__main__":
    main()
