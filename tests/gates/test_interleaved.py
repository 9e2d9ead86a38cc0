"""Interleaved: files of `frbench ab`, and bounds that the machine's noise does not allow."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from frbench.errors import FormatError, InputError
from frbench.gates.gate import default_rules, gate
from frbench.gates.interleaved import Interleaved
from frbench.gates.rules import Rules, default_for_times
from frbench.gates.verdicts import Gate
from frbench.speed.compare import Comparison
from frbench.speed.goal import EXIT_CODES, Goal
from frbench.speed.ratio import Ratio
from frbench.speed.results import results
from tests.worlds.machines import Machine, lognormal

UNKNOWN = Ratio(1.0, None, None, 0.95, 6, "6 pairs are too few")


def ab(value: float, half: float, *, noise: float = 0.01) -> dict[str, Any]:
    """A ratio with a symmetric interval, and a noise floor."""
    ratio = Ratio(value, value / (1 + half), value * (1 + half), 0.95, 40)
    return {"ratio": asdict(ratio), "noise": asdict(Ratio(1.0, 1 / (1 + noise), 1 + noise, 0.95, 30))}


def document(limit: float | None = None, **metrics: dict[str, Any]) -> dict[str, Any]:
    """What a gate reads of a file of several metrics."""
    head = {"schema": "frbench.ab/1", "outcome": "measured", "max_slowdown": limit, "design": {"level": 0.95}}
    return {**head, "notes": [], "metrics": metrics}


def parsed(limit: float | None = None, **metrics: dict[str, Any]) -> Interleaved:
    """The same, read."""
    return Interleaved.parse(document(limit, **metrics), "ab.json")


def rules(**rule: Any) -> Rules:
    """One rule."""
    return Rules.parse({"rule": [rule]}, name="gates.toml")


def regated(found: Comparison) -> Gate:
    """The gate of what a comparison writes, through its file."""
    run = Interleaved.parse(json.loads(json.dumps(results(found), allow_nan=False)), "ab.json")
    return gate(run, default_rules(run))


@pytest.mark.parametrize(("value", "outcome"), [(1.0, "pass"), (1.05, "inconclusive"), (1.10, "fail")])
def test_the_interval_is_held_against_the_bound(value: float, outcome: str):
    """2% to either side of the ratio, a bound of 5%."""
    found = gate(parsed(wall=ab(value, 0.02)), default_for_times())

    assert found.outcome == outcome
    assert [(c.whose, c.n) for c in found.rows[0].reading.counts] == [("", 40), ("noise", 30)]


def test_the_interval_at_its_own_level_is_as_it_was_written():
    """Other levels follow the normal law on the logarithm."""
    (row,) = gate(parsed(wall=ab(1.0, 0.02)), default_for_times()).rows

    assert (row.reading.low, row.reading.high) == pytest.approx((1 / 1.02, 1.02), rel=1e-12)
    assert row.reading.ends is not None
    z = stats.norm.isf(0.001) / stats.norm.isf(0.025)
    assert row.reading.ends(0.001) == pytest.approx((1.02**-z, 1.02**z), rel=1e-9)


@pytest.mark.parametrize("doubt", ["fail", "warn", "pass"])
def test_a_bound_within_the_noise_blocks_at_any_doubt(doubt: Any):
    """The same command differs from itself by 6%: a bound of 5% says nothing; code 4, and the interval is shown."""
    found = gate(parsed(wall=ab(1.0, 0.02, noise=0.06)), default_for_times(doubt))
    (row,) = found.rows

    assert (found.outcome, found.exit_code, row.blocks, row.p) == ("inconclusive", 4, True, None)
    assert "may be off by 6.00% from itself" in row.reason
    assert (row.reading.low, row.reading.high) == (1 / 1.02, 1.02)


def test_a_metric_that_fails_does_so_beside_one_that_is_within_the_noise():
    """What is known to be slower stays a failure: code 1."""
    found = gate(parsed(wall=ab(1.0, 0.02, noise=0.06), cpu=ab(1.2, 0.02)), default_for_times())

    assert [row.outcome for row in found.rows] == ["inconclusive", "fail"]
    assert found.exit_code == 1


@pytest.mark.parametrize("side", ["ratio", "noise"])
def test_what_was_not_estimated_is_open(side: str):
    """Without an interval of the ratio or of the noise there is no answer; a rule may let doubt pass."""
    run = parsed(wall=ab(1.0, 0.02) | {side: asdict(UNKNOWN)})
    (row,) = gate(run, default_for_times()).rows

    assert (row.outcome, row.p) == ("inconclusive", None)
    assert row.reason.endswith("6 pairs are too few")
    assert gate(run, default_for_times("pass")).exit_code == 0


def test_each_metric_or_one_is_asked_for():
    """Those that there are."""
    both = parsed(wall=ab(1.0, 0.02), cpu=ab(1.2, 0.02))

    assert [row.outcome for row in gate(both, default_for_times()).rows] == ["pass", "fail"]
    assert gate(both, rules(change="median[wall]", upper="5%")).outcome == "pass"
    with pytest.raises(InputError, match="there is no metric 'user', only wall, cpu"):
        gate(both, rules(change="median[user]", upper="5%"))
    with pytest.raises(InputError, match="holds interleaved times"):
        gate(both, rules(change="fnmr at 0.5", upper="5%"))


def test_a_baseline_beside_two_sides_is_refused():
    """It would be left out without a word."""
    run = parsed(wall=ab(1.0, 0.02))
    with pytest.raises(InputError, match="A is the baseline of B; leave out --baseline"):
        gate(run, default_for_times(), baseline=run)


def test_without_a_file_the_rules_are_what_was_asked():
    """The limit of `frbench ab` and one side of its doubt; 5% where it only measured."""
    asked, measured = (default_rules(parsed(limit, wall=ab(1.0, 0.02))) for limit in (-0.025, None))

    assert (asked.rules[0].bounds.upper, asked.false_failures) == pytest.approx((0.975, 0.025))
    assert asked.name == "no median above -2.5%"
    assert (measured.rules[0].bounds.upper, measured.false_failures) == pytest.approx((1.05, 0.01))


@settings(max_examples=60)
@given(
    spread=st.floats(0.001, 0.2),
    b=st.floats(0.8, 1.25),
    limit=st.sampled_from((-0.1, -0.02, 0.01, 0.03, 0.1)),
    pairs=st.sampled_from((10, 30, 120)),
    seconds=st.sampled_from((9.0, 60.0, 1e9)),
    seed=st.integers(0, 2**16),
)
def test_the_gate_of_one_metric_says_what_frbench_ab_said(
    spread: float, b: float, limit: float, pairs: int, seconds: float, seed: int
):
    """Whatever the noise, the limit and the budget: the same exit code."""
    machine = Machine(lognormal(spread, seed=seed))
    found = machine.compare(b, goal=Goal(limit), pairs=pairs, seconds=seconds, seed=seed)

    assert regated(found).exit_code == EXIT_CODES[found.outcome]


def test_a_comparison_without_a_round_is_open():
    """A budget that ended with the round that is discarded: no value, no interval, and the reason."""
    found = regated(Machine().compare(1.0, goal=Goal(0.03), seconds=1.0))
    (row,) = found.rows

    assert (found.exit_code, row.reading.value, row.reason) == (4, None, "0 pairs")


def test_what_frbench_ab_noted_is_noted():
    """Its outcome, and that its budget ended."""
    found = regated(Machine(lognormal(0.3, seed=1)).compare(1.0, goal=Goal(0.03, 0.01), pairs=20))

    assert found.notes[0] == "frbench ab with a limit of +3%: invalid"
    assert "0.01 was asked: the 20 pairs allowed were run" in found.notes[1]


@pytest.mark.parametrize(
    "damaged",
    [{}, {"metrics": []}, {"metrics": {"wall": {"ratio": {}}}}, {"design": None}, {"max_slowdown": "much"}],
)
def test_a_file_that_lacks_a_part_is_refused(damaged: dict[str, Any]):
    """It was not written by frbench ab."""
    whole = document(wall=ab(1.0, 0.02))
    with pytest.raises(FormatError, match=r"ab\.json is not a file of frbench ab"):
        Interleaved.parse(whole | damaged if damaged else {}, "ab.json")


@pytest.mark.parametrize("end", [1.01, -1.0, 0.0, math.nan])
def test_an_interval_in_disorder_is_refused(end: float):
    """Its ends do not hold its value."""
    wrong = ab(1.0, 0.02)
    wrong["ratio"]["low"] = end
    with pytest.raises(FormatError, match=r"value 1, high 1\.02"):
        parsed(wall=wrong)
