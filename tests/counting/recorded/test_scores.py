"""Counts of recorded comparisons: those of a plain loop, and those of the templates that made the scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from frbench.counting.calibrate import Target, operating_points, points_by
from frbench.counting.layout import Layout
from frbench.counting.pair_list import PairList
from frbench.counting.recorded import comparisons
from frbench.counting.recorded.people import read_people, without_vectors
from frbench.counting.recorded.score_files import Recorded
from frbench.counting.recorded.scores import RecordedScores, auc, looks_reversed
from frbench.counting.sweep import sweep
from frbench.counting.verify import Pairs
from frbench.engines.cpu import CpuEngine
from frbench.errors import InputError
from frbench.plan import POPULATION, Group, blocks_of, score_axis
from frbench.reading import metrics
from frbench.runs.export import bob_lines
from frbench.tally import Tally
from frbench.templates import Templates, load
from tests import ROOT
from tests.worlds import worlds

LFW = ROOT / "examples" / "lfw"
SUBJECTS = "abcdefgh"
SEX = "fmfmf mm"
Row = tuple[int, int, float]


def scores(
    stack: ExitStack,
    path: Path,
    format: str = "bob4",
    *,
    people: Templates | None = None,
    columns: Sequence[str] = (),
    n_blocks: int = 32,
    **options,
) -> RecordedScores:
    """A file, ready to be counted."""
    source = Recorded.open(str(path), format, **options)
    found = comparisons.read(source, path.parent, people=people, columns=columns, n_blocks=n_blocks, stack=stack)
    return RecordedScores(found, "test")


def of_text(stack: ExitStack, directory: Path, text: str, format: str = "bob4", **options) -> RecordedScores:
    """The same, from a text."""
    path = directory / "s.txt"
    path.write_text(text)
    return scores(stack, path, format, **options)


ROWS = st.lists(
    st.tuples(
        st.integers(0, 7),
        st.integers(0, 7),
        st.floats(-2, 2) | st.sampled_from([0.0, 0.25, 0.5, 1.0, math.nan]),
    ),
    min_size=1,
    max_size=60,
)


@given(ROWS, st.integers(1, 9), st.lists(st.floats(-2, 2), min_size=1, max_size=6), st.booleans())
@settings(worlds.FEW, max_examples=60)
def test_the_tally_is_that_of_a_loop(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], n_blocks: int, thresholds: list[float], grouped: bool
):
    """Every comparison in one bin of one cell, and in the tallies of the blocks of its one or two subjects."""
    directory = tmp_path_factory.mktemp("scores")
    edges = tuple(sorted({t + 0.0 for t in thresholds} | {0.5}))
    text = "".join(f"{SUBJECTS[a]} {SUBJECTS[b]} p{i} {s!r}\n" for i, (a, b, s) in enumerate(rows))
    names = worlds.text_array(list(SUBJECTS))
    people = without_vectors(names, names, {"sex": worlds.text_array([s.strip() for s in SEX])})
    with ExitStack() as stack:
        found = of_text(stack, directory, text, people=people, columns=("sex",) if grouped else (), n_blocks=n_blocks)
        tally = found.count(found.plan(edges))

    block = blocks_of(names, n_blocks)
    total: dict[worlds.Key, list[int]] = {}
    touching: dict[tuple[int, worlds.Key], list[int]] = {}
    for a, b, s in rows:
        groups = sorted((SEX[i].strip(),) if grouped else () for i in (a, b))
        key = (a == b, groups[0], groups[1])
        place = len(edges) + 1 if math.isnan(s) else sum(s >= edge for edge in edges)
        for bins in [total.setdefault(key, [0] * (len(edges) + 2))] + [
            touching.setdefault((int(x), key), [0] * (len(edges) + 2)) for x in {block[a], block[b]}
        ]:
            bins[place] += 1
    assert worlds.by_name(tally.plan, tally.total) == {key: tuple(bins) for key, bins in total.items()}
    for x in range(n_blocks):
        assert worlds.by_name(tally.plan, tally.touching[x]) == {
            key: tuple(bins) for (y, key), bins in touching.items() if y == x
        }
    assert tally.is_complete


@given(ROWS, st.lists(st.integers(0, 60), min_size=1, max_size=4))
@settings(worlds.FEW, max_examples=60)
def test_thresholds_are_the_smallest_that_keep_the_rate(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], allowed: list[int]
):
    """Against the sorted scores: one float64 lower accepts too many."""
    text = "".join(f"{SUBJECTS[a]} {SUBJECTS[b]} p{i} {s!r}\n" for i, (a, b, s) in enumerate(rows))
    nonmated = [s for a, b, s in rows if a != b and not math.isnan(s)]
    with ExitStack() as stack:
        found = of_text(stack, tmp_path_factory.mktemp("scores"), text)
        n, unscored = found.n_trials(None)
        thresholds = found.thresholds(allowed, None) if nonmated else []

    assert (n, unscored) == (sum(a != b for a, b, _ in rows), n - len(nonmated))
    for (threshold, k), most in zip(thresholds, allowed, strict=bool(nonmated)):
        assert k == sum(s >= threshold for s in nonmated) <= most
        lower = math.nextafter(threshold, -math.inf)
        assert most >= len(nonmated) or sum(s >= lower for s in nonmated) > most


def with_labels_of(people: Templates, templates: Templates) -> Templates:
    """Templates with the label of their subject; the file leaves that of some photographs of two people out."""
    label = dict(zip(people.template_ids, people.labels["sex"], strict=True))
    assert templates.subject_ids is not None
    return replace(templates, labels={"sex": worlds.text_array([label[name] for name in templates.subject_ids])})


def test_a_bob_file_of_lfw_pairs_counts_as_the_templates_do(tmp_path: Path):
    """6,000 listed pairs, by sex: cells, trials, people and every count of the tally are those of `verify --pairs`."""
    people = read_people(LFW / "labels.csv", ("sex",))
    templates = with_labels_of(people, load(LFW / "dlib-128.npy", labels=LFW / "labels.csv", threads=1))
    pairs = PairList.read(LFW / "pairs.csv", templates)
    engine = CpuEngine(threads=1)
    counter = Pairs(pairs, Layout.of(templates, ("sex",)), engine)
    plan = counter.plan(score_axis(0.001))
    expected = sweep(plan, lambda tile: counter.count(plan, tile))
    rows = engine.rows(templates.unit)
    subjects, ids = templates.subject_ids, templates.template_ids
    assert subjects is not None
    lines = bob_lines(
        "bob4",
        subjects[pairs.a],
        ids[pairs.a],
        subjects[pairs.b],
        # Several templates of a subject meet one probe, which a file of four columns cannot tell apart.
        worlds.text_array([f"{a}/{b}" for a, b in zip(ids[pairs.a], ids[pairs.b], strict=True)]),
        rows.score_pairs(rows, pairs.a, pairs.b).tolist(),
    )
    (tmp_path / "s.txt").write_text("".join(lines))
    targets = [Target("fmr", "1e-2"), Target("fmr", "1e-3")]
    with ExitStack() as stack:
        found = scores(stack, tmp_path / "s.txt", people=people, columns=("sex",))
        tally = found.count(found.plan(plan.edges))
        points = points_by(lambda k: found.thresholds(k, None), found.n_trials(None)[0], targets, population="all")

    assert (tally.total == expected.total).all()
    assert (tally.touching == expected.touching).all()
    for name in ("kind", "columns", "groups", "cells", "trials", "subjects", "mated_subjects", "n_blocks"):
        assert getattr(tally.plan, name) == getattr(plan, name), name
    details = [{k: v for k, v in of.details.items() if k != POPULATION} for of in (tally.plan, plan)]
    assert details[0] == details[1]
    assert (len(pairs.a), tally.plan.details["independent_nonmated"] > 1000) == (6000, True)
    assert metrics.fmr(tally, 0.95, group=Group(("sex",), ("female", "male"))) == metrics.fmr(
        expected, 0.95, group=Group(("sex",), ("female", "male"))
    )
    nonmated = np.sort(rows.score_pairs(rows, pairs.a, pairs.b)[~pairs.mated].astype(np.float64))
    same = operating_points(
        lambda edges: len(nonmated) - np.searchsorted(nonmated, edges), len(nonmated), targets, population="all"
    )
    # The float64 after a float32 lies below the float32 after it, with no score between them.
    assert [(p.k, p.n) for p in points] == [(p.k, p.n) for p in same] == [(30, 3000), (3, 3000)]
    for ours, theirs in zip(points, same, strict=True):
        assert np.float32(ours.threshold).astype(float) < ours.threshold < theirs.threshold


def test_a_population_sets_its_own_threshold(tmp_path: Path):
    """Among women .5 and .3, among all .9 too: one of two may pass, then one of three."""
    names = worlds.text_array(list("abcd"))
    people = without_vectors(names, names, {"sex": worlds.text_array(list("fffm"))})
    with ExitStack() as stack:
        found = of_text(
            stack, tmp_path, "a b p1 0.5\na c p2 0.3\na d p3 0.9\nd d p4 1\n", people=people, columns=("sex",)
        )

        assert found.n_trials(("sex", "f")) == (2, 0)
        assert found.thresholds([1], ("sex", "f")) == [(math.nextafter(0.3, 1), 1)]
        assert found.thresholds([1], None) == [(math.nextafter(0.5, 1), 1)]
        # All may pass: the lowest score of all accepts them.
        assert found.thresholds([3], None) == [(0.3, 3)]
        with pytest.raises(InputError, match="nobody has sex=x; the labels are f, m"):
            found.require_group("sex", "x")


def test_without_people_rates_have_no_interval(tmp_path: Path):
    """Scores alone: 1 of 2 is a rate, and nothing is known of who was compared."""
    with ExitStack() as stack:
        found = of_text(stack, tmp_path, "1 0.9\n-1 0.4\n-1 0.6\n", "bob2")
        tally = found.count(found.plan((0.5,)))
    rate = metrics.fmr(tally, 0.5)

    assert (rate.k, rate.n, rate.low, rate.high) == (1, 2, None, None)
    assert "people are not known" in rate.reason
    assert tally.touching.shape == (0, 2, 3)


def of_scores(stack: ExitStack, directory: Path, mated: np.ndarray, nonmated: np.ndarray, **options) -> Tally:
    """The tally of scores alone, each an edge of its own."""
    text = "".join(f"{label} {s!r}\n" for label, part in ((1, mated), (-1, nonmated)) for s in part.tolist())
    found = of_text(stack, directory, text, "bob2", **options)
    sign = -1 if options.get("is_distance") else 1
    return found.count(found.plan(tuple(np.unique(sign * np.concatenate([mated, nonmated])).tolist())))


@pytest.mark.parametrize("seed", range(5))
def test_auc_is_that_of_mann_and_whitney(tmp_path: Path, seed: int):
    """Ties count one half; against scipy. Both are sums of at most 3,000 products, right to 1e-12."""
    random = np.random.default_rng(seed)
    mated, nonmated = random.integers(3, 12, 40) / 8, random.integers(0, 10, 70) / 8
    with ExitStack() as stack:
        found = auc(of_scores(stack, tmp_path, mated, nonmated))

    assert found == pytest.approx(stats.mannwhitneyu(mated, nonmated).statistic / (40 * 70), abs=1e-12)


def test_distances_are_told_from_similarities(tmp_path: Path):
    """Mated distances are low: read as scores they look reversed, and read as distances they do not."""
    random = np.random.default_rng(1)
    mated, nonmated = random.normal(0.6, 0.2, 50), random.normal(1.2, 0.2, 50)
    with ExitStack() as stack:
        assert looks_reversed(of_scores(stack, tmp_path, mated, nonmated))
        assert not looks_reversed(of_scores(stack, tmp_path, mated, nonmated, is_distance=True))


def test_a_matcher_that_knows_nothing_is_not_reversed(tmp_path: Path):
    """Five standard errors below 1/2 are as good as never chance; three scores can never show them."""
    random = np.random.default_rng(2)
    with ExitStack() as stack:
        for _ in range(30):
            assert not looks_reversed(of_scores(stack, tmp_path, random.normal(size=10), random.normal(size=30)))
        assert not looks_reversed(of_scores(stack, tmp_path, np.array([0.1]), np.array([0.2, 0.3])))
