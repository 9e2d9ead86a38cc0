"""Two runs of times: ratios with their intervals on drawn times, refused shares, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import frbench
from frbench.counting.load.generator import Answers
from frbench.counting.load.measure import Trial, run_loads
from frbench.counting.load.objective import Objective
from frbench.counting.load.schedule import Schedule
from frbench.counting.load.task import Load
from frbench.errors import NotComparable
from frbench.estimate import wilson
from frbench.finished_run import FinishedRun
from frbench.page.comparison import render_comparison
from frbench.reading.systems import timed
from frbench.reading.systems.time_figures import ONCE, Share, difference
from frbench.reading.systems.timed import ONE_PROCESS, Timed
from frbench.reading.systems.times import NOTE, compare_times
from frbench.results.load import load_results
from tests.commands.test_compare import run, saved
from tests.counting.load.test_measure import Queue, quick
from tests.counting.load.test_task import MS
from tests.gates.test_times import timed as latency_run
from tests.reading.systems.test_compare import A

SCHEMA = json.loads((Path(frbench.__file__).parent / "schema" / "time-comparison.schema.json").read_text())


@dataclass(frozen=True)
class Refusing(Queue):
    """A queue that refuses one request of so many: `every`, none for 0."""

    every: int = 0

    def send(self, messages: Sequence[bytes], schedule: Schedule, *, in_flight: int | None = None) -> Answers:
        """Answers, every so many refused."""
        found = super().send(messages, schedule, in_flight=in_flight)
        status = np.zeros(len(found.begin_ns), np.int32)
        if self.every:
            status[:: self.every] = 8
        return replace(found, status=status)


def latency_of(name: str, *medians_ms: float, **changed: Any) -> FinishedRun:
    """A latency run of processes of these medians."""
    found = latency_run(*(medians_ms or (2.0, 2.1, 1.9)), name=name, **changed)
    return replace(found, manifest={**found.manifest, "inputs": [], "engine": {"threads": 1}})


def load_of(name: str, *, every: int = 0, rates: Sequence[float] = (300.0,), runs: int = 3, **said: Any) -> FinishedRun:
    """A load run against a queue of 1 ms that refuses one request of `every`."""
    found = run_loads(quick(seconds=2.0), Refusing(MS, every), [Load(rate=rate) for rate in rates], runs=runs)
    results = load_results(found, groupings=[("sex",)], **said)
    plan = found.tally.plan.digest
    return FinishedRun(results, {"plan": plan, "inputs": [], "machine": {"cores": 2}}, found.tally, name)


def row(found: dict[str, Any], metric: str, group: str = "all", at: str | None = None) -> dict[str, Any]:
    """The only row of a metric and a group."""
    rows = [r for r in found["rows"] if (r["metric"], r["group_a"]) == (metric, group) and at in (None, r["at"])]
    assert len(rows) == 1
    return rows[0]


def test_the_interval_of_a_ratio_joins_both_variances():
    """Logarithms 0 and log 1.5 with variances .01 and .03 of 4 processes each: 4.8 degrees of freedom by hand.

    (.04)^2 / (.01^2 / 3 + .03^2 / 3) = 4.8; the quantile of Student's t there is 2.602.
    """
    low, high = timed.ratio(Timed(0, 0.01, 4, 9), Timed(math.log(1.5), 0.03, 4, 9))

    # The quantile is rounded to four digits.
    assert low == pytest.approx(1.5 * math.exp(-2.602 * 0.2), rel=1e-3)
    assert high == pytest.approx(1.5 * math.exp(2.602 * 0.2), rel=1e-3)


def test_throughput_is_compared_with_an_interval():
    """Six processes of either that differ by 2%; B is slower by a quarter, and its throughput lower by a fifth."""
    medians = 2 * np.exp(0.02 * np.random.default_rng(3).normal(size=(2, 6)))
    a, b = (latency_of(str(i), *own, seed=i) for i, own in enumerate(medians * [[1], [1.25]]))
    found = row(compare_times(a, b), "probes_per_second", at="request of 64")

    assert found["low"] < 0.8 < found["high"] < 0.9
    assert found["ratio"] == found["b"]["value"] / found["a"]["value"]
    assert found["a"]["low"] < found["a"]["value"] < found["a"]["high"]
    assert found["reason"] == ""


def test_intervals_hold_a_known_ratio():
    """Processes that differ by 3%, B slower by 5%: 90% at least of 60 pairs of runs; the error of a share is 2.8%."""
    random = np.random.default_rng(7)
    inside = {"p90": 0, "probes_per_second": 0}
    for seed in range(60):
        medians = 2 * np.exp(0.03 * random.normal(size=(2, 5)))
        sides = [latency_of(str(i), *own, n=100, seed=2 * seed + i) for i, own in enumerate(medians * [[1], [1.05]])]
        compared = compare_times(*sides)
        for metric, truth in (("p90", 1.05), ("probes_per_second", 1 / 1.05)):
            found = row(compared, metric, at="request of 1")
            inside[metric] += found["low"] <= truth <= found["high"]

    assert min(inside.values()) / 60 >= 0.9


def test_intervals_hold_a_known_difference_of_shares():
    """Five processes whose share without an answer varies by half: 92% at least of 400 pairs; the error is 1.1%."""
    random = np.random.default_rng(8)
    n, inside = np.full(5, 2000), 0
    for _ in range(400):
        # Gamma of shape 4 has a relative deviation of a half.
        sides = [Share(random.binomial(n, np.minimum(1, p * random.gamma(4, 1 / 4, size=5))), n) for p in (0.02, 0.05)]
        low, high = difference(*sides)
        inside += low <= 0.03 <= high

    assert inside / 400 >= 0.92


def test_one_process_has_a_ratio_without_an_interval():
    """How processes differ is not known, and the way out is named, for times and for throughput."""
    found = compare_times(latency_of("a", 2.0), latency_of("b", 2.2))
    for metric in ("p50", "probes_per_second"):
        one = row(found, metric, at="request of 1")
        assert one["ratio"] is not None
        assert (one["low"], one["reason"]) == (None, f"{ONE_PROCESS} (A)")


def test_a_run_against_itself_has_ratios_of_exactly_one():
    """With an interval around each, and the note that they did not alternate."""
    for one in (latency_of("a"), load_of("a", every=50)):
        found = compare_times(one, one)
        assert NOTE in found["notes"]
        assert found["rows"]
        for each in found["rows"]:
            assert each["ratio"] in (1, None)
            assert each["difference"] in (0, None)
            if each["low"] is not None:
                assert each["low"] <= (1 if each["difference"] is None else 0) <= each["high"]


def test_load_is_compared_by_group():
    """Times, answers a second and requests without an answer, each at its own load, with the counts of the runs."""
    a, b = load_of("a", every=40), load_of("b", every=10)
    found = compare_times(a, b)
    jsonschema.validate(found, SCHEMA)

    assert found["kind"] == "load"
    assert {r["at"] for r in found["rows"]} == {"300 requests a second"}
    for group in ("all", "f", "m"):
        refused = row(found, "unanswered", group)
        for run_, side in ((a, "a"), (b, "b")):
            own = next(g for g in run_.results["groups"] if g["group"] == ("overall" if group == "all" else group))
            assert (refused[side]["k"], refused[side]["n"]) == (own["failed"], own["requests"])
    whole = row(found, "unanswered")
    assert whole["low"] < 1 / 10 - 1 / 40 < whole["high"]
    assert whole["low"] > 0
    speed = row(found, "answers_per_second")
    assert speed["a"]["value"] == a.results["loads"][0]["achieved_per_s"]
    assert speed["low"] < speed["ratio"] < speed["high"]


def test_nothing_refused_bounds_nothing():
    """The difference is 0, and why it has no interval is said."""
    refused = row(compare_times(load_of("a"), load_of("b")), "unanswered")

    assert (refused["difference"], refused["low"]) == (0, None)
    assert "bounds nothing" in refused["reason"]


def test_a_sweep_is_compared_at_shares_of_what_each_bore():
    """Rates differ, shares do not; what was measured once has no interval."""
    a = load_of("a", rates=(100.0, 500.0), saturation=1000.0)
    b = load_of("b", rates=(80.0, 400.0), saturation=800.0)
    found = compare_times(a, b)

    assert list(dict.fromkeys(r["at"] for r in found["rows"])) == [
        "10% of saturation", "50% of saturation", "closed loop",
    ]  # fmt: skip
    saturated = row(found, "saturation")
    assert (saturated["ratio"], saturated["low"], saturated["reason"]) == (0.8, None, f"{ONCE} (A)")
    assert any("1,000.0 answers a second in A and 800.0 in B" in note for note in found["notes"])


def test_the_rate_that_meets_an_objective_is_compared():
    """And it is not known where none was found."""
    runs = []
    for name, rate in (("a", 200.0), ("b", None)):
        slo = (Objective.parse("p99=20ms"), rate, [Trial(200.0, 1000, 0, rate is not None)])
        runs.append(load_of(name, rates=(200.0,), slo=slo, saturation=400.0))
    best = row(compare_times(*runs), "objective_rate")

    assert (best["at"], best["a"]["value"], best["b"]["value"]) == ("p99=20ms", 200.0, None)
    assert (best["ratio"], best["reason"]) == (None, "no rate was found that meets it (B)")


def test_a_late_generator_is_said():
    """Whose, and at which load."""
    late = load_of("b")
    late.results["loads"][0]["is_generator_late"] = True

    assert (
        "the load generator of B was late at 300 requests a second: those times hold its lag, too"
        in (compare_times(load_of("a"), late)["notes"])
    )


def test_work_that_differs_is_refused():
    """Each by name, with exit code 3."""
    a, load = latency_of("a"), load_of("a")
    others = {
        r"other machines \(cores\): 2 \(a\) and 64 \(b\)": (a, latency_of("b"), {"machine": {"cores": 64}}),
        "other numbers of threads": (a, latency_of("b"), {"engine": {"threads": 2}}),
        "other sizes of gallery": (a, replace(a, name="b", results={**a.results, "gallery": 9}), {}),
        "other lengths of candidate lists": (a, replace(a, name="b", results={**a.results, "k": 9}), {}),
        "other sizes of request": (a, replace(a, name="b", results={**a.results, "batches": [9]}), {}),
        "a is a latency run and A a verify run: only two of the same kind": (a, A, {}),
        "a is a latency run and b a load run": (a, load_of("b"), {}),
        "other scenarios": (load, replace(load, name="b", results={**load.results, "scenario": "offline"}), {}),
        r"other deadlines \(--timeout\)": (load, replace(load, results={**load.results, "timeout_s": 1.0}), {}),
        "no load in common: 300 requests a second in the first, 200 requests": (load, load_of("b", rates=(200.0,)), {}),
    }
    for words, (one, other, manifest) in others.items():
        with pytest.raises(NotComparable, match=words) as refusal:
            compare_times(one, replace(other, manifest={**other.manifest, **manifest}))
        assert 3 == refusal.value.exit_code


def test_a_share_has_wilsons_interval_at_what_processes_show():
    """Shares of .01, .02 and .03 of 1,000: their variance is 1e-4 / 3, and independent requests would have 6.5e-6."""
    share = Share(np.array([10, 20, 30]), np.array([1000] * 3))
    figure = share.figure()
    variance = 1e-4 / 3

    # Sums of float64.
    assert share.variance == pytest.approx(variance, rel=1e-9)
    # 4.3027 is the quantile of Student's t at 2 degrees of freedom.
    assert (figure.low, figure.high) == pytest.approx(wilson(0.02, 0.02 * 0.98 / variance, 4.3027), rel=1e-3)
    assert (figure.k, figure.n) == (60, 3000)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(50, 90)), min_size=2, max_size=8), st.integers(0, 50))
def test_turning_shares_around_turns_the_signs(own: list[tuple[int, int]], k: int):
    """B less A is minus A less B, and both ends stay between -1 and 1."""
    a = Share(*np.array(own).T)
    b = Share(np.array([k, k + 1]), np.array([60, 70]))
    one, other = difference(a, b), difference(b, a)

    assert one is not None
    assert other is not None
    # The same float64 numbers in another order.
    assert one == pytest.approx((-other[1], -other[0]), abs=1e-12)
    assert -1 <= one[0] <= one[1] <= 1


def test_one_process_that_answers_nothing_is_no_quantile():
    """Half of all requests failed in one process: its median is not known, and so nothing is of the run's interval."""
    bins = np.zeros((2, 12), dtype=np.uint64)
    bins[0, 3], bins[1, -1] = 100, 40
    found = timed.quantile(timed.Histogram(bins.sum(axis=0, dtype=np.uint64), bins), np.geomspace(1e3, 1e6, 10), 0.5)

    assert (math.isfinite(found.log), found.reason) == (True, timed.FAILED)


