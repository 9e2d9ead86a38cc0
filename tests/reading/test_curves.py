"""EER and AUC: hand vectors, other people's definitions written out, bounds that hold, and coverage of known truth."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from scipy import optimize, stats

from frbench.choices import FAILED_POLICIES
from frbench.counting.layout import Layout
from frbench.counting.pair_list import PairList
from frbench.counting.sweep import sweep
from frbench.counting.verify import Pairs
from frbench.engines.cpu import CpuEngine
from frbench.errors import InputError
from frbench.reading import metrics
from frbench.reading.curves import Eer, auc, eer, ordered, pooled, rocch_eer, wins_and_ties
from frbench.tally import Tally
from frbench.templates import load
from tests import ROOT
from tests.worlds import worlds

LFW = ROOT / "examples" / "lfw"
# metrics.md 5(d), scores in hundredths so that they are exact.
IMPOSTOR, GENUINE = (10, 20, 30, 50), (35, 45, 60, 70)
POLICIES = FAILED_POLICIES


def of_scores(
    nonmated: ArrayLike,
    mated: ArrayLike,
    edges: Sequence[float],
    *,
    failed: tuple[int, int] = (0, 0),
    blocks: tuple[ArrayLike, ArrayLike] | None = None,
    n_blocks: int = 32,
) -> Tally:
    """The tally of scores; `failed` trials of each kind have none. blocks : of each trial, one each."""
    total = np.zeros((2, len(edges) + 2))
    touching = np.zeros((n_blocks, *total.shape))
    for kind, scores in enumerate((nonmated, mated)):
        bins = np.searchsorted(edges, np.asarray(scores, dtype=float), side="right")
        np.add.at(total[kind], bins, 1)
        total[kind, -1] = failed[kind]
        if blocks is not None:
            np.add.at(touching[:, kind], (np.asarray(blocks[kind]), bins), 1)
    plan = worlds.small_plan(edges=tuple(map(float, edges)), n_blocks=n_blocks)
    return worlds.tally_of(plan, total, touching)


def between(*scores: ArrayLike) -> list[float]:
    """A point between every two neighbouring scores: edges at which no operating point is lost."""
    found = np.unique(np.concatenate([np.asarray(s, dtype=float) for s in scores]))
    return [found[0] - 1, *((found[:-1] + found[1:]) / 2).tolist(), found[-1] + 1]


def random_scores(seed: int, *, most: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Non-mated and mated scores, with ties among and between them."""
    random = np.random.default_rng(seed)
    n, m = random.integers(1, most, size=2)
    shift, width = random.integers(0, 8), random.integers(1, 15)
    return random.integers(0, width, size=n), random.integers(0, width, size=m) + shift


def rates(threshold: float, nonmated: ArrayLike, mated: ArrayLike) -> tuple[float, float]:
    """FMR and FNMR, one comparison after the other."""
    nonmated, mated = np.asarray(nonmated), np.asarray(mated)
    return sum(s >= threshold for s in nonmated) / len(nonmated), sum(s < threshold for s in mated) / len(mated)


def bob(nonmated: ArrayLike, mated: ArrayLike) -> tuple[float, float]:
    """bob.measure's rule: over points between distinct scores, the least |FMR - FNMR|, the last of several."""
    best = (math.inf, 0.0, 0.0)
    for threshold in between(nonmated, mated):
        wrong, missed = rates(threshold, nonmated, mated)
        # Ties up to the rounding of two quotients.
        if abs(wrong - missed) <= best[0] + 1e-12:
            best = (abs(wrong - missed), (wrong + missed) / 2, threshold)
    return best[1], best[2]


def fvc(nonmated: ArrayLike, mated: ArrayLike) -> tuple[float, float]:
    """FVC2000's interval: around the crossing of FMR and FNMR."""
    found = [rates(t, nonmated, mated) for t in between(nonmated, mated)]
    t1 = [each for each in found if each[1] <= each[0] + 1e-12][-1]
    t2 = next(each for each in found if each[1] >= each[0] - 1e-12)
    return (t1[1], t1[0]) if sum(t1) <= sum(t2) + 1e-12 else (t2[0], t2[1])


