"""Two latency runs: ratios with their intervals, on synthetic times, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from frbench import timing
from frbench.errors import NotComparable
from frbench.report.comparison import render_comparison
from frbench.systems.compare import Run
from frbench.systems.run_figures import Figure
from frbench.systems.times import NO_INTERVAL, NOTE, compare_times, ratio
from frbench.tally import Histogram
from test_cli_compare import run, saved
from test_compare import A
from test_report import latency

AXIS = np.geomspace(1e3, 1e9, 1400)


def timed(name: str = "run", **manifest: object) -> Run:
    """A latency run on a machine of two cores."""
    section = latency()
    machine = {"machine": {"cores": 2}, "engine": {"threads": 1}, "plan": section.tally.plan.digest}
    return Run(name, section.results, {**section.manifest, **machine, **manifest}, section.tally)


def figure(times: np.ndarray, q: float) -> Figure:
    """The quantile of these times."""
    bins = np.bincount(np.searchsorted(AXIS, times, side="right"), minlength=len(AXIS) + 2).astype(np.uint64)
    found = timing.quantile(Histogram(bins, np.zeros((0, len(bins)), np.uint64)), AXIS, q)
    return Figure(found.value_ns, found.low_ns, found.high_ns, found.level, None, found.n, None, found.reason)


def test_the_interval_of_a_ratio_joins_both_intervals():
    """Values 100 and 150 with factors of 2 and 4 to their ends: sqrt(1 + 4) doublings and a bin of 1%."""
    a = Figure(100.0, 50.0, 200.0, 0.95, None, 500, None, "")
    b = Figure(150.0, 37.5, 600.0, 0.95, None, 500, None, "")
    found = ratio(a, b)

    assert 1.5 == found["ratio"]
    doublings = math.hypot(1, 2, math.log2(1.01))
    assert 1.5 / 2**doublings == pytest.approx(found["low"], rel=1e-12)
    assert 1.5 * 2**doublings == pytest.approx(found["high"], rel=1e-12)


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_the_interval_holds_the_truth_as_often_as_it_says(q: float):
    """Lognormal times, B slower by 5%: in at least 370 of 400 pairs of runs of 400 requests the ratio lies inside.

    At 95% fewer than 370 of 400 have a probability of 1%; the seed is fixed.
    """
    random = np.random.default_rng(7)
    inside = 0
    for _ in range(400):
        a, b = (1e6 * factor * random.lognormal(0, 0.3, size=400) for factor in (1.0, 1.05))
        found = ratio(figure(a, q), figure(b, q))
        inside += found["low"] <= 1.05 <= found["high"]

    assert inside >= 370


def test_what_has_no_interval_says_why():
    """A mean has none, a quantile of too few requests no value."""
    mean = Figure(10.0, None, None, None, None, 60, None, "")
    none = Figure(None, None, None, 0.95, None, 9, None, "9 requests, at least 459 are needed")

    assert (2.0, None, NO_INTERVAL) == tuple(
        ratio(mean, replace(mean, value=20.0))[name] for name in ("ratio", "low", "reason")
    )
    assert (None, "9 requests, at least 459 are needed") == tuple(
        ratio(mean, none)[name] for name in ("ratio", "reason")
    )


def test_equal_runs_have_ratios_of_one():
    """With an interval around it, and the note that they did not alternate."""
    found = compare_times(timed("a"), timed("b"))
    row = next(r for r in found["rows"] if r["metric"] == "p50" and r["grouping"] == "all")

    assert 1.0 == row["ratio"]
    assert row["low"] <= 1.0 <= row["high"]
    assert NOTE in found["notes"]
    assert row["a"]["n"] == row["b"]["n"] > 0


def test_times_of_other_machines_or_work_are_refused():
    """Each by name, with exit code 3."""
    a = timed("a")
    others = {
        "other machines: 'cores 2'": timed("b", machine={"cores": 64}),
        "other numbers of threads": timed("b", engine={"threads": 2}),
        "other sizes of gallery": replace(a, name="b", results={**a.results, "gallery": 9}),
        "other lengths of candidate lists": replace(a, name="b", results={**a.results, "k": 9}),
        "other sizes of request": replace(a, name="b", results={**a.results, "batches": [9]}),
        "is a verify run": A,
    }
    for words, b in others.items():
        with pytest.raises(NotComparable, match=words) as refusal:
            compare_times(a, b)
        assert 3 == refusal.value.exit_code


def test_the_page_has_both_sides_and_the_ratio():
    """For every percentile, with the number of requests, and why a value is missing."""
    a, b = timed("old"), timed("new<script>")
    text = render_comparison([compare_times(a, b)], [a, b])

    assert "new<script>" not in text
    for words in ("p50 of the time of a request", "Probes a second", "60 requests", "refused", "The runs were timed"):
        assert words in text


def test_the_command_compares_times(tmp_path: Path):
    """A table and a page."""
    both = [saved(timed(name), tmp_path / name) for name in ("old", "new")]
    done = run(*both, "--out", tmp_path / "out")

    assert 0 == done.exit_code
    assert "p50, request of 1" in done.output
    assert (tmp_path / "out" / "report.html").is_file()
