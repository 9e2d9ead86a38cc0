"""An index with its doubt: coverage by simulated truth, an interval by hand, and what has none."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from frbench.reading.groups.assessment import NOISE, assess
from frbench.reading.groups.indices import Index, Weights, evaluate
from frbench.reading.groups.null import redrawn
from tests.reading.groups.test_null import SIZES, share_within, world
from tests.worlds import crossed

WORLDS = 100


def one(side, name: str = "max_over_min", **options) -> Index:
    """An index of one rate, or of both."""
    return next(i for i in assess(side, Weights(), **options) if i.name == name)


@pytest.mark.parametrize(
    ("rates", "chances"),
    [
        # Far apart, one group a little apart of four, none apart.
        ([8e-3, 4e-3, 2e-3, 2e-3], [0.08, 0.04, 0.04, 0.02]),
        ([2e-3, 2e-3, 2e-3, 3e-3], [0.05, 0.05, 0.05, 0.07]),
        ([2e-3] * 4, [0.05] * 4),
    ],
)
def test_intervals_hold_the_true_index(rates, chances):
    """At least 93% of intervals hold what the true rates give, near equality too, where noise makes indices large."""
    random = np.random.default_rng(5)
    true = [np.array(rates), np.array(chances)]
    held: dict[tuple[str, str], list[bool]] = {}
    for _ in range(WORLDS):
        people = crossed.People.of(random, SIZES, 0.5)
        fmr = crossed.fmr(people, *crossed.false_matches(random, people, rates))
        fnmr = crossed.fnmr(random, people, chances)
        for side, truth in (([fmr], [true[0]]), ([fnmr], [true[1]]), ([fmr, fnmr], true)):
            values = evaluate(truth, Weights())
            for index in assess(side, Weights(), draws=400):
                value = float(values[index.name])
                # Where nothing differs WERM is a little less than 1, at the rates as seen and not the true ones.
                held.setdefault((index.of, index.name), []).append(
                    index.low is not None and index.low <= value * (1 + 1e-3) and value <= index.high * (1 + 1e-3)
                )
    for key, covered in held.items():
        assert np.mean(covered) >= share_within(WORLDS)[0], key


def test_an_interval_by_hand():
    """The logarithm without each block, its jackknife deviation, Student's t, and twice what noise adds."""
    random = np.random.default_rng(1)
    people = crossed.People.of(random, SIZES, 0.3)
    side = crossed.fmr(people, *crossed.false_matches(random, people, [1.6e-2, 8e-3, 4e-3, 2e-3]))
    found = one([side], draws=500)
    without = (side.k - side.k_touching) / (side.n - side.n_touching)
    logs = np.log(without.max(axis=1) / without.min(axis=1))
    spread = stats.t.ppf(0.975, 31) * math.sqrt(31 / 32 * ((logs - logs.mean()) ** 2).sum())
    (again,) = redrawn([side], draws=500).rates
    noise = np.log(again.max(axis=1) / again.min(axis=1)).mean() - math.log(found.value)

    assert noise > 0
    assert found.is_beyond_chance
    # The same sums in float64.
    assert found.low == pytest.approx(found.value * math.exp(-spread - NOISE * noise), rel=1e-9)
    assert found.high == pytest.approx(found.value * math.exp(spread), rel=1e-9)


def test_an_interval_reaches_equality_where_chance_explains_the_value():
    """In a world without a difference that shows none, 1 is in the interval of a ratio and 0 in that of Gini."""
    side = [world(seed=2)]
    for name, equality in (("max_over_min", 1), ("gini", 0)):
        found = one(side, name)
        assert not found.is_beyond_chance
        assert found.low == equality


def test_a_difference_beyond_chance_has_the_smallest_p_value():
    """Rates of 1 to 8 are never met among draws without a difference: 1 of draws + 1."""
    random = np.random.default_rng(1)
    people = crossed.People.of(random, SIZES, 0.3)
    side = crossed.fmr(people, *crossed.false_matches(random, people, [1.6e-2, 8e-3, 4e-3, 2e-3]))
    found = one([side], draws=500)

    assert found.p_value == 1 / 501
    assert found.expected < found.critical < found.low < found.value < found.high


def test_fdr_is_held_against_chance_from_below():
    """FDR falls where groups differ: its limit is below what is expected, and its interval ends at 1."""
    random = np.random.default_rng(4)
    people = crossed.People.of(random, SIZES, 0.5)
    side = [
        crossed.fmr(people, *crossed.false_matches(random, people, [2e-3] * 4)),
        crossed.fnmr(random, people, [0.05] * 4),
    ]
    found = one(side, "fdr")

    assert found.critical < found.expected < 1
    assert found.high == 1


def test_a_group_that_often_has_no_errors_has_no_limit():
    """Where more than 5% of draws have a group without errors, max/min has no limit, and the reason says how many."""
    random = np.random.default_rng(8)
    people = crossed.People.of(random, (400, 400, 400, 60), 0.3)
    side = crossed.fmr(people, *crossed.false_matches(random, people, [1e-3] * 4))
    side = replace(side, estimates=(*side.estimates[:3], replace(side.estimates[3], k=max(1, side.estimates[3].k))))
    found = one([side])

    assert found.value is not None
    assert found.critical is None
    assert found.null_reason.startswith("undefined in")
    assert found.p_value is not None


def test_an_index_without_some_block_undefined_has_no_interval():
    """A group whose errors all touch one block: without it there is no ratio, and the reason says so."""
    side = world()
    k_touching = side.k_touching.copy()
    k_touching[:, 3] = 0
    k_touching[0, 3] = 2
    side = replace(side, k_touching=k_touching, estimates=(*side.estimates[:3], replace(side.estimates[3], k=2)))
    found = one([side])

    assert found.value is not None
    assert (found.low, found.high) == (None, None)
    assert found.interval_reason == "interval not estimable: undefined without some block of subjects"


@pytest.mark.parametrize("n_blocks", [0, 7])
def test_too_few_blocks_have_values_alone(n_blocks: int):
    """The value is given, its interval and what chance shows are not, with the reason of both."""
    side = world()
    side = replace(side, k_touching=side.k_touching[:n_blocks], n_touching=side.n_touching[:n_blocks])
    found = one([side])

    assert found.value is not None
    assert (found.low, found.expected, found.critical, found.p_value) == (None,) * 4
    assert "not estimable" in found.interval_reason
    assert found.null_reason


def test_undefined_indices_are_left_as_they_are():
    """Without errors in any group there is nothing to assess."""
    side = world()
    side = replace(side, estimates=tuple(replace(e, k=0) for e in side.estimates))

    assert {i.reason for i in assess([side], Weights())} == {"0 false matches: no errors in any group"}
