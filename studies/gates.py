"""Gates: how often one fails where nothing changed, and how often it catches a change that was planted.

`python -m studies.gates --out docs/gates.md` draws the worlds and writes the tables; the same seed gives the same
tables.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from frbench.finished_run import FinishedRun
from frbench.gates.gate import gate
from frbench.gates.rules import Rules
from frbench.gates.verdicts import Gate, Row
from frbench.operating_point import ALL_PAIRS, OperatingPoint
from frbench.plan import POPULATION, Cell, Party, Plan
from frbench.tally import Tally
from studies.populations import touching_of, upper

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SEED = 20241122
N_BLOCKS = 32
TEMPLATES = 3
RISE = 1.1
THRESHOLD = 0.5
AXIS = tuple(np.linspace(-4, 8, 241).tolist())


@dataclass(frozen=True)
class Study:
    """Two systems on one population, and the gate between them.

    groups, subjects : how many groups, and people in each. fmr, fnmr : of both systems. alike : correlation of a
    person's effects on both. together : of the variance of a mated score, the part that both share; of the false
    matches of one, the share that the other has as well. sets_thresholds : each system has its own threshold, at the
    target FMR, set again without each block; else both have the same given one.
    """

    name: str
    groups: int
    subjects: int
    fmr: float = 1e-3
    fnmr: float = 0.05
    spread: float = 0.5
    alike: float = 0.9
    together: float = 0.9
    sets_thresholds: bool = False
    rules: str = "fnmr"

    @property
    def toml(self) -> dict[str, Any]:
        """The gate: no rate of any group may rise."""
        metrics = self.rules.split(",")
        at = f"at fmr={self.fmr:g}" if self.sets_thresholds else f"at {THRESHOLD}"
        return {
            "rule": [{"change": f"{m}[group] {at}", "group": "each", "upper": "0%", "doubt": "warn"} for m in metrics]
        }


PLANTED = (
    Study("2 groups of 500 people", 2, 500),
    Study("2 groups of 4,000 people", 2, 4000),
    Study("2 groups of 20,000 people", 2, 20000),
    Study("4 groups of 20,000 people", 4, 20000),
    Study("2 groups of 40,000 people, other errors", 2, 40000, alike=0.5, together=0.3),
    Study(
        "2 groups of 600 people, thresholds set at fmr=0.01", 2, 600, 1e-2, 0.2,
        alike=0.999, together=0.999, sets_thresholds=True,
    ),
)  # fmt: skip
MANY = (
    Study("25 groups of 200 people, FMR and FNMR", 25, 200, rules="fmr,fnmr"),
    Study("25 groups of 200 people, FMR and FNMR, other errors", 25, 200, alike=0.3, together=0.2, rules="fmr,fnmr"),
    Study("25 groups of 60 people, FMR and FNMR", 25, 60, 1e-2, rules="fmr,fnmr"),
)


def worlds(study: Study, n: int, *, rise: float = 1.0, seed: int = SEED) -> Iterator[Gate]:
    """Gates of `n` worlds in which the FNMR of the first group is `rise` times as high in the run."""
    random = np.random.default_rng([seed, study.groups, study.subjects, int(1000 * rise)])
    rules = Rules.parse(study.toml, name="gates.toml")
    for _ in range(n):
        baseline, run = (_scored if study.sets_thresholds else _counted)(study, rise, random)
        yield gate(run, rules, baseline=baseline)


def _counted(study: Study, rise: float, random: np.random.Generator) -> tuple[FinishedRun, FinishedRun]:
    """Errors at one threshold: two bins and no score."""
    block = random.integers(N_BLOCKS, size=(study.groups, study.subjects))
    totals = np.zeros((2, 2 * study.groups, 3), dtype=np.uint64)
    touching = np.zeros((2, N_BLOCKS, 2 * study.groups, 3), dtype=np.uint64)
    for g in range(study.groups):
        nonmated = _false_matches(study, block[g], random)
        mated = _false_nonmatches(study, block[g], rise if g == 0 else 1.0, random)
        for side in (0, 1):
            for row, column, (k, n, k_touching, n_touching) in (
                (g, 1, nonmated[side]),
                (study.groups + g, 0, mated[side]),
            ):
                totals[side, row, column], totals[side, row, 1 - column] = k, n - k
                touching[side, :, row, column], touching[side, :, row, 1 - column] = k_touching, n_touching - k_touching
    plans = [_plan(study, block, (THRESHOLD,), name) for name in ("baseline", "run")]
    one, other = (_run(study, *given, []) for given in zip(plans, totals, touching, strict=True))
    return one, other


Counts = tuple[int, int, Ints, Ints]


def _false_matches(study: Study, block: Ints, random: np.random.Generator) -> list[Counts]:
    """False matches of both systems within one group: those that both have are drawn once."""
    member = np.asarray(block[:, None] == np.arange(N_BLOCKS), dtype=np.float64)
    trials = _between(member, np.ones(len(block))).round().astype(np.int64)
    common, *own = np.exp(study.spread * _effects(study, 3, len(block), random) - study.spread**2 / 2)
    both = random.poisson(study.fmr * study.together * _between(member, common))
    found = []
    for effect in own:
        errors = both + random.poisson(study.fmr * (1 - study.together) * _between(member, effect))
        found.append((int(errors.sum()), int(trials.sum()), touching_of(errors), touching_of(trials)))
    return found


def _between(member: Floats, effect: Floats) -> Floats:
    """(blocks, blocks) comparisons of templates of different people, weighted by their effects, upper triangle."""
    load = TEMPLATES * effect
    return upper((load @ member)[None], (load**2 @ member)[None])[0]


def _effects(study: Study, n: int, subjects: int, random: np.random.Generator) -> Floats:
    """(n, subjects) normal effects of people, of which each two are correlated."""
    shared, own = random.standard_normal(subjects), random.standard_normal((n, subjects))
    effects: Floats = math.sqrt(study.alike) * shared + math.sqrt(1 - study.alike) * own
    return effects


def _mated(study: Study, subjects: int, random: np.random.Generator) -> Floats:
    """(2, subjects, pairs) mated scores of both systems, of mean 0 and variance 1 + spread^2."""
    pairs = TEMPLATES * (TEMPLATES - 1) // 2
    shared, own = random.standard_normal((subjects, pairs)), random.standard_normal((2, subjects, pairs))
    noise = math.sqrt(study.together) * shared + math.sqrt(1 - study.together) * own
    scores: Floats = study.spread * _effects(study, 2, subjects, random)[:, :, None] + noise
    return scores


def _false_nonmatches(study: Study, block: Ints, rise: float, random: np.random.Generator) -> list[Counts]:
    """Mated scores below the threshold of each system."""
    scores = _mated(study, len(block), random)
    n_touching = np.bincount(block, minlength=N_BLOCKS) * scores.shape[2]
    found = []
    for side, factor in zip(scores, (1.0, rise), strict=True):
        limit = special.ndtri(study.fnmr * factor) * math.sqrt(1 + study.spread**2)
        k = np.bincount(block, (side < limit).sum(axis=1), N_BLOCKS).astype(np.int64)
        found.append((int(k.sum()), side.size, k, n_touching))
    return found


def _scored(study: Study, rise: float, random: np.random.Generator) -> tuple[FinishedRun, FinishedRun]:
    """Scores of all comparisons within groups on an axis, and each system's threshold at the target FMR."""
    block = random.integers(N_BLOCKS, size=(study.groups, study.subjects))
    size = len(AXIS) + 2
    totals = np.zeros((2, 2 * study.groups, size), dtype=np.uint64)
    touching = np.zeros((2, N_BLOCKS, 2 * study.groups, size), dtype=np.uint64)
    apart = math.sqrt(1 + study.spread**2) * (-special.ndtri(study.fmr) - special.ndtri(study.fnmr))
    for g in range(study.groups):
        i, j = np.triu_indices(study.subjects, 1)
        of_people = study.spread * _effects(study, 2, study.subjects, random)
        shared, own = random.standard_normal(len(i)), random.standard_normal((2, len(i)))
        noise = math.sqrt(study.together) * shared + math.sqrt(1 - study.together) * own
        nonmated = (of_people[:, i] + of_people[:, j]) / math.sqrt(2) + noise
        mated = _mated(study, study.subjects, random) + apart
        if g == 0:
            mated[1] -= math.sqrt(1 + study.spread**2) * (special.ndtri(study.fnmr * rise) - special.ndtri(study.fnmr))
        for side in (0, 1):
            cells = (
                (g, nonmated[side], block[g][i], block[g][j]),
                (
                    study.groups + g,
                    mated[side].ravel(),
                    np.repeat(block[g], mated.shape[2]),
                    np.repeat(block[g], mated.shape[2]),
                ),
            )
            for row, values, low, high in cells:
                bins = np.searchsorted(AXIS, values, side="right")
                totals[side, row] = np.bincount(bins, minlength=size)
                for whose, chosen in ((low, slice(None)), (high, low != high)):
                    at = np.bincount((whose * size + bins)[chosen], minlength=N_BLOCKS * size)
                    touching[side, :, row] += at.reshape(N_BLOCKS, size).astype(np.uint64)
    plans = [_plan(study, block, AXIS, name) for name in ("baseline", "run")]
    one, other = (
        _run(study, plan, total, touches, [_point(study, total)])
        for plan, total, touches in zip(plans, totals, touching, strict=True)
    )
    return one, other


