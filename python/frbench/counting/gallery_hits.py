"""Counts the hits of a run of searches from its candidates, for estimates of other sizes of gallery.

Where a candidate list is full above a threshold, the rows beyond it are counted by one more search of those probes
alone, so that every count is exact at any length of list.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from frbench.candidates import CELLS, Candidates, GalleryHits, MatedSearches, NonmatedSearches, cells_of
from frbench.counting.identify import Identification
from frbench.counting.layout import subjects_of
from frbench.engines import Engine, packed
from frbench.inputs.arrays import Bools, Floats, Ints
from frbench.plan import Plan, float32_not_below


def hits_of(
    task: Identification, plan: Plan, candidates: Candidates, engine: Engine, thresholds: Sequence[float]
) -> GalleryHits:
    """The hits of searches whose candidates are `candidates`, at the thresholds."""
    cells = cells_of(subjects_of(task.gallery))
    mated = task.is_mated[candidates.probe]
    mates = np.bincount(task.mates[0], minlength=len(task.probes))
    return GalleryHits(
        plan=plan,
        thresholds=tuple(thresholds),
        gallery=len(task.gallery),
        rows_of_cell=np.bincount(cells, minlength=CELLS),
        nonmated=_nonmated(task, candidates, ~mated, cells, engine, thresholds),
        mated=MatedSearches(
            *_places(task, candidates.probe[mated]),
            mate_score=candidates.mate_score[mated],
            above_mate=candidates.above_mate[mated],
            mates=mates[candidates.probe[mated]],
        ),
    )


def _nonmated(
    task: Identification,
    candidates: Candidates,
    wanted: Bools,
    cells: Ints,
    engine: Engine,
    thresholds: Sequence[float],
) -> NonmatedSearches:
    probe, rows, scores = candidates.probe[wanted], candidates.rows[wanted], candidates.scores[wanted]
    edges = np.asarray(thresholds, dtype=np.float64)
    count = np.zeros((len(probe), len(edges)), dtype=np.int64)
    for column, edge in enumerate(edges):
        count[:, column] = (scores >= edge).sum(axis=1)
    # A list that holds every scored row is full, and has nothing beyond it.
    beyond = int((~task.gallery.failed).sum()) > candidates.k
    full, edge_of = np.nonzero((count == candidates.k) & beyond)
    if len(full):
        count[full, edge_of] = rows_at_or_above(task, engine, probe[full], edges[edge_of])
    return NonmatedSearches(*_places(task, probe), count=count, scores=scores, cell=np.where(rows < 0, -1, cells[rows]))


def rows_at_or_above(task: Identification, engine: Engine, probes: Ints, thresholds: Floats) -> Ints:
    """(p,) scored gallery rows at or above `thresholds[i]` in the search of `probes[i]`, mates included."""
    gallery = packed(engine, task.gallery, np.flatnonzero(~task.gallery.failed))
    floors = float32_not_below(thresholds)
    _, _, above = gallery.search(engine.rows(task.probes.unit[probes]), 1, floors=floors)
    return above.astype(np.int64)


def _places(task: Identification, probe: Ints) -> tuple[Ints, Ints, Ints]:
    return task.layout.group[probe], task.layout.subject[probe], task.layout.block[probe]
