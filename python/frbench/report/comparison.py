"""Comparison: the page of two systems and more, side by side on the same trials, and what differs between groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from frbench.plan import ALL
from frbench.report import words
from frbench.report.chapters import Chapter, render_chapters
from frbench.report.latency import quantile_cell
from frbench.report.parts import Block, Row, Table
from frbench.report.words import RateCell
from frbench.systems.compare import Run

EVERYBODY = "everybody"
COLUMNS = [("Group", ""), ("A", ""), ("B", ""), ("B less A", "paired 95% interval"), ("B / A", ""), ("In words", "")]
TIME_COLUMNS = [("Group of the probe", ""), ("A", ""), ("B", ""), ("B / A", "95% interval")]
UNPAIRED = (
    "How many times the rate of a group is that of the reference, in each system, with an interval of its own: two "
    "that overlap may still differ."
)


def render_comparison(comparisons: Sequence[Mapping[str, Any]], runs: Sequence[Run]) -> str:
    """The page of comparisons of the first of `runs` with each of the others."""
    measured = [f"A: {runs[0].name}. Every other run is B in a chapter of its own, on the same trials or work as A."]
    chapters = [_chapter(found, runs[0], run) for found, run in zip(comparisons, runs[1:], strict=True)]
    return render_chapters(chapters, title="Systems side by side", eyebrow="frbench compare", measured=measured)


def _chapter(found: Mapping[str, Any], a: Run, b: Run) -> Chapter:
    lead = [f"A: {found['a']['name']}. B: {found['b']['name']}.", *map(words.sentence, found["notes"])]
    blocks = list(_times(found)) if found["kind"] == "latency" else [*_rates(found), *_differentials(a, b)]
    return Chapter(f"B: {found['b']['name']}", lead, blocks)


def _rates(found: Mapping[str, Any]) -> Iterator[Block]:
    for setting in found["settings"]:
        rows = [r for r in found["rows"] if (r["at"], r["thresholds"]) == (setting["at"], setting["thresholds"])]
        metrics = dict.fromkeys((row["metric"], row["rank"]) for row in rows)
        tables = [
            Table(
                f"{metric.upper()}{f' at rank {rank}' if rank else ''}",
                COLUMNS,
                [("", [_row(r) for r in rows if (r["metric"], r["rank"]) == (metric, rank)])],
            )
            for metric, rank in metrics
        ]
        a, b = setting["thresholds"]
        title = f"Thresholds {words.score(a)} of A, {words.score(b)} of B" if a is not None else "Without a threshold"
        origin = [f"Both set for {words.target(setting['at'])} over {setting['population']}."] if setting["at"] else []
        if tables:
            yield Block(title, origin, tables=tables)


def _row(row: Mapping[str, Any]) -> Row:
    rare = row["metric"] in ("fmr", "fpir")
    write = words.scientific if rare else words.percent
    sides = [_rate(row[side], rare=rare) for side in ("a", "b")]
    difference = row["difference"]
    if difference is None:
        gap = RateCell("not estimable", False, words.reason(row["reason"]), "")
    else:
        known = row["low"] is not None
        ends = f"{words.signed(row['low'])} to {words.signed(row['high'])}" if known else words.reason(row["reason"])
        sign = "+" if difference > 0 else words.MINUS if difference < 0 else ""
        gap = RateCell(sign + write(abs(difference)), True, ends, "")
    return Row(_group(row), [*sides, gap, _times_as(row), str(row["verdict"])], is_total=row["grouping"] == ALL)


def _rate(side: Mapping[str, Any], *, rare: bool) -> RateCell:
    cell = words.rate_cell(side, exponent=rare)
    return RateCell(cell.value, cell.is_number, cell.interval, cell.share, under=cell.share, warning=cell.warning)


def _times_as(row: Mapping[str, Any]) -> RateCell | str:
    if row["ratio"] is None:
        return "-"
    ends = "" if row["ratio_low"] is None else f"{words.digits(row['ratio_low'])} to {words.digits(row['ratio_high'])}"
    return RateCell(words.digits(row["ratio"], 3), True, ends, "")


def _group(row: Mapping[str, Any]) -> str:
    if row["grouping"] == ALL:
        return EVERYBODY
    a, b = row["group_a"], row["group_b"]
    return str(a) if a == b else f"{a} x {b}"


def _differentials(a: Run, b: Run) -> Iterator[Block]:
    """Ratios between groups of both systems, at thresholds that were set for the same target."""
    at = [key for key in a.points if key in b.points]
    for target, population in at:
        thresholds = [run.points[target, population]["threshold"] for run in (a, b)]
        found = [_contrasts(run, threshold) for run, threshold in zip((a, b), thresholds, strict=True)]
        common = [key for key in found[0] if key in found[1]]
        if common:
            columns = [("Rate of group to reference", ""), ("A", "95% interval"), ("B", "95% interval")]
            rows = [Row(_contrast(key), [_ratio(side[key]) for side in found]) for key in common]
            table = Table(f"Ratios at {words.target(target)}", columns, [("", rows)])
            yield Block(f"Differences between groups, at {words.target(target)}", [UNPAIRED], tables=[table])


Key = tuple[str, int | None, str, str]


def _contrasts(run: Run, threshold: float | None) -> dict[Key, Mapping[str, Any]]:
    return {
        (c["metric"], c["rank"], ",".join(dict.fromkeys(c["group"])), ",".join(dict.fromkeys(c["reference"]))): c
        for c in run.results.get("contrasts", ())
        if c["threshold"] == threshold
    }


def _contrast(key: Key) -> str:
    metric, rank, group, reference = key
    return f"{metric.upper()}{f' rank {rank}' if rank else ''}: {group} to {reference}"


def _ratio(found: Mapping[str, Any]) -> RateCell:
    cell = words.value_cell(found, words.three_digits)
    counts = " and ".join(f"{k:,} / {n:,}" for k, n in zip(found["k"], found["n"], strict=True))
    return RateCell(cell.value, cell.is_number, cell.interval, counts, under=counts)


def _times(found: Mapping[str, Any]) -> Iterator[Block]:
    for at in dict.fromkeys(row["at"] for row in found["rows"]):
        own = [row for row in found["rows"] if row["at"] == at]
        metrics = dict.fromkeys(row["metric"] for row in own)
        tables = [
            Table(_metric(name), TIME_COLUMNS, [("", [_time(row) for row in own if row["metric"] == name])])
            for name in metrics
        ]
        yield Block(words.capital(at), tables=tables)


def _metric(name: str) -> str:
    return "Probes a second" if name == "probes_per_second" else f"{name} of the time of a request"


def _time(row: Mapping[str, Any]) -> Row:
    cells = [_value(row["metric"], row[side]) for side in ("a", "b")]
    if row["ratio"] is None:
        factor = RateCell("not estimable", False, words.reason(row["reason"]), "")
    else:
        known = row["low"] is not None
        ends = f"{words.digits(row['low'], 3)} to {words.digits(row['high'], 3)}" if known else row["reason"]
        factor = RateCell(words.digits(row["ratio"], 3), True, ends, "")
    return Row(_group(row), [*cells, factor], is_total=row["grouping"] == ALL)


def _value(metric: str, side: Mapping[str, Any]) -> RateCell:
    requests = words.plural(side["n"], "request")
    if metric == "probes_per_second":
        value = "no requests" if side["value"] is None else f"{side['value']:,.0f}"
        return RateCell(value, side["value"] is not None, requests, "")
    ends = {"value_ns": side["value"], "low_ns": side["low"], "high_ns": side["high"], "reason": side["reason"]}
    cell = quantile_cell(ends)
    return RateCell(cell.value, cell.is_number, cell.interval, "", under=requests)
