"""Makes the run of `frbench ann`: every probe searched exactly and with an index, at every effort, in some orders."""

from __future__ import annotations

import csv
import io
from functools import partial
from typing import Any

from frbench import files
from frbench.candidates import Candidates
from frbench.counting.sweep import Progress
from frbench.files import CHANGED
from frbench.finished_run import FinishedRun
from frbench.inputs.arrays import Advance, Ints
from frbench.results.shortcuts import (
    System,
    columns_of_gallery,
    compared,
    enrolled,
    orders_json,
    reach_json,
    recall_json,
)
from frbench.runs.exact import Exact, exact_search, task_of, timed_probes, untimed
from frbench.runs.identify import manifest_of_search
from frbench.runs.manifest import sources_of_search
from frbench.runs.options import Options
from frbench.runs.work import Work
from frbench.shortcuts.builds import Built, builder
from frbench.shortcuts.differences import Counted
from frbench.shortcuts.indexing import AnnAsked, Indexing
from frbench.shortcuts.orders import Answers, Orders, insertion_orders
from frbench.shortcuts.proposals import Gallery, ProposedSearch, Proposer, search_digest
from frbench.shortcuts.reach import Reach, reach
from frbench.shortcuts.recall import Recall
from frbench.shortcuts.speed import Speed, measured, unknown
from frbench.templates import Templates

COLUMNS = ("system", "template_id", "is_mated", "exact_first", "first_of_each_build", "builds_with_mate_first")


class Comparison:
    """An exact search beside approximate ones: what one `frbench ann` finds out, effort by effort."""

    def __init__(self, exact: Exact, indexing: Indexing, *, rebuilds: int, work: Work) -> None:
        self._exact, self._work, self._rebuilds = exact, work, rebuilds
        self.indexing = indexing
        self._gallery = Gallery.of(exact.task, work.engine)
        self._build_index = builder(exact.task, self._gallery, work.engine)
        self._answers: dict[int, list[Answers]] = {effort: [] for effort in indexing.efforts}
        self.counted: dict[int, Counted] = {}
        self.recall: dict[int, Recall] = {}
        self.speed: dict[int, Speed] = {}
        self.exact_speed = unknown("not measured")
        self.reach: Reach | None = None
        self.built: Built | None = None

    def run(self) -> None:
        """Builds in every order, and searches at every effort.

        Of a run that was interrupted, searches are taken as they are, and a build is left out whose searches are all
        there; the first one is timed, and built again.
        """
        orders = insertion_orders(len(self._gallery), self._rebuilds, self.indexing.seed)
        for number, order in enumerate(orders):
            if number and all(self._kept(effort, number) is not None for effort in self.indexing.efforts):
                self._search(None, number)
                continue
            built = self._build(order, number, len(orders))
            proposer = Proposer(self._gallery, built.index, built.order, self.indexing.proposals)
            last = self._search(proposer, number)
            if number == 0:
                self.built = built
                self._time(proposer)
                self._reach(proposer, last)

    def orders(self, effort: int) -> Orders:
        """What the order of insertion changes at an effort."""
        return Orders.of(self._exact.task, self._answers[effort])

    def _build(self, order: Ints, number: int, n_builds: int) -> Built:
        title = f"build {number + 1}/{n_builds}"
        with self._work.step(title, len(order), "rows", clocked="build") as advance:
            return self._build_index(
                self.indexing.family,
                self.indexing.parameters,
                seed=self.indexing.seed,
                order=order if number else None,
                advance=advance,
            )

    def _kept(self, effort: int, number: int) -> Candidates | None:
        """What an interrupted run has found with a build at an effort."""
        digest = search_digest(self._exact.task, self.indexing.description(effort, number))
        found = self._work.checkpoint.read(digest, files.load_candidates)
        return found if found is not None and found.search == digest else None

    def _search(self, proposer: Proposer | None, number: int) -> Candidates:
        """Searches at every effort; what the last one found. No proposer is needed where all of that is kept."""
        task = self._exact.task
        search = None if proposer is None else ProposedSearch(task, self._work.engine, proposer)
        total = len(task.probes) * len(self.indexing.efforts)
        with self._work.step("approximate", total, "searches") as advance:
            for effort in self.indexing.efforts:
                description = self.indexing.description(effort, number)
                found = self._found(search, effort, number, advance)
                self._answers[effort].append(Answers.of(found))
                if number == 0:
                    self.counted[effort] = self._exact.beside(found, description)
                    self.recall[effort] = Recall.of(task, self._exact.candidates, found)
        return found

    def _found(self, search: ProposedSearch | None, effort: int, number: int, advance: Advance) -> Candidates:
        kept = self._kept(effort, number)
        if kept is not None:
            advance(len(self._exact.task.probes))
            return kept
        assert search is not None
        found = search.search(effort, self.indexing.description(effort, number), advance)
        files.save_candidates(found, self._work.checkpoint.path(found.search))
        return found

    def _time(self, proposer: Proposer) -> None:
        task = self._exact.task
        probes = timed_probes(task)
        unit = task.probes.unit[probes]
        wanted = min(self.indexing.proposals, len(self._gallery))
        searches = [partial(proposer.index.propose, unit, wanted, effort) for effort in self.indexing.efforts]
        exact = exact_search(task, self._work.engine)
        with self._work.clock.time("time"):
            speeds = measured(
                [*searches, *([] if exact is None else [exact])], len(probes), threads=self.indexing.threads
            )
        self.speed = dict(zip(self.indexing.efforts, speeds, strict=False))
        self.exact_speed = unknown(untimed(self._work.engine)) if exact is None else speeds[-1]

    def _reach(self, proposer: Proposer, found: Candidates) -> None:
        task = self._exact.task
        columns = columns_of_gallery(task)
        with self._work.step("reach", len(self._gallery), "members") as advance:
            self.reach = reach(
                task,
                self._work.engine,
                proposer,
                found,
                effort=self.indexing.efforts[-1],
                highest=self.indexing.highest,
                columns=columns,
                advance=advance,
            )


