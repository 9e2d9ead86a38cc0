"""What results say of failures and of declared numbers: by hand, and only where there is something to say."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given

from frbench.counting.identify import count, search_all
from frbench.engines.reference import ReferenceEngine
from frbench.reading.audits.reconcile import Counts
from frbench.results.audits import counts, failures
from tests.worlds import worlds


def test_failures_by_hand():
    """Of two groups only dan's second template failed: in 5 of 18 non-mated and 1 of 3 mated comparisons."""
    found = failures(worlds.two_groups().tally, thresholds=[0.5], groupings=[("sex",)])["failures"]
    everybody, women, men = found["rows"]

    assert list(found["policies"]) == ["reject", "exclude", "accept", "bob"]
    assert [(r["grouping"], r["group"]) for r in found["rows"]] == [("all", "all"), ("sex", "f"), ("sex", "m")]
    assert everybody["fta"] == {"value": 6 / 21, "k": 6, "n": 21, "reason": ""}
    assert everybody["rates"]["reject"]["false_negative"] == {"value": 1 / 3, "k": 1, "n": 3, "reason": ""}
    assert everybody["rates"]["accept"]["false_positive"] == {"value": 14 / 18, "k": 14, "n": 18, "reason": ""}
    # A product of two float64 quotients.
    expected = float(Fraction(9, 13) * Fraction(15, 21))
    assert everybody["rates"]["bob"]["false_positive"]["value"] == pytest.approx(expected, rel=1e-15)
    assert (women["fta"]["k"], men["fta"]["k"], men["fta"]["n"]) == (0, 3, 6)


def test_without_a_failed_template_there_is_nothing_to_say():
    """No key at all."""
    assert failures(worlds.with_ties().tally, thresholds=[0.5], groupings=[]) == {}


@given(worlds.searches())
@worlds.FEW
def test_failures_of_searches_are_json_at_the_rank(task):
    """Every group and threshold once, and nothing that JSON does not know."""
    plan = task.plan(worlds.EDGES)
    tally = count(task, plan, search_all(task, ReferenceEngine()))
    found = failures(tally, thresholds=worlds.EDGES[:2], groupings=[("sex",)], rank=1)
    n_groups = 1 + len(set(plan.group_names(("sex",))))

    assert json.loads(json.dumps(found, allow_nan=False)) == found
    if any(tally.pick(mated=mated).unscored for mated in (False, True)):
        assert len(found["failures"]["rows"]) == 2 * n_groups
        assert {row["rank"] for row in found["failures"]["rows"]} == {1}
        assert found["failures"]["rows"][0]["group"] == "overall"
    else:
        assert found == {}


def test_counts_stand_without_a_declared_number():
    """Seven images of four people: 21 pairs, of which 15 have a score."""
    found = counts(worlds.two_groups().tally, Counts.of([2, 1, 2, 2]), [])

    assert list(found) == ["counts"]
    assert (found["counts"]["rows"], found["counts"]["subjects"]) == (7, 4)
    assert found["counts"]["conventions"]["ordered pairs, both directions"] == 42
    assert (found["counts"]["run"]["pairs"], found["counts"]["run"]["pairs_scored"]) == (21, 15)


def test_every_declared_number_has_a_sentence():
    """Both directions, those with a score, and one that nothing gives: in the order of the command line."""
    found = counts(worlds.two_groups().tally, Counts.of([2, 1, 2, 2]), [42, 15, 1000])["reconciliation"]

    assert [line["declared"] for line in found] == [42, 15, 1000]
    assert found[0]["explanation"] == "42 are ordered pairs, both directions"
    assert found[1]["explanation"] == "15 are pairs with a score"
    assert found[2]["explanation"].startswith("1,000 are none of the usual counts")
