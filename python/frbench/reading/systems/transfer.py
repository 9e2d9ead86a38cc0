"""What a threshold does to people it was not set on: the FMR that they get, against the one that was promised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from frbench.choices import Failed
from frbench.errors import EdgeNotInPlan, InputError
from frbench.reading.groups.thresholds import realised
from frbench.reading.thresholds import at_fmr
from frbench.tally import Tally


@dataclass(frozen=True)
class People:
    """A tally of 1:1 comparisons, and what messages call its run."""

    name: str
    tally: Tally


def transfer(
    used_on: People,
    rate: str,
    *,
    set_on: People | None = None,
    threshold: float | None = None,
    grouping: Sequence[str] | None = None,
    failed: Failed = "reject",
) -> dict[str, Any]:
    """FMR of everybody and of each group at a threshold that others set, and whether the promise is kept.

    Parameters
    ----------
    used_on : who is compared at the threshold.
    rate : the promised FMR, as text.
    set_on : on whom the threshold is set at that rate; None if it is given.
    threshold : a given one.
    grouping : label columns to look at; None takes those that the run was counted by.

    Raises
    ------
    InputError : no threshold can be set at the rate, or the tally was not counted by the columns.
    EdgeNotInPlan : the threshold is not one that `used_on` was counted at.
    """
    point = None
    if set_on is not None:
        point = at_fmr(set_on.tally, rate, failed=failed).point
        if point.threshold is None:
            raise InputError(f"{set_on.name}: no threshold for {point.at} of {point.population}: {point.reason}")
        threshold = point.threshold
    if threshold is None:
        raise InputError("a threshold is needed, given or set on another run")
    columns = used_on.tally.plan.columns if grouping is None else tuple(grouping)
    try:
        found = realised(used_on.tally, threshold, rate, columns, failed=failed)
    except (EdgeNotInPlan, InputError) as error:
        raise type(error)(f"{used_on.name}: {error}") from error
    return {
        "used_on": used_on.name,
        "set_on": None if point is None or set_on is None else {"run": set_on.name, **point.to_json()},
        "grouping": ",".join(columns),
        "failed_policy": failed,
        **found.to_json(),
    }
