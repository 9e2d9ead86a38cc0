"""Shows timed searches on the page: percentiles by group and batch size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from frbench.page import charts, parts, words
from frbench.page.charts import Series
from frbench.page.parts import Figure, Row, Table, heads, key_of, name_of, row_of
from frbench.page.style import Palette
from frbench.page.words import Cell, RateCell
from frbench.plan import ALL
from frbench.results import types
from frbench.results.types import Quantile, Timing

DRAWN = (0.5, 0.9, 0.99)
EVERYTHING = "all requests"
SHAPES = {"p50": "●", "p90": "■", "p99": "▲"}


class Latency:
    """Views of one latency run."""

    def __init__(self, results: types.Latency, palette: Palette, prefix: str) -> None:
        self.results, self.palette, self.prefix = results, palette, prefix

    def tables(self) -> list[Table]:
        """Percentiles and throughput for each batch size."""
        return [self._table(batch) for batch in self.results["batches"]]

    def figures(self) -> list[Figure]:
        """Percentiles by group for each batch size and grouping."""
        chosen = parts.drawn_groupings(self.results)
        return [f for grouping in chosen for batch in self.results["batches"] for f in self._figure(grouping, batch)]

    def rows(self, grouping: str, batch: int) -> list[Timing]:
        """Timings of the groups of one grouping."""
        return [g for g in self.results["groups"] if g["grouping"] == grouping and g["batch"] == batch]

    def _table(self, batch: int) -> Table:
        first = self.rows(ALL, batch) + [g for name in parts.groupings(self.results) for g in self.rows(name, batch)]
        names = [percentile(q["q"]) for q in first[0]["quantiles"]]
        columns = heads("Group of the probe; Requests" + "; Probes | distinct" * self._has_probes)
        columns += [*((name, "") for name in names), ("Probes a second", "one request at a time")]
        title = f"Time of a request of {words.plural(batch, 'probe')}"
        bodies = parts.together((of_probe(g["grouping"]), self._row(g)) for g in first)
        return Table(title, columns, bodies, self._repeats(first, batch))

    @property
    def _has_probes(self) -> bool:
        return any("probes" in g for g in self.results["groups"])

    def _repeats(self, groups: Sequence[Timing], batch: int) -> list[str]:
        """A note on groups with fewer probes than a batch has."""
        # Requests take the probes of one group; all of them together say nothing about that.
        own = [g for g in groups if g["grouping"] != ALL] or groups
        few = [g for g in own if 0 < g.get("probes", 0) < batch]
        named = [f"{self._label(g)}: each batch repeats the group's {words.plural(g['probes'], 'probe')}" for g in few]
        return [f"Fewer probes than the batch size of {batch:,}. {'; '.join(named)}."] if named else []

    def _label(self, group: Timing) -> str:
        several = len(parts.groupings(self.results)) > 1 and group["grouping"] != ALL
        return f"{group['grouping']}={group['group']}" if several else name_of(group, EVERYTHING)

    def _row(self, group: Timing) -> Row:
        speed = "no requests" if group["probes_per_second"] is None else f"{group['probes_per_second']:,.0f}"
        probes = [f"{group['probes']:,}" if "probes" in group else "not stated"] if self._has_probes else []
        cells: list[Cell] = [f"{group['requests']:,}", *probes, *map(quantile_cell, group["quantiles"]), speed]
        return row_of(group, cells, self.palette, EVERYTHING)

    def _figure(self, grouping: str, batch: int) -> Iterator[Figure]:
        groups = [g for title in dict.fromkeys((ALL, grouping)) for g in self.rows(title, batch)]
        known = [[q for q in g["quantiles"] if q["q"] in DRAWN and q["value_ns"] is not None] for g in groups]
        highest = [q["high_ns"] for own in known for q in own if q["high_ns"] is not None]
        if not highest:
            return
        scale, unit = unit_of(max(highest))
        series = [
            Series(name_of(g, EVERYTHING), self.palette[key_of(g)], [dot_of(q, scale) for q in own])
            for g, own in zip(groups, known, strict=True)
        ]
        alt = f"Median, 90th and 99th percentile of the time of a request of {batch} by {grouping}, with intervals."
        legend = [(Markup('<span class="glyph">{}</span>').format(glyph), q) for q, glyph in SHAPES.items()]
        yield Figure(
            f"{self.prefix}-latency-{grouping.replace(',', '-')}-{batch}",
            f"Request of {words.plural(batch, 'probe')}",
            "Bars are 95% intervals of the percentile, requests taken as independent. Upper ends of 1% bins.",
            charts.timings([s for s in series if s.rows], unit=unit, alt=alt),
            legend,
        )


def percentile(q: float) -> str:
    """The name of a quantile: p99.9."""
    return f"p{q * 100:g}"


def of_probe(grouping: str) -> str:
    """The heading of the groups of one grouping; none for everything together."""
    return "" if grouping == ALL else f"By {words.grouping(grouping)} of the probe"


def times_listed(found: Sequence[Quantile]) -> str:
    """Percentiles that are known, in a sentence; "" without any."""
    return words.listed(
        [f"{words.nanoseconds(q['value_ns'])} ({percentile(q['q'])})" for q in found if q["value_ns"] is not None]
    )


def quantile_cell(q: Quantile) -> RateCell:
    """A percentile with its interval, which may have no upper end, or the reason why there is none."""
    value, low, high = q["value_ns"], q["low_ns"], q["high_ns"]
    if value is None or low is None:
        return RateCell("refused", False, words.reason(q["reason"]))
    start = words.nanoseconds(low)
    ends = f"from {start} on" if high is None else f"{start} to {words.nanoseconds(high)}"
    return RateCell(words.nanoseconds(value), True, ends)


def unit_of(largest_ns: float) -> tuple[float, str]:
    """Nanoseconds in the unit that suits the largest value, and its name."""
    units = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"))
    return next(((scale, name) for scale, name in units if largest_ns >= scale), (1.0, "ns"))


def dot_of(q: Quantile, scale: float) -> charts.Row:
    """A percentile as a row of charts; one without an upper end has none above its value."""
    value, low, high = (
        None if end is None else round(end / scale, 6) for end in (q["value_ns"], q["low_ns"], q["high_ns"])
    )
    text = quantile_cell(q).value
    return {"q": percentile(q["q"]), "value": value, "low": low, "high": value if high is None else high, "text": text}
