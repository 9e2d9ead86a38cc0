"""Makes the run of `frbench precision`: the same searches with templates as other formats store them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from frbench.candidates import Candidates
from frbench.counting import identify
from frbench.counting.identify import Identification
from frbench.counting.sweep import Progress
from frbench.engines import Engine
from frbench.errors import InputError
from frbench.finished_run import FinishedRun
from frbench.inputs.arrays import Advance
from frbench.operating_point import OperatingPoint
from frbench.reading.rate import Rate
from frbench.reading.systems.paired import Paired
from frbench.reading.systems.sides import Setting, sides
from frbench.results.shortcuts import System, compared, enrolled
from frbench.runs.exact import NOT_FAST, Exact, exact_search, task_of, timed_probes
from frbench.runs.identify import manifest_of_search, search_points
from frbench.runs.manifest import sources_of_search
from frbench.runs.options import Options
from frbench.runs.work import Work
from frbench.shortcuts.rounding import Storage, storages
from frbench.shortcuts.speed import Speed, measured, unknown
from frbench.tally import Tally
from frbench.templates import Templates

NOT_TIMED = "stored rows are scored by the float64 definition: no arithmetic in their format is timed here"


@dataclass(frozen=True, eq=False)
class Stored:
    """Searches with stored templates."""

    storage: Storage
    task: Identification
    candidates: Candidates
    points: Sequence[OperatingPoint]

    @classmethod
    def of(cls, storage: Storage, exact: Identification, work: Work, advance: Advance) -> Self:
        """Searches every probe, gallery and probes stored alike; `advance` is told the number of probes searched."""
        task = Identification(
            storage.stored(exact.gallery),
            storage.stored(exact.probes),
            exact.columns,
            k=exact.k,
            ranks=exact.ranks,
            n_blocks=exact.n_blocks,
        )
        candidates = identify.search_all(task, work.engine, advance=advance)
        points = search_points(task, candidates, options=work.options, engine=work.engine)
        return cls(storage, task, candidates, points)


def run_precision(
    gallery: Templates,
    probes: Templates,
    options: Options,
    formats: tuple[str, ...],
    *,
    k: int,
    ranks: tuple[int, ...],
    progress: Progress,
) -> FinishedRun:
    """Searches every probe with float32 templates and with stored ones, and writes the run to `options.out`."""
    if options.runner is not None:
        raise InputError("--runner hands out rows of files, which hold no stored formats; leave it out")
    task = task_of(gallery, probes, options, k=k, ranks=ranks)
    ways = storages(formats, gallery)
    with Work.begun(options, sources_of_search(gallery, probes), progress) as work:
        exact = Exact.of(task, work)
        with work.step("stored", len(task.probes) * len(ways), "searches") as advance:
            stored = [Stored.of(way, task, work, advance) for way in ways]
        with work.clock.time("read"):
            found = _results(exact, stored, work)
        made = manifest_of_search(work, task, exact.plan, more={"formats": [way.name for way in ways]})
        return work.written(FinishedRun(found, made, exact.tally))


def _results(exact: Exact, stored: Sequence[Stored], work: Work) -> dict[str, Any]:
    task, options, groupings = exact.task, work.options, work.options.groupings
    counted = [
        exact.beside(
            one.candidates,
            {"reduced": {"name": one.storage.name, **one.storage.to_json()}},
            task.plan(options.edges([*exact.points, *one.points])),
        )
        for one in stored
    ]
    exact_speed, *speeds = _speeds(exact, stored, work.engine)
    systems = [
        System(one.storage.name, tallies, {"reduced": one.storage.to_json(), "queries": vars(speed)})
        for one, tallies, speed in zip(stored, counted, speeds, strict=True)
    ]
    found = compared("precision", systems, **options.reported(exact.points))
    return found | {
        "dimension": task.gallery.dimension,
        "exact_queries": vars(exact_speed),
        "exact_bytes": len(task.gallery) * task.gallery.dimension * 4,
        "enrolled": enrolled(task, groupings),
        "own_thresholds": [
            row
            for one, tallies in zip(stored, counted, strict=True)
            for row in _own_thresholds(exact, one, tallies.other, options)
        ],
    }


def _speeds(exact: Exact, stored: Sequence[Stored], engine: Engine) -> list[Speed]:
    """Of the exact search, then of each storage whose arithmetic is that of the exact one."""
    own = [exact_search(exact.task, engine)]
    own += [exact_search(one.task, engine) if one.storage.component == "float32" else None for one in stored]
    measurable = [search for search in own if search is not None]
    known = iter(measured(measurable, len(timed_probes(exact.task))))
    reasons = [NOT_FAST, *(NOT_TIMED if one.storage.component != "float32" else NOT_FAST for one in stored)]
    return [unknown(why) if search is None else next(known) for search, why in zip(own, reasons, strict=True)]


def _own_thresholds(exact: Exact, stored: Stored, tally: Tally, options: Options) -> list[dict[str, Any]]:
    """Both searches at thresholds that each of them set at the same target."""
    population = "=".join(options.population) if options.population else "all"
    runs = [
        FinishedRun({"kind": "identify"}, {"options": {"at_population": population}}, counts, name)
        for name, counts in (("float32", exact.tally), (stored.storage.name, tally))
    ]
    found = []
    for mine, theirs in zip(exact.points, stored.points, strict=True):
        if mine.threshold is None or theirs.threshold is None:
            continue
        setting = Setting((mine.threshold, theirs.threshold), mine.at, mine.population)
        for group in exact.tally.plan.everybody_and(options.groupings):
            for rate in (Rate("fnir", rank=exact.task.ranks[0]), Rate("fpir")):
                both = sides(runs[0], runs[1], setting, rate, group)
                found.append(
                    {
                        "system": stored.storage.name,
                        "at": mine.at,
                        "thresholds": [mine.threshold, theirs.threshold],
                        "metric": rate.metric,
                        "rank": rate.rank,
                        **group.key("identify"),
                        "exact": both.a.to_json(),
                        "other": both.b.to_json(),
                        "net": _net(both.paired()),
                    }
                )
    return found


def _net(found: Paired) -> dict[str, Any]:
    """The paired difference; where no block shows one, there is no interval rather than one of no width."""
    if found.error == 0:
        found = replace(found, low=None, high=None, reason="equal without every block of subjects, too")
    return found.to_json()
