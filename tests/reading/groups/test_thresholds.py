"""Thresholds by group: by hand, promises kept and broken, and what must hold at every edge."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from frbench.errors import EdgeNotInPlan
from frbench.plan import Cell, Group
from frbench.reading import metrics
from frbench.reading.groups.thresholds import Realised, of_tally, realised
from frbench.reading.thresholds import at_fmr
from frbench.tally import Tally
from tests.worlds import worlds

SEX = ("sex",)
EDGES = (0.1, 0.2, 0.3, 0.4)


def by_edge(f: tuple[int, ...], m: tuple[int, ...], *, n: int = 1000, n_m: int | None = None) -> Tally:
    """A tally of comparisons within two groups in 32 blocks: false matches of women and men at or above each edge.

    Each comparison touches one block, and blocks take turns.
    """
    touching = np.zeros((32, 2, len(EDGES) + 2))
    for cell, (k, trials) in enumerate(((f, n), (m, n if n_m is None else n_m))):
        bins = [*-np.diff([trials, *k, 0]), 0]
        turn = 0
        for b, count in enumerate(bins):
            for _ in range(int(count)):
                touching[turn % 32, cell, b] += 1
                turn += 1
    plan = worlds.small_plan(
        columns=SEX,
        groups=(("f",), ("m",)),
        edges=EDGES,
        cells=(Cell(False, 0, 0), Cell(False, 1, 1)),
        subjects=worlds.parties((5,) * 32, (5,) * 32),
    )
    return worlds.tally_of(plan, touching.sum(axis=0), touching)


def test_thresholds_of_groups_by_hand():
    """At most 10 of 1,000: women at .4 (8), men at .2 (9); all pairs, 20 of 2,000, at .3 (12 + 5)."""
    found = of_tally(by_edge((90, 40, 12, 8), (50, 9, 5, 1)), "0.01", SEX)

    points = {name: t.point for name, t in {"all": found.everybody, **found.by_group}.items()}
    assert {name: (p.threshold, p.k, p.n) for name, p in points.items()} == {
        "all": (0.3, 17, 2000),
        "f": (0.4, 8, 1000),
        "m": (0.2, 9, 1000),
    }
    assert (found.worst.threshold, found.worst.group) == (0.4, "f")


def test_rates_at_the_thresholds_of_others_by_hand():
    """Women at the men's threshold have 40 false matches instead of 8, men at the women's 1 instead of 9."""
    found = of_tally(by_edge((90, 40, 12, 8), (50, 9, 5, 1)), "0.01", SEX)

    assert {(r.set_on, r.group): r.fmr.k for r in found.rates} == {
        ("overall", "overall"): 17,
        ("overall", "f"): 12,
        ("overall", "m"): 5,
        ("f", "overall"): 9,
        ("f", "f"): 8,
        ("f", "m"): 1,
        ("m", "overall"): 49,
        ("m", "f"): 40,
        ("m", "m"): 9,
    }


def test_a_group_that_cannot_show_the_rate_leaves_no_worst():
    """99 comparisons cannot show 1 in 100: the promise to every group is not made, and the reason names it."""
    found = of_tally(by_edge((90, 40, 12, 8), (50, 9, 5, 1), n_m=99), "0.01", SEX)

    assert found.by_group["f"].point.threshold == 0.4
    assert (found.worst.threshold, found.worst.group) == (None, None)
    assert "m: 99 trials cannot show a rate of 0.01; at least 100 are needed" in found.worst.reason


def test_groups_without_comparisons_are_left_out():
    """One man alone, and a row without a label."""
    found = worlds.templates(np.eye(4), list("abcd"), sex=["f", "f", "m", ""])
    result = of_tally(worlds.World(found).tally, 1, SEX)

    assert list(result.by_group) == ["f"]
    assert result.left_out == {"m": "0 non-mated comparisons", "unlabelled": "rows without a label are no group"}
    alone = worlds.templates(np.eye(2), list("ab"), sex=["f", "m"])
    assert of_tally(worlds.World(alone).tally, 1, SEX).worst.reason == "no group has comparisons"


@given(worlds.random_worlds(max_n=25), st.sampled_from(["0.5", "0.2", "0.05"]))
@worlds.FEW
def test_the_worst_threshold_holds_the_rate_in_every_group(world: worlds.World, rate: str):
    """And the edge below it does not; no group's own threshold is above it; every rate is the metric's."""
    assume(world.columns)
    found = of_tally(world.tally, rate, world.columns)
    rates = {(r.set_on, r.group): r.fmr for r in found.rates}
    for (set_on, group), fmr in rates.items():
        pair = None if group == "overall" else (group, group)
        where = found.everybody if set_on == "overall" else found.by_group[set_on]
        assert fmr == metrics.fmr(world.tally, where.point.threshold, group=Group(world.columns, pair))
    if found.worst.threshold is None:
        assert found.worst.reason
        return
    assert all(rates[found.worst.group, name].value <= float(rate) for name in found.by_group)
    edge = world.tally.edge(found.worst.threshold)
    if edge:
        below = (
            metrics.fmr(world.tally, world.edges[edge - 1], group=Group(world.columns, (name, name))).value
            for name in found.by_group
        )
        assert max(below) > float(rate)


def verdicts(found) -> dict[str, Realised]:
    """What became of each group, by name."""
    return {group.group: group for group in found.groups}


def test_a_promise_kept_broken_and_not_settled():
    """At .3 and 1 in 100: women's 300 of 10,000 break it, men's 20 keep it; 9 of 1,000 settle nothing."""
    found = realised(by_edge((900, 400, 300, 8), (50, 40, 20, 1), n=10_000), 0.3, "0.01", SEX)
    few = realised(by_edge((90, 40, 30, 8), (50, 11, 9, 1)), 0.3, "0.01", SEX)

    assert {name: group.verdict for name, group in verdicts(found).items()} == {"f": "broken", "m": "kept"}
    assert verdicts(found)["f"].times == pytest.approx(3)
    assert found.worst.group == "f"
    assert verdicts(few)["m"].verdict == "not settled"
    assert (found.needed.point.threshold, found.needed_by_worst.threshold) == (0.4, 0.4)


def test_no_false_matches_keep_a_promise_only_if_the_bound_does():
    """0 of 1,000 with 80 pairs that share nobody: the bound of 1 - .05^(1/80) = .037 is above .01 and below .05."""
    tally = by_edge((90, 40, 0, 0), (50, 9, 0, 0))
    bound = -math.expm1(math.log(0.05) / 80)

    assert 0.01 < bound < 0.05
    assert verdicts(realised(tally, 0.3, "0.01", SEX))["m"].verdict == "not settled"
    assert verdicts(realised(tally, 0.3, "0.05", SEX))["m"].verdict == "kept"


def test_a_threshold_is_carried_to_other_people():
    """Set on one tally at .3, it realises five times the promise on another, where .4 would have been needed."""
    set_on = by_edge((90, 40, 10, 2), (50, 40, 10, 1))
    used_on = by_edge((900, 400, 60, 10), (500, 400, 40, 10))
    found = realised(used_on, at_fmr(set_on, "0.01").point.threshold, "0.01", SEX)

    assert (found.promised, found.threshold) == ("fmr=0.01", 0.3)
    assert (found.everybody.fmr.k, found.everybody.fmr.n) == (100, 2000)
    assert found.everybody.times == pytest.approx(5)
    assert found.everybody.verdict == "broken"
    assert (found.needed.point.threshold, found.needed_by_worst.threshold) == (0.4, 0.4)


def test_a_tally_transferred_to_itself_keeps_its_point():
    """The threshold realises what it was set at."""
    tally = by_edge((90, 40, 12, 8), (50, 9, 5, 1))
    found = realised(tally, at_fmr(tally, "0.01").point.threshold, "0.01", SEX)

    assert (found.threshold, found.everybody.fmr.k) == (0.3, 17)
    assert found.needed.point.threshold == found.threshold


def test_a_threshold_that_was_not_counted_is_refused():
    """The message says how to recount it."""
    with pytest.raises(EdgeNotInPlan, match="--thresholds"):
        realised(by_edge((90, 40, 12, 8), (50, 9, 5, 1)), 0.35, "0.01", SEX)


def test_results_are_json():
    """Thresholds with their counts, rates with theirs."""
    tally = by_edge((90, 40, 12, 8), (50, 9, 5, 1))
    for found in (of_tally(tally, "0.01", SEX), realised(tally, 0.3, "0.01", SEX)):
        assert json.loads(json.dumps(found.to_json(), allow_nan=False)) == found.to_json()
    assert of_tally(tally, "0.01", SEX).to_json()["thresholds"][1]["set_on"] == "f"
