"""Who is compared with whom: by hand, and sums that must agree."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from frbench.reading import metrics
from frbench.reading.groups.impostors import Impostors
from frbench.reading.groups.rates import of_groups
from frbench.reading.rate import Rate
from tests.worlds import worlds

SEX = ("sex",)


def impostors(world: worlds.World, threshold: float = 0.5, **options) -> Impostors:
    """False matches of a world by pairing."""
    rate = Rate("fmr", threshold, **options)
    return Impostors(world.tally, rate, world.columns, of_groups(world.tally, rate, world.columns))


def test_pairings_by_hand():
    """Within 2 of 2 women's and 2 of 4 men's, between them 5 of 12, together 9 of 18."""
    found = impostors(worlds.two_groups()).by_pairing()

    assert {name: (e.k, e.n) for name, e in found.items()} == {
        "same_group": (4, 6),
        "cross_group": (5, 12),
        "pooled": (9, 18),
    }
    assert found["pooled"] == metrics.fmr(worlds.two_groups().tally, 0.5)


def test_the_matrix_by_hand():
    """Symmetric, within a group on the diagonal."""
    matrix = impostors(worlds.two_groups()).matrix()

    assert (matrix.groups, matrix.k, matrix.n) == (("f", "m"), ((2, 5), (5, 2)), ((2, 12), (12, 4)))


def test_a_group_against_everybody_by_hand():
    """Women take part in their own 2 pairs and in 12 with men; men in their 4 and in these."""
    found = impostors(worlds.two_groups()).against_all()

    assert {name: (e.k, e.n) for name, e in found.items()} == {"f": (7, 14), "m": (7, 16)}


def test_excluded_failures_leave_every_pairing():
    """Five non-mated comparisons have no score: two within men, three between."""
    found = impostors(worlds.two_groups(), failed="exclude")

    assert {name: e.n for name, e in found.by_pairing().items()} == {"same_group": 4, "cross_group": 9, "pooled": 13}
    assert found.matrix().n == ((2, 9), (9, 2))


def test_people_without_a_label_are_in_all_pairs_alone():
    """Two women, one without a label: pairs 1 within, none of two groups, 3 of all."""
    found = worlds.templates(np.eye(3), list("abc"), sex=["f", "f", ""])
    rates = impostors(worlds.World(found)).by_pairing()

    assert {name: e.n for name, e in rates.items()} == {"same_group": 1, "cross_group": 0, "pooled": 3}
    assert rates["cross_group"].reason == "0 non-mated comparisons"


def test_the_bound_without_errors_counts_pairs_that_share_nobody():
    """Five women and three men, no false match: 2 + 1 pairs within, 3 between, 4 of all."""
    found = worlds.templates(np.eye(8), list("abcdefgh"), sex=["f"] * 5 + ["m"] * 3)
    rates = impostors(worlds.World(found))

    assert {name: e.n_effective for name, e in rates.by_pairing().items()} == {
        "same_group": 3,
        "cross_group": 3,
        "pooled": 4,
    }
    assert {name: e.n_effective for name, e in rates.against_all().items()} == {"f": 4, "m": 3}


@given(worlds.random_worlds())
@worlds.FEW
def test_pairings_add_up(world: worlds.World):
    """The matrix holds pairs within groups on its diagonal and pairs of two groups beside it; rows are against all."""
    if not world.columns:
        return
    found = impostors(world, world.edges[0])
    rates, matrix = found.by_pairing(), found.matrix()
    for side in ("k", "n"):
        table = np.array(getattr(matrix, side)).reshape((len(matrix.groups),) * 2)
        assert (table == table.T).all()
        assert getattr(rates["same_group"], side) == np.trace(table)
        assert getattr(rates["cross_group"], side) == np.triu(table, 1).sum()
        for i, name in enumerate(matrix.groups):
            # Pairs with people of groups that are left out are in neither.
            assert getattr(found.against_all()[name], side) >= table[i].sum()
    assert rates["pooled"].n >= rates["same_group"].n + rates["cross_group"].n
