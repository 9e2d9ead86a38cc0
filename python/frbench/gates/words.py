"""Writes the rows of a gate as texts, the same on a terminal, in Markdown, in JUnit and in a failed test."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from frbench.estimate import LEVEL
from frbench.gates.reading import Count, Form
from frbench.gates.verdicts import Gate, Row
from frbench.terminal import figures
from frbench.terminal.figures import UNDEFINED

INTERVAL = f"{LEVEL:.0%} interval"
HEADER = ("", "quantity", "value", INTERVAL, "counts", "bound", "fails from", "")


class Line(NamedTuple):
    """A row as texts, in the order of `HEADER`."""

    outcome: str
    name: str
    value: str
    interval: str
    counts: str
    bound: str
    fails_from: str
    note: str

    @property
    def sentence(self) -> str:
        """The row in one line of text."""
        figures_ = f"{self.value} ({INTERVAL} {self.interval})" if self.interval else self.value
        counts = f"; {self.counts}" if self.counts else ""
        note = f": {self.note}" if self.note else ""
        return f"{self.name} is {figures_}, bound {self.bound}{counts}{note}"


def line(row: Row) -> Line:
    """A row as texts."""
    reading, form = row.reading, form_of(row)
    ends = [form(end) for end in (reading.low, reading.high) if end is not None]
    return Line(
        outcome=row.outcome if row.outcome != "inconclusive" or row.blocks else f"inconclusive ({row.rule.doubt})",
        name=row.name + (f" ({reading.who})" if reading.who else ""),
        value=UNDEFINED if reading.value is None else form(reading.value),
        interval=" to ".join(ends) if len(ends) == 2 else "",
        counts="; ".join(map(_count, reading.counts)),
        bound=_bound(row, form),
        fails_from="" if row.fails_from is None else form(row.fails_from),
        note=_note(row),
    )


def headline(gate: Gate) -> str:
    """The outcome in one sentence."""
    n = {kind: sum(row.outcome == kind for row in gate.rows) for kind in ("pass", "fail", "inconclusive")}
    parts = [f"{n['pass']} of {len(gate.rows)} rows pass"]
    parts += [f"{n['fail']} fail"] if n["fail"] else []
    tolerated = sum(row.outcome == "inconclusive" and not row.blocks for row in gate.rows)
    if n["inconclusive"]:
        parts.append(f"{n['inconclusive']} inconclusive" + (f", {tolerated} of them tolerated" if tolerated else ""))
    return f"gate: {gate.outcome}; {', '.join(parts)}"


def form_of(row: Row) -> Callable[[float], str]:
    """How the figures of a row are written."""
    if row.rule.kind == "change":
        return _relative if row.form == "ratio" else _signed(row.form)
    return FORMS[row.form]


def time(ns: float) -> str:
    """Nanoseconds in the unit that people read."""
    unit, scale = next(((u, s) for u, s in (("s", 1e9), ("ms", 1e6)) if ns >= s), ("us", 1e3))
    return f"{ns / scale:.3g} {unit}"


FORMS: dict[Form, Callable[[float], str]] = {
    "rare": figures.power,
    "common": figures.percent,
    "ratio": lambda x: f"{x:.3g}",
    "time": time,
    "number": lambda x: f"{x:,.4g}",
}


def _signed(form: Form) -> Callable[[float], str]:
    if form == "common":
        return lambda x: f"{100 * x:+.3g} points"
    return lambda x: f"{'+' if x > 0 else '-' if x < 0 else ''}{FORMS[form](abs(x))}"


def _relative(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.3g}%"


def _bound(row: Row, form: Callable[[float], str]) -> str:
    bounds = row.bounds
    ends = (">=", bounds.lower), ("<=", bounds.upper)
    return " and ".join(f"{sign} {form(value)}" for sign, value in ends if value is not None)


def _count(count: Count) -> str:
    whose = f"{count.whose} " if count.whose else ""
    return f"{whose}{count.n:,} {count.unit}" if count.k is None else f"{whose}{count.k:,} / {count.n:,}"


def _note(row: Row) -> str:
    if row.outcome == "pass":
        return ""
    chance = "" if row.p is None or row.p_holm is None else f"p {row.p:.2g}, {row.p_holm:.2g} among all rows"
    if row.outcome == "fail":
        return chance
    needed, had = row.settled_by, row.reading.size
    if needed is None:
        return row.reason
    now = "" if had is None else f" ({had.n:,.0f} now)"
    return f"{row.reason}; about {needed.n:,.0f} {needed.unit}{now} would settle it if the value stays"
