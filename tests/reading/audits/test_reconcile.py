"""Reconciling counts: closed forms against enumeration, and published numbers explained."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.reading.audits.reconcile import Counts, CrossCounts, compared, explain, of_run
from tests.worlds import worlds

SIZES = st.lists(st.integers(0, 5), max_size=7)


@given(SIZES)
def test_closed_forms_are_those_of_enumeration(sizes: list[int]):
    """Every ordered pair of rows, one after the other."""
    subject = [s for s, m in enumerate(sizes) for _ in range(m)]
    rows = range(len(subject))
    both = [(i, j, subject[i] == subject[j]) for i, j in product(rows, rows)]
    found = Counts.of(sizes).conventions()

    assert found["ordered pairs and each row with itself, the whole matrix"] == len(both)
    assert found["ordered mated pairs and each row with itself"] == sum(same for _, _, same in both)
    assert found["ordered pairs, both directions"] == sum(i != j for i, j, _ in both)
    assert found["ordered mated pairs"] == sum(same and i != j for i, j, same in both)
    assert found["ordered non-mated pairs"] == sum(not same for *_, same in both)
    assert found["unordered pairs and each row with itself"] == sum(i <= j for i, j, _ in both)
    assert found["unordered mated pairs and each row with itself"] == sum(same and i <= j for i, j, same in both)
    once = [subject[i] == subject[j] for i, j in combinations(rows, 2)]
    assert found["unordered pairs, each once"] == len(once)
    assert found["unordered mated pairs"] == sum(once)
    assert found["unordered non-mated pairs"] == len(once) - sum(once)
    assert (found["images"], found["subjects"]) == (len(subject), len(set(subject)))


@given(SIZES, SIZES)
def test_probes_and_gallery_are_those_of_enumeration(probes: list[int], gallery: list[int]):
    """Every probe with every enrolled row."""
    searched, enrolled = ([s for s, m in enumerate(sizes) for _ in range(m)] for sizes in (probes, gallery))
    mated = sum(p == g for p, g in product(searched, enrolled))
    known = [p for p in searched if p in enrolled]
    names = ({str(s): m for s, m in enumerate(sizes)} for sizes in (probes, gallery))
    found = CrossCounts.of(*names).conventions()

    assert found["comparisons of probes and gallery"] == len(searched) * len(enrolled)
    assert found["mated comparisons of probes and gallery"] == mated
    assert found["mated searches"] == len(known)
    assert found["non-mated searches"] == len(searched) - len(known)


@pytest.mark.parametrize(
    ("images", "subjects", "mated", "declared"),
    [(157_280, 14_344, 1_773_428, 24_735_067_692), (298_010, 43_874, 870_091, 88_808_791_999)],
    ids=["Children", "African"],
)
def test_the_impostors_of_iccv21_mfr_are_explained(images: int, subjects: int, mated: int, declared: int):
    """The published numbers are n (n - 1) - P: 157,280 x 157,279 = 24,736,841,120, less 1,773,428.

    Source: InsightFace, ICCV21-MFR, table of the test sets.
    """
    assert explain(declared, Counts(images, subjects, mated)) == (
        f"{declared:,} are ordered pairs less unordered mated pairs, which counts half of the mated ones as non-mated"
    )


def test_a_number_of_several_conventions_names_them():
    """Two subjects of one row each: one unordered pair, which is non-mated."""
    assert explain(1, Counts.of([1, 1])) == "1 are unordered pairs, each once or unordered non-mated pairs"


def test_a_number_of_no_convention_names_the_nearest():
    """RFW as one parser reads it: a pair was lost."""
    counts = Counts.of([2] * 100)

    assert explain(counts.nonmated - 1, counts) == (
        "19,799 are none of the usual counts; unordered non-mated pairs are nearest, 19,800: 1 fewer are declared"
    )
    assert "2 more are declared" in explain(counts.nonmated + 2, counts)


def test_declared_and_compared_side_by_side():
    """A tally of seven templates holds 21 pairs, 3 of them mated; a protocol that says 42 counted both directions."""
    tally = worlds.two_groups().tally
    counts = Counts.of([2, 1, 2, 2])

    assert compared(tally) == {
        "pairs": 21, "pairs_scored": 15, "mated": 3, "mated_scored": 2, "nonmated": 18, "nonmated_scored": 13,
    }  # fmt: skip
    assert explain(42, counts) == "42 are ordered pairs, both directions"


@given(worlds.random_worlds())
@worlds.FEW
def test_a_run_compares_what_its_labels_make(world: worlds.World):
    """Closed forms of the labels are what the tally holds."""
    _, sizes = worlds.np.unique(world.templates.subject_ids, return_counts=True)
    counts, got = Counts.of(sizes), compared(world.tally)

    assert (counts.pairs, counts.mated, counts.nonmated) == (got["pairs"], got["mated"], got["nonmated"])


def test_a_number_that_failed_templates_explain_is_explained_by_them():
    """Of 21 pairs 15 have a score, and a protocol may count those, in one direction or both."""
    tally, counts = worlds.two_groups().tally, Counts.of([2, 1, 2, 2])

    assert explain(15, counts, of_run(tally)) == "15 are pairs with a score"
    assert explain(26, counts, of_run(tally)) == "26 are ordered non-mated pairs with a score"
    # A convention's name stands before that of a run's number: 18 non-mated pairs were counted.
    assert explain(18, counts, of_run(tally)) == "18 are unordered non-mated pairs"


def test_a_list_of_pairs_explains_its_own_number():
    """Two pairs of a list among ten images: no convention of all pairs gives the number."""
    plan = worlds.small_plan()
    listed = worlds.tally_of(plan, [[1, 300, 0], [0, 100, 0]])

    assert (
        explain(401, Counts.of([2] * 100), of_run(listed))
        == "401 are pairs that this run counted or pairs with a score"
    )
