"""Real templates, not centred: many scores lie near any threshold, which is hard on screening."""

from __future__ import annotations

import numpy as np
import pytest

from benches import checks, own, peers, workload
from benches.conftest import Run
from benches.race import Work
from benches.workload import Size
from frbench import Gallery


@pytest.mark.parametrize("rate", workload.LFW_THRESHOLDS)
def test_all_pairs_of_real_templates(run: Run, size: Size, rate: str) -> None:
    """All rows with all rows at one threshold of the example."""
    rows = workload.templates(size.rows(13_233, least=256))
    threshold = workload.LFW_THRESHOLDS[rate]
    ours = own.each_kernel(rows, lambda g: g.count(rows, [threshold]), has_scalar=size.has_scalar)
    checks.same_answers(ours)
    gallery, true = Gallery(rows), checks.truth(rows, rows)
    edges = np.array([threshold])
    checks.counts(gallery.count(rows[true.at], edges), true.scores, edges, error=checks.OWN_ERROR)
    theirs = peers.numpy_count(rows, threshold)
    error = checks.float32_error(rows.shape[1])
    fewest, most = (gallery.count(rows, edges + shift) for shift in (error, -error))
    checks.between(theirs.call(), fewest, most)

    size_in_words, n = f"{len(rows):,} x {rows.shape[1]}, 1 edge", len(rows) ** 2
    work = Work(f"LFW, all pairs at FMR {rate}", size_in_words, n, products=n * rows.shape[1])
    run(work, [*ours, theirs], rounds=9)
