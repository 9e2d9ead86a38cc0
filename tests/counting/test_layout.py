"""The order in which rows are counted, and numbers of trials without counting."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.counting.layout import Layout, finest_groups, subjects_of
from frbench.errors import InputError
from frbench.templates import Templates
from tests.worlds import worlds


def declared(world: worlds.World) -> dict[worlds.Key, int]:
    """Trials that the plan declares, by the names of their cells."""
    groups = world.plan.groups
    return {
        (cell.mated, groups[cell.group_a], groups[cell.group_b]): n
        for cell, n in zip(world.plan.cells, world.plan.trials, strict=True)
    }


@given(
    st.lists(st.tuples(*[st.sampled_from(["", "f", "fa", "m", "\u00e9", "\U0001f600"])] * 2), min_size=1, max_size=12)
)
def test_groups_are_the_labels_that_occur_together(labels: list[tuple[str, str]]):
    """Sorted column after column; each row has the number of its own."""
    found = worlds.templates(
        np.ones((len(labels), 1)), ["s"] * len(labels), a=[a for a, _ in labels], b=[b for _, b in labels]
    )

    groups, group = finest_groups(found, ["a", "b"])

    assert list(groups) == sorted(set(labels))
    assert [groups[number] for number in group] == labels


@given(worlds.random_worlds())
@worlds.FEW
def test_closed_form_trials_equal_enumeration(world: worlds.World):
    """The plan declares for each cell as many trials as there are pairs, failed templates included."""
    assert declared(world) == {key: sum(bins) for key, bins in worlds.enumerated(world).items()}


@given(worlds.random_worlds(max_n=20))
@worlds.FEW
def test_closed_form_trials_of_every_tile_equal_enumeration(world: worlds.World):
    """Every tile holds the pairs of its two blocks, with and without failed templates."""
    layout, g = world.layout, len(world.layout.groups)
    for scored in (False, True):
        expected = np.zeros((world.n_blocks, world.n_blocks, 2, g, g), dtype=int)
        for i, j, mated, score in worlds.pairs(world.templates):
            if score is not None or not scored:
                tile = sorted((layout.block[i], layout.block[j]))
                pair = sorted((layout.group[i], layout.group[j]))
                expected[(*tile, int(mated), *pair)] += 1
        for tile in world.plan.tiles():
            np.testing.assert_array_equal(layout.trials(tile, scored=scored), expected[tile])


@given(worlds.random_worlds())
@worlds.FEW
def test_all_mated_pairs_lie_in_one_block(world: worlds.World):
    """The mated pairs of all blocks are the scored mated pairs, each once."""
    layout = world.layout
    found = []
    for block in range(world.n_blocks):
        for a, b in layout.mated_pairs(block):
            found += [tuple(sorted(pair)) for pair in zip(layout.order[a], layout.order[b], strict=True)]

    assert sorted(found) == [
        (i, j) for i, j, mated, score in worlds.pairs(world.templates) if mated and score is not None
    ]


@pytest.mark.parametrize("at_once", [1, 3, 10])
def test_mated_pairs_come_in_bounded_parts(monkeypatch: pytest.MonkeyPatch, at_once: int):
    """A person with many templates does not fill the memory: parts hold few pairs more than asked, and each once."""
    monkeypatch.setattr("frbench.counting.layout.PAIRS_AT_ONCE", at_once)
    n = 9
    layout = Layout.of(worlds.templates(np.ones((n, 1)), ["ann"] * n), (), 1)

    parts = [list(zip(a, b, strict=True)) for a, b in layout.mated_pairs(0)]

    assert sorted(tuple(sorted(pair)) for part in parts for pair in part) == list(combinations(range(n), 2))
    assert max(map(len, parts)) <= at_once + n


@given(worlds.random_worlds())
@worlds.FEW
def test_rows_are_in_order_of_block_and_group(world: worlds.World):
    """The order holds every scored row once, and block and group never decrease within it."""
    layout = world.layout
    key = layout.block[layout.order] * len(layout.groups) + layout.group[layout.order]

    assert sorted(layout.order) == np.flatnonzero(~world.templates.failed).tolist()
    assert (np.diff(key) >= 0).all()
    for block in range(world.n_blocks):
        assert (layout.block[layout.order[layout.start[block] : layout.start[block + 1]]] == block).all()


def test_two_groups_declare_their_trials():
    """The hand count of the world: 2 + 12 + 4 non-mated and 1 + 2 mated, 21 pairs of 7 templates."""
    f, m = ("f",), ("m",)

    assert declared(worlds.two_groups()) == {
        (False, f, f): 2,
        (False, f, m): 12,
        (False, m, m): 4,
        (True, f, f): 1,
        (True, m, m): 2,
    }


def test_a_subject_with_two_labels_has_mated_pairs_across_groups():
    """Four templates, two with a mask: 1 pair within each group and 4 across."""
    yes, no = ("yes",), ("no",)

    assert declared(worlds.several_mates()) == {
        (True, yes, yes): 1,
        (True, no, no): 1,
        (True, no, yes): 4,
        (False, no, yes): 2,
        (False, no, no): 2,
    }


def test_a_subject_of_two_groups_is_one_party():
    """Ann has rows of both labels and mated pairs of all kinds, bea one row of one label and no mate."""
    plan = worlds.several_mates().plan
    no, yes = range(2)

    assert plan.groups == (("no",), ("yes",))
    assert {party.pairs: sum(party.blocks) for party in plan.subjects} == {((no, no),): 1, ((no, no), (yes, yes)): 1}
    assert {party.pairs: sum(party.blocks) for party in plan.mated_subjects} == {((no, no), (no, yes), (yes, yes)): 1}


def test_rows_without_subjects_cannot_be_arranged():
    """Without subjects nobody knows which pairs are mated."""
    found = worlds.two_groups().templates
    unknown = Templates(found.unit, found.failed, found.template_ids, None, {}, "none", ())

    with pytest.raises(InputError, match="--labels"):
        subjects_of(unknown)
    with pytest.raises(InputError, match="--labels"):
        Layout.of(unknown, ())


def test_at_least_one_block_is_needed():
    """Zero blocks is a mistake."""
    with pytest.raises(InputError, match="blocks is 0"):
        Layout.of(worlds.two_groups().templates, (), 0)


def test_templates_that_all_failed_can_be_arranged():
    """Where every template failed, no row is ordered and every trial is declared."""
    world = worlds.World(worlds.templates(np.zeros((3, 2)), ["a", "a", "b"], failed=[0, 1, 2], sex=["f"] * 3))

    assert len(world.layout.order) == 0
    assert sum(world.plan.trials) == 3


@pytest.mark.parametrize(
    ("labels", "columns", "named"),
    [
        (["overall", "f", "m"], ["sex"], "'overall', the name of everybody"),
        (["unlabelled", "f", ""], ["sex"], "'unlabelled' beside rows without one"),
        (["a,b", "f", "m"], ["sex", "age"], "'a,b' has a comma"),
    ],
)
def test_a_label_that_would_be_taken_for_another_group_is_refused(labels: list[str], columns: list[str], named: str):
    """Groups are told apart by name, so no label may be the name of something else."""
    found = worlds.templates(np.eye(3), list("abc"), sex=labels, age=["y", "y", "o"])

    with pytest.raises(InputError, match=named):
        Layout.of(found, columns)


def test_a_comma_in_a_label_is_harmless_where_one_column_makes_groups():
    """Only intersections join labels by commas."""
    assert Layout.of(worlds.templates(np.eye(2), list("ab"), sex=["a,b", "c"]), ["sex"]).groups == (("a,b",), ("c",))
