"""Makes the key of `results.json` about whole curves: EER, AUC, min Cllr, and what the data can show at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar, cast

from frbench.choices import Failed
from frbench.operating_point import RULE_OF_30
from frbench.plan import Group, Grouping
from frbench.reading import metrics
from frbench.reading.cllr import MinCllr, min_cllr
from frbench.reading.curves import Auc, Eer, auc, eer
from frbench.reading.rate import trials
from frbench.reading.thresholds import supported_down_to
from frbench.results import types
from frbench.tally import Tally

MIN_EDGES = 20
POLICY = (
    "positive claim: a comparison with a failed template is rejected; "
    "GFAR = FMR (1 - FTA), GFRR = FTA + FNMR (1 - FTA), FMR and FNMR of completed comparisons"
)

Curve = TypeVar("Curve", Eer, Auc, MinCllr)


def keys(
    tally: Tally, *, thresholds: Sequence[float], groupings: Sequence[Grouping], failed: Failed = "reject"
) -> dict[str, list[types.Summary]]:
    """Summaries of everybody and of the comparisons within every group.

    thresholds : of the generalised rates. failed : policy of EER, AUC and of what the data can show; min Cllr leaves
    failed templates out.

    Raises
    ------
    EdgeNotInPlan : a threshold is not an edge of the tally.
    """
    groups = tally.plan.everybody_and(groupings)
    return {"summaries": [_summary(tally, thresholds, group, failed) for group in groups]}


def _summary(tally: Tally, thresholds: Sequence[float], group: Group, failed: Failed) -> types.Summary:
    n_edges = len(tally.plan.edges)
    nonmated, mated = (int(trials(tally.pick(mated=kind, group=group).bins, failed=failed)) for kind in (False, True))
    found = {
        **group.key("verify"),
        "failed_policy": failed,
        "eer": _resolved(eer(tally, group=group, failed=failed), n_edges).to_json(),
        "auc": _resolved(auc(tally, group=group, failed=failed), n_edges).to_json(),
        "min_cllr": _resolved(min_cllr(tally, group=group), n_edges).to_json(),
        "supported_down_to": {"fmr": _supported(nonmated, "non-mated"), "fnmr": _supported(mated, "mated")},
        "fta": metrics.fta(tally, group=group).to_json(),
        "generalised": {"policy": POLICY, "rates": [_generalised(tally, threshold, group) for threshold in thresholds]},
    }
    return cast("types.Summary", found)


def _resolved(found: Curve, n_edges: int) -> Curve:
    """The summary, or its bounds alone where the axis is too coarse to see a curve."""
    if found.value is None or n_edges >= MIN_EDGES:
        return found
    reason = f"the axis has {n_edges} thresholds, and below {MIN_EDGES} they show bounds only; recount on a finer one"
    return type(found)(value=None, bounds=found.bounds, reason=reason)


def _supported(n: int, kind: str) -> types.Supported:
    """The smallest rate with 30 errors behind it; none if there are fewer trials than that."""
    least = supported_down_to(n)
    if least is None or least > 1:
        reason = f"{n} {kind} comparison{'s' * (n != 1)} cannot show {RULE_OF_30} errors"
        return {"value": None, "n": n, "reason": reason}
    return {"value": least, "n": n, "reason": ""}


def _generalised(tally: Tally, threshold: float, group: Group) -> types.Generalised:
    """GFAR and GFRR at a threshold, beside the counts of completed comparisons that they are made of."""
    fmr = metrics.fmr(tally, threshold, group=group, failed="exclude")
    fnmr = metrics.fnmr(tally, threshold, group=group, failed="exclude")
    fta = metrics.fta(tally, group=group).value
    # A rate that does not exist makes its generalised one NaN, and leaves the other alone.
    rates = (math.nan if rate is None else rate for rate in (fmr.value, fnmr.value))
    made = metrics.generalised(*rates, fta=math.nan if fta is None else fta)
    gfar, gfrr = (None if math.isnan(rate) else rate for rate in made)
    return {
        "threshold": threshold,
        "gfar": gfar,
        "gfrr": gfrr,
        "false_matches": fmr.k,
        "n_nonmated": fmr.n,
        "false_nonmatches": fnmr.k,
        "n_mated": fnmr.n,
        "reason": "; ".join(f"{e.reason} completed" for e in (fmr, fnmr) if e.value is None),
    }
