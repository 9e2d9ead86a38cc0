"""Counts of all pairs of 1,000 probes with 200,000 rows, by 4 x 4 groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from benches import checks, own, peers, workload
from benches.checks import Truth
from benches.conftest import Run
from benches.race import Contestant, Work
from benches.workload import Matrix, Size
from frbench import Gallery

D, N_GROUPS = 512, 4
EVERY_EDGE = np.linspace(-1, 1, 2001)


@dataclass(frozen=True)
class Pairs:
    """Probes and gallery with their groups, and the true scores of some probes."""

    probes: Matrix
    gallery: Matrix
    probe_groups: NDArray[np.int64]
    gallery_groups: NDArray[np.int64]
    true: Truth

    @property
    def size(self) -> str:
        """Rows in words."""
        return f"{len(self.probes):,} probes, {len(self.gallery):,} x {D}, {N_GROUPS} x {N_GROUPS} groups"

    @property
    def n(self) -> int:
        """Number of pairs."""
        return len(self.probes) * len(self.gallery)

    def count(self, gallery: Gallery, edges: NDArray[np.float64]) -> NDArray[np.uint64]:
        """Our counts (4, 4, t)."""
        return gallery.count(self.probes, edges, self.probe_groups, self.gallery_groups)

    def check(self, contestants: list[Contestant], edges: NDArray[np.float64]) -> None:
        """Our kernels count the same, bit for bit, and what float64 counts for the probes that are sampled."""
        checks.same_answers(contestants)
        at = self.true.at
        sampled = Gallery(self.gallery).count(self.probes[at], edges, self.probe_groups[at], self.gallery_groups)
        cells = self.probe_groups[at][:, None] * N_GROUPS + self.gallery_groups
        for cell, counted in enumerate(sampled.reshape(-1, len(edges))):
            checks.counts(counted, self.true.scores[cells == cell], edges, error=checks.OWN_ERROR)


@pytest.fixture(scope="module")
def pairs(size: Size) -> Pairs:
    """1,000 x 200,000 at full size; groups in no order."""
    probes = workload.unit_rows(size.rows(1000), D, seed=2)
    gallery = workload.unit_rows(size.rows(200_000, least=512), D, seed=1)
    return Pairs(
        probes,
        gallery,
        workload.groups(len(probes), N_GROUPS, seed=3),
        workload.groups(len(gallery), N_GROUPS, seed=4),
        checks.truth(probes, gallery),
    )


def test_sweep_above_fmr_1e_3(run: Run, size: Size, pairs: Pairs) -> None:
    """200 edges from the threshold at FMR 1e-3 up, beside bare products, which count nothing."""
    edges = np.quantile(pairs.true.scores, 0.999) + 0.001 * np.arange(200)
    ours = own.each_kernel(pairs.gallery, lambda g: pairs.count(g, edges), has_scalar=size.has_scalar)
    pairs.check(ours, edges)

    run(Work("sweep, 200 edges", pairs.size, pairs.n, products=pairs.n * D), [*ours, *products(pairs)], rounds=9)


def products(pairs: Pairs) -> list[Contestant]:
    """Bare products whose scores were found right."""
    numpy_product = peers.numpy_product(pairs.gallery, pairs.probes)
    checks.product(numpy_product.call(), pairs.true, checks.float32_error(D))
    checked = [numpy_product]
    for contestant, error in peers.numkong_products(pairs.gallery, pairs.probes):
        checks.product(contestant.call()(pairs.true.at), pairs.true, error)
        checked.append(contestant)
    return checked


def test_histogram_of_every_pair(run: Run, size: Size, pairs: Pairs) -> None:
    """2,001 edges from -1 to 1, beside a product and a histogram of each cell in numpy."""
    ours = own.each_kernel(pairs.gallery, lambda g: pairs.count(g, EVERY_EDGE), has_scalar=size.has_scalar)
    pairs.check(ours, EVERY_EDGE)
    theirs = peers.numpy_histogram(
        pairs.gallery, pairs.probes, probe_groups=pairs.probe_groups, gallery_groups=pairs.gallery_groups
    )
    error = checks.float32_error(D)
    gallery = Gallery(pairs.gallery)
    # Within float32 error of an edge numpy may count a pair on either side; at 1 itself no edge lies beyond.
    fewest, most = (pairs.count(gallery, np.clip(EVERY_EDGE + shift, -1, 1)) for shift in (error, -error))
    checks.between(theirs.call()[..., :-1], fewest[..., :-1], most[..., :-1])

    work = Work("histogram, 2,001 edges", pairs.size, pairs.n, products=pairs.n * D, is_fine=True)
    run(work, [*ours, theirs], rounds=7)
