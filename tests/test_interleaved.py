"""Interleaved: files of `frbench ab`, and bounds that the machine's noise does not allow."""

from __future__ import annotations

from typing import Any

import pytest
from scipy import stats

from frbench.errors import FormatError, InputError, InvalidRun
from frbench.gates.gate import gate
from frbench.gates.interleaved import Interleaved
from frbench.gates.rules import Rules, default_for_times


def ab(value: float, half: float, *, noise: float = 0.01) -> dict[str, Any]:
    """A ratio with a symmetric interval, and a noise floor."""
    ratio = {"value": value, "low": value / (1 + half), "high": value * (1 + half), "level": 0.95, "pairs": 40}
    return {"ratio": ratio, "noise": {"value": 1.0, "low": 1 / (1 + noise), "high": 1 + noise, "pairs": 30}}


def parsed(**metrics: dict[str, Any]) -> Interleaved:
    """A file of several metrics."""
    return Interleaved.parse({"schema": "frbench.ab/1", "metrics": metrics}, "ab.json")


def rules(**rule: Any) -> Rules:
    """One rule."""
    return Rules.parse({"rule": [rule]}, name="gates.toml")


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


def test_a_bound_tighter_than_the_noise_is_refused():
    """The same command differs from itself by 6%: a bound of 5% says nothing; code 4."""
    with pytest.raises(InvalidRun, match=r"'wall' at \+5\.0%, .* differs from itself by 6\.0% in 30 pairs") as refused:
        gate(parsed(wall=ab(1.0, 0.02, noise=0.06)), default_for_times())
    assert refused.value.exit_code == 4


def test_what_was_not_estimated_is_open_or_invalid():
    """A ratio without an interval leaves its row open; noise that nobody knows makes the measurement invalid."""
    unknown = {"value": 1.0, "low": None, "high": None, "level": 0.98, "pairs": 6, "reason": "6 pairs are too few"}
    (row,) = gate(parsed(wall=ab(1.0, 0.02) | {"ratio": unknown}), default_for_times()).rows

    assert (row.outcome, row.reason, row.reading.counts[0].n) == ("inconclusive", "6 pairs are too few", 6)
    with pytest.raises(InvalidRun, match="the noise of 'wall' is not known, 6 pairs are too few"):
        gate(parsed(wall=ab(1.0, 0.02) | {"noise": unknown}), default_for_times())


def test_one_metric_may_stand_alone():
    """Without a name it is called time."""
    found = gate(Interleaved.parse(ab(1.0, 0.02), "ab.json"), default_for_times())

    assert found.rows[0].name == "change of median[time]"


def test_each_metric_or_one_is_asked_for():
    """Those that there are."""
    both = parsed(wall=ab(1.0, 0.02), cpu=ab(1.2, 0.02))

    assert [row.outcome for row in gate(both, default_for_times()).rows] == ["pass", "fail"]
    assert gate(both, rules(change="median[wall]", upper="5%")).outcome == "pass"
    with pytest.raises(InputError, match="there is no metric 'user', only wall, cpu"):
        gate(both, rules(change="median[user]", upper="5%"))
    with pytest.raises(InputError, match="holds interleaved times"):
        gate(both, rules(change="fnmr at 0.5", upper="5%"))


@pytest.mark.parametrize("damaged", [{}, {"metrics": {"wall": {"ratio": {}}}}, {"metrics": []}])
def test_a_file_that_lacks_a_part_is_refused(damaged: dict[str, Any]):
    """It was not written by frbench ab."""
    with pytest.raises(FormatError, match=r"ab\.json is not a file of frbench ab"):
        Interleaved.parse(damaged, "ab.json")


def test_an_interval_in_disorder_is_refused():
    """Its ends do not hold its value."""
    wrong = ab(1.0, 0.02)
    wrong["ratio"]["low"] = 1.01
    with pytest.raises(FormatError, match=r"low 1\.01, value 1 and high 1\.02"):
        Interleaved.parse(wrong, "ab.json")
