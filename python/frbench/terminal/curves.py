"""Summary tables: whole curves of a verify run as tables on a terminal, and what the data can show at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from frbench.operating_point import RULE_OF_30
from frbench.terminal import figures
from frbench.terminal.figures import UNDEFINED, sentences

TITLES = {"eer": "EER", "auc": "AUC", "min_cllr": "min Cllr", "fta": "FTA"}
Rows = Sequence[Mapping[str, Any]]
# How a group of a grouping is called.
Name = Callable[[str, str], str]


def tables(results: Mapping[str, Any], name: Name) -> Iterator[RenderableType]:
    """EER, AUC and min Cllr, what the data can show, and failures; reasons stand below."""
    rows: Rows = results.get("summaries", [])
    if not rows:
        return
    yield Text("whole curves, for research: nobody operates at an equal error rate", style="bold")
    if any(row["eer"]["value"] is not None for row in rows):
        yield _equal_errors(rows, name)
    if any(row["auc"]["value"] is not None for row in rows):
        yield _areas(rows, name)
    yield from _reasons(rows, ("eer", "auc", "min_cllr"), name)
    title = "smallest rates with 30 errors behind them, as if comparisons were independent; they share people"
    yield Text(f"\n{title}", style="bold")
    yield _support(rows, name)
    yield from _unsupported(rows, name)
    if any(row["fta"]["k"] for row in rows):
        yield from _failures(rows, name)
    yield ""


def _equal_errors(rows: Rows, name: Name) -> Table:
    table = figures.table("group", "EER", "95% interval", "bins leave", "hull", "threshold", "FMR k / n", "FNMR k / n")
    for row in rows:
        e = row["eer"]
        if e["value"] is not None:
            table.add_row(
                Text(name(row["grouping"], row["group"])),
                figures.percent(e["value"]),
                figures.interval(e, figures.percent),
                _between(e["bounds"], figures.percent),
                figures.percent(e["rocch"]),
                f"{e['threshold']:.9g}",
                f"{e['false_matches']:,} / {e['n_nonmated']:,}",
                f"{e['false_nonmatches']:,} / {e['n_mated']:,}",
            )
    return table


def _areas(rows: Rows, name: Name) -> Table:
    parts = (("auc", _area), ("min_cllr", _bits))
    table = figures.table("group", *(c for key, _ in parts for c in (TITLES[key], "95% interval", "bins leave")))
    for row in rows:
        if any(row[key]["value"] is not None for key, _ in parts):
            cells = (cell for key, form in parts for cell in _cells(row[key], form))
            table.add_row(Text(name(row["grouping"], row["group"])), *cells)
    return table


def _cells(found: Mapping[str, Any], form: Callable[[float], str]) -> tuple[str, str, str]:
    if found["value"] is None:
        return UNDEFINED, "", ""
    return form(found["value"]), figures.interval(found, form), _between(found["bounds"], form)


def _support(rows: Rows, name: Name) -> Table:
    table = figures.table("group", "FMR", "non-mated", "FNMR", "mated")
    for row in rows:
        sides = (row["supported_down_to"][metric] for metric in ("fmr", "fnmr"))
        cells = (
            text
            for side in sides
            for text in (UNDEFINED if side["value"] is None else _power(side["value"]), f"{side['n']:,}")
        )
        table.add_row(Text(name(row["grouping"], row["group"])), *cells)
    return table


def _unsupported(rows: Rows, name: Name) -> Iterator[Text]:
    too_few = {"value": None, "reason": f"fewer than {RULE_OF_30} comparisons cannot show {RULE_OF_30} errors"}
    found = (
        (metric.upper(), name(row["grouping"], row["group"]), too_few)
        for row in rows
        for metric, side in row["supported_down_to"].items()
        if side["value"] is None
    )
    yield from map(Text, sentences(found))


def _failures(rows: Rows, name: Name) -> Iterator[RenderableType]:
    """Failures to acquire, and what they make of error rates, of every threshold."""
    yield Text(f"\nfailed templates. {rows[0]['generalised']['policy']}", style="bold")
    table = figures.table("group", "FTA", "95% interval", "k / n", "threshold", "GFAR", "GFRR")
    for row in rows:
        fta = row["fta"]
        if fta["value"] is None:
            continue
        head = (figures.percent(fta["value"]), figures.interval(fta, figures.percent), f"{fta['k']:,} / {fta['n']:,}")
        for at in row["generalised"]["rates"] or [{"threshold": None}]:
            table.add_row(Text(name(row["grouping"], row["group"])), *head, *_transactions(at))
    yield table
    yield from _reasons(rows, ("fta",), name)
    missing = (
        ("GFAR or GFRR", name(row["grouping"], row["group"]), {"value": None, "reason": at["reason"]})
        for row in rows
        for at in row["generalised"]["rates"]
    )
    yield from map(Text, sentences(missing))


def _transactions(at: Mapping[str, Any]) -> tuple[str, ...]:
    if at["threshold"] is None:
        return ()
    gfar, gfrr = at["gfar"], at["gfrr"]
    return (
        f"{at['threshold']:.9g}",
        UNDEFINED if gfar is None else _power(gfar) if gfar else "0",
        UNDEFINED if gfrr is None else figures.percent(gfrr),
    )


def _reasons(rows: Rows, keys: Sequence[str], name: Name) -> Iterator[Text]:
    found = ((TITLES[key], name(row["grouping"], row["group"]), row[key]) for row in rows for key in keys)
    yield from map(Text, sentences(found))


def _between(bounds: Sequence[float], form: Callable[[float], str]) -> str:
    return f"{form(bounds[0])} - {form(bounds[1])}"


def _power(value: float) -> str:
    """A rare rate: 1.2e-4."""
    return f"{value:.1e}".replace("e-0", "e-")


def _area(value: float) -> str:
    return f"{value:.5f}"


def _bits(value: float) -> str:
    return f"{value:.3g}"
