"""Tables and notes of a comparison: what a reader sees."""

from __future__ import annotations

from rich.console import Console

from frbench.speed.goal import Goal
from frbench.speed.results import notes, results
from frbench.speed.tables import show
from tests.worlds.machines import Machine, lognormal


def shown(found) -> str:
    """A comparison on a terminal."""
    console = Console(record=True, width=160)
    show(results(found), console)
    return console.export_text()


def test_a_table_has_both_sides_the_ratio_and_the_noise_floor():
    """A 1 s, B 1.5 s, without noise, at the first look."""
    text = shown(Machine().compare(1.5, goal=Goal(max_slowdown=0.03)))

    assert "noise floor (A / A, B / B)" in text
    assert "wall    1  1.5  1.5000  1.5000 - 1.5000             1.0000 - 1.0000     10" in text
    assert "fail  wall: B/A is 1.5000 to 1.5000, all above the limit 1.0300" in text


def test_doubt_is_printed_with_the_pairs_that_would_settle_it():
    """Forty pairs of a machine that scatters by 10%: the limit is within the floor."""
    text = shown(Machine(lognormal(0.1, seed=2)).compare(1.02, goal=Goal(max_slowdown=0.03), pairs=40))

    assert "invalid  wall: the limit 1.0300 is within the noise floor" in text
    assert "pairs would settle it" in text


def test_a_width_that_was_not_reached_is_noted():
    """With what ended the run."""
    by_pairs = Machine(lognormal(0.3, seed=2)).compare(1.0, pairs=40)
    by_time = Machine(lognormal(0.3, seed=2)).compare(1.0, seconds=100)

    assert any("0.02 was asked: the 40 pairs allowed were run" in note for note in notes(by_pairs))
    assert any(f"the budget of 100 s ended after {2 * len(by_time.rounds)} pairs" in note for note in notes(by_time))
    assert notes(Machine().compare(1.0)) == []


def test_a_short_process_is_noted():
    """Below 0.1 s the start of the process is much of it."""
    assert "A takes 50 ms, much of it the start of a process" in notes(Machine(lambda: 0.05).compare(1.0))[0]


def test_without_pairs_the_table_says_not_estimable():
    """A budget of less than two rounds."""
    text = shown(Machine().compare(1.0, seconds=1))

    assert "not estimable" in text
    assert "inconclusive  wall: there is no interval: 0 pairs" in text
