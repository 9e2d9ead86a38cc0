"""Shows the ways in which a 1:N system is used as tables on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from frbench.results.types import Identify, Mode, Selectivity
from frbench.terminal import figures
from frbench.terminal.common import named, reasons
from frbench.terminal.figures import UNDEFINED, exact, number, three_digits

Modes = Sequence[tuple[str, Mode]]


def tables(results: Identify) -> Iterator[RenderableType]:
    """Identification and investigation, selectivity, and failures to enrol; reasons stand below."""
    modes = named(results, results.get("modes", ()))
    for target in dict.fromkeys(mode["fpir_at_most"] for _, mode in modes):
        rows = [(name, mode) for name, mode in modes if mode["fpir_at_most"] == target]
        yield from _investigation(rows) if target is None else _identification(rows)
    if found := results.get("selectivity"):
        yield from _selectivity(named(results, found))
    fte = results.get("fte")
    if fte and fte["k"]:
        share = f"{number(fte['value'], figures.percent)}, {figures.counts(fte)}"
        yield Text(f"\nfailed to enrol: {share} templates of the gallery")


def _identification(rows: Modes) -> Iterator[RenderableType]:
    first, at = rows[0][1], rows[0][1]["set_at"]
    head = f"\nidentification at FPIR <= {first['fpir_at_most']}"
    if at is None or at["threshold"] is None:
        yield Text(f"{head}: {UNDEFINED}, {first['fnir']['reason']}")
        return
    where = f"threshold {exact(at['threshold'])}, achieved {figures.counts(at)}"
    yield Text(f"{head}: {where}, gallery {first['gallery']:,}, lists of {first['list_length']:,}", style="bold")
    fnir = f"FNIR rank {first['rank']}"
    rates = [(name, mode["fpir"], mode["fnir"]) for name, mode in rows if mode["fpir"] is not None]
    cells = [(name, *(c for e in both for c in figures.rate(e, figures.percent))) for name, *both in rates]
    yield figures.table("group", "FPIR", "95% interval", "k / n", fnir, "95% interval", "k / n", rows=cells)
    yield from reasons([("FPIR", name, e) for name, e, _ in rates] + [(fnir, name, e) for name, _, e in rates])
    if not at["rule_of_30"]:
        yield Text(f"{at['at']} rests on {at['k']:,} false positives, fewer than 30", style="yellow")


def _investigation(rows: Modes) -> Iterator[RenderableType]:
    first = rows[0][1]
    yield Text(f"\ninvestigation, without a threshold, gallery {first['gallery']:,}", style="bold")
    fnir = f"FNIR rank {first['rank']}"
    cells = [(name, *figures.rate(mode["fnir"], figures.percent)) for name, mode in rows]
    yield figures.table("group", fnir, "95% interval", "k / n", rows=cells)
    yield from reasons((fnir, name, mode["fnir"]) for name, mode in rows)
    yield Text(first["note"])


def _selectivity(rows: Sequence[tuple[str, Selectivity]]) -> Iterator[RenderableType]:
    title = "selectivity: candidates at or above the threshold per non-mated search"
    yield Text(f"\n{title}, gallery {rows[0][1]['gallery']:,}", style="bold")
    cells = [
        (
            name,
            exact(row["threshold"]),
            "at least " * (row["is_censored"] and row["value"] is not None) + number(row["value"], three_digits),
            figures.interval(row, three_digits),
            figures.counts(row),
        )
        for name, row in rows
    ]
    yield figures.table("group", "threshold", "candidates", "95% interval", "k / n", rows=cells)
    yield from reasons((f"at {exact(row['threshold'])}", name, row) for name, row in rows)
    for name, row in rows:
        if row["is_censored"]:
            lists = "1 list is" if row["n_censored"] == 1 else f"{row['n_censored']:,} lists are"
            text = f"{name} at {exact(row['threshold'])}: {lists} full, and what comes after is not seen"
            yield Text(text, style="yellow")
