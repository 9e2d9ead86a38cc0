"""Shares: k of n by group and block, with the people behind them."""

from __future__ import annotations

import numpy as np

from frbench.counting.layout import Layout
from frbench.plan import EVERYBODY, Group
from frbench.shortcuts.differences import share_of, shares_json
from frbench.shortcuts.shares import Shares
from tests.worlds import worlds


def shares() -> Shares:
    """Seven templates of ann and bea (f), carl and dan (m); two of three and one of four of them count."""
    layout = Layout.of(worlds.two_groups().templates, ("sex",), 4)
    return Shares.of(layout, np.arange(7), np.array([1, 0, 1, 1, 0, 0, 0], bool))


def test_shares_add_up_over_groups_and_blocks():
    """Everybody is 3 of 7, women 2 of 3, men 1 of 4; two subjects each, counted once."""
    found = {name: [int(part.sum()) for part in shares().pick(Group.within(("sex",), name))] for name in "fm"}
    everybody = [int(part.sum()) for part in shares().pick(EVERYBODY)]

    assert found == {"f": [2, 3, 2], "m": [1, 4, 2]}
    assert everybody == [3, 7, 4]


def test_a_share_of_whole_numbers_is_counted_in_them():
    """Recall: 2 and 3 of 5 rows of two probes are 5 of 10."""
    layout = Layout.of(worlds.two_groups().templates, (), 4)
    k, n, subjects = Shares.of(layout, np.array([0, 3]), np.array([2, 3]), 5).pick(EVERYBODY)

    assert (k.sum(), n.sum(), subjects.sum()) == (5, 10, 2)


def test_few_blocks_give_no_interval_and_say_so():
    """Three subjects in at most three blocks cannot show how a share varies."""
    found = share_of(shares(), Group.within(("sex",), "f"), what="templates")

    assert (found.k, found.n, found.low) == (2, 3, None)
    assert "blocks" in found.reason


def test_groups_without_rows_are_undefined_with_a_reason():
    """No row of men: 0 of 0 is no share."""
    layout = Layout.of(worlds.two_groups().templates, ("sex",), 4)
    rows = shares_json(Shares.of(layout, np.array([0, 1]), np.zeros(2)), [("sex",)], what="templates")

    assert [(row["group"], row["value"], row["n"]) for row in rows] == [("overall", 0, 2), ("f", 0, 2), ("m", None, 0)]
    assert rows[2]["reason"] == "0 templates"
