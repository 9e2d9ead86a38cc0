"""Shortcuts as the page shows them: searches that were made exactly and otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from frbench.finished_run import FinishedRun
from frbench.page import parts, shortcut_charts, words
from frbench.page.charts import Series
from frbench.page.gallery_sizes import rate as sized_rate
from frbench.page.parts import Block, Figure, Row, Table, View
from frbench.page.style import Palette
from frbench.page.words import CountCell, RateCell
from frbench.plan import ALL
from frbench.terminal import figures
from frbench.terminal.shortcut_words import (
    at_work,
    has_gap,
    heading,
    here,
    index,
    method,
    prices,
    rate_name,
    shown,
    size,
    speed,
    unshown,
)

EVERYBODY = "all searches"
TITLES = {"ann": "Exact and approximate search", "precision": "Templates in fewer bits"}
ERRORS = {"fnir": ("Added misses", "Misses removed"), "fpir": ("Added false positives", "Hidden false positives")}
Cells = list[RateCell | CountCell | str]
Found = Mapping[str, Any]


def view(section: FinishedRun, palette: Palette, anchor: str) -> View:
    """A run of `frbench ann` or `frbench precision` as the page shows it."""
    results = section.results
    found = Shortcuts(results, palette, anchor)
    return View(
        anchor=anchor,
        title=TITLES[results["kind"]],
        measured=method(results),
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

    def __init__(self, results: parts.Results, palette: Palette, prefix: str) -> None:
        self.results, self.palette, self.prefix = results, palette, prefix
        self.asked = list(dict.fromkeys((r["metric"], r["threshold"], r["rank"]) for r in results["rows"]))

    def explained(self) -> list[tuple[str, str]]:
        """How figures came about."""
        found = [
            (
                "Added, removed",
                "searches that only the other search gets wrong, or only the exact one: the same probes",
            ),
            ("Thresholds", self.results["threshold_rule"]),
            ("Intervals", self.results["interval"]),
            (
                "Time",
                f"up to 1,000 probes a call, {at_work(self.results)}; searches took turns, and the median of five "
                "passes is given",
            ),
        ]
        approximate = self.results.get("approximate")
        if approximate is not None:
            scored = "rows that the index proposes are scored by the definition: it can miss, and never misscore"
            found = [("Approximate", f"{index(approximate)}; {scored}"), *found]
        return found

    def sentences(self) -> Iterator[Markup]:
        """What is beyond doubt, and what is not."""
        yield from (Markup("{}.").format(sentence) for sentence in prices(self.results))
        gaps = self.results["gaps"]
        opened = [gap for gap in gaps if has_gap(gap)]
        for gap in opened:
            yield Markup("{} ({}).").format(shown(gap), rate_name(gap))
        if gaps:
            yield Markup("{}.").format(words.sentence(unshown(self.results)).rstrip("."))
        never = next((s for s in self.results.get("reach", {}).get("never", ()) if s["grouping"] == ALL), None)
        if never is not None:
            yield Markup("{} of {} gallery members are returned by no search, at any effort.").format(
                words.count(never["k"]), words.count(never["n"])
            )

    def systems(self) -> Table:
        """Speed and size of every search."""
        results = self.results
        columns = [
            ("Search", ""),
            ("Searches a second", at_work(results)),
            ("Slowest to fastest pass", ""),
            ("Size", ""),
        ]
        rows = [Row("exact", [*_speed(results["exact_queries"]), size(results["exact_bytes"])], is_total=True)]
        for system in results["systems"]:
            reduced = system.get("reduced")
            own = size(results["index_bytes"]) if reduced is None else f"{reduced['bytes_per_row']:,} bytes a row"
            rows.append(Row(system["name"], [*_speed(system["queries"]), own]))
        reasons = [each["queries"]["reason"] for each in results["systems"] if each["queries"]["reason"]]
        return Table("Searches", columns, [("", rows)], list(dict.fromkeys(map(words.sentence, reasons))))

    def rates(self) -> Iterator[Block]:
        """Each rate in both searches, by group."""
        for metric, threshold, rank in self.asked:
            rows = [
                r for r in self.results["rows"] if (r["metric"], r["threshold"], r["rank"]) == (metric, threshold, rank)
            ]
            added, removed = ERRORS[metric]
            columns = [
                ("Group of the probe", ""),
                ("Exact", "95% interval"),
                ("Errors / trials", ""),
                (here(self.results).capitalize(), "95% interval"),
                ("Errors", ""),
                (added, "95% interval"),
                ("", "trials"),
                (removed, "95% interval"),
                ("", "trials"),
                ("Difference", "paired, 95% interval"),
            ]
            bodies = [
                (s["name"], [self._rates(r) for r in rows if r["system"] == s["name"]]) for s in self.results["systems"]
            ]
            title = heading(metric, threshold, rank, self.results)
            yield Block(title, tables=[Table(f"{title}: {here(self.results)} beside exact", columns, bodies)])

    def gaps(self) -> Iterator[Block]:
        """Every group against the reference."""
        if not self.results["gaps"]:
            return
        columns = [
            ("Group", "less the reference"),
            ("Rate", ""),
            ("Exact", "difference"),
            (here(self.results).capitalize(), "difference"),
            ("Errors added", "difference"),
            ("Errors removed", "difference"),
        ]
        bodies: dict[str, list[Row]] = {}
        for gap in self.results["gaps"]:
            cells: Cells = [rate_name(gap), *(_contrast(gap[part]) for part in ("exact", "other", "added", "removed"))]
            swatch = self.palette[gap["grouping"], gap["group"]].swatch
            row = Row(f"{gap['group']} less {gap['reference']}", cells, swatch)
            bodies.setdefault(gap["system"], []).append(row)
        note = "Intervals of one rate and grouping, over all groups and searches, hold together at 95%."
        yield Block("Gaps between groups", tables=[Table("Gaps between groups", columns, list(bodies.items()), [note])])

    def prices(self) -> Iterator[Figure]:
        """Errors added by group against searches a second, or against bytes a row."""
        for number, (metric, threshold, rank) in enumerate(self.asked, 1):
            if metric == "fnir":
                for grouping in parts.groupings(self.results) or [ALL]:
                    yield from self._price(grouping, threshold, rank, number)

    def recall(self) -> Iterator[Table]:
        """Recall of lists by group."""
        rows = self.results.get("recall")
        if rows is None:
            return
        columns = [
            ("Group", ""),
            ("Mean recall", "95% interval"),
            ("Found", "of rows to find"),
            ("Lowest", "of a probe"),
        ]
        bodies = self._by_system(
            rows,
            lambda row: [
                _rate(row["mean"]),
                CountCell(words.count(row["mean"]["k"]), f"of {words.count(row['mean']['n'])}"),
                "not estimable" if row["lowest"] is None else words.percent(row["lowest"]),
            ],
        )
        note = "A returned row counts if its score is at or above that of the exact last; of equal rows any will do."
        yield Table(f"Recall of the best {self.results['k']} rows, approximate", columns, bodies, [note], True)

    def reach(self) -> Iterator[Table]:
        """Members that searches do not return."""
        reach = self.results.get("reach")
        if reach is None:
            return
        sizes = {(e["grouping"], e["group"]): e["templates"] for e in self.results["enrolled"]}
        columns = [
            ("Group", ""),
            ("Enrolled", "templates"),
            ("Returned by no search", "at any effort"),
            ("Members", "of those with a template"),
            ("Not by its own search", f"at {reach['effort']}"),
            ("Members", "of those with a template"),
        ]
        rows = [
            self._row(
                never,
                [
                    words.count(sizes[never["grouping"], never["group"]]),
                    *(cell for each in (never, own) for cell in (_rate(each), _counts(each))),
                ],
            )
            for never, own in zip(reach["never"], reach["not_by_itself"], strict=True)
        ]
        notes = [f"No search: neither of itself nor of any probe, up to {reach['highest']}."]
        if reach["members"]:
            notes.append(f"Never returned: {words.listed(reach['members'])}.")
        yield Table(
            "Members of the gallery that searches do not return, approximate", columns, [("", rows)], notes, True
        )

    def orders(self) -> Iterator[Table]:
        """What the order of insertion changes."""
        if not self.results.get("orders"):
            return
        columns = [
            ("Group", ""),
            ("First candidate changes", "95% interval"),
            ("Searches", ""),
            ("Mate first in some builds only", "95% interval"),
            ("Mated searches", ""),
            ("Misses at rank 1", "file order; random ones"),
        ]
        bodies = self._by_system(
            self.results["orders"],
            lambda row: [
                *(cell for part in ("changed", "flipped") for cell in (_rate(row[part]), _counts(row[part]))),
                CountCell(words.count(row["missed"][0]), ", ".join(map(words.count, row["missed"][1:]))),
            ],
        )
        note = f"The same rows, inserted in the order of the file and in {self.results['rebuilds']} random ones."
        yield Table("Answers that depend on the order of insertion, approximate", columns, bodies, [note], True)

    def own_thresholds(self) -> Iterator[Table]:
        """Both searches at thresholds of their own."""
        rows = self.results.get("own_thresholds")
        if not rows:
            return
        columns = [
            ("Group", ""),
            ("Rate", ""),
            ("Exact", "95% interval"),
            ("Stored", "95% interval"),
            ("Difference", "paired"),
        ]
        bodies = self._by_system(
            rows,
            lambda row: [
                f"{rate_name(row)} at {row['at']}",
                _rate(row["exact"]),
                _rate(row["other"]),
                _net(row["net"]),
            ],
        )
        note = (
            "Each search has the threshold that it meets the target with; thresholds are set again without each block."
        )
        yield Table("At thresholds of their own", columns, bodies, [note], True)

    def _by_system(self, rows: list[Any], cells: Any) -> list[tuple[str, list[Row]]]:
        found: dict[str, list[Row]] = {}
        for row in rows:
            found.setdefault(row["system"], []).append(self._row(row, cells(row)))
        return list(found.items())

    def _row(self, row: Found, cells: Cells) -> Row:
        is_total = row["grouping"] == ALL
        swatch = self.palette[row["grouping"], row["group"]].swatch
        return Row(EVERYBODY if is_total else str(row["group"]), cells, swatch, is_total)

    def _rates(self, row: Found) -> Row:
        cells: Cells = [_rate(row["exact"]), _counts(row["exact"]), _rate(row["other"]), words.count(row["other"]["k"])]
        for part in ("added", "removed"):
            cells += [_rate(row[part]), words.count(row[part]["k"])]
        return self._row(row, [*cells, _net(row["net"])])

    def _price(self, grouping: str, threshold: float | None, rank: int, number: int) -> Iterator[Figure]:
        gains = {s["name"]: _gain(s) for s in self.results["systems"]}
        rows = [
            row
            for row in self.results["rows"]
            if (row["metric"], row["threshold"], row["rank"]) == ("fnir", threshold, rank)
            and row["grouping"] in (ALL, grouping)
            and row["added"]["low"] is not None
            and gains[row["system"]] is not None
        ]
        keys = list(dict.fromkeys((row["grouping"], row["group"]) for row in rows))
        labelled = [key for key in keys if key[0] == ALL or parts.labelled([key[1]])]
        series = [
            Series(
                EVERYBODY if key[0] == ALL else key[1],
                self.palette[key],
                [_point(row, gains[row["system"]]) for row in rows if (row["grouping"], row["group"]) == key],
            )
            for key in labelled
        ]
        if not series:
            return
        is_ann = "approximate" in self.results
        gain = f"searches a second in {at_work(self.results)}, log scale" if is_ann else "bytes a row"
        title = heading("fnir", threshold, rank, self.results)
        alt = f"Misses that the other search adds, by {grouping}, against {gain}: {title}."
        yield Figure(
            f"{self.prefix}-price-{grouping.replace(',', '-')}-{number}",
            f"Added misses: {title}",
            alt,
            f"Bars are 95% intervals of added misses; each point is one search, {here(self.results)}.",
            shortcut_charts.price(series, gain=gain, errors=f"added {title.split(',')[0]}", is_log=is_ann, alt=alt),
            parts.legend(series),
        )


def _gain(system: Found) -> float | None:
    reduced = system.get("reduced")
    gain: float | None = system["queries"]["per_s"] if reduced is None else reduced["bytes_per_row"]
    return gain


def _point(row: Found, gain: Any) -> dict[str, Any]:
    added = row["added"]
    return {
        "gain": round(gain, 3),
        "value": added["value"],
        "low": added["low"],
        "high": added["high"],
        "system": row["system"],
        "text": words.percent(added["value"]),
        "kn": f"{added['k']:,} / {added['n']:,}",
    }


def _speed(found: Found) -> tuple[RateCell, str]:
    if found["per_s"] is None:
        return RateCell("not estimable", False, words.reason(found["reason"]), ""), ""
    return RateCell(speed(found["per_s"]), True, "", ""), f"{speed(found['low'])} to {speed(found['high'])}"


def _rate(estimate: Found) -> RateCell:
    return sized_rate({**estimate, "state": "measured"})


def _counts(estimate: Found) -> CountCell:
    return CountCell(words.count(estimate["k"]), f"of {words.count(estimate['n'])}")


def _net(net: Found) -> RateCell:
    return _contrast({"value": net["difference"], "low": net["low"], "high": net["high"], "reason": net["reason"]})


def _contrast(found: Found) -> RateCell:
    if found["value"] is None:
        return RateCell("not estimable", False, words.reason(found["reason"]), "")
    ends = words.reason(found["reason"]) if found["low"] is None else figures.interval(found, figures.percent)
    return RateCell(figures.percent(found["value"]), True, ends.replace(" - ", " to "), "")
