"""Compare: rounds until an answer, on machines whose times are known."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.errors import InputError, InvalidRun
from frbench.speed.compare import Budget, compare, read
from frbench.speed.goal import Goal
from frbench.speed.rounds import Round
from tests.worlds.machines import Machine, lognormal, rounds

GATE = Goal(max_slowdown=0.03)


def test_a_machine_without_noise_is_answered_at_the_first_look():
    """Ten pairs of ratio 1.05: the interval is that one number, and so it fails."""
    found = Machine().compare(1.05, goal=GATE)
    wall = found.metrics["wall"]

    assert (found.outcome, found.ending, len(found.rounds)) == ("fail", "answered", 5)
    # exp(log(1.05)) is right to a few of the last digits.
    assert (wall.ratio.low, wall.ratio.value, wall.ratio.high) == pytest.approx((1.05,) * 3, rel=1e-14)
    assert (wall.noise.low, wall.noise.high) == (1.0, 1.0)


def test_every_round_is_two_pairs_of_a_and_b_and_the_first_is_discarded():
    """Six rounds are run and five are kept; each pair has one A and one B."""
    machine = Machine()
    found = machine.compare(2.0)

    assert len(machine.order) == 4 * (len(found.rounds) + 1)
    assert all(set(machine.order[i : i + 2]) == {"A", "B"} for i in range(0, len(machine.order), 2))
    assert "".join(machine.order[4:]) == "".join(each.order.turns for each in found.rounds)


def test_a_seed_draws_the_orders():
    """The same seed the same, another one others."""
    one, again, other = (Machine().compare(1.0, seed=seed).rounds for seed in (1, 1, 2))

    assert [r.order for r in one] == [r.order for r in again]
    assert [r.order for r in one] != [r.order for r in other]


def test_no_round_is_begun_that_would_not_end_in_time():
    """Rounds of 1, 2, 1 and 2 seconds: 16 of them in 100, of which the first is discarded."""
    machine = Machine(itertools.cycle([1.0, 2.0]).__next__)
    found = machine.compare(1.0, seconds=100)

    assert (found.ending, len(found.rounds), machine.now, found.seconds) == ("budget", 15, 96, 96)


def test_a_budget_that_ends_before_the_first_look_has_no_interval():
    """Rounds of five seconds, one discarded and two kept: four pairs have a value without an interval."""
    found = Machine().compare(1.5, goal=GATE, seconds=17)

    assert (len(found.rounds), found.ending, found.outcome) == (2, "budget", "inconclusive")
    assert found.metrics["wall"].ratio.reason == "4 pairs are too few for an interval at 95%"


def test_a_budget_of_one_round_is_inconclusive():
    """Nothing but the discarded round: no value either."""
    found = Machine().compare(1.5, goal=GATE, seconds=1)

    assert (found.rounds, found.outcome) == ((), "inconclusive")
    assert found.metrics["wall"].ratio.value is None


def test_pairs_end_a_comparison_that_noise_does_not():
    """Forty pairs of a machine that scatters by half are not 2% narrow."""
    found = Machine(lognormal(0.5, seed=3)).compare(1.0, pairs=40)

    assert (found.ending, len(found.rounds), found.outcome) == ("pairs", 20, "measured")
    assert found.metrics["wall"].ratio.half_width > 0.02


def test_metrics_that_change_make_the_run_invalid():
    """From round 1 on both sides print another figure than in the one that is discarded."""
    names = itertools.chain(["x"] * 4, itertools.repeat("y"))

    def measure() -> dict[str, float]:
        return {next(names): 1.0}

    with pytest.raises(InvalidRun, match=r"round 1 broke off.*both sides printed y, expected x"):
        compare(measure, measure, goal=Goal(), budget=Budget())


def test_several_metrics_share_the_level():
    """Two metrics have intervals of 97.5%, and the worse one is the outcome."""
    found = compare(
        lambda: {"slow": 1.0, "same": 1.0},
        lambda: {"slow": 2.0, "same": 1.0},
        goal=GATE,
        budget=Budget(pairs=100),
    )

    assert [metric.ratio.level for metric in found.metrics.values()] == [0.975, 0.975]
    assert found.metrics["same"].verdict.outcome == "pass"
    assert found.outcome == "fail"


def test_sides_must_print_the_same_metrics():
    """The first round finds it out, which is misuse."""
    with pytest.raises(
        InputError, match=r"has the metrics (y, the run before x|x, the run before y), expected the same"
    ):
        compare(lambda: {"x": 1.0}, lambda: {"y": 1.0}, goal=Goal(), budget=Budget())


def test_a_later_failure_makes_the_run_invalid():
    """The tenth measurement fails: round 2 of those that are kept."""
    n = 0

    def measure() -> dict[str, float]:
        nonlocal n
        n += 1
        if n == 10:
            raise InputError("A: it ended with exit code 3")
        return {"wall": 1.0}

    with pytest.raises(InvalidRun, match=r"round 2 broke off.*exit code 3") as caught:
        compare(measure, measure, goal=Goal(), budget=Budget())
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("budget", [{"pairs": 9}, {"seconds": 0}, {"seconds": math.nan}, {"level": 1.0}])
def test_budgets_that_allow_nothing_are_refused(budget: dict[str, float]):
    """Too few pairs, no time, no level."""
    with pytest.raises(InputError, match="expected"):
        Budget(**budget)


TIMES = st.lists(st.tuples(*[st.floats(0.1, 10)] * 4), min_size=1, max_size=20)
SWAP = str.maketrans("AB", "BA")


@given(times=TIMES, data=st.data())
def test_swapping_a_and_b_inverts_the_ratio_and_keeps_the_noise(times: list[tuple[float, ...]], data: st.DataObject):
    """The same times under the other names: ends cross over, and the control has the same ratios."""
    done = rounds(*times)
    other = [Round(type(r.order)(r.order.turns.translate(SWAP), r.order.signs[::-1]), r.values) for r in done]
    rank = data.draw(st.integers(1, len(times)))
    one, swapped = (read(each, "wall", goal=Goal(), rank=rank, level=0.95) for each in (done, other))

    # exp(x) exp(-x) differs from 1 by a few of the last digits.
    assert one.ratio.value * swapped.ratio.value == pytest.approx(1, rel=1e-12)
    assert one.ratio.low * swapped.ratio.high == pytest.approx(1, rel=1e-12)
    assert one.noise == swapped.noise


@given(times=TIMES, data=st.data())
def test_the_order_of_rounds_says_nothing(times: list[tuple[float, ...]], data: st.DataObject):
    """A permutation of rounds has the same figures."""
    done = rounds(*times)
    one, other = (
        read(each, "wall", goal=Goal(), rank=1, level=0.95) for each in (done, data.draw(st.permutations(done)))
    )

    assert one == other


def holds(seed: int, noise: float, goal: Goal, b: float) -> bool:
    """Whether the interval of a run holds the truth where the run stopped."""
    source, state = random.Random(seed), 0.0

    def correlated() -> float:
        nonlocal state
        state = 0.9 * state + source.gauss(0, noise)
        return math.exp(state + source.gauss(0, noise))

    ratio = Machine(correlated).compare(b, goal=goal, pairs=200, seed=seed).metrics["wall"].ratio
    return ratio.low is None or ratio.low <= b <= ratio.high


@pytest.mark.parametrize(("goal", "b"), [(Goal(), 1.05), (Goal(width=0.05), 1.0), (GATE, 1.03)])
def test_intervals_keep_their_level_where_runs_stop_by_themselves(goal: Goal, b: float):
    """On a machine whose times are correlated, at most 5% of 200 runs miss, to three standard errors."""
    missed = sum(not holds(seed, 0.05, goal, b) for seed in range(200))

    assert missed / 200 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)


def test_a_planted_slowdown_is_caught_and_none_is_invented():
    """5% on a machine that scatters by 3%, a limit of 3%: 90 of 100 fail, and at most 2 of those without it."""
    caught, alarms = (
        sum(Machine(lognormal(0.03, seed=s)).compare(b, goal=GATE, seed=s).outcome == "fail" for s in range(100))
        for b in (1.05, 1.0)
    )

    assert caught >= 90
    assert alarms <= 2


def test_looks_follow_the_drawn_orders_only():
    """Looks are planned before the rounds: they grow, whatever is measured."""
    found = Machine(lognormal(0.2, seed=1)).compare(1.0, pairs=100)

    assert all(a < b for a, b in itertools.pairwise(found.looks.pairs))
    assert found.looks == Machine(lognormal(0.01, seed=2)).compare(1.3, pairs=100).looks