def hull_crossing(nonmated: ArrayLike, mated: ArrayLike) -> float:
    """Where the hull has equal errors, as a linear programme: the worst prior's least error over all thresholds."""
    points = np.array([rates(t, nonmated, mated) for t in between(nonmated, mated)])
    # Maximise v with v <= p FNMR + (1 - p) FMR at every point.
    a = np.column_stack([np.ones(len(points)), points[:, 0] - points[:, 1]])
    found = optimize.linprog([-1, 0], A_ub=a, b_ub=points[:, 0], bounds=[(0, 1), (0, 1)])
    return float(-found.fun)


def test_the_probe_of_conventions_by_hand():
    """Above .30 one impostor of four is accepted and no genuine one rejected, above .35 one of each: 1/4."""
    found = eer(of_scores(IMPOSTOR, GENUINE, between(IMPOSTOR, GENUINE)))

    assert (found.value, found.threshold) == (1 / 4, 40)
    assert (found.false_matches, found.n_nonmated, found.false_nonmatches, found.n_mated) == (1, 4, 1, 4)
    assert found.fvc == (1 / 4, 1 / 4)
    # The hull goes from (FMR 1/4, FNMR 0) to (0, 1/2): crossed where x = 1/4 - x / 2.
    assert found.rocch == pytest.approx(1 / 6, rel=1e-15)


def test_the_middle_of_two_rates_is_bobs_eer():
    """bob's example has FMR .10 and FNMR .12 at T = 5.45, so its EER is .11, as is the middle of FVC's interval."""
    nonmated, mated = [5] * 45 + [6] * 5, [5] * 6 + [6] * 44
    found = eer(of_scores(nonmated, mated, [5.45]))

    # (5 * 50 + 6 * 50) / (2 * 50 * 50), rounded once.
    assert (found.value, found.threshold) == (0.11, 5.45)
    assert (found.false_matches / found.n_nonmated, found.false_nonmatches / found.n_mated) == (0.10, 0.12)
    assert found.fvc == (0.10, 0.12)


@given(st.integers(0, 2**32 - 1))
@worlds.FEW
def test_three_equal_error_rates_follow_their_definitions(seed: int):
    """bob's and FVC2000's rules written out over scores, and the hull as a linear programme, on scores with ties."""
    scores = random_scores(seed)
    found = eer(of_scores(*scores, between(*scores)))
    value, threshold = bob(*scores)

    # Quotients against one rounding of exact counts; the programme is solved to 1e-9.
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.threshold == threshold
    assert found.fvc == pytest.approx(fvc(*scores), abs=1e-12)
    assert found.rocch == pytest.approx(hull_crossing(*scores), abs=1e-8)
    # No threshold has both errors below the hull.
    assert found.rocch <= max(rates(found.threshold, *scores)) + 1e-12


@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 3.0, 7.0]))
@worlds.FEW
def test_coarser_edges_bound_what_finer_ones_find(seed: int, step: float):
    """EER and AUC of the scores themselves lie within the bounds that any axis gives."""
    scores = random_scores(seed)
    coarse = np.arange(-0.5, 25, step)
    fine, rough = (eer(of_scores(*scores, edges)) for edges in (between(*scores), coarse))

    assert rough.bounds[0] <= fine.value <= rough.bounds[1]
    assert rough.bounds[0] <= rough.value <= rough.bounds[1]
    assert rough.bounds[0] <= sum(fine.fvc) / 2 + 1e-12
    assert sum(fine.fvc) / 2 - 1e-12 <= rough.bounds[1]
    area, seen = auc(of_scores(*scores, between(*scores))), auc(of_scores(*scores, coarse))
    assert seen.bounds[0] <= area.value <= seen.bounds[1]
    assert sum(seen.bounds) / 2 == pytest.approx(seen.value, rel=1e-15)


def test_auc_by_hand():
    """Above the impostors .10 .20 .30 .50 lie: for .35 three, .45 three, .60 four, .70 four: 14 of 16."""
    found = auc(of_scores(IMPOSTOR, GENUINE, between(IMPOSTOR, GENUINE)))
    one_bin = auc(of_scores(IMPOSTOR, GENUINE, [90]))

    assert (found.wins, found.ties, found.n, found.value) == (14, 0, 16, 14 / 16)
    assert found.bounds == (14 / 16, 14 / 16)
    assert (one_bin.wins, one_bin.ties, one_bin.value, one_bin.bounds) == (0, 16, 0.5, (0.0, 1.0))


