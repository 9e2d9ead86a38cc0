"""Load as the page shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from markupsafe import Markup

from frbench.finished_run import FinishedRun
from frbench.page import load_charts, parts, words
from frbench.page.charts import Series
from frbench.page.latency import EVERYTHING, percentile, quantile_cell, unit_of
from frbench.page.parts import Figure, Row, Table, View
from frbench.page.style import Palette
from frbench.page.words import CountCell, RateCell
from frbench.plan import ALL

TITLE = "Search under load"
DRAWN = (0.5, 0.99)
FEW_LOADS = 2


def view(section: FinishedRun, palette: Palette, anchor: str) -> View:
    """A load run as the page shows it."""
    results = section.results
    found = Load(results, palette, anchor)
    return View(
        anchor=anchor,
        title=TITLE,
        measured=found.measured(),
        summary=found.sentences(),
        explained=(
            ("Scenario", f"{results['scenario']}: {results['meaning']}"),
            ("Timer", results["timer"]),
            ("No answer", "a request that was refused, failed or timed out counts as later than any other"),
            ("Warm-up", f"{results['warm_up_s']:g} s of requests before each measurement, sent and not counted"),
            ("Resolution", results["resolution"]),
        ),
        tables=[found.loads(), *found.times(), *found.trials()],
        figures=[*found.curves(), *found.seconds()],
        pairs_figures=True,
    )


class Load:
    """Views of one load run."""

    def __init__(self, results: parts.Results, palette: Palette, prefix: str) -> None:
        self.results, self.palette, self.prefix = results, palette, prefix

    def measured(self) -> str:
        """What was sent, for a newcomer."""
        results = self.results
        requests = words.plural(sum(load["requests"] for load in results["loads"]), "request")
        return (
            f"{requests} in {words.plural(results['runs'], 'run')} at {words.plural(len(results['loads']), 'load')}, "
            f"each a search for the {results['k']} best of gallery {results['gallery']} with "
            f"{words.plural(results['batch'], 'probe')} of dimension {results['dimension']}."
        )

    def sentences(self) -> list[tuple[str, list[Markup]]]:
        """What the run shows."""
        found = [(self.title_of(load), [*self._of_load(load)]) for load in self.results["loads"]]
        slo = self.results["slo"]
        if slo is not None:
            found.insert(0, (f"Objective {slo['objective']}", [_objective(slo)]))
        return found

    def loads(self) -> Table:
        """What was offered and what was achieved."""
        columns = [
            ("Load", ""),
            ("Offered", "requests a second"),
            ("Achieved", "answers a second"),
            ("Requests", ""),
            ("Answered", ""),
            ("Without an answer", ""),
            ("Generator's lag", "99th percentile"),
        ]
        rows = [Row(self.title_of(load), self._facts(load)) for load in self.results["loads"]]
        saturated = self.results["saturation_per_s"]
        notes = [] if saturated is None else [f"Saturation, in a closed loop: {saturated:,.0f} answers a second."]
        late = [self.title_of(load) for load in self.results["loads"] if load["is_generator_late"]]
        if late:
            notes.append(f"Generator was late at {words.listed(late)}: by more than 1 ms at the 99th percentile.")
        return Table("Load", columns, [("", rows)], notes)

    def times(self) -> list[Table]:
        """Percentiles of each load by group, of all requests and of those answered."""
        return [self._times(load) for load in self.results["loads"]]

    def trials(self) -> list[Table]:
        """What was tried to meet an objective."""
        slo = self.results["slo"]
        if slo is None:
            return []
        columns = [("Rate", "requests a second"), ("Requests", ""), ("Late or failed", ""), ("Objective", "")]
        rows = [
            Row(
                f"{t['rate']:,.1f}",
                [
                    f"{t['requests']:,}",
                    f"{t['late']:,}",
                    ("met" if t["is_met"] else "not met") + (", generator was late" if t["is_generator_late"] else ""),
                ],
            )
            for t in slo["trials"]
        ]
        note = f"Met: shown at 99% confidence that no more than {1 - slo['q']:.3g} of all requests are late or fail."
        return [Table(f"Rates tried for {slo['objective']}", columns, [("", rows)], [note])]

    def curves(self) -> Iterator[Figure]:
        """Latency against offered load, a line for each group."""
        if len(self.results["loads"]) < FEW_LOADS or self.results["loads"][0]["rate"] is None:
            return
        for grouping in parts.groupings(self.results) or [ALL]:
            for q in DRAWN:
                yield from self._curve(grouping, q)

    def seconds(self) -> Iterator[Figure]:
        """Each second of the measurements of one load."""
        if len(self.results["loads"]) > 1:
            return
        measured = self.results["measurements"]
        known = [s["longest_ns"] for m in measured for s in m["seconds"] if s["longest_ns"] is not None]
        if not known:
            return
        scale, unit = unit_of(max(known))
        alt = "Median and longest time of the requests of each second."
        yield Figure(
            f"{self.prefix}-load-seconds",
            "Each second",
            alt,
            "Requests stand in the second in which their time began; those without an answer are not drawn.",
            load_charts.seconds(measured, scale=scale, unit=unit, alt=alt),
            [(Markup('<span class="glyph">●</span>'), "longest"), (Markup('<span class="glyph">■</span>'), "median")],
        )

    def rows(self, grouping: str, load: int) -> list[dict[str, Any]]:
        """Times of the groups of one grouping at one load."""
        return [g for g in self.results["groups"] if g["grouping"] == grouping and g["load"] == load]

    def title_of(self, load: dict[str, Any]) -> str:
        """A load in words."""
        if load["rate"] is None:
            return f"{words.plural(load['in_flight'], 'request')} at a time"
        return f"{words.digits(load['rate'], 3)} requests a second"

    def _of_load(self, load: dict[str, Any]) -> Iterator[Markup]:
        (total,) = self.rows(ALL, load["load"])
        known = [q for q in total["quantiles"] if q["value_ns"] is not None]
        requests = words.plural(total["requests"], "request")
        if known:
            times = words.listed([f"{words.nanoseconds(q['value_ns'])} ({percentile(q['q'])})" for q in known])
            yield Markup("An answer took <b>{}</b>, over all {}, failed ones as the last.").format(times, requests)
        else:
            yield Markup("No percentile is supported by {}.").format(requests)
        if load["requests"] > load["answered"]:
            said = words.listed([f"{n:,} {status}" for status, n in load["statuses"].items()])
            yield Markup("{} of {} had no answer: {}.").format(total["failed"], requests, said)
        if load["is_generator_late"]:
            text = "<b>Generator was late</b>, by {} at the 99th percentile: times hold its lag, too."
            yield Markup(text).format(words.nanoseconds(load["lag_p99_ns"]))

    def _facts(self, load: dict[str, Any]) -> list[str]:
        lag = load["lag_p99_ns"]
        return [
            f"{load['offered_per_s']:,.1f}",
            f"{load['achieved_per_s']:,.1f}",
            f"{load['requests']:,}",
            f"{load['answered']:,}",
            words.listed([f"{n:,} {status}" for status, n in load["statuses"].items()]) or "none",
            "closed loop" if lag is None else words.nanoseconds(lag),
        ]

    def _times(self, load: dict[str, Any]) -> Table:
        (total,) = self.rows(ALL, load["load"])
        names = [percentile(q["q"]) for q in total["quantiles"]]
        columns = [
            ("Group of the probe", ""),
            ("Requests", ""),
            ("Without an answer", ""),
            *((name, "all requests") for name in names),
            *((name, "answered") for name in names),
        ]
        bodies = [("", [self._row(total)])]
        for grouping in parts.groupings(self.results):
            title = f"By {words.grouping(grouping)} of the probe"
            bodies.append((title, [self._row(g) for g in self.rows(grouping, load["load"])]))
        return Table(f"Time of a request at {self.title_of(load)}", columns, bodies)

    def _row(self, group: dict[str, Any]) -> Row:
        is_total = group["grouping"] == ALL
        cells: list[RateCell | CountCell | str] = [
            f"{group['requests']:,}",
            f"{group['failed']:,}",
            *(_cell(q) for q in (*group["quantiles"], *group["quantiles_answered"])),
        ]
        swatch = self.palette[group["grouping"], group["group"]].swatch
        return Row(EVERYTHING if is_total else group["group"], cells, swatch, is_total)

    def _curve(self, grouping: str, q: float) -> Iterator[Figure]:
        wanted = [(load, g) for load in self.results["loads"] for g in self._both(grouping, load["load"])]
        points = [(load, g, next(x for x in g["quantiles"] if x["q"] == q)) for load, g in wanted]
        known = [x["high_ns"] or x["value_ns"] for _, _, x in points if x["value_ns"] is not None]
        if not known:
            return
        scale, unit = unit_of(max(known))
        by_group: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for load, g, x in points:
            rows = by_group.setdefault((g["grouping"], g["group"]), [])
            if x["value_ns"] is not None:
                rows.append(_point(load, x, scale))
        series = [
            Series(EVERYTHING if key[0] == ALL else key[1], self.palette[key], rows) for key, rows in by_group.items()
        ]
        drawn = [s for s in series if s.rows]
        name = percentile(q)
        n_missing = sum(x["value_ns"] is None for _, _, x in points)
        alt = f"{name} of the time of a request against offered load, by {grouping}, with intervals."
        missing = f"{words.plural(n_missing, 'point')} not drawn: too few requests, or among those without an answer."
        yield Figure(
            f"{self.prefix}-load-{grouping.replace(',', '-')}-{name.replace('.', '-')}",
            f"{name} against load",
            alt,
            "Bars are 95% intervals, requests taken as independent. A request without an answer is the last of all.",
            load_charts.curve(drawn, unit=unit, alt=alt),
            parts.legend(drawn),
            [missing] if n_missing else [],
        )

    def _both(self, grouping: str, load: int) -> list[dict[str, Any]]:
        return self.rows(ALL, load) + (self.rows(grouping, load) if grouping != ALL else [])


def _objective(slo: dict[str, Any]) -> Markup:
    tried = words.plural(len(slo["trials"]), "rate")
    if slo["rate"] is None:
        return Markup("No rate was found that meets it; {} were tried.").format(tried)
    text = "Met at up to <b>{} requests a second</b>, at 99% confidence; {} were tried."
    return Markup(text).format(words.digits(slo["rate"], 3), tried)


def _cell(q: dict[str, Any]) -> RateCell:
    if q["value_ns"] is not None and q["high_ns"] is None:
        return RateCell(words.nanoseconds(q["value_ns"]), True, f"from {words.nanoseconds(q['low_ns'])} on", "")
    return quantile_cell(q)


def _point(load: dict[str, Any], q: dict[str, Any], scale: float) -> dict[str, Any]:
    value, low = (round(q[end] / scale, 6) for end in ("value_ns", "low_ns"))
    high = value if q["high_ns"] is None else round(q["high_ns"] / scale, 6)
    rate = round(load["offered_per_s"], 3)
    return {"rate": rate, "value": value, "low": low, "high": high, "text": _cell(q).value}
