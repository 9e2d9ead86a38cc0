"""A million rows: one probe, and taking them in."""

from __future__ import annotations

import pytest

from benches import checks, own, peers, workload
from benches.conftest import Run
from benches.race import Work
from benches.workload import Matrix, Size
from frbench import Gallery

D, K = 512, 10


@pytest.fixture(scope="module")
def million(size: Size) -> Matrix:
    """1,000,000 rows at full size: 2 GB."""
    return workload.unit_rows(size.rows(1_000_000, least=512), D, seed=5)


def test_ingest_of_a_million(run: Run, million: Matrix) -> None:
    """Normalise and pack float32 rows, beside copies of them."""
    gallery = Gallery(million)
    scores, rows = gallery.search(million[-1:], 1)
    assert rows[0, 0] == len(million) - 1
    assert abs(scores[0, 0] - 1) <= checks.OWN_ERROR

    name = f"frbench {gallery.isa}"
    del gallery
    ours = own.twice(name, lambda: Gallery(million), before="-", setting="normalised and packed")
    run(Work("ingest", f"{len(million):,} x {D} float32"), [*ours, *peers.ingesters(million)], rounds=5)


def test_one_probe_in_a_million(run: Run, million: Matrix) -> None:
    """The best 10 of one probe."""
    probe = workload.unit_rows(1, D, seed=6)
    ours = own.best(million, lambda g: g.search(probe, K))
    theirs = peers.searchers(million, probe, K)
    checks.same_answers(ours)
    checks.exact_answers([ours[0], *theirs], million, probe)

    work = Work("search", f"1 probe, {len(million):,} x {D}, k = {K}", len(million))
    run(work, [*ours, *theirs], rounds=15)
