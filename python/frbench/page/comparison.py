"""Makes the page of two systems and more side by side on the same trials, and of what differs between groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from frbench.page import time_cells, words
from frbench.page.assets import Chapter, render_chapters
from frbench.page.charts import Series, forest
from frbench.page.parts import Block, Figure, Row, Table, heads, together
from frbench.page.style import EVERYTHING, Palette, Style
from frbench.page.words import RateCell
from frbench.plan import ALL
from frbench.reading.systems.time_figures import WORK
from frbench.results.types import Range

EVERYBODY = "everybody"
COLUMNS = heads("Group; A; B; B less A | paired 95% interval; B / A; In words")
TIME_COLUMNS = heads("Group of the probe; A; B; B / A | 95% interval")
SHARE_COLUMNS = [*TIME_COLUMNS[:-1], ("B less A", "95% interval")]
RATIO_COLUMNS = heads("Group to reference; A; B; B / A | paired 95% interval; In words")
PAIRED = (
    "How many times the rate of a group is that of the reference, in each system, with an interval of its own; and the "
    "ratio of B over that of A, subjects left out of all four rates at once. Below 1, B is nearer to the reference for "
    "groups that err more often than it, and farther for those that err less often."
)
WITHIN = "Everybody, and trials within a group. The dashed line is no change."
TIMES = "Times below 1 are shorter in B; rates above 1 are higher."
BETWEEN = "Where the dashed line is, groups differ as much in B as in A."
Rows = Sequence[Mapping[str, Any]]
# Counts are not broken between lines.
NBSP = "\N{NO-BREAK SPACE}"


def render_comparison(comparisons: Rows) -> str:
    """The page of comparisons of one run with others."""
    measured = [f"A: {comparisons[0]['a']['name']}. On the same trials, or timed on the same work:"]
    chapters = [_chapter(found, number) for number, found in enumerate(comparisons, 1)]
    return render_chapters(chapters, title="Systems side by side", eyebrow="frbench compare", measured=measured)


def _chapter(found: Mapping[str, Any], number: int) -> Chapter:
    lead = [f"A is {found['a']['name']}.", *map(words.sentence, found["notes"])]
    anchor = f"c{number}"
    blocks = list(_times(found, anchor)) if found["kind"] in WORK else list(_settings(found, anchor))
    return Chapter(f"B: {found['b']['name']}", lead, blocks)


def _settings(found: Mapping[str, Any], anchor: str) -> Iterator[Block]:
    palette = Palette((row["grouping"], row["group_a"]) for row in found["rows"] if row["grouping"] != ALL)
    for number, setting in enumerate(found["settings"], 1):
        own, ratios = (_of(found[part], setting) for part in ("rows", "differentials"))
        if own:
            yield _rates(setting, own, palette, f"{anchor}-{number}")
        if ratios:
            yield _differentials(setting, ratios, palette, f"{anchor}-{number}")


def _of(rows: Rows, setting: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [r for r in rows if (r["at"], r["thresholds"]) == (setting["at"], setting["thresholds"])]


def _by_rate(rows: Rows) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Rows of each rate, by its name."""
    return together((row["metric"].upper() + (f" at rank {row['rank']}" if row["rank"] else ""), row) for row in rows)


def _rates(setting: Mapping[str, Any], rows: Rows, palette: Palette, anchor: str) -> Block:
    figures: list[Figure] = []
    tables = []
    for i, (name, own) in enumerate(_by_rate(rows)):
        within = [r for r in own if r["group_a"] == r["group_b"]]
        drawn = [(_group(r), palette[r["grouping"], r["group_a"]], _factor(r)) for r in within]
        figures += _forest(f"{name}, B against A", drawn, f"{anchor}-rate-{i}", caption=WITHIN)
        tables.append(Table(name, COLUMNS, [("", [_row(r) for r in own])], ends_in_words=True))
    origin = [f"Both set for {words.target(setting['at'])} over {setting['population']}."] if setting["at"] else []
    return Block(_thresholds(setting), origin, figures=figures, tables=tables)


def _thresholds(setting: Mapping[str, Any]) -> str:
    a, b = setting["thresholds"]
    return f"Thresholds {words.score(a)} of A, {words.score(b)} of B" if a is not None else "Without a threshold"


def _differentials(setting: Mapping[str, Any], rows: Rows, palette: Palette, anchor: str) -> Block:
    figures: list[Figure] = []
    tables = []
    for i, (name, own) in enumerate(_by_rate(rows)):
        drawn = [(_contrast(r), palette[r["grouping"], r["group"]], _range(r, r["value"])) for r in own]
        title = f"{name}: ratio to the reference, B against A"
        figures += _forest(title, drawn, f"{anchor}-ratio-{i}", caption=BETWEEN)
        body = [("", [_ratios(r) for r in own])]
        tables.append(Table(f"Ratios of {name}", RATIO_COLUMNS, body, ends_in_words=True))
    where = f"at {words.target(setting['at'])}" if setting["at"] else _thresholds(setting).lower()
    return Block(f"Differences between groups, {where}", [PAIRED], figures=figures, tables=tables)


