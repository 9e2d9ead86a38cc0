"""Approximate search beside exact search: its time, and what it misses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benches import checks, own, peers, workload
from benches.conftest import Run
from benches.race import Work
from benches.workload import Matrix, Size

K = 50
Rows = Callable[[Size], tuple[Matrix, Matrix]]


def random_rows(size: Size) -> tuple[Matrix, Matrix]:
    """Gallery and probes without structure, the hardest for a graph."""
    return workload.unit_rows(size.rows(50_000, least=512), 512, seed=1), workload.unit_rows(
        size.rows(1000), 512, seed=2
    )


def real_rows(size: Size) -> tuple[Matrix, Matrix]:
    """Real templates: the first 1,000 search the rest."""
    rows = workload.templates(size.rows(13_233, least=512))
    n = size.rows(1000)
    return rows[n:], rows[:n]


@pytest.mark.parametrize(("data", "rows"), [("random", random_rows), ("LFW", real_rows)], ids=["random", "LFW"])
def test_hnsw_beside_exact_search(run: Run, size: Size, data: str, rows: Rows) -> None:
    """The best 50, exactly and through a graph of several widths."""
    gallery, probes = rows(size)
    ours = own.best(gallery, lambda g: g.search(probes, K))
    checks.same_answers(ours)
    checks.exact_answers(ours[:1], gallery, probes)
    exact = ours[0].call()[1]
    theirs = list(peers.hnsw_searchers(gallery, probes, K, efs=(50, 200, 800), exact=exact))

    words = f"{len(probes):,} probes, {data} {len(gallery):,} x {gallery.shape[1]}, k = {K}"
    run(Work("search", words, len(probes) * len(gallery)), [*ours, *theirs], rounds=9)
