"""The page of a load run: failures and a late generator stand where the times stand."""

from __future__ import annotations

import re

import altair
import pytest

from frbench.counting.load.measure import Measured, Trial, run_loads
from frbench.counting.load.objective import Objective
from frbench.counting.load.task import Load
from frbench.finished_run import FinishedRun
from frbench.page import render, view_of
from frbench.page.style import Palette
from frbench.results.load import load_results
from frbench.terminal.show import show
from tests.counting.load.test_measure import Queue, quick
from tests.counting.load.test_task import MS
from tests.results.test_load import measured


def section(found: Measured, **more) -> FinishedRun:
    """A run without a manifest."""
    return FinishedRun(load_results(found, groupings=[("sex",)], **more), {}, found.tally)


def page_of(one: FinishedRun) -> str:
    """Its page as text."""
    page = render([one], title="A title")
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.split("<script")[0]))


def sweep() -> FinishedRun:
    """Three loads of a queue with 1 ms of service, the last beyond what it bears."""
    loads = [Load(rate=rate) for rate in (300.0, 800.0, 1200.0)]
    return section(run_loads(quick(seconds=2.0), Queue(MS), loads, runs=1), saturation=1000.0)


def test_failures_are_said_beside_the_times():
    """How many, with which status, and that they count as the last."""
    text = page_of(section(measured(failed=7)))

    assert "7 of 600 requests had no answer: 7 RESOURCE_EXHAUSTED" in text
    assert "counts as later than any other" in text
    assert "open loop" in text


def test_a_late_generator_is_marked():
    """In the sentences of the page and on the terminal."""
    found = section(measured())
    found.results["loads"][0] |= {"lag_p99_ns": 3.0 * MS, "is_generator_late": True}

    assert "Generator was late" in page_of(found)
    assert "Generator was late" not in page_of(section(measured()))


def test_a_sweep_is_a_curve_of_counts():
    """A figure for p50 and p99; points are drawn where a quantile is known, and are valid Vega-Lite."""
    view = view_of(sweep(), Palette([("sex", "f"), ("sex", "m")]), 1)

    assert [figure.title for figure in view.figures] == ["p50 against load", "p99 against load"]
    for figure in view.figures:
        altair.Chart.from_dict(figure.spec)
        everybody = [row for row in figure.spec["data"]["values"] if row["g"] == "all requests"]
        assert [row["value"] for row in everybody] == sorted(row["value"] for row in everybody)
        assert len(everybody) == 3


def test_one_load_is_drawn_second_by_second():
    """Every second of every run has a longest and a median time."""
    found = section(run_loads(quick(seconds=2.0), Queue(MS), [Load(rate=500.0)], runs=2))
    (figure,) = view_of(found, Palette([("sex", "f"), ("sex", "m")]), 1).figures

    altair.Chart.from_dict(figure.spec)
    assert len(figure.spec["data"]["values"]) == 2 * 2 * 2


@pytest.mark.parametrize(("rate", "said"), [(100.0, "Met at up to 100 requests a second"), (None, "No rate was found")])
def test_an_objective_is_answered(rate: float | None, said: str):
    """With the rates that were tried."""
    slo = (Objective.parse("p99=20ms"), rate, [Trial(100.0, 1000, 0, rate is not None)])
    text = page_of(section(measured(), slo=slo))

    assert said in text
    assert "Rates tried for p99=20ms" in text


def test_the_terminal_shows_what_was_asked_and_achieved(capsys: pytest.CaptureFixture[str]):
    """Loads, groups and both kinds of percentile, no name shortened where nobody looks."""
    show(section(measured(failed=7), saturation=200.0).results)
    text = capsys.readouterr().out

    assert "7 RESOURCE_EXHAUSTED" in text
    assert "of answered requests alone" in text
    assert "…" not in text
    assert "saturation, closed loop: 200" in text
