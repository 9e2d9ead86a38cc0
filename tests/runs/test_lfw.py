"""Real templates: every count of 87,549,528 comparisons and 8,484 searches, against plain float64 numpy.

The independent side follows the definition with other means: rows are normalised in float64 and rounded to float32;
scores are float64 BLAS products, rounded to float32, compared in float64. BLAS adds in another order: its sums differ
by less than 128 * 2^-53 < 2e-14. A count could differ only if a score lies that near to the middle between two
neighbouring float32 (spacing 6e-8) and one of these two is a threshold: of 9e7 pairs about 9e7 * 2e-14 / 6e-8 = 30
round the other way, spread over 1e7 float32 values, of which a dozen are thresholds. The data are fixed: it does not
happen, or always.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from frbench.counting import identify
from frbench.counting.calibrate import OperatingPoint, Target, operating_points
from frbench.counting.identify import Identification, search_all, split_first_per_subject
from frbench.counting.layout import Layout
from frbench.counting.sweep import sweep
from frbench.counting.verify import AllPairs
from frbench.engines.cpu import CpuEngine
from frbench.page.claims import claims
from frbench.page.explored import explored
from frbench.page.operation import Setting
from frbench.plan import Group
from frbench.reading import metrics
from frbench.tally import Tally
from frbench.templates import Templates, load
from tests import ROOT
from tests.worlds.rates import fmr_ratio

LFW = ROOT / "examples" / "lfw"
SEX = ("sex",)
ROWS_AT_ONCE = 512
UP = np.float32(2)


def above(x: float) -> float:
    """The float32 that follows."""
    return float(np.nextafter(np.float32(x), UP))


@pytest.fixture(scope="module")
def templates() -> Templates:
    """All templates with their labels."""
    return load(LFW / "dlib-128.npy", labels=LFW / "labels.csv")


@pytest.fixture(scope="module")
def unit() -> np.ndarray:
    """Unit rows by numpy alone."""
    raw = np.load(LFW / "dlib-128.npy").astype(np.float64)
    return (raw / np.sqrt((raw * raw).sum(axis=1, keepdims=True))).astype(np.float32)


@dataclass(frozen=True)
class Verified:
    """A tally of all pairs, its thresholds, and the operating point at FMR 1e-3."""

    tally: Tally
    thresholds: tuple[float, ...]
    point: OperatingPoint


@pytest.fixture(scope="module")
def verified(templates: Templates, unit: np.ndarray) -> Verified:
    """All pairs by sex, at decimals, at float32 that occur as scores and at their neighbours."""
    engine = CpuEngine(threads=2)
    whole = AllPairs(Layout.of(templates, ()), engine)

    def tail(edges: np.ndarray) -> np.ndarray:
        plan = whole._layout.verify_plan(tuple(edges.tolist()), keeps_blocks=False)
        return sweep(plan, lambda tile: whole.count(plan, tile)).pick(mated=False).tail()

    non_mated = 87_549_528 - 242_257
    [point] = operating_points(tail, non_mated, [Target("fmr", "1e-3")], population="all")
    some = [float(np.float32(unit[i].astype(np.float64) @ unit[i + 1].astype(np.float64))) for i in (0, 100, 5000)]
    edges = {0.7, 0.8, 0.83, 0.9, 0.95, 1.0, point.threshold, *some, *map(above, some)}
    layout = Layout.of(templates, SEX)
    plan = layout.verify_plan(tuple(sorted(edges)))
    counter = AllPairs(layout, engine)
    return Verified(sweep(plan, lambda tile: counter.count(plan, tile)), plan.edges, point)


def upper_scores(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Scores, as float64, of some rows with all rows from the first of them on."""
    wide = rows.astype(np.float64)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        product = wide[start : start + ROWS_AT_ONCE] @ wide[start:].T
        yield start, product.astype(np.float32).astype(np.float64)


