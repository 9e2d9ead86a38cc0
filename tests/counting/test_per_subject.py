"""Whose errors they are: by hand, by enumeration, and refused where there are too many."""

from __future__ import annotations

import csv
import io
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.counting import per_subject as module
from frbench.counting import tail
from frbench.counting.per_subject import PerSubject, checked, per_subject
from frbench.counting.sweep import sweep
from frbench.counting.verify import AllPairs, Pairs
from frbench.engines.cpu import CpuEngine
from frbench.engines.hits import Hits
from frbench.engines.reference import ReferenceEngine, ReferenceRows
from frbench.errors import Conservation, EdgeNotInPlan, InputError
from frbench.reading.audits.subject_view import false_matches, false_nonmatches
from frbench.results.audits import worst_subjects
from frbench.tally import Tally
from tests.counting.test_verify import pair_list
from tests.worlds import worlds

Pair = tuple[int, int, bool, float | None]


def counted(counter: AllPairs | Pairs, edges: tuple[float, ...]) -> Tally:
    """The tally of everything that `counter` counts."""
    plan = counter.plan(edges)
    return sweep(plan, lambda tile: counter.count(plan, tile))


def found_by(counter: AllPairs | Pairs, world: worlds.World) -> PerSubject:
    """The errors of a world at all of its edges."""
    return per_subject(counter, world.layout, counted(counter, world.edges), world.edges)


def lines(found: PerSubject) -> dict[str, dict[str, str]]:
    """The table by subject."""
    return {row["subject_id"]: row for row in csv.DictReader(io.StringIO(found.to_csv()))}


def test_two_groups_by_hand():
    """Nine false matches at .5, each of two people: ann is in 6, bea in 3, carl in 4, dan in 5.

    They are t0 t2, t1 t2 (ann bea), t3 t5, t4 t5 (carl dan), t5 with t0, t1, t2 and t1 with t3, t4.
    Scored mated comparisons: ann .5, carl 1; dan's failed.
    """
    world = worlds.two_groups()
    tally = counted(world.counter, world.edges)
    found = lines(per_subject(world.counter, world.layout, tally, (0.5, 1.0)))

    assert {name: row["false_matches_0.5"] for name, row in found.items()} == {
        "ann": "6",
        "bea": "3",
        "carl": "4",
        "dan": "5",
    }
    assert {name: row["false_nonmatches_1.0"] for name, row in found.items() if row["mated"] != "0"} == {
        "ann": "1",
        "carl": "0",
    }
    # Six scored rows: two of ann meet four of others, one of bea five.
    assert [found[name]["nonmated"] for name in ("ann", "bea", "carl", "dan")] == ["8", "5", "8", "5"]
    assert [(found[n]["images"], found[n]["failed_images"], found[n]["sex"]) for n in ("ann", "dan")] == [
        ("2", "0", "f"),
        ("2", "1", "m"),
    ]


def check(found: PerSubject, world: worlds.World, everything: list[Pair]) -> None:
    """Table and shares are those of one pair after the other."""
    subjects = world.templates.subject_ids
    scored = [pair for pair in everything if pair[3] is not None]
    table = lines(found)
    assert sorted(table) == sorted(set(subjects))
    trials = {
        m: Counter(s for i, j, is_m, _ in scored if is_m == m for s in {subjects[i], subjects[j]}) for m in (0, 1)
    }
    for name, row in table.items():
        assert (int(row["nonmated"]), int(row["mated"])) == (trials[0][name], trials[1][name])
    for place, t in enumerate(found.thresholds):
        false = [(subjects[i], subjects[j]) for i, j, mated, score in scored if not mated and score >= t]
        missed = [subjects[i] for i, _, mated, score in scored if mated and score < t]
        times, goats = Counter(s for pair in false for s in pair), Counter(missed)
        own = {name: list(row.values()) for name, row in table.items()}
        start = 3 + len(world.columns)
        k = len(found.thresholds)
        for name, values in own.items():
            assert int(values[start + 1 + place]) == times[name]
            assert int(values[start + 2 + k + place]) == goats[name]
        everybody = worst_subjects(found, [])["rows"][place]
        assert everybody["false_matches"] == (
            false_matches([a for a, _ in false], [b for _, b in false], trials[0]).to_json()
        )
        assert everybody["false_nonmatches"] == false_nonmatches(missed, trials[1]).to_json()


@given(worlds.random_worlds(min_n=2, max_n=20))
@worlds.FEW
def test_errors_of_all_pairs_are_those_of_enumeration(world: worlds.World):
    """Every subject's comparisons and errors at every edge, and the shares of the worst; either engine."""
    for engine in (ReferenceEngine(), CpuEngine(threads=1)):
        check(found_by(AllPairs(world.layout, engine), world), world, list(worlds.pairs(world.templates)))


