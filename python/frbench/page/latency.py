"""Latency as the page shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from markupsafe import Markup

from frbench.page import charts, parts, words
from frbench.page.charts import Series
from frbench.page.parts import Figure, Row, Table
from frbench.page.style import Palette
from frbench.page.words import CountCell, RateCell
from frbench.plan import ALL

DRAWN = (0.5, 0.9, 0.99)
EVERYTHING = "all requests"
SHAPES = {"p50": "●", "p90": "■", "p99": "▲"}


class Latency:
    """Views of one latency run."""

    def __init__(self, results: parts.Results, palette: Palette, prefix: str) -> None:
        self.results, self.palette, self.prefix = results, palette, prefix

    def tables(self) -> list[Table]:
        """Percentiles and throughput for each batch size."""
        return [self._table(batch) for batch in self.results["batches"]]

    def figures(self) -> list[Figure]:
        """Percentiles by group for each batch size and grouping."""
        chosen = parts.groupings(self.results) or [ALL]
        return [f for grouping in chosen for batch in self.results["batches"] for f in self._figure(grouping, batch)]

    def rows(self, grouping: str, batch: int) -> list[dict[str, Any]]:
        """Timings of the groups of one grouping."""
        return [g for g in self.results["groups"] if g["grouping"] == grouping and g["batch"] == batch]

    def _table(self, batch: int) -> Table:
        first = self.rows(ALL, batch) + [g for name in parts.groupings(self.results) for g in self.rows(name, batch)]
        names = [percentile(q["q"]) for q in first[0]["quantiles"]]
        columns = [
            ("Group of the probe", ""),
            ("Requests", ""),
            *([("Probes", "distinct")] if self._has_probes else []),
            *((name, "") for name in names),
            ("Probes a second", "one request at a time"),
        ]
        bodies = [("", [self._row(g) for g in self.rows(ALL, batch)])]
        for grouping in parts.groupings(self.results):
            bodies.append(
                (f"By {words.grouping(grouping)} of the probe", [self._row(g) for g in self.rows(grouping, batch)])
            )
        return Table(
            f"Time of a request of {words.plural(batch, 'probe')}", columns, bodies, self._repeats(first, batch)
        )

    @property
    def _has_probes(self) -> bool:
        return any("probes" in g for g in self.results["groups"])

    def _repeats(self, groups: list[dict[str, Any]], batch: int) -> list[str]:
        """A note on groups with fewer probes than a batch has."""
        # Requests take the probes of one group; all of them together say nothing about that.
        own = [g for g in groups if g["grouping"] != ALL] or groups
        few = [g for g in own if 0 < g.get("probes", 0) < batch]
        named = [f"{self._label(g)}: each batch repeats the group's {words.plural(g['probes'], 'probe')}" for g in few]
        return [f"Fewer probes than the batch size of {batch:,}. {'; '.join(named)}."] if named else []

    def _label(self, group: dict[str, Any]) -> str:
        if group["grouping"] == ALL:
            return EVERYTHING
        name: str = group["group"]
        return f"{group['grouping']}={name}" if len(parts.groupings(self.results)) > 1 else name

    def _row(self, group: dict[str, Any]) -> Row:
        speed = group["probes_per_second"]
        total = group["grouping"] == ALL
        cells: list[RateCell | CountCell | str] = [
            f"{group['requests']:,}",
            *([f"{group['probes']:,}" if "probes" in group else "not stated"] if self._has_probes else []),
            *(quantile_cell(q) for q in group["quantiles"]),
        ]
        cells.append("no requests" if speed is None else f"{speed:,.0f}")
        swatch = self.palette[group["grouping"], group["group"]].swatch
        return Row(EVERYTHING if total else group["group"], cells, swatch, total)

    def _figure(self, grouping: str, batch: int) -> Iterator[Figure]:
        groups = self.rows(ALL, batch) + (self.rows(grouping, batch) if grouping != ALL else [])
        known = [q for g in groups for q in g["quantiles"] if q["q"] in DRAWN and q["value_ns"] is not None]
        if not known:
            return
        scale, unit = unit_of(max(q["high_ns"] for q in known))
        series = [
            Series(
                EVERYTHING if g["grouping"] == ALL else g["group"],
                self.palette[g["grouping"], g["group"]],
                [_dot(q, scale) for q in g["quantiles"] if q in known],
            )
            for g in groups
        ]
        alt = f"Median, 90th and 99th percentile of the time of a request of {batch} by {grouping}, with intervals."
        legend = [(Markup('<span class="glyph">{}</span>').format(glyph), q) for q, glyph in SHAPES.items()]
        yield Figure(
            f"{self.prefix}-latency-{grouping.replace(',', '-')}-{batch}",
            f"Request of {words.plural(batch, 'probe')}",
            alt,
            "Bars are 95% intervals of the percentile, requests taken as independent. Upper ends of 1% bins.",
            charts.timings([s for s in series if s.rows], unit=unit, alt=alt),
            legend,
        )


def percentile(q: float) -> str:
    """The name of a quantile: p99.9."""
    return f"p{q * 100:g}"


def quantile_cell(q: dict[str, Any]) -> RateCell:
    """A percentile with its interval, or the reason why there is none."""
    if q["value_ns"] is None:
        return RateCell("refused", False, words.reason(q["reason"]), "")
    ends = f"{words.nanoseconds(q['low_ns'])} to {words.nanoseconds(q['high_ns'])}"
    return RateCell(words.nanoseconds(q["value_ns"]), True, ends, "")


def unit_of(largest_ns: float) -> tuple[float, str]:
    """Nanoseconds in the unit that suits the largest value, and its name."""
    units = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"))
    return next(((scale, name) for scale, name in units if largest_ns >= scale), (1.0, "ns"))


def _dot(q: dict[str, Any], scale: float) -> dict[str, Any]:
    value, low, high = (round(q[x] / scale, 6) for x in ("value_ns", "low_ns", "high_ns"))
    return {"q": percentile(q["q"]), "value": value, "low": low, "high": high, "text": quantile_cell(q).value}
