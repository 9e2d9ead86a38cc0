"""1:1 comparisons as the page shows them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from frbench.metrics import Failed, knows_people
from frbench.plan import ALL
from frbench.report import charts, parts, words
from frbench.report.charts import Series
from frbench.report.curves import bin_ends, share_rows, tradeoff_series
from frbench.report.parts import MIN_CHART_TRIALS, Figure, HeatCell, HeatMap, Point, RatioRow, RatioTable, Row, Table
from frbench.report.style import EVERYTHING, LogScale, Palette
from frbench.report.words import CountCell, RateCell, rate_cell
from frbench.tally import Histogram, Tally

Estimate = dict[str, Any]
ALL_PAIRS = "all pairs"
HIGHER, LOWER, NO_DIFFERENCE, NO_STATEMENT = "higher", "lower", "no difference was detected", "no statement"
POLICIES = {
    "reject": "a comparison with a failed template counts as rejected: a false non-match if mated, never a false match",
    "exclude": "comparisons with a failed template are left out of every denominator",
    "accept": "a comparison with a failed template counts as accepted: a false match if non-mated",
}
COLUMNS = (
    ("Group", ""),
    ("FMR", "false match rate"),
    ("False matches", "of non-mated comparisons"),
    ("FNMR", "false non-match rate"),
    ("False non-matches", "of mated comparisons"),
)
D_PRIME = "d\N{PRIME}"
SPREAD_COLUMNS = (
    ("Group", ""),
    ("Non-mated", "scored comparisons"),
    ("Mean", "standard deviation"),
    ("Mated", "scored comparisons"),
    ("Mean", "standard deviation"),
    (D_PRIME, "separation"),
)


class Verify:
    """Views of one verify or pairs run."""

    def __init__(self, results: parts.Results, tally: Tally, palette: Palette, prefix: str) -> None:
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
        """All same-group pairs together: sums of counts, without an interval of their own."""
        found = [self.within(metric, grouping, name, threshold) for name in self.names(grouping)]
        k, n = (sum(e[x] for e in found) for x in ("k", "n"))
        note = "sum of rows, no interval" if n else f"0 {'non-' * (metric == 'fmr')}mated comparisons"
        value = k / n if n else None
        return {"k": k, "n": n, "value": value, "low": None, "high": None, "reason": note, "n_subjects": None}

    def points(self) -> list[Point]:
        """What was measured at each threshold."""
        return [
            Point(
                parts.point_title(self.results, t),
                parts.origin_lines(self.results, t),
                parts.weak_origins(self.results, t),
                self._table(t),
                [r for g in parts.groupings(self.results) if (r := self._ratio_table(g, t)).rows],
                [self._heat_map(g, t) for g in parts.groupings(self.results) if len(self.names(g)) > 1],
            )
            for t in self.results["thresholds"]
        ]

    def figures(self) -> list[Figure]:
        """Trade-offs and histograms by grouping; of everything if there is no group."""
        chosen = parts.groupings(self.results) or [ALL]
        return [figure for g in chosen for figure in (*self._tradeoff(g), *self._histograms(g))]

    def spreads(self) -> Iterator[Table]:
        """Mean and standard deviation of all scores; no table where there are none."""
        moments = self.results.get("moments", {"groups": []})
        within = {(m["grouping"], m["group_a"]): m for m in moments["groups"] if m["group_a"] == m["group_b"]}
        if not within:
            return
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
        cells = [c for c in (*self.results["overall"], *self.results["cells"]) if c["grouping"] != ALL]
        cells = [*self.results["overall"], *cells]
        rows = [
            Row(
                ALL_PAIRS if c["grouping"] == ALL else pair_name(c["group_a"], c["group_b"]),
                ["mated" if c["mated"] else "non-mated", f"{c['trials']:,}", f"{c['unscored']:,}"],
                is_total=c["grouping"] == ALL,
            )
            for c in cells
            if c["trials"] and (c["unscored"] or c["grouping"] == ALL)
        ]
        columns = (("Groups", ""), ("Comparisons", ""), ("All", ""), ("Without a score", "a template failed"))
        total = sum(c["unscored"] for c in self.results["overall"])
        note = "Every comparison has a score: no template failed." if total == 0 else ""
        policy = f"Policy “{self.failed}”: {POLICIES[self.failed]}."
        return Table(
            "Failed templates (failures to enrol)", columns, [("", rows)], [n for n in (note, policy) if n], True
        )

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
        fmr = self.within("fmr", grouping, name, threshold)
        fnmr = self.within("fnmr", grouping, name, threshold)
        cells: list[RateCell | CountCell | str] = [*_two(fmr, exponent=True), *_two(fnmr)]
        return Row(label, cells, self.palette[grouping, name].swatch, is_total)

    def _pooled(self, grouping: str, threshold: float) -> Row:
        """All same-group pairs together: sums of counts, without an interval of their own."""
        fmr, fnmr = (self.pooled(metric, grouping, threshold) for metric in ("fmr", "fnmr"))
        return Row("same-group pairs", [*_two(fmr, exponent=True), *_two(fnmr)], is_total=True)

    def _mixed_mates(self, grouping: str, threshold: float) -> list[str]:
        """Mated comparisons between two labels: of people whose templates carry both."""
        found = [e for e in self.results["estimates"] if e["grouping"] == grouping and e["threshold"] == threshold]
        mixed = [e for e in found if e["metric"] == "fnmr" and e["group_a"] != e["group_b"]]
        return [
            f"Mated comparisons of people who carry both labels {e['group_a']} and {e['group_b']} belong to no row: "
            f"{e['k']:,} of {e['n']:,} were rejected."
            for e in mixed
        ]

    def _heat_map(self, grouping: str, threshold: float) -> HeatMap:
        rates = [
            e["value"]
            for e in self.results["estimates"]
            if e["grouping"] == grouping and e["metric"] == "fmr" and e["value"]
        ]
        scale = LogScale(min(rates), max(rates)) if rates else None
        names = self.names(grouping)
        cells = [[self._heat_cell(grouping, a, b, threshold, scale) for b in names] for a in names]
        ends = (words.scientific(scale.low), words.scientific(scale.high)) if scale else ("", "")
        caption = f"False match rate between groups of {words.grouping(grouping)} at {words.score(threshold)}"
        note = (
            "A cell holds the non-mated comparisons of a person of its row's group with a person of its column's. The "
            "diagonal is within a group."
        )
        return HeatMap(caption, names, cells, *ends, notes=[note])

    def _heat_cell(self, grouping: str, a: str, b: str, threshold: float, scale: LogScale | None) -> HeatCell:
        estimate = self.estimate("fmr", grouping, a, b, threshold)
        if estimate is None:
            return HeatCell(RateCell("not counted", False, "", "0 / 0"), None)
        value = estimate["value"]
        return HeatCell(rate_cell(estimate, exponent=True), scale.shade(value) if scale and value else None)

    def _ratio_table(self, grouping: str, threshold: float) -> RatioTable:
        found = [r for r in self.results["ratios"] if r["grouping"] == grouping and r["threshold"] == threshold]
        ends = [x for r in found for x in (r["low"], r["value"], r["high"]) if x]
        # Whole powers of two, 1 always among them.
        low = math.floor(math.log2(min([0.5, *ends])))
        high = math.ceil(math.log2(max([2.0, *ends])))

        def place(x: float) -> float:
            return round(100 * (math.log2(x) - low) / (high - low), 2)

        stride = max(1, (high - low) // 5)
        ticks = [(place(2.0**i), _power(i)) for i in range(low, high + 1) if i % stride == 0]
        caption = (
            f"False match rate within a group of {words.grouping(grouping)}, as a multiple of the reference group's"
        )
        rows = [self._ratio_row(r, grouping, place) for r in found]
        return RatioTable(caption, rows, place(1.0), ticks)

    def _ratio_row(self, ratio: Estimate, grouping: str, place: Any) -> RatioRow:
        name, reference = ratio["group"][0], ratio["reference"][0]
        known = ratio["value"] is not None
        has_interval = ratio["low"] is not None
        ends = (
            f"{words.digits(ratio['low'])} to {words.digits(ratio['high'])}"
            if has_interval
            else words.reason(ratio["reason"])
        )
        counts = tuple(f"{k:,} / {n:,}" for k, n in zip(ratio["k"], ratio["n"], strict=True))
        return RatioRow(
            name,
            reference,
            words.digits(ratio["value"]) if known else "not estimable",
            ends,
            (counts[0], counts[1]),
            verdict(ratio),
            self.palette[grouping, name].swatch,
            place(ratio["low"]) if has_interval else None,
            place(ratio["value"]) if known and ratio["value"] else None,
            place(ratio["high"]) if has_interval else None,
        )

    def _tradeoff(self, grouping: str) -> Iterator[Figure]:
        columns = parts.columns_of(grouping)
        series = [self._curve(ALL_PAIRS, ALL, ALL, (), None)]
        left_out = []
        for name in self.names(grouping) if columns else []:
            curve = self._curve(name, grouping, name, columns, (name, name))
            series.append(curve)
            left_out += [] if curve else [name]
        drawn = [s for s in series if s]
        if not drawn:
            return
        alt = (
            f"Detection error trade-off: false non-match rate against false match rate, both logarithmic, for "
            f"{words.listed([s.name for s in drawn])}. The tables above hold the marked points."
        )
        x = charts.Axis("false match rate (FMR), log scale", "FMR", exponent=True)
        y = charts.Axis("false non-match rate (FNMR), log scale", "FNMR")
        by = f" by {words.grouping(grouping)}" if columns else ""
        yield Figure(
            f"{self.prefix}-det-{'-'.join(columns) or ALL}",
            f"Trade-off at every threshold{by} (DET)",
            alt,
            "Nearer to the lower left corner is better. Each line is a group: its false matches are of comparisons "
            "between two people of that group. Points are the thresholds reported above, bars their 95% intervals: at "
            "one threshold, groups lie at different places. Steps join counted thresholds, those less than 1/80 of "
            "a decade apart left out; nothing is interpolated, "
            "and thresholds without errors of both kinds cannot be drawn on a logarithm.",
            charts.tradeoff(drawn, x, y, alt=alt),
            parts.legend(drawn),
            parts.few_trials_note(left_out, "mated or non-mated comparisons, or without errors"),
        )

    def _curve(
        self, label: str, grouping: str, name: str, columns: Sequence[str], group: tuple[str, str] | None
    ) -> Series | None:
        marks = [
            (t, self.within("fmr", grouping, name, t), self.within("fnmr", grouping, name, t))
            for t in self.results["thresholds"]
        ]
        style = EVERYTHING if grouping == ALL else self.palette[grouping, name]
        return tradeoff_series(self.tally, label, style, columns=columns, group=group, marks=marks, failed=self.failed)

    def _histograms(self, grouping: str) -> Iterator[Figure]:
        columns = parts.columns_of(grouping)
        picked = {mated: list(self._picked(columns, grouping, mated)) for mated in (False, True)}
        axis = self.tally.plan.axis
        ends = bin_ends([h for found in picked.values() for _, _, h in found], axis)
        domain = (float(axis[ends[0]]), float(axis[ends[-1]]))
        thresholds = [float(t) for t in self.results["thresholds"]]
        lines = f" Dashed lines: {words.listed([words.exact(t) for t in thresholds])}." if thresholds else ""
        for mated, found in picked.items():
            drawn = [
                Series(label, EVERYTHING if group == ALL else self.palette[grouping, group], share_rows(h, axis, ends))
                for label, group, h in found
                if h.trials - h.unscored >= MIN_CHART_TRIALS
            ]
            if not drawn:
                continue
            kind = "Mated" if mated else "Non-mated"
            whose = "of the same person" if mated else "of two different people, within each group"
            if not knows_people(self.tally):
                whose = f"listed as {kind.lower()}"
            alt = f"Histogram of the scores of {kind.lower()} comparisons for {words.listed([s.name for s in drawn])}."
            left_out = [label for label, _, h in found if h.trials - h.unscored < MIN_CHART_TRIALS]
            yield Figure(
                f"{self.prefix}-{kind.lower()}-{'-'.join(columns) or ALL}",
                f"Scores of {kind.lower()} comparisons" + (f" by {words.grouping(grouping)}" if columns else ""),
                alt,
                f"Comparisons {whose}: the share of each group's scored comparisons in each bin.{lines}",
                charts.shares(drawn, title="share per bin", domain=domain, thresholds=thresholds, alt=alt),
                parts.legend(drawn),
                parts.few_trials_note(left_out, f"{kind.lower()} comparisons"),
            )

    def _picked(self, columns: Sequence[str], grouping: str, mated: bool) -> Iterator[tuple[str, str, Histogram]]:
        yield ALL_PAIRS, ALL, self.tally.pick(mated=mated)
        for name in self.names(grouping) if columns else []:
            yield name, name, self.tally.pick(mated=mated, grouping=columns, groups=(name, name))


def verdict(ratio: Estimate) -> str:
    """What the interval of a ratio says, and no more."""
    if ratio["value"] is None or ratio["low"] is None:
        return NO_STATEMENT
    if ratio["low"] > 1:
        return HIGHER
    return LOWER if ratio["high"] < 1 else NO_DIFFERENCE


def pair_name(a: str, b: str) -> str:
    """Two groups as words."""
    return f"within {a}" if a == b else f"{a} with {b}"


def _spread(moments: Estimate) -> list[RateCell | CountCell | str]:
    """A row of `SPREAD_COLUMNS`."""
    cells: list[RateCell | CountCell | str] = []
    for side in (moments["nonmated"], moments["mated"]):
        cells += [CountCell(words.count(side["n"])), _mean(side)]
    apart = moments["d_prime"]
    known = apart["value"] is not None
    cells.append(RateCell(words.digits(apart["value"], 3) if known else "not estimable", known, apart["reason"], ""))
    return cells


def _mean(side: Estimate) -> RateCell:
    if side["mean"] is None:
        return RateCell("not estimable", False, side["reason"], "")
    # Adding 0 takes the minus from a mean that rounds to -0.
    mean = words.score(round(side["mean"], 4) + 0.0)
    return RateCell(mean, True, side["reason"] if side["sd"] is None else words.score(side["sd"]), "")


def _two(estimate: Estimate, *, exponent: bool = False) -> tuple[RateCell, CountCell]:
    cell = rate_cell(estimate, exponent=exponent)
    return cell, CountCell(cell.share, words.people(estimate["n_subjects"]))


def _power(i: int) -> str:
    return f"{2**i:g}" if i >= 0 else f"1/{2**-i}"
