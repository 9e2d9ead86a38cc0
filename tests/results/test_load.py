"""Results of load: a failed request makes no percentile better, and what is written is what was counted."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import frbench
from frbench.counting.latency import nanosecond_axis
from frbench.counting.load.histograms import histogram_files
from frbench.counting.load.measure import Measured, Trial, measurement
from frbench.counting.load.objective import Objective
from frbench.counting.load.task import Load, Samples, tally_of
from frbench.reading.timing import quantile_of_all
from frbench.results.load import load_results
from frbench.tally import Histogram
from tests.counting.load.test_task import MS, open_loop, task

SCHEMA = json.loads((Path(frbench.__file__).parent / "schema" / "results.schema.json").read_text())
AXIS = np.array(nanosecond_axis())
AXIS_END = float(AXIS[-1])


def histogram(latencies_ns: list[int], failed: int) -> Histogram:
    """Answered requests of these times, and some without an answer."""
    bins = np.zeros(len(AXIS) + 2, dtype=np.uint64)
    np.add.at(bins, np.searchsorted(AXIS, latencies_ns, side="right"), 1)
    bins[-1] = failed
    return Histogram(bins, np.zeros((0, len(bins)), np.uint64))


def measured(*, failed: int = 0, n: int = 600) -> Measured:
    """One load of 1,000 requests a second, the first few refused."""
    own, loads = task(), [Load(rate=1000.0)]
    schedule, answers = open_loop([8] * failed + [0] * (n - failed))
    samples = Samples.of(own, schedule, answers, 0)
    tally = tally_of(own.plan(loads), [samples], run=1)
    return Measured(tally, (measurement(schedule, answers, load=0, run=0),), (samples,))


def test_failed_requests_are_the_last_of_all():
    """990 requests of 2 ms and 10 failed: p99 is 2 ms; with one more failed it is not known."""
    known = quantile_of_all(histogram([2 * MS] * 990, 10), AXIS, 0.99)
    unknown = quantile_of_all(histogram([2 * MS] * 989, 11), AXIS, 0.99)

    assert known.value_ns is not None
    assert 2 * MS <= known.value_ns <= 2.03 * MS
    assert known.high_ns is None
    assert unknown.value_ns is None
    assert "11 of 1000 requests have no answer" in unknown.reason


@given(st.lists(st.integers(10**4, 10**9), min_size=50, max_size=300), st.integers(0, 49))
def test_failing_instead_of_answering_never_lowers_a_percentile(latencies: list[int], n: int):
    """Whoever fails the slowest requests is no better for it, while "of answered" would be."""
    answered = quantile_of_all(histogram(latencies, 0), AXIS, 0.9)
    kept = sorted(latencies)[: len(latencies) - n]
    refused = quantile_of_all(histogram(kept, n), AXIS, 0.9)

    assert answered.value_ns is not None
    assert refused.n == answered.n
    assert refused.value_ns is None or refused.value_ns >= answered.value_ns


def test_results_follow_the_schema_and_hold_every_request():
    """With an objective, failures, and groups."""
    slo = (Objective.parse("p99=20ms"), 100.0, [Trial(100.0, 1000, 0, True)])
    found = load_results(measured(failed=3), groupings=[("sex",)], saturation=200.0, slo=slo)
    overall, women, men = found["groups"]

    jsonschema.validate(json.loads(json.dumps(found)), SCHEMA)
    assert (overall["requests"], overall["failed"]) == (600, 3)
    assert women["requests"] + men["requests"] == 600
    assert found["loads"][0]["statuses"] == {"RESOURCE_EXHAUSTED": 3}
    assert found["slo"]["rate"] == 100.0


def test_both_kinds_of_quantile_are_given():
    """7 of 600 failed: p99 of all is not known, p99 of answered is 2 ms."""
    (overall,) = load_results(measured(failed=7), groupings=[])["groups"]
    of_all, of_answered = (
        next(q for q in overall[name] if q["q"] == 0.99) for name in ("quantiles", "quantiles_answered")
    )

    assert of_all["value_ns"] is None
    assert of_answered["value_ns"] == pytest.approx(2 * MS, rel=0.01)
    assert (of_all["n"], of_answered["n"]) == (600, 593)


def test_histograms_are_of_every_group():
    """Files of everybody, women and men, whose counts are those of the tally; names are safe."""
    texts = histogram_files(measured(failed=3), [("sex",)])
    counts = {name: int(text.split("Total count    =")[1].split("]")[0]) for name, text in texts.items()}

    assert set(texts) == {"latency.overall.hgrm", "latency.sex=f.hgrm", "latency.sex=m.hgrm"}
    assert counts["latency.overall.hgrm"] == 597 == counts["latency.sex=f.hgrm"] + counts["latency.sex=m.hgrm"]
    assert "Unanswered     =            3" in texts["latency.overall.hgrm"]