@pytest.mark.parametrize(
    ("failed", "area", "bounds"),
    [
        # One impostor and two genuine comparisons failed. Below all: 4 genuine win over it, and it ties with two.
        ("reject", (14 + 4 + 2 / 2) / (5 * 6), ((14 + 4 + 2 / 2) / 30, (14 + 4 + 2 / 2) / 30)),
        ("exclude", 14 / 16, (14 / 16, 14 / 16)),
        ("accept", (14 + 2 * 4 + 2 / 2) / (5 * 6), ((14 + 2 * 4 + 2 / 2) / 30, (14 + 2 * 4 + 2 / 2) / 30)),
    ],
)
def test_failed_trials_stand_where_the_policy_puts_them(failed, area: float, bounds: tuple[float, float]):
    """They tie with one another alone, and no finer axis would part them."""
    tally = of_scores(IMPOSTOR, GENUINE, between(IMPOSTOR, GENUINE), failed=(1, 2))
    found = auc(tally, failed=failed)

    assert found.value == area
    assert found.bounds == bounds
    point = eer(tally, failed=failed)
    for metric, k, n in (
        (metrics.fmr, point.false_matches, point.n_nonmated),
        (metrics.fnmr, point.false_nonmatches, point.n_mated),
    ):
        counted = metric(tally, point.threshold, failed=failed)
        assert (counted.k, counted.n) == (k, n)


@pytest.mark.parametrize(("failed", "score"), [("reject", 0), ("exclude", 0), ("exclude", 2), ("accept", 2)])
def test_the_threshold_is_always_an_edge(failed, score: int):
    """Accepting every score, or none, may part failed trials more evenly, but at no edge: the one edge is named."""
    found = eer(of_scores([score] * 2, [score] * 2, [1], failed=(2, 2)), failed=failed)

    assert (found.threshold, found.value) == (1, 0.5)
    assert (found.false_matches == found.n_nonmated) == (score > 1)


@given(st.integers(0, 2**32 - 1))
@worlds.FEW
def test_auc_is_mann_whitneys(seed: int):
    """U / (n m), ties counted one half, by scipy."""
    nonmated, mated = random_scores(seed)
    found = auc(of_scores(nonmated, mated, between(nonmated, mated)))
    u = stats.mannwhitneyu(mated, nonmated).statistic

    assert found.wins + found.ties / 2 == u
    assert found.value == pytest.approx(u / (len(nonmated) * len(mated)), rel=1e-15)


@given(st.integers(0, 2**32 - 1))
@worlds.FEW
def test_turning_scores_over_exchanges_the_errors(seed: int):
    """With mated and non-mated exchanged and scores negated, EER of the hull and AUC are the same."""
    nonmated, mated = random_scores(seed)
    sides = (nonmated, mated), (-mated, -nonmated)
    found, turned = (of_scores(*each, between(*each)) for each in sides)

    assert auc(turned).value == auc(found).value
    # The crossing is interpolated from the other end.
    assert eer(turned).rocch == pytest.approx(eer(found).rocch, abs=1e-12)


@given(st.integers(0, 2**32 - 1))
@worlds.FEW
def test_pooled_blocks_rise_and_keep_every_trial(seed: int):
    """Shares of mated trials rise strictly from block to block, up to rounding, and counts add up."""
    scores = random_scores(seed)
    tally = of_scores(*scores, between(*scores))
    sides = [ordered(tally.pick(mated=mated).bins, "reject") for mated in (False, True)]
    wrong, right = pooled(*sides)
    shares = right / (wrong + right)

    assert (wrong.sum(), right.sum()) == tuple(map(len, scores))
    assert (np.diff(shares) > -1e-12).all()


def test_two_crossing_points_have_the_crossing_between_them():
    """One block of both kinds: the hull is the diagonal, with equal errors at one half."""
    assert rocch_eer(np.array([3]), np.array([5])) == 0.5
    assert rocch_eer(np.array([3, 0]), np.array([0, 5])) == 0


def test_counts_are_exact_beyond_float64():
    """10^15 non-mated trials below, one mated trial above and one with them: 10^15 wins and as many ties."""
    many = 10**15
    wins, ties, n = wins_and_ties(np.array([many + 1, 0]), np.array([1, 1]))

    assert (wins, ties, n) == (many + 1, many + 1, 2 * many + 2)


