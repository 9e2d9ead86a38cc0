"""What the terminal says of whole curves."""

from __future__ import annotations

import io
import re

import numpy as np
from rich.console import Console, Group

from frbench.results.curves import keys
from frbench.tally import Tally
from frbench.terminal import curves
from tests.reading.groups.test_at_threshold import crowd
from tests.reading.test_curves import GENUINE, IMPOSTOR, between, of_scores
from tests.worlds import worlds


def printed(tally: Tally, *, thresholds=(), groupings=(("sex",),)) -> str:
    """The tables as text, white space reduced."""
    found = keys(tally, thresholds=thresholds, groupings=groupings)
    return shown(found)


def shown(found: dict) -> str:
    """The tables of these results; with two groupings, of which names say which."""
    out = io.StringIO()
    tables = curves.tables({**found, "groupings": ["sex", "region"]})
    Console(file=out, width=300).print(Group(*tables))
    return re.sub(r"[ \t]+", " ", out.getvalue())


def test_an_equal_error_rate_stands_with_its_threshold_and_counts():
    """The probe of conventions: one of four and one of four, at .40; the hull crosses at 1/6."""
    text = printed(of_scores(IMPOSTOR, GENUINE, np.append(between(IMPOSTOR, GENUINE), range(100, 120))), groupings=())

    assert re.search(r"^all 25% not estimable 25% - 25% 16\.7% 40 1 / 4 1 / 4 *$", text, re.MULTILINE)
    assert "for research: nobody operates at an equal error rate" in text


def test_every_group_has_its_curves():
    """AUC and min Cllr of each, with interval and bounds, as the results have them."""
    found = keys(crowd(), thresholds=[], groupings=[("sex",)])
    text = shown(found)

    for row in found["summaries"]:
        auc, cost = row["auc"], row["min_cllr"]
        name = "all" if row["grouping"] == "all" else f"{row['grouping']}={row['group']}"
        area = rf"{auc['value']:.5f} {auc['low']:.5f} - {auc['high']:.5f} \S+ - \S+"
        bits = rf"{cost['value']:.3g} {cost['low']:.3g} - {cost['high']:.3g} {cost['bounds'][0]:.3g} - \S+"
        assert re.search(rf"^{name} {area} {bits} *$", text, re.MULTILINE)


def test_rates_that_the_data_can_show_stand_with_their_trials():
    """30 of 3,120 non-mated comparisons and of 40 mated ones."""
    text = printed(crowd())

    assert re.search(r"^sex=m 9\.6e-3 3,120 7\.5e-1 40 *$", text, re.MULTILINE)
    assert "as if comparisons were independent; they share people" in text


def test_reasons_stand_once_for_all_groups_that_share_them():
    """A coarse axis has no curve: one sentence and no table."""
    text = printed(worlds.two_groups().tally)

    assert text.count("the axis has 6 thresholds") == 1
    assert re.search(r"^EER, AUC, min Cllr of all; sex=f; sex=m: not estimable, the axis has", text, re.MULTILINE)
    assert "hull" not in text
    assert re.search(r"^FMR, FNMR of all; sex=f; sex=m: not estimable, fewer than 30 comp", text, re.MULTILINE)


def test_intervals_that_are_missing_have_a_reason():
    """Twelve people in four blocks have an EER and no interval."""
    random = np.random.default_rng(0)
    unit, _ = worlds.unit_rows(random.normal(size=(24, 3)))
    people = worlds.templates(unit, [f"s{i // 2}" for i in range(24)], sex=["f"] * 24)
    text = printed(worlds.World(people, edges=tuple(np.linspace(-1, 1, 41)), n_blocks=4).tally, groupings=())

    assert re.search(r"^EER, AUC, min Cllr of all: interval not estimable: subjects in 4 blocks", text, re.MULTILINE)


def test_failures_are_said_with_the_policy():
    """6 of 21 comparisons of everybody failed; 9 of 13 times 15 of 21 is GFAR."""
    text = printed(worlds.two_groups().tally, thresholds=[0.5])

    assert "failed templates. positive claim: a comparison with a failed template is rejected" in text
    assert re.search(r"^all 28\.6% \S+( - \S+| estimable) 6 / 21 0\.5 4\.9e-1 28\.6% *$", text, re.MULTILINE)
    assert re.search(r"^FTA of all: interval not estimable: subjects in \d blocks", text, re.MULTILINE)


def test_without_failures_nothing_is_said_of_them():
    """Rates of transactions are then those of comparisons."""
    assert "GFAR" not in printed(crowd(), thresholds=[0.9])


def test_a_transaction_rate_that_does_not_exist_has_its_reason():
    """Without a completed non-mated comparison there is no GFAR."""
    people = worlds.templates([worlds.X, worlds.X, worlds.NOTHING], ["ann", "ann", "bea"], failed=[2], sex=["f"] * 3)
    text = printed(worlds.World(people).tally, thresholds=[0.5], groupings=())

    assert "GFAR or GFRR of all: not estimable, 0 non-mated comparisons completed" in text


def test_results_of_an_earlier_release_have_no_tables():
    """Nothing is printed where there is nothing."""
    assert shown({}).strip() == ""
