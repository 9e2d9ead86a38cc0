"""Rates: each counted by hand once, and what may not change them."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.choices import FAILED_POLICIES
from frbench.counting.layout import Layout
from frbench.counting.sweep import sweep
from frbench.counting.verify import PairList, Pairs
from frbench.engines.reference import ReferenceEngine
from frbench.errors import EdgeNotInPlan, InputError
from frbench.estimate import Estimate
from frbench.plan import Cell, Group
from frbench.reading import metrics
from frbench.reading.metrics import complement, det, fmr, fnir, fnmr, fpir, fta, fte, generalised, rank_hits, tpir
from frbench.tally import Tally
from frbench.templates import Source
from tests.worlds import worlds
from tests.worlds.rates import fmr_ratio

SEX = ("sex",)


def fraction(estimate: Estimate) -> Fraction:
    """Numerator over denominator."""
    return Fraction(estimate.k, estimate.n)


def test_fmr_by_hand():
    """Of 18 non-mated comparisons, 9 are at or above .5 and 1 at or above .75; between f and m 5 of 12."""
    tally = worlds.two_groups().tally

    assert fraction(fmr(tally, 0.5)) == Fraction(9, 18)
    assert fraction(fmr(tally, 0.75)) == fraction(fmr(tally, 1)) == Fraction(1, 18)
    assert fraction(fmr(tally, 0.5, group=Group(SEX, ("f", "f")))) == Fraction(2, 2)
    assert fraction(fmr(tally, 0.5, group=Group(SEX, ("f", "m")))) == Fraction(5, 12)
    assert fraction(fmr(tally, 0.5, group=Group(SEX, ("m", "f")))) == Fraction(5, 12)
    assert fraction(fmr(tally, 0.5, group=Group(SEX, ("m", "m")))) == Fraction(2, 4)


def test_fnmr_by_hand():
    """Mated: ann .5, carl 1, dan failed; a failed one is rejected."""
    tally = worlds.two_groups().tally

    assert fraction(fnmr(tally, 0.5)) == Fraction(1, 3)
    assert fraction(fnmr(tally, 0.75)) == Fraction(2, 3)
    assert fraction(fnmr(tally, 0.75, group=Group(SEX, ("f", "f")))) == Fraction(1, 1)
    assert fraction(fnmr(tally, 0.75, group=Group(SEX, ("m", "m")))) == Fraction(1, 2)


def test_fnmr_counts_a_tie_as_accepted():
    """A score equal to the threshold is a match."""
    assert fraction(fnmr(worlds.with_ties().tally, 0.5)) == Fraction(2, 5)
    assert fraction(fnmr(worlds.with_ties().tally, 0.75)) == Fraction(4, 5)


@pytest.mark.parametrize(
    ("policy", "false_matches", "false_nonmatches"),
    [
        ("reject", Fraction(9, 18), Fraction(1, 3)),
        ("exclude", Fraction(9, 13), Fraction(0, 2)),
        ("accept", Fraction(9 + 5, 18), Fraction(0, 3)),
    ],
)
def test_the_policy_decides_about_failed_templates(policy, false_matches: Fraction, false_nonmatches: Fraction):
    """Five non-mated and one mated comparison failed: rejected, left out, or accepted."""
    tally = worlds.two_groups().tally
    wrong, missed = fmr(tally, 0.5, failed=policy), fnmr(tally, 0.5, failed=policy)
    curve = det(tally, failed=policy)

    assert (wrong.k, wrong.n) == (int(false_matches * wrong.n), wrong.n)
    assert fraction(wrong) == false_matches
    assert fraction(missed) == false_nonmatches
    assert missed.n == (2 if policy == "exclude" else 3)
    # Edge 3 of the axis is .5; the curve holds the same counts.
    assert (curve.false_matches[3], curve.n_nonmated) == (wrong.k, wrong.n)
    assert (curve.false_nonmatches[3], curve.n_mated) == (missed.k, missed.n)


def test_an_unknown_policy_is_refused():
    """The message lists the policies."""
    with pytest.raises(InputError, match="reject, exclude, accept"):
        fmr(worlds.two_groups().tally, 0.5, failed="ignore")


def test_a_group_without_comparisons_has_no_rate():
    """No mated comparison lies between two groups: undefined, with the reason."""
    found = fnmr(worlds.two_groups().tally, 0.5, group=Group(SEX, ("f", "m")))

    assert (found.value, found.reason) == (None, "0 mated comparisons")
    assert fmr(worlds.two_groups().tally, 0.5, group=Group(SEX, ("x", "x"))).reason == "0 non-mated comparisons"


def test_a_threshold_between_edges_is_refused():
    """The message names the nearest edges."""
    for metric in (fmr, fnmr):
        with pytest.raises(EdgeNotInPlan, match=r"nearest are 0\.25 and 0\.5"):
            metric(worlds.two_groups().tally, 0.3)


def test_subjects_are_those_that_took_part():
    """ann and bea are the women, carl and dan the men; bea has no mate."""
    tally = worlds.two_groups().tally

    assert fmr(tally, 0.5).n_subjects == 4
    assert fmr(tally, 0.5, group=Group(SEX, ("f", "f"))).n_subjects == 2
    assert fmr(tally, 0.5, group=Group(SEX, ("f", "m"))).n_subjects == 2 + 2
    assert fnmr(tally, 0.5).n_subjects == 3
    assert fnmr(tally, 0.5, group=Group(SEX, ("f", "f"))).n_subjects == 1


def test_no_false_match_is_bounded_by_disjoint_pairs_of_subjects():
    """Ten subjects make five pairs without a common one; three and seven make three between them."""
    subjects = list("abcdefghij")
    found = worlds.templates(np.eye(10), subjects, sex=["f"] * 3 + ["m"] * 7)
    tally = worlds.World(found).tally

    assert fmr(tally, 0.5).n_effective == 10 // 2
    assert fmr(tally, 0.5, group=Group(SEX, ("m", "m"))).n_effective == 7 // 2
    assert fmr(tally, 0.5, group=Group(SEX, ("m", "f"))).n_effective == 3
    assert fmr(tally, 0.5).high == pytest.approx(1 - 0.05 ** (1 / 5), rel=1e-12)


def test_a_group_in_too_few_blocks_has_no_interval():
    """Two women and forty men: their comparisons touch many blocks, but the women fill two at most."""
    unit = [worlds.X if i % 3 else worlds.HALF for i in range(42)]
    found = worlds.templates(unit, [f"s{i}" for i in range(42)], sex=["f"] * 2 + ["m"] * 40)
    tally = worlds.World(found, n_blocks=32).tally
    mixed = fmr(tally, 0.75, group=Group(SEX, ("f", "m")))

    assert 0 < mixed.value < 1
    assert mixed.low is None
    assert fmr(tally, 0.75, group=Group(SEX, ("m", "m"))).low is not None


def test_no_false_nonmatch_is_bounded_by_subjects():
    """Four mated comparisons of two subjects are two independent ones."""
    rows, subjects = [worlds.X] * 6, ["a"] * 3 + ["b"] * 3
    tally = worlds.World(worlds.templates(rows, subjects, sex=["f"] * 6)).tally

    assert (fnmr(tally, 0.5).k, fnmr(tally, 0.5).n, fnmr(tally, 0.5).n_effective) == (0, 3 + 3, 2)


@given(worlds.random_worlds(max_n=25), st.integers(0, 2**32 - 1))
@worlds.FEW
def test_the_order_of_rows_changes_nothing(world: worlds.World, seed: int):
    """Shuffled templates have the same rates and intervals."""
    order = np.random.default_rng(seed).permutation(len(world.templates))
    shuffled = dataclasses.replace(world, templates=world.templates.take(order))
    for edge in world.edges:
        assert fmr(world.tally, edge) == fmr(shuffled.tally, edge)
        assert fnmr(world.tally, edge) == fnmr(shuffled.tally, edge)


@given(worlds.random_worlds(max_n=25))
@worlds.FEW
def test_the_names_of_groups_change_nothing(world: worlds.World):
    """Calling f z, and m a, moves the rates to the new names and nothing else."""
    world = dataclasses.replace(world, columns=SEX)
    new = {"f": "z", "m": "a", "": ""}
    labels = worlds.text_array([new[label] for label in world.templates.labels["sex"]])
    renamed = dataclasses.replace(world, templates=dataclasses.replace(world.templates, labels={"sex": labels}))
    for a, b in [("f", "f"), ("f", "m"), ("m", "m")]:
        for edge in world.edges:
            for metric in (fmr, fnmr):
                before = metric(world.tally, edge, group=Group(SEX, (a, b)))
                assert before == metric(renamed.tally, edge, group=Group(SEX, (new[a], new[b])))


@given(worlds.random_worlds(max_n=25), st.sampled_from(FAILED_POLICIES))
@worlds.FEW
def test_rates_are_monotone_in_the_threshold(world: worlds.World, policy):
    """A higher threshold never accepts more: FMR falls, FNMR rises, and the curve holds the same counts."""
    wrong = [fmr(world.tally, edge, failed=policy) for edge in world.edges]
    missed = [fnmr(world.tally, edge, failed=policy) for edge in world.edges]
    curve = det(world.tally, failed=policy)

    # A rate of no trials has no numerator of its own; the curve counts the same zero.
    assert [e.k for e in wrong] == sorted((e.k for e in wrong), reverse=True) == curve.false_matches.tolist()
    assert [e.k for e in missed] == sorted(e.k for e in missed) == curve.false_nonmatches.tolist()
    assert {e.n for e in wrong} == {curve.n_nonmated}
    assert {e.n for e in missed} == {curve.n_mated}


@given(worlds.random_worlds(max_n=25))
@worlds.FEW
def test_rates_of_all_pairs_are_those_of_the_groups_together(world: worlds.World):
    """Numerators and denominators of the pairs of groups add up to the overall ones."""
    world = dataclasses.replace(world, columns=SEX)
    names = sorted(set(world.plan.group_names(SEX)))
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i:]]
    for metric in (fmr, fnmr):
        for edge in world.edges:
            parts = [metric(world.tally, edge, group=Group(SEX, pair)) for pair in pairs]
            whole = metric(world.tally, edge)
            assert (sum(p.k for p in parts), sum(p.n for p in parts)) == (whole.k, whole.n)


def searches():
    """Ten non-mated and eight mated searches of one group; ranks 1 and 5 were counted.

    non-mated: 6 below .5, 3 at or above, 1 without a score
    mated: rank 1: 1 below, 3 above; rank 2 to 5: 1 below, 1 above; beyond: 1 above, 1 without a score
    """
    plan = worlds.small_plan(
        kind="identify",
        cells=(Cell(False, 0, 0), *(Cell(True, 0, 0, part) for part in range(3))),
        trials=(10, 8, 0, 0),
        details={"ranks": [1, 5]},
    )
    return worlds.tally_of(plan, [[6, 3, 1], [1, 3, 0], [1, 1, 0], [0, 1, 1]]).check()


def test_fpir_by_hand():
    """Three of ten non-mated searches return somebody; the failed one counts among the ten."""
    assert fraction(fpir(searches(), 0.5)) == Fraction(3, 10)


def test_fnir_by_hand():
    """A hit needs rank and score: 3 of 8 at rank 1, 4 at rank 5; without a threshold 4 and 6."""
    tally = searches()

    assert fraction(fnir(tally, 0.5, rank=1)) == Fraction(8 - 3, 8)
    assert fraction(fnir(tally, 0.5, rank=5)) == Fraction(8 - 4, 8)
    assert fraction(fnir(tally, None, rank=1)) == Fraction(8 - 4, 8)
    assert fraction(fnir(tally, None, rank=5)) == Fraction(8 - 6, 8)
    assert (rank_hits(tally, 1), rank_hits(tally, 5)) == ((4, 8), (6, 8))


def test_a_rank_that_was_not_counted_is_refused():
    """Between ranks the tally cannot answer."""
    with pytest.raises(InputError, match="rank 3 was not counted, only 1, 5"):
        fnir(searches(), 0.5, rank=3)


def test_tpir_is_the_rest_of_fnir():
    """Hits and misses are all mated searches, and the interval is turned over: 3 of 8 at rank 1, 4 of 8 at rank 5."""
    tally = searches()
    miss, hit = (metric(tally, 0.5, rank=1) for metric in (fnir, tpir))

    assert fraction(hit) == Fraction(3, 8)
    assert fraction(tpir(tally, 0.5, rank=5)) == Fraction(4, 8)
    assert fraction(hit) + fraction(miss) == 1
    whole = complement(Estimate(0.25, 0.125, 0.5, 1, 4))
    assert (whole.value, whole.low, whole.high, whole.k, whole.n) == (0.75, 0.5, 0.875, 3, 4)
    none = metrics.undefined("0 mated searches")
    assert complement(none) == none


def test_fta_by_hand():
    """Six of 21 comparisons have the failed template of dan: 2 + 1 of the six among men, none of those among women."""
    tally = worlds.two_groups().tally

    assert fraction(fta(tally)) == Fraction(5 + 1, 18 + 3)
    assert fraction(fta(tally, group=Group(SEX, ("m", "m")))) == Fraction(2 + 1, 4 + 2)
    assert fraction(fta(tally, group=Group(SEX, ("f", "f")))) == Fraction(0, 3)
    assert fta(tally, group=Group(SEX, ("x", "x"))).reason == "0 trials"
    assert fta(tally).n_subjects == 4
    assert fta(worlds.World(worlds.templates([worlds.X] * 2, "aa", sex="ff")).tally).n_subjects == 1
    # Of the ten and eight searches two have no score.
    assert fraction(fta(searches())) == Fraction(1 + 1, 10 + 8)


def gallery(*, templates: int, subjects: int, failed: int) -> Tally:
    """Searches in a gallery of so many templates."""
    details = {"ranks": [1], "gallery": templates, "gallery_subjects": subjects, "gallery_failed": failed}
    plan = worlds.small_plan(kind="identify", details=details)
    return worlds.tally_of(plan, [[0, 0, 0], [0, 0, 0]])


def test_fte_by_hand():
    """Of ten people enrolled once each none failed: 0 / 10, and the exact interval of metrics.md 5(e)."""
    found = fte(gallery(templates=10, subjects=10, failed=0))

    assert (found.k, found.n, found.low) == (0, 10, 0)
    # Printed to 17 digits.
    assert found.high == pytest.approx(0.30849710781876077, abs=1e-13, rel=0)


def test_fte_of_several_templates_a_subject_has_no_exact_interval():
    """Two photographs of one person may fail for one reason; and comparisons 1:1 have no enrolments."""
    several = fte(gallery(templates=10, subjects=9, failed=2))

    assert (several.k, several.n, several.low) == (2, 10, None)
    assert "10 enrolments of 9 subjects" in several.reason
    assert fte(worlds.two_groups().tally).value is None


@given(worlds.random_worlds(max_n=25))
@worlds.FEW
def test_generalised_rates_are_those_of_rejected_failures(world: worlds.World):
    """With FTA of the mated and of the non-mated comparisons alone, the formula gives the counted rates exactly."""
    sides = [world.tally.pick(mated=mated) for mated in (False, True)]
    for edge in world.edges:
        done = [metric(world.tally, edge, failed="exclude") for metric in (fmr, fnmr)]
        if all(each.n for each in done):
            wrong, missed = map(fraction, done)
            for i, metric in enumerate((fmr, fnmr)):
                failed = Fraction(sides[i].unscored, sides[i].trials)
                formula = generalised(wrong, missed, fta=failed, fte=Fraction(0))
                assert formula[i] == fraction(metric(world.tally, edge, failed="reject"))


def test_generalised_rates_by_hand():
    """A tenth fails to enrol, a fifth of the rest is not acquired: 72% complete, of which 1% and 25% err."""
    one, fte_rate, fta_rate = Fraction(1), Fraction(1, 10), Fraction(1, 5)
    found = generalised(one / 100, one / 4, fta=fta_rate, fte=fte_rate)

    assert found == (Fraction(72, 100) / 100, fte_rate + (1 - fte_rate) * fta_rate + Fraction(72, 100) / 4)
    assert generalised(one / 100, one / 4, fta=one, fte=Fraction(0)) == (0, 1)


def test_the_curve_of_searches_takes_the_parts_asked_for():
    """FNIR at rank 1: only the first rank class hits."""
    curve = det(searches(), parts=[0])

    assert (curve.false_matches.tolist(), curve.false_nonmatches.tolist()) == ([3], [8 - 3])


def test_mated_comparisons_between_groups_have_no_more_subjects_than_the_smaller_group():
    """Only a subject with rows in both groups has mated comparisons between them."""
    estimate = fnmr(worlds.several_mates().tally, 0.5, group=Group(("mask",), ("yes", "no")))

    assert estimate.n_subjects == 1


@pytest.mark.parametrize("failed", ["reject", "exclude", "accept"])
def test_a_ratio_is_the_ratio_of_the_rates_beside_it(failed: str):
    """Whatever becomes of failed templates, FMR f / FMR m is the printed ratio."""
    tally = worlds.two_groups().tally
    f, m = (fmr(tally, 0.5, group=Group(("sex",), (g, g)), failed=failed) for g in "fm")

    ratio = fmr_ratio(tally, 0.5, Group(("sex",), ("f", "f")), Group(("sex",), ("m", "m")), failed=failed)

    assert ratio.value == pytest.approx(f.value / m.value, rel=1e-15)
    assert (ratio.k, ratio.n) == ((f.k, m.k), (f.n, m.n))


def test_another_column_does_not_change_the_people_of_a_group():
    """Two of the three have photographs with and without a mask: they are two women whatever else is counted."""
    found = worlds.templates(
        np.eye(6), list("aabbcc"), sex=["f"] * 4 + ["m"] * 2, mask=["yes", "no", "yes", "no", "no", "no"]
    )
    alone, beside = (worlds.World(found, columns).tally for columns in (("sex",), ("sex", "mask")))

    assert fmr(alone, 0.5, group=Group(("sex",), ("f", "f"))) == fmr(beside, 0.5, group=Group(("sex",), ("f", "f")))
    assert fmr(beside, 0.5, group=Group(("sex",), ("f", "f"))).n_subjects == 2


def test_people_on_both_sides_are_not_independent_of_themselves():
    """Three people with both masks: at most one pair of them shares nobody, though three stand on each side."""
    found = worlds.templates(np.eye(6), list("aabbcc"), mask=["yes", "no"] * 3)
    tally = worlds.World(found, ("mask",)).tally

    estimate = fmr(tally, 0.5, group=Group(("mask",), ("yes", "no")))

    assert (estimate.k, estimate.n, estimate.n_effective) == (0, 6, 1)


def test_listed_pairs_with_one_person_in_all_are_one_independent_trial():
    """A star of one template against three others bounds nothing better than one comparison does."""
    found = worlds.templates(np.eye(4), list("abcd"))
    listed = PairList(found, np.zeros(3, np.int64), np.arange(1, 4), np.zeros(3, bool), Source("p", "", 3))
    estimate = fmr(pairs_tally(listed), 0.5)

    assert (estimate.k, estimate.n, estimate.n_effective) == (0, 3, 1)
    assert estimate.high == pytest.approx(0.95)


def test_a_list_that_does_not_know_people_has_no_intervals():
    """Without labels nobody knows which templates are of one person, and so how much the trials share."""
    found = replace(worlds.templates(np.eye(4), list("abcd")), subject_ids=None)
    listed = PairList(found, np.array([0, 1]), np.array([2, 3]), np.array([False, True]), Source("p", "", 2))
    tally = pairs_tally(listed)

    for estimate in (fmr(tally, 0.5), fnmr(tally, 0.5)):
        assert estimate.value is not None
        assert (estimate.low, estimate.high, estimate.n_subjects) == (None, None, None)
        assert "give --labels" in estimate.reason


def test_excluded_failures_leave_no_bound_at_zero_errors():
    """The people of excluded templates may be the ones that would have erred, and cannot be counted."""
    estimate = fmr(worlds.two_groups().tally, 0.75, group=Group(("sex",), ("m", "m")), failed="exclude")

    assert (estimate.k, estimate.low, estimate.high) == (0, None, None)
    assert "excluded" in estimate.reason


def pairs_tally(listed: PairList) -> Tally:
    """A list of pairs, counted by the oracle."""
    found = listed.templates
    known = found if found.subject_ids is not None else found.with_subjects(found.template_ids)
    counter = Pairs(listed, Layout.of(known, (), 4), ReferenceEngine())
    plan = counter.plan((0.5,))
    return sweep(plan, lambda tile: counter.count(plan, tile))
