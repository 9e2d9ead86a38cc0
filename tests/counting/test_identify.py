"""1:N searches: who is enrolled, what is found, and what a search counts as."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from frbench.candidates import Candidates
from frbench.counting import identify
from frbench.counting.identify import Identification, search_all, split_first_per_subject
from frbench.counting.sweep import Checkpoint
from frbench.engines import reference
from frbench.engines.cpu import CpuEngine
from frbench.engines.reference import ReferenceEngine
from frbench.errors import Conservation, InputError
from frbench.reading import metrics
from frbench.tally import Tally
from tests.worlds import worlds

NAN, INF = np.nan, np.inf
T = 0.6


def hand_vector() -> tuple[Identification, Candidates]:
    """metrics.md 1.6: gallery A, B, C, D; four mated searches, m4 failed; three non-mated ones, u3 failed.

    m1(A): A.9 B.4 C.3 D.2   m2(B): A.7 B.7 C.1 D.0   m3(C): A.2 B.8 C.6 D.1   m4(D): failed
    u1: A.65 B.1 C.1 D.6     u2: A.3 B.2 C.1 D.1      u3: failed
    """
    gallery = worlds.templates(np.eye(4), list("ABCD"))
    probes = worlds.templates(np.eye(7, 4), list("ABCDuvw"), failed=[3, 6], sex=["f"] * 7)
    task = Identification(gallery, probes, ("sex",), k=4, ranks=(1, 4), n_blocks=8)
    scores = np.float32(
        [
            [0.9, 0.4, 0.3, 0.2],
            [0.7, 0.7, 0.1, 0.0],
            [0.8, 0.6, 0.2, 0.1],
            [-INF] * 4,
            [0.65, 0.6, 0.1, 0.1],
            [0.3, 0.2, 0.1, 0.1],
            [-INF] * 4,
        ]
    )
    a, b, c, d = range(4)
    rows = [[a, b, c, d], [a, b, c, d], [b, c, a, d], [-1] * 4, [a, d, b, c], [a, b, c, d], [-1] * 4]
    return task, Candidates(
        search=task.digest,
        shards=frozenset({(0, 4)}),
        probe=np.arange(7),
        scores=scores,
        rows=np.array(rows),
        mate_score=np.float32([0.9, 0.7, 0.6, NAN, NAN, NAN, NAN]),
        above_mate=np.array([0, 1, 1, 0, 0, 0, 0]),
    )


def hand_tally(edges: tuple[float, ...] = (T,)) -> Tally:
    """The hand vector, counted. Scores of .6 are float32(.6), the first float32 at or above 0.6."""
    task, candidates = hand_vector()
    return identify.count(task, task.plan(edges), candidates)


def fraction(estimate) -> Fraction:
    """Numerator over denominator."""
    return Fraction(estimate.k, estimate.n)


def test_the_hand_vector_has_its_published_rates():
    """FNIR(4,1,.6) = 3/4, FNIR(4,4,.6) = 1/4, FPIR = 1/3; rank-1 misses without a threshold 3/4."""
    tally = hand_tally()

    assert fraction(metrics.fnir(tally, T, rank=1)) == Fraction(3, 4)
    assert fraction(metrics.fnir(tally, T, rank=4)) == Fraction(1, 4)
    assert fraction(metrics.fpir(tally, T)) == Fraction(1, 3)
    assert fraction(metrics.fnir(tally, None, rank=1)) == Fraction(3, 4)
    assert metrics.rank_hits(tally, 1) == (1, 4)
    assert metrics.rank_hits(tally, 4) == (3, 4)


def test_a_score_above_the_threshold_alone_is_a_hit_in_the_strict_reading():
    """One float32 above .6, m3 is missed too: 2/4, the vector's strict reading; FPIR stays at 1/3."""
    above = float(np.nextafter(np.float32(T), np.float32(1)))
    tally = hand_tally((T, above))

    assert fraction(metrics.fnir(tally, above, rank=4)) == Fraction(2, 4)
    assert fraction(metrics.fpir(tally, above)) == Fraction(1, 3)


def test_a_non_mated_search_counts_once():
    """u1 has two candidates at or above .6 and is one false positive: SEL would be 2/3."""
    assert metrics.fpir(hand_tally(), T).k == 1


def test_failed_searches_stay_in_the_denominators():
    """A failed probe is a miss and never a false positive (K6)."""
    assert hand_tally().pick(mated=True).unscored == 1
    assert hand_tally().pick(mated=False).unscored == 1
    assert (metrics.fnir(hand_tally(), None, rank=4).n, metrics.fpir(hand_tally(), T).n) == (4, 3)


def test_missing_searches_are_not_counted_silently():
    """Candidates of six of seven probes are refused."""
    task, c = hand_vector()
    arrays = {name: array[:6] for name, array in c.arrays().items()}
    with pytest.raises(Conservation, match="holds 2 trials, the plan declares 3"):
        identify.count(task, task.plan((T,)), Candidates(c.search, c.shards, **arrays))


