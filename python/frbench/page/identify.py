"""Shows 1:N searches on the page: rates by group and threshold, trade-offs, rank hits and failures."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from frbench.page import charts, differentials, parts, words
from frbench.page.charts import Series
from frbench.page.curves import tradeoff_series
from frbench.page.parts import MIN_CHART_TRIALS, Figure, Point, Row, Table, heads, key_of, row_of
from frbench.page.style import Palette
from frbench.page.words import Cell, rate_and_counts
from frbench.plan import ALL, EVERYBODY, OVERALL, Group
from frbench.results import types
from frbench.results.types import Estimate
from frbench.tally import Tally

EVERYONE = "all searches"


class Identify:
    """Views of one identification run."""

    def __init__(self, results: types.Identify, tally: Tally, palette: Palette, prefix: str) -> None:
        self.results, self.tally, self.palette, self.prefix = results, tally, palette, prefix
        self.ranks, self.gallery = results["ranks"], parts.gallery_size(results["gallery"])
        self.first_and_last = sorted({min(self.ranks), max(self.ranks)})
        self._estimates: dict[tuple[str, str, str, float | None, int | None], Estimate] = {
            (e["metric"], e["grouping"], e["group"], e["threshold"], e["rank"]): e for e in results["estimates"]
        }

    def names(self, grouping: str) -> list[str]:
        """Groups of a grouping."""
        return [g["group"] for g in self.results["groups"] if g["grouping"] == grouping and g["grouping"] != ALL]

    def estimate(
        self, metric: str, grouping: str, name: str, threshold: float | None, rank: int | None = None
    ) -> Estimate:
        """One estimate of the results."""
        return self._estimates[metric, grouping, name, threshold, rank]

    def points(self) -> list[Point]:
        """What was measured at each threshold."""
        return [
            differentials.point(self.results, self.palette, t, self._table(t), more=f" ({self.gallery})")
            for t in self.results["thresholds"]
        ]

    def investigation(self) -> Table:
        """Misses without a threshold: what a reviewer of candidate lists meets."""
        columns = [("Group", ""), *self._miss_columns("no threshold")]
        note = f"Investigation mode: without a threshold {self.full_lists()}, and a person must reject every candidate."
        caption = f"Investigation: without a threshold ({self.gallery})"
        return Table(caption, columns, self._bodies(self._misses), [note])

    def full_lists(self) -> str:
        """How many non-mated searches return candidates if there is no threshold: all but those that failed."""
        total = next(g for g in self.results["groups"] if g["grouping"] == ALL)
        n, failed = total["nonmated_searches"], total["nonmated_unscored"]
        text = "every non-mated search with a template returns a full candidate list"
        if not n:
            return text
        share = f" ({n - failed:,} of {n:,}; {failed:,} failed)" if failed else ""
        return f"{text}, so FPIR is {words.percent((n - failed) / n)}{share}"

    def failures(self) -> Table:
        """Searches and gallery entries whose template failed."""
        rows = [
            row_of(g, [f"{n:,}" for n in counts], self.palette, EVERYONE)
            for g in self.results["groups"]
            for counts in [(g["mated_searches"], g["mated_unscored"], g["nonmated_searches"], g["nonmated_unscored"])]
        ]
        columns = heads("Group; Mated searches; Failed | mated; Non-mated searches; Failed | non-mated")
        failed = self.results["gallery_failed"]
        notes = [
            "A failed probe is a miss if mated and returns no candidate; a failed gallery entry is never found, and "
            f"counts in N. Failed gallery templates: {failed:,} of {self.results['gallery']:,}."
        ]
        return Table("Searches, and failed templates (failures to enrol)", columns, [("", rows)], notes, True)

    def figures(self) -> list[Figure]:
        """Trade-offs and rank hits by grouping."""
        chosen = parts.drawn_groupings(self.results)
        return [figure for g in chosen for figure in (*self._tradeoff(g), *self._rank_hits(g))]

    def _table(self, threshold: float) -> Table:
        columns = heads(f"Group; FPIR | {self.gallery}; False alarms | of non-mated searches")
        columns += self._miss_columns(self.gallery)

        def cells(grouping: str, name: str) -> list[Cell]:
            alarms = self.estimate("fpir", grouping, name, threshold)
            return [*rate_and_counts(alarms), *self._misses(grouping, name, threshold)]

        note = "Intervals are over the people searched for, conditional on this gallery: another gallery would differ."
        return Table("Error rates at this threshold, with 95% intervals", columns, self._bodies(cells), [note])

    def _miss_columns(self, where: str) -> list[tuple[str, str]]:
        return heads("; ".join(f"FNIR, rank {r} | {where}; Missed | of mated searches" for r in self.first_and_last))

    def _misses(self, grouping: str, name: str, threshold: float | None = None) -> list[Cell]:
        found = [self.estimate("fnir", grouping, name, threshold, rank) for rank in self.first_and_last]
        return [part for e in found for part in rate_and_counts(e)]

    def _bodies(self, cells: Callable[[str, str], list[Cell]]) -> list[tuple[str, list[Row]]]:
        bodies = [("", [Row(EVERYONE, cells(ALL, OVERALL), self.palette[ALL, OVERALL].swatch, True)])]
        for g in parts.groupings(self.results):
            rows = [Row(name, cells(g, name), self.palette[g, name].swatch) for name in self.names(g)]
            bodies.append((f"By {words.grouping(g)} of the person searched for", rows))
        return bodies

    def _groups(self, grouping: str) -> list[tuple[str, str, str]]:
        return [(EVERYONE, ALL, OVERALL), *((name, grouping, name) for name in self.names(grouping))]

    def _tradeoff(self, grouping: str) -> Iterator[Figure]:
        rank = max(self.ranks)
        curves = [(label, self._curve(label, own, name, rank)) for label, own, name in self._groups(grouping)]
        drawn, left_out = [s for _, s in curves if s], [label for label, s in curves if not s]
        if not drawn:
            return
        alt = f"FNIR at rank {rank} against FPIR at every threshold, for {', '.join(s.name for s in drawn)}."
        x = charts.Axis("false alarms (FPIR), log scale", "FPIR")
        y = charts.Axis(f"FNIR, rank {rank} ({self.gallery})", "FNIR")
        yield Figure(
            f"{self.prefix}-tradeoff-{grouping.replace(',', '-')}",
            f"Misses against false alarms at every threshold{parts.by(grouping)}",
            f"FNIR(N, {rank}, T) against FPIR(N, T), {self.gallery}. Nearer to the lower left corner is better. Points "
            "are the thresholds reported above, bars their 95% intervals. Steps join counted thresholds, those "
            "less than 1/80 of a decade apart left out; nothing is interpolated.",
            charts.tradeoff(drawn, x, y, alt=alt),
            parts.legend(drawn),
            parts.few_trials_note(left_out, "mated or non-mated searches, or without errors"),
        )

    def _curve(self, label: str, grouping: str, name: str, rank: int) -> Series | None:
        group = EVERYBODY if grouping == ALL else Group.within(parts.columns_of(grouping), name)
        marks = [
            (t, self.estimate("fpir", grouping, name, t), self.estimate("fnir", grouping, name, t, rank))
            for t in self.results["thresholds"]
        ]
        style, classes = self.palette[grouping, name], range(len(self.ranks))
        return tradeoff_series(self.tally, label, style, group=group, marks=marks, parts=classes)

    def _rank_hits(self, grouping: str) -> Iterator[Figure]:
        drawn, left_out = [], []
        counts = {key_of(g): g for g in self.results["groups"]}
        for label, own, name in self._groups(grouping):
            hits, n = counts[own, name]["rank_hits"], counts[own, name]["mated_searches"]
            rows = [{"rank": int(r), "k": k, "n": n} for r, k in hits.items()]
            if n >= MIN_CHART_TRIALS:
                drawn.append(Series(label, self.palette[own, name], rows))
            else:
                left_out.append(label)
        if not drawn:
            return
        lowest = min(row["k"] / row["n"] for s in drawn for row in s.rows)
        alt = f"Cumulative match characteristic ({self.gallery}) for {', '.join(s.name for s in drawn)}."
        zoom = "" if lowest < 0.1 else "The vertical axis does not start at zero. "
        yield Figure(
            f"{self.prefix}-cmc-{grouping.replace(',', '-')}",
            f"Mate among the first R candidates{parts.by(grouping)} (CMC, {self.gallery})",
            f"{zoom}Share of mated searches whose mate is at rank R or better, without a threshold, {self.gallery}. "
            "Points are the ranks that were counted; a tie counts against the mate.",
            charts.ranks(drawn, ticks=self.ranks, title=f"mate within rank R ({self.gallery})", alt=alt),
            parts.legend(drawn),
            parts.few_trials_note(left_out, "mated searches"),
        )
