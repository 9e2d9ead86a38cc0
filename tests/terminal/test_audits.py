"""What audits print: rates under every policy, shares of the worst, hubs, and nothing where nothing was asked."""

from __future__ import annotations

import io

from rich.console import Console, Group

from frbench.counting.per_subject import per_subject
from frbench.reading.audits.reconcile import Counts
from frbench.results.audits import counts, failures, worst_subjects
from frbench.terminal.audits import tables
from tests.worlds import worlds


def printed(results: dict) -> str:
    """The tables as text."""
    out = io.StringIO()
    Console(file=out, width=400).print(Group(*tables({"kind": "verify", "groupings": ["sex", "region"]} | results)))
    return out.getvalue()


def test_nothing_is_printed_where_nothing_was_looked_for():
    """Runs of older versions have none of the keys."""
    assert printed({"kind": "verify", "thresholds": [0.5]}).strip() == ""


def test_rates_under_every_policy_stand_side_by_side():
    """Two groups at .5: FMR 9 / 18 rejected, 9 / 13 left out, 14 / 18 accepted, 9/13 x 15/21 by bob's formula."""
    found = failures(worlds.two_groups().tally, thresholds=[0.5], groupings=[("sex",)])
    text = printed({"kind": "verify", "thresholds": [0.5], **found})
    [everybody] = [line.split() for line in text.splitlines() if line.startswith("all")]

    assert everybody[1:5] == ["6", "/", "21", "28.6%"]
    assert everybody[5:] == ["5.00e-1", "33.3%", "6.92e-1", "0%", "7.78e-1", "0%", "4.95e-1", "28.6%"]
    assert "reject: rejected, as in a positive claim" in text


def test_shares_of_the_worst_stand_beside_what_is_expected():
    """One subject of two groups: ann is in 6 of 9 false matches; there are no false non-matches at .5."""
    world = worlds.two_groups()
    found = worst_subjects(per_subject(world.counter, world.layout, world.tally, [0.5]), [])
    lines = [line.split() for line in printed({"kind": "verify", "thresholds": [0.5], "subjects": found}).splitlines()]

    matches, misses = (line for line in lines if line[:2] == ["all", "0.5"])
    assert matches[2:11] == ["false", "matches", "1", "of", "4", "9", "6", "66.7%", f"{expected(found):.1%}"]
    assert misses[4:9] == ["1", "of", "2", "0", "0"]
    assert "estimable" in misses


def expected(found: dict) -> float:
    """What images and chance explain of the false matches of everybody."""
    return found["rows"][0]["false_matches"]["expected"]


def test_declared_numbers_are_sentences():
    """One line for each."""
    found = counts(worlds.two_groups().tally, Counts.of([2, 1, 2, 2]), [42, 3])

    assert "declared: 42 are ordered pairs, both directions\ndeclared: 3 are unordered mated pairs" in printed(
        {"kind": "verify", "thresholds": [], **found}
    )


def test_hubs_are_one_sentence_with_all_its_numbers():
    """Or the reason why there are none."""
    hub = {
        "rows": 500, "lists": 90, "k": 10, "most": 40, "never": 7, "skewness": 1.5, "worst": 5, "worst_share": 0.125,
        "expected_most": 9, "reason": "", "template": "t7",
    }  # fmt: skip
    text = printed({"kind": "identify", "thresholds": [], "hubness": hub})
    none = printed({"kind": "identify", "thresholds": [], "hubness": hub | {"reason": "no search returned another"}})

    assert (
        "hubs: template t7 is among the first 10 of other people's candidates in 40 of 90 searches, at most 9" in text
    )
    assert "7 of 500 templates are in none; the 5 most frequent are 12.5% of all candidates; skewness 1.50" in text
    assert none.strip() == "hubs: no search returned another"