def test_nonmated_tail_is_the_best_score_of_each_search():
    """u2 .3, u1 .65, and u3 without a score: the tail of 3 searches has 2 scores."""
    task, candidates = hand_vector()
    scores, n = identify.nonmated_tail(task, candidates, np.ones(7, dtype=bool))

    assert (scores.tolist(), n) == ([float(np.float32(0.3)), float(np.float32(0.65))], 3)
    only_u1 = np.arange(7) == 4
    scores, n = identify.nonmated_tail(task, candidates, only_u1)
    assert (scores.tolist(), n) == ([float(np.float32(0.65))], 1)


def counted_one_by_one(task: Identification, edges: tuple[float, ...]) -> dict:
    """Searches by (mated, group, rank class or 0) and bin, from the matrix of all scores."""
    scores = reference.scores(task.probes.unit, task.gallery.unit)
    scores[:, task.gallery.failed] = -INF
    out: dict = {}
    for i, own in enumerate(task.probes.subject_ids):
        is_mate = task.gallery.subject_ids == own
        mates, others = scores[i][is_mate], scores[i][~is_mate]
        value = mates.max() if is_mate.any() else others.max()
        is_scored = not task.probes.failed[i] and value > -INF
        part = 0
        if is_mate.any():
            rank = 1 + (others >= value).sum()
            part = sum(rank > r for r in task.ranks) if is_scored else len(task.ranks)
        key = (bool(is_mate.any()), worlds.label_of(task.probes, task.columns, i), part)
        out.setdefault(key, [0] * (len(edges) + 2))[sum(value >= e for e in edges) if is_scored else -1] += 1
    return out


@given(worlds.searches())
@worlds.FEW
def test_searches_are_counted_as_the_definition_says(task: Identification):
    """A tally of searches is the enumeration of all scores: several mates, ties, failures and labels included."""
    plan = task.plan(worlds.EDGES)
    tally = identify.count(task, plan, search_all(task, CpuEngine(threads=2)))
    got = {
        (cell.mated, plan.groups[cell.group_a], cell.part): row.tolist()
        for cell, row in zip(plan.cells, tally.total, strict=True)
        if row.any()
    }

    assert got == counted_one_by_one(task, worlds.EDGES)
    np.testing.assert_array_equal(tally.total, tally.touching.sum(axis=0))


@given(worlds.searches())
@worlds.FEW
def test_ranks_above_the_list_are_exact(task: Identification):
    """A mate far beyond the k candidates kept has its true rank."""
    scores = reference.scores(task.probes.unit, task.gallery.unit)
    found = search_all(task, CpuEngine(threads=1))
    for i, own in enumerate(task.probes.subject_ids):
        is_mate = (task.gallery.subject_ids == own) & ~task.gallery.failed
        if task.probes.failed[i] or not is_mate.any():
            assert found.rank[i] == 0
            continue
        best = scores[i][is_mate].max()
        others = ~task.gallery.failed & (task.gallery.subject_ids != own)
        assert found.mate_score[i] == best
        assert found.rank[i] == 1 + (scores[i][others] >= best).sum()


@given(worlds.searches())
@worlds.FEW
def test_comparisons_of_searches_equal_enumeration(task: Identification):
    """Non-mated comparisons at or above each edge, of all probes or of one group."""
    edges = np.array(worlds.EDGES)
    scores = reference.scores(task.probes.unit, task.gallery.unit)
    is_scored = ~task.probes.failed[:, None] & ~task.gallery.failed[None, :]
    is_nonmated = task.probes.subject_ids[:, None] != task.gallery.subject_ids[None, :]
    for wanted in (np.ones(len(task.probes), dtype=bool), task.layout.group == 0):
        pairs = is_nonmated & wanted[:, None]
        expected = [int((scores[pairs & is_scored] >= edge).sum()) for edge in edges]
        assert identify.n_comparisons(task, wanted) == pairs.sum()
        for engine in (CpuEngine(threads=2), ReferenceEngine()):
            assert identify.comparisons_at_or_above(task, engine, edges, wanted).tolist() == expected


def test_the_first_row_of_each_subject_is_enrolled():
    """Subjects in order of appearance: c, a, b; the last one is kept out with all its rows."""
    found = worlds.templates(np.eye(6), list("cacbba"))
    gallery, probes = split_first_per_subject(found, 1)

    assert gallery.template_ids.tolist() == ["t0", "t1"]
    assert probes.template_ids.tolist() == ["t2", "t3", "t4", "t5"]
    task = Identification(gallery, probes, (), k=1)
    assert task.is_mated.tolist() == [True, False, False, True]


