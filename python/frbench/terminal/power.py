"""Says in sentences how many people it takes to see a difference between two groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def sentences(found: Mapping[str, Any]) -> str:
    """Three lines: subjects for the ratio, for 30 errors, and for a bound without an error."""
    rate, ratio, needed, trials = (found[n] for n in ("rate", "ratio", "subjects_per_group", "trials_per_group"))
    return (
        f"{found['metric'].upper()} {rate:g} against {rate * ratio:g}, a ratio of {ratio:g}, is seen with "
        f"{found['power']:.0%} power by {needed:,} subjects in each group ({trials:,.0f} trials, {trials * rate:,.1f} "
        "errors expected in the reference group).\n"
        "30 errors, for a rate within about 30% of the truth: "
        f"{found['subjects_for_30_errors']:,} subjects.\n"
        f"No error at all bounds the rate below {rate:g} at {found['level']:.0%} from "
        f"{found['subjects_without_error_for_bound']:,} subjects on: a bound counts only trials that share none."
    )
