"""Shows whole curves of a verify run as tables on a terminal, and what the data can show at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from frbench.operating_point import RULE_OF_30
from frbench.results.types import Auc, Generalised, MinCllr, Summary, Value, Verify
from frbench.terminal import figures
from frbench.terminal.common import named, reasons
from frbench.terminal.figures import UNDEFINED, Form, exact, number, three_digits

Rows = Sequence[tuple[str, Summary]]


def tables(results: Verify) -> Iterator[RenderableType]:
    """EER, AUC and min Cllr, what the data can show, and failures; reasons stand below."""
    rows = named(results, results.get("summaries", ()))
    if not rows:
        return
    yield Text("whole curves, for research: nobody operates at an equal error rate", style="bold")
    if any(row["eer"]["value"] is not None for _, row in rows):
        yield _equal_errors(rows)
    if any(row["auc"]["value"] is not None for _, row in rows):
        yield _areas(rows)
    curves: tuple[tuple[str, Callable[[Summary], Value]], ...] = (
        ("EER", lambda row: row["eer"]),
        ("AUC", lambda row: row["auc"]),
        ("min Cllr", lambda row: row["min_cllr"]),
    )
    yield from reasons((title, name, of(row)) for name, row in rows for title, of in curves)
    title = "smallest rates with 30 errors behind them, as if comparisons were independent; they share people"
    yield Text(f"\n{title}", style="bold")
    yield _support(rows)
    too_few: Value = {"value": None, "reason": f"fewer than {RULE_OF_30} comparisons cannot show {RULE_OF_30} errors"}
    yield from reasons(
        (metric, name, too_few)
        for name, row in rows
        for metric, side in (("FMR", row["supported_down_to"]["fmr"]), ("FNMR", row["supported_down_to"]["fnmr"]))
        if side["value"] is None
    )
    if any(row["fta"]["k"] for _, row in rows):
        yield from _failures(rows)
    yield ""


def _equal_errors(rows: Rows) -> Table:
    columns = ("EER", "95% interval", "bins leave", "hull", "threshold", "FMR k / n", "FNMR k / n")
    known = [(name, row["eer"]) for name, row in rows if row["eer"]["value"] is not None]
    cells = [
        (
            name,
            number(e["value"], figures.percent),
            figures.interval(e, figures.percent),
            _between(e["bounds"], figures.percent),
            number(e["rocch"], figures.percent),
            number(e["threshold"], exact),
            f"{e['false_matches']:,} / {e['n_nonmated']:,}",
            f"{e['false_nonmatches']:,} / {e['n_mated']:,}",
        )
        for name, e in known
    ]
    return figures.table("group", *columns, rows=cells)


def _areas(rows: Rows) -> Table:
    columns = ("AUC", "95% interval", "bins leave", "min Cllr", "95% interval", "bins leave")
    cells = [
        (name, *_cells(row["auc"], "{:.5f}".format), *_cells(row["min_cllr"], three_digits))
        for name, row in rows
        if row["auc"]["value"] is not None or row["min_cllr"]["value"] is not None
    ]
    return figures.table("group", *columns, rows=cells)


def _cells(found: Auc | MinCllr, form: Form) -> tuple[str, str, str]:
    if found["value"] is None:
        return UNDEFINED, "", ""
    return form(found["value"]), figures.interval(found, form), _between(found["bounds"], form)


def _support(rows: Rows) -> Table:
    cells = [
        (name, number(fmr["value"], _power), f"{fmr['n']:,}", number(fnmr["value"], _power), f"{fnmr['n']:,}")
        for name, row in rows
        for fmr, fnmr in [(row["supported_down_to"]["fmr"], row["supported_down_to"]["fnmr"])]
    ]
    return figures.table("group", "FMR", "non-mated", "FNMR", "mated", rows=cells)


def _failures(rows: Rows) -> Iterator[RenderableType]:
    """Failures to acquire, and what they make of error rates, of every threshold."""
    yield Text(f"\nfailed templates. {rows[0][1]['generalised']['policy']}", style="bold")
    cells = [
        (name, *figures.rate(row["fta"], figures.percent), *transactions)
        for name, row in rows
        if row["fta"]["value"] is not None
        for transactions in _transactions(row["generalised"]["rates"])
    ]
    yield figures.table("group", "FTA", "95% interval", "k / n", "threshold", "GFAR", "GFRR", rows=cells)
    yield from reasons(("FTA", name, row["fta"]) for name, row in rows)
    every = [(name, at["reason"]) for name, row in rows for at in row["generalised"]["rates"]]
    yield from reasons(("GFAR or GFRR", name, {"value": None, "reason": reason}) for name, reason in every)


def _transactions(rates: Sequence[Generalised]) -> list[tuple[str, ...]]:
    """Threshold, GFAR and GFRR; nothing once where there are no thresholds."""
    return [
        (
            exact(at["threshold"]),
            "0" if at["gfar"] == 0 else number(at["gfar"], _power),
            number(at["gfrr"], figures.percent),
        )
        for at in rates
    ] or [()]


def _between(bounds: Sequence[float] | None, form: Form) -> str:
    return "" if bounds is None else f"{form(bounds[0])} - {form(bounds[1])}"


def _power(value: float) -> str:
    """A rare rate: 1.2e-4."""
    return f"{value:.1e}".replace("e-0", "e-")
