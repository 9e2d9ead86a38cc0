"""What the terminal says of how a 1:N system is used."""

from __future__ import annotations

import io
import re

import numpy as np
from rich.console import Console, Group

from frbench.results.modes import Lists, keys
from frbench.runs.identify import nonmated_lists
from frbench.terminal import modes
from tests.reading.test_modes import T, counted, watchlist
from tests.results.test_modes import found_of, searched


def shown(found: dict) -> str:
    """The tables as text, white space reduced; with two groupings, of which names say which."""
    out = io.StringIO()
    tables = modes.tables({**found, "groupings": ["sex", "region"]})
    Console(file=out, width=300).print(Group(*tables))
    return re.sub(r"[ \t]+", " ", out.getvalue())


def test_identification_stands_with_its_threshold_gallery_and_counts():
    """Of everybody and by group; few false positives are said."""
    found = found_of(*searched())
    text = shown(found)

    mode = next(m for m in found["modes"] if (m["fpir_at_most"], m["group"]) == ("0.01", "f"))
    at, fpir, fnir = mode["set_at"], mode["fpir"], mode["fnir"]
    where = f"threshold {at['threshold']:.9g}, achieved {at['k']} / 500, gallery 40, lists of 5"
    assert f"identification at FPIR <= 0.01: {where}" in text
    rates = rf"{100 * fpir['value']:.3g}% \S+ - \S+ {fpir['k']} / 250 \S+% \S+ - \S+ {fnir['k']} / 20"
    assert re.search(rf"^sex=f {rates} *$", text, re.MULTILINE)
    assert f"fpir=0.01 rests on {at['k']} false positives, fewer than 30" in text


def test_investigation_says_what_it_costs():
    """FPIR is 100% by construction."""
    text = shown(found_of(*searched()))

    assert re.search(r"^investigation, without a threshold, gallery 40\ngroup FNIR rank 1", text, re.MULTILINE)
    assert "FPIR = 100% by construction" in text


def test_a_limit_that_searches_cannot_show_has_its_reason():
    """Three non-mated searches: no table, and a sentence."""
    text = shown(keys(counted(), thresholds=[], groupings=[]))

    assert "identification at FPIR <= 0.003: not estimable, 3 trials cannot show a rate of 0.003" in text
    assert "FNIR rank 4" not in text


def test_a_group_without_searches_has_its_reason():
    """Undefined is never zero."""
    found = found_of(*searched())
    mode = next(m for m in found["modes"] if (m["fpir_at_most"], m["group"]) == ("0.01", "f"))
    mode["fpir"] |= {"value": None, "reason": "0 non-mated searches"}

    assert re.search(r"^FPIR of sex=f: not estimable, 0 non-mated searches$", shown(found), re.MULTILINE)


def test_selectivity_by_hand():
    """2 of 3 at .6; the list of u1, cut to one, is full."""
    task, candidates = watchlist()
    whole = nonmated_lists(task, candidates)
    short = Lists(whole.scores[:, :1], whole.group, whole.block)
    full, cut = (shown(keys(counted(), thresholds=[T], groupings=[], lists=lists)) for lists in (whole, short))

    assert re.search(r"^overall 0\.6 0\.667 not estimable 2 / 3 *$", full, re.MULTILINE)
    assert "at 0.6 of overall: interval not estimable" in full
    assert re.search(r"^overall 0\.6 at least 0\.333 not estimable 1 / 3 *$", cut, re.MULTILINE)
    assert "overall at 0.6: 1 list is full, and what comes after is not seen" in cut


def test_no_searches_have_no_selectivity():
    """Not estimable, with the reason."""
    nobody = Lists(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64))
    text = shown(keys(counted(), thresholds=[T], groupings=[], lists=nobody))

    assert re.search(r"^overall 0\.6 not estimable not estimable 0 / 0 *$", text, re.MULTILINE)
    assert "at 0.6 of overall: not estimable, 0 non-mated searches" in text


def test_failures_to_enrol_are_said_where_there_are_any():
    """One of 40; the probe vector has none."""
    assert "failed to enrol: 2.5%, 1 / 40 templates of the gallery" in shown(found_of(*searched()))
    assert "failed to enrol" not in shown(keys(counted(), thresholds=[], groupings=[]))


def test_results_of_an_earlier_release_have_no_tables():
    """Nothing is printed where there is nothing."""
    assert shown({}).strip() == ""