def test_a_failed_first_row_is_enrolled_all_the_same():
    """The split looks at no score: a failed enrolment stays in the gallery as a blank (K6)."""
    gallery, probes = split_first_per_subject(worlds.templates(np.eye(2), ["a", "a"], failed=[0]), 0)
    task = Identification(gallery, probes, (), k=1, ranks=(1,), n_blocks=2)
    tally = identify.count(task, task.plan((0.5,)), search_all(task, ReferenceEngine()))

    assert gallery.failed.tolist() == [True]
    assert metrics.rank_hits(tally, 1) == (0, 1)
    assert tally.plan.details["gallery_failed"] == 1


@pytest.mark.parametrize("n", [-1, 3, 4])
def test_a_split_that_enrols_nobody_is_refused(n: int):
    """At least one subject of three is enrolled."""
    with pytest.raises(InputError, match=f"--nonmated-subjects is {n}, expected 0 to 2: of 3 subjects"):
        split_first_per_subject(worlds.templates(np.eye(4), list("abca")), n)


def test_a_split_without_probes_is_refused():
    """Where every subject has one row, nobody is left to search."""
    with pytest.raises(InputError, match="none is left to search"):
        split_first_per_subject(worlds.templates(np.eye(3), list("abc")), 0)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"k": 0}, "k is 0, expected 1 to 2"),
        ({"k": 3}, "k is 3, expected 1 to 2"),
        ({"k": 1, "ranks": ()}, "ranks are"),
        ({"k": 1, "ranks": (0, 1)}, "ranks are"),
        ({"k": 1, "ranks": (2, 1)}, "ranks are"),
        ({"k": 1, "ranks": (1, 1)}, "ranks are"),
    ],
)
def test_options_without_sense_are_refused(options: dict, named: str):
    """List length and ranks are checked before anything is searched."""
    two = worlds.templates(np.eye(2), ["a", "b"])
    with pytest.raises(InputError, match=named):
        Identification(two, two, (), **options)


def test_probes_of_another_dimension_are_refused():
    """Templates of another matcher cannot be searched."""
    with pytest.raises(InputError, match="dimension 3, the gallery has 2"):
        Identification(worlds.templates(np.eye(2), ["a", "b"]), worlds.templates(np.eye(3), list("abc")), (), k=1)


def test_the_plan_says_how_large_the_gallery_is():
    """A rate of identification means nothing without N."""
    task, _ = hand_vector()
    details = dict(task.plan((T,)).details)
    del details["population"]

    assert details == {
        "gallery": 4,
        "gallery_subjects": 4,
        "gallery_failed": 0,
        "n_subjects": len(set(task.probes.subject_ids)),
        "k": 4,
        "ranks": [1, 4],
    }


class Interrupting(CpuEngine):
    """An engine that is interrupted when it packs the probes of its third search."""

    def __init__(self, after: int) -> None:
        super().__init__(threads=1)
        self.left = after

    def rows(self, unit):
        """Packs, until it is interrupted."""
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().rows(unit)


def some_search() -> Identification:
    """Forty rows of twenty subjects in eight blocks."""
    unit = reference.unit_rows(np.random.default_rng(5).normal(size=(40, 6)))[0]
    found = worlds.templates(unit, [f"s{i % 20}" for i in range(40)], sex=["f", "m"] * 20)
    gallery, probes = split_first_per_subject(found, 5)
    return Identification(gallery, probes, ("sex",), k=3, n_blocks=8)


@pytest.mark.parametrize("interval_s", [0, 1e9])
def test_an_interrupted_search_goes_on_where_it_stopped(tmp_path: Path, interval_s: float):
    """Ctrl-C keeps the blocks that were searched, and the resumed run ends in the same candidates."""
    task, checkpoint = some_search(), Checkpoint(tmp_path, interval_s=interval_s)
    with pytest.raises(KeyboardInterrupt):
        search_all(task, Interrupting(3 + 3), checkpoint=checkpoint)
    told: list[int] = []
    found = search_all(task, CpuEngine(threads=1), checkpoint=checkpoint, advance=told.append)
    whole = search_all(task, ReferenceEngine())

    assert told[0] > 0
    assert sum(told) == len(task.probes)
    for name, array in whole.arrays().items():
        assert found.arrays()[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_checkpoint_of_a_search_is_ignored(tmp_path: Path, damage: bytes | None):
    """A checkpoint that cannot be read is as good as none; `fresh` ignores one that can."""
    task, checkpoint = some_search(), Checkpoint(tmp_path, interval_s=0, fresh=damage is None)
    with pytest.raises(KeyboardInterrupt):
        search_all(task, Interrupting(3 + 3), checkpoint=checkpoint)
    if damage is not None:
        checkpoint.path(task.digest).write_bytes(damage)
    told: list[int] = []
    found = search_all(task, CpuEngine(threads=1), checkpoint=checkpoint, advance=told.append)

    assert told[0] == 0
    assert len(found.probe) == len(task.probes)