def counted(rows: np.ndarray, group: np.ndarray, subject: np.ndarray, thresholds: tuple[float, ...]) -> np.ndarray:
    """(mated, group, group, t) unordered pairs at or above each threshold; rows are sorted by group."""
    n_groups = group.max() + 1
    bounds = np.searchsorted(group, np.arange(n_groups + 1))
    out = np.zeros((2, n_groups, n_groups, len(thresholds)), dtype=np.int64)
    mates = {s: np.flatnonzero(subject == s) for s in np.flatnonzero(np.bincount(subject) > 1)}
    for start, scores in upper_scores(rows):
        # A row with itself and with earlier ones is no pair: below every threshold.
        scores[np.tril_indices(len(scores), m=scores.shape[1])] = -2
        for t, threshold in enumerate(thresholds):
            accepted = scores >= threshold
            for b in range(n_groups):
                columns = slice(max(0, bounds[b] - start), max(0, bounds[b + 1] - start))
                by_row = np.count_nonzero(accepted[:, columns], axis=1)
                own = group[start : start + len(scores)]
                out[0, :, b, t] += np.bincount(own, weights=by_row, minlength=n_groups).astype(np.int64)
        for i in range(len(scores)):
            later = mates.get(subject[start + i], np.zeros(0, np.int64))
            later = later[later > start + i]
            accepted = scores[i, later - start][:, None] >= np.array(thresholds)
            np.add.at(out[1], (group[start + i], group[later]), accepted)
    out[0] -= out[1]
    return out


def test_unit_rows_are_those_of_numpy(templates: Templates, unit: np.ndarray):
    """13,233 rows of 128 float16 components are normalised alike, to the last bit."""
    # The norm is summed in another order: a quotient would have to lie within 1e-15 of the middle of two float32.
    np.testing.assert_array_equal(templates.unit, unit)
    assert not templates.failed.any()


def test_every_pair_is_counted_once(verified: Verified):
    """13,233 * 13,232 / 2 comparisons, of which 242,257 mated; women and men as labelled, four without a label."""
    tally = verified.tally

    assert tally.total.sum() == 13_233 * 13_232 // 2 == 87_549_528
    assert tally.pick(mated=True).trials == 242_257
    assert tally.pick(mated=True).unscored == tally.pick(mated=False).unscored == 0
    assert tally.plan.groups == (("",), ("female",), ("male",))


def test_every_cell_at_every_threshold_equals_an_independent_count(
    templates: Templates, unit: np.ndarray, verified: Verified
):
    """Accepted comparisons of every pair of groups, mated and not, at thresholds that are scores and between them."""
    _, group = np.unique(templates.labels["sex"], return_inverse=True)
    _, subject = np.unique(templates.subject_ids, return_inverse=True)
    order = np.argsort(group, kind="stable")
    expected = counted(unit[order], group[order], subject[order], verified.thresholds)
    names = ["unlabelled", "female", "male"]
    tally, seen = verified.tally, 0
    for mated in (False, True):
        for a in range(3):
            for b in range(a, 3):
                found = tally.pick(mated=mated, group=Group(SEX, (names[a], names[b]))).tail()
                assert found.tolist() == expected[int(mated), a, b].tolist(), (mated, names[a], names[b])
                seen += int(found[0])

    assert len(verified.thresholds) == 13
    assert seen == tally.pick(mated=False).at_or_above(0) + tally.pick(mated=True).at_or_above(0)


