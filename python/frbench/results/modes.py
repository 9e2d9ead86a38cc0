"""Makes the keys of `results.json` about the ways in which a 1:N system is used: modes, CMC, and selectivity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from frbench.estimate import undefined
from frbench.plan import Group, Grouping, Plan
from frbench.reading import metrics, modes
from frbench.reading.modes import Mode
from frbench.reading.selectivity import selectivity
from frbench.results import types
from frbench.tally import Tally

# NIST's limit, and one that smaller tests can show.
FPIR = (modes.NIST_FPIR, "0.01")


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
    tally: Tally, *, thresholds: Sequence[float], groupings: Sequence[Grouping], lists: Lists | None = None
) -> Mapping[str, object]:
    """Identification and investigation, CMC, and failures to enrol; with candidate lists, selectivity too.

    lists : from which selectivity is read, because a tally knows the best candidate alone.
    """
    groups = tally.plan.everybody_and(groupings)
    return {
        "modes": [mode for group in groups for mode in _modes(tally, group)],
        "cmc": [_cmc(tally, group) for group in groups],
        "fte": metrics.fte(tally).to_json(),
        **({} if lists is None else {"selectivity": _selectivities(tally.plan, thresholds, groups, lists)}),
    }


def _modes(tally: Tally, group: Group) -> list[types.Mode]:
    found = [(target, _identification(tally, target, group)) for target in FPIR]
    reviewed = modes.investigation(tally, rank=int(tally.plan.details["ranks"][0]), group=group)
    made = [{**group.key("identify"), **_mode(mode, target)} for target, mode in [*found, (None, reviewed)]]
    return cast("list[types.Mode]", made)


def _identification(tally: Tally, target: str, group: Group) -> Mode:
    gallery, length = (int(tally.plan.details[key]) for key in ("gallery", "k"))
    if length in tally.plan.details["ranks"]:
        return modes.identification(tally, target, group=group)
    reason = f"rank {length}, the length of the lists, was not counted; add it with --ranks"
    return Mode("identification", gallery, length, length, None, None, undefined(reason))


def _mode(mode: Mode, target: str | None) -> Mapping[str, object]:
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


def _cmc(tally: Tally, group: Group) -> types.Cmc:
    found = modes.cmc(tally, group=group)
    hits = zip(found.ranks, found.hits, strict=True)
    made = {
        **group.key("identify"),
        "gallery": found.gallery,
        "gallery_subjects": found.gallery_subjects,
        "hits": [{"rank": rank, **asdict(hit)} for rank, hit in hits],
    }
    return cast("types.Cmc", made)


def _selectivities(
    plan: Plan, thresholds: Sequence[float], groups: Sequence[Group], lists: Lists
) -> list[types.Selectivity]:
    """Candidates a search of every row at every threshold; intervals are over probes, conditional on the gallery."""
    found = []
    for group in groups:
        names = plan.group_names(group.columns)
        is_in = np.array([group.pair is None or own in group.pair for own in names], dtype=bool)[lists.group]
        scores, block = lists.scores[is_in], lists.block[is_in]
        for threshold in thresholds:
            each = selectivity(
                scores, threshold, gallery=int(plan.details["gallery"]), block=block, n_blocks=plan.n_blocks
            )
            found.append({**group.key("identify"), **each.to_json(), "is_censored": each.is_censored})
    return cast("list[types.Selectivity]", found)