def test_a_measurement_without_answers_has_no_rate():
    """A logarithm of 0 would be none."""
    assert timed.answers([0.0, 10.0], 5).reason.startswith("a measurement without an answer")
    assert timed.answers([], 0).reason != ""


def test_the_page_has_both_sides_and_the_ratio():
    """For every figure, with the number of requests; a hostile name is text."""
    pages = []
    for a, b in ((latency_of("old"), latency_of("new<script>")), (load_of("old", every=9), load_of("new<script>"))):
        pages.append(render_comparison([compare_times(a, b)]))
        assert "new<script>" not in pages[-1]
    for words in ("p50 of the time of a request", "Probes a second", "3,600 requests", "The runs were timed"):
        assert words in pages[0]
    for words in ("Requests without an answer", "Answers a second", "300 requests a second", "not estimable"):
        assert words in pages[1]


def test_the_command_compares_times(tmp_path: Path):
    """A table and a page; why something is missing stands below the table."""
    both = [saved(latency_of(name), tmp_path / name) for name in ("old", "new")]
    done = run(*both, "--out", tmp_path / "out")

    assert 0 == done.exit_code
    assert "p50, request of 1" in done.output
    assert (tmp_path / "out" / "report.html").is_file()
    loads = [saved(load_of(name, runs=1), tmp_path / name) for name in ("a", "b")]
    printed = run(*loads).output
    assert "unanswered, 300 requests a second" in printed
    assert ONE_PROCESS in " ".join(printed.split())
    with pytest.raises(NotComparable, match=r"is a latency run and .* a load run"):
        run(both[0], loads[0])
