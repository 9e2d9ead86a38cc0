"""Asked: a row of a gate, named and looked up, before it is read; and the groups that rows are about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from frbench.finished_run import FinishedRun
from frbench.gates.claims import Pair
from frbench.gates.reading import Form, Reading
from frbench.gates.rules import Rule
from frbench.plan import UNLABELLED


@dataclass(frozen=True)
class Asked:
    """One row of a gate. read : computes its figures."""

    rule: Rule
    name: str
    form: Form
    read: Callable[[], Reading]


def groups_of(rule: Rule, run: FinishedRun) -> list[str]:
    """Names of the groups of a rule's labels, those without a label left out; none for everybody.

    Raises
    ------
    InputError : a label that the run was not counted by; the message lists those that it was.
    """
    columns, known = rule.claim.columns, run.tally.plan.columns
    for column in columns:
        if column not in known:
            have = f"only {', '.join(known)}" if known else "no label"
            raise rule.refused(f"{run.name} was not counted by '{column}', {have}; recount it with --group")
    names = sorted(set(run.tally.plan.group_names(columns))) if columns else []
    return [name for name in names if UNLABELLED not in name.split(",")]


def named_group(rule: Rule, run: FinishedRun) -> Pair:
    """The pair of groups that a rule names.

    Raises
    ------
    InputError : the run has no such group; the message lists its groups.
    """
    group = rule.claim.group
    assert group is not None
    names = sorted(set(run.tally.plan.group_names(rule.claim.columns)))
    for name in group:
        if name not in names:
            raise rule.refused(f"there is no group '{name}', only {', '.join(names)}")
    return group
