"""K2: the smallest threshold that keeps a rate, exactly, and refusals where the data cannot show it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frbench.counting.calibrate import (
    OperatingPoint,
    Tail,
    Target,
    operating_points,
    parse_targets,
    points_of_misses,
    smallest_thresholds,
)
from frbench.errors import InputError
from frbench.plan import score_axis
from frbench.reading import metrics
from tests.worlds import worlds


def tail_of(scores: np.ndarray) -> Tail:
    """Counts of sorted scores at or above edges."""
    increasing = np.sort(np.asarray(scores, dtype=np.float32)).astype(np.float64)
    return lambda edges: len(increasing) - np.searchsorted(increasing, edges, side="left")


def points(scores: list[float], *rates: str, n: int | None = None, **options) -> list[OperatingPoint]:
    """Operating points of these scores."""
    tail = tail_of(np.array(scores))
    targets = [Target("fmr", rate) for rate in rates]
    return operating_points(tail, len(scores) if n is None else n, targets, population="everybody", **options)


@given(
    st.lists(
        st.one_of(
            st.floats(-1, 1, width=32),
            st.sampled_from([0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 1e-30, -1e-30, 1e-45, -1e-45, 1 + 2**-23]),
        ),
        min_size=1,
        max_size=60,
    ),
    st.lists(st.integers(0, 60), min_size=1, max_size=4),
)
@settings(worlds.FEW, max_examples=150)
def test_the_threshold_is_the_smallest_float32_that_keeps_the_rate(scores: list[float], allowed: list[int]):
    """Against the sorted scores: just above the first score too many; one float32 lower is too low."""
    sorted_scores = np.sort(np.float32(scores))[::-1]
    found = smallest_thresholds(tail_of(np.array(scores)), allowed)
    for (threshold, k), most in zip(found, allowed, strict=True):
        if most < len(scores):
            assert np.float32(threshold) == np.nextafter(sorted_scores[most], np.float32(np.inf))
        below = np.nextafter(np.float32(threshold), np.float32(-np.inf))
        assert np.float32(threshold) == threshold
        assert k == (sorted_scores >= np.float32(threshold)).sum() <= most
        assert most >= len(scores) or (sorted_scores >= below).sum() > most


def test_the_convention_probe_is_settled_as_k2_says():
    """metrics.md 5(d): impostor .1 .2 .3 .5, f = .25: T lies in (.3, .35], so that FNMR is 0; bob rejects half."""
    genuine = np.float32([0.35, 0.45, 0.6, 0.7])
    [point] = points([0.1, 0.2, 0.3, 0.5], "0.25")

    assert point.threshold == np.nextafter(np.float32(0.3), np.float32(1))
    assert 0.3 < point.threshold <= 0.35
    assert Fraction(point.k, point.n) == Fraction(1, 4)
    assert (genuine < point.threshold).sum() == 0


def test_ties_are_all_kept_out():
    """Three scores of .5 and one allowed: the threshold is above all three, and the achieved rate is 0."""
    [point] = points([0.5, 0.5, 0.5, 0.1], "0.25")

    assert point.threshold == np.nextafter(np.float32(0.5), np.float32(1))
    assert (point.k, point.n) == (0, 4)
    assert point.to_json()["achieved"] == 0


def test_rates_are_compared_as_whole_numbers():
    """0.07 of 100 is 7 trials, although 0.07 * 100 is 7.000000000000001 and 0.29 * 100 is 28.999999999999996."""
    scores = (np.arange(100) / 100).tolist()

    assert [p.k for p in points(scores, "0.07", "0.29", "1e-2", "1/3", "2/3")] == [7, 29, 1, 33, 66]


def test_scores_below_and_near_zero_have_thresholds():
    """Thresholds may be negative, zero, or a subnormal float32."""
    scores = [-0.75, -0.5, -1e-45, 0.0, 1e-45, 1e-38]
    smallest = float(np.nextafter(np.float32(0), np.float32(1)))

    assert [p.threshold for p in points(scores, "5/6", "4/6", "3/6", "2/6", "1/6")] == [
        float(np.nextafter(np.float32(-0.75), np.float32(0))),
        float(np.nextafter(np.float32(-0.5), np.float32(0))),
        0.0,
        smallest,
        2 * smallest,
    ]


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=40), st.integers(1, 40))
@worlds.FEW
def test_the_target_is_never_exceeded(scores: list[float], of: int):
    """The achieved rate is at most the one asked for, or there is no threshold and a reason."""
    [point] = points(scores, f"1/{of}")

    if point.threshold is None:
        assert len(scores) < of
        assert point.reason
    else:
        assert Fraction(point.k, point.n) <= Fraction(1, of)


def test_too_few_trials_are_refused_with_the_number_needed():
    """999 trials cannot show a rate of 1e-3: K3."""
    [point] = points([0.5] * 999, "1e-3")

    assert (point.threshold, point.k, point.n) == (None, 0, 999)
    assert point.reason == "999 trials cannot show a rate of 1e-3; at least 1000 are needed, 30000 for 30 errors"
    assert point.to_json()["achieved"] is None
    assert points([0.5] * 1000, "1e-3")[0].threshold is not None


def test_no_trials_are_refused():
    """An empty population sets no threshold."""
    assert points([], "0.5")[0].reason.startswith("0 trials cannot show")


def test_one_target_refused_leaves_the_others():
    """Each target has its own answer, in the order asked for."""
    found = points([0.1, 0.2, 0.3, 0.5], "0.01", "0.25", "0.001", "0.5")

    assert [p.threshold is None for p in found] == [True, False, True, False]
    assert [p.k for p in found] == [0, 1, 0, 2]
    assert found[1].threshold > found[3].threshold


def test_failed_trials_that_are_accepted_use_up_the_target():
    """Two accepted failures of ten leave one of three allowed; three of ten leave none for a rate of .2."""
    scores = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    ok, no = points(scores, "0.4", "0.2", n=10, unscored_accepted=3)

    assert ok.threshold == np.nextafter(np.float32(0.6), np.float32(1))
    assert (ok.k, ok.n) == (1 + 3, 10)
    assert no.threshold is None
    assert "failed templates alone exceed a rate of 0.2" in no.reason


def test_thirty_errors_support_a_threshold():
    """The rule of 30 is about errors at the threshold, not about trials."""
    scores = (np.arange(100) / 100).tolist()

    assert [p.is_supported for p in points(scores, "0.3", "0.29")] == [True, False]
    assert points(scores, "0.3")[0].to_json()["rule_of_30"] is True


def test_scores_of_duplicates_leave_a_threshold_above_one():
    """Four duplicates score one or a rounding more; none may pass, so the threshold lies just above the largest."""
    for score in (1.0, 1 + 2**-23):
        [point] = points([score, score, 0.5, 0.2], "0.25")
        assert point.threshold == np.nextafter(np.float32(score), np.float32(2))
        assert point.k == 0


def test_a_rate_of_one_is_met_by_the_lowest_threshold():
    """No threshold lies below -1, and at -1 every cosine is accepted but for its last rounding."""
    [point] = points([-1 - 2**-23, -1.0, 0.2], "1")

    assert point.threshold == -1
    assert point.k == 2


def test_a_rate_with_a_huge_exponent_is_refused_at_once():
    """Nobody waits for a number with a hundred million digits."""
    with pytest.raises(InputError, match="not above 0"):
        parse_targets("fmr=1e-99999999", ["fmr"])


def test_a_calibrated_threshold_gives_the_same_count_in_the_tally():
    """What calibration counted, the tally of the same population counts at that edge."""
    found = worlds.two_groups().templates
    base = worlds.World(found, n_blocks=2)
    tail = tail_of([s for _, _, mated, s in worlds.pairs(found) if s is not None and not mated])
    # 18 non-mated trials, 13 scored: 8 of .5 and one of 1.
    [point] = operating_points(tail, 18, [Target("fmr", "1/18")], population="everybody")
    tally = worlds.World(found, edges=score_axis(0.5, [point.threshold]), n_blocks=2).tally

    assert point.threshold == np.nextafter(np.float32(0.5), np.float32(1))
    assert (metrics.fmr(tally, point.threshold).k, base.plan.trials) == (1, base.plan.trials)


def test_targets_are_read_as_written():
    """A metric holds until the next is named, and rates are exact."""
    found = parse_targets("fmr=1e-3,1e-4, fpir=0.01", ["fmr", "fpir"])

    assert [t.name for t in found] == ["fmr=1e-3", "fmr=1e-4", "fpir=0.01"]
    assert [t.rate for t in found] == [Fraction(1, 1000), Fraction(1, 10000), Fraction(1, 100)]


@pytest.mark.parametrize(
    "text", ["1e-3", "fnmr=0.1", "fmr=", "fmr=0", "fmr=1.5", "fmr=-1", "fmr=x", "fmr=1/0", "", "fmr=nan"]
)
def test_targets_without_sense_are_refused(text: str):
    """The message says what was expected."""
    with pytest.raises(InputError, match="expected fmr=1e-3"):
        parse_targets(text, ["fmr"])


@given(
    scores=st.lists(
        st.sampled_from([np.float32(x) for x in (-1, -0.5, 0, 0.25, 0.5, 0.75, 1)]), min_size=1, max_size=40
    ),
    unscored=st.integers(0, 5),
    rate=st.sampled_from(["0.01", "0.1", "1/3", "0.5", "1"]),
    failed=st.sampled_from(["reject", "exclude", "accept"]),
)
def test_the_threshold_at_a_miss_rate_is_the_largest_that_keeps_it(scores, unscored, rate, failed):
    """By brute force over every score: no higher one keeps FNMR within the target, under any policy."""
    found = np.array(scores)
    missed, n = (unscored if failed == "reject" else 0), len(scores) + (0 if failed == "exclude" else unscored)
    target = Target("fnmr", rate)

    (point,) = points_of_misses(found, unscored, [target], population="all mated pairs", failed=failed)

    def misses(threshold: float) -> int:
        return int((found < threshold).sum()) + missed

    kept = [float(t) for t in found if misses(t) <= target.rate * n]
    if point.threshold is None:
        assert target.rate * n < 1 or not kept
        return
    assert point.threshold == max(kept)
    assert (point.k, point.n) == (misses(point.threshold), n)
