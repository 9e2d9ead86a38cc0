"""What the terminal says of differences between groups."""

from __future__ import annotations

import io
import re

from rich.console import Console, Group

from frbench.operating_point import OperatingPoint
from frbench.results.groups import keys
from frbench.terminal import groups
from tests.reading.groups.test_at_threshold import crowd

POINTS = [OperatingPoint("fmr=1e-2", "all non-mated pairs", 0.9, 9, 18)]


def results(threshold: float = 0.9) -> dict:
    """Of the crowd, at one threshold."""
    found = keys(crowd(), thresholds=[threshold], groupings=[("sex",)], points=POINTS)
    return {**found, "operating_points": [point.to_json() for point in POINTS]}


def printed(found: dict, threshold: float = 0.9) -> str:
    """The tables as text, white space reduced."""
    out = io.StringIO()
    Console(file=out, width=300).print(Group(*groups.tables(found, threshold)))
    return re.sub(r"[ \t]+", " ", out.getvalue())


def test_accuracy_is_said_before_any_index():
    """And so are pairs of one group and of all."""
    text = printed(results())

    assert re.search(r"differences between groups of sex; everybody: FMR \S+ \(.* / .*\), FNMR \S+ \(", text)
    assert text.index("everybody: FMR") < text.index("pairs of one group") < text.index("max/min")
    assert "the threshold was set on all non-mated pairs" in text


def test_every_index_has_a_line_with_its_parameters():
    """Value, interval, what chance shows, and p."""
    text = printed(results())

    assert re.search(r"^Gini FMR 0\.\d+ \S+ - \S+ 0\.\d+ 0\.\d+ 0\.\d+ *$", text, re.MULTILINE)
    assert re.search(r"^WERM \(alpha 0.5, epsilon 1e-05\) FMR and FNMR", text, re.MULTILINE)


def test_the_threshold_of_every_group_stands_below():
    """With the group that needs it."""
    assert re.search(
        r"^FMR at most 1e-2 within every group of sex: threshold \S+, which f needs", printed(results()), re.M
    )


def test_indices_without_a_value_are_said_with_their_reason():
    """At a threshold that nobody reaches there are no false matches: those of FMR together, those of both by name."""
    text = printed(results(1.0), 1.0)

    assert re.search(
        r"^every index of FMR: not estimable, 0 false matches: no errors in any group$", text, re.MULTILINE
    )
    assert re.search(r"^IR, GARBE of FMR and FNMR: not estimable", text, re.MULTILINE)


def test_a_lower_bound_is_said_where_it_says_something():
    """max/min of at least 5 is printed as that, of at least 1 as undefined."""
    found = results()
    index = found["differentials"][0]["indices"][0]
    index |= {"value": None, "reason": "0 false matches of x", "lower_bound": 5.25}
    assert re.search(r"^max/min FMR at least 5\.25 0 false matches of x", printed(found), re.MULTILINE)
    index |= {"lower_bound": 1.0}
    assert "max/min of FMR: not estimable, 0 false matches of x" in printed(found)


def test_results_of_an_earlier_release_have_no_tables():
    """Nothing is printed where there is nothing."""
    assert printed({"operating_points": []}).strip() == ""


def test_a_rate_that_a_group_cannot_show_has_no_threshold():
    """The line says which group and why."""
    found = results()
    found["group_thresholds"][0]["worst"] = {"threshold": None, "group": None, "reason": "m: too few"}

    assert "within every group of sex: no threshold, m: too few" in printed(found)
