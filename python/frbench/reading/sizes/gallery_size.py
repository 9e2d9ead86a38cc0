"""Computes FPIR and FNIR of galleries smaller than the one that was searched, exactly, and larger, by a model.

A smaller gallery is a random subset of the enrolled rows. Its rate is computed, not drawn: the mean over all subsets.
The unit is the row, and a mate's rows are always enrolled. A rate is *measured* up to the gallery that was searched
and *extrapolated* above it: stricter than NIST SP 800-63A, which takes a test on 90% of the operational size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from frbench.candidates import GalleryHits, MatedSearches
from frbench.errors import InputError
from frbench.plan import Grouping
from frbench.reading.sizes import subsets
from frbench.reading.sizes.extrapolation import Check, Extrapolation, extrapolate
from frbench.reading.sizes.gallery_parts import PartedSearches
from frbench.reading.sizes.subsets import MeanRate

State = Literal["measured", "extrapolated", "not estimable"]
MAX_SIZE = 100_000_000_000


@dataclass(frozen=True)
class SizedRate:
    """FPIR or FNIR at one gallery size: measured, extrapolated by a model, or not estimable for a reason.

    threshold : None for none. grouping, group : of the probes.
    low, high : None without an interval, with the reason.
    false_matches : rows at or above the threshold in all non-mated searches that were made; None for FNIR.
    searches : the denominator.
    """

    size: int
    metric: Literal["fpir", "fnir"]
    rank: int | None
    threshold: float | None
    grouping: str
    group: str
    state: State = "not estimable"
    value: float | None = None
    low: float | None = None
    high: float | None = None
    false_matches: int | None = None
    searches: int = 0
    model: str = ""
    reason: str = ""

    def measured(self, rate: MeanRate) -> SizedRate:
        """This rate with what subsets gave."""
        state: State = "not estimable" if rate.value is None else "measured"
        return replace(self, state=state, value=rate.value, low=rate.low, high=rate.high, reason=rate.reason)

    def extrapolated(self, rate: Extrapolation) -> SizedRate:
        """This rate with what a model gave."""
        state: State = "not estimable" if rate.value is None else "extrapolated"
        return replace(
            self, state=state, value=rate.value, low=rate.low, high=rate.high, model=rate.model, reason=rate.reason
        )


def checked_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """`sizes`, increasing, each once.

    Raises
    ------
    InputError : a size below 1 or above a hundred billion.
    """
    for size in sizes:
        if not 1 <= size <= MAX_SIZE:
            raise InputError(f"--gallery-sizes has {size}, expected 1 to {MAX_SIZE:,} gallery rows")
    return tuple(sorted(set(sizes)))


def gallery_sizes(
    hits: GalleryHits, sizes: Sequence[int], *, ranks: Sequence[int], groupings: Sequence[Grouping]
) -> dict[str, Any]:
    """What results.json says of gallery sizes: every rate by size and group, and how every model did when checked."""
    rows: list[SizedRate] = []
    checks: list[dict[str, Any]] = []
    for group in hits.plan.everybody_and(groupings):
        head = group.title, group.sides("identify")[0]
        wanted = hits.wanted(group.columns, group.pair and group.pair[0])
        nonmated = PartedSearches(hits.nonmated.of_group(wanted), hits.rows_of_cell)
        for column, threshold in enumerate(hits.thresholds):
            found, tried = _fpir_rows(hits, nonmated, column, sizes, head)
            rows += found
            own = {**group.key("identify"), "threshold": threshold}
            checks += [own | check.to_json() for check in tried]
        rows += _fnir_rows(hits, hits.mated.of_group(wanted), sizes, ranks, head)
    return {
        "gallery": hits.gallery,
        "unit": "gallery rows; a mate's rows are always enrolled",
        "rows": [asdict(row) for row in rows],
        "checks": checks,
    }


def _fpir_rows(
    hits: GalleryHits, parted: PartedSearches, column: int, sizes: Sequence[int], head: tuple[str, str]
) -> tuple[list[SizedRate], Sequence[Check]]:
    """FPIR at every size and one threshold, and the checks of models if there are larger sizes."""
    searches, threshold = parted.searches, hits.thresholds[column]
    count = searches.count[:, column]
    matches, n = int(count.sum()), len(count)
    empty = [SizedRate(size, "fpir", None, threshold, *head, false_matches=matches, searches=n) for size in sizes]
    rows = [
        row.measured(subsets.fpir(searches, count, gallery=hits.gallery, size=row.size))
        for row in empty
        if row.size <= hits.gallery
    ]
    larger = [row for row in empty if row.size > hits.gallery]
    if not larger:
        return rows, ()
    if not n:
        return [*rows, *(replace(row, reason="0 non-mated searches") for row in larger)], ()
    unlisted = int((searches.reaching(threshold).sum(axis=1) < count).sum())
    if unlisted:
        reason = f"{unlisted:,} candidate lists end above the threshold; raise --candidates"
        return [*rows, *(replace(row, reason=reason) for row in larger)], ()
    models = extrapolate(parted, threshold, [row.size for row in larger])
    rows += [row.extrapolated(found) for row, found in zip(larger, models, strict=True)]
    return rows, models[0].checks


def _fnir_rows(
    hits: GalleryHits, searches: MatedSearches, sizes: Sequence[int], ranks: Sequence[int], head: tuple[str, str]
) -> Iterator[SizedRate]:
    """FNIR at every size, rank and threshold, and without one."""
    for size in sizes:
        within = None if size > hits.gallery else subsets.within_ranks(searches, ranks, gallery=hits.gallery, size=size)
        for threshold in (*hits.thresholds, None):
            for i, rank in enumerate(ranks):
                row = SizedRate(size, "fnir", rank, threshold, *head, searches=len(searches.mates))
                if within is None:
                    yield replace(row, reason=f"FNIR is not extrapolated; it is no lower than at {hits.gallery:,} rows")
                else:
                    lowest = -math.inf if threshold is None else threshold
                    yield row.measured(subsets.fnir(searches, within[:, i], lowest))
