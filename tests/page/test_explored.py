"""Every figure at every stop is the one that the tally gives there."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.estimate import Estimate
from frbench.finished_run import FinishedRun
from frbench.page.explored import MAX_FIGURES, MIN_STOPS, Explored, cut, explored, stops_of
from frbench.plan import Group
from frbench.reading import differentials, metrics
from frbench.reading.joint import replicates
from tests.page.test_page import even, identify, verify
from tests.worlds import worlds


def found_of(section: FinishedRun) -> Explored:
    """What there is to explore."""
    found = explored(section.results, section.tally)
    assert found is not None
    return found


def same(at: dict[str, Any], estimate: Estimate) -> bool:
    """Whether all fields that a page prints are equal."""
    return all(at[name] == getattr(estimate, name) for name in ("k", "n", "value", "low", "high", "level", "reason"))


def test_stops_are_where_a_count_changes():
    """Scores of 0, .5 and 1 on edges -.5, 0, .25, .5, .75, 1: at or above 0, .25 (past 0), .75 (past .5), and 1."""
    tally = worlds.two_groups().tally

    assert worlds.EDGES == (-0.5, 0.0, 0.25, 0.5, 0.75, 1.0)
    edges, is_thinned = stops_of(tally, [], limit=100)
    assert [worlds.EDGES[e] for e in edges] == [0.0, 0.25, 0.75, 1.0]
    assert not is_thinned


def test_reported_thresholds_are_stops():
    """An edge at which nothing changes is a stop if the run reports it."""
    edges, _ = stops_of(worlds.two_groups().tally, [-0.5], limit=100)

    assert worlds.EDGES[edges[0]] == -0.5


def test_many_stops_are_thinned_to_an_even_few():
    """Of 1,000 edges with a score each, 60 are left, both ends and the reported one among them."""
    axis = tuple(np.linspace(-1, 1, 1000).tolist())
    plan = worlds.small_plan(edges=axis)
    tally = worlds.tally_of(plan, [[1] * 1001 + [0]] * 2)

    edges, is_thinned = stops_of(tally, [axis[500]], limit=10)
    assert is_thinned
    assert {0, 500, 999} < set(edges)
    assert len(edges) == MIN_STOPS + 1


def test_run_without_a_score_has_nothing_to_explore():
    """All templates failed."""
    nothing = verify(counts=lambda *_: (0, 0, 0, 0, 0, 0, 5))

    assert explored(nothing.results, nothing.tally) is None


@given(worlds.random_worlds(max_n=20), st.data())
def test_cut_has_the_counts_of_an_edge(world: worlds.World, data: st.DataObject):
    """At each edge alone: what is below, at or above, and without a score, with what touches each block."""
    tally = world.tally
    edges = sorted(data.draw(st.sets(st.integers(0, len(tally.plan.edges) - 1), min_size=1)))

    for edge, one in zip(edges, cut(tally, edges), strict=True):
        assert one.plan.edges == (tally.plan.edges[edge],)
        for counts, of in ((one.total, tally.total), (one.touching, tally.touching)):
            assert np.array_equal(counts[..., 0], of[..., : edge + 1].sum(axis=-1))
            assert np.array_equal(counts[..., 1], of[..., edge + 1 : -1].sum(axis=-1))
            assert np.array_equal(counts[..., 2], of[..., -1])


@pytest.mark.parametrize("failed", ["reject", "exclude", "accept"])
def test_comparisons_have_the_figures_of_the_tally(failed: Any):
    """FMR and FNMR of all rows, FMR between groups, and ratios, at every stop and under every policy."""
    section = verify(counts=lambda c, b: (*even(c, b), *(0,) * (6 - len(even(c, b))), b % 2), failed=failed)
    found = found_of(section)

    assert len(found.thresholds) > 3
    for curve in (*found.curves, *found.pairs):
        rate = metrics.fmr if curve.rate.metric == "fmr" else metrics.fnmr
        pair = None if found.rows[curve.a].is_everybody else (found.rows[curve.a].name, found.rows[curve.b].name)
        columns = () if pair is None else ("sex",)
        for stop, t in enumerate(found.thresholds):
            assert same(curve.at(stop), rate(section.tally, t, group=Group(columns, pair), failed=failed))
    check_ratios(found, section)


def test_searches_have_the_figures_of_the_tally():
    """FPIR, and FNIR at the first and the last rank, of all rows at every stop."""
    section = identify(failed=2)
    found = found_of(section)

    assert [rate.name for rate in found.rates] == ["FPIR", "FNIR, rank 1", "FNIR, rank 5"]
    for curve in found.curves:
        row = found.rows[curve.a]
        asked = {} if row.is_everybody else {"group": Group.within(("sex",), row.name)}
        for stop, t in enumerate(found.thresholds):
            rank = curve.rate.rank
            expected = (
                metrics.fpir(section.tally, t, **asked)
                if rank is None
                else metrics.fnir(section.tally, t, rank=rank, **asked)
            )
            assert same(curve.at(stop), expected)
    check_ratios(found, section)
    assert not found.pairs


def check_ratios(found: Explored, section: FinishedRun) -> None:
    """Each ratio at each stop is the one of `compare`."""
    assert found.ratios
    for ratio in found.ratios:
        groups = [Group.within(("sex",), found.rows[i].name) for i in (ratio.row, ratio.reference)]
        for stop, t in enumerate(found.thresholds):
            sides = (replicates(section.tally, ratio.rate.at(t), group) for group in groups)
            expected = differentials.compare(*sides).ratio
            for name in ("low", "high", "detectable"):
                end, wanted = getattr(ratio, name)[stop], getattr(expected, name)
                assert np.isnan(end) if wanted is None else end == wanted
            assert ratio.reasons[stop] == expected.reason


def test_reported_stops_repeat_the_results():
    """At a reported threshold every estimate and contrast is that of `results.json`."""
    section = verify(thresholds=(0.5, 0.75))
    found = found_of(section)

    assert [found.thresholds[stop] for stop in found.reported] == [0.5, 0.75]
    rows = {(row.grouping, row.name): i for i, row in enumerate(found.rows)}
    for e in section.results["estimates"]:
        name = "overall" if e["grouping"] == "all" else e["group_a"]
        stop = found.reported[section.results["thresholds"].index(e["threshold"])]
        if e["group_a"] == e["group_b"]:
            rate = next(r for r in found.rates if r.metric == e["metric"])
            at = found.curve(rate, rows[e["grouping"], name]).at(stop)
            # A curve does not keep how its intervals were made.
            assert at == {**{key: e[key] for key in at}, "method": "", "n_effective": None}
    references = {(c["metric"], c["group"][0], c["reference"][0]) for c in section.results["contrasts"]}
    assert {(r.rate.metric, found.rows[r.row].name, found.rows[r.reference].name) for r in found.ratios} == references


def test_groups_of_many_columns_are_told_apart():
    """Two groupings have rows of their own, named with their columns; pairs stay inside one."""
    groups = tuple((sex, region) for sex in ("f", "m") for region in ("n", "s"))
    found = found_of(verify(groups, groupings=[("sex",), ("sex", "region")]))

    labels = [row.label for row in found.rows]
    assert labels[:4] == ["all pairs", "sex=f", "sex=m", "sex,region=f,n"]
    assert all(found.rows[c.a].grouping == found.rows[c.b].grouping for c in found.pairs)
    assert len(found.pairs) == 1 + 6


def test_rows_without_a_label_are_neither_compared_nor_in_the_matrix():
    """They have rates, and are no group."""
    found = found_of(verify((("f",), ("m",), ("",))))

    assert [row.label for row in found.rows if not row.is_labelled] == ["all pairs", "unlabelled"]
    unlabelled = next(i for i, row in enumerate(found.rows) if row.label == "unlabelled")
    assert all(unlabelled not in (r.row, r.reference) for r in found.ratios)
    assert all(unlabelled not in (c.a, c.b) for c in found.pairs)


def test_pairs_of_many_groups_have_the_estimates_of_the_command_line():
    """Of 16 groups, 120 pairs; each has the estimate that a command gives, with its interval or its reason."""
    groups = tuple((f"g{i:02}",) for i in range(16))
    section = verify(groups, counts=lambda cell, b: even(cell, b) or (0, 90, 20, 3 + b % 2))
    found = found_of(section)

    assert len(found.pairs) == 120
    for curve in found.pairs[::17]:
        pair = (found.rows[curve.a].name, found.rows[curve.b].name)
        for stop, t in enumerate(found.thresholds):
            assert same(curve.at(stop), metrics.fmr(section.tally, t, group=Group(("sex",), pair)))
    assert any(not np.isnan(curve.low).all() and (curve.k > 0).any() for curve in found.pairs)


def test_work_is_bounded():
    """A hundred rows of two rates leave 60 stops, whatever the axis."""
    assert MAX_FIGURES // (101 * 2) < MIN_STOPS


def test_every_run_of_comparisons_and_searches_can_be_explored(monkeypatch: pytest.MonkeyPatch):
    """Every field of what is embedded is set, and results of older releases will do."""
    section = verify()
    for key in ("contrasts", "highest", "differentials"):
        del section.results[key]
    monkeypatch.setattr("frbench.results.verify.verify_results", None)

    assert {f.name for f in fields(Explored)} == set(vars(found_of(section)))
