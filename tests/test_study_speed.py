"""The study of speed: a short run of it passes, and so does the page that is committed."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from studies.speed import LIMIT, PAIRS, WORLDS, Machine, once, peeking, study, worlds_table

from frbench.speed.compare import Budget
from frbench.speed.goal import Goal

COMMITTED = Path(__file__).parent.parent / "docs" / "speed.md"


def rows(text: str) -> list[list[str]]:
    """Cells of every row of the tables in a page, without heads."""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in lines]


def test_a_simulated_slowdown_is_the_one_that_is_planted():
    """Without noise the ratio is 1.05, and the clock has moved by what the processes took."""
    machine = Machine(np.zeros(100), 0.05)
    found = machine.compare(Goal(max_slowdown=LIMIT), Budget(pairs=20, seconds=1e9), seed=1)

    # Quotients and logarithms of rounded numbers: right to a few of the last digits.
    assert found.metrics["wall"].ratio.value == pytest.approx(1.05, rel=1e-12)
    assert machine.now == pytest.approx(machine.n / 2 * 0.2 * (1 + 1.05), rel=1e-12)


@pytest.mark.parametrize("world", [WORLDS[0], WORLDS[5], WORLDS[-1]], ids=lambda world: world.name.partition(":")[0])
def test_a_short_study_catches_and_does_not_cry_wolf(world):
    """Of twenty trials at least sixteen are caught, where ninety in a hundred are; at most one alarm is false."""
    record = study(world, 20)

    assert record.caught.hits >= 16
    assert record.alarms.hits <= 1
    # 2 x 20 intervals at 95%: six misses or more have a chance of 1.4%.
    assert record.held.hits >= 35
    assert len(rows("\n".join(worlds_table([record])))) == 3


def test_peeking_without_a_plan_is_what_the_page_says():
    """Order statistics at 95% at every look miss far more often than 5%; the plan does not."""
    naive, ours = peeking(PAIRS)
    page = COMMITTED.read_text()

    assert naive > 0.25
    assert ours <= 0.05
    assert f"**{naive:.1%}**" in page
    assert f"**{ours:.1%}**" in page


def test_intervals_of_one_look_are_compared_on_the_same_pairs():
    """Ten pairs at 95%: order statistics hold the truth in 97.9%, to four standard errors of 400 worlds."""
    found = once(10, WORLDS[1], 400)
    share = 1 - 2 * (1 + 10) / 1024

    assert found.ranks.n == found.bootstrap.n == 400
    assert abs(found.ranks.value - share) < 4 * math.sqrt(share * (1 - share) / 400)


def test_the_committed_page_meets_what_is_promised():
    """Caught in 90 of 100 at least, false alarms in 2 at most, intervals that hold the truth in 95 less 3 errors."""
    page = COMMITTED.read_text()
    simulated = rows(page.partition("## Looking again")[0])[2:]
    trials = int(re.search(r"Each row is ([\d,]+) trials", page)[1].replace(",", ""))

    assert [row[0] for row in simulated] == [world.name for world in WORLDS]
    for row in simulated:
        caught, alarms, _, held, narrow = map(float, row[1:6])
        assert caught >= 90
        assert alarms <= 2
        assert min(held, narrow) >= 95 - 300 * math.sqrt(0.05 * 0.95 / trials)


def test_real_runs_found_what_was_there():
    """Of the runs that the page lists, nine in ten with 5% more work fail, and none of the same work."""
    real = rows(COMMITTED.read_text().partition("## On a real machine")[2])
    more = [row[1] for row in real if row[0] == "5% more"]
    same = [row[1] for row in real if row[0] == "A again"]

    assert len(more) == len(same) == 10
    assert more.count("fail") >= 9
    assert same.count("fail") == 0
