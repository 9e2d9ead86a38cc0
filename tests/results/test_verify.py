"""What results say is what the tally holds: cells add up, and every number has its place."""

from __future__ import annotations

import json
from math import comb

import numpy as np
import pytest
from hypothesis import given

from frbench.counting.calibrate import OperatingPoint
from frbench.counting.identify import Identification, count, search_all
from frbench.counting.latency import measure
from frbench.engines.reference import ReferenceEngine
from frbench.errors import EdgeNotInPlan
from frbench.plan import Group
from frbench.reading import metrics
from frbench.results.identify import identify_results
from frbench.results.latency import latency_results
from frbench.results.verify import verify_results
from tests.counting.test_latency import task as latency_task
from tests.worlds import worlds

POINT = OperatingPoint("fmr=0.1", "all non-mated pairs", 0.5, 9, 18)


def verify(world: worlds.World, thresholds=(0.5, 0.75), groupings=(("sex",),), failed="reject") -> dict:
    """Results of a world."""
    return verify_results(world.tally, thresholds=thresholds, groupings=groupings, points=[POINT], failed=failed)


def test_verify_results_by_hand():
    """Cells of two groups: trials, failures, and comparisons accepted at .5 and .75."""
    cells = [tuple(cell.values()) for cell in verify(worlds.two_groups())["cells"]]

    assert cells == [
        ("sex", False, "f", "f", 2, 0, [2, 1]),
        ("sex", False, "f", "m", 12, 3, [5, 0]),
        ("sex", False, "m", "m", 4, 2, [2, 0]),
        ("sex", True, "f", "f", 1, 0, [1, 0]),
        ("sex", True, "f", "m", 0, 0, [0, 0]),
        ("sex", True, "m", "m", 2, 1, [1, 1]),
    ]


def test_verify_results_overall_by_hand():
    """18 non-mated and 3 mated comparisons."""
    overall = [tuple(cell.values()) for cell in verify(worlds.two_groups())["overall"]]

    assert overall == [("all", False, "all", "all", 18, 5, [9, 1]), ("all", True, "all", "all", 3, 1, [2, 1])]


@given(worlds.random_worlds())
@worlds.FEW
def test_cells_add_up_to_all_pairs(world: worlds.World):
    """For every grouping, the cells hold each of the n (n - 1) / 2 pairs once, accepted ones included."""
    groupings = [(c,) for c in world.columns] + ([world.columns] if len(world.columns) > 1 else [])
    found = verify_results(world.tally, thresholds=world.edges, groupings=groupings or [()], points=[], failed="reject")
    pairs = comb(len(world.templates), 2)
    assert sum(cell["trials"] for cell in found["overall"]) == pairs
    for title in found["groupings"]:
        cells = [cell for cell in found["cells"] if cell["grouping"] == title]
        assert sum(cell["trials"] for cell in cells) == pairs
        for overall in found["overall"]:
            same = [cell for cell in cells if cell["mated"] == overall["mated"]]
            assert sum(cell["unscored"] for cell in same) == overall["unscored"]
            for i in range(len(world.edges)):
                assert sum(cell["accepted"][i] for cell in same) == overall["accepted"][i]


@given(worlds.random_worlds(max_n=20))
@worlds.FEW
def test_results_are_json_without_nan(world: worlds.World):
    """Whatever is undefined is null."""
    groupings = [world.columns] if world.columns else []
    found = verify_results(world.tally, thresholds=world.edges, groupings=groupings, points=[POINT], failed="exclude")

    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_estimates_are_those_of_the_metrics():
    """Every rate is listed with its groups, threshold, numerator and denominator."""
    world = worlds.two_groups()
    found = verify(world, failed="exclude")
    listed = {(e["metric"], e["grouping"], e["group_a"], e["group_b"], e["threshold"]): e for e in found["estimates"]}

    assert len(listed) == len(found["estimates"])
    # Two thresholds; FMR of all and three pairs, FNMR of all and of the two groups.
    assert len(listed) == 2 * (4 + 3)
    expected = metrics.fmr(world.tally, 0.5, group=Group(("sex",), ("f", "m")), failed="exclude").to_json()
    assert expected.items() <= listed["fmr", "sex", "f", "m", 0.5].items()
    assert (expected["k"], expected["n"]) == (5, 9)
    assert listed["fnmr", "all", "all", "all", 0.75]["k"] == 1
    assert found["failed_policy"] == "exclude"