def _point(study: Study, total: NDArray[np.uint64]) -> OperatingPoint:
    """The lowest edge whose FMR does not exceed the target."""
    bins = total[: study.groups].sum(axis=0)
    above = bins[:0:-1][1:].cumsum()[::-1]
    edge = int(np.argmax(above <= study.fmr * bins.sum()))
    return OperatingPoint(f"fmr={study.fmr:g}", ALL_PAIRS, AXIS[edge], int(above[edge]), int(bins.sum()))


def _plan(study: Study, block: Ints, edges: tuple[float, ...], name: str) -> Plan:
    parties = tuple(
        Party(((g, g),), tuple(np.bincount(own, minlength=N_BLOCKS).tolist())) for g, own in enumerate(block)
    )
    cells = [Cell(mated, g, g) for mated in (False, True) for g in range(study.groups)]
    return Plan(
        kind="verify",
        inputs=name,
        edges=edges,
        columns=("group",),
        groups=tuple((f"{g:02}",) for g in range(study.groups)),
        cells=tuple(cells),
        trials=(0,) * len(cells),
        subjects=parties,
        mated_subjects=parties,
        n_blocks=N_BLOCKS,
        details={POPULATION: {"templates": study.name}},
    )


def _run(
    study: Study, plan: Plan, total: NDArray[np.uint64], touching: NDArray[np.uint64], points: list[OperatingPoint]
) -> FinishedRun:
    results = {
        "kind": "verify",
        "failed_policy": "reject",
        "groupings": ["group"],
        "thresholds": [] if study.sets_thresholds else [THRESHOLD],
        "operating_points": [point.to_json() for point in points],
    }
    manifest = {"inputs": [], "options": {"at_population": "all"}}
    return FinishedRun(results, manifest, Tally(plan, frozenset(plan.tiles()), total, touching), plan.inputs)


