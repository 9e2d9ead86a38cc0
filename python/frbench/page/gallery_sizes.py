"""Gallery sizes as the page shows them: measured up to the gallery that was searched, extrapolated above it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from frbench.page import charts, parts, words
from frbench.page.charts import Series
from frbench.page.parts import Block, Figure, Row, Table
from frbench.page.style import Palette
from frbench.page.words import CountCell, RateCell
from frbench.plan import ALL

Sized = Mapping[str, Any]
EVERYONE = "all searches"
MAX_BANDS = 3
COLUMNS = (
    ("Gallery", "rows"),
    ("FPIR", "95% interval"),
    ("Where from", "model"),
    ("False matches", "behind it, of non-mated searches"),
)
CHECK_COLUMNS = (
    ("Group", ""),
    ("Model", ""),
    ("Checked at", "threshold"),
    ("Held", "of fits to a part of the gallery"),
    ("Mean error", "factor of the rate"),
    ("Used", ""),
)


def blocks(results: parts.Results, palette: Palette, prefix: str) -> Iterator[Block]:
    """Rates at other gallery sizes, if they were asked for."""
    sized = results.get("gallery_sizes")
    if sized is None:
        return
    numbers = range(1, len(results["thresholds"]) + 1)
    figures = [
        figure
        for number, t in zip(numbers, results["thresholds"], strict=True)
        for grouping in parts.groupings(results) or [ALL]
        for figure in _figure(sized, palette, grouping, t, f"{prefix}-sizes-{grouping.replace(',', '-')}-{number}")
    ]
    rank = min(results["ranks"])
    tables = [_table(sized, palette, t, rank) for t in results["thresholds"]]
    yield Block(
        "Other gallery sizes",
        lead=[*_lead(sized), *_refusals(sized)],
        figures=figures,
        tables=tables,
        closing=[_misses(sized, palette, rank), *_checks(sized, palette)],
    )


def _lead(sized: Sized) -> Iterator[str]:
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


def _refusals(sized: Sized) -> Iterator[str]:
    """Why FPIR of a larger gallery is not given, by group; those of one reason together."""
    names: dict[str, dict[str, None]] = {}
    for row in _of("fpir", sized["rows"]):
        if row["value"] is None and row["size"] > sized["gallery"] and row["searches"]:
            names.setdefault(row["reason"], {})[_name(row)] = None
    for why, groups in names.items():
        yield f"FPIR of a larger gallery is not estimable for {words.listed(list(groups))}: {words.reason(why)}."


def _table(sized: Sized, palette: Palette, threshold: float, rank: int) -> Table:
    every = [row for row in _of("fpir", sized["rows"]) if row["threshold"] == threshold]
    rows = [row for row in every if row["searches"]]
    left_out = list(dict.fromkeys(_name(row) for row in every if not row["searches"]))
    misses = {
        (_key(row), row["size"]): row
        for row in _of("fnir", sized["rows"])
        if row["threshold"] == threshold and row["rank"] == rank
    }
    bodies: dict[str, list[Row]] = {}
    for row in rows:
        cells = [*_cells(row), _miss(misses[_key(row), row["size"]])]
        bodies.setdefault(_heading(row), []).append(Row(f"{row['size']:,}", cells, _swatch(palette, row)))
    columns = (*COLUMNS, (f"FNIR, rank {rank}", "95% interval"))
    notes = list(
        dict.fromkeys(words.sentence(words.reason(m["reason"])) for m in misses.values() if m["value"] is None)
    )
    if left_out:
        notes.append(f"Left out, with 0 non-mated searches: {words.listed(left_out)}.")
    caption = f"Rates by size of the gallery, threshold {words.exact(threshold)}"
    return Table(caption, columns, list(bodies.items()), notes)


def _misses(sized: Sized, palette: Palette, rank: int) -> Table:
    """FNIR without a threshold, by size."""
    rows = [row for row in _of("fnir", sized["rows"]) if row["threshold"] is None and row["rank"] == rank]
    sizes = list(dict.fromkeys(row["size"] for row in rows if row["size"] <= sized["gallery"]))
    at = {(_key(row), row["size"]): row for row in rows}
    groups = {_key(row): row for row in rows}
    found = [
        Row(_name(row), [rate(at[key, size]) for size in sizes], _swatch(palette, row), row["grouping"] == ALL)
        for key, row in groups.items()
    ]
    columns = [("Group", ""), *((f"N\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{size:,}", "95% interval") for size in sizes)]
    return Table(f"FNIR at rank {rank} without a threshold, by size of the gallery", columns, [("", found)], (), True)


def _checks(sized: Sized, palette: Palette) -> Iterator[Table]:
    """How every model did on galleries whose rate is known."""
    tried = [c for c in sized["checks"] if c["tried"]]
    if not tried:
        return
    rows = [
        Row(
            _name(c),
            [
                c["model"],
                words.exact(c["at"]),
                f"{c['held']:,} of {c['tried']:,}",
                "not estimable" if c["error"] is None else words.digits(math.exp(c["error"]), 3),
                "yes" if c["is_passed"] else "no",
            ],
            _swatch(palette, c),
            c["grouping"] == ALL,
        )
        for c in tried
    ]
    notes = [
        "Each model was fitted to parts of the gallery, a sixteenth to a half of its rows, and held if its interval "
        "had in it the rate measured on all of it. One that misses more than one time in ten is not used."
    ]
    yield Table("Models, checked on parts of the gallery that was searched", CHECK_COLUMNS, [("", rows)], notes, True)


def _figure(sized: Sized, palette: Palette, grouping: str, threshold: float, anchor: str) -> Iterator[Figure]:
    rows = [
        row
        for row in _of("fpir", sized["rows"])
        if row["threshold"] == threshold and row["grouping"] in (ALL, grouping) and row["value"]
    ]
    names = list(dict.fromkeys(_key(row) for row in rows))
    series = [
        Series(_name(own[0]), palette[key], [_point(row) for row in own])
        for key in names
        for own in [[row for row in rows if _key(row) == key]]
    ]
    # One size is no curve; the table has it.
    if len({row["size"] for row in rows}) < 2:
        return
    has_models = any(row["state"] == "extrapolated" for row in rows)
    bands = [s.name for s in series] if len(series) <= MAX_BANDS else [EVERYONE]
    by = "" if grouping == ALL else f" by {words.grouping(grouping)}"
    dashed = ", extrapolated (dashed) above it" if has_models else ""
    alt = (
        f"FPIR against the size of the gallery, both logarithmic, measured up to {sized['gallery']:,} rows"
        f"{dashed}, for {words.listed([s.name for s in series])}."
    )
    whose = "intervals" if len(bands) == len(series) else f"interval of {EVERYONE}; the table has the others"
    dashes = " Dashed and hollow: extrapolated by a model." if has_models else ""
    yield Figure(
        anchor,
        f"False alarms by size of the gallery{by}, threshold {words.exact(threshold)}",
        alt,
        f"Filled points: measured. Lines join the sizes that were asked for.{dashes} Bands: 95% {whose}.",
        charts.sizes(series, bands=bands, searched=sized["gallery"], alt=alt),
        parts.legend(series),
        _undrawn(sized, grouping, threshold),
    )


def _undrawn(sized: Sized, grouping: str, threshold: float) -> list[str]:
    """Groups that have no place on a logarithm."""
    rows = [r for r in _of("fpir", sized["rows"]) if r["threshold"] == threshold and r["grouping"] == grouping]
    drawn = {r["group"] for r in rows if r["value"]}
    left_out = list(dict.fromkeys(r["group"] for r in rows if r["group"] not in drawn))
    return [f"Not drawn, without false alarms or searches: {words.listed(left_out)}."] if left_out else []


def _point(row: Sized) -> dict[str, Any]:
    return {
        "size": row["size"],
        "value": row["value"],
        "low": row["low"],
        "high": row["high"],
        "state": row["state"],
        "text": rate(row).value,
        "interval": rate(row).interval,
        "matches": row["false_matches"],
    }


def _cells(row: Sized) -> list[RateCell | CountCell | str]:
    state = RateCell(row["state"], row["state"] == "measured", row["model"], "")
    searches = words.plural(row["searches"], "search", "searches")
    return [rate(row), state, CountCell(f"{row['false_matches']:,}", searches)]


def rate(row: Sized) -> RateCell:
    """A rate at one size for a table: what stands for it where there is none, and the reason."""
    if row["value"] is None:
        return RateCell("not estimable", False, words.reason(row["reason"]), "")
    low, high = row["low"], row["high"]
    ends = words.reason(row["reason"]) if low is None else f"{words.percent(low)} to {words.percent(high)}"
    if row["value"] == 0:
        return RateCell("none seen", False, ends if high is None else f"at most {words.percent(high)}", "")
    # A model never says that every search is a false alarm.
    is_all = row["value"] == 1 and row["state"] == "extrapolated"
    return RateCell(words.ABOVE if is_all else words.percent(row["value"]), True, ends, "")


def _miss(row: Sized) -> RateCell:
    """FNIR; the reason of one that is not known stands below the table."""
    return rate(row if row["value"] is not None else {**row, "reason": ""})


def _of(metric: str, rows: Sequence[Sized]) -> list[Sized]:
    return [row for row in rows if row["metric"] == metric]


def _key(row: Sized) -> tuple[str, str]:
    return row["grouping"], row["group"]


def _name(row: Sized) -> str:
    return EVERYONE if row["grouping"] == ALL else str(row["group"])


def _heading(row: Sized) -> str:
    return EVERYONE if row["grouping"] == ALL else f"{row['group']} ({words.grouping(row['grouping'])})"


def _swatch(palette: Palette, row: Sized) -> Any:
    return palette[_key(row)].swatch
