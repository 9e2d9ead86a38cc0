"""Output of gates: the same figures as a table, JSON, JUnit XML and Markdown."""

from __future__ import annotations

import io
import json
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import frbench
from frbench.gates.gate import gate
from frbench.gates.output import show, to_json, to_junit, to_markdown
from frbench.gates.reading import Reading
from frbench.gates.rules import Rules, default_for_times
from frbench.gates.verdicts import Asked, Gate, judged
from frbench.gates.words import headline, line, time
from tests.gates.test_benchmarks import benchmarks, lognormal
from tests.gates.test_rates import AT, OLD, PERFECT
from tests.gates.test_reading import normal
from tests.gates.test_times import timed
from tests.gates.test_verdicts import rule

SCHEMA = json.loads((Path(frbench.__file__).parent / "schema" / "gate.schema.json").read_text())
RULES = [
    {"claim": "fnmr[sex] at fmr=0.1", "group": "each", "upper": 0.9},
    {"claim": "fmr at 0.6", "upper": 1e-4},
    {"claim": "fmr[sex] at 0.6", "group": "worst", "lower": 0.01, "upper": 0.07, "doubt": "warn"},
    {"ratio": "fnmr[sex] at 0.6", "group": "worst", "upper": 1.1, "doubt": "pass"},
    {"change": "fnmr at fmr=0.1", "upper": 0.0},
    {"change": "fnmr[sex] at fmr=0.1", "group": "each", "upper": "900%"},
]
FOUND = gate(AT, Rules.parse({"rule": RULES}, name="gates.toml"), baseline=OLD)


def texts(found: Gate, width: int = 300) -> str:
    """The table."""
    out = io.StringIO()
    show(found, Console(file=out, width=width))
    return out.getvalue()


def test_the_gate_of_these_tests_has_every_outcome():
    """Else they would show little."""
    assert {row.outcome for row in FOUND.rows} == {"pass", "fail", "inconclusive"}
    assert {row.blocks for row in FOUND.rows if row.outcome == "inconclusive"} == {True, False}


def test_json_follows_its_schema():
    """Rates, searches without errors, times, and rows without an interval."""
    times = Rules.parse({"rule": [{"claim": "p99 batch 1", "upper": "1ms"}]}, name="")
    no_errors = Rules.parse({"rule": [{"claim": "fnmr at 0.6", "upper": 0.01}]}, name="")
    fewer = gate(benchmarks(a=lognormal(3, seed=1)), default_for_times(), baseline=benchmarks(a=lognormal(3, seed=2)))
    for found in (FOUND, gate(timed(2.0, 2.0), times), gate(timed(2.0), times), gate(PERFECT, no_errors), fewer):
        said = to_json(found)
        jsonschema.validate(said, SCHEMA)
        assert json.loads(json.dumps(said, allow_nan=False)) == said


def test_every_format_has_every_row_with_its_figures():
    """Outcome, name, value, interval, counts and bound are the same texts everywhere."""
    table, junit, markdown = texts(FOUND), to_junit(FOUND), to_markdown(FOUND).replace("\\", "")
    for row in FOUND.rows:
        words = line(row)
        for text in (words.value, words.interval, words.counts, words.bound):
            assert text in table
            assert text in markdown
        assert words.sentence in {message_of(case) for case in ElementTree.fromstring(junit).iter("testcase")}


def message_of(case: ElementTree.Element) -> str:
    """What a test of JUnit says."""
    (child,) = case
    return child.get("message") or child.text or ""


def test_junit_counts_failures_errors_and_skips():
    """An inconclusive row is an error where it blocks, skipped where it warns, and passes where it may."""
    suite = ElementTree.fromstring(to_junit(FOUND)).find("testsuite")
    assert suite is not None
    tags = [case[0].tag for case in suite]

    assert {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": len(FOUND.rows),
        "failures": tags.count("failure"),
        "errors": tags.count("error"),
        "skipped": tags.count("skipped"),
    }
    expected = {("fail", "fail"): "failure", ("inconclusive", "fail"): "error", ("inconclusive", "warn"): "skipped"}
    assert tags == [expected.get((row.outcome, row.rule.doubt), "system-out") for row in FOUND.rows]


def test_rows_that_block_stand_first():
    """A person reads the top of a table."""
    lines = [text for text in texts(FOUND).splitlines() if text.startswith(("pass", "fail", "inconclusive"))]
    kinds = [text.split()[0] for text in lines]

    assert kinds == sorted(kinds, key=["fail", "inconclusive", "pass"].index)


def test_the_promise_and_the_outcome_are_said_in_the_table_and_in_markdown():
    """How often so many rows fail by chance."""
    for text in (texts(FOUND), to_markdown(FOUND).replace("\\", "")):
        assert FOUND.family in text
        assert headline(FOUND) in text


def test_an_open_row_says_what_would_settle_it():
    """As many subjects as are needed, and as many as there are."""
    row = next(row for row in FOUND.rows if row.settled_by is not None)
    words = line(row).note

    assert f"about {row.settled_by.n:,} {row.settled_by.unit} ({row.reading.size.n:,} now) would settle it" in words


@pytest.mark.parametrize(
    ("form", "kind", "value", "said"),
    [
        ("common", "claim", 0.0123, "1.23%"),
        ("rare", "claim", 0.000123, "1.23e-4"),
        ("common", "change", 0.0123, "+1.23 points"),
        ("rare", "change", -0.000123, "-1.23e-4"),
        ("ratio", "change", 1.1, "+10%"),
        ("ratio", "ratio", 1.1, "1.1"),
    ],
)
def test_figures_are_written_as_what_they_are(form: str, kind: str, value: float, said: str):
    """Rates, differences in points, and changes in percent are told apart."""
    from dataclasses import replace

    own = replace(rule(), kind=kind)
    found = judged([Asked(own, "", form, lambda: Reading.of(value, normal(value)))], Rules("", (own,)), run="")

    assert line(found.rows[0]).value == said


@pytest.mark.parametrize(("ns", "said"), [(1500, "1.5 us"), (2.5e6, "2.5 ms"), (3e9, "3 s"), (999_000, "999 us")])
def test_times_have_their_unit(ns: float, said: str):
    """As people read them."""
    assert time(ns) == said


@given(st.text(min_size=1, max_size=40))
def test_any_label_makes_whole_xml_and_markdown(name: str):
    """Quotes, pipes, controls and angle brackets stay text."""
    own = rule()
    asked = [Asked(own, name, "number", lambda: Reading.of(9.0, normal(9.0)))]
    found = judged(asked, Rules("", (own,)), run=name, baseline=name, notes=[name])
    markdown = to_markdown(found)
    (case,) = ElementTree.fromstring(to_junit(found)).iter("testcase")

    assert case.get("name") is not None
    rows = [text for text in markdown.split("\n") if text.startswith("| fail")]
    assert len(rows) == 1
    assert rows[0].replace("\\|", "").count("|") == len(line(found.rows[0])) + 1
