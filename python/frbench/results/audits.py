"""Makes the keys of `results.json` about failures, numbers of images and pairs, and single subjects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import cast

import numpy as np
from numpy.typing import NDArray

from frbench.counting.per_subject import PerSubject
from frbench.plan import EVERYBODY, Group, Grouping
from frbench.reading.audits import failure_policies, subject_view
from frbench.reading.audits.reconcile import Counts, compared, explain, of_run
from frbench.results import types
from frbench.tally import Tally


def failures(
    tally: Tally, *, thresholds: Sequence[float], groupings: Sequence[Grouping], rank: int | None = None
) -> Mapping[str, object]:
    """The key "failures": error rates under every policy for failed templates; no key where none failed.

    rank : of misses in 1:N, None in 1:1. Rows are of everybody and of the trials within each group.
    """
    if not any(tally.pick(mated=mated).unscored for mated in (False, True)):
        return {}
    groups = tally.plan.everybody_and(groupings)
    found = [_failures(tally, threshold, group, rank) for threshold in thresholds for group in groups]
    return {"failures": {"policies": failure_policies.MEANING, "rows": found}}


def _failures(tally: Tally, threshold: float, group: Group, rank: int | None) -> types.FailureRow:
    found = failure_policies.accounting(tally, threshold, rank=rank, group=group)
    made = {
        **group.key("verify" if rank is None else "identify"),
        "threshold": threshold,
        "rank": rank,
        "nonmated_failures": asdict(found.nonmated_failures),
        "mated_failures": asdict(found.mated_failures),
        "fta": asdict(found.fta),
        "rates": {
            policy.name: {
                "false_positive": asdict(policy.false_positive),
                "false_negative": asdict(policy.false_negative),
            }
            for policy in found.policies
        },
    }
    return cast("types.FailureRow", made)


def counts(tally: Tally, found: Counts, declared: Sequence[int]) -> Mapping[str, object]:
    """The key "counts": what the templates make under every convention, and what the run counted.

    declared : numbers that a protocol states; each of them has a sentence under the key "reconciliation", which is
    missing without any.
    """
    conventions = {"rows": found.rows, "subjects": found.subjects, "conventions": found.conventions()}
    lines = [{"declared": number, "explanation": explain(number, found, of_run(tally))} for number in declared]
    return {"counts": {**conventions, "run": compared(tally)}} | ({"reconciliation": lines} if lines else {})


def worst_subjects(errors: PerSubject, groupings: Sequence[Grouping]) -> types.Subjects:
    """How far the errors of everybody, and those within each group, rest on the worst 1% of subjects."""
    rows: list[tuple[Group, NDArray[np.bool_]]] = [(EVERYBODY, np.ones(len(errors.layout.groups), dtype=bool))]
    for columns in filter(None, groupings):
        names = np.array(errors.group_names(columns), dtype=object)
        rows += [(Group.within(columns, name), names == name) for name in sorted(set(names))]
    found = []
    for group, inside in rows:
        nonmated, mated = (errors.trials(inside, mated=m) for m in (False, True))
        for threshold in errors.thresholds:
            matches = subject_view.false_matches(*errors.matched(threshold, inside), nonmated)
            misses = subject_view.false_nonmatches(errors.missed(threshold, inside), mated)
            head = {**group.key("verify"), "threshold": threshold}
            found.append({**head, "false_matches": matches.to_json(), "false_nonmatches": misses.to_json()})
    made = {"worst": subject_view.WORST, "rows": found}
    return cast("types.Subjects", made)