@dataclass
class Record:
    """What worlds showed.

    caught : those in which the planted row failed. power : what each gate said beforehand of the chance of that.
    alone : those in which a 95% interval of some row lies beyond its bound, rows not taken together.
    """

    n: int = 0
    failed: int = 0
    caught: int = 0
    alone: int = 0
    errors: list[int] = field(default_factory=list)
    power: list[float] = field(default_factory=list)

    def add(self, found: Gate) -> None:
        """One more world."""
        first = found.rows[0]
        self.n += 1
        self.failed += found.outcome == "fail"
        self.caught += first.outcome == "fail"
        self.alone += any(
            row.reading.low is not None and row.bounds.upper is not None and row.reading.low > row.bounds.upper
            for row in found.rows
        )
        self.errors.append(first.reading.counts[0].k or 0)
        self.power.append(power_of(first, found))


def power_of(row: Row, found: Gate) -> float:
    """The chance that a gate fails a row whose true value is `RISE`, from the width of its interval."""
    alpha = found.rules.false_failures / found.n_tested
    value, ends = row.reading.value, row.reading.ends
    assert value is not None
    assert ends is not None
    z = -float(special.ndtri(alpha))
    error = math.log(value / ends(alpha)[0]) / z
    return float(special.ndtr(math.log(RISE) / error - z))


