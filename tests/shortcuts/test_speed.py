"""Speeds: the searches take turns, and the median pass is what is said."""

from __future__ import annotations

import numpy as np

from frbench.shortcuts.speed import PASSES, SAMPLE, measured, sample


def test_searches_take_turns_and_the_first_pass_is_not_counted():
    """A takes 1 s and once 9 s, B always 2 s: medians of 10 and 5 searches a second, in turns."""
    now, calls = [0.0], []

    def search(name: str, seconds: list[float]):
        def call() -> None:
            calls.append(name)
            now[0] += seconds[min(calls.count(name) - 1, len(seconds) - 1)]

        return call

    a, b = measured([search("a", [50, 9, 1]), search("b", [50, 2])], 10, clock=lambda: now[0])

    assert "".join(calls) == "ab" * (1 + PASSES)
    assert (a.per_s, a.low, a.high) == (10, 10 / 9, 10)
    assert (b.per_s, b.low, b.high, b.searches) == (5, 5, 5, 10)


def test_without_probes_there_is_no_speed():
    """None with a reason, and nothing is called."""
    (found,) = measured([lambda: 1 / 0], 0)

    assert found.per_s is None
    assert found.reason == "0 probes with a template"


def test_a_sample_is_spread_over_the_file():
    """At most SAMPLE probes, the first and the last among them."""
    few, many = sample(np.arange(7)), sample(np.arange(50_000))

    assert few.tolist() == list(range(7))
    assert (len(many), many[0], many[-1]) == (SAMPLE, 0, 49_999)
    assert len(set(many.tolist())) == SAMPLE