def test_moments_by_hand():
    """Means, deviations and what is missing: one score has no deviation, and without mated ones there is no d'."""
    world = worlds.two_groups()
    sums = world.counter.moments(world.plan).check(world.tally)
    found = verify_results(world.tally, thresholds=[], groupings=[("sex",)], points=[], failed="reject", moments=sums)[
        "moments"
    ]
    rows = {(g["grouping"], g["group_a"], g["group_b"]): g for g in found["groups"]}

    # All: non-mated 1, 1/2 of f; 1/2 twice of m; 0 four times and 1/2 five times between them. Mated: 1/2 and 1.
    assert list(rows) == [("all", "all", "all"), ("sex", "f", "f"), ("sex", "f", "m"), ("sex", "m", "m")]
    everybody = rows["all", "all", "all"]
    assert everybody["nonmated"] == {
        "n": 13,
        "mean": 5 / 13,
        "sd": pytest.approx(np.sqrt(3 / 13 - 25 / 169)),
        "reason": "",
    }
    assert everybody["mated"] == {"n": 2, "mean": 0.75, "sd": 0.25, "reason": ""}
    spread = np.sqrt((3 / 13 - 25 / 169 + 1 / 16) / 2)
    assert everybody["d_prime"] == {"value": pytest.approx((3 / 4 - 5 / 13) / spread), "reason": ""}
    one = "only 1 scored mated comparison"
    assert rows["sex", "f", "f"]["mated"] == {"n": 1, "mean": 0.5, "sd": None, "reason": one}
    assert rows["sex", "f", "f"]["d_prime"] == {"value": None, "reason": one}
    none = "0 scored mated comparisons"
    assert rows["sex", "f", "m"]["mated"] == {"n": 0, "mean": None, "sd": None, "reason": none}
    assert found["checksum"].startswith("passed")


def test_results_without_moments_say_so():
    """Nothing is reported that nobody computed."""
    assert verify(worlds.two_groups())["moments"] == {"checksum": "not made: no sums were computed", "groups": []}


def test_ratios_are_over_the_group_with_most_subjects():
    """Five men and three women: women over men, at every threshold; and the other way about."""
    found = worlds.templates(np.eye(8), list("abcdefgh"), sex=["f"] * 3 + ["m"] * 5)
    ratios = verify(worlds.World(found, edges=(0.0, 0.5)), thresholds=(0.0, 0.5))["ratios"]

    assert [(r["group"], r["reference"], r["threshold"], r["value"]) for r in ratios] == [
        (["f", "f"], ["m", "m"], 0.0, 1.0),
        (["f", "f"], ["m", "m"], 0.5, None),
    ]
    found = worlds.templates(np.eye(8), list("abcdefgh"), sex=["f"] * 5 + ["m"] * 3)
    assert [r["reference"] for r in verify(worlds.World(found))["ratios"]] == [["f", "f"]] * 2


def test_contrasts_are_of_both_rates_and_ratios_are_those_of_fmr():
    """FMR and FNMR of m against f, of two people each, at both thresholds."""
    found = verify(worlds.two_groups())
    contrasts = found["contrasts"]

    assert [(c["metric"], c["threshold"], c["k"], c["n"]) for c in contrasts] == [
        ("fmr", 0.5, [2, 2], [4, 2]),
        ("fnmr", 0.5, [1, 0], [2, 1]),
        ("fmr", 0.75, [0, 1], [4, 2]),
        ("fnmr", 0.75, [1, 1], [2, 1]),
    ]
    assert contrasts[0]["difference"]["value"] == 2 / 4 - 2 / 2
    fmr = [{k: v for k, v in c.items() if k not in ("rank", "difference")} for c in contrasts if c["metric"] == "fmr"]
    assert fmr == found["ratios"]
    assert [(h["metric"], h["group"], h["possible"]) for h in found["highest"][:2]] == [
        ("fmr", "f", ["f", "m"]),
        ("fnmr", "m", ["f", "m"]),
    ]


