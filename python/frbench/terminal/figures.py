"""Writes numbers of `results.json` as the cells of a table on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

UNDEFINED = "not estimable"

Form = Callable[[float], str]
PIPE_WIDTH = 132


def terminal(console: Console | None, *, pipe_width: int = PIPE_WIDTH) -> Console:
    """The console to print on: `console`, or standard output; as wide as a table needs where nobody looks."""
    console = console or Console()
    if not console.is_terminal:
        console.width = pipe_width
    return console


def table(first: str, *columns: str, rows: Iterable[Sequence[str]] = ()) -> Table:
    """A table: a column of names, and columns of figures; no text in `rows` is taken for markup."""
    made = Table(box=None, pad_edge=False, header_style="dim")
    made.add_column(first)
    for column in columns:
        made.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        made.add_row(*map(Text, row))
    return made


def number(value: float | None, form: Form) -> str:
    """A number, or that there is none."""
    return UNDEFINED if value is None else form(value)


def exact(value: float) -> str:
    """A threshold with nine digits, which tell any float32 from its neighbours."""
    return f"{value:.9g}"


def three_digits(value: float) -> str:
    """A number to three digits."""
    return f"{value:.3g}"


def power(value: float) -> str:
    """A rare rate: 1.23e-4."""
    return f"{value:.2e}".replace("e-0", "e-") if value else "0"


def percent(value: float) -> str:
    """A common rate: 12.3%."""
    return f"{100 * value:.3g}%"


def interval(found: Mapping[str, Any], form: Form) -> str:
    """Both ends, or that there are none."""
    return UNDEFINED if found["low"] is None else f"{form(found['low'])} - {form(found['high'])}"


def rate(estimate: Mapping[str, Any], form: Form) -> tuple[str, str, str]:
    """The value of an estimate, its interval, and k / n; the reason stands elsewhere."""
    if estimate["value"] is None:
        return UNDEFINED, "", ""
    return form(estimate["value"]), interval(estimate, form), counts(estimate)


def counts(estimate: Mapping[str, Any]) -> str:
    """k / n."""
    return f"{estimate['k']:,} / {estimate['n']:,}"


def factor(found: Mapping[str, Any]) -> str:
    """A ratio with its interval, in one cell: 1.2 [1.1, 1.3]."""
    if found["value"] is None:
        return "-"
    value = f"{found['value']:.3g}"
    return value if found["low"] is None else f"{value} [{found['low']:.3g}, {found['high']:.3g}]"


def sentences(found: Iterable[tuple[str, str, Mapping[str, Any]]]) -> Iterator[str]:
    """One sentence for all groups of one reason, and for all values that are missing of the same groups for it.

    found : title of a value, group, and the value itself with its entries `value` and `reason`.
    """
    reasons: dict[tuple[str, bool], dict[str, dict[str, None]]] = {}
    for title, group, each in found:
        if each["reason"]:
            titles = reasons.setdefault((each["reason"], each["value"] is None), {})
            titles.setdefault(title, {})[group] = None
    for (reason, is_missing), titles in reasons.items():
        together: dict[tuple[str, ...], list[str]] = {}
        for title, groups in titles.items():
            together.setdefault(tuple(groups), []).append(title)
        for names, several in together.items():
            head = f"{', '.join(several)} of {'; '.join(names)}"
            yield f"{head}: {UNDEFINED}, {reason}" if is_missing else f"{head}: {reason}"
