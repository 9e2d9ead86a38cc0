"""Shows 1:1 comparisons on the page: rates by group and threshold, trade-offs, scores, heat maps and failures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from frbench.choices import Failed
from frbench.estimate import LEVEL
from frbench.page import charts, differentials, parts, words
from frbench.page.charts import Series
from frbench.page.curves import bin_ends, share_rows, tradeoff_series
from frbench.page.parts import MIN_CHART_TRIALS, Figure, HeatCell, HeatMap, Point, Row, Table, heads
from frbench.page.style import EVERYTHING, LogScale, Palette
from frbench.page.words import Cell, CountCell, RateCell, bare, rate_and_counts, rate_cell, value_cell
from frbench.plan import ALL, EVERYBODY, Group
from frbench.reading.people import knows_people
from frbench.results import types
from frbench.results.types import Estimate, Spread, Spreads
from frbench.tally import Histogram, Tally

ALL_PAIRS = "all pairs"
POLICIES = {
    "reject": "a comparison with a failed template counts as rejected: a false non-match if mated, never a false match",
    "exclude": "comparisons with a failed template are left out of every denominator",
    "accept": "a comparison with a failed template counts as accepted: a false match if non-mated",
}
COLUMNS = heads(
    "Group; FMR | false match rate; False matches | of non-mated comparisons; FNMR | false non-match rate; False "
    "non-matches | of mated comparisons"
)
SCALE = "log scale, the same at all thresholds; hatched: no false match seen, or no comparison"
D_PRIME = "d\N{PRIME}"
SPREAD_COLUMNS = heads(
    "Group; Non-mated | scored comparisons; Mean | standard deviation; Mated | scored comparisons; Mean | standard "
    f"deviation; {D_PRIME} | separation"
)


class Verify:
    """Views of one verify or pairs run."""

    def __init__(self, results: types.Verify, tally: Tally, palette: Palette, prefix: str) -> None:
        self.results, self.tally, self.palette, self.prefix = results, tally, palette, prefix
        self.failed: Failed = results["failed_policy"]
        self._estimates: dict[tuple[str, str, frozenset[str], float], Estimate] = {
            (e["metric"], e["grouping"], frozenset((e["group_a"], e["group_b"])), e["threshold"]): e
            for e in results["estimates"]
        }

    def names(self, grouping: str) -> list[str]:
        """Groups of a grouping, in the order of their names."""
        return sorted({e["group_a"] for e in self.results["estimates"] if e["grouping"] == grouping})

    def estimate(self, metric: str, grouping: str, a: str, b: str, threshold: float) -> Estimate | None:
        """The estimate between two groups in either order."""
        return self._estimates.get((metric, grouping, frozenset((a, b)), threshold))

    def within(self, metric: str, grouping: str, name: str, threshold: float) -> Estimate:
        """The estimate within one group."""
        return self._estimates[metric, grouping, frozenset((name,)), threshold]

    def pooled(self, metric: str, grouping: str, threshold: float) -> Estimate:
        """All pairs of one labelled group together; sums of counts without an interval where none was estimated."""
        found = differentials.at(self.results, grouping, threshold)
        if metric == "fmr" and found is not None:
            return found["impostors"]["same_group"]
        rows = [self.within(metric, grouping, name, threshold) for name in parts.labelled(self.names(grouping))]
        k, n = sum(e["k"] for e in rows), sum(e["n"] for e in rows)
        note = "sum of rows, no interval" if n else f"0 {'non-' * (metric == 'fmr')}mated comparisons"
        ends = bare({"value": k / n if n else None, "reason": note})
        return types.estimate(ends, k=k, n=n, level=LEVEL)

    def points(self) -> list[Point]:
        """What was measured at each threshold."""
        return [
            differentials.point(self.results, self.palette, t, self._table(t), heat_maps=self._heat_maps(t))
            for t in self.results["thresholds"]
        ]

    def figures(self) -> list[Figure]:
        """Trade-offs and histograms by grouping; of everything if there is no group."""
        chosen = parts.drawn_groupings(self.results)
        return [figure for g in chosen for figure in (*self._tradeoff(g), *self._histograms(g))]

    def spreads(self) -> Iterator[Table]:
        """Mean and standard deviation of all scores; no table where there are none."""
        moments = self.results.get("moments")
        if moments is None or not moments["groups"]:
            return
        within = {(m["grouping"], m["group_a"]): m for m in moments["groups"] if m["group_a"] == m["group_b"]}
        bodies: list[tuple[str, Sequence[Row]]] = [("", [Row(ALL_PAIRS, _spread(within[ALL, ALL]), is_total=True)])]
        for grouping in parts.groupings(self.results):
            rows = [Row(n, _spread(m), self.palette[g, n].swatch) for (g, n), m in within.items() if g == grouping]
            bodies.append((f"Both of the same {words.grouping(grouping)}", rows))
        notes = [
            "Of every comparison with a score, whatever the threshold; pairs of different groups are in results.json.",
            f"{D_PRIME} is the difference of both means over the root of the mean variance. It has no interval.",
            f"Checksum of the counts {moments['checksum']}.",
        ]
        yield Table("Mean and standard deviation of all scores", SPREAD_COLUMNS, bodies, notes, True)

    def failures(self) -> Table:
        """Comparisons without a score, by group pair."""
        cells = [*self.results["overall"], *(c for c in self.results["cells"] if c["grouping"] != ALL)]
        rows = []
        for c in cells:
            is_total = c["grouping"] == ALL
            counts = ["mated" if c["mated"] else "non-mated", f"{c['trials']:,}", f"{c['unscored']:,}"]
            if c["trials"] and (c["unscored"] or is_total):
                label = ALL_PAIRS if is_total else pair_name(c["group_a"], c["group_b"])
                rows.append(Row(label, counts, is_total=is_total))
        columns = heads("Groups; Comparisons; All; Without a score | a template failed")
        total = sum(c["unscored"] for c in self.results["overall"])
        notes = [] if total else ["Every comparison has a score: no template failed."]
        notes.append(f"Policy “{self.failed}”: {POLICIES[self.failed]}.")
        return Table("Failed templates (failures to enrol)", columns, [("", rows)], notes, True)

    def _table(self, threshold: float) -> Table:
        total = self._row(ALL_PAIRS, ALL, ALL, threshold, is_total=True)
        bodies: list[tuple[str, Sequence[Row]]] = [("", [total])]
        notes: list[str] = []
        for grouping in parts.groupings(self.results):
            rows = [self._row(name, grouping, name, threshold) for name in self.names(grouping)]
            bodies.append((f"Both of the same {words.grouping(grouping)}", [self._pooled(grouping, threshold), *rows]))
            notes += self._mixed_mates(grouping, threshold)
        return Table("Error rates at this threshold, with 95% intervals", COLUMNS, bodies, notes)

    def _row(self, label: str, grouping: str, name: str, threshold: float, *, is_total: bool = False) -> Row:
        fmr, fnmr = (self.within(metric, grouping, name, threshold) for metric in ("fmr", "fnmr"))
        return Row(label, _both(fmr, fnmr), self.palette[grouping, name].swatch, is_total)

    def _pooled(self, grouping: str, threshold: float) -> Row:
        """All same-group pairs together: sums of counts, without an interval of their own."""
        fmr, fnmr = (self.pooled(metric, grouping, threshold) for metric in ("fmr", "fnmr"))
        return Row("same-group pairs", _both(fmr, fnmr), is_total=True)

    def _mixed_mates(self, grouping: str, threshold: float) -> list[str]:
        """Mated comparisons between two labels: of people whose templates carry both."""
        found = [e for e in self.results["estimates"] if e["grouping"] == grouping and e["threshold"] == threshold]
        mixed = [e for e in found if e["metric"] == "fnmr" and e["group_a"] != e["group_b"]]
        return [
            f"Mated comparisons of people who carry both labels {e['group_a']} and {e['group_b']} belong to no row: "
            f"{e['k']:,} of {e['n']:,} were rejected."
            for e in mixed
        ]

    def _heat_maps(self, threshold: float) -> dict[str, list[HeatMap]]:
        """By grouping, of those with two groups or more."""
        several = [g for g in parts.groupings(self.results) if len(parts.labelled(self.names(g))) > 1]
        return {g: [self._heat_map(g, threshold)] for g in several}

    def _heat_map(self, grouping: str, threshold: float) -> HeatMap:
        of_all = [e for e in self.results["estimates"] if e["grouping"] == grouping and e["metric"] == "fmr"]
        scale, ends = heat_scale([e for e in of_all if len(parts.labelled([e["group_a"], e["group_b"]])) == 2])
        names = parts.labelled(self.names(grouping))
        cells = [[self._heat_cell(grouping, a, b, threshold, scale) for b in names] for a in names]
        caption = f"False match rate between groups of {words.grouping(grouping)} at {words.score(threshold)}"
        note = (
            "A cell holds the non-mated comparisons of a person of its row's group with a person of its column's. The "
            "diagonal is within a group. People without a label are left out."
        )
        return HeatMap(caption, "", names, names, cells, *ends, scale=SCALE, notes=[note])

    def _heat_cell(self, grouping: str, a: str, b: str, threshold: float, scale: LogScale | None) -> HeatCell:
        estimate = self.estimate("fmr", grouping, a, b, threshold)
        if estimate is None:
            return HeatCell(RateCell("not counted", False, "", "0 / 0"), None, f"{a} with {b}: not counted")
        return heat_cell(estimate, f"{a} with {b}", scale)

    def _tradeoff(self, grouping: str) -> Iterator[Figure]:
        columns = parts.columns_of(grouping)
        names = self.names(grouping) if columns else []
        curves = {name: self._curve(name, grouping, name, Group.within(columns, name)) for name in names}
        left_out = [name for name in names if not curves[name]]
        drawn = [s for s in (self._curve(ALL_PAIRS, ALL, ALL, EVERYBODY), *curves.values()) if s]
        if not drawn:
            return
        alt = (
            "Detection error trade-off: false non-match rate against false match rate, both logarithmic, for "
            f"{words.listed([s.name for s in drawn])}. The tables above hold the marked points."
        )
        x = charts.Axis("false match rate (FMR), log scale", "FMR", exponent=True)
        y = charts.Axis("false non-match rate (FNMR), log scale", "FNMR")
        yield Figure(
            f"{self.prefix}-det-{'-'.join(columns) or ALL}",
            f"Trade-off at every threshold{parts.by(grouping)} (DET)",
            "Nearer to the lower left corner is better. Each line is a group: its false matches are of comparisons "
            "between two people of that group. Points are the thresholds reported above, bars their 95% intervals: at "
            "one threshold, groups lie at different places. Steps join counted thresholds, those less than 1/80 of a "
            "decade apart left out; nothing is interpolated, and thresholds without errors of both kinds cannot be "
            "drawn on a logarithm.",
            charts.tradeoff(drawn, x, y, alt=alt),
            parts.legend(drawn),
            parts.few_trials_note(left_out, "mated or non-mated comparisons, or without errors"),
        )

    def _curve(self, label: str, grouping: str, name: str, group: Group) -> Series | None:
        marks = [
            (t, self.within("fmr", grouping, name, t), self.within("fnmr", grouping, name, t))
            for t in self.results["thresholds"]
        ]
        style = EVERYTHING if grouping == ALL else self.palette[grouping, name]
        return tradeoff_series(self.tally, label, style, group=group, marks=marks, failed=self.failed)

    def _histograms(self, grouping: str) -> Iterator[Figure]:
        columns = parts.columns_of(grouping)
        picked = {mated: list(self._picked(columns, grouping, mated)) for mated in (False, True)}
        axis = self.tally.plan.axis
        ends = bin_ends([h for found in picked.values() for _, _, h in found], axis)
        if len(ends) == 1:
            # Every score is on one side of the only edge.
            return
        domain = (float(axis[ends[0]]), float(axis[ends[-1]]))
        thresholds = self.results["thresholds"]
        lines = f" Dashed lines: {words.listed([words.exact(t) for t in thresholds])}." if thresholds else ""
        for mated, found in picked.items():
            drawn = [
                Series(label, EVERYTHING if group == ALL else self.palette[grouping, group], share_rows(h, axis, ends))
                for label, group, h in found
                if h.trials - h.unscored >= MIN_CHART_TRIALS
            ]
            if not drawn:
                continue
            kind = "mated" if mated else "non-mated"
            whose = "of the same person" if mated else "of two different people, within each group"
            if not knows_people(self.tally):
                whose = f"listed as {kind}"
            alt = f"Histogram of the scores of {kind} comparisons for {words.listed([s.name for s in drawn])}."
            left_out = [label for label, _, h in found if h.trials - h.unscored < MIN_CHART_TRIALS]
            yield Figure(
                f"{self.prefix}-{kind}-{'-'.join(columns) or ALL}",
                f"Scores of {kind} comparisons{parts.by(grouping)}",
                f"Comparisons {whose}: the share of each group's scored comparisons in each bin.{lines}",
                charts.shares(drawn, title="share per bin", domain=domain, thresholds=thresholds, alt=alt),
                parts.legend(drawn),
                parts.few_trials_note(left_out, f"{kind} comparisons"),
            )

    def _picked(self, columns: Sequence[str], grouping: str, mated: bool) -> Iterator[tuple[str, str, Histogram]]:
        yield ALL_PAIRS, ALL, self.tally.pick(mated=mated)
        for name in self.names(grouping) if columns else []:
            yield name, name, self.tally.pick(mated=mated, group=Group.within(columns, name))


def heat_scale(found: Iterable[Estimate]) -> tuple[LogScale | None, tuple[str, str]]:
    """The colours of these rates, and the ends of the scale in words; None without a rate above 0."""
    rates = [e["value"] for e in found if e["value"]]
    if not rates:
        return None, ("", "")
    return LogScale(min(rates), max(rates)), (words.scientific(min(rates)), words.scientific(max(rates)))


def heat_cell(estimate: Estimate, what: str, scale: LogScale | None, below: Sequence[str] = ()) -> HeatCell:
    """A rate in a heat map; without an error its bound, or the reason why there is none, stands in it."""
    cell, value = rate_cell(estimate, exponent=True), estimate["value"]
    tip = f"{what}: {cell.value}, {cell.interval}, {cell.share}"
    lines = [*([] if cell.is_number else [cell.interval]), *below]
    return HeatCell(cell, scale.shade(value) if scale and value else None, tip, lines)


def pair_name(a: str, b: str) -> str:
    """Two groups as words."""
    return f"within {a}" if a == b else f"{a} with {b}"


def _spread(moments: Spreads) -> list[Cell]:
    """A row of `SPREAD_COLUMNS`."""
    cells: list[Cell] = []
    for side in (moments["nonmated"], moments["mated"]):
        cells += [CountCell(words.count(side["n"])), _mean(side)]
    return [*cells, value_cell(bare(moments["d_prime"]), words.three_digits)]


def _mean(side: Spread) -> RateCell:
    if side["mean"] is None:
        return RateCell("not estimable", False, side["reason"])
    # Adding 0 takes the minus from a mean that rounds to -0.
    mean = words.score(round(side["mean"], 4) + 0.0)
    return RateCell(mean, True, side["reason"] if side["sd"] is None else words.score(side["sd"]))


def _both(fmr: Estimate, fnmr: Estimate) -> list[Cell]:
    return [*rate_and_counts(fmr, exponent=True), *rate_and_counts(fnmr)]
