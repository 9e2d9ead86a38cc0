"""Names and looks up the rows of a gate before they are read, and the groups that they are about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from frbench.finished_run import FinishedRun
from frbench.gates.reading import Form, Reading
from frbench.gates.rules import Rule
from frbench.plan import EVERYBODY, Group


@dataclass(frozen=True)
class Asked:
    """One row of a gate. read : computes its figures."""

    rule: Rule
    name: str
    form: Form
    read: Callable[[], Reading]


def groups_of(rule: Rule, run: FinishedRun) -> list[Group]:
    """The groups of a rule's labels, those without a label left out; none for everybody.

    Raises
    ------
    InputError : a label that the run was not counted by; the message lists those that it was.
    """
    columns, known = rule.claim.columns, run.tally.plan.columns
    for column in columns:
        if column not in known:
            have = f"only {', '.join(known)}" if known else "no label"
            raise rule.refused(f"{run.name} was not counted by '{column}', {have}; recount it with --group")
    return [group for group in run.tally.plan.groups_of(columns) if columns and group.is_labelled]


def asked_groups(rule: Rule, run: FinishedRun) -> list[Group]:
    """Everybody, the group that a rule names, or all of its labels; errors as in `groups_of` and `named_group`."""
    groups = groups_of(rule, run)
    if not rule.claim.columns:
        return [EVERYBODY]
    return groups if rule.claim.group.pair is None else [named_group(rule, run)]


def named_group(rule: Rule, run: FinishedRun) -> Group:
    """The group, or two of them, that a rule names.

    Raises
    ------
    InputError : the run has no such group; the message lists its groups.
    """
    group = rule.claim.group
    names = [known.name for known in run.tally.plan.groups_of(group.columns)]
    for name in group.pair or ():
        if name not in names:
            raise rule.refused(f"there is no group '{name}', only {', '.join(names)}")
    return group
