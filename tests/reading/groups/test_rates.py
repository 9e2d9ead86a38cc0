"""Rates by group: counts by hand, who is left out, and the same without each block."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from frbench.counting.identify import Identification, count, search_all
from frbench.engines.reference import ReferenceEngine
from frbench.errors import EdgeNotInPlan, InputError
from frbench.plan import Group
from frbench.reading import metrics
from frbench.reading.groups.rates import of_groups
from frbench.reading.rate import Rate
from tests.worlds import worlds

SEX = ("sex",)


def test_rates_within_groups_by_hand():
    """At .5, non-mated pairs of two women 2 of 2 and of two men 2 of 4; mated ones wrong 0 of 1 and 1 of 2."""
    tally = worlds.two_groups().tally
    fmr, fnmr = (of_groups(tally, Rate(metric, 0.5), SEX) for metric in ("fmr", "fnmr"))

    assert (fmr.groups, fmr.k.tolist(), fmr.n.tolist()) == (("f", "m"), [2, 2], [2, 4])
    assert (fnmr.groups, fnmr.k.tolist(), fnmr.n.tolist()) == (("f", "m"), [0, 1], [1, 2])
    # ann and bea, carl and dan; those with two templates: ann, and carl and dan.
    assert (fmr.n_subjects.tolist(), fnmr.n_subjects.tolist()) == ([2, 2], [1, 2])
    assert fmr.estimates[1] == metrics.fmr(tally, 0.5, group=Group(SEX, ("m", "m")))
    assert fmr.rates.upper == tuple(e.high for e in fmr.estimates)


def test_the_policy_for_failed_templates_is_kept():
    """Two of the men's four non-mated pairs have no score: excluded, they leave k, n and what touches each block."""
    found = of_groups(worlds.two_groups().tally, Rate("fmr", 0.5, failed="exclude"), SEX)

    assert (found.k.tolist(), found.n.tolist()) == ([2, 2], [2, 2])
    assert found.n_touching.max(axis=0).tolist() == [2, 2]


@given(worlds.random_worlds())
@worlds.FEW
def test_rates_without_a_block_are_those_of_the_tally_without_it(world: worlds.World):
    """k and n less what touches a block are the counts of the run without its subjects."""
    tally, grouping = world.tally, world.columns
    if not grouping:
        return
    edge = world.edges[len(world.edges) // 2]
    for metric, mated in (("fmr", False), ("fnmr", True)):
        found = of_groups(tally, Rate(metric, edge), grouping)
        assert all(found.n > 0)
        for b in range(tally.plan.n_blocks):
            bins = tally.without(b)
            for i, name in enumerate(found.groups):
                names = tally.plan.group_names(grouping)
                rows = [
                    j
                    for j, c in enumerate(tally.plan.cells)
                    if c.mated == mated and names[c.group_a] == names[c.group_b] == name
                ]
                left = bins[rows].sum(axis=0, dtype=np.uint64)
                edge_index = tally.edge(edge)
                below, above = left[: edge_index + 1].sum(), left[edge_index + 1 : -1].sum()
                k = below + left[-1] if mated else above
                assert found.k[i] - found.k_touching[b, i] == k
                assert found.n[i] - found.n_touching[b, i] == left.sum()
                assert np.isnan(found.without()[b, i]) == (left.sum() == 0)


def test_rows_without_a_label_are_no_group():
    """They and groups without comparisons are left out, with the reason."""
    found = worlds.templates(np.eye(4), list("abcd"), sex=["f", "f", "", "m"])
    rates = of_groups(worlds.World(found).tally, Rate("fmr", 0.5), SEX)

    assert rates.groups == ("f",)
    assert rates.left_out == {"unlabelled": "rows without a label are no group", "m": "0 non-mated comparisons"}


def test_one_missing_label_of_two_is_no_group():
    """Of sex and race, both are needed."""
    found = worlds.templates(np.eye(4), list("abcd"), sex=["f", "f", "", ""], race=["x", "x", "x", "x"])
    rates = of_groups(worlds.World(found, ("sex", "race")).tally, Rate("fmr", 0.5), ("sex", "race"))

    assert rates.groups == ("f,x",)
    assert list(rates.left_out) == ["unlabelled,x"]


def test_groups_of_the_same_people_are_kin():
    """A label that changes within a subject makes groups that share subjects; sex does not."""
    mask = ["yes", "yes", "no", "no", "no", "no"]
    found = worlds.templates(np.eye(6), list("ababcc"), mask=mask, sex=["f"] * 4 + ["m"] * 2)
    world = worlds.World(found, ("mask", "sex"))

    assert of_groups(world.tally, Rate("fmr", 0.5), ("mask",)).kin.all()
    rows = worlds.templates(np.eye(4), list("abcd"), sex=["f", "f", "m", "m"])
    assert not of_groups(worlds.World(rows).tally, Rate("fmr", 0.5), SEX).kin[0, 1]


@given(worlds.searches())
@worlds.FEW
def test_searches_have_the_rates_of_the_metrics(task: Identification):
    """FPIR and FNIR by group of the probe; what touches all blocks is everything, as a probe is in one."""
    tally = count(task, task.plan(worlds.EDGES), search_all(task, ReferenceEngine()))
    for metric, threshold in (("fpir", 0.25), ("fnir", 0.25), ("fnir", None)):
        found = of_groups(tally, Rate(metric, threshold, rank=2), SEX)
        assert found.k_touching.sum(axis=0).tolist() == found.k.tolist()
        assert found.n_touching.sum(axis=0).tolist() == found.n.tolist()
        for name, estimate in zip(found.groups, found.estimates, strict=True):
            if metric == "fnir":
                assert estimate == metrics.fnir(tally, threshold, rank=2, group=Group.within(SEX, name))
            else:
                assert estimate == metrics.fpir(tally, threshold, group=Group.within(SEX, name))


def test_false_positives_need_a_threshold():
    """Only a rank can do without."""
    with pytest.raises(InputError, match="FMR needs a threshold"):
        of_groups(worlds.two_groups().tally, Rate("fmr", None), SEX)


@pytest.mark.parametrize("grouping", [(), ("race",), ("sex", "race")])
def test_labels_that_were_not_counted_are_refused(grouping):
    """The message names the columns that there are."""
    with pytest.raises(InputError, match=r"were counted are: sex; recount with --group"):
        of_groups(worlds.two_groups().tally, Rate("fmr", 0.5), grouping)


def test_a_threshold_between_edges_is_refused():
    """The tally cannot answer there."""
    with pytest.raises(EdgeNotInPlan):
        of_groups(worlds.two_groups().tally, Rate("fmr", 0.3), SEX)


def test_few_blocks_are_named():
    """Four blocks do not show how a group varies."""
    unseen = of_groups(worlds.two_groups().tally, Rate("fmr", 0.5), SEX).unseen

    assert unseen.startswith("not estimable: non-mated comparisons of")
    assert "blocks of subjects, at least 8 are needed" in unseen
