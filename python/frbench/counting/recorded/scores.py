"""Counts comparisons that somebody else scored: their bins, and the exact thresholds of target rates."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from frbench.choices import Failed
from frbench.counting.calibrate import Target, points_by, points_of_misses
from frbench.counting.recorded.comparisons import Recording
from frbench.counting.recorded.order_statistics import largest
from frbench.errors import InputError
from frbench.inputs.arrays import Advance, Bools, Floats
from frbench.operating_point import OperatingPoint, population_title
from frbench.plan import POPULATION, Plan, name_of
from frbench.tally import Tally

# Standard errors below 1/2 that an AUC must lie for scores to be taken for distances.
CLEARLY = 5


@dataclass(frozen=True, eq=False)
class RecordedScores:
    """A recording, ready to be counted.

    inputs : digest of the files and of how they are read.
    """

    recording: Recording
    inputs: str

    def plan(self, edges: tuple[float, ...]) -> Plan:
        """The plan of these comparisons: that of a list of pairs; without blocks if nobody is known."""
        found = self.recording
        order = self._order
        return Plan(
            kind="pairs",
            inputs=self.inputs,
            edges=edges,
            columns=found.subjects.columns,
            groups=found.subjects.groups,
            cells=tuple(found.keys[i] for i in order),
            trials=tuple(found.trials[i] for i in order),
            subjects=found.parties(mated=False),
            mated_subjects=found.parties(mated=True),
            n_blocks=found.subjects.n_blocks,
            keeps_blocks=found.knows_subjects,
            details={
                "n_subjects": len(found.subjects),
                "subjects_known": found.knows_subjects,
                "independent": [found.independent[i] for i in order],
                "independent_nonmated": found.independent_nonmated,
                **({} if found.population is None else {POPULATION: found.population}),
            },
        )

    def count(self, plan: Plan, advance: Advance = lambda _: None) -> Tally:
        """The tally of all comparisons of a plan of this recording; `advance` is told the comparisons counted."""
        zero = Tally.zero(plan)
        total, touching = zero.total.copy(), zero.touching.copy()
        number = np.argsort(self._order).astype(np.int64)
        square, blocks = plan.n_blocks**2, plan.n_blocks
        size, each = total.size, touching.reshape(-1)
        for place, score in self.recording.spool.parts():
            bins = np.searchsorted(plan.axis, score, side="right") + np.isnan(score)
            at = number[place // square] * plan.n_bins + bins
            total += np.bincount(at, minlength=size).astype(np.uint64).reshape(total.shape)
            if plan.keeps_blocks:
                low, high = place // blocks % blocks, place % blocks
                apart = low != high
                np.add.at(each, low * size + at, np.uint64(1))
                np.add.at(each, high[apart] * size + at[apart], np.uint64(1))
            advance(len(place))
        return Tally(plan, frozenset(plan.tiles()), total, touching).check()

    def thresholds(self, allowed: Sequence[int], population: tuple[str, str] | None) -> list[tuple[float, int]]:
        """For each number of trials allowed, the smallest T with at most that many at or above it, and how many.

        T is the float64 after the score that is one too many; where all may pass, the lowest score.

        population : non-mated comparisons within this label, (column, value); None takes all non-mated ones.
        """
        if not allowed:
            return []
        taken = self._cells_of(population)
        n = sum(len(part) for part in self._scores(taken))
        low, high = self.recording.lowest, self.recording.highest
        too_many = [k + 1 for k in allowed if k < n]
        scores = iter(largest(lambda: self._scores(taken), too_many, low=low, high=high) if too_many else [])
        cuts = [math.nextafter(next(scores), math.inf) if k < n else low for k in allowed]
        counted = np.zeros(len(cuts), dtype=np.int64)
        for part in self._scores(taken):
            counted += [int((part >= cut).sum()) for cut in cuts]
        return list(zip(cuts, counted.tolist(), strict=True))

    def require_group(self, column: str, value: str) -> None:
        """Checks that somebody has this label.

        Raises
        ------
        InputError : nobody has; the message lists the labels.
        """
        subjects = self.recording.subjects
        known = sorted({group[subjects.columns.index(column)] for group in subjects.groups} - {""})
        if value not in known:
            raise InputError(f"--at-population: nobody has {column}={value}; the labels are {', '.join(known)}")

    def n_trials(self, population: tuple[str, str] | None) -> tuple[int, int]:
        """Non-mated comparisons of a population, and those of them without a score."""
        taken = self._cells_of(population)
        n = sum(t for t, is_taken in zip(self.recording.trials, taken, strict=True) if is_taken)
        return n, n - sum(len(part) for part in self._scores(taken))

    def mated(self, population: tuple[str, str] | None) -> tuple[Floats, int]:
        """Scores of the mated comparisons of a population, and how many of them have none."""
        taken = self._cells_of(population, mated=True)
        found = np.concatenate([np.empty(0), *self._scores(taken)])
        return found, sum(t for t, is_taken in zip(self.recording.trials, taken, strict=True) if is_taken) - len(found)

    @cached_property
    def _order(self) -> list[int]:
        """Cells by kind and groups, as numbers of the recording."""
        return sorted(range(len(self.recording.keys)), key=lambda i: self.recording.keys[i])

    def _cells_of(self, population: tuple[str, str] | None, *, mated: bool = False) -> Bools:
        """(cells,) whether a cell holds comparisons of one kind of the population."""
        subjects, inside = self.recording.subjects, [True] * len(self.recording.subjects.groups)
        if population is not None:
            column = subjects.columns.index(population[0])
            inside = [name_of([group[column]]) == population[1] for group in subjects.groups]
        return np.array(
            [key.mated == mated and inside[key.group_a] and inside[key.group_b] for key in self.recording.keys]
        )

    def _scores(self, taken: Bools) -> Iterator[Floats]:
        square = self.recording.subjects.n_blocks**2
        for place, score in self.recording.spool.parts():
            yield score[taken[place // square] & ~np.isnan(score)]


def auc(tally: Tally) -> float | None:
    """Share of mated and non-mated scores of which the mated one is higher, a bin in common counting one half.

    None without scored trials of both kinds.

    Source: Mann & Whitney (1947).
    """
    nonmated, mated = (tally.pick(mated=m).bins[:-1].astype(np.float64) for m in (False, True))
    if not nonmated.sum() or not mated.sum():
        return None
    below = np.cumsum(nonmated) - nonmated
    return float((mated * (below + nonmated / 2)).sum() / mated.sum() / nonmated.sum())


def looks_reversed(tally: Tally) -> bool:
    """Whether mated scores lie clearly below non-mated ones: AUC five standard errors of chance below 1/2.

    Source: the variance (n1 + n2 + 1) / (12 n1 n2) of Mann & Whitney (1947).
    """
    area = auc(tally)
    n1, n2 = (float(tally.pick(mated=m).bins[:-1].sum()) for m in (False, True))
    return area is not None and area < 0.5 - CLEARLY * math.sqrt((n1 + n2 + 1) / (12 * n1 * n2))


def score_points(
    scores: RecordedScores, targets: Sequence[Target], population: tuple[str, str] | None, *, failed: Failed
) -> list[OperatingPoint]:
    """Thresholds for the targets, exactly, from the recorded scores of the stated population.

    population : non-mated comparisons within this label, (column, value); None takes all non-mated ones.
    """
    if targets and population:
        scores.require_group(*population)
    points = []
    if of_matches := [target for target in targets if target.metric == "fmr"]:
        n, unscored = scores.n_trials(population)
        points += points_by(
            lambda allowed: scores.thresholds(allowed, population),
            n - (unscored if failed == "exclude" else 0),
            of_matches,
            population=population_title(population),
            unscored_accepted=unscored if failed == "accept" else 0,
        )
    if of_misses := [target for target in targets if target.metric == "fnmr"]:
        mated, unscored = scores.mated(population)
        whom = population_title(population, mated=True)
        points += points_of_misses(mated, unscored, of_misses, population=whom, failed=failed)
    by_name = {point.at: point for point in points}
    return [by_name[target.name] for target in targets]
