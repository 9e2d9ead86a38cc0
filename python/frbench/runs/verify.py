"""Makes a 1:1 run: compares, sets thresholds, checks the counts, and names errors where that was asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench import files
from frbench.choices import Failed
from frbench.counting import tail
from frbench.counting.calibrate import Target, operating_points, points_of_misses
from frbench.counting.layout import Layout, subjects_of
from frbench.counting.pair_list import PairList
from frbench.counting.per_subject import PerSubject, per_subject
from frbench.counting.sweep import Progress, kept_on_exit, sweep
from frbench.counting.verify import AllPairs, Pairs
from frbench.errors import InputError
from frbench.finished_run import FinishedRun
from frbench.moments import Moments
from frbench.operating_point import OperatingPoint, population_title
from frbench.plan import EVERYBODY, Group, Grouping, Plan, name_of
from frbench.reading import folds
from frbench.reading.audits.leakage import in_comparisons, lengths, polarity
from frbench.reading.audits.reconcile import Counts
from frbench.results import audits
from frbench.results.verify import verify_results
from frbench.runs.options import Options
from frbench.runs.work import Work
from frbench.tally import Histogram, Tally
from frbench.templates import Templates


@dataclass(frozen=True, eq=False)
class Comparisons:
    """What a run compares: all pairs of `templates` but those `excluded`, or the `listed` ones.

    failed : what becomes of those with a failed template.
    """

    templates: Templates
    listed: PairList | None
    excluded: PairList | None
    failed: Failed
    work: Work

    @cached_property
    def known(self) -> Templates:
        """The templates with subjects: of a list without labels, which says itself who is mated, one each."""
        if self.templates.subject_ids is None and self.listed is not None:
            return self.templates.with_subjects(self.templates.template_ids)
        return self.templates

    def layout(self, columns: Grouping) -> Layout:
        """The templates by groups of these label columns."""
        return Layout.of(self.known, columns, self.work.options.n_blocks)

    def counter(self, columns: Grouping) -> AllPairs | Pairs:
        """What counts them by groups of these label columns."""
        layout, engine = self.layout(columns), self.work.engine
        return AllPairs(layout, engine, self.excluded) if self.listed is None else Pairs(self.listed, layout, engine)

    def check_tail(self, n: int) -> None:
        """Refuses to name more pairs of every cell than can be kept, before anything is counted; see `tail.checked`."""
        tail.checked(n, self.counter(self.work.options.columns).plan(()))

    def verified(self, *, keep_pairs: int | None, by_subject: bool) -> Verified:
        """Sets thresholds, counts, holds the counts against sums, and finds again who is to be named.

        keep_pairs, by_subject : see `jobs.run_verify`. What was counted is kept if what follows is interrupted.
        """
        work, options = self.work, self.work.options
        with work.clock.time("calibrate"):
            points = self._points()
        with work.clock.time("count"):
            counter = self.counter(options.columns)
            tally = self._count(counter, counter.plan(options.edges(points)), "verify")
        with kept_on_exit(partial(files.save_tally, tally, work.checkpoint.path(tally.plan.digest))):
            return Verified(
                self,
                counter,
                points=points,
                tally=tally,
                moments=self._moments(counter, tally),
                tail=None if keep_pairs is None else self._tail(counter, tally, keep_pairs),
                errors=self._errors(counter, tally, options.all_thresholds(points)) if by_subject else None,
            )

    def _points(self) -> list[OperatingPoint]:
        """Thresholds for the targets, set on the stated population by counting passes of their own."""
        options, population = self.work.options, self.work.options.population
        if not options.targets:
            return []
        options.require_population(self.known)
        of_matches = [target for target in options.targets if target.metric == "fmr"]
        of_misses = [target for target in options.targets if target.metric == "fnmr"]
        counter = self.counter(() if population is None else population[:1])
        points = self._points_of_matches(counter, of_matches) if of_matches else []
        if of_misses:
            scores, n_unscored = _mated(counter, self.known, population)
            whom = population_title(population, mated=True)
            points += points_of_misses(scores, n_unscored, of_misses, population=whom, failed=self.failed)
        by_name = {point.at: point for point in points}
        return [by_name[target.name] for target in options.targets]

    def _points_of_matches(self, counter: AllPairs | Pairs, targets: Sequence[Target]) -> list[OperatingPoint]:
        """Thresholds for target FMRs, by counting passes over non-mated comparisons."""
        population = self.work.options.population
        group = EVERYBODY if population is None else Group.within(population[:1], name_of(population[1:]))

        def histogram(edges: NDArray[np.float64]) -> Histogram:
            plan = counter.plan(tuple(edges.tolist()), keeps_blocks=False)
            return self._count(counter, plan, "set threshold").pick(mated=False, group=group)

        # An edge that no score reaches makes this pass a cheap one.
        everything = histogram(np.array([1.0]))
        return operating_points(
            lambda edges: histogram(edges).tail(),
            everything.trials - (everything.unscored if self.failed == "exclude" else 0),
            targets,
            population=population_title(population),
            unscored_accepted=everything.unscored if self.failed == "accept" else 0,
        )

    def _count(self, counter: AllPairs | Pairs, plan: Plan, title: str) -> Tally:
        work = self.work
        with work.progress.step(title, sum(plan.trials), "comparisons") as advance:
            return sweep(
                plan,
                partial(counter.count, plan),
                checkpoint=work.checkpoint,
                advance=advance,
                workers=work.engine.parallel,
            )

    def _moments(self, counter: AllPairs | Pairs, tally: Tally) -> Moments:
        with self.work.step("checksum", counter.rows_in_moments, "rows") as advance:
            return counter.moments(tally.plan, advance).check(tally)

    def _tail(self, counter: AllPairs | Pairs, tally: Tally, n: int) -> str:
        with self.work.step("keep pairs", sum(tally.plan.trials), "comparisons") as advance:
            return counter.tail(tally, n, advance).to_csv(self.templates)

    def _errors(self, counter: AllPairs | Pairs, tally: Tally, thresholds: Sequence[float]) -> PerSubject:
        layout = self.layout(self.work.options.columns)
        with self.work.step("per subject", sum(tally.plan.trials), "comparisons") as advance:
            return per_subject(counter, layout, tally, thresholds, advance)


@dataclass(frozen=True, eq=False)
class Verified:
    """Comparisons, counted, and what was asked of them beside the counts.

    points : thresholds that were set. moments : sums that the counts were held against. tail : a table of the best
    non-mated pairs of every cell; errors : those behind the counts, by row. Both are None if nobody asked.
    """

    comparisons: Comparisons
    counter: AllPairs | Pairs
    points: Sequence[OperatingPoint]
    tally: Tally
    moments: Moments
    tail: str | None
    errors: PerSubject | None

    def results(self, declared: tuple[int, ...]) -> dict[str, Any]:
        """Rates, and numbers of comparisons that a protocol declared beside those that there are."""
        compared, options = self.comparisons, self.comparisons.work.options
        counted = verify_results(
            self.tally,
            **options.reported(self.points),
            failed=compared.failed,
            moments=self.moments,
            excluded=compared.excluded,
            folds=self._by_fold(),
        )
        found: dict[str, Any] = {**counted}
        found |= audits.counts(self.tally, _rows_of_subjects(compared.known, compared.listed), declared)
        if self.errors is not None:
            found["subjects"] = audits.worst_subjects(self.errors, options.groupings)
        return found

    def manifest(self, keep_pairs: int | None) -> dict[str, Any]:
        """What produced the run."""
        compared, work = self.comparisons, self.comparisons.work
        templates = compared.templates
        joined = {"templates": templates.joined_by}
        return work.manifest(
            self.tally.plan,
            engine={**work.engine.describe(), "checksum": self.moments.checksum},
            more={"failed": compared.failed, "keep_pairs": keep_pairs, "labels_joined_by": joined},
            findings=[
                *in_comparisons(templates),
                *lengths(templates),
                *polarity(self.tally),
                *work.options.trained(templates),
            ],
        )

    def tables(self) -> dict[str, str]:
        """Tables that were asked for, by name of the file."""
        tables = {}
        if self.tail is not None:
            tables[files.TAIL] = self.tail
        if self.errors is not None:
            tables[files.SUBJECTS] = self.errors.to_csv()
        return tables

    def _by_fold(self) -> folds.FoldAccuracy | None:
        listed = self.comparisons.listed
        if listed is None or listed.folds is None or not isinstance(self.counter, Pairs):
            return None
        return folds.accuracy(self.counter.scores, listed.mated, listed.folds, failed=self.comparisons.failed)


def _rows_of_subjects(templates: Templates, pairs: PairList | None) -> Counts:
    """What the templates make under every convention; of a list of pairs, those that it names."""
    subjects = subjects_of(templates)
    if pairs is not None:
        subjects = subjects[np.unique(np.concatenate([pairs.a, pairs.b]))]
    return Counts.of(list(Counter(subjects).values()))


def _mated(
    counter: AllPairs | Pairs, templates: Templates, population: tuple[str, str] | None
) -> tuple[NDArray[np.float32], int]:
    """Scores of the mated comparisons of a population, and how many of them have none."""
    plan = counter.plan((), keeps_blocks=False)
    names = plan.group_names(() if population is None else population[:1])
    inside = [population is None or name == name_of(population[1:]) for name in names]
    n = sum(
        t for c, t in zip(plan.cells, plan.trials, strict=True) if c.mated and inside[c.group_a] and inside[c.group_b]
    )
    wanted = np.ones(len(templates), dtype=bool)
    if population is not None:
        wanted = templates.labels[population[0]] == population[1]
    parts = [scores[wanted[a] & wanted[b]] for a, b, scores in counter.mated_scores()]
    scores = np.concatenate([np.empty(0, np.float32), *parts])
    return scores, n - len(scores)


def run_verify(
    templates: Templates,
    options: Options,
    *,
    pairs: PairList | None,
    failed: Failed,
    progress: Progress,
    excluded: PairList | None = None,
    keep_pairs: int | None = None,
    declared: tuple[int, ...] = (),
    by_subject: bool = False,
) -> FinishedRun:
    """Counts all pairs, or the listed ones, and writes the run to `options.out`.

    excluded : pairs that are not counted. keep_pairs : non-mated pairs of every cell to name in tail.csv; None for
    no such file. declared : numbers of comparisons that a protocol states, to be explained. by_subject : whether
    errors are looked up by name and written to subjects.csv.
    """
    if by_subject and templates.subject_ids is None:
        raise InputError("--per-subject needs to know who is who; give a labels file with a subject_id column")
    sources = [*templates.sources, *(each.source for each in (pairs, excluded) if each is not None)]
    with Work.begun(options, sources, progress) as work:
        options.require(templates)
        listed = pairs if pairs is None or excluded is None else pairs.without(excluded)
        comparisons = Comparisons(templates, listed, excluded, failed, work)
        if keep_pairs is not None:
            comparisons.check_tail(keep_pairs)
        found = comparisons.verified(keep_pairs=keep_pairs, by_subject=by_subject)
        return work.written(
            FinishedRun(found.results(declared), found.manifest(keep_pairs), found.tally, tables=found.tables())
        )
