"""Mode results: what `results.json` says of the ways in which a 1:N system is used: modes, CMC, and selectivity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench.estimate import undefined
from frbench.plan import ALL, OVERALL, Plan
from frbench.reading import metrics, modes
from frbench.reading.modes import Mode
from frbench.reading.selectivity import selectivity
from frbench.tally import Tally

# NIST's limit, and one that smaller tests can show.
FPIR = (modes.NIST_FPIR, "0.01")
Row = tuple[tuple[str, ...], str | None]


@dataclass(frozen=True, eq=False)
class Lists:
    """Candidate lists of non-mated searches.

    scores : (m, L) best first, -inf where there is none. group : (m,) number of the probe's group in the plan.
    block : (m,) block of the probe's subject.
    """

    scores: NDArray[np.floating[Any]]
    group: NDArray[np.int64]
    block: NDArray[np.int64]


def keys(
    tally: Tally,
    *,
    thresholds: Sequence[float],
    groupings: Sequence[tuple[str, ...]],
    lists: Lists | None = None,
) -> dict[str, Any]:
    """Identification and investigation, CMC, and failures to enrol; with candidate lists, selectivity too.

    lists : from which selectivity is read, because a tally knows the best candidate alone.
    """
    rows: list[Row] = [((), None)]
    rows += [(g, name) for g in groupings if g for name in sorted(set(tally.plan.group_names(g)))]
    return {
        "modes": [mode for row in rows for mode in _modes(tally, row)],
        "cmc": [_cmc(tally, row) for row in rows],
        "fte": metrics.fte(tally).to_json(),
        **({} if lists is None else {"selectivity": _selectivities(tally.plan, thresholds, rows, lists)}),
    }


def _head(row: Row) -> dict[str, str]:
    grouping, name = row
    return {"grouping": ",".join(grouping) or ALL, "group": name or OVERALL}


def _modes(tally: Tally, row: Row) -> list[dict[str, Any]]:
    grouping, name = row
    found = [(target, _identification(tally, target, row)) for target in FPIR]
    rank = int(tally.plan.details["ranks"][0])
    reviewed = modes.investigation(tally, rank=rank, grouping=grouping, group=name)
    return [{**_head(row), **_mode(mode, target)} for target, mode in [*found, (None, reviewed)]]


def _identification(tally: Tally, target: str, row: Row) -> Mode:
    grouping, name = row
    gallery, length = (int(tally.plan.details[key]) for key in ("gallery", "k"))
    if length in tally.plan.details["ranks"]:
        return modes.identification(tally, target, grouping=grouping, group=name)
    reason = f"rank {length}, the length of the lists, was not counted; add it with --ranks"
    return Mode("identification", gallery, length, length, None, None, undefined(reason))


def _mode(mode: Mode, target: str | None) -> dict[str, Any]:
    found = mode.threshold
    return {
        "mode": mode.name,
        "fpir_at_most": target,
        "gallery": mode.gallery,
        "list_length": mode.list_length,
        "rank": mode.rank,
        "set_at": None if found is None else found.point.to_json() | {"beyond": found.beyond},
        "fpir": None if mode.fpir is None else mode.fpir.to_json(),
        "fnir": mode.fnir.to_json(),
        "note": mode.note,
    }


def _cmc(tally: Tally, row: Row) -> dict[str, Any]:
    grouping, name = row
    found = modes.cmc(tally, grouping=grouping, group=name)
    hits = zip(found.ranks, found.hits, strict=True)
    return {
        **_head(row),
        "gallery": found.gallery,
        "gallery_subjects": found.gallery_subjects,
        "hits": [{"rank": rank, **asdict(hit)} for rank, hit in hits],
    }


def _selectivities(plan: Plan, thresholds: Sequence[float], rows: Sequence[Row], lists: Lists) -> list[dict[str, Any]]:
    """Candidates a search of every row at every threshold; intervals are over probes, conditional on the gallery."""
    found = []
    for grouping, name in rows:
        is_in = np.array([name in (None, own) for own in plan.group_names(grouping)], dtype=bool)[lists.group]
        scores, block = lists.scores[is_in], lists.block[is_in]
        for threshold in thresholds:
            each = selectivity(
                scores, threshold, gallery=int(plan.details["gallery"]), block=block, n_blocks=plan.n_blocks
            )
            found.append({**_head((grouping, name)), **each.to_json(), "is_censored": each.is_censored})
    return found