def test_the_threshold_of_a_rate_is_the_smallest(verified: Verified):
    """FMR 1e-3 of 87,307,271 allows 87,307; the calibrated threshold holds that, and the tally counts the same."""
    point, tally = verified.point, verified.tally

    assert point.n == 87_549_528 - 242_257
    assert metrics.fmr(tally, point.threshold).k == point.k <= point.n // 1000
    # Scores near the threshold lie thick: 87,307 above it, so hardly any allowed false match is left unused.
    assert point.k > 0.999 * (point.n // 1000)


def test_the_rate_of_women_is_several_times_that_of_men(verified: Verified):
    """At one threshold, FMR 1e-3 overall, labels female and male differ: the interval of the ratio excludes 1."""
    women, men = ("female", "female"), ("male", "male")
    found = fmr_ratio(verified.tally, verified.point.threshold, Group(SEX, women), Group(SEX, men))

    assert found.value > 2
    assert found.low > 1
    assert found.k[0] + found.k[1] <= verified.point.k


def test_the_page_of_the_demo_says_what_was_counted(verified: Verified):
    """Its first sentence on labels has the four counts that numpy finds here, and the ratio of the command line."""
    results = {"kind": "verify", "groupings": ["sex"], "thresholds": [verified.point.threshold]}
    found = explored(results, verified.tally)
    assert found is not None
    said = claims(found, found.reported[0], Setting(1, 1000, 0.9))

    counts = []
    for sex in ("female", "male"):
        picked = verified.tally.pick(mated=False, group=Group(SEX, (sex, sex)))
        counts += [picked.at_or_above(verified.tally.edge(verified.point.threshold)), picked.trials]
    assert counts == [19_441, 4_372_477, 62_015, 52_478_334]
    assert said[2].text == (
        "Two people labelled female are 2.6 to 5.4 times as likely to be falsely matched with each other as two "
        "labelled male: 19,441 of 4,372,477 against 62,015 of 52,478,334 (95% interval; ratio 3.8)."
    )


@pytest.mark.parametrize("sex", ["female", "male"])
def test_intervals_agree_with_a_bootstrap_of_subjects(
    templates: Templates, unit: np.ndarray, verified: Verified, sex: str
):
    """The jackknife of blocks and the double-or-nothing bootstrap of subjects find intervals of the same width.

    Fogliato, Patil & Perona (2024): weights 0 or 2 for each subject, and for a pair the product of both. A standard
    error from 32 blocks is itself uncertain by 1 / sqrt(2 * 31) = 13%: three times that, and 5% for 500 replicates,
    allow a factor of 1.45.
    """
    members = np.flatnonzero(templates.labels["sex"] == sex)
    subject = np.unique(templates.subject_ids[members], return_inverse=True)[1]
    matches = []
    for first, scores in upper_scores(unit[members]):
        own, others = subject[first : first + len(scores)], subject[first:]
        accepted = (scores >= verified.point.threshold) & (own[:, None] != others)
        i, j = np.nonzero(np.triu(accepted))
        matches.append((own[i], others[j]))
    a, b = (np.concatenate(side) for side in zip(*matches, strict=True))
    rows = np.bincount(subject).astype(np.float64)
    random = np.random.default_rng(1)
    rates = []
    for _ in range(500):
        weight = 2.0 * random.integers(0, 2, len(rows))
        weighted = weight * rows
        pairs = (weighted.sum() ** 2 - (weighted**2).sum()) / 2
        rates.append((weight[a] * weight[b]).sum() / pairs)
    low, high = np.percentile(rates, [2.5, 97.5])

    found = metrics.fmr(verified.tally, verified.point.threshold, group=Group(SEX, (sex, sex)))

    assert len(a) == found.k
    assert 1 / 1.45 < (found.high - found.low) / (high - low) < 1.45
    assert low < found.value < high


@pytest.fixture(scope="module")
def task(templates: Templates) -> Identification:
    """First photograph of each subject enrolled, the last thousand subjects kept out."""
    gallery, probes = split_first_per_subject(templates, 1000)
    return Identification(gallery, probes, SEX, k=10, ranks=(1, 5, 10, 50))


def test_searches_equal_an_independent_count(templates: Templates, unit: np.ndarray, task: Identification):
    """False positives, misses at rank 1 and rank hits of 8,484 searches in 4,749 enrolled, overall and by sex."""
    thresholds = (0.85, 0.9, 0.92, 0.95, 0.97)
    tally = identify.count(task, task.plan(thresholds), search_all(task, CpuEngine(threads=2)))
    names = templates.subject_ids
    _, first = np.unique(names, return_index=True)
    enrolled = np.sort(first)[:-1000]
    probes = np.setdiff1d(np.arange(len(names)), enrolled)
    scores = (unit[probes].astype(np.float64) @ unit[enrolled].T.astype(np.float64)).astype(np.float32)
    is_mate = names[probes][:, None] == names[enrolled][None, :]
    is_mated = is_mate.any(axis=1)
    mate = np.where(is_mate, scores, -2).max(axis=1)
    rank = 1 + (np.where(is_mate, -2, scores) >= mate[:, None]).sum(axis=1)
    best = scores.max(axis=1)
    sex = templates.labels["sex"][probes]

    assert (len(task.gallery), len(task.probes)) == (len(enrolled), len(probes)) == (4_749, 8_484)
    assert (is_mate.sum(axis=1) <= 1).all()
    for group in (None, "female", "male"):
        chosen = np.ones(len(probes), bool) if group is None else sex == group
        options = {} if group is None else {"group": Group.within(SEX, group)}
        mated, non_mated = chosen & is_mated, chosen & ~is_mated
        for threshold in thresholds:
            positive = metrics.fpir(tally, threshold, **options)
            assert (positive.k, positive.n) == ((best[non_mated].astype(float) >= threshold).sum(), non_mated.sum())
            for r in task.ranks:
                miss = metrics.fnir(tally, threshold, rank=r, **options)
                hits = (mate[mated].astype(float) >= threshold) & (rank[mated] <= r)
                assert (miss.k, miss.n) == ((~hits).sum(), mated.sum())
        for r in task.ranks:
            assert metrics.rank_hits(tally, r, **options) == ((rank[mated] <= r).sum(), mated.sum())
