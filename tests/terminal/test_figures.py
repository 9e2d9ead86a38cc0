"""Sentences of what is missing: each reason once, and nothing said of a group that it is not true of."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from frbench.terminal.figures import sentences

REASONS = ("", "0 trials", "interval not estimable: 3 blocks")


def each(reason: str) -> dict:
    """A value that is missing, or only its interval."""
    return {"value": None if reason == "0 trials" else 0.5, "reason": reason}


def test_groups_of_one_reason_stand_together():
    """And so do values that are missing of the same groups."""
    found = [(title, group, each("0 trials")) for group, title in product(("a,b", "c"), ("EER", "AUC"))]

    assert list(sentences(found)) == ["EER, AUC of a,b; c: not estimable, 0 trials"]


def test_what_is_missing_of_other_groups_stands_apart():
    """EER of one group and AUC of another are not both of both."""
    found = [("EER", "a", each("0 trials")), ("AUC", "b", each("0 trials"))]

    assert list(sentences(found)) == ["EER of a: not estimable, 0 trials", "AUC of b: not estimable, 0 trials"]


def test_a_value_without_interval_is_not_called_missing():
    """The reason says what is; a value with everything has no sentence."""
    found = [("EER", "a", each(REASONS[2])), ("EER", "b", each(""))]

    assert list(sentences(found)) == ["EER of a: interval not estimable: 3 blocks"]


@given(st.lists(st.sampled_from(REASONS), min_size=6, max_size=6))
def test_every_missing_value_is_named_once(reasons: list[str]):
    """Sentences taken apart are the values that went in."""
    cells = list(product(("EER", "AUC"), "abc"))
    said = []
    for sentence in sentences((*cell, each(reason)) for cell, reason in zip(cells, reasons, strict=True)):
        head, _, reason = sentence.partition(": ")
        titles, _, names = head.partition(" of ")
        reason = reason.removeprefix("not estimable, ")
        said += [(title, name, reason) for title in titles.split(", ") for name in names.split("; ")]

    assert sorted(said) == sorted((*cell, reason) for cell, reason in zip(cells, reasons, strict=True) if reason)
