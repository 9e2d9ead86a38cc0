"""A day of use: by hand, by enumeration, and the same in the page."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser

from frbench.page import operation
from frbench.page.operation import Day, Range, Setting, of_comparisons, of_searches, precision
from tests.worlds.browser import Watched


def rate(value: float | None, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    """An estimate."""
    return {"value": value, "low": low, "high": high}


def test_verification_compares_others_only():
    """100 attempts of 75 enrolled people at a gallery of 1: 25 non-mated comparisons at 2%, 75 mated ones at 80%."""
    found = of_comparisons(Setting(1, 100, 0.75), rate(0.02, 0.01, 0.04), rate(0.2, 0.1, 0.4))

    assert found.false == Range(0.5, 0.25, 1.0)
    # 60 of 60.5 accepted are right; 45 of 46 where both ends are worst, 67.5 of 67.75 where they are best.
    assert found.precision == Range(60 / 60.5, 45 / 46, 67.5 / 67.75)


def test_enrolled_people_are_compared_with_all_others():
    """A search of an enrolled person in a gallery of 10 makes 9 non-mated comparisons, of another one 10."""
    assert of_comparisons(Setting(10, 1, 1.0), rate(0.1), rate(0.0)).false.value == pytest.approx(0.9)
    assert of_comparisons(Setting(10, 1, 0.0), rate(0.1), rate(0.0)).false.value == 1.0


def test_alarms_in_the_measured_gallery():
    """1,000 searches, 10% enrolled: 900 at FPIR 10% and 100 at FNIR 25% are 90 false alarms and 75 right ones."""
    found = of_searches(Setting(500, 1000, 0.1), rate(0.1, 0.05, 0.2), rate(0.25, 0.2, 0.5), measured=500)

    assert found.false == Range(90.0, 45.0, 180.0)
    assert found.precision == Range(75 / 165, 50 / 230, 80 / 125)


def test_larger_gallery_has_bounds_alone():
    """Four times the gallery: up to four times the false alarms and never fewer; misses are at least those measured."""
    found = of_searches(Setting(2000, 10, 0.5), rate(0.1, 0.05, 0.2), rate(0.25, 0.2, 0.5), measured=500)

    assert found.false == Range(None, 0.25, 4.0)
    assert found.precision == Range(None, 0.0, 4 / 4.25)


def test_smaller_gallery_has_bounds_alone():
    """A quarter of the gallery: a quarter of the false alarms at least; misses are at most those measured."""
    found = of_searches(Setting(125, 10, 0.5), rate(0.1, 0.08, 0.2), rate(0.25, 0.2, 0.5), measured=500)

    assert found.false == Range(None, 0.1, 1.0)
    assert found.precision == Range(None, 2.5 / 3.5, 5 / 5.1)


@given(st.lists(st.sets(st.integers(0, 5)), min_size=1, max_size=6), st.integers(1, 6))
def test_bounds_hold_for_every_part_of_every_gallery(hits: list[set[int]], size: int):
    """Searches match any rows of a gallery of 6: FPIR over all its parts of one size lies between the bounds."""
    whole = sum(map(bool, hits)) / len(hits)
    chosen = [set(rows) for rows in combinations(range(6), size)]
    part = sum(bool(rows & hit) for rows in chosen for hit in hits) / (len(chosen) * len(hits))

    smaller = operation.sized_alarms(Range(whole, whole, whole), size / 6)
    larger = operation.sized_alarms(Range(part, part, part), 6 / size)
    # Both sides are quotients of small integers: a few units in the last place.
    if size < 6:
        assert smaller.low - 1e-12 <= part <= smaller.high + 1e-12
        assert larger.low - 1e-12 <= whole <= larger.high + 1e-12
    else:
        assert smaller.value == whole


def test_nothing_accepted_has_no_precision():
    """0 of 0 is no share."""
    assert precision(Range(0.0, 0.0, 0.0), Range(0.0, 0.0, 1.0)) == Range(None, 0.0, None)


def test_unknown_rate_makes_no_day():
    """A group without non-mated searches has neither false alarms nor precision."""
    found = of_searches(Setting(5, 10, 0.5), rate(None), rate(0.25, 0.2, 0.5), measured=5)

    assert found == Day(Range(None, None, None), Range(None, None, None))
    assert of_searches(Setting(6, 10, 0.5), rate(0.5), rate(0.25), measured=5).false == Range(None, None, None)


SETTINGS = [Setting(1, 1000, 0.9), Setting(4749, 1000, 0.1), Setting(100_000, 12.5, 0.0), Setting(10, 1e6, 1.0)]
RATES: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = [
    (rate(0.1, 0.05, 0.2), rate(0.25, 0.2, 0.5)),
    (rate(0.0, 0.0, 0.003), rate(1.0, 0.9, 1.0)),
    (rate(0.1), rate(None)),
    (rate(None), rate(0.2, 0.1, 0.3)),
]


def test_page_computes_the_same_day(browser: Browser):
    """Every number of every setting, double by double."""
    page = Watched(browser).scripts("operation")

    for setting in SETTINGS:
        for wrong, missed in RATES:
            for measured in (None, 4749):
                expected = (
                    of_comparisons(setting, wrong, missed)
                    if measured is None
                    else of_searches(setting, wrong, missed, measured=measured)
                )
                found = page.evaluate(
                    "([gallery, setting, wrong, missed]) => dayOf({ gallery }, setting, wrong, missed)",
                    [measured, vars(setting), wrong, missed],
                )
                assert found == {"wrongly": vars(expected.false), "precision": vars(expected.precision)}
