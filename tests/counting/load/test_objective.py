"""Objectives: what a text asks for, and how many late requests show that it is met."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.counting.load.objective import Objective
from frbench.errors import InputError


@pytest.mark.parametrize(
    ("text", "q", "limit_ns"),
    [("p99=20ms", 0.99, 20e6), ("p99.9=1s", 0.999, 1e9), ("p50=1.5us", 0.5, 1500), ("p90=3µs", 0.9, 3000)],
)
def test_an_objective_is_a_percentile_and_a_time(text: str, q: float, limit_ns: float):
    """Both with their units."""
    found = Objective.parse(text)

    assert (found.q, found.limit_ns, found.name) == (pytest.approx(q), pytest.approx(limit_ns), text)


@pytest.mark.parametrize("text", ["", "p99", "p99=", "p99=20", "p100=1s", "p0=1s", "p99=0ms", "99=20ms", "p99=-1s"])
def test_other_texts_are_refused(text: str):
    """With an example of what is expected."""
    with pytest.raises(InputError, match="p99=20ms"):
        Objective.parse(text)


@pytest.mark.parametrize(("text", "least"), [("p90=1s", 44), ("p99=1s", 459), ("p99.9=1s", 4603)])
def test_the_least_requests_are_those_of_mlperf(text: str, least: int):
    """With none late, one fewer shows nothing."""
    objective = Objective.parse(text)

    assert objective.least_requests == least
    assert objective.is_met(0, least)
    assert not objective.is_met(0, least - 1)
    assert not objective.is_met(1, least)


@given(st.integers(0, 500), st.integers(1, 20_000))
def test_fewer_late_requests_never_miss_what_more_meet(late: int, n: int):
    """Monotone in late requests; and a share above the allowed one never meets."""
    objective = Objective.parse("p99=1s")

    assert objective.is_met(max(0, late - 1), n) or not objective.is_met(late, n)
    assert not (objective.is_met(late, n) and late > 0.01 * n)
