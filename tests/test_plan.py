"""What a plan is, and what changes its digest."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.counting.layout import Layout
from frbench.errors import FormatError, InputError
from frbench.plan import Cell, Party, Plan, blocks_of, checked_thresholds, digest_of, name_of, score_axis
from tests.worlds import worlds


@given(worlds.random_worlds())
@worlds.FEW
def test_a_plan_survives_its_json(world: worlds.World):
    """A plan read from its own JSON is equal and has the same digest."""
    again = Plan.from_json(world.plan.to_json())

    assert again == world.plan
    assert again.digest == world.plan.digest


def test_the_digest_is_the_same_everywhere():
    """The digest of a plan is part of the file format: it may not change from release to release."""
    assert worlds.small_plan().digest == "4240a0f8566b47bdc899771f711cf99b"


@pytest.mark.parametrize(
    "changed",
    [
        {"inputs": "others"},
        {"kind": "pairs"},
        {"edges": (0.25,)},
        {"columns": ("sex",), "groups": (("f",),)},
        {"cells": (Cell(False, 0, 0), Cell(True, 0, 0, 1))},
        {"trials": (1, 0)},
        {"subjects": worlds.parties((2,) * 32)},
        {"mated_subjects": worlds.parties((2,) * 32)},
        {"n_blocks": 31},
        {"keeps_blocks": False},
        {"details": {"k": 1}},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_every_field_changes_the_digest(changed):
    """Two plans that differ in any field differ in digest."""
    assert worlds.small_plan(**changed).digest != worlds.small_plan().digest


def test_a_changed_label_changes_the_digest():
    """Moving one template to another group, or calling a group something else, makes another plan."""
    world = worlds.two_groups()
    labels = world.templates.labels["sex"]
    digests = {world.plan.digest}
    for row in range(7):
        for label in ("f", "m", ""):
            if labels[row] != label:
                other = labels.copy()
                other[row] = label
                found = dataclasses.replace(world.templates, labels={"sex": other})
                digests.add(Layout.of(found, ("sex",), 4).verify_plan(world.edges).digest)
    swapped = dataclasses.replace(world.templates, labels={"sex": np.where(labels == "f", "m", "f").astype(object)})
    digests.add(Layout.of(swapped, ("sex",), 4).verify_plan(world.edges).digest)

    assert len(digests) == 1 + 7 * 2 + 1


def test_a_changed_subject_changes_the_digest():
    """A template given to another subject makes another plan, even if every number of trials stays."""
    world = worlds.with_ties()
    subjects = world.templates.subject_ids.copy()
    subjects[[1, 3]] = subjects[[3, 1]]
    found = dataclasses.replace(world.templates, subject_ids=subjects)

    assert Layout.of(found, ("sex",), 4).verify_plan(world.edges).digest != world.plan.digest


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}', '{"version": 1, "kind": 3, "nonsense": 1}'])
def test_what_is_no_plan_is_refused(text: str):
    """Text that no plan wrote is a format error, whatever is wrong with it."""
    with pytest.raises(FormatError):
        Plan.from_json(text)


def test_a_plan_of_another_version_is_refused():
    """A plan of a later format names its version and this one."""
    with pytest.raises(FormatError, match="version 2, expected 1"):
        Plan.from_json(worlds.small_plan().to_json().replace('"version":1', '"version":2'))


def test_tiles_are_pairs_of_blocks_once():
    """Three blocks make 3 * 4 / 2 = 6 tiles of comparisons, and 3 of searches."""
    assert worlds.small_plan(n_blocks=3).tiles() == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    assert worlds.small_plan(n_blocks=3, kind="identify").tiles() == [(0, 0), (1, 1), (2, 2)]
    assert worlds.small_plan(n_blocks=3, kind="latency").tiles() == []


def test_a_plan_too_large_to_keep_is_refused():
    """A tally of more than 2 GiB is refused before anything is counted, with its size."""
    edges = tuple(np.linspace(-1, 1, 5_000_000).tolist())
    # 2 cells x 5,000,002 bins x 33 x 8 bytes = 2.46 GiB.
    with pytest.raises(InputError, match=r"2\.5 GiB"):
        worlds.small_plan(edges=edges)


def test_groups_have_names_in_every_grouping():
    """A finest group is named by the columns asked for; no label is called unlabelled, no column all."""
    plan = worlds.small_plan(columns=("sex", "age"), groups=(("f", "old"), ("f", ""), ("", "old")))

    assert plan.group_names(("sex",)) == ["f", "f", "unlabelled"]
    assert plan.group_names(("age", "sex")) == ["old,f", "unlabelled,f", "old,unlabelled"]
    assert plan.group_names(()) == ["all"] * 3
    assert name_of(["a", ""]) == "a,unlabelled"


def test_subjects_of_a_group_are_counted_once_whatever_other_columns_split():
    """One of four people has rows of both masks: she is in each mask group, and once among women and everybody."""
    subjects = (
        Party(((0, 0),), (1, 0)),
        Party(((0, 0), (1, 1)), (0, 1)),
        Party(((2, 2),), (2, 0)),
    )
    groups = (("yes", "f"), ("no", "f"), ("yes", "m"))
    plan = worlds.small_plan(columns=("mask", "sex"), groups=groups, subjects=subjects, n_blocks=2)

    def people(grouping: tuple[str, ...], name: str) -> list[int]:
        return plan.subjects_of(grouping, lambda a, _: a == name, mated=False).tolist()

    assert people(("mask",), "yes") == [1 + 2, 1]
    assert people(("mask",), "no") == [0, 1]
    assert people(("sex",), "f") == [1, 1]
    assert people((), "all") == [1 + 2, 1]


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5), st.integers(1, 64))
@worlds.FEW
def test_a_subjects_block_does_not_depend_on_the_others(subjects: list[str], n_blocks: int):
    """A block is a function of the subject's own id."""
    blocks = blocks_of(worlds.text_array(subjects), n_blocks)

    assert blocks.tolist() == [blocks_of(worlds.text_array([s]), n_blocks)[0] for s in subjects]
    assert blocks.min() >= 0
    assert blocks.max() < n_blocks


