"""Makes results.json of a 1:N run: searches by group, FPIR, FNIR and rank hits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from frbench.operating_point import OperatingPoint
from frbench.plan import Group, Grouping
from frbench.reading import metrics
from frbench.reading.rate import Rate, both_rates
from frbench.results import audits, groups, modes, types
from frbench.results.head import SEARCHED, contrasts, head_of
from frbench.results.modes import Lists
from frbench.tally import Tally


def identify_results(
    tally: Tally,
    *,
    thresholds: Sequence[float],
    groupings: Sequence[Grouping],
    points: Sequence[OperatingPoint],
    lists: Lists | None = None,
) -> types.Identify:
    """Counts of searches by group, and FPIR, FNIR and rank hits with intervals.

    lists : candidates of the non-mated searches, for selectivity; None for no such key.
    """
    rows = tally.plan.everybody_and(groupings)
    details = tally.plan.details
    rank = details["ranks"][0]
    found = {
        **head_of("identify", tally, thresholds=thresholds, groupings=groupings, points=points),
        **{name: details[name] for name in SEARCHED},
        "interval": "over probe subjects, conditional on this gallery",
        "groups": [_searches(tally, thresholds, group) for group in rows],
        "estimates": [e for group in rows for e in _identify_estimates(tally, thresholds, group)],
        **contrasts(tally, thresholds, groupings, both_rates("identify", rank=rank)),
        **groups.keys(tally, thresholds=thresholds, groupings=groupings, points=points, rank=rank),
        **modes.keys(tally, thresholds=thresholds, groupings=groupings, lists=lists),
        **audits.failures(tally, thresholds=thresholds, groupings=groupings, rank=rank),
    }
    return cast("types.Identify", found)


def _searches(tally: Tally, thresholds: Sequence[float], group: Group) -> types.Searches:
    nonmated, mated = (tally.pick(mated=m, group=group) for m in (False, True))
    ranks = tally.plan.details["ranks"]
    misses = {str(rank): [metrics.fnir(tally, t, rank=rank, group=group).k for t in thresholds] for rank in ranks}
    found = {
        **group.key("identify"),
        "mated_searches": mated.trials,
        "mated_unscored": mated.unscored,
        "nonmated_searches": nonmated.trials,
        "nonmated_unscored": nonmated.unscored,
        "false_positives": [nonmated.at_or_above(tally.edge(t)) for t in thresholds],
        "misses_rank1": misses.get("1", []),
        "misses": misses,
        "rank_hits": {str(rank): metrics.rank_hits(tally, rank, group=group)[0] for rank in ranks},
    }
    return cast("types.Searches", found)


def _identify_estimates(tally: Tally, thresholds: Sequence[float], group: Group) -> list[types.IdentifyEstimate]:
    ranks = tally.plan.details["ranks"]
    rates = [Rate("fpir", threshold) for threshold in thresholds]
    rates += [Rate("fnir", threshold, rank) for threshold in (*thresholds, None) for rank in ranks]
    found = [
        {
            "metric": rate.metric,
            **group.key("identify"),
            "threshold": rate.threshold,
            "rank": rate.rank,
            **rate.of(tally, group).to_json(),
        }
        for rate in rates
    ]
    return cast("list[types.IdentifyEstimate]", found)