def test_runs_without_groups_have_no_contrasts():
    """There is nothing to hold against anything."""
    found = verify(worlds.two_groups(), groupings=())

    assert found["ratios"] == []
    assert not {"contrasts", "highest"} & set(found)


def test_the_head_says_what_was_counted():
    """Kind, version, plan, thresholds, groupings and where thresholds came from."""
    world = worlds.two_groups()
    found = verify(world)

    assert (found["schema"], found["schema_version"], found["kind"]) == ("frbench.results", 1, "verify")
    assert (found["plan"], found["thresholds"], found["groupings"]) == (world.plan.digest, [0.5, 0.75], ["sex"])
    assert found["operating_points"] == [POINT.to_json()]
    assert found["operating_points"][0]["achieved"] == 9 / 18


def test_a_threshold_that_was_not_counted_is_refused():
    """Nothing is reported between edges."""
    with pytest.raises(EdgeNotInPlan):
        verify(worlds.two_groups(), thresholds=(0.3,))


@given(worlds.searches())
@worlds.FEW
def test_searches_add_up(task: Identification):
    """Groups hold every probe once; misses at a rank and hits agree; lower ranks never hit more."""
    tally = count(task, task.plan(worlds.EDGES), search_all(task, ReferenceEngine()))
    found = identify_results(tally, thresholds=worlds.EDGES, groupings=[("sex",)], points=[])
    overall, *groups = found["groups"]

    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert overall["mated_searches"] + overall["nonmated_searches"] == len(task.probes)
    for name in ("mated_searches", "nonmated_searches", "mated_unscored", "nonmated_unscored"):
        assert sum(group[name] for group in groups) == overall[name]
    assert np.sum([group["false_positives"] for group in groups], axis=0).tolist() == overall["false_positives"]
    assert np.sum([group["misses_rank1"] for group in groups], axis=0).tolist() == overall["misses_rank1"]
    for group in found["groups"]:
        assert group["misses_rank1"] == group["misses"]["1"]
        assert group["rank_hits"]["1"] <= group["rank_hits"]["2"] <= group["rank_hits"]["5"]
        # The lowest edge is -.5: a miss there is a miss without a threshold, or a mate below it.
        assert group["misses"]["1"][0] >= group["mated_searches"] - group["rank_hits"]["1"]
    # Overall and each group: FPIR at six edges, FNIR at six and without a threshold, at three ranks.
    assert len(found["estimates"]) == len(found["groups"]) * (6 + 7 * 3)


def test_latency_results_hold_every_request():
    """Overall and two groups for each of two batch sizes; percentiles with too few requests are null with a reason."""
    found = latency_results(measure(latency_task(requests=50), run=3), groupings=[("sex",)])

    assert [(g["batch"], g["group"], g["requests"]) for g in found["groups"]] == [
        (batch, group, n) for batch in (1, 4) for group, n in (("overall", 100), ("f", 50), ("m", 50))
    ]
    assert (found["kind"], found["runs"], found["k"]) == ("latency", 1, 3)
    for group in found["groups"]:
        quantiles = {q["q"]: q for q in group["quantiles"]}
        assert quantiles[0.5]["low_ns"] <= quantiles[0.5]["value_ns"] <= quantiles[0.9]["value_ns"]
        assert quantiles[0.99]["value_ns"] is None
        assert "at least 459" in quantiles[0.99]["reason"]
        assert group["probes_per_second"] == group["batch"] * 1e9 / group["mean_ns"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