def _forest(title: str, rows: Iterable[tuple[str, Style, Range]], anchor: str, *, caption: str) -> list[Figure]:
    """A chart of the ratios that have an interval, none without any."""
    series = [Series(name, style, [_point(r)]) for name, style, r in rows if r["low"] is not None and r["low"] > 0]
    if not series:
        return []
    alt = f"{title}, with 95% intervals; the table has the figures."
    return [Figure(anchor, title, f"Bars are 95% intervals. {caption}", forest(series, title="B / A", alt=alt))]


def _point(row: Range) -> Mapping[str, Any]:
    cell = words.value_cell(row, words.factor)
    text = f"{cell.value} ({cell.interval})"
    return {"value": row["value"], "low": row["low"], "high": row["high"], "text": text}


def _range(row: Mapping[str, Any], value: float | None) -> Range:
    """`value`, between the ends of the row."""
    return {"value": value, "low": row["low"], "high": row["high"], "reason": row["reason"]}


def _factor(row: Mapping[str, Any]) -> Range:
    """The ratio of two rates, as a value with its interval."""
    return {"value": row["ratio"], "low": row["ratio_low"], "high": row["ratio_high"], "reason": ""}


def _row(row: Mapping[str, Any]) -> Row:
    rare = row["metric"] in ("fmr", "fpir")
    write = words.signed if rare else words.signed_percent
    sides = [words.stacked(row[side], exponent=rare) for side in ("a", "b")]
    gap = words.value_cell(_range(row, row["difference"]), write)
    times = "-" if row["ratio"] is None else words.value_cell(_factor(row), words.factor)
    return Row(_group(row), [*sides, gap, times, words.sentence(row["verdict"])], is_total=row["grouping"] == ALL)


def _group(row: Mapping[str, Any]) -> str:
    if row["grouping"] == ALL:
        return EVERYBODY
    a, b = row["group_a"], row["group_b"]
    return str(a) if a == b else f"{a} x {b}"


def _ratios(row: Mapping[str, Any]) -> Row:
    change = words.value_cell(_range(row, row["value"]), words.factor)
    return Row(_contrast(row), [_ratio(row["a"]), _ratio(row["b"]), change, words.sentence(row["verdict"])])


def _contrast(row: Mapping[str, Any]) -> str:
    return f"{row['group']} / {row['reference']}"


def _ratio(found: Mapping[str, Any]) -> RateCell:
    cell = words.value_cell(_range(found, found["value"]), words.three_digits)
    counts = " and ".join(f"{k:,}{NBSP}/{NBSP}{n:,}" for k, n in zip(found["k"], found["n"], strict=True))
    return replace(cell, share=counts, under=counts)


def _times(found: Mapping[str, Any], anchor: str) -> Iterator[Block]:
    for number, at in enumerate(dict.fromkeys(row["at"] for row in found["rows"]), 1):
        rows = [row for row in found["rows"] if row["at"] == at]
        of = together((row["metric"], row) for row in rows)
        known = {metric for metric, own in of if any(r[side]["value"] is not None for r in own for side in "ab")}
        tables = [_time_table(metric, own) for metric, own in of if metric in known]
        everybody = [(time_cells.title(r["metric"]), EVERYTHING, _time_factor(r)) for r in rows if r["grouping"] == ALL]
        title = f"{words.capital(at)}, everybody: B against A"
        figures = _forest(title, everybody, f"{anchor}-time-{number}", caption=TIMES)
        lead = [_nowhere(metric, own) for metric, own in of if metric not in known]
        yield Block(words.capital(at), lead, figures=figures, tables=tables)


def _nowhere(metric: str, rows: Rows) -> str:
    """What neither run has, of any group."""
    reason = words.reason(max(rows, key=lambda row: row["a"]["n"])["reason"])
    return f"{words.capital(time_cells.title(metric))}: not estimable in either run, {reason}."


def _time_factor(row: Mapping[str, Any]) -> Range:
    return _range(row, row["ratio"]) if row["ratio"] is not None else words.bare({"value": None, "reason": ""})


def _time_table(metric: str, rows: Rows) -> Table:
    is_share = any(row["difference"] is not None for row in rows)
    body = []
    for row in rows:
        cells = [*(time_cells.cell(metric, row[side]) for side in ("a", "b")), time_cells.change(row)]
        body.append(Row(_group(row), cells, is_total=row["grouping"] == ALL))
    return Table(time_cells.title(metric), SHARE_COLUMNS if is_share else TIME_COLUMNS, [("", body)])
