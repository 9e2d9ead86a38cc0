"""Thresholds at a rate: the smallest edge that holds it, its counts, and what data cannot support."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.choices import FAILED_POLICIES
from frbench.errors import InputError
from frbench.plan import Cell, Group
from frbench.reading.metrics import fmr, fnmr
from frbench.reading.thresholds import at_fmr, at_fpir, exactly, supported_down_to
from frbench.tally import Tally
from tests.reading.test_curves import GENUINE, IMPOSTOR, of_scores
from tests.worlds import worlds
from tests.worlds.rates import fnmr_at_fmr

HUNDREDTHS = tuple(range(0, 101, 5))
RATES = st.fractions(Fraction(1, 100), 1)


def probe() -> Tally:
    """metrics.md 5(d): impostors .1 .2 .3 .5, genuine .35 .45 .6 .7, in hundredths, on edges five hundredths apart."""
    return of_scores(IMPOSTOR, GENUINE, HUNDREDTHS)


def test_the_probe_of_conventions_is_settled_as_k2_says():
    """f = .25 allows one of four: T in (.30, .35], FNMR 0; bob's T = .5 would reject half of the genuine ones."""
    found = at_fmr(probe(), "0.25")

    assert (found.beyond, found.point.threshold) == (30, 35)
    assert (found.point.k, found.point.n, found.point.at) == (1, 4, "fmr=0.25")
    assert found.point.population == "all non-mated comparisons"
    assert (fnmr(probe(), 35).k, fnmr(probe(), 35).n) == (0, 4)
    assert (fmr(probe(), 50).k, fnmr(probe(), 50).k) == (1, 2)


def test_fnmr_at_fmr_by_hand():
    """At FMR .25 of four: 1 / 4 false matches and 0 / 4 false non-matches; too few to support it."""
    found = fnmr_at_fmr(probe(), "0.25")

    assert found.threshold == at_fmr(probe(), "0.25")
    assert ((found.fmr.k, found.fmr.n), (found.fnmr.k, found.fnmr.n)) == ((1, 4), (0, 4))
    assert not found.threshold.point.is_supported
    assert found.threshold.supported_down_to == 30 / 4


def test_the_threshold_at_fpir_is_of_searches():
    """Of ten non-mated searches three are at or above .5 and none at 1: FPIR .3 at .5, FPIR .2 at 1."""
    plan = worlds.small_plan(kind="identify", edges=(0.5, 1.0), details={"ranks": [1]})
    tally = worlds.tally_of(plan, [[6, 3, 0, 1], [1, 3, 0, 0]])

    assert [at_fpir(tally, f).point.threshold for f in ("0.3", "0.2")] == [0.5, 1.0]
    assert (at_fpir(tally, 0.3).point.k, at_fpir(tally, 0.3).point.population) == (3, "all non-mated searches")


@given(worlds.random_worlds(max_n=25), RATES, st.sampled_from(FAILED_POLICIES))
@worlds.FEW
def test_the_target_is_never_exceeded_and_no_edge_further_holds_it(world: worlds.World, rate: Fraction, failed):
    """FMR at the threshold is within the target, and at the next edge it is not."""
    found = at_fmr(world.tally, rate, failed=failed)
    if found.point.threshold is not None:
        there = fmr(world.tally, found.point.threshold, failed=failed)
        assert (there.k, there.n) == (found.point.k, found.point.n)
        assert Fraction(there.k, there.n) <= rate
        if found.beyond is not None:
            assert fmr(world.tally, found.beyond, failed=failed).k > rate * there.n
    else:
        assert found.point.reason


@given(worlds.random_worlds(max_n=25), RATES, RATES)
@worlds.FEW
def test_a_lower_target_has_a_higher_threshold(world: worlds.World, a: Fraction, b: Fraction):
    """Thresholds fall as the allowed FMR rises."""
    low, high = (at_fmr(world.tally, rate).point.threshold for rate in sorted((a, b)))

    if low is not None and high is not None:
        assert low >= high


def test_a_rate_below_one_trial_is_refused():
    """Four comparisons cannot show one in five; the message says how many can."""
    found = at_fmr(probe(), "0.2")

    assert (found.point.threshold, found.point.to_json()["achieved"], found.beyond) == (None, None, None)
    assert found.point.reason == ("4 trials cannot show a rate of 0.2; at least 5 are needed, 150 for 30 errors")
    assert fnmr_at_fmr(probe(), "0.2").fnmr.reason == found.point.reason
    assert (
        "0 trials cannot"
        in at_fmr(worlds.World(worlds.templates([worlds.X], ["a"], sex=["f"])).tally, 0.5).point.reason
    )


