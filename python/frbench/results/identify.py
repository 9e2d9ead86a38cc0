"""Makes results.json of a 1:N run: searches by group, FPIR, FNIR and rank hits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from frbench.operating_point import OperatingPoint
from frbench.plan import OVERALL
from frbench.reading import metrics
from frbench.results import audits, groups, modes
from frbench.results.head import Grouping, contrasts, group_names, head_of, title
from frbench.results.modes import Lists
from frbench.tally import Tally


def identify_results(
    tally: Tally,
    *,
    thresholds: Sequence[float],
    groupings: Sequence[Grouping],
    points: Sequence[OperatingPoint],
    lists: Lists | None = None,
) -> dict[str, Any]:
    """Counts of searches by group, and FPIR, FNIR and rank hits with intervals.

    lists : candidates of the non-mated searches, for selectivity; None for no such key.
    """
    rows: list[tuple[Grouping, str | None]] = [((), None)]
    rows += [(g, name) for g in groupings if g for name in group_names(tally, g)]
    details = tally.plan.details
    return {
        **head_of("identify", tally, thresholds=thresholds, groupings=groupings, points=points),
        "gallery": details["gallery"],
        "gallery_subjects": details["gallery_subjects"],
        "gallery_failed": details["gallery_failed"],
        "k": details["k"],
        "ranks": details["ranks"],
        "interval": "over probe subjects, conditional on this gallery",
        "groups": [_searches(tally, thresholds, grouping, name) for grouping, name in rows],
        "estimates": [e for g, name in rows for e in _identify_estimates(tally, thresholds, g, name)],
        **contrasts(tally, thresholds, groupings, ("fpir", "fnir"), rank=details["ranks"][0]),
        **groups.keys(tally, thresholds=thresholds, groupings=groupings, points=points, rank=details["ranks"][0]),
        **modes.keys(tally, thresholds=thresholds, groupings=groupings, lists=lists),
        **audits.failures(tally, thresholds=thresholds, groupings=groupings, rank=details["ranks"][0]),
    }


def _searches(tally: Tally, thresholds: Sequence[float], grouping: Grouping, name: str | None) -> dict[str, Any]:
    pair = None if name is None else (name, name)
    nonmated = tally.pick(mated=False, grouping=grouping, groups=pair)
    mated = tally.pick(mated=True, grouping=grouping, groups=pair)
    ranks = tally.plan.details["ranks"]
    misses = {
        str(rank): [metrics.fnir(tally, t, rank=rank, grouping=grouping, group=name).k for t in thresholds]
        for rank in ranks
    }
    return {
        "grouping": title(grouping),
        "group": OVERALL if name is None else name,
        "mated_searches": mated.trials,
        "mated_unscored": mated.unscored,
        "nonmated_searches": nonmated.trials,
        "nonmated_unscored": nonmated.unscored,
        "false_positives": [nonmated.at_or_above(tally.edge(t)) for t in thresholds],
        "misses_rank1": misses.get("1", []),
        "misses": misses,
        "rank_hits": {str(rank): metrics.rank_hits(tally, rank, grouping=grouping, group=name)[0] for rank in ranks},
    }


def _identify_estimates(
    tally: Tally, thresholds: Sequence[float], grouping: Grouping, name: str | None
) -> list[dict[str, Any]]:
    head = {"grouping": title(grouping), "group": OVERALL if name is None else name}
    found = []
    ranks = tally.plan.details["ranks"]
    for threshold in thresholds:
        fpir = metrics.fpir(tally, threshold, grouping=grouping, group=name)
        found.append({"metric": "fpir", **head, "threshold": threshold, "rank": None, **fpir.to_json()})
    for limit in (*thresholds, None):
        for rank in ranks:
            fnir = metrics.fnir(tally, limit, rank=rank, grouping=grouping, group=name)
            found.append({"metric": "fnir", **head, "threshold": limit, "rank": rank, **fnir.to_json()})
    return found