def test_without_trials_of_both_kinds_there_is_no_curve():
    """The reason names the kind; a policy that is none is refused."""
    no_mated = worlds.World(worlds.templates(np.eye(3), list("abc"), sex=["f"] * 3)).tally
    for metric in (eer, auc):
        found = metric(no_mated)
        assert (found.value, found.low, found.reason) == (None, None, "0 mated trials")
        with pytest.raises(InputError, match="reject, exclude, accept"):
            metric(no_mated, failed="ignore")


def test_without_edges_there_is_no_threshold():
    """A tally of one bin has an AUC of a half and no EER."""
    tally = of_scores(IMPOSTOR, GENUINE, [])

    assert (eer(tally).value, eer(tally).reason) == (None, "the tally has no edges, and so no threshold")
    assert auc(tally).value == 0.5


def test_people_who_are_not_known_leave_no_interval():
    """A list of pairs without labels has the value alone."""
    plan = worlds.small_plan(kind="pairs", details={"subjects_known": False, "independent_nonmated": 0})
    found = auc(worlds.tally_of(plan, [[3, 1, 0], [1, 3, 0]]))

    # Three of three mated ones above three, three ties below and three above the edge.
    assert (found.value, found.low) == ((3 * 3 + (3 * 1 + 1 * 3) / 2) / 16, None)
    assert "give --labels" in found.reason


def test_mates_in_two_blocks_leave_no_interval():
    """Non-mated people fill 32 blocks and mated ones two: how mates vary cannot be seen."""
    blocks = np.arange(64) % 32
    seen = of_scores(np.arange(64) % 7, np.arange(64) % 5 + 3, between(range(9)), blocks=(blocks, blocks))
    few = worlds.parties((1, 1, *(0,) * 30))
    plan = worlds.small_plan(edges=seen.plan.edges, mated_subjects=few)

    for metric in (eer, auc):
        assert metric(seen).low is not None
        assert "2 blocks" in metric(worlds.tally_of(plan, seen.total, seen.touching)).reason


def test_curves_are_json():
    """Every field, without infinity."""
    found = eer(of_scores(IMPOSTOR, GENUINE, between(IMPOSTOR, GENUINE))).to_json()

    assert set(found) == set(Eer.__dataclass_fields__)
    assert found["fvc"] == [0.25, 0.25]


N_SUBJECTS, N_BLOCKS = 96, 32