def run_ann(
    gallery: Templates,
    probes: Templates,
    options: Options,
    asked: AnnAsked,
    *,
    k: int,
    ranks: tuple[int, ...],
    progress: Progress,
) -> FinishedRun:
    """Searches every probe exactly and with an index, and writes the run to `options.out`."""
    task = task_of(gallery, probes, options, k=k, ranks=ranks)
    with Work.begun(options, sources_of_search(gallery, probes), progress) as work:
        indexing = Indexing.of(asked, task, work.engine)
        exact = Exact.of(task, work)
        comparison = Comparison(exact, indexing, rebuilds=asked.rebuilds, work=work)
        comparison.run()
        with work.clock.time("read"):
            found = _results(comparison, exact, options, asked)
        more = {"efforts": list(indexing.efforts), "rebuilds": asked.rebuilds, **indexing.description(None)}
        tables = {CHANGED: _changed(comparison, exact)} if asked.rebuilds else {}
        made = manifest_of_search(work, task, exact.plan, more=more)
        return work.written(FinishedRun(found, made, exact.tally, tables=tables))


def _results(comparison: Comparison, exact: Exact, options: Options, asked: AnnAsked) -> dict[str, Any]:
    assert comparison.built is not None
    assert comparison.reach is not None
    task, groupings, indexing = exact.task, options.groupings, comparison.indexing
    names = {effort: indexing.family.setting(effort) for effort in indexing.efforts}
    systems = [
        System(
            names[effort],
            comparison.counted[effort],
            {"effort": effort, **indexing.description(effort), "queries": vars(comparison.speed[effort])},
        )
        for effort in indexing.efforts
    ]
    found = compared("ann", systems, **options.reported(exact.points))
    by_worker = [made._asdict() for made in comparison.built.by_worker]
    return found | {
        **indexing.description(None),
        "dimension": task.gallery.dimension,
        "exact_queries": vars(comparison.exact_speed),
        "index_bytes": comparison.built.index.nbytes,
        "exact_bytes": len(task.gallery) * task.gallery.dimension * 4,
        "build_s": comparison.built.seconds,
        **({"worker_indexes": by_worker} if by_worker else {}),
        "enrolled": enrolled(task, groupings),
        "recall": [row for e in indexing.efforts for row in recall_json(names[e], comparison.recall[e], groupings)],
        "reach": reach_json(
            comparison.reach,
            task.gallery,
            groupings,
            effort=names[indexing.efforts[-1]],
            highest=indexing.family.setting(indexing.highest),
        ),
        "rebuilds": asked.rebuilds,
        "orders": [
            row
            for e in indexing.efforts
            if asked.rebuilds
            for row in orders_json(names[e], comparison.orders(e), groupings)
        ],
    }


def _changed(comparison: Comparison, exact: Exact) -> str:
    """Searches whose first candidate depends on the order of insertion, as a table with `COLUMNS`."""
    task, text = exact.task, io.StringIO()
    ids = task.gallery.template_ids
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)

    def name(row: int) -> str:
        return "" if row < 0 else str(ids[row])

    for effort in comparison.indexing.efforts:
        orders = comparison.orders(effort)
        for probe in orders.whose:
            table.writerow(
                [
                    comparison.indexing.family.setting(effort),
                    task.probes.template_ids[probe],
                    str(bool(task.is_mated[probe])).lower(),
                    name(int(exact.candidates.rows[probe, 0])),
                    " ".join(name(int(row)) or "-" for row in orders.first[:, probe]),
                    int(orders.found[:, probe].sum()),
                ]
            )
    return text.getvalue()
