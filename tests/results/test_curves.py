"""What results.json says of whole curves: by hand, and of every group that there is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import frbench
from frbench.choices import FAILED_POLICIES
from frbench.errors import EdgeNotInPlan
from frbench.plan import EVERYBODY, Group
from frbench.reading.audits.failure_policies import accounting
from frbench.reading.cllr import min_cllr
from frbench.reading.curves import auc, eer
from frbench.results.curves import MIN_EDGES, keys
from frbench.tally import Tally
from tests.reading.groups.test_at_threshold import crowd
from tests.reading.test_curves import GENUINE, IMPOSTOR, between, of_scores
from tests.worlds import worlds

SCHEMA = json.loads((Path(frbench.__file__).parent / "schema" / "results.schema.json").read_text())
SUMMARY = jsonschema.Draft202012Validator({"$defs": SCHEMA["$defs"], "$ref": "#/$defs/summary"})
SEX = ("sex",)


def summaries(tally: Tally, *, thresholds=(), groupings=(SEX,), **options) -> dict[str, dict]:
    """Summaries by group."""
    found = keys(tally, thresholds=thresholds, groupings=groupings, **options)["summaries"]
    return {row["group"]: row for row in found}


def test_everybody_and_each_group_have_a_row():
    """In order of names, once for every grouping; comparisons of two groups have none."""
    rows = keys(crowd(), thresholds=[], groupings=[SEX, ()])["summaries"]

    assert [(row["grouping"], row["group"]) for row in rows] == [
        ("all", "all"),
        ("sex", "f"),
        ("sex", "m"),
        ("sex", "x"),
    ]
    assert [row["group"] for row in keys(crowd(), thresholds=[], groupings=[])["summaries"]] == ["all"]


@pytest.mark.parametrize("failed", FAILED_POLICIES)
def test_curves_are_those_of_their_modules(failed):
    """Of comparisons within the group, under the policy of the run, and with every variant."""
    tally = crowd()
    found = summaries(tally, failed=failed)

    for group in (EVERYBODY, Group.within(SEX, "f")):
        name, options = group.name, {"group": group}
        assert found[name]["failed_policy"] == failed
        assert found[name]["eer"] == eer(tally, **options, failed=failed).to_json()
        assert found[name]["auc"] == auc(tally, **options, failed=failed).to_json()
        assert found[name]["min_cllr"] == min_cllr(tally, **options).to_json()
    assert found["f"]["eer"]["n_mated"] == 40
    assert {"threshold", "false_matches", "false_nonmatches", "fvc", "rocch", "bounds"} < found["f"]["eer"].keys()


def test_supported_rates_by_hand():
    """240 templates of 120 people: 240 * 239 / 2 - 120 non-mated pairs; 80 * 79 / 2 - 40 within a group."""
    found = summaries(crowd())

    assert found["all"]["supported_down_to"] == {
        "fmr": {"value": 30 / 28_560, "n": 28_560, "reason": ""},
        "fnmr": {"value": 30 / 120, "n": 120, "reason": ""},
    }
    assert found["m"]["supported_down_to"]["fmr"] == {"value": 30 / 3_120, "n": 3_120, "reason": ""}
    assert found["m"]["supported_down_to"]["fnmr"] == {"value": 30 / 40, "n": 40, "reason": ""}


@pytest.mark.parametrize(("n", "value"), [(29, None), (30, 1.0)])
def test_fewer_trials_than_thirty_support_no_rate(n: int, value: float | None):
    """A rate of one is the largest there is."""
    found = summaries(of_scores([1] * n, [1], [0.5]), groupings=())["all"]["supported_down_to"]

    assert found["fmr"]["value"] == value
    assert found["fnmr"] == {"value": None, "n": 1, "reason": "1 mated comparison cannot show 30 errors"}


def test_failed_trials_support_rates_only_where_they_count():
    """18 non-mated comparisons, 5 of them with a failed template."""
    tally = worlds.two_groups().tally
    n = {failed: summaries(tally, failed=failed)["all"]["supported_down_to"]["fmr"]["n"] for failed in FAILED_POLICIES}

    assert n == {"reject": 18, "exclude": 13, "accept": 18}


@pytest.mark.parametrize("n_edges", [MIN_EDGES - 1, MIN_EDGES])
def test_a_coarse_axis_has_bounds_and_no_value(n_edges: int):
    """Of 19 thresholds nobody sees a curve; of 20 there is one."""
    tally = of_scores(IMPOSTOR, GENUINE, np.linspace(1, 99, n_edges))
    found = summaries(tally, groupings=())["all"]

    for name, metric in (("eer", eer), ("auc", auc), ("min_cllr", min_cllr)):
        whole = metric(tally).to_json()
        assert found[name]["bounds"] == whole["bounds"]
        assert found[name]["value"] == (whole["value"] if n_edges == MIN_EDGES else None)
        assert ("the axis has 19 thresholds" in found[name]["reason"]) == (n_edges < MIN_EDGES)


def test_bounds_of_a_coarse_axis_hold_the_value_of_the_scores():
    """Three thresholds say less than one between every two scores, and nothing else."""
    rough = summaries(of_scores(IMPOSTOR, GENUINE, [25, 40, 65]), groupings=())["all"]
    tally = of_scores(IMPOSTOR, GENUINE, between(IMPOSTOR, GENUINE))

    for name, metric in (("eer", eer), ("auc", auc), ("min_cllr", min_cllr)):
        low, high = rough[name]["bounds"]
        # Sums of eight logarithms in float64.
        assert low - 1e-12 <= metric(tally).value <= high + 1e-12


def test_a_group_without_mated_trials_says_so():
    """Three women and three men with one template each have no curve, and the reason names what is missing."""
    found = worlds.templates(np.eye(6), list("abcdef"), sex=list("fffmmm"))
    row = summaries(worlds.World(found, edges=tuple(np.linspace(-1, 1, 41))).tally)["f"]

    for name in ("eer", "auc", "min_cllr"):
        assert (row[name]["value"], row[name]["bounds"], row[name]["reason"]) == (None, None, "0 mated trials")


def test_generalised_rates_by_hand():
    """6 of 21 comparisons have no score. At .5: 9 of 13 false matches, 0 of 2 missed; at .75: 1 of 13, 1 of 2."""
    row = summaries(worlds.two_groups().tally, thresholds=[0.5, 0.75])["all"]
    fta = 6 / 21

    assert (row["fta"]["k"], row["fta"]["n"]) == (6, 21)
    counts = ("threshold", "false_matches", "n_nonmated", "false_nonmatches", "n_mated")
    rates = row["generalised"]["rates"]
    assert [tuple(at[name] for name in counts) for at in rates] == [(0.5, 9, 13, 0, 2), (0.75, 1, 13, 1, 2)]
    # Two products in float64.
    assert [at["gfar"] for at in rates] == pytest.approx([9 / 13 * (1 - fta), 1 / 13 * (1 - fta)], rel=1e-12)
    assert [at["gfrr"] for at in rates] == pytest.approx([fta, fta + (1 - fta) / 2], rel=1e-12)
    assert row["generalised"]["policy"].startswith("positive claim: a comparison with a failed template is rejected")


def test_a_rate_without_completed_trials_leaves_the_other():
    """Both non-mated comparisons failed: no GFAR, and why; GFRR is FTA 2/3 and 1/3 of FNMR 0."""
    found = worlds.templates([worlds.X, worlds.X, worlds.NOTHING], ["ann", "ann", "bea"], failed=[2], sex=["f"] * 3)
    row = summaries(worlds.World(found).tally, thresholds=[0.5])["all"]
    (at,) = row["generalised"]["rates"]

    assert (at["gfar"], at["reason"]) == (None, "0 non-mated comparisons completed")
    assert at["gfrr"] == pytest.approx(2 / 3, rel=1e-12)


@given(worlds.random_worlds(max_n=25), st.sampled_from(FAILED_POLICIES))
@worlds.FEW
def test_summaries_follow_the_schema(world: worlds.World, failed):
    """Whatever is undefined is null with a reason, and generalised rates are those of bob's formula written out."""
    groupings = [world.columns] if world.columns else []
    tally = world.tally
    rows = summaries(tally, thresholds=world.edges, groupings=groupings, failed=failed)
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    for name, row in rows.items():
        SUMMARY.validate(row)
        for found in (row["eer"], row["auc"], row["min_cllr"], row["fta"], *row["supported_down_to"].values()):
            assert found["value"] is not None or found["reason"]
        pair = None if name == "all" else (name, name)
        for at in row["generalised"]["rates"]:
            found = accounting(tally, at["threshold"], group=Group(world.columns, pair))
            bob = next(policy for policy in found.policies if policy.name == "bob")
            for rate, share in ((at["gfar"], bob.false_positive), (at["gfrr"], bob.false_negative)):
                # The same products in another order.
                assert (rate is None) == (share.value is None)
                assert rate is None or rate == pytest.approx(share.value, abs=1e-12)


def test_a_threshold_that_was_not_counted_is_refused():
    """Nothing is said between edges."""
    with pytest.raises(EdgeNotInPlan):
        summaries(worlds.two_groups().tally, thresholds=[0.3])


def test_people_who_are_not_known_leave_values_alone():
    """A list of pairs without labels has an EER and no interval."""
    seen = of_scores(IMPOSTOR, GENUINE, between(range(100)))
    details = {"subjects_known": False, "independent_nonmated": 0}
    plan = worlds.small_plan(kind="pairs", edges=seen.plan.edges, details=details)
    row = summaries(replace(seen, plan=plan), groupings=())["all"]

    assert (row["eer"]["value"], row["eer"]["low"]) == (1 / 4, None)
    assert "give --labels" in row["eer"]["reason"]
    assert "give --labels" in row["fta"]["reason"]
