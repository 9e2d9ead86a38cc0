"""Goal: what intervals answer."""

from __future__ import annotations

import math

import pytest

from frbench.errors import InputError
from frbench.speed.goal import Goal, Verdict, worst
from frbench.speed.ratio import Ratio

QUIET = Ratio(1.0, 0.99, 1.01, 0.95, 100)


def around(low: float, value: float, high: float, pairs: int = 100) -> Ratio:
    """A ratio with this interval."""
    return Ratio(value, low, high, 0.95, pairs)


@pytest.mark.parametrize(
    ("ratio", "outcome", "code"),
    [
        (around(1.031, 1.04, 1.05), "fail", 1),
        (around(0.99, 1.0, 1.029), "pass", 0),
        (around(1.02, 1.03, 1.04), "inconclusive", 4),
        (around(1.03, 1.04, 1.05), "inconclusive", 4),
    ],
)
def test_a_limit_is_answered_by_the_whole_interval(ratio: Ratio, outcome: str, code: int):
    """Above 1.03 it fails, below it passes, and one that touches it does neither."""
    verdict = Goal(max_slowdown=0.03).judge(ratio, QUIET)

    assert (verdict.outcome, verdict.exit_code) == (outcome, code)


@pytest.mark.parametrize("noise", [around(0.99, 1.0, 1.03), around(1 / 1.04, 1.0, 1.001), around(1.04, 1.05, 1.06)])
def test_a_limit_within_the_noise_floor_is_refused(noise: Ratio):
    """Whatever the ratio is: a command could be as far from itself, to either side."""
    for ratio in (around(1.5, 1.6, 1.7), around(0.5, 0.6, 0.7), around(1.0, 1.03, 1.05)):
        verdict = Goal(max_slowdown=0.03).judge(ratio, noise)
        assert (verdict.outcome, verdict.exit_code) == ("invalid", 4)
        assert "within the noise floor" in verdict.reason
        assert f"{ratio.low:.4f}" in verdict.reason


def test_a_negative_limit_asks_b_to_be_faster():
    """-10% passes at 0.85 to 0.89, and fails at 0.91 to 0.95."""
    goal = Goal(max_slowdown=-0.1)

    assert goal.judge(around(0.85, 0.87, 0.89), QUIET).outcome == "pass"
    assert goal.judge(around(0.91, 0.93, 0.95), QUIET).outcome == "fail"


def test_the_pairs_that_settle_are_as_the_square_of_the_distance():
    """An end twice as far as the limit needs four times the pairs; at the limit none are foreseen."""
    value, limit = 1.01, 1.03
    end = value * (limit / value) ** 2
    verdict = Goal(max_slowdown=0.03).judge(around(0.99, value, end), QUIET)

    assert 400 <= verdict.pairs_to_settle <= 401
    assert Goal(max_slowdown=0.03).judge(around(1.0, 1.03, 1.06), QUIET).pairs_to_settle is None


def test_the_pairs_that_settle_noise_are_those_of_the_worse_end():
    """Noise around 1 reaches 1.03 ** 3 below and 1.03 above: nine times the pairs."""
    noise = around(1.03**-3, 1.0, 1.03)
    verdict = Goal(max_slowdown=0.03).judge(around(1.0, 1.01, 1.02), noise)

    assert 900 <= verdict.pairs_to_settle <= 901


def test_without_an_interval_nothing_is_concluded():
    """Too few pairs are in doubt, whether a limit was asked or not."""
    none = Ratio(1.5, None, None, 0.95, 4, "4 pairs are too few for an interval at 95%")
    for goal in (Goal(), Goal(max_slowdown=0.03)):
        assert goal.judge(none, none).outcome == "inconclusive"
        assert "4 pairs are too few" in goal.judge(none, none).reason
        assert not goal.is_reached(none, none)


def test_a_goal_is_reached_when_the_limit_is_decided_or_the_interval_narrow():
    """Without a limit 0.02 is narrow enough; with both, both are asked."""
    wide, narrow = around(0.8, 0.9, 1.0), around(0.89, 0.9, 0.91)

    assert not Goal().is_reached(wide, QUIET)
    assert Goal().is_reached(narrow, QUIET)
    assert Goal(max_slowdown=0.03).is_reached(wide, QUIET)
    assert not Goal(max_slowdown=0.03, width=0.02).is_reached(wide, QUIET)
    assert not Goal(max_slowdown=0.03, width=0.02).is_reached(around(1.02, 1.03, 1.04), QUIET)


def test_the_worst_metric_is_the_outcome_of_all():
    """A failure stands above doubt, doubt above a pass."""
    verdicts = {name: Verdict(name, "") for name in ("pass", "inconclusive", "invalid", "fail")}

    assert worst(verdicts.values()) == "fail"
    assert worst([verdicts["inconclusive"], verdicts["pass"]]) == "inconclusive"
    assert worst([verdicts["inconclusive"], verdicts["invalid"]]) == "invalid"


@pytest.mark.parametrize("limit", [0.0, 3.0, -1.0, math.nan])
def test_limits_that_nothing_answers_are_refused(limit: float):
    """No slowdown at all, 3 where 3% is meant, no time at all."""
    with pytest.raises(InputError, match="3% is usual"):
        Goal(max_slowdown=limit)


@pytest.mark.parametrize("width", [0.0, 1.0, math.nan])
def test_widths_that_nothing_reaches_are_refused(width: float):
    """No width, and one that is no bound."""
    with pytest.raises(InputError, match=r"0\.02 is usual"):
        Goal(width=width)
