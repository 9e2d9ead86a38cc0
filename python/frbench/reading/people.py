"""Says who is behind the trials of a group: subjects, trials of theirs that share none, and blocks that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from frbench.plan import Group
from frbench.tally import Tally

UNKNOWN_PEOPLE = "interval not estimable: people are not known; give --labels"


@dataclass(frozen=True)
class People:
    """Subjects behind a rate, trials of theirs that share none, and blocks that hold them."""

    n: int
    n_independent: int
    n_occupied: int


def knows_people(tally: Tally) -> bool:
    """Whether the tally knows who took part; a list of pairs without labels does not."""
    return bool(tally.plan.details.get("subjects_known", True))


def n_members(tally: Tally, group: Group) -> int:
    """Subjects of the first side of a group, or of everybody, that take part in non-mated trials."""
    return _members(tally, group.columns, None if group.pair is None else group.pair[0])[0]


def largest(tally: Tally, groups: Sequence[Group]) -> Group:
    """The group with most subjects, the first of several: what others are held against."""
    return max(groups, key=lambda group: n_members(tally, group))


def people_of(tally: Tally, group: Group, *, mated: bool) -> People | None:
    """The people behind the mated or the non-mated trials of a group; None if the tally does not know them."""
    if not knows_people(tally):
        return None
    plan, pair = tally.plan, group.pair
    if mated:
        # Only subjects with a trial between just these groups count.
        blocks = plan.subjects_of(group.columns, lambda a, b: pair is None or {a, b} == set(pair), mated=True)
        n = int(blocks.sum())
        return People(n, n, int((blocks > 0).sum()))
    n = int(plan.subjects_of(group.columns, lambda a, _: pair is None or a in pair, mated=False).sum())
    sides = [_members(tally, group.columns, name) for name in pair or (None,)]
    fewest = min(occupied for _, occupied in sides)
    if plan.kind == "identify":
        return People(n, n, fewest)
    if plan.kind == "pairs":
        return People(n, _listed_independent(tally, group), fewest)
    # Everybody is compared with everybody: a side may have fewer people, and two sides may share some.
    return People(n, min(n // 2, *(members for members, _ in sides)), fewest)


def _members(tally: Tally, columns: Sequence[str], name: str | None) -> tuple[int, int]:
    """Subjects with a non-mated trial whose group is `name`, or any for None, and blocks that hold them."""
    blocks = tally.plan.subjects_of(columns, lambda a, _: name is None or a == name, mated=False)
    return int(blocks.sum()), int((blocks > 0).sum())


def _listed_independent(tally: Tally, group: Group) -> int:
    """Listed non-mated comparisons that share no subject: of the cell of `group` that has most of them."""
    plan = tally.plan
    if group.pair is None:
        return int(plan.details["independent_nonmated"])
    names = plan.group_names(group.columns)
    return max(
        (
            n
            for cell, n in zip(plan.cells, plan.details["independent"], strict=True)
            if not cell.mated and {names[cell.group_a], names[cell.group_b]} == set(group.pair)
        ),
        default=0,
    )
