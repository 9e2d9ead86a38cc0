"""Search of 200,000 rows: every kernel, and the peers that search exactly."""

from __future__ import annotations

import pytest

from benches import checks, own, peers, workload
from benches.conftest import Run
from benches.race import Work
from benches.workload import Matrix, Size

D, K = 512, 50


@pytest.fixture(scope="module")
def gallery(size: Size) -> Matrix:
    """200,000 rows at full size."""
    return workload.unit_rows(size.rows(200_000, least=512), D, seed=1)


@pytest.fixture(scope="module")
def probes(size: Size) -> Matrix:
    """1,000 rows at full size."""
    return workload.unit_rows(size.rows(1000), D, seed=2)


@pytest.mark.parametrize("n_probes", [1000, 64])
def test_search_of_200_000(run: Run, size: Size, gallery: Matrix, probes: Matrix, n_probes: int) -> None:
    """The best 50 of each probe: 1,000 probes at once, then 64."""
    asked = probes[: size.rows(n_probes, least=32)]
    ours = own.each_kernel(gallery, lambda g: g.search(asked, K), has_scalar=size.has_scalar)
    theirs = peers.searchers(gallery, asked, K)
    checks.same_answers(ours)
    checks.exact_answers([ours[0], *theirs], gallery, asked)

    n = len(asked) * len(gallery)
    work = Work("search", f"{len(asked):,} probes, {len(gallery):,} x {D}, k = {K}", n, products=n * D)
    run(work, [*ours, *theirs], rounds=9)
