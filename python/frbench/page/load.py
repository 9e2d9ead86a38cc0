"""Shows a load run on the page: what was offered, what was answered, and how long answers took by group."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from frbench.page import charts, parts, words
from frbench.page.latency import EVERYTHING, dot_of, of_probe, percentile, quantile_cell, times_listed, unit_of
from frbench.page.parts import Figure, Row, Table, View, heads, row_of
from frbench.page.style import Palette
from frbench.page.words import Cell
from frbench.plan import ALL
from frbench.results import types
from frbench.results.types import LoadPoint, LoadTimes, Objective, Quantile

TITLE = "Search under load"
DRAWN = (0.5, 0.99)
FEW_LOADS = 2


def view(results: types.Load, palette: Palette, anchor: str) -> View:
    """A load run as the page shows it."""
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

    def __init__(self, results: types.Load, palette: Palette, prefix: str) -> None:
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
        columns = heads(
            "Load; Offered | requests a second; Achieved | answers a second; Requests; Answered; Without an answer; "
            "Generator's lag | 99th percentile"
        )
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
        columns = heads("Rate | requests a second; Requests; Late or failed; Objective")
        rows = []
        for t in slo["trials"]:
            met = ("met" if t["is_met"] else "not met") + ", generator was late" * t["is_generator_late"]
            rows.append(Row(f"{t['rate']:,.1f}", [f"{t['requests']:,}", f"{t['late']:,}", met]))
        note = f"Met: shown at 99% confidence that no more than {1 - slo['q']:.3g} of all requests are late or fail."
        return [Table(f"Rates tried for {slo['objective']}", columns, [("", rows)], [note])]

    def curves(self) -> Iterator[Figure]:
        """Latency against offered load, a line for each group."""
        if len(self.results["loads"]) < FEW_LOADS or self.results["loads"][0]["rate"] is None:
            return
        for grouping in parts.drawn_groupings(self.results):
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
            "Requests stand in the second in which their time began; those without an answer are not drawn.",
            charts.seconds(measured, scale=scale, unit=unit, alt=alt),
            [(Markup('<span class="glyph">●</span>'), "longest"), (Markup('<span class="glyph">■</span>'), "median")],
        )

    def rows(self, grouping: str, load: int) -> list[LoadTimes]:
        """Times of the groups of one grouping at one load."""
        return [g for g in self.results["groups"] if g["grouping"] == grouping and g["load"] == load]

    def title_of(self, load: LoadPoint) -> str:
        """A load in words."""
        if load["in_flight"] is not None:
            return f"{words.plural(load['in_flight'], 'request')} at a time"
        return f"{words.digits(load['rate'] or 0.0, 3)} requests a second"

    def _of_load(self, load: LoadPoint) -> Iterator[Markup]:
        (total,) = self.rows(ALL, load["load"])
        requests = words.plural(total["requests"], "request")
        if times := times_listed(total["quantiles"]):
            yield Markup("An answer took <b>{}</b>, over all {}, failed ones as the last.").format(times, requests)
        else:
            yield Markup("No percentile is supported by {}.").format(requests)
        if load["requests"] > load["answered"]:
            said = Markup("{} of {} had no answer: {}.")
            yield said.format(total["failed"], requests, _statuses(load))
        if load["is_generator_late"] and load["lag_p99_ns"] is not None:
            text = "<b>Generator was late</b>, by {} at the 99th percentile: times hold its lag, too."
            yield Markup(text).format(words.nanoseconds(load["lag_p99_ns"]))

    def _facts(self, load: LoadPoint) -> list[str]:
        speeds = [f"{speed:,.1f}" for speed in (load["offered_per_s"], load["achieved_per_s"])]
        counts = [f"{n:,}" for n in (load["requests"], load["answered"])]
        lag = "closed loop" if load["lag_p99_ns"] is None else words.nanoseconds(load["lag_p99_ns"])
        return [*speeds, *counts, _statuses(load) or "none", lag]

    def _times(self, load: LoadPoint) -> Table:
        (total,) = self.rows(ALL, load["load"])
        names = [percentile(q["q"]) for q in total["quantiles"]]
        columns = heads("Group of the probe; Requests; Without an answer")
        columns += [(name, whose) for whose in ("all requests", "answered") for name in names]
        groups = [total, *(g for name in parts.groupings(self.results) for g in self.rows(name, load["load"]))]
        bodies = parts.together((of_probe(g["grouping"]), self._row(g)) for g in groups)
        return Table(f"Time of a request at {self.title_of(load)}", columns, bodies)

    def _row(self, group: LoadTimes) -> Row:
        quantiles = map(quantile_cell, (*group["quantiles"], *group["quantiles_answered"]))
        cells: list[Cell] = [f"{group['requests']:,}", f"{group['failed']:,}", *quantiles]
        return row_of(group, cells, self.palette, EVERYTHING)

    def _curve(self, grouping: str, q: float) -> Iterator[Figure]:
        points = [
            (load, g, next(x for x in g["quantiles"] if x["q"] == q))
            for load in self.results["loads"]
            for title in dict.fromkeys((ALL, grouping))
            for g in self.rows(title, load["load"])
        ]
        known = [x["high_ns"] or x["value_ns"] for _, _, x in points if x["value_ns"] is not None]
        if not known:
            return
        scale, unit = unit_of(max(filter(None, known)))
        rows = ((g, None if x["value_ns"] is None else _point(load, x, scale)) for load, g, x in points)
        drawn = parts.series_of(rows, self.palette, EVERYTHING)
        name = percentile(q)
        n_missing = len(points) - len(known)
        alt = f"{name} of the time of a request against offered load, by {grouping}, with intervals."
        missing = f"{words.plural(n_missing, 'point')} not drawn: too few requests, or among those without an answer."
        yield Figure(
            f"{self.prefix}-load-{grouping.replace(',', '-')}-{name.replace('.', '-')}",
            f"{name} against load",
            "Bars are 95% intervals, requests taken as independent. A request without an answer is the last of all.",
            charts.curve(drawn, unit=unit, alt=alt),
            parts.legend(drawn),
            [missing] if n_missing else [],
        )


def _statuses(load: LoadPoint) -> str:
    return words.listed([f"{n:,} {status}" for status, n in load["statuses"].items()])


def _objective(slo: Objective) -> Markup:
    tried = words.plural(len(slo["trials"]), "rate")
    if slo["rate"] is None:
        return Markup("No rate was found that meets it; {} were tried.").format(tried)
    text = "Met at up to <b>{} requests a second</b>, at 99% confidence; {} were tried."
    return Markup(text).format(words.digits(slo["rate"], 3), tried)


def _point(load: LoadPoint, q: Quantile, scale: float) -> charts.Row:
    dot = dot_of(q, scale)
    return {"rate": round(load["offered_per_s"], 3)} | {name: dot[name] for name in ("value", "low", "high", "text")}
