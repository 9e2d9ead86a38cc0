"""Shows rates at other gallery sizes on the page: measured up to the gallery that was searched, then extrapolated."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from frbench.page import charts, parts, words
from frbench.page.parts import Block, Figure, Row, Table, gallery_size, heads, key_of, name_of, row_of, together
from frbench.page.style import Palette
from frbench.page.words import Cell, CountCell, RateCell, missing
from frbench.plan import ALL
from frbench.results.types import GallerySizes, Identify, Range, SizedRate

EVERYONE = "all searches"
MAX_BANDS = 3
COLUMNS = heads(
    "Gallery | rows; FPIR | 95% interval; Where from | model; False matches | behind it, of non-mated searches"
)
CHECK_COLUMNS = heads(
    "Group; Model; Checked at | threshold; Held | of fits to a part of the gallery; Mean error | factor of the rate; "
    "Used"
)


def blocks(results: Identify, palette: Palette, prefix: str) -> Iterator[Block]:
    """Rates at other gallery sizes, if they were asked for."""
    sized = results.get("gallery_sizes")
    if sized is None:
        return
    figures = [
        figure
        for number, t in enumerate(results["thresholds"], 1)
        for grouping in parts.drawn_groupings(results)
        for figure in _figure(sized, palette, grouping, t, f"{prefix}-sizes-{grouping.replace(',', '-')}-{number}")
    ]
    rank = min(results["ranks"])
    yield Block(
        "Other gallery sizes",
        lead=[*_lead(sized), *_refusals(sized)],
        figures=figures,
        tables=[_table(sized, palette, t, rank) for t in results["thresholds"]],
        closing=[_misses(sized, palette, rank), *_checks(sized, palette)],
    )


def _lead(sized: GallerySizes) -> Iterator[str]:
    n = f"{sized['gallery']:,}"
    yield (
        f"Up to the {n} rows that were searched, a rate is measured: it is the mean over all galleries of that size "
        "that could be drawn from them."
    )
    if any(row["state"] == "extrapolated" for row in sized["rows"]):
        yield (
            f"Above {n} rows a rate is extrapolated: a model says it, no search was made. The model was fitted to "
            "parts of this gallery and had to predict all of it. It holds for more people like these, and is no "
            "standard."
        )


def _refusals(sized: GallerySizes) -> Iterator[str]:
    """Why FPIR of a larger gallery is not given, by group; those of one reason together."""
    refused = (
        (row["reason"], "FPIR", name_of(row, EVERYONE))
        for row in _of("fpir", sized["rows"])
        if row["value"] is None and row["size"] > sized["gallery"] and row["searches"]
    )
    for why, what, groups in parts.by_reason(refused):
        yield f"{what} of a larger gallery is not estimable for {groups}: {why}."


def _table(sized: GallerySizes, palette: Palette, threshold: float, rank: int) -> Table:
    every = [row for row in _of("fpir", sized["rows"]) if row["threshold"] == threshold]
    rows = [row for row in every if row["searches"]]
    left_out = list(dict.fromkeys(name_of(row, EVERYONE) for row in every if not row["searches"]))
    misses = {
        (key_of(row), row["size"]): row
        for row in _of("fnir", sized["rows"])
        if row["threshold"] == threshold and row["rank"] == rank
    }
    found = []
    for row in rows:
        cells = [*_cells(row), _miss(misses[key_of(row), row["size"]])]
        found.append((_heading(row), Row(f"{row['size']:,}", cells, palette[key_of(row)].swatch)))
    columns = (*COLUMNS, (f"FNIR, rank {rank}", "95% interval"))
    reasons = (words.reason(m["reason"]) for m in misses.values() if m["value"] is None)
    notes = list(dict.fromkeys(map(words.sentence, reasons)))
    if left_out:
        notes.append(f"Left out, with 0 non-mated searches: {words.listed(left_out)}.")
    caption = f"Rates by size of the gallery, threshold {words.exact(threshold)}"
    return Table(caption, columns, together(found), notes)


def _misses(sized: GallerySizes, palette: Palette, rank: int) -> Table:
    """FNIR without a threshold, by size."""
    rows = [row for row in _of("fnir", sized["rows"]) if row["threshold"] is None and row["rank"] == rank]
    sizes = list(dict.fromkeys(row["size"] for row in rows if row["size"] <= sized["gallery"]))
    at = {(key_of(row), row["size"]): row for row in rows}
    groups = {key_of(row): row for row in rows}
    cells = {key: [sized_cell(at[key, size]) for size in sizes] for key in groups}
    found = [row_of(row, cells[key], palette, EVERYONE) for key, row in groups.items()]
    columns = [("Group", ""), *((gallery_size(size), "95% interval") for size in sizes)]
    return Table(f"FNIR at rank {rank} without a threshold, by size of the gallery", columns, [("", found)], (), True)


def _checks(sized: GallerySizes, palette: Palette) -> Iterator[Table]:
    """How every model did on galleries whose rate is known."""
    tried = [c for c in sized["checks"] if c["tried"]]
    if not tried:
        return
    rows = []
    for c in tried:
        error = "not estimable" if c["error"] is None else words.digits(math.exp(c["error"]), 3)
        held, used = f"{c['held']:,} of {c['tried']:,}", "yes" if c["is_passed"] else "no"
        rows.append(row_of(c, [c["model"], words.exact(c["at"]), held, error, used], palette, EVERYONE))
    notes = [
        "Each model was fitted to parts of the gallery, a sixteenth to a half of its rows, and held if its interval "
        "had in it the rate measured on all of it. One that misses more than one time in ten is not used."
    ]
    yield Table("Models, checked on parts of the gallery that was searched", CHECK_COLUMNS, [("", rows)], notes, True)


def _figure(sized: GallerySizes, palette: Palette, grouping: str, threshold: float, anchor: str) -> Iterator[Figure]:
    at = [row for row in _of("fpir", sized["rows"]) if row["threshold"] == threshold and row["value"]]
    rows = [row for row in at if row["grouping"] in (ALL, grouping)]
    series = parts.series_of(((row, _point(row)) for row in rows), palette, EVERYONE)
    # One size is no curve; the table has it.
    if len({row["size"] for row in rows}) < 2:
        return
    has_models = any(row["state"] == "extrapolated" for row in rows)
    bands = [s.name for s in series] if len(series) <= MAX_BANDS else [EVERYONE]
    dashed = ", extrapolated (dashed) above it" if has_models else ""
    alt = (
        f"FPIR against the size of the gallery, both logarithmic, measured up to {sized['gallery']:,} rows"
        f"{dashed}, for {words.listed([s.name for s in series])}."
    )
    whose = "intervals" if len(bands) == len(series) else f"interval of {EVERYONE}; the table has the others"
    dashes = " Dashed and hollow: extrapolated by a model." if has_models else ""
    yield Figure(
        anchor,
        f"False alarms by size of the gallery{parts.by(grouping)}, threshold {words.exact(threshold)}",
        f"Filled points: measured. Lines join the sizes that were asked for.{dashes} Bands: 95% {whose}.",
        charts.sizes(series, bands=bands, searched=sized["gallery"], alt=alt),
        parts.legend(series),
        _undrawn(sized, grouping, threshold),
    )


def _undrawn(sized: GallerySizes, grouping: str, threshold: float) -> list[str]:
    """Groups that have no place on a logarithm."""
    rows = [r for r in _of("fpir", sized["rows"]) if r["threshold"] == threshold and r["grouping"] == grouping]
    drawn = {r["group"] for r in rows if r["value"]}
    left_out = list(dict.fromkeys(r["group"] for r in rows if r["group"] not in drawn))
    return [f"Not drawn, without false alarms or searches: {words.listed(left_out)}."] if left_out else []


def _point(row: SizedRate) -> charts.Row:
    cell = sized_cell(row)
    found = {"size": row["size"], "value": row["value"], "low": row["low"], "high": row["high"], "state": row["state"]}
    return found | {"text": cell.value, "interval": cell.interval, "matches": row["false_matches"]}


def _cells(row: SizedRate) -> list[Cell]:
    state = RateCell(row["state"], row["state"] == "measured", row["model"])
    searches = words.plural(row["searches"], "search", "searches")
    return [sized_cell(row), state, CountCell(f"{row['false_matches']:,}", searches)]


def sized_cell(row: SizedRate) -> RateCell:
    """A rate at one size for a table; a model never says that every search is a false alarm."""
    cell = plain_cell(row)
    is_all = row["value"] == 1 and row["state"] == "extrapolated"
    return RateCell(words.ABOVE, True, cell.interval) if is_all else cell


def plain_cell(row: Range) -> RateCell:
    """A rate as a share for a table: what stands for it where there is none, and the reason."""
    if row["value"] is None:
        return missing(row["reason"])
    ends = words.ends(row, words.percent)
    if row["value"] == 0:
        return RateCell("none seen", False, ends if row["high"] is None else f"at most {words.percent(row['high'])}")
    return RateCell(words.percent(row["value"]), True, ends)


def _miss(row: SizedRate) -> RateCell:
    """FNIR; the reason of one that is not known stands below the table."""
    return missing("") if row["value"] is None else sized_cell(row)


def _of(metric: str, rows: Sequence[SizedRate]) -> list[SizedRate]:
    return [row for row in rows if row["metric"] == metric]


def _heading(row: SizedRate) -> str:
    return EVERYONE if row["grouping"] == ALL else f"{row['group']} ({words.grouping(row['grouping'])})"
