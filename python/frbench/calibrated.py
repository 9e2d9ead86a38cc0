"""Calibrated: the thresholds of a run at the rates that were asked for, whatever it counts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from frbench.candidates import Candidates
from frbench.choices import Failed
from frbench.counting import identify
from frbench.counting.calibrate import operating_points, points_by
from frbench.counting.identify import Identification
from frbench.counting.layout import Ints
from frbench.counting.recorded.scores import RecordedScores
from frbench.counting.verify import AllPairs, Pairs
from frbench.engines import Engine
from frbench.operating_point import ALL_PAIRS, OperatingPoint
from frbench.plan import Plan, name_of
from frbench.runs.options import Grouping, Options
from frbench.tally import Histogram, Tally
from frbench.templates import Templates


def comparison_points(
    templates: Templates,
    options: Options,
    *,
    comparisons: Callable[[Grouping], AllPairs | Pairs],
    count: Callable[[AllPairs | Pairs, Plan, str], Tally],
    failed: Failed,
) -> list[OperatingPoint]:
    """Thresholds for the targets, set on the stated population by counting passes of their own.

    comparisons : what is counted, by label columns. count : the tally of it under a plan; shown with a title.
    """
    if not options.targets:
        return []
    columns: Grouping = ()
    group, population = None, ALL_PAIRS
    if options.population:
        column, value = options.population
        options.require_population(templates)
        columns, group, population = (column,), (name_of([value]),) * 2, f"non-mated pairs within {column}={value}"
    counter = comparisons(columns)

    def histogram(edges: NDArray[np.float64]) -> Histogram:
        plan = counter.plan(tuple(edges.tolist()), keeps_blocks=False)
        return count(counter, plan, "set threshold").pick(mated=False, grouping=columns, groups=group)

    # An edge that no score reaches makes this pass a cheap one.
    everything = histogram(np.array([1.0]))
    return operating_points(
        lambda edges: histogram(edges).tail(),
        everything.trials - (everything.unscored if failed == "exclude" else 0),
        options.targets,
        population=population,
        unscored_accepted=everything.unscored if failed == "accept" else 0,
    )


def search_points(
    task: Identification, candidates: Candidates, *, options: Options, engine: Engine
) -> list[OperatingPoint]:
    """Thresholds for the targets: FPIR on non-mated searches, FMR on non-mated comparisons of probes and gallery."""
    wanted = np.ones(len(task.probes), dtype=bool)
    suffix = ""
    if options.population:
        column, value = options.population
        options.require_population(task.probes)
        wanted = task.probes.labels[column] == value
        suffix = f" of {column}={value}"
    best, n_searches = identify.nonmated_tail(task, candidates, wanted)

    def searches(edges: NDArray[np.float64]) -> Ints:
        return (len(best) - np.searchsorted(best, edges, side="left")).astype(np.int64)

    def comparisons(edges: NDArray[np.float64]) -> Ints:
        return identify.comparisons_at_or_above(task, engine, edges, wanted)

    points = []
    for target in options.targets:
        if target.metric == "fpir":
            points += operating_points(searches, n_searches, [target], population=f"all non-mated searches{suffix}")
        else:
            n = identify.n_comparisons(task, wanted)
            population = f"all non-mated comparisons of probes{suffix} and gallery"
            points += operating_points(comparisons, n, [target], population=population)
    return points


def score_points(scores: RecordedScores, options: Options, *, failed: Failed) -> list[OperatingPoint]:
    """Thresholds for the targets, exactly, from the recorded scores of the stated population."""
    if not options.targets:
        return []
    population = options.population
    title = ALL_PAIRS
    if population:
        column, value = population
        scores.require_group(column, value)
        title = f"non-mated pairs within {column}={value}"
    n, unscored = scores.n_trials(population)
    return points_by(
        lambda allowed: scores.thresholds(allowed, population),
        n - (unscored if failed == "exclude" else 0),
        options.targets,
        population=title,
        unscored_accepted=unscored if failed == "accept" else 0,
    )
