"""Printed: figures in the output of commands."""

from __future__ import annotations

import pytest

from frbench.errors import InputError
from frbench.speed.printed import metrics, pattern


def test_lines_of_json_are_found_among_other_lines():
    """Several of them add up, a later figure of one name stands, and other JSON is passed over."""
    text = 'go\n{"frbench_ab": {"a": 1, "b": 2.5}}\n{"x": 1}\n{frbench_ab\n  {"frbench_ab": {"a": 3}}\nend'

    assert metrics(text, ()) == {"a": 3.0, "b": 2.5}
    assert metrics("nothing", ()) == {}


def test_a_pattern_takes_its_last_match():
    """One group is the metric `printed`; named groups are metrics of their own."""
    text = "p50 1 ms, p99 4 ms\np50 2 ms, p99 8 ms\n"

    assert metrics(text, (pattern(r"p50 (\d+)"),)) == {"printed": 2.0}
    assert metrics(text, (pattern(r"^p50 (?P<p50>\d+) ms, p99 (?P<p99>\d+)"),)) == {"p50": 2.0, "p99": 8.0}


@pytest.mark.parametrize("text", ["[", "no group", "(one) (two)", "(?P<a>x)(y)"])
def test_patterns_without_a_clear_figure_are_refused(text: str):
    """No expression, no group, two groups without names, names beside none."""
    with pytest.raises(InputError, match="--metric-regex"):
        pattern(text)


@pytest.mark.parametrize("value", ["0", "-1", '"fast"', "true", "null", "NaN", "Infinity", "1e-320", "1e300"])
def test_a_figure_is_a_number_above_0(value: str):
    """A ratio needs two of them; the error names metric and value."""
    with pytest.raises(InputError, match=r"its metric p99 is .* expected a number above 0"):
        metrics(f'{{"frbench_ab": {{"p99": {value}}}}}', ())


def test_a_line_without_figures_is_refused():
    """It says that there are figures, and has none."""
    with pytest.raises(InputError, match="expected an object"):
        metrics('{"frbench_ab": 3}', ())


def test_a_pattern_that_matches_nothing_is_an_error():
    """The error repeats the pattern."""
    with pytest.raises(InputError, match="nothing in its output matches 'p99"):
        metrics("p50 1", (pattern(r"p99 (\d)"),))
