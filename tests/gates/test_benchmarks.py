"""Benchmarks: rounds that pytest-benchmark saved, and the ratio of two medians."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from frbench.errors import FormatError, InputError, NoBaseline, NotComparable
from frbench.gates.benchmarks import (
    LEAST_ROUNDS,
    Benchmarks,
    bootstrapped,
    effective_rounds,
    ratio_of_medians,
)
from frbench.gates.gate import gate, read
from frbench.gates.rules import Rules, default_for_times

MACHINE = {"node": "a", "machine": "x86_64", "system": "Linux", "cpu": {"brand_raw": "some", "count": 2}}


def lognormal(n: int, *, seed: int, factor: float = 1.0, spread: float = 0.05) -> np.ndarray:
    """Seconds of `n` rounds."""
    times: np.ndarray = factor * 1e-3 * np.exp(spread * np.random.default_rng(seed).normal(size=n))
    return times


def saved(rounds: dict[str, np.ndarray], **machine: Any) -> dict[str, Any]:
    """What pytest-benchmark writes, as far as it is read."""
    each = [{"fullname": name, "stats": {"data": times.tolist()}} for name, times in rounds.items()]
    return {"machine_info": MACHINE | machine, "benchmarks": each}


def benchmarks(name: str = "new.json", **rounds: np.ndarray) -> Benchmarks:
    """Benchmarks of one machine."""
    return Benchmarks.parse(saved(rounds), name)


OLD = benchmarks("old.json", a=lognormal(200, seed=1), b=lognormal(200, seed=2))


def test_a_slowdown_fails_and_an_unchanged_benchmark_passes():
    """a is 20% slower, b as it was; the default bound is 5%."""
    new = benchmarks(a=lognormal(200, seed=3, factor=1.2), b=lognormal(200, seed=4))
    found = gate(new, default_for_times(), baseline=OLD)

    assert [(row.name, row.outcome) for row in found.rows] == [
        ("change of median[a]", "fail"),
        ("change of median[b]", "pass"),
    ]
    assert found.rows[0].reading.value == np.median(new.rounds["a"]) / np.median(OLD.rounds["a"])
    assert "timed one after the other" in found.notes[0]


def test_a_benchmark_that_is_gone_is_not_passed_over():
    """Nor is a new one: both have a row that says so."""
    new = benchmarks(b=lognormal(200, seed=4), c=lognormal(200, seed=5))
    found = gate(new, default_for_times(), baseline=OLD)

    assert [(row.name, row.outcome, row.reason) for row in found.rows[1:]] == [
        ("change of median[c]", "inconclusive", "old.json has no such benchmark"),
        ("change of median[a]", "inconclusive", "new.json has no such benchmark"),
    ]
    assert found.exit_code == 4


def test_few_rounds_are_inconclusive():
    """And say how many there must be."""
    found = ratio_of_medians(lognormal(5, seed=1), lognormal(200, seed=2))

    assert (found.ends, found.value is not None) == (None, True)
    assert f"at least {LEAST_ROUNDS} are needed" in found.reason


def test_bootstrapped_medians_are_those_of_drawn_rounds():
    """Against 20,000 medians of 15 of 15 rounds drawn with replacement: shares of each value, to 0.02."""
    times = lognormal(15, seed=1)
    random = np.random.default_rng(1)
    drawn = np.median(random.choice(times, size=(20_000, 15)), axis=1)
    direct = bootstrapped(times, 15, random)

    assert set(np.unique(direct)) <= set(times)
    for value in times:
        # Three standard errors of a share of 0.2 in 20,000 are 0.009.
        assert (direct == value).mean() == pytest.approx((drawn == value).mean(), abs=0.012)


def test_the_interval_of_a_ratio_holds_the_truth():
    """Of 400 pairs of 60 rounds 92% to 98.5% hold a ratio of 1, of which the standard error is 1.1 points."""
    pairs = ((lognormal(60, seed=2 * i), lognormal(60, seed=2 * i + 1)) for i in range(400))
    found = [ratio_of_medians(old, new) for old, new in pairs]
    held = np.mean([r.low <= 1 <= r.high for r in found])

    assert 0.92 <= held <= 0.985


def test_rounds_that_follow_each_other_count_as_fewer():
    """Independent rounds count in full, nearly; those of a slow machine state of 50 rounds as a few."""
    random = np.random.default_rng(1)
    independent = random.normal(size=2000) + 10
    states = np.repeat(random.normal(size=40), 50) + 0.1 * random.normal(size=2000) + 10

    assert effective_rounds(independent) > 1800
    assert effective_rounds(states) < 200
    assert effective_rounds(np.ones(9)) == 9


def test_autocorrelated_rounds_hold_the_truth():
    """Of 300 pairs of autoregressive rounds, correlation 0.6, 90% to 99% hold a ratio of 1; as independent, few would.

    The correlation of signs is lower than that of the rounds, as is that of medians.
    """
    held, naive = 0, 0
    for i in range(300):
        random = np.random.default_rng(i)
        sides = []
        for _ in range(2):
            noise = random.normal(size=400)
            for t in range(1, 400):
                noise[t] = 0.6 * noise[t - 1] + 0.8 * noise[t]
            sides.append(1e-3 * np.exp(0.05 * noise))
        found = ratio_of_medians(*sides)
        shuffled = ratio_of_medians(*(random.permutation(side) for side in sides))
        held += found.low <= 1 <= found.high
        naive += shuffled.low <= 1 <= shuffled.high
    assert 0.90 <= held / 300 <= 0.99
    assert naive < held - 20


def test_swapping_the_sides_inverts_the_ratio():
    """And its interval, to the noise of the bootstrap."""
    old, new = lognormal(100, seed=1), lognormal(120, seed=2)
    one, other = ratio_of_medians(old, new), ratio_of_medians(new, old)

    assert one.value == pytest.approx(1 / other.value, rel=1e-12)
    # Ends of 100,000 draws have an error of about 1% of the interval's width, some 1e-4 here.
    assert (one.low, one.high) == pytest.approx((1 / other.high, 1 / other.low), rel=2e-3)


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        ({"node": "b"}, "node is b and a"),
        ({"cpu": {"brand_raw": "other", "count": 2}}, "brand_raw is other and some"),
        ({"python_version": "3.13.0"}, "python_version is 3.13.0 and None"),
    ],
)
def test_files_of_two_machines_are_refused(machine: dict[str, Any], said: str):
    """The first difference is named; a person may allow it."""
    new = Benchmarks.parse(saved(dict(OLD.rounds), **machine), "new.json")
    with pytest.raises(NotComparable, match=f"of two machines: {said}") as refused:
        gate(new, default_for_times(), baseline=OLD)
    assert refused.value.exit_code == 3
    assert gate(new, default_for_times(), baseline=OLD, allows_other_machines=True).rows


def test_a_benchmark_that_nobody_has_is_refused():
    """With those that there are."""
    rules = Rules.parse({"rule": [{"change": "median[x]", "upper": "5%"}]}, name="")
    with pytest.raises(InputError, match="there is no benchmark 'x', only a, b"):
        gate(OLD, rules, baseline=OLD)


def test_rates_are_not_in_a_file_of_benchmarks():
    """Misuse, with what is expected."""
    rules = Rules.parse({"rule": [{"change": "fnmr at 0.5", "upper": "5%"}]}, name="")
    with pytest.raises(InputError, match="holds times of benchmarks"):
        gate(OLD, rules, baseline=OLD)


def test_benchmarks_need_a_baseline():
    """Code 3."""
    with pytest.raises(NoBaseline):
        gate(OLD, default_for_times())


def test_a_file_without_rounds_says_how_to_save_them(tmp_path: Path):
    """As pytest --benchmark-save alone leaves it."""
    path = tmp_path / "b.json"
    path.write_text(json.dumps({"machine_info": {}, "benchmarks": [{"fullname": "a", "stats": {"median": 1}}]}))
    with pytest.raises(FormatError, match="--benchmark-save-data"):
        read(path)


def test_times_that_are_none_are_refused():
    """Zero seconds have no logarithm."""
    with pytest.raises(FormatError, match="times of 'a' that are none"):
        benchmarks(a=np.array([1.0, 0.0]))