@given(worlds.random_worlds(min_n=3, max_n=16), st.data())
@worlds.FEW
def test_excluded_pairs_are_errors_of_nobody(world: worlds.World, data: st.DataObject):
    """They leave the comparisons of their subjects and their errors."""
    everything = list(worlds.pairs(world.templates))
    chosen = data.draw(st.lists(st.sampled_from(everything), min_size=1, max_size=8, unique_by=lambda p: p[:2]))
    excluded = pair_list(world.templates, [p[:2] for p in chosen])
    left = [p for p in everything if p[:2] not in {q[:2] for q in chosen}]

    check(found_by(AllPairs(world.layout, CpuEngine(threads=1), excluded), world), world, left)


@given(worlds.random_worlds(min_n=2, max_n=16), st.data())
@worlds.FEW
def test_errors_of_a_list_are_those_of_its_pairs(world: worlds.World, data: st.DataObject):
    """In either order of their rows."""
    everything = list(worlds.pairs(world.templates))
    chosen = data.draw(st.lists(st.sampled_from(everything), min_size=1, unique_by=lambda p: p[:2]))
    turned = [(j, i) if k % 2 else (i, j) for k, (i, j, _, _) in enumerate(chosen)]
    counter = Pairs(pair_list(world.templates, turned), world.layout, CpuEngine(threads=1))

    check(found_by(counter, world), world, chosen)


def test_a_group_has_errors_of_its_own():
    """Within f two false matches of ann and bea at .5, within m two of carl and dan; five between are of neither."""
    world = worlds.two_groups()
    tally = counted(world.counter, world.edges)
    rows = worst_subjects(per_subject(world.counter, world.layout, tally, [0.5]), [("sex",)])["rows"]

    assert [(r["grouping"], r["group"], r["false_matches"]["errors"]) for r in rows] == [
        ("all", "all", 9),
        ("sex", "f", 2),
        ("sex", "m", 2),
    ]
    assert rows[1]["false_matches"]["listed"] == [["ann", 2]]
    # ann's two rows and bea's one make two comparisons of each.
    assert (rows[1]["false_matches"]["subjects"], rows[1]["false_matches"]["affected"]) == (2, 2)


def test_labels_that_differ_between_images_are_all_named():
    """A mask is worn in some images and not in others."""
    world = worlds.several_mates()

    assert [row["mask"] for row in lines(found_by(world.counter, world)).values()] == ["yes/no", "no"]


def test_more_errors_than_can_be_kept_are_refused_before_the_search(monkeypatch: pytest.MonkeyPatch):
    """The sentence says how many, of what, and what to do."""
    world = worlds.two_groups()
    monkeypatch.setattr(module, "MAX_ERRORS", 8)

    with pytest.raises(InputError, match=r"--per-subject: 9 false matches at threshold 0\.5, expected at most 8"):
        checked(world.tally, (0.5, 1.0))
    checked(world.tally, (0.75, 1.0))
    checked(world.tally, ())
    monkeypatch.setattr(module, "MAX_ERRORS", 4)
    with pytest.raises(InputError, match="5 false non-matches at threshold 1, expected at most 4; report at lower"):
        checked(worlds.several_mates().tally, (1.0,))


def test_no_thresholds_leave_subjects_and_comparisons():
    """Where no target rate could be met there are no errors to name."""
    world = worlds.two_groups()
    found = per_subject(world.counter, world.layout, world.tally, ())

    assert worst_subjects(found, [])["rows"] == []
    assert lines(found)["ann"] == {
        "subject_id": "ann", "sex": "f", "images": "2", "failed_images": "0", "nonmated": "8", "mated": "1",
    }  # fmt: skip


def test_a_threshold_between_edges_is_refused():
    """The tally cannot say how many errors there should be."""
    world = worlds.two_groups()

    with pytest.raises(EdgeNotInPlan):
        per_subject(world.counter, world.layout, world.tally, (0.3,))


class Forgetful(ReferenceRows):
    """Rows that lose the best pair of every tail."""

    def tail(self, *args: object, **kwargs: object) -> object:
        """All but one."""
        return Hits(*(column[1:] for column in super().tail(*args, **kwargs)))


def test_an_engine_that_loses_an_error_is_found_out(monkeypatch: pytest.MonkeyPatch):
    """As many as were counted, or none at all."""
    world = worlds.two_groups()
    counter = AllPairs(world.layout, ReferenceEngine())
    monkeypatch.setattr(ReferenceEngine, "rows", lambda _, unit: Forgetful(unit))

    with pytest.raises(Conservation, match="were found, the counts say"):
        counter.reaching(world.tally, 0.5)


def test_as_many_hits_as_the_counts_say():
    """Cells of `two_groups` at .75: one pair of two women."""
    world = worlds.two_groups()
    hits = world.counter.reaching(world.tally, 0.75)

    assert (sorted([*hits.a, *hits.b]), hits.score.tolist()) == ([0, 2], [1.0])
    assert tail.reached(world.tally, 0.75).sum() == 1
