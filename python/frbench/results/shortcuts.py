"""Makes results.json of searches that were made exactly and otherwise, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from frbench.counting.identify import Identification
from frbench.counting.layout import Layout
from frbench.operating_point import OperatingPoint
from frbench.plan import Grouping
from frbench.results import types
from frbench.results.head import SEARCHED, head_of
from frbench.shortcuts.differences import Counted, gaps_json, rates_of, rows_json, share_of, shares_json
from frbench.shortcuts.orders import Orders
from frbench.shortcuts.reach import Reach
from frbench.shortcuts.recall import Recall
from frbench.shortcuts.shares import Shares
from frbench.templates import Templates

MEMBERS_NAMED = 100
FROZEN = "set on the exact search, the same in every other, and frozen"
INTERVALS = "over probe subjects, conditional on this gallery and on the order of its rows"


@dataclass(frozen=True)
class System:
    """One way to search. facts : what is known of it besides its counts, as JSON values."""

    name: str
    counted: Counted
    facts: Mapping[str, object]


def compared(
    kind: str,
    systems: Sequence[System],
    *,
    thresholds: Sequence[float],
    groupings: Sequence[Grouping],
    points: Sequence[OperatingPoint],
) -> types.Shortcut:
    """Rates by group in every search beside the exact one, errors added and removed, and gaps between groups."""
    exact = systems[0].counted.exact
    details = exact.plan.details
    rates = rates_of(thresholds, details["ranks"])
    found = {
        **head_of(kind, exact, thresholds=thresholds, groupings=groupings, points=points),
        **{name: details[name] for name in SEARCHED},
        "interval": INTERVALS,
        "threshold_rule": FROZEN,
        "searches": [
            {
                **group.key("identify"),
                "mated": exact.pick(mated=True, group=group).trials,
                "nonmated": exact.pick(mated=False, group=group).trials,
            }
            for group in exact.plan.everybody_and(groupings)
        ],
        "systems": [{"name": system.name, **system.facts} for system in systems],
        "rows": [row for s in systems for row in rows_json(s.counted, rates, groupings, s.name)],
        "gaps": gaps_json({s.name: s.counted for s in systems}, rates, groupings),
    }
    return cast("types.Shortcut", found)


def columns_of_gallery(task: Identification) -> tuple[str, ...]:
    """The label columns of the groups that the gallery has, too."""
    return tuple(column for column in task.columns if column in task.gallery.labels)


def enrolled(task: Identification, groupings: Sequence[Grouping]) -> list[types.Enrolled]:
    """Templates and subjects of the gallery, of everybody and by group."""
    n = len(task.gallery)
    layout = Layout.of(task.gallery, columns_of_gallery(task), task.n_blocks)
    shares = Shares.of(layout, np.arange(n), np.zeros(n))
    found = []
    for group in shares.everybody_and(groupings):
        _, templates, subjects = shares.pick(group)
        found.append({**group.key("identify"), "templates": int(templates.sum()), "subjects": int(subjects.sum())})
    return cast("list[types.Enrolled]", found)


def recall_json(system: str, recall: Recall, groupings: Sequence[Grouping]) -> list[types.Recall]:
    """Mean recall with its interval, and the lowest of any probe, by group."""
    found = [
        {
            "system": system,
            **group.key("identify"),
            "k": recall.k,
            "mean": share_of(recall.shares, group, what="probes with a template").to_json(),
            "lowest": None if lowest is None else lowest / recall.k,
        }
        for group in recall.shares.everybody_and(groupings)
        for lowest in [recall.lowest_of(group)]
    ]
    return cast("list[types.Recall]", found)


def reach_json(
    reach: Reach, gallery: Templates, groupings: Sequence[Grouping], *, effort: str, highest: str
) -> types.Reach:
    """Gallery members that searches do not return, by group, and the first of those that none does by id."""
    what = "gallery rows with a template"
    found = {
        "effort": effort,
        "highest": highest,
        "not_by_itself": shares_json(reach.not_by_itself, groupings, what=what),
        "never": shares_json(reach.never, groupings, what=what),
        "members": [str(gallery.template_ids[row]) for row in reach.rows[:MEMBERS_NAMED]],
    }
    return cast("types.Reach", found)


def orders_json(system: str, orders: Orders, groupings: Sequence[Grouping]) -> list[types.InsertionOrder]:
    """Searches whose answer depends on the order of insertion, and misses at rank 1 by build, by group."""
    found = [
        {
            "system": system,
            **group.key("identify"),
            "changed": share_of(orders.changed, group, what="searches").to_json(),
            "flipped": share_of(orders.flipped, group, what="mated searches").to_json(),
            "missed": [int(build.pick(group)[0].sum()) for build in orders.missed],
        }
        for group in orders.changed.everybody_and(groupings)
    ]
    return cast("list[types.InsertionOrder]", found)
