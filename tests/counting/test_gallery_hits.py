"""Hits of searches, against the matrix of all scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from frbench.candidates import CELLS, GalleryHits, cells_of
from frbench.counting.gallery_hits import hits_of
from frbench.counting.identify import Identification, search_all
from frbench.engines import Engine, reference
from frbench.engines.cpu import CpuEngine
from frbench.engines.reference import ReferenceEngine
from tests.worlds import worlds


def found_by(task: Identification, engine: Engine) -> GalleryHits:
    """The hits of a search."""
    return hits_of(task, task.plan(worlds.EDGES), search_all(task, engine), engine, worlds.EDGES)


@given(worlds.searches())
@worlds.FEW
def test_rows_are_counted_beyond_the_list(task: Identification):
    """However short the lists are, every row at or above a threshold is counted, and mates are numbered."""
    scores = reference.scores(task.probes.unit, task.gallery.unit)
    scores[:, task.gallery.failed] = -np.inf
    scores[task.probes.failed] = -np.inf
    is_mated = task.is_mated
    expected = np.stack([(scores[~is_mated] >= edge).sum(axis=1) for edge in worlds.EDGES], axis=1)
    same = task.probes.subject_ids[is_mated][:, None] == task.gallery.subject_ids[None, :]

    for engine in (CpuEngine(threads=1), ReferenceEngine()):
        hits = found_by(task, engine)
        np.testing.assert_array_equal(hits.nonmated.count, expected)
        np.testing.assert_array_equal(hits.mated.mates, same.sum(axis=1))
        assert hits.gallery == hits.rows_of_cell.sum() == len(task.gallery)


@given(worlds.searches())
@worlds.FEW
def test_candidates_know_the_cell_of_their_row(task: Identification):
    """The best candidate's cell is that of a row with its score; probes without one have none."""
    hits = found_by(task, ReferenceEngine())
    cells = cells_of(task.gallery.subject_ids)
    scores = reference.scores(task.probes.unit, task.gallery.unit)[~task.is_mated]
    for best, cell, row in zip(hits.nonmated.scores[:, 0], hits.nonmated.cell[:, 0], scores, strict=True):
        if np.isneginf(best):
            assert cell == -1
        else:
            assert cell in cells[row == best]


def test_rows_of_one_person_share_a_cell():
    """The cell is a hash of the subject."""
    cells = cells_of(worlds.text_array(["ann", "bea", "ann"]))

    assert cells[0] == cells[2]
    assert 0 <= cells.min() <= cells.max() < CELLS


@pytest.mark.parametrize("engine", [CpuEngine(threads=1), ReferenceEngine()])
def test_rows_beyond_the_list_are_counted_at_the_exact_threshold(engine: Engine):
    """Rows of score 1/2 reach .5 and not a number just above it, which float32 would round to .5."""
    gallery = worlds.templates([worlds.HALF] * 3, ["a", "b", "c"])
    probes = worlds.templates([worlds.X], ["z"])
    task = Identification(gallery, probes, (), k=1, ranks=(1,), n_blocks=1)
    edges = (0.5, 0.5 + 1e-12)
    hits = hits_of(task, task.plan(edges), search_all(task, engine), engine, edges)

    assert hits.nonmated.count.tolist() == [[3, 0]]


def test_groups_are_those_of_the_plan():
    """Searches of one group are the rows of its probes, and without a name all of them."""
    gallery = worlds.templates([worlds.X, worlds.Y], ["a", "b"], sex=["f", "f"])
    probes = worlds.templates([worlds.X, worlds.Y, worlds.X], ["a", "v", "w"], sex=["f", "f", "m"])
    task = Identification(gallery, probes, ("sex",), k=1, ranks=(1,), n_blocks=2)
    hits = found_by(task, ReferenceEngine())

    women, everybody = hits.wanted(("sex",), "f"), hits.wanted((), None)
    assert len(hits.nonmated.of_group(women).count) == len(hits.mated.of_group(women).mates) == 1
    assert len(hits.nonmated.of_group(everybody).count) == 2
