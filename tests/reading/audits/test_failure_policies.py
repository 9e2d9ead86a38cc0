"""What is done about failed templates: every rate by hand, and agreement with the metrics."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.counting.identify import Identification, count, search_all
from frbench.engines.reference import ReferenceEngine
from frbench.errors import InputError
from frbench.plan import Group
from frbench.reading import metrics
from frbench.reading.audits.failure_policies import Accounting, accounting
from frbench.tally import Tally
from tests.worlds import worlds


def rates(found: Accounting) -> dict[str, tuple]:
    """Numerators and denominators of both rates by policy."""
    return {p.name: tuple((share.k, share.n) for share in (p.false_positive, p.false_negative)) for p in found.policies}


def test_every_policy_by_hand():
    """18 non-mated comparisons, 5 failed and 9 accepted at .5; 3 mated, 1 failed and none missed.

    FTA is 6 / 21. bob: FAR = 9/13 * 15/21, FRR = 6/21 + 0/2 * 15/21.
    """
    found = accounting(worlds.two_groups().tally, 0.5)
    bob = found.policies[-1]

    assert rates(found) == {
        "reject": ((9, 18), (1, 3)),
        "exclude": ((9, 13), (0, 2)),
        "accept": ((14, 18), (0, 3)),
        "bob": ((9, 13), (0, 2)),
    }
    assert [(s.k, s.n) for s in (found.nonmated_failures, found.mated_failures, found.fta)] == [
        (5, 18),
        (1, 3),
        (6, 21),
    ]
    # Products of a few float64 quotients.
    assert bob.false_positive.value == pytest.approx(float(Fraction(9, 13) * Fraction(15, 21)), rel=1e-15)
    assert bob.false_negative.value == pytest.approx(6 / 21, rel=1e-15)


def test_a_group_has_failures_of_its_own():
    """Of the men's 4 non-mated and 2 mated comparisons 2 and 1 failed; of the women's 2 and 1 none."""
    tally = worlds.two_groups().tally
    men, women = (accounting(tally, 0.5, group=Group(("sex",), (g, g))) for g in "mf")

    assert rates(men)["reject"] == ((2, 4), (1, 2))
    assert rates(men)["exclude"] == ((2, 2), (0, 1))
    assert len({(p.false_positive.value, p.false_negative.value) for p in women.policies}) == 1


@given(worlds.random_worlds(), st.data())
@worlds.FEW
def test_policies_are_those_of_the_metrics(world: worlds.World, data: st.DataObject):
    """FMR and FNMR under each policy have the same numerator and denominator there."""
    threshold = data.draw(st.sampled_from(world.edges))
    found = accounting(world.tally, threshold)
    for policy in found.policies[:3]:
        for share, metric in ((policy.false_positive, metrics.fmr), (policy.false_negative, metrics.fnmr)):
            own = metric(world.tally, threshold, failed=policy.name)
            assert (share.value, own.value is None) == (own.value, share.n == 0)
            if share.n:
                assert (share.k, share.n) == (own.k, own.n)


@given(worlds.random_worlds(), st.data())
@worlds.FEW
def test_policies_are_in_order(world: worlds.World, data: st.DataObject):
    """Accepting failures never has fewer false matches nor more false non-matches than rejecting them."""
    found = {p.name: p for p in accounting(world.tally, data.draw(st.sampled_from(world.edges))).policies}
    for side, least, most in (("false_positive", "reject", "accept"), ("false_negative", "accept", "reject")):
        low, high = (getattr(found[name], side).value for name in (least, most))
        middle = getattr(found["exclude"], side).value
        if middle is not None:
            # Quotients of whole numbers, of which the middle one has another denominator.
            assert low <= middle + 1e-15
            assert middle <= high + 1e-15


def searched() -> Tally:
    """Three mated probes, one failed, and two non-mated ones, one failed, in a gallery of three."""
    gallery = worlds.templates([worlds.X, worlds.Y, worlds.HALF], ["a", "b", "c"], sex=["f"] * 3)
    probes = worlds.templates(
        [worlds.X, worlds.X, worlds.Y, worlds.HALF, worlds.X], ["a", "b", "c", "d", "e"], failed=[2, 4], sex=["f"] * 5
    )
    task = Identification(gallery, probes, (), k=3, ranks=(1, 2, 3), n_blocks=4)
    return count(task, task.plan((0.0, 0.5, 1.0)), search_all(task, ReferenceEngine()))


def test_searches_by_hand():
    """a finds a at 1; b's mate has 0 and is last; c failed. d's best is 1; e failed."""
    first, any_rank = (accounting(searched(), 0.5, rank=rank) for rank in (1, 3))

    assert rates(first) == {
        "reject": ((1, 2), (2, 3)),
        "exclude": ((1, 1), (1, 2)),
        "accept": ((2, 2), (1, 3)),
        "bob": ((1, 1), (1, 2)),
    }
    assert rates(accounting(searched(), 0.0, rank=3))["reject"] == ((1, 2), (1, 3))
    assert rates(any_rank)["reject"] == ((1, 2), (2, 3))


def test_a_rank_that_was_not_counted_is_refused():
    """The message names those that were; a tally of comparisons has none."""
    with pytest.raises(InputError, match="rank 7 was not counted, only 1, 2, 3"):
        accounting(searched(), 0.5, rank=7)
    with pytest.raises(InputError, match="only none"):
        accounting(worlds.two_groups().tally, 0.5, rank=1)


def test_no_trials_have_no_rate():
    """A pair of groups without mated comparisons: undefined under every policy, with the reason."""
    found = accounting(worlds.two_groups().tally, 0.5, group=Group(("sex",), ("f", "m")))

    assert {p.false_negative.value for p in found.policies} == {None}
    assert {p.false_negative.reason for p in found.policies} == {"0 mated comparisons", "0 completed mated comparisons"}


def test_an_accounting_as_json_has_a_row_for_each_policy():
    """Names and meanings travel with the numbers."""
    values = dataclasses.asdict(accounting(worlds.two_groups().tally, 0.5))

    assert [row["name"] for row in values["policies"]] == ["reject", "exclude", "accept", "bob"]
    assert values["policies"][0]["false_negative"] == {"value": 1 / 3, "k": 1, "n": 3, "reason": ""}
