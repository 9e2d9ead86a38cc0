"""Times in gates: drawn latencies of processes that differ, never the clock."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from frbench.errors import InputError, InvalidRun, NotComparable
from frbench.finished_run import FinishedRun
from frbench.gates.gate import gate
from frbench.gates.rules import Rules
from frbench.gates.verdicts import Gate
from frbench.reading.systems.timed import ONE_PROCESS, Timed, quantile, throughput, welch
from frbench.results.latency import latency_results
from frbench.results.load import load_results
from frbench.tally import Histogram, Tally
from tests.counting.test_latency import task
from tests.results.test_load import measured

MACHINE = {"processor": "some", "cores": 2}
PLAN = task(batches=(1, 64)).plan()
AXIS = PLAN.axis
MS = 1e6


def timed(
    *medians_ms: float, spread: float = 0.1, n: int = 600, name: str = "run", seed: int = 1, slow: float = 1.0
) -> FinishedRun:
    """A latency run of lognormal times: the median of each process; batches of 64 and the women take `slow` times."""
    random = np.random.default_rng(seed)
    tally = Tally.zero(PLAN)
    for number, median in enumerate(medians_ms):
        counts = np.zeros((len(PLAN.cells), PLAN.n_bins), dtype=np.int64)
        for row, cell in enumerate(PLAN.cells):
            factor = (8 if cell.part else 1) * (slow if cell.group_a else 1)
            times = median * MS * factor * np.exp(spread * random.normal(size=n))
            np.add.at(counts[row], np.searchsorted(AXIS, times, side="right"), 1)
        tally = tally + Tally.of_tile(PLAN, (number, number), counts)
    found = latency_results(tally, groupings=[("sex",)])
    return FinishedRun(found, {"machine": MACHINE, "plan": PLAN.digest}, tally, name)


def judge(run: FinishedRun, baseline: FinishedRun | None = None, **rule: Any) -> Gate:
    """The gate of one rule."""
    rules = Rules.parse({"rule": [rule]}, name="gates.toml")
    return gate(run, rules, baseline=baseline)


def test_a_quantile_is_that_of_the_results():
    """To the bin; both groups together, requests and processes counted."""
    run = timed(2.0, 2.1, 1.9)
    (row,) = judge(run, claim="p99 batch 1", upper="20ms").rows
    own = next(g for g in run.results["groups"] if g["group"] == "overall" and g["batch"] == 1)
    p99 = next(q for q in own["quantiles"] if q["q"] == 0.99)

    assert row.reading.value == pytest.approx(p99["value_ns"], rel=1e-12)
    assert (row.reading.counts[0].n, row.reading.counts[0].unit) == (p99["n"], "requests of 3 processes")
    assert row.reading.low < p99["low_ns"] < p99["high_ns"] < row.reading.high
    assert row.outcome == "pass"


def test_throughput_is_that_of_the_results():
    """Probes a second, higher is better: a lower bound."""
    run = timed(2.0, 2.1, 1.9)
    (row,) = judge(run, claim="throughput[sex=f] batch 64", lower=1000).rows
    own = next(g for g in run.results["groups"] if g["group"] == "f" and g["batch"] == 64)

    assert row.reading.value == pytest.approx(own["probes_per_second"], rel=1e-12)
    assert row.outcome == "pass"


def test_processes_that_differ_widen_the_interval():
    """Three processes 10% apart: the variance of a mean of their logarithms is sd^2 / 3, at 2 degrees of freedom."""
    medians = (1.0, 1.1, 1.21)
    run = timed(*medians, spread=0.001)
    (row,) = judge(run, claim="p50 batch 1", upper="20ms").rows
    sd = math.log(1.1)
    low, high = (math.log(end) for end in (row.reading.low, row.reading.high))

    # 4.303 is the quantile of Student's t at 2 degrees of freedom; bins are 1% wide.
    assert (high - low) / 2 == pytest.approx(4.303 * sd / math.sqrt(3), rel=0.03)


def test_one_process_has_no_interval():
    """How processes differ is not known, and the way out is named."""
    (row,) = judge(timed(2.0), claim="p99 batch 1", upper="20ms").rows

    assert (row.outcome, row.reason) == ("inconclusive", ONE_PROCESS)


def test_a_slowdown_fails_and_an_unchanged_run_passes():
    """Eight processes of either; 20% slower against a bound of 5%."""
    random = np.random.default_rng(2)
    medians = 2 * np.exp(0.01 * random.normal(size=(3, 8)))
    old, same, slow = (timed(*own, seed=i, name=str(i)) for i, own in enumerate(medians * [[1], [1], [1.2]]))
    rule = {"change": "p99[sex] batch 1", "group": "each", "upper": "5%"}

    assert judge(same, old, **rule).outcome == "pass"
    assert [row.outcome for row in judge(slow, old, **rule).rows] == ["fail", "fail"]
    assert judge(slow, old, change="throughput batch 1", lower="-5%").outcome == "fail"


def test_the_interval_of_a_ratio_holds_the_truth():
    """300 worlds of 6 processes a side that differ by 3%: 92% to 99% hold a ratio of 1, of which the error is 1.3."""
    random = np.random.default_rng(5)
    held = 0
    for _ in range(300):
        sides = []
        for _ in range(2):
            process = 2 * MS * np.exp(0.03 * random.normal(size=6))
            bins = np.zeros((6, len(AXIS) + 2), dtype=np.uint64)
            for own, median in zip(bins, process, strict=True):
                times = median * np.exp(0.1 * random.normal(size=400))
                np.add.at(own, np.searchsorted(AXIS, times, side="right"), 1)
            sides.append(quantile(Histogram(bins.sum(axis=0, dtype=np.uint64), bins), AXIS, 0.9))
        a, b = sides
        reach = stats.t.ppf(0.975, welch(a, b)) * math.sqrt(a.variance + b.variance)
        held += abs(a.log - b.log) <= reach
    assert 0.92 <= held / 300 <= 0.99


def test_degrees_of_freedom_are_welchs():
    """Equal variances of 4 and 4 processes have 6; if one has all of it, it has 3."""
    assert welch(Timed(0, 1.0, 4), Timed(0, 1.0, 4)) == pytest.approx(6)
    assert welch(Timed(0, 1.0, 4), Timed(0, 0.0, 4)) == pytest.approx(3)
    assert welch(Timed(0, 0.0, 4), Timed(0, 0.0, 3)) == 2


def test_throughput_of_alike_requests_varies_by_their_number():
    """2 processes of 500 requests of 1 and 2 ms in turn: mean 1.5 ms, relative variance (0.5 / 1.5)^2 / n."""
    bins = np.zeros((2, len(AXIS) + 2), dtype=np.uint64)
    for t in (1.0, 2.0):
        bins[:, np.searchsorted(AXIS, t * MS, side="right")] += np.uint64(250)
    found = throughput(Histogram(bins.sum(axis=0, dtype=np.uint64), bins), AXIS, batch=3)

    # Times are known to half a bin of 1%.
    assert math.exp(found.log) == pytest.approx(3 * 1000 / 1.5, rel=0.006)
    assert found.variance == pytest.approx((0.5 / 1.5) ** 2 / 1000, rel=0.03)


def test_too_few_requests_have_no_quantile():
    """With the number that is needed."""
    (row,) = judge(timed(2.0, 2.0, n=50), claim="p99.9 batch 1", upper="20ms").rows

    assert (row.outcome, row.reading.value) == ("inconclusive", None)
    assert "at least 4603 are needed" in row.reason


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"claim": "p99", "upper": "2ms"}, "no batch is named, expected one of: batch 1, batch 64"),
        ({"claim": "p99 batch 2", "upper": "2ms"}, "there is no batch 2, expected one of: batch 1, batch 64"),
        ({"claim": "p99 load 0", "upper": "2ms"}, "run is of kind latency, which has no load"),
        ({"claim": "p99[age=old] batch 1", "upper": "2ms"}, "was not counted by 'age', only sex"),
        ({"claim": "p99[sex=x] batch 1", "upper": "2ms"}, "there is no group 'x', only f, m"),
        ({"claim": "p99 batch 1 at 0.5", "upper": "2ms"}, "thresholds and ranks are of rates"),
        ({"claim": "fnmr at 0.5", "upper": 0.5}, "run is of kind latency and has no fnmr, only p50"),
    ],
)
def test_what_was_not_timed_is_refused_with_what_was(rule: dict[str, Any], said: str):
    """Misuse, before anything is read."""
    with pytest.raises(InputError, match=said):
        judge(timed(2.0, 2.0), **rule)


def test_times_of_two_machines_are_refused():
    """The first difference is named; a person may allow it."""
    old = timed(2.0, 2.0, name="old")
    other = replace(old, manifest={"machine": {**MACHINE, "cores": 4}})
    rules = Rules.parse({"rule": [{"change": "p99 batch 1", "upper": "9%"}]}, name="")

    with pytest.raises(NotComparable, match="of two machines: cores is 2 and 4"):
        gate(timed(2.0, 2.0), rules, baseline=other)
    assert gate(timed(2.0, 2.0), rules, baseline=other, allows_other_machines=True).rows


def test_other_searches_are_refused():
    """Batches of other sizes, and other kinds of run."""
    details = {**PLAN.details, "k": 7}
    run = timed(2.0, 2.0)
    other = replace(run, name="old", tally=replace(run.tally, plan=replace(PLAN, details=details)))
    with pytest.raises(NotComparable, match="run was timed with k 3 and old with 7"):
        judge(run, other, change="p99 batch 1", upper="9%")
    with pytest.raises(NotComparable, match="run is of kind latency and load of kind load"):
        judge(run, loaded(), change="p99 batch 1", upper="9%")


def loaded(*, failed: int = 0, is_late: bool = False) -> FinishedRun:
    """A run under load."""
    own = measured(failed=failed)
    found = load_results(own, groupings=[])
    found["loads"][0]["is_generator_late"] = is_late
    return FinishedRun(found, {"machine": MACHINE}, own.tally, "load")


def test_a_late_generator_makes_a_run_invalid():
    """Its times are partly its own: code 4."""
    with pytest.raises(InvalidRun, match="its load generator was late") as refused:
        judge(loaded(is_late=True), claim="p99", upper="9s")
    assert refused.value.exit_code == 4


def test_requests_without_an_answer_are_the_slowest():
    """More of them than a quantile allows leave it undefined."""
    (row,) = judge(loaded(failed=10), claim="p99", upper="9s").rows

    assert row.reading.value is None
    assert "10 of 600 requests have no answer" in row.reason


def test_loads_have_numbers():
    """One load needs none; a wrong number is told which there are."""
    assert judge(loaded(), claim="p50", upper="9s").rows[0].reading.counts[0].n == 600
    with pytest.raises(InputError, match="there is no load 3, expected one of: load 0"):
        judge(loaded(), claim="p50 load 3", upper="9s")
