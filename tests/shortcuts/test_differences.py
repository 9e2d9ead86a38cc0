"""Differences of two searches of the same probes: counted trial by trial, with intervals that hold what was planted."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frbench.candidates import Candidates
from frbench.counting import identify
from frbench.counting.identify import Identification, search_all
from frbench.engines.ann import FAMILIES
from frbench.engines.cpu import CpuEngine
from frbench.engines.reference import ReferenceEngine
from frbench.plan import EVERYBODY, Group
from frbench.reading.rate import Rate
from frbench.shortcuts.differences import Counted, change, gap, gaps_json, rates_of, references
from frbench.shortcuts.proposals import Gallery, ProposedSearch, Proposer, both, plan_of
from frbench.shortcuts.reach import reach
from frbench.terminal.shortcut_words import shown, unshown
from tests.worlds import planted, worlds
from tests.worlds.proposing import searched

RANK_1 = Rate("fnir", None, 1)
EDGES = (0.0, 0.3, 0.5)
GROUPS = ("group",)


def counted(task: Identification, exact: Candidates, other: Candidates) -> Counted:
    """The three tallies of two searches."""
    plan = task.plan(EDGES)
    theirs, together = (plan_of(plan, {"approximate": what}) for what in ("other", "both"))
    return Counted(
        identify.count(task, plan, exact),
        identify.count(task, theirs, other),
        identify.count(task, together, both(exact, other)),
    )


@cache
def planted_searches() -> tuple[Identification, Candidates, dict[int, Candidates], Proposer]:
    """The planted world, searched exactly and with a graph of hnswlib as it comes, at two widths."""
    task, engine = planted.planted(), CpuEngine(threads=1)
    gallery, family = Gallery.of(task, engine), FAMILIES["hnsw"]
    index = family.build(gallery.unit, family.parameters({}, n=len(gallery), d=planted.D), 1, lambda _: None)
    proposer = Proposer(gallery, index, np.arange(len(gallery)), 0)
    search = ProposedSearch(task, engine, proposer)
    return task, search_all(task, engine), {ef: search.search(ef, {"approximate": ef}) for ef in (10, 160)}, proposer


@given(task=worlds.searches(), data=st.data())
@settings(worlds.FEW, max_examples=30)
def test_added_and_removed_are_counted_trial_by_trial(task: Identification, data: st.DataObject):
    """Errors of one search that the other does not make, by group, at every rank and threshold, against a loop."""
    n = int((~task.gallery.failed).sum())
    if not n:
        return
    exact = search_all(task, ReferenceEngine())
    other = searched(task, data.draw(st.sets(st.integers(0, n - 1))))
    tallies = counted(task, exact, other)
    names = task.layout.groups
    for asked in rates_of(EDGES, task.ranks):
        errors = [is_error(c, asked) for c in (exact, other)]
        trials = task.is_mated if asked.metric == "fnir" else ~task.is_mated
        for group in tallies.exact.plan.everybody_and([("sex",)]):
            own = np.array([not group.pair or (names[g][0] or "unlabelled") == group.name for g in task.layout.group])
            found = change(tallies, asked, group)
            assert found.added.estimate.k == int((trials & own & errors[1] & ~errors[0]).sum())
            assert found.removed.estimate.k == int((trials & own & errors[0] & ~errors[1]).sum())
            assert found.exact.k + found.added.estimate.k - found.removed.estimate.k == found.other.k
            if found.net.low is not None and found.net.high is not None:
                assert found.net.low <= found.net.difference <= found.net.high


def is_error(found: Candidates, asked: Rate) -> np.ndarray:
    """(m,) whether each search is an error."""
    t = -np.inf if asked.threshold is None else asked.threshold
    if asked.metric == "fpir":
        return found.scores[:, 0] >= t
    return ~((found.rank > 0) & (found.rank <= asked.rank) & (np.nan_to_num(found.mate_score, nan=-np.inf) >= t))


def test_the_exact_search_shows_no_gap_and_the_graph_does():
    """The planted world: nobody misses in the exact search; ef = 10 misses a quarter of the large group, and of the
    tight cluster nobody. Intervals of both gaps leave zero out, and at ef = 160 there is none to be seen."""
    task, exact, found, _ = planted_searches()
    tallies = {f"ef={ef}": counted(task, exact, other) for ef, other in found.items()}
    narrow, wide = tallies.values()
    added = {name: change(narrow, RANK_1, Group.within(GROUPS, name)).added.estimate for name in planted.SIZES}

    assert change(narrow, RANK_1, EVERYBODY).exact.k == 0
    assert added["large"].value > 0.15
    assert added["tight"].value < 0.02
    assert 0 < added["late"].value < added["large"].value
    for name in ("tight", "late"):
        opened = gap(narrow, RANK_1, Group.within(GROUPS, name), Group.within(GROUPS, "large"), level=0.95)
        assert opened.opens
        assert opened.added.high < 0
        assert opened.exact.value == 0
        assert opened.exact.low < 0 < opened.exact.high
        assert opened.other.high < 0
        assert not gap(wide, RANK_1, Group.within(GROUPS, name), Group.within(GROUPS, "large"), level=0.95).opens
    gaps = gaps_json(tallies, [RANK_1], [GROUPS])
    assert [(g["system"], g["group"]) for g in gaps if g["opens"]] == [("ef=10", "late"), ("ef=10", "tight")]


def test_an_exchangeable_world_shows_no_gap():
    """Labels dealt anew mean nothing: of 40 worlds, whose intervals hold together at 95%, 2 may show a gap by chance.

    The index and its answers are the same. 6 or more of 40 have a probability of 1.4% at 5%, and the seed is fixed.
    """
    task, exact, found, _ = planted_searches()
    shown = 0
    for seed in range(40):
        dealt = planted.exchanged(task, seed)
        own = [replace(candidates, search=dealt.digest) for candidates in (exact, found[10])]
        gaps = gaps_json({"ef=10": counted(dealt, *own)}, [RANK_1], [GROUPS])
        shown += any(gap["opens"] or gap["hides"] for gap in gaps)

    assert len(gaps) == 2
    assert shown <= 5


def test_intervals_of_added_misses_hold_the_truth():
    """Each of 300 probes loses its mate with probability 0.1, person by person: intervals hold 0.1 in 95% of worlds.

    Of 40 worlds, 34 or fewer would have a probability of 1.4% at 95%.
    """
    held = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        people = [f"p{seed}-{i}" for i in range(300)]
        rows = worlds.unit_rows(random.normal(size=(300, 8)))[0]
        task = Identification(worlds.templates(rows, people), worlds.templates(rows, people), (), k=1, ranks=(1,))
        hidden = np.flatnonzero(random.random(300) < 0.1)
        tallies = counted(task, search_all(task, CpuEngine(threads=1)), searched(task, hidden, CpuEngine(threads=1)))
        found = change(tallies, RANK_1, EVERYBODY)
        assert found.added.estimate.k == len(hidden)
        held += found.added.estimate.low <= 0.1 <= found.added.estimate.high

    assert held >= 35


def test_where_nothing_changed_the_difference_is_bounded_and_not_zero():
    """The same answers twice: the blocks do not vary, and what could have changed is bounded as rare events are."""
    task, exact, _, _ = planted_searches()
    found = change(counted(task, exact, exact), Rate("fpir", 0.3), EVERYBODY)

    assert 0 < found.exact.k < found.exact.n
    assert found.net.difference == 0
    # 240 people: 1 - .05^(1/240) is 1.24%.
    assert found.net.high == pytest.approx(1 - 0.05 ** (1 / 240), rel=1e-12)
    assert found.net.low == -found.net.high
    assert "none was" in found.net.method


def test_a_group_without_searches_has_no_difference_and_says_why():
    """No mated search of a group: value and interval are missing, with the reason."""
    gallery = worlds.templates([worlds.X, worlds.Y], ["ann", "bea"])
    probes = worlds.templates([worlds.X, worlds.Y], ["ann", "dan"], sex=["f", "m"])
    task = Identification(gallery, probes, ("sex",), k=1, ranks=(1,))
    exact = search_all(task, ReferenceEngine())
    tallies = counted(task, exact, searched(task))
    women, men = (Group.within(("sex",), name) for name in "fm")
    found = change(tallies, RANK_1, men)

    assert found.added.estimate.value is None
    assert found.net.reason == "0 mated searches"
    assert gap(tallies, RANK_1, men, women, level=0.95).added.reason == "0 mated searches of m"


def test_rows_without_a_label_are_no_group_to_compare():
    """Unlabelled rows are counted, and are neither the reference nor held against it."""
    rows = [worlds.X, worlds.Y, worlds.HALF, worlds.HALF_MINUS]
    task = Identification(
        worlds.templates(rows, list("abcd")),
        worlds.templates(rows, list("abcd"), sex=["", "", "f", "m"]),
        ("sex",),
        k=1,
    )
    tally = identify.count(task, task.plan(EDGES), search_all(task, ReferenceEngine()))

    assert references(tally, ("sex",)) == (Group.within(("sex",), "f"), [Group.within(("sex",), "m")])


def test_members_that_no_search_reaches_are_those_that_a_walk_does_not_find():
    """A sparse graph loses members for good: whatever is asked with all the effort, they are in no answer."""
    task, _, _, proposer = planted_searches()
    family, engine, n = FAMILIES["hnsw"], CpuEngine(threads=1), len(task.gallery)
    sparse = family.build(proposer.gallery.unit, {"M": 6, "ef_construction": 50}, 1, lambda _: None)
    own = replace(proposer, index=sparse)
    found = ProposedSearch(task, engine, own).search(20, {"approximate": "sparse"})
    lost = reach(task, engine, own, found, effort=20, highest=n, columns=("group",))

    answers = sparse.propose(task.probes.unit[::100], n, n)
    assert len(lost.rows) > 10
    assert not np.isin(lost.rows, answers).any()
    never = {name: int(lost.never.pick(Group.within(GROUPS, name))[0].sum()) for name in planted.SIZES}
    assert sum(never.values()) == len(lost.rows)
    assert never["large"] > never["tight"]
    by_itself = lost.not_by_itself.pick(EVERYBODY)[0].sum()
    assert by_itself >= len(lost.rows)


def test_hidden_false_positives_are_a_gap_of_their_own():
    """100 strangers of each sex look like ann or like bea, who is never proposed: all alarms of one sex are hidden."""
    gallery = worlds.templates([worlds.X, worlds.Y], ["ann", "bea"])
    rows, sexes = [worlds.X, worlds.Y] * 100, ["f", "m"] * 100
    probes = worlds.templates(rows, [f"stranger{i}" for i in range(200)], sex=sexes)
    task = Identification(gallery, probes, ("sex",), k=1, ranks=(1,))
    tallies = counted(task, search_all(task, ReferenceEngine()), searched(task, hidden=[1]))
    (found,) = gaps_json({"blind": tallies}, [Rate("fpir", 0.5)], [("sex",)])

    assert (found["group"], found["reference"], found["removed"]["value"]) == ("m", "f", 1)
    assert found["hides"]
    assert not found["opens"]
    assert shown(found).startswith("blind: 100% more hidden false positives of m than of f (")
    assert shown(found).endswith("the exact search shows no difference between them")
    assert unshown({"gaps": [found]}).startswith("every comparison")