def test_an_axis_that_ends_too_early_is_refused():
    """The last edge accepts 3 of 4 where one is allowed."""
    found = at_fmr(of_scores(IMPOSTOR, GENUINE, [0, 20]), "0.25")

    assert found.point.threshold is None
    assert found.point.reason.startswith(
        "even at the last edge, 20.0, 3 of 4 are accepted, and a rate of 0.25 allows 1"
    )


def test_failed_templates_that_are_accepted_may_exceed_the_target():
    """Two failures of six accepted are more than one in six, at every edge."""
    tally = of_scores(IMPOSTOR, GENUINE, HUNDREDTHS, failed=(2, 0))

    assert at_fmr(tally, Fraction(1, 6), failed="accept").point.threshold is None
    assert at_fmr(tally, Fraction(2, 6), failed="accept").point.threshold == 55
    assert at_fmr(tally, Fraction(1, 6)).point.threshold == 35
    assert at_fmr(tally, Fraction(1, 4), failed="exclude").point.n == 4


def test_thirty_errors_support_a_threshold():
    """Rule of 30: 30 false matches of 300 support FMR .1; 29 do not."""
    supported, short = (of_scores([0] * (300 - k) + [2] * k, [2], [1]) for k in (30, 29))

    assert at_fmr(supported, "0.1").point.is_supported
    assert not at_fmr(short, "0.1").point.is_supported
    assert at_fmr(short, "0.1").supported_down_to == supported_down_to(300) == 0.1
    assert supported_down_to(0) is None


def test_a_threshold_is_set_on_one_population_and_frozen():
    """Set on women, at 2 / 2, and read for men; it is not the threshold that men would have."""
    tally = worlds.two_groups().tally
    women, men = ("f", "f"), ("m", "m")
    found = fnmr_at_fmr(tally, "0.5", population=Group(("sex",), women), group=Group(("sex",), men))
    own = fnmr_at_fmr(tally, "0.5", population=Group(("sex",), men), group=Group(("sex",), men))

    assert found.threshold.point.population == "non-mated comparisons of f (sex)"
    # Women: 2 of 2 at .5 and 1 of 2 at .75; two of the men's four failed, so that no edge has more than 2 of 4.
    assert (found.threshold.point.threshold, own.threshold.point.threshold) == (0.75, -0.5)
    assert (found.fmr.k, found.fmr.n) == (0, 4)
    both = at_fmr(tally, 0.5, group=Group(("sex",), ("f", "m"))).point.population
    assert both == "non-mated comparisons of f and m (sex)"


@pytest.mark.parametrize("rate", ["0", "1.5", "-0.1", "x", 0.0, float("nan"), float("inf"), "1/0"])
def test_a_rate_that_is_none_is_refused(rate):
    """The message says what was expected."""
    with pytest.raises(InputError, match="expected a number above 0 and at most 1"):
        exactly(rate)


def test_a_rate_is_taken_as_it_is_printed():
    """.3 of ten is three: the float .3 lies below 3 / 10."""
    assert exactly(0.3) == exactly("0.3") == exactly(Fraction(3, 10)) == exactly(np.float64(0.3)) == Fraction(3, 10)
    assert exactly("1e-6") == Fraction(1, 10**6)
    assert at_fmr(of_scores([0] * 7 + [2] * 3, [2], [1, 3]), 0.3).point.threshold == 1


def test_a_threshold_is_set_within_any_group_of_searches():
    """FPIR of one group has its own non-mated searches: 1 of 2 at .5 for men, none of women."""
    plan = worlds.small_plan(
        kind="identify",
        columns=("sex",),
        groups=(("f",), ("m",)),
        cells=(Cell(False, 0, 0), Cell(False, 1, 1)),
        subjects=worlds.parties((1,) * 32, (1,) * 32),
        details={"ranks": [1]},
    )
    tally = worlds.tally_of(plan, [[2, 0, 0], [1, 1, 0]])

    assert at_fpir(tally, 0.5, group=Group.within(("sex",), "f")).point.k == 0
    assert at_fpir(tally, 0.5, group=Group.within(("sex",), "m")).point.k == 1
