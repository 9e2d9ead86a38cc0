"""Agreement with other people: scikit-learn's curves and areas, scipy's intervals, on real and random data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import det_curve, roc_auc_score

from frbench.counting.layout import Layout
from frbench.counting.pair_list import PairList
from frbench.counting.sweep import sweep
from frbench.counting.verify import Pairs
from frbench.engines.cpu import CpuEngine
from frbench.estimate import clopper_pearson, wilson
from frbench.reading import metrics
from frbench.reading.curves import auc
from frbench.tally import Tally
from frbench.templates import load
from tests import ROOT
from tests.worlds import worlds

LFW = ROOT / "examples" / "lfw"
Scores = NDArray[np.float64]


def real(matrix: str) -> tuple[Tally, Scores, NDArray[np.bool_]]:
    """LFW's 6,000 pairs, counted at every score; the scores, and which are mated."""
    pairs = PairList.read(LFW / "pairs.csv", load(LFW / matrix, labels=LFW / "labels.csv"))
    counter = Pairs(pairs, Layout.of(pairs.templates, (), 32), CpuEngine(threads=1))
    scores = counter.scores.astype(np.float64)
    plan = counter.plan(tuple(np.unique(scores).tolist()))
    return sweep(plan, lambda tile: counter.count(plan, tile)), scores, pairs.mated


def drawn(seed: int) -> tuple[Tally, Scores, NDArray[np.bool_]]:
    """5,000 rounded scores of two normal laws, with many ties, counted at every score."""
    rng = np.random.default_rng(seed)
    mated = rng.random(5_000) < 0.2
    scores = np.round(rng.normal(mated * 1.5, 1.0), 1)
    return at_every_score(scores, mated), scores, mated


def at_every_score(scores: Scores, mated: NDArray[np.bool_]) -> Tally:
    """The tally of scores, at edges that are the scores."""
    edges: Sequence[float] = np.unique(scores).tolist()
    plan = worlds.small_plan(edges=tuple(edges), n_blocks=1)
    total = np.zeros((2, len(edges) + 2))
    np.add.at(total, (mated.astype(int), np.searchsorted(edges, scores, side="right")), 1)
    return worlds.tally_of(plan, total, np.zeros((1, *total.shape)))


SETS = [pytest.param(lambda m=m: real(m), id=m) for m in ("dlib-128.npy", "faceres-256.npy")]
SETS += [pytest.param(lambda s=s: drawn(s), id=f"drawn {s}") for s in range(3)]


@pytest.mark.parametrize("data", SETS)
def test_det_is_that_of_scikit_learn(data):
    """The same rates at the same thresholds; scikit-learn leaves out thresholds at both ends that change nothing."""
    tally, scores, mated = data()
    fpr, fnr, thresholds = det_curve(mated, scores, drop_intermediate=False)
    inside = np.isfinite(thresholds)
    curve = metrics.det(tally)
    at = np.searchsorted(curve.thresholds, thresholds[inside])

    assert len(at) > 10
    np.testing.assert_array_equal(curve.thresholds[at], thresholds[inside])
    # Both divide the same two integers, once.
    np.testing.assert_array_equal(curve.false_matches[at] / curve.n_nonmated, fpr[inside])
    np.testing.assert_array_equal(curve.false_nonmatches[at] / curve.n_mated, fnr[inside])


@pytest.mark.parametrize("data", SETS)
def test_auc_is_that_of_scikit_learn(data):
    """Area under the curve with ties counted one half; scikit-learn adds some thousand floats, each right to 2^-53."""
    tally, scores, mated = data()

    assert auc(tally).value == pytest.approx(roc_auc_score(mated, scores), abs=1e-12)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (1, 2), (10, 10), (30, 30_000), (9_856, 10_000), (28, 535)])
def test_intervals_are_those_of_scipy(k: int, n: int):
    """Clopper-Pearson and Wilson of independent trials."""
    z = float(stats.norm.ppf(0.975))
    found = stats.binomtest(k, n)

    assert clopper_pearson(k, n) == pytest.approx(tuple(found.proportion_ci(method="exact")), abs=1e-12)
    assert wilson(k / n, n, z) == pytest.approx(tuple(found.proportion_ci(method="wilson")), abs=1e-12)


def test_an_interval_on_real_pairs_is_that_of_a_bootstrap_of_people():
    """FNMR of LFW's 3,000 mated pairs of 1,680 people: people drawn anew 4,000 times in plain numpy, percentiles.

    The ends of both are estimates of the same: that of a quantile from 4,000 draws is right to 3% of the interval, and
    a standard error from 32 blocks to about 1 / sqrt(62) = 13%; Student's t and Wilson's shape add some.
    """
    pairs = PairList.read(LFW / "pairs.csv", load(LFW / "dlib-128.npy", labels=LFW / "labels.csv"))
    counter = Pairs(pairs, Layout.of(pairs.templates, (), 32), CpuEngine(threads=1))
    threshold = 0.93
    plan = counter.plan((threshold,))
    found = metrics.fnmr(sweep(plan, lambda tile: counter.count(plan, tile)), threshold)

    people, whose = np.unique(pairs.templates.subject_ids[pairs.a[pairs.mated]], return_inverse=True)
    errors = np.bincount(whose, counter.scores[pairs.mated] < threshold)
    trials = np.bincount(whose)
    drawn = np.random.default_rng(1).multinomial(len(people), np.full(len(people), 1 / len(people)), size=4_000)
    low, high = np.quantile(drawn @ errors / (drawn @ trials), [0.025, 0.975])

    assert found.value == errors.sum() / trials.sum()
    assert found.low == pytest.approx(low, abs=0.25 * (high - low))
    assert found.high == pytest.approx(high, abs=0.25 * (high - low))
