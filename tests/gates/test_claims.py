"""Claims: a line of text names a quantity, and anything else is told what it could have been."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.errors import InputError
from frbench.gates.claims import RATES, Claim, select_of
from frbench.plan import EVERYBODY, Group

GROUPS = st.text("abc, -é", min_size=1).map(str.strip).filter(lambda name: name and " x " not in f" {name} ")


def test_a_claim_names_metric_group_rank_and_threshold():
    """All parts at once, in any order behind the brackets."""
    claim = Claim.parse("fnir[sex=female] at fpir=0.01 rank 5")

    assert (claim.metric, claim.columns, claim.group.pair) == ("fnir", ("sex",), ("female", "female"))
    assert (claim.rank, claim.at, claim.threshold, claim.batch) == (5, "fpir=0.01", None, None)


def test_a_claim_without_brackets_is_of_everybody():
    """No columns and no group."""
    claim = Claim.parse("fmr at 0.62")

    assert (claim.columns, claim.group, claim.threshold) == ((), EVERYBODY, 0.62)


def test_two_sides_are_named_around_an_x():
    """Comparisons of women with men."""
    assert Claim.parse("fmr[sex=female x male] at 0").group == Group(("sex",), ("female", "male"))


def test_columns_alone_name_no_group():
    """Which is what `group = "each"` is for."""
    claim = Claim.parse("fnmr[region,sex] at fmr=1e-3")

    assert claim.group == Group(("region", "sex"))


def test_a_benchmark_may_have_brackets_in_its_name():
    """As parametrised tests have."""
    assert Claim.parse("median[tests/test_a.py::test_search[64]]").select == "tests/test_a.py::test_search[64]"


@pytest.mark.parametrize(("said", "found"), [("1e-3", "0.001"), ("0.001", "1e-3"), ("0.0010", "1e-3")])
def test_targets_are_equal_as_numbers(said: str, found: str):
    """fmr=1e-3 is fmr=0.001, and no other one."""
    claim = Claim.parse(f"fnmr at fmr={said}")

    assert claim.is_at(f"fmr={found}")
    assert not claim.is_at("fmr=1e-4")
    assert not claim.is_at(f"fpir={found}")


@given(st.sampled_from(RATES), GROUPS, GROUPS, st.sampled_from(["", " rank 2", " at fmr=1e-3", " rank 2 at 0.5"]))
def test_the_text_of_a_group_is_read_as_that_group(metric: str, a: str, b: str, tail: str):
    """What a row is called can be written in a rule."""
    claim = Claim.parse(f"{metric}{tail}")
    again = Claim.parse(claim.of(select_of(Group(("region", "sex"), (a, b)))))

    assert (again.group, again.tail) == (Group(("region", "sex"), (a, b)), tail)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no quantity, expected one of fmr, fnmr"),
        ("far at 0.5", "'far at 0.5' names no quantity"),
        ("fnmr[sex=f", "names no quantity|ends in"),
        ("fnmr at", "ends in 'at', expected rank, batch, load or at"),
        ("fnmr near 0.5", "ends in 'near 0.5'"),
        ("fnmr at 0.5 at 0.6", "ends in 'at 0.5 at 0.6'"),
        ("fnir rank one", "rank 'one', expected a whole number"),
    ],
)
def test_other_texts_are_refused(text: str, said: str):
    """The message has examples, or what is expected."""
    with pytest.raises(InputError, match=said):
        Claim.parse(text)