def world_of_known_truth(random: np.random.Generator, gap: float, spread: float) -> Tally:
    """Scores of people who differ: non-mated a_i + a_j + e, mated gap + a_i + e, all normal, on edges .1 apart."""
    effect = spread * random.normal(size=N_SUBJECTS)
    i, j = np.triu_indices(N_SUBJECTS, k=1)
    who = np.repeat(np.arange(N_SUBJECTS), random.integers(1, 13, size=N_SUBJECTS))
    edges = np.arange(-4, 9, 0.1)
    block = np.arange(N_SUBJECTS) % N_BLOCKS
    nonmated = np.searchsorted(edges, effect[i] + effect[j] + random.normal(size=len(i)), side="right")
    mated = np.searchsorted(edges, gap + effect[who] + random.normal(size=len(who)), side="right")
    touching = np.zeros((N_BLOCKS, 2, len(edges) + 2))
    np.add.at(touching, (block[i], 0, nonmated), 1)
    apart = block[i] != block[j]
    np.add.at(touching, (block[j][apart], 0, nonmated[apart]), 1)
    np.add.at(touching, (block[who], 1, mated), 1)
    total = [np.bincount(side, minlength=len(edges) + 2) for side in (nonmated, mated)]
    subjects = worlds.parties((N_SUBJECTS // N_BLOCKS,) * N_BLOCKS)
    plan = worlds.small_plan(edges=tuple(edges), subjects=subjects, mated_subjects=subjects, n_blocks=N_BLOCKS)
    return worlds.tally_of(plan, total, touching)


@pytest.mark.parametrize(("gap", "spread"), [(3.0, 0.35), (2.0, 0.7)])
def test_intervals_cover_a_known_truth(gap: float, spread: float):
    """In 200 worlds of crossed subject effects 95% intervals of EER and AUC hold the truth 90% to 99.5% of the time.

    Non-mated scores have variance 1 + 2 spread^2 and mated ones 1 + spread^2, so with deviations a and b
    EER = Phi(-gap / (a + b)) and AUC = Phi(gap / sqrt(a^2 + b^2)). The standard error of a share of 200 at 95% is
    sqrt(.95 * .05 / 200) = 1.5%: 90% is 3.2 of them below, 99.5% is 2.9 above.
    """
    random = np.random.default_rng(20240602)
    a, b = math.sqrt(1 + 2 * spread**2), math.sqrt(1 + spread**2)
    truth = {eer: stats.norm.cdf(-gap / (a + b)), auc: stats.norm.cdf(gap / math.hypot(a, b))}
    covered = dict.fromkeys(truth, 0)
    n_worlds = 200
    for _ in range(n_worlds):
        tally = world_of_known_truth(random, gap, spread)
        for metric, value in truth.items():
            found = metric(tally)
            covered[metric] += found.low <= value <= found.high

    assert 0.90 <= covered[eer] / n_worlds <= 0.995
    assert 0.90 <= covered[auc] / n_worlds <= 0.995


@pytest.fixture(scope="module")
def listed() -> tuple[PairList, np.ndarray]:
    """The 6,000 pairs of LFW, and their scores by numpy alone.

    einsum adds in another order: its sums differ by less than 2e-14 before they are rounded to float32, so that of
    6,000 about 6,000 * 2e-14 / 6e-8 = 0.002 round the other way. The data are fixed: it does not happen.
    """
    templates = load(LFW / "dlib-128.npy", labels=LFW / "labels.csv")
    pairs = PairList.read(LFW / "pairs.csv", templates)
    raw = np.load(LFW / "dlib-128.npy").astype(np.float64)
    unit = (raw / np.sqrt((raw * raw).sum(axis=1, keepdims=True))).astype(np.float32).astype(np.float64)
    return pairs, np.einsum("nd,nd->n", unit[pairs.a], unit[pairs.b]).astype(np.float32).astype(np.float64)


def test_real_pairs_agree_with_sorted_scores(listed: tuple[PairList, np.ndarray]):
    """DET at all 6,000 scores, EER and AUC of LFW's pairs, against numpy's sorted scores and scipy's Mann-Whitney U."""
    pairs, scores = listed
    edges = np.unique(scores)
    counter = Pairs(pairs, Layout.of(pairs.templates, (), 32), CpuEngine(threads=1))
    tally = sweep(plan := counter.plan(tuple(edges.tolist())), lambda tile: counter.count(plan, tile))
    nonmated, mated = np.sort(scores[~pairs.mated]), np.sort(scores[pairs.mated])
    curve = metrics.det(tally)

    np.testing.assert_array_equal(curve.false_matches, len(nonmated) - np.searchsorted(nonmated, edges))
    np.testing.assert_array_equal(curve.false_nonmatches, np.searchsorted(mated, edges))
    survival = stats.ecdf(nonmated).sf
    # The survival function counts scores above its argument, FMR those at or above: one score earlier.
    np.testing.assert_allclose(curve.false_matches[1:] / 3000, survival.evaluate(edges[:-1]), atol=1e-12)
    area = auc(tally)
    assert area.wins + area.ties / 2 == stats.mannwhitneyu(mated, nonmated).statistic
    assert area.low < area.value < area.high
    found = eer(tally)
    gap = np.abs(curve.false_matches - curve.false_nonmatches)
    last = len(gap) - 1 - int(np.argmin(gap[::-1]))
    assert (found.threshold, found.false_matches) == (edges[last], curve.false_matches[last])
    assert found.value == (curve.false_matches[last] + curve.false_nonmatches[last]) / 6000


def test_real_pairs_on_an_axis_lie_within_its_bounds(listed: tuple[PairList, np.ndarray]):
    """On 2,001 edges the AUC and EER of the scores themselves lie within the bounds, which are narrow."""
    pairs, scores = listed
    sides = scores[~pairs.mated], scores[pairs.mated]
    exact = of_scores(*sides, np.unique(scores))
    binned = of_scores(*sides, np.linspace(-1, 1, 2001))

    for metric in (eer, auc):
        found, truth = metric(binned), metric(exact)
        assert found.bounds[0] <= truth.value <= found.bounds[1]
        # Of scores that spread over .3, a thousandth is one part in three hundred.
        assert found.bounds[1] - found.bounds[0] < 1 / 100
