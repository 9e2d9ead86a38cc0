"""Bounds: numbers, percents and times, of the kind that a quantity has; impossible ones are refused."""

from __future__ import annotations

from typing import Any

import pytest

from frbench.errors import InputError
from frbench.gates.bounds import Bounds, Kind
from frbench.gates.claims import Claim


def parse(kind: Kind, claim: str, **said: Any) -> Bounds:
    """The bounds of a rule."""
    return Bounds.parse(kind, Claim.parse(claim), said)


@pytest.mark.parametrize(
    ("kind", "claim", "upper", "expected", "is_relative"),
    [
        ("claim", "fnmr at 0", 0.02, 0.02, False),
        ("claim", "fnmr at 0", "2%", 0.02, False),
        ("claim", "p99 batch 1", "20ms", 20e6, False),
        ("claim", "p99 batch 1", "1.5 s", 1.5e9, False),
        ("claim", "throughput", 5000, 5000, False),
        ("ratio", "fmr[sex=f] at 0", 1.5, 1.5, False),
        ("change", "fnmr at 0", 0.002, 0.002, False),
        ("change", "fnmr at 0", "10%", 1.1, True),
        ("change", "fnmr at 0", "-10%", 0.9, True),
        ("change", "p99", "5%", 1.05, True),
    ],
)
def test_a_bound_has_the_unit_of_its_quantity(kind: Kind, claim: str, upper: Any, expected: float, is_relative: bool):
    """Rates, nanoseconds, ratios, differences, and ratios to the baseline."""
    found = parse(kind, claim, upper=upper)

    # One rounding of a quotient by 100.
    assert found.upper == pytest.approx(expected, rel=1e-15)
    assert (found.lower, found.are_relative) == (None, is_relative)


@pytest.mark.parametrize(
    ("kind", "claim", "said", "why"),
    [
        ("claim", "fnmr at 0", {}, "neither lower nor upper"),
        ("claim", "fnmr at 0", {"upper": 1.5}, "above 0 and at most 1"),
        ("claim", "fnmr at 0", {"upper": "150%"}, "above 0 and at most 1"),
        ("claim", "fnmr at 0", {"upper": 0}, "above 0 and at most 1"),
        ("claim", "fnmr at 0", {"lower": 1}, "at least 0 and below 1"),
        ("claim", "fnmr at 0", {"upper": True}, "upper is True"),
        ("claim", "fnmr at 0", {"upper": [1]}, "expected a number"),
        ("claim", "fnmr at 0", {"upper": float("nan")}, "expected a finite number"),
        ("claim", "fnmr at 0", {"upper": "2ms"}, "expected a rate"),
        ("claim", "fnmr at 0", {"lower": 0.3, "upper": 0.2}, "lower is 0.3, above upper, which is 0.2"),
        ("claim", "p99", {"upper": 20}, "expected a time with its unit"),
        ("claim", "p99", {"upper": "0ms"}, "expected a time with its unit"),
        ("ratio", "fmr[sex=f] at 0", {"upper": 0}, "lies above 0"),
        ("ratio", "fmr[sex=f] at 0", {"upper": "10%"}, "expected a ratio of two rates"),
        ("change", "fnmr at 0", {"upper": 1}, "between -1 and 1"),
        ("change", "fnmr at 0", {"lower": "-100%"}, "expected above -100%"),
        ("change", "fnmr at 0", {"lower": -0.1, "upper": "10%"}, "expected both in percent or none"),
        ("change", "p99", {"upper": 1.05}, "expected a change of p99 in percent"),
    ],
)
def test_impossible_bounds_are_refused(kind: Kind, claim: str, said: dict[str, Any], why: str):
    """The message says what is possible."""
    with pytest.raises(InputError, match=why):
        parse(kind, claim, **said)


def test_an_end_on_the_bound_keeps_it():
    """A bound is itself allowed."""
    both = Bounds(0.1, 0.2)

    assert both.are_kept(0.1, 0.2)
    assert not both.are_broken(0.2, 0.3)
    assert both.are_broken(0.21, 0.3)
    assert both.are_broken(0.01, 0.09)
    assert not both.are_kept(0.05, 0.15)
