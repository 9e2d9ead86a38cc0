"""Verdicts: pass, fail or inconclusive, all rows together, and what would settle a row."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from frbench.gates.asked import Asked
from frbench.gates.bounds import Bounds
from frbench.gates.claims import Claim
from frbench.gates.reading import ALPHA, Reading, Size
from frbench.gates.rules import Doubt, Rule, Rules
from frbench.gates.verdicts import Gate, fails_from, judged, rounded_up, settled_by
from tests.gates.test_reading import normal


def rule(*, upper: float | None = 1.0, lower: float | None = None, doubt: Doubt = "fail") -> Rule:
    """A rule about some change."""
    return Rule(1, "change", Claim.parse("fnmr at 0.5"), Bounds(lower, upper), doubt)


def judge(*values: float, given: Rule | None = None, false_failures: float = 0.01) -> Gate:
    """The gate of normal estimates with standard error 1."""
    own = given or rule()
    rows = [Asked(own, f"row {i}", "number", lambda v=v: Reading.of(v, normal(v))) for i, v in enumerate(values)]
    return judged(rows, Rules("gates.toml", (own,), false_failures), run="run")


Z95, Z01 = stats.norm.isf(ALPHA), stats.norm.isf(0.01)


@pytest.mark.parametrize(
    ("value", "outcome", "code"),
    [
        (1 - Z95 - 1e-6, "pass", 0),
        (1 - Z95 + 1e-6, "inconclusive", 4),
        (1.0, "inconclusive", 4),
        (1 + Z01 - 1e-4, "inconclusive", 4),
        (1 + Z01 + 1e-4, "fail", 1),
    ],
)
def test_one_row_passes_at_95_percent_and_fails_at_the_promise(value: float, outcome: str, code: int):
    """1.96 standard errors below the bound pass, 2.33 above it fail, between lies doubt."""
    found = judge(value)

    assert (found.rows[0].outcome, found.outcome, found.exit_code) == (outcome, outcome, code)


def test_many_rows_must_be_further_beyond_to_fail():
    """At ten rows the first step asks for 0.1%, 3.09 standard errors, and says why a row stays open."""
    values = [-9.0] * 9
    z = stats.norm.isf(0.001)

    open_row = judge(1 + z - 1e-3, *values).rows[0]
    assert open_row.outcome == "inconclusive"
    assert open_row.reason == "beyond the bound, but among so many rows one may be so by chance"
    assert judge(1 + z + 1e-3, *values).rows[0].outcome == "fail"


def test_holm_fails_more_than_bonferroni():
    """Of two rows one far beyond, the other is asked for 1%, not for half of that."""
    found = judge(20.0, 1 + Z01 + 1e-3)

    assert [row.outcome for row in found.rows] == ["fail", "fail"]


@pytest.mark.parametrize(("doubt", "code", "blocks"), [("fail", 4, True), ("warn", 0, False), ("pass", 0, False)])
def test_doubt_is_what_the_rule_says(doubt: Doubt, code: int, blocks: bool):
    """The row stays inconclusive; whether that blocks is another question."""
    found = judge(1.0, given=rule(doubt=doubt))

    assert (found.exit_code, found.rows[0].outcome, found.rows[0].blocks) == (code, "inconclusive", blocks)


def test_a_failure_goes_before_doubt():
    """Code 1, not 4."""
    assert judge(9.0, 1.0).exit_code == 1


def test_a_row_without_an_interval_is_inconclusive_and_says_why():
    """It neither keeps nor breaks anything, and no other row pays for it."""
    lacking = Asked(rule(), "a", "number", lambda: Reading(0.5, reason="4 blocks"))
    known = Asked(rule(), "b", "number", lambda: Reading.of(1 + Z01 + 1e-3, normal(1 + Z01 + 1e-3)))
    found = judged([lacking, known], Rules("", (rule(),)), run="")

    assert (found.rows[0].outcome, found.rows[0].p) == ("inconclusive", None)
    assert (found.rows[0].reason, found.n_tested, found.rows[1].outcome) == ("4 blocks", 1, "fail")


def test_an_unchanged_figure_without_doubt_passes_at_its_bound():
    """The same templates twice: the difference is 0 and so are its ends."""
    own = rule(upper=0.0)
    found = judged([Asked(own, "", "number", lambda: Reading.of(0.0, lambda _: (0.0, 0.0)))], Rules("", (own,)), run="")

    assert found.outcome == "pass"


@given(st.integers(1, 60), st.integers(0, 2**32 - 1), st.floats(0.01, 0.2))
def test_a_gate_fails_no_row_that_does_not_fail_alone(n: int, seed: int, false_failures: float):
    """Taking rows together asks for more evidence, never for less; and order changes nothing."""
    values = (1 + 2 * np.random.default_rng(seed).normal(size=n)).tolist()
    together = [row.outcome for row in judge(*values, false_failures=false_failures).rows]
    alone = [judge(v, false_failures=false_failures).rows[0].outcome for v in values]
    turned = [row.outcome for row in judge(*values[::-1], false_failures=false_failures).rows]

    assert all(a == "fail" for a, b in zip(alone, together, strict=True) if b == "fail")
    assert all(a == b for a, b in zip(alone, together, strict=True) if b == "pass")
    assert turned[::-1] == together


def test_gates_of_rows_on_their_bounds_keep_the_promise():
    """2,000 gates of 20 independent rows on the bound, promised 5%: 3.5% to 6.5% fail, of which the error is 0.5.

    Each row alone would fail 64% of them.
    """
    random = np.random.default_rng(3)
    ps = stats.norm.sf(random.normal(size=(2000, 20)))
    failed = (np.sort(ps, axis=1)[:, 0] * 20 <= 0.05).mean()
    some = random.choice(2000, 40, replace=False)
    gates = [judge(*(1 + stats.norm.isf(ps[i])).tolist(), false_failures=0.05).outcome == "fail" for i in some]

    assert gates == (np.sort(ps[some], axis=1)[:, 0] * 20 <= 0.05).tolist()
    assert 0.035 <= failed <= 0.065


def sized(value: float, n: float = 100) -> Reading:
    """A mean of n draws of variance 1."""
    return Reading.of(value, normal(value, 1 / math.sqrt(n)), size=Size(n, "subjects"))


def test_as_many_as_settle_a_row_give_it_80_percent_power():
    """A mean of 0.9 against 1: (1.96 + 0.84)^2 / 0.1^2 = 785 draws, said as 790."""
    assert settled_by(sized(0.9), Bounds(None, 1.0), 0.01) == Size(790, "subjects")


def test_a_row_beyond_its_bound_is_settled_by_a_failure():
    """1.1 against 1 at 1%: (2.33 + 0.84)^2 / 0.1^2 = 1,004, said as 1,100."""
    assert settled_by(sized(1.1), Bounds(None, 1.0), 0.01) == Size(1100, "subjects")


def test_a_lower_bound_is_settled_alike():
    """The other way round."""
    assert settled_by(sized(1.1), Bounds(1.0, None), 0.01) == Size(790, "subjects")


def test_between_two_bounds_the_nearer_one_decides():
    """0.9 is nearer to 1 than to 0."""
    assert settled_by(sized(0.9), Bounds(0.0, 1.0), 0.01) == Size(790, "subjects")


def test_nothing_settles_a_value_on_its_bound():
    """However many there are."""
    assert settled_by(sized(1.0), Bounds(None, 1.0), 0.01) is None


def test_no_errors_need_as_many_more_as_the_bound_is_too_high():
    """A bound shrinks with the trials: twice the bound needs twice the people."""
    reading = replace(sized(0.0), ends=lambda _: (0.0, 0.02), shrinks=1.0)

    assert settled_by(reading, Bounds(None, 0.01), 0.01) == Size(200, "subjects")


@given(st.floats(0.5, 0.99), st.integers(20, 10_000))
def test_with_as_many_the_value_would_pass_with_80_percent_power(value: float, n: int):
    """Rounding up by two digits gives at most a tenth more."""
    found = settled_by(sized(value, n), Bounds(None, 1.0), 0.01)
    assert found is not None
    power = stats.norm.cdf((1 - value) * math.sqrt(found.n) - Z95)

    assert power >= 0.8 - 1e-9
    assert found.n == rounded_up(n) or power < 0.86


def test_a_gate_fails_what_it_says_with_80_percent_power():
    """From bound + (2.33 + 0.84) standard errors on."""
    smallest = fails_from(sized(0.5), Bounds(None, 1.0), 0.01)
    assert smallest == pytest.approx(1 + (Z01 + stats.norm.ppf(0.8)) / 10)
    power = stats.norm.sf(1 + Z01 / 10, loc=smallest, scale=1 / 10)

    assert power == pytest.approx(0.8)


@pytest.mark.parametrize(("n", "said"), [(1, 1), (99, 99), (101, 110), (785.2, 790), (1234, 1300), (123_456, 130_000)])
def test_numbers_are_rounded_up_to_two_digits(n: float, said: int):
    """Never below what is needed."""
    assert rounded_up(n) == said


def test_the_promise_is_in_the_output():
    """Number of rows and probability."""
    assert "over 2 of 2 rows, so that any of them fails with a probability of at most 0.01" in judge(0.0, 0.0).family
