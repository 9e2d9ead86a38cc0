"""Reasons: why values or their intervals are missing, in as few sentences as there are reasons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

UNDEFINED = "not estimable"


def sentences(found: Iterable[tuple[str, str, Mapping[str, Any]]]) -> Iterator[str]:
    """One sentence for all groups of one reason, and for all values that are missing of the same groups for it.

    found : title of a value, group, and the value itself with its entries `value` and `reason`.
    """
    reasons: dict[tuple[str, bool], dict[str, dict[str, None]]] = {}
    for title, group, each in found:
        if each["reason"]:
            titles = reasons.setdefault((each["reason"], each["value"] is None), {})
            titles.setdefault(title, {})[group] = None
    for (reason, is_missing), titles in reasons.items():
        together: dict[tuple[str, ...], list[str]] = {}
        for title, groups in titles.items():
            together.setdefault(tuple(groups), []).append(title)
        for names, several in together.items():
            head = f"{', '.join(several)} of {'; '.join(names)}"
            yield f"{head}: {UNDEFINED}, {reason}" if is_missing else f"{head}: {reason}"