def record(study: Study, n: int, *, rise: float = 1.0, seed: int = SEED) -> Record:
    """What `n` worlds show."""
    found = Record()
    for one in worlds(study, n, rise=rise, seed=seed):
        found.add(one)
    return found


HEAD = """# Gates: false failures, and changes that are caught

How often `frbench gate` fails where nothing changed, and how often it catches a rise of 10% in the FNMR of one group:
worlds that are drawn anew, people, scores and all, for each row, made by `python -m studies.gates --out docs/gates.md`
(seed {seed}; the same seed gives the same tables). Baseline and run are two systems of the same rates on the same
trials, with errors of their own: an unchanged system is one that errs as often, not one that errs alike. Every rule
is that a rate may not rise at all, so that unchanged systems lie on the bound itself, where false failures are most
common; a bound above that has fewer.

## A planted rise

{planted} worlds with the rise and {unchanged} without it for each row. *power*: mean chance to fail, as the gates'
own intervals say it. *caught*: worlds in which the row of the group failed. *false*: unchanged worlds in which any
row failed. {alpha:.0%} is what the gate promises.

"""
MIDDLE = """
{sentence}

## Many rows

Gates of 50 rows, the change of FMR and of FNMR in 25 groups, {many} unchanged worlds each. *fails*: worlds in which
any row failed. *without control*: worlds in which the 95% interval of some row lies beyond its bound, which is how
often a gate would fail that judged each row alone.

"""
ALPHA = 0.01
ENOUGH = 0.97


def planted_table(studies: Sequence[Study], planted: int, unchanged: int) -> tuple[list[str], str]:
    """Lines of markdown, and what they say of the worlds with power enough."""
    lines = ["| systems | errors | power | caught | false |", "|---|---|---|---|---|"]
    strong, false = [], []
    for study in studies:
        rises, null = record(study, planted, rise=RISE), record(study, unchanged)
        power = float(np.mean(rises.power))
        lines.append(
            f"| {study.name} | {np.median(rises.errors):,.0f} | {power:.0%} | {rises.caught} / {rises.n} | "
            f"{null.failed} / {null.n} |"
        )
        false.append(null.failed / null.n)
        if power >= ENOUGH:
            strong.append(rises.caught)
    least = f"at least {min(strong)} of {planted}" if strong else "none"
    return lines, (
        f"Where power is {ENOUGH:.0%} or more, {least} worlds are caught; of unchanged worlds at most {max(false):.1%} "
        "fail in any row."
    )


def many_table(studies: Sequence[Study], n: int) -> Iterator[str]:
    """Lines of markdown: how often gates of many rows fail where nothing changed."""
    yield "| systems | rows | fails | without control |"
    yield "|---|---|---|---|"
    for study in studies:
        found = record(study, n)
        rows = study.groups * len(study.rules.split(","))
        yield f"| {study.name} | {rows} | {found.failed} / {found.n} | {found.alone} / {found.n} |"


def report(planted: int, unchanged: int, many: int) -> str:
    """The study as markdown."""
    lines, sentence = planted_table(PLANTED, planted, unchanged)
    head = HEAD.format(seed=SEED, planted=planted, unchanged=unchanged, alpha=ALPHA)
    middle = MIDDLE.format(sentence=sentence, many=many)
    return head + "\n".join(lines) + "\n" + middle + "\n".join(many_table(MANY, many)) + "\n"


def main() -> None:
    """Writes the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--planted", type=int, default=100)
    parser.add_argument("--unchanged", type=int, default=200)
    parser.add_argument("--many", type=int, default=200)
    given = parser.parse_args()
    given.out.write_text(report(given.planted, given.unchanged, given.many))


if __name__ == "__main__":
    main()
