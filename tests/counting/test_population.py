"""Populations: equal for the same people in any order, different as soon as one of them is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.counting import population
from frbench.counting.identify import Identification
from frbench.counting.layout import Layout
from frbench.counting.pair_list import PairList
from frbench.counting.verify import AllPairs, Pairs
from frbench.engines.reference import ReferenceEngine
from frbench.plan import POPULATION
from frbench.templates import Source, Templates
from tests.worlds import worlds

EDGES = (0.5,)
SIX = {"subjects": ["a", "a", "b", "b", "c", "d"], "sex": ["f", "f", "m", "m", "f", "m"]}
NOWHERE = Source("pairs.csv", "", 0)


def six(rows: np.ndarray | None = None, **changed) -> Templates:
    """Six templates of four subjects."""
    return worlds.templates(np.eye(6) if rows is None else rows, **(SIX | changed))


def of_all_pairs(found: Templates) -> dict:
    """The population of all pairs, by sex."""
    return Layout.of(found, ("sex",), 4).verify_plan(EDGES).details[POPULATION]


def listed(found: Templates, a: list[int], b: list[int]) -> PairList:
    """Pairs by row."""
    left, right = np.array(a), np.array(b)
    return PairList(found, left, right, np.asarray(found.subject_ids[left] == found.subject_ids[right], bool), NOWHERE)


def of_pairs(found: Templates, a: list[int], b: list[int]) -> dict:
    """The population of a list of pairs, by sex."""
    counter = Pairs(listed(found, a, b), Layout.of(found, ("sex",), 4), ReferenceEngine())
    return counter.plan(EDGES).details[POPULATION]


def test_vectors_play_no_part():
    """Another matcher's templates of the same images are of the same population, failed ones too."""
    one, other = six(), six(np.eye(6)[::-1], failed=[2])

    assert of_all_pairs(one) == of_all_pairs(other)
    assert one.digest != other.digest


@given(st.permutations(range(6)))
def test_the_order_of_rows_plays_no_part(order: list[int]):
    """Files in another order hold the same people: all pairs, listed pairs and excluded ones."""
    found = six()
    turned = found.take(order)
    row = {old: new for new, old in enumerate(order)}
    a, b = [0, 2, 4], [1, 5, 3]
    new_a, new_b = ([row[i] for i in side] for side in (b, a))

    assert of_all_pairs(found) == of_all_pairs(turned)
    assert of_pairs(found, a, b) == of_pairs(turned, new_a, new_b)
    assert of_exclusion(found, a, b) == of_exclusion(turned, new_a, new_b)


def of_exclusion(found: Templates, a: list[int], b: list[int]) -> dict:
    """The population of all pairs but these."""
    counter = AllPairs(Layout.of(found, ("sex",), 4), ReferenceEngine(), listed(found, a, b))
    return counter.plan(EDGES).details[POPULATION]


@pytest.mark.parametrize(
    ("part", "changed"),
    [
        ("subjects", {"subjects": ["a", "a", "b", "b", "c", "e"]}),
        ("subjects", {"subjects": ["a", "b", "a", "b", "c", "d"]}),
        ("labels", {"sex": ["f", "f", "m", "m", "f", "f"]}),
        ("labels", {"sex": ["x", "x", "m", "m", "x", "m"]}),
    ],
)
def test_one_change_changes_one_part(part: str, changed: dict):
    """Another subject or label is another population, and the digest says which."""
    one, other = of_all_pairs(six()), of_all_pairs(six(**changed))

    assert {name for name in one if one[name] != other[name]} == {part}


def test_other_ids_are_other_templates():
    """One template more is another population."""
    assert of_all_pairs(six())["templates"] != of_all_pairs(six().take(range(5)))["templates"]


def test_templates_that_no_pair_names_play_no_part():
    """A matcher's file may hold more than the list compares; the groups of the others play no part either."""
    extra = worlds.templates(np.eye(7), subjects=[*SIX["subjects"], "z"], sex=[*SIX["sex"], "a group that sorts first"])

    assert of_pairs(six(), [0, 2], [1, 4]) == of_pairs(extra, [0, 2], [1, 4])


def test_other_pairs_are_another_population():
    """One pair moved changes the digest of pairs, the templates being the same."""
    one, other = of_pairs(six(), [0, 2], [1, 4]), of_pairs(six(), [0, 1], [4, 2])

    assert {name for name in one if one[name] != other[name]} == {"pairs"}


def test_excluding_is_another_population():
    """A run without reviewed pairs says so, and which."""
    without = of_exclusion(six(), [0], [1])

    assert set(without) - set(of_all_pairs(six())) == {"excluded"}
    assert without != of_exclusion(six(), [0], [2])


def test_the_gallery_is_part_of_a_search():
    """The same probes against other people are another population."""

    def of_search(gallery: list[int]) -> dict:
        task = Identification(six().take(gallery), six().take([1, 3]), ("sex",), k=1, ranks=(1,), n_blocks=4)
        return task.plan(EDGES).details[POPULATION]

    one, other = of_search([0, 2]), of_search([0, 4])
    assert {name for name in one if one[name] != other[name]} == {"gallery"}
    assert one == of_search([2, 0])


def test_the_digest_of_a_plan_is_what_it_was_before():
    """The population follows from the inputs and is left out of the digest, so that older tallies still add."""
    known = {"n_subjects": 4}
    assert (
        worlds.small_plan(details=known | {POPULATION: {"templates": "x"}}).digest
        == worlds.small_plan(details=known).digest
    )


def test_texts_that_join_to_the_same_differ():
    """Ids ("ab", "c") and ("a", "bc") are other ids."""
    subjects, group = worlds.text_array(["s", "s"]), np.zeros(2, np.int64)

    def digest(*ids: str) -> str:
        return population.of_templates(worlds.text_array(ids), subjects, (), ((),), group)["templates"]

    assert digest("ab", "c") != digest("a", "bc")
