"""Shows exact searches beside others on the page: whom an index or fewer bits miss, and what that gains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from markupsafe import Markup

from frbench.page import charts, parts, words
from frbench.page.gallery_sizes import plain_cell
from frbench.page.parts import Block, Figure, Row, Table, View, heads, key_of, row_of, together
from frbench.page.style import Palette
from frbench.page.words import Cell, CountCell, RateCell, missing
from frbench.plan import ALL
from frbench.results import types
from frbench.terminal import figures
from frbench.terminal import shortcut_words as said

EVERYBODY = "all searches"
TITLES = {"ann": "Exact and approximate search", "precision": "Templates in fewer bits"}
ERRORS = {"fnir": ("Added misses", "Misses removed"), "fpir": ("Added false positives", "Hidden false positives")}
OfSystem = types.Recall | types.InsertionOrder | types.OwnThreshold


def view(results: types.Shortcut, palette: Palette, anchor: str) -> View:
    """A run of `frbench ann` or `frbench precision` as the page shows it."""
    found = Shortcuts(results, palette, anchor)
    return View(
        anchor=anchor,
        title=TITLES[results["kind"]],
        measured=said.method(results),
        summary=[("", [*found.sentences()])],
        explained=found.explained(),
        refused=parts.refused(results),
        tables=[found.systems()],
        figures=[*found.prices()],
        blocks=[*found.rates(), *found.gaps()],
        after=[*found.recall(), *found.reach(), *found.orders(), *found.own_thresholds()],
        pairs_figures=True,
    )


class Shortcuts:
    """Views of one run."""

    def __init__(self, results: types.Shortcut, palette: Palette, prefix: str) -> None:
        self.results, self.palette, self.prefix = results, palette, prefix
        self.asked = list(dict.fromkeys((r["metric"], r["threshold"], r["rank"]) for r in results["rows"]))

    def explained(self) -> list[tuple[str, str]]:
        """How figures came about."""
        changed = "searches that only the other search gets wrong, or only the exact one: the same probes"
        work = f"up to 1,000 probes a call, {said.at_work(self.results)}"
        found = [
            ("Added, removed", changed),
            ("Thresholds", self.results["threshold_rule"]),
            ("Intervals", self.results["interval"]),
            ("Time", f"{work}; searches took turns, and the median of five passes is given"),
        ]
        approximate = self.results.get("approximate")
        if approximate is not None:
            scored = "rows that the index proposes are scored by the definition: it can miss, and never misscore"
            found = [("Approximate", f"{said.index(approximate)}; {scored}"), *found]
        return found

    def sentences(self) -> Iterator[Markup]:
        """What is beyond doubt, and what is not."""
        yield from (Markup("{}.").format(sentence) for sentence in said.prices(self.results))
        gaps = self.results["gaps"]
        opened = filter(said.has_gap, gaps)
        yield from (Markup("{} ({}).").format(said.shown(gap), said.rate_name(gap)) for gap in opened)
        if gaps:
            yield Markup("{}.").format(words.sentence(said.unshown(self.results)).rstrip("."))
        reach = self.results.get("reach")
        for never in [share for share in reach["never"] if share["grouping"] == ALL][:1] if reach else []:
            text = Markup("{} of {} gallery members are returned by no search, at any effort.")
            yield text.format(words.count(never["k"]), words.count(never["n"]))

    def systems(self) -> Table:
        """Speed and size of every search."""
        results = self.results
        columns = heads(f"Search; Searches a second | {said.at_work(results)}; Slowest to fastest pass; Size")
        rows = [Row("exact", [*_speed(results["exact_queries"]), said.size(results["exact_bytes"])], is_total=True)]
        rows += [Row(s["name"], [*_speed(s["queries"]), said.system_size(results, s)]) for s in results["systems"]]
        reasons = [each["queries"]["reason"] for each in results["systems"] if each["queries"]["reason"]]
        return Table("Searches", columns, [("", rows)], list(dict.fromkeys(map(words.sentence, reasons))))

    def rates(self) -> Iterator[Block]:
        """Each rate in both searches, by group."""
        for metric, threshold, rank in self.asked:
            asked = (metric, threshold, rank)
            rows = [r for r in self.results["rows"] if (r["metric"], r["threshold"], r["rank"]) == asked]
            added, removed = ERRORS[metric]
            columns = heads(
                f"Group of the probe; Exact | 95% interval; Errors / trials; {said.here(self.results).capitalize()} | "
                f"95% interval; Errors; {added} | 95% interval;  | trials; {removed} | 95% interval;  | trials; "
                "Difference | paired, 95% interval"
            )
            bodies = [
                (s["name"], [self._rates(r) for r in rows if r["system"] == s["name"]]) for s in self.results["systems"]
            ]
            title = said.heading(metric, threshold, rank, self.results)
            yield Block(title, tables=[Table(f"{title}: {said.here(self.results)} beside exact", columns, bodies)])

    def gaps(self) -> Iterator[Block]:
        """Every group against the reference."""
        if not self.results["gaps"]:
            return
        columns = heads(
            f"Group | less the reference; Rate; Exact | difference; {said.here(self.results).capitalize()} | "
            "difference; Errors added | difference; Errors removed | difference"
        )
        rows = []
        for gap in self.results["gaps"]:
            contrasts = map(_contrast, (gap["exact"], gap["other"], gap["added"], gap["removed"]))
            cells: list[Cell] = [said.rate_name(gap), *contrasts]
            row = Row(f"{gap['group']} less {gap['reference']}", cells, self.palette[key_of(gap)].swatch)
            rows.append((gap["system"], row))
        note = "Intervals of one rate and grouping, over all groups and searches, hold together at 95%."
        yield Block("Gaps between groups", tables=[Table("Gaps between groups", columns, together(rows), [note])])

    def prices(self) -> Iterator[Figure]:
        """Errors added by group against searches a second, or against bytes a row."""
        for number, (metric, threshold, rank) in enumerate(self.asked, 1):
            if metric == "fnir":
                for grouping in parts.drawn_groupings(self.results):
                    yield from self._price(grouping, threshold, rank, number)

    def recall(self) -> Iterator[Table]:
        """Recall of lists by group."""
        rows = self.results.get("recall")
        if rows is None:
            return
        columns = heads("Group; Mean recall | 95% interval; Found | of rows to find; Lowest | of a probe")
        lowest = ("not estimable" if row["lowest"] is None else words.percent(row["lowest"]) for row in rows)
        cells: Iterator[list[Cell]] = ([*_counted(row["mean"]), least] for row, least in zip(rows, lowest, strict=True))
        bodies = self._by_system(rows, cells)
        note = "A returned row counts if its score is at or above that of the exact last; of equal rows any will do."
        yield Table(f"Recall of the best {self.results['k']} rows, approximate", columns, bodies, [note], True)

    def reach(self) -> Iterator[Table]:
        """Members that searches do not return."""
        reach = self.results.get("reach")
        if reach is None:
            return
        sizes = {key_of(e): e["templates"] for e in self.results["enrolled"]}
        columns = heads(
            "Group; Enrolled | templates; Returned by no search | at any effort; Members | of those with a template; "
            f"Not by its own search | at {reach['effort']}; Members | of those with a template"
        )
        rows = [
            self._row(never, [words.count(sizes[key_of(never)]), *_counted(never), *_counted(own)])
            for never, own in zip(reach["never"], reach["not_by_itself"], strict=True)
        ]
        notes = [f"No search: neither of itself nor of any probe, up to {reach['highest']}."]
        if reach["members"]:
            notes.append(f"Never returned: {words.listed(reach['members'])}.")
        caption = "Members of the gallery that searches do not return, approximate"
        yield Table(caption, columns, [("", rows)], notes, True)

    def orders(self) -> Iterator[Table]:
        """What the order of insertion changes."""
        rows = self.results.get("orders")
        if not rows:
            return
        rates = "First candidate changes | 95% interval; Searches; Mate first in some builds only | 95% interval"
        columns = [*heads(f"Group; {rates}; Mated searches"), ("Misses at rank 1", "file order; random ones")]
        missed = (list(map(words.count, row["missed"])) for row in rows)
        cells: Iterator[list[Cell]] = (
            [*_counted(row["changed"]), *_counted(row["flipped"]), CountCell(first, ", ".join(others))]
            for row, (first, *others) in zip(rows, missed, strict=True)
        )
        bodies = self._by_system(rows, cells)
        note = f"The same rows, inserted in the order of the file and in {self.results['rebuilds']} random ones."
        yield Table("Answers that depend on the order of insertion, approximate", columns, bodies, [note], True)

    def own_thresholds(self) -> Iterator[Table]:
        """Both searches at thresholds of their own."""
        rows = self.results.get("own_thresholds")
        if not rows:
            return
        columns = heads("Group; Rate; Exact | 95% interval; Stored | 95% interval; Difference | paired")
        cells: Iterator[list[Cell]] = (
            [f"{said.rate_name(row)} at {row['at']}", *map(plain_cell, (row["exact"], row["other"])), _net(row["net"])]
            for row in rows
        )
        bodies = self._by_system(rows, cells)
        note = (
            "Each search has the threshold that it meets the target with; thresholds are set again without each block."
        )
        yield Table("At thresholds of their own", columns, bodies, [note], True)

    def _by_system(self, rows: Sequence[OfSystem], cells: Iterable[Sequence[Cell]]) -> list[tuple[str, list[Row]]]:
        return together((row["system"], self._row(row, own)) for row, own in zip(rows, cells, strict=True))

    def _row(self, row: types.OfGroup, cells: Sequence[Cell]) -> Row:
        return row_of(row, cells, self.palette, EVERYBODY)

    def _rates(self, row: types.ShortcutRow) -> Row:
        others = (row["other"], row["added"], row["removed"])
        cells = [cell for each in others for cell in (plain_cell(each), words.count(each["k"]))]
        return self._row(row, [*_counted(row["exact"]), *cells, _net(row["net"])])

    def _price(self, grouping: str, threshold: float | None, rank: int | None, number: int) -> Iterator[Figure]:
        gains = {s["name"]: _gain(s) for s in self.results["systems"]}
        rows = [
            row
            for row in self.results["rows"]
            if (row["metric"], row["threshold"], row["rank"]) == ("fnir", threshold, rank)
            and row["grouping"] in (ALL, grouping)
        ]
        labelled = (row for row in rows if row["grouping"] == ALL or parts.labelled([row["group"]]))
        points = ((row, _point(row, gains[row["system"]])) for row in labelled)
        series = parts.series_of(points, self.palette, EVERYBODY)
        if not series:
            return
        is_ann = "approximate" in self.results
        gain = f"searches a second in {said.at_work(self.results)}, log scale" if is_ann else "bytes a row"
        title = said.heading("fnir", threshold, rank, self.results)
        alt = f"Misses that the other search adds, by {grouping}, against {gain}: {title}."
        yield Figure(
            f"{self.prefix}-price-{grouping.replace(',', '-')}-{number}",
            f"Added misses: {title}",
            f"Bars are 95% intervals of added misses; each point is one search, {said.here(self.results)}.",
            charts.price(series, gain=gain, errors=f"added {title.split(',')[0]}", is_log=is_ann, alt=alt),
            parts.legend(series),
        )


def _gain(system: types.System) -> float | None:
    return system["reduced"]["bytes_per_row"] if "reduced" in system else system["queries"]["per_s"]


def _point(row: types.ShortcutRow, gain: float | None) -> charts.Row | None:
    """Errors added against the gain, where that and the interval are known."""
    added = row["added"]
    if gain is None or added["value"] is None or added["low"] is None:
        return None
    found = {"gain": round(gain, 3), "value": added["value"], "low": added["low"], "high": added["high"]}
    return found | {"system": row["system"], "text": words.percent(added["value"]), "kn": words.share(added)}


def _speed(found: types.Speed) -> tuple[RateCell, str]:
    per_s, low, high = found["per_s"], found["low"], found["high"]
    if per_s is None or low is None or high is None:
        return missing(found["reason"]), ""
    return RateCell(said.speed(per_s)), f"{said.speed(low)} to {said.speed(high)}"


def _counted(estimate: types.Estimate) -> tuple[RateCell, CountCell]:
    return plain_cell(estimate), CountCell(words.count(estimate["k"]), f"of {words.count(estimate['n'])}")


def _net(net: types.Net) -> RateCell:
    return _contrast({"value": net["difference"], "low": net["low"], "high": net["high"], "reason": net["reason"]})


def _contrast(found: types.Range) -> RateCell:
    return words.value_cell(found, figures.percent)