def test_blocks_are_the_same_on_every_machine():
    """Blocks are part of the file format: tallies of two machines add."""
    assert blocks_of(worlds.text_array(["ann", "bea", "carl", "dan"]), 32).tolist() == [13, 8, 14, 16]


def test_the_axis_holds_the_decimals_that_a_person_types():
    """Edges of a step of 0.1 equal the literals, and an extra edge is added once."""
    edges = score_axis(0.1, [0.25, 0.9])

    assert len(edges) == 21 + 1
    assert {-1.0, -0.7, 0.0, 0.25, 0.3, 0.9, 1.0} <= set(edges)
    assert list(edges) == sorted(edges)


@pytest.mark.parametrize("step", [0, -0.1, 1.5, float("nan")])
def test_a_step_without_sense_is_refused(step: float):
    """A step is above 0 and at most 1."""
    with pytest.raises(InputError, match="axis step"):
        score_axis(step)


@pytest.mark.parametrize("threshold", [1.1, -2, float("nan"), float("inf")])
def test_a_threshold_that_no_score_can_have_is_refused(threshold: float):
    """A threshold outside [-1, 1] is a mistake, not an empty result."""
    with pytest.raises(InputError, match="outside"):
        checked_thresholds([0.5, threshold])


def test_digest_of_keeps_its_parts_apart():
    """Moving a letter from one part to the next changes the digest."""
    assert digest_of("ab", "c") != digest_of("a", "bc") != digest_of("abc")


def test_an_axis_may_begin_above_the_bulk():
    """Edges below the lowest are left out, those above are the same as on the whole axis; extra ones always stay."""
    whole = score_axis(0.1)

    assert score_axis(0.1, lowest=0.35) == tuple(edge for edge in whole if edge >= 0.35)
    assert score_axis(0.5, (-0.25,), lowest=1.0) == (-0.25, 1.0)


@pytest.mark.parametrize("lowest", [-1.1, 1.1, float("nan")])
def test_an_axis_begins_on_the_scale(lowest: float):
    """The lowest edge is a score."""
    with pytest.raises(InputError, match=r"lowest edge of the axis is .*, expected -1 to 1"):
        score_axis(0.1, lowest=lowest)


def test_a_plan_shows_its_sizes_in_a_line():
    """Kind, cells, edges and blocks, and the label columns if there are any."""
    assert repr(worlds.small_plan(edges=(0.25, 0.5))) == "Plan(verify, 2 cells, 2 edges, 32 blocks)"
    assert repr(worlds.two_groups().plan).endswith(" blocks, by sex)")
