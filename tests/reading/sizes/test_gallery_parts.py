"""What parts of a gallery show, recounted from lists in which other parts are crossed out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from frbench.candidates import CELLS
from frbench.reading.sizes import gallery_parts, score_tail
from frbench.reading.sizes.gallery_parts import EVERYTHING, GALLERY_BLOCKS, PARTS, PartedSearches
from tests.worlds import galleries

LEVELS = (0.3, 0.5)


def some_searches(seed: int = 3) -> PartedSearches:
    """200 probes, of which some match several rows, in a gallery of 3,000, scores between 0 and 1."""
    random = np.random.default_rng(seed)
    probe, row = galleries.World(200, 3000, 1e-3, wolf=1).matches(random)
    cell = random.integers(CELLS, size=3000)
    found = galleries.searches(200, probe, cell[row], random.random(len(probe)))
    return PartedSearches(found, np.bincount(cell, minlength=CELLS))


def recount(parted: PartedSearches, threshold: float, cells: np.ndarray, probes: np.ndarray) -> tuple[int, ...]:
    """Searches, rows, matches, and searches with one at least, exactly one and exactly two of them."""
    found = parted.searches
    count = (np.isin(found.cell, cells) & (found.scores >= threshold)).sum(axis=1)[probes]
    rows = int(parted.rows_of_cell[cells].sum())
    return len(count), rows, count.sum(), (count > 0).sum(), (count == 1).sum(), (count == 2).sum()


def columns(parted: PartedSearches, threshold: float, parts: gallery_parts.Parts) -> list[tuple[float, ...]]:
    """The counts of every replicate."""
    seen = parted.seen(threshold, parts)
    names = ("searches", "rows", "matches", "positives", "singles", "doubles")
    return list(zip(*(getattr(seen, name).tolist() for name in names), strict=True))


@pytest.mark.parametrize("parts", [EVERYTHING, (3,), (4, 5)])
@pytest.mark.parametrize("threshold", LEVELS)
def test_replicates_leave_out_one_block_after_another(parts: gallery_parts.Parts, threshold: float):
    """Everything, without the probes of each block, without the rows of each block: 1 + 32 + 16."""
    parted = some_searches()
    cells = np.flatnonzero(np.isin(np.arange(CELLS) % PARTS, parts))
    block = parted.searches.block
    everybody = np.ones(len(block), dtype=bool)
    expected = [recount(parted, threshold, cells, everybody)]
    expected += [recount(parted, threshold, cells, block != b) for b in range(galleries.BLOCKS)]
    expected += [recount(parted, threshold, cells[cells // PARTS != g], everybody) for g in range(GALLERY_BLOCKS)]

    assert columns(parted, threshold, parts) == expected


def test_hidden_sizes_are_disjoint_parts_of_each_size():
    """16 sixteenths, 8 eighths, 4 quarters and 2 halves; those of one size are the gallery."""
    found = list(gallery_parts.hidden_sizes())

    assert [len(parts) for parts in found] == [1] * 16 + [2] * 8 + [4] * 4 + [8] * 2
    for size in (1, 2, 4, 8):
        assert sorted(part for parts in found if len(parts) == size for part in parts) == list(EVERYTHING)


def tail_of(best: np.ndarray, level: float) -> float:
    """Share at .999 of the tail of these best scores."""
    return float(score_tail.fit(best[None, :], np.array([float(len(best))]), level).at(0.999)[0])


def test_the_tail_is_that_of_the_best_scores_of_the_part():
    """Fitted again from lists without the other parts, above the level that a tenth, or 60, of the best exceed."""
    random = np.random.default_rng(5)
    m = 400
    probe = np.repeat(np.arange(m), 40)
    found = galleries.searches(m, probe, random.integers(CELLS, size=len(probe)), random.random(len(probe)))
    parted = PartedSearches(found, np.full(CELLS, 10))
    best = np.where(found.cell % PARTS < 8, found.scores, -np.inf).max(axis=1).astype(float)
    level = np.sort(best)[-61]
    without = np.where((found.cell % PARTS < 8) & (found.cell // PARTS != 0), found.scores, -np.inf).max(axis=1)

    seen = parted.seen(0.999, tuple(range(8)))
    # The same sums over rows of other lengths.
    assert seen.tail[0] == pytest.approx(tail_of(best, level), rel=1e-9)
    assert seen.tail[1] == pytest.approx(tail_of(best[found.block != 0], level), rel=1e-9)
    assert seen.tail[33] == pytest.approx(tail_of(without.astype(float), level), rel=1e-9)


def test_a_tail_begins_above_what_lists_leave_out():
    """A probe whose list ends at .996 without a row of the part may have one just below: the tail begins there.

    A tenth of the 800 best scores of about 20 are above .9954, the level without that probe.
    """
    random = np.random.default_rng(6)
    m = 800
    probe = np.repeat(np.arange(m), 40)
    found = galleries.searches(m, probe, random.integers(CELLS, size=len(probe)), random.random(len(probe)))
    cell, scores = found.cell.copy(), found.scores.copy()
    cell[0], scores[0] = 15, 0.996
    whole, ending = (
        PartedSearches(each, np.full(CELLS, 10)) for each in (found, replace(found, cell=cell, scores=scores))
    )
    part = tuple(range(8))

    assert np.isfinite(whole.seen(0.9958, part).tail).all()
    assert np.isnan(ending.seen(0.9958, part).tail).all()
    assert np.isfinite(ending.seen(0.9962, part).tail).all()


def test_too_few_candidates_have_no_tail():
    """30 exceedances are needed."""
    found = galleries.searches(100, np.arange(20), np.arange(20))

    assert np.isnan(PartedSearches(found, np.full(CELLS, 10)).seen(0.9, EVERYTHING).tail).all()
