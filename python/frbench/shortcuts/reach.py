"""Finds the gallery members that no search returns.

A member is reached if the search of itself returns it at the highest effort of a sweep, or any probe's does. The few
others are searched with all the effort that there is, for as many rows as there are: what even that does not return,
no search of the index can.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from frbench.candidates import Candidates
from frbench.counting.identify import Identification
from frbench.counting.layout import Layout
from frbench.engines import Engine
from frbench.inputs.arrays import Ints
from frbench.shortcuts.proposals import PROBES_AT_ONCE, Proposer
from frbench.shortcuts.shares import Shares


@dataclass(frozen=True, eq=False)
class Reach:
    """Members of a gallery that searches do not return.

    Parameters
    ----------
    not_by_itself : members that their own search at the highest effort of the sweep does not return.
    never : those that no search returns.
    rows : gallery rows of the latter.
    """

    not_by_itself: Shares
    never: Shares
    rows: Ints


def reach(
    task: Identification,
    engine: Engine,
    proposer: Proposer,
    found: Candidates,
    *,
    effort: int,
    highest: int,
    columns: tuple[str, ...],
    advance: Callable[[int], None] = lambda _: None,
) -> Reach:
    """Counts of the gallery members that searches do not return.

    Parameters
    ----------
    found : of the probes at `effort`, the highest of the sweep.
    highest : as much effort as there is.
    columns : label columns to count members by.
    """
    gallery = proposer.gallery
    n, k = len(gallery), min(task.k, len(gallery))
    own = np.zeros(n, dtype=bool)
    for start in range(0, n, PROBES_AT_ONCE):
        members = np.arange(start, min(start + PROBES_AT_ONCE, n))
        unit = gallery.unit[members]
        _, at = proposer.search(unit, engine.rows(unit), k, effort=effort)
        own[members] = (at[:, :k] == members[:, None]).any(axis=1)
        advance(len(members))
    by_probe = np.zeros(len(task.gallery), dtype=bool)
    by_probe[found.rows[found.rows >= 0]] = True
    reached = own | by_probe[gallery.numbers]
    for member in np.flatnonzero(~reached):
        rows = proposer.index.propose(gallery.unit[member : member + 1], n, highest)
        reached[proposer.order[rows[rows >= 0]]] = True
    layout = Layout.of(task.gallery, columns, task.n_blocks)
    not_by_itself, never = (Shares.of(layout, gallery.numbers, ~members) for members in (own, reached))
    return Reach(not_by_itself, never, gallery.numbers[~reached])
