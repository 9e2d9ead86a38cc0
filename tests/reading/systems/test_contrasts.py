"""Ratios between groups in two systems: by hand, of one system twice, and in worlds whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from frbench.plan import Group
from frbench.reading import metrics
from frbench.reading.systems.compare import compare
from frbench.reading.systems.contrasts import verdict
from frbench.reading.systems.paired import OF_ONE_BLOCK, RatioOfRatios, Side, paired, ratio_of_ratios
from tests.reading.systems.test_compare import A, B, identified, people, verified
from tests.reading.systems.test_paired import of_blocks, of_pairs, world
from tests.worlds import worlds
from tests.worlds.rates import fmr_ratio

N_BLOCKS = 32


def test_a_ratio_of_ratios_by_hand():
    """Ten blocks of 1,000 trials each of two groups: the logarithm without each block, and Student's t.

    Every trial touches one of ten equal blocks, so that the jackknife counts what it has alone exactly once.
    """
    n = np.full(10, 1000)
    k = [np.arange(10) * 20 + 5, np.arange(10) ** 2 * 4 + 3, np.arange(10)[::-1] * 15 + 4, np.full(10, 60)]
    group, reference = [(of_blocks(k[i], n), of_blocks(k[i + 1], n)) for i in (0, 2)]
    found = ratio_of_ratios(group, reference)
    a, b, c, d = (np.log(own.sum() - own) for own in k)
    without = (b - a) - (d - c)
    error = math.sqrt(9 / 10 * ((without - without.mean()) ** 2).sum())
    freedom = min(9, 20 / (stats.kurtosis(without, fisher=False) - 1))

    assert found.value == pytest.approx(k[1].sum() / k[0].sum() / (k[3].sum() / k[2].sum()), rel=1e-12)
    # The same sums in float64.
    assert found.error == pytest.approx(error, rel=1e-9)
    assert found.low == pytest.approx(found.value * math.exp(-stats.t.ppf(0.975, freedom) * error), rel=1e-9)
    assert found.high == pytest.approx(found.value * math.exp(stats.t.ppf(0.975, freedom) * error), rel=1e-9)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(math.log(found.value)) / error, freedom), rel=1e-9)


counts = st.lists(st.tuples(*[st.integers(1, 60)] * 4), min_size=8, max_size=40)


@given(counts)
def test_exchanging_systems_or_groups_inverts_the_ratio(errors: list[tuple[int, int, int, int]]):
    """B against A, and the reference against the group: the same interval, turned around."""
    n = np.full(len(errors), 70)
    a, b, c, d = (of_blocks(np.array(own), n) for own in zip(*errors, strict=True))
    one = ratio_of_ratios((a, b), (c, d))
    for other in (ratio_of_ratios((b, a), (d, c)), ratio_of_ratios((c, d), (a, b))):
        # The same float64 numbers in another order.
        assert one.value == pytest.approx(1 / other.value, rel=1e-9)
        assert one.error == pytest.approx(other.error, rel=1e-6, abs=1e-9)
        assert one.low == pytest.approx(1 / other.high, rel=1e-6)


@given(counts)
def test_a_reference_that_does_not_change_leaves_the_paired_ratio(errors: list[tuple[int, int, int, int]]):
    """Its trials are the same errors in both systems: what is left is B over A of the group."""
    n = np.full(len(errors), 70)
    a, b, c, _ = (of_blocks(np.array(own), n) for own in zip(*errors, strict=True))
    found, alone = ratio_of_ratios((a, b), (c, c)), paired(a, b)

    assert found.value == pytest.approx(alone.ratio, rel=1e-12)
    # Exponentials of the same spread.
    assert found.low == pytest.approx(alone.ratio_low, rel=1e-6)


def of_two(random: np.random.Generator, rates: tuple[float, float], n_subjects: int) -> tuple[Side, Side]:
    """All pairs of people who differ, in two systems that find the same people hard."""
    block = random.integers(N_BLOCKS, size=n_subjects)
    hard = np.exp(0.5 * random.normal(size=n_subjects) - 0.125)
    i, j = np.triu_indices(n_subjects, 1)
    draw = random.random(len(i))
    return tuple(of_pairs(draw < rate * hard[i] * hard[j], block) for rate in rates)  # type: ignore[return-value]


@pytest.mark.parametrize("factor", [1.0, 1.8])
def test_intervals_hold_a_known_ratio_of_ratios(factor: float):
    """Mated trials of 200 and of 300 people in 300 worlds: 91% to 99% hold the truth; the error of a share is 1.3%."""
    random = np.random.default_rng(17)
    found = [
        ratio_of_ratios(world(random, (0.05, 0.05 * factor), 200, 3), world(random, (0.04, 0.04), 300, 3))
        for _ in range(300)
    ]
    held = np.mean([f.low <= factor <= f.high for f in found])

    assert 0.91 <= held <= 0.99
    if factor == 1:
        assert np.mean([f.p < 0.05 for f in found]) < 0.09


def test_intervals_of_comparisons_of_two_people_hold_the_truth():
    """Non-mated pairs of 60 and of 80 people, 120 worlds: 92% at least; the error of a share is 2%."""
    random = np.random.default_rng(18)
    found = [ratio_of_ratios(of_two(random, (0.02, 0.03), 60), of_two(random, (0.02, 0.02), 80)) for _ in range(120)]

    assert np.mean([f.low <= 1.5 <= f.high for f in found]) >= 0.92


def test_pairing_narrows_the_ratio():
    """Four fifths of the variance are shared by the systems: two separate ratios would leave twice the doubt."""
    random = np.random.default_rng(5)
    pairs = [[world(random, (0.1, 0.1), 300, 3) for _ in range(4)] for _ in range(30)]
    together = np.mean([ratio_of_ratios(g, r).error for g, r, _, _ in pairs])
    apart = np.mean([ratio_of_ratios((g[0], h[1]), (r[0], s[1])).error for g, r, h, s in pairs])

    assert together < 0.67 * apart


def test_what_has_no_ratio_says_why():
    """No errors, all of them in one block, few blocks, and what is known before."""
    some, none, n = np.ones(N_BLOCKS), np.zeros(N_BLOCKS), np.full(N_BLOCKS, 10)
    a, zero, one = of_blocks(some, n), of_blocks(none, n), of_blocks(np.eye(N_BLOCKS)[0], n)
    few = of_blocks(np.ones(7), np.full(7, 10))

    assert ratio_of_ratios((a, zero), (a, a)).value is None
    assert ratio_of_ratios((a, one), (a, a)).reason == OF_ONE_BLOCK
    assert "7 blocks" in ratio_of_ratios((few, few), (few, few)).reason
    assert (ratio_of_ratios((a, a), (a, a), reason="because").low, "because") == (
        None,
        ratio_of_ratios((a, a), (a, a), reason="because").reason,
    )


def test_one_system_twice_has_a_ratio_of_exactly_one():
    """At given thresholds and at those set at a rate, in every group that has errors, of comparisons and searches."""
    one, search = verified(people(2), at=0.6), identified(people(2))
    found = [*compare(one, one)["differentials"], *compare(one, one, thresholds=(0.6, 0.6))["differentials"]]
    found += compare(search, search, thresholds=(0.6, 0.6))["differentials"]

    known = [row for row in found if not row["reason"]]
    assert {row["metric"] for row in known} == {"fmr", "fnmr", "fnir"}
    for row in known:
        assert (row["value"], row["low"], row["high"], row["p"]) == (1, 1, 1, 1)
        assert row["verdict"] == "equal, without every block of subjects too"


def test_ratios_of_each_system_are_those_of_its_results():
    """With their own intervals and counts; the change is one by the other."""
    found = compare(A, B, thresholds=(0.6, 0.6))["differentials"]
    (row,) = (r for r in found if r["metric"] == "fnmr")
    for run, side in ((A, "a"), (B, "b")):
        own = next(c for c in run.results["contrasts"] if c["metric"] == "fnmr")
        assert (row["group"], row["reference"]) == (own["group"][0], own["reference"][0])
        assert {name: own[name] for name in row[side]} == row[side]
    # Quotients of the same float64 in another order.
    assert row["value"] == pytest.approx(row["b"]["value"] / row["a"]["value"], rel=1e-12)
    assert row["low"] < row["value"] < row["high"]
    alone = fmr_ratio(A.tally, 0.6, Group(("sex",), ("m", "m")), Group(("sex",), ("f", "f"))).to_json()
    fmr = next(r for r in found if r["metric"] == "fmr")
    assert alone["value"] == fmr["a"]["value"]


def test_thresholds_that_move_move_in_all_four_rates():
    """The FMR of everybody is the same by construction, and the ratio between groups is not."""
    runs = verified(people(2), "A", at=0.6), verified(people(3, noise=0.9), "B", at=0.5, thresholds=(0.5,))
    moved, fixed = (
        next(r for r in compare(*runs, thresholds=given)["differentials"] if r["metric"] == "fmr")
        for given in (None, (0.6, 0.5))
    )

    assert moved["value"] == fixed["value"]
    assert moved["low"] != fixed["low"]
    assert "counted twice" in moved["method"]


def test_groups_without_errors_are_named():
    """At the highest edge nobody is falsely matched."""
    rows = compare(A, B, thresholds=(1.0, 1.0))["differentials"]
    (fmr,) = (row for row in rows if row["metric"] == "fmr")

    assert metrics.fmr(A.tally, 1.0).k == 0
    assert (fmr["value"], fmr["verdict"]) == (None, f"0 false matches of {fmr['group']} in A")


def test_a_grouping_of_one_group_has_no_ratios():
    """And rows without a label are no group."""
    unlabelled = people(2)
    sex = unlabelled.labels["sex"].copy()
    sex[sex == "m"] = ""
    run = verified(replace(unlabelled, labels={"sex": sex}))

    assert compare(run, run, thresholds=(0.6, 0.6))["differentials"] == []


def test_runs_without_groups_have_no_ratios():
    """Only everybody."""
    run = verified(people(2), columns=())
    assert compare(run, run, thresholds=(0.6, 0.6))["differentials"] == []


def test_verdicts_in_words():
    """What was seen, what would have been, and chance among many."""
    quiet = RatioOfRatios(1.1, 0.8, 1.5, 0.15, 0.5, 1.54)
    seen = RatioOfRatios(1.9, 1.1, 3.3, 0.25, 0.02, 2.1)

    assert verdict(quiet) == "no change was detected; a factor of 1.54 would have been, with 80% power"
    assert verdict(seen, 0.02) == "the ratio of B is 1.9 times that of A (95% interval 1.1 to 3.3)"
    assert verdict(seen, 0.2).endswith("; among so many ratios, one may be so by chance")
    assert verdict(RatioOfRatios(reason="0 errors")) == "0 errors"


@worlds.FEW
@given(worlds.random_worlds(min_n=4))
def test_any_world_is_comparable_with_itself(one: worlds.World):
    """Whatever the labels, failures and edges: every ratio of ratios is 1 or has a reason."""
    found = verified(one.templates, columns=one.columns, n_blocks=one.n_blocks) if one.columns else None
    if found is not None:
        for row in compare(found, found, thresholds=(0.6, 0.6))["differentials"]:
            assert row["value"] == 1 or row["reason"]
            assert (row["low"] is None) == bool(row["reason"])
