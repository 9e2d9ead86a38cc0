"""A table of a finished run in memory, which pandas, polars and pyarrow take as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Literal

import pyarrow as pa
from markupsafe import Markup

from frbench.errors import InputError
from frbench.runs.export import tables

WIDTH = 132


class Table:
    """Rows with named columns; one row an observation, one column a variable.

    It speaks the Arrow C stream: `pyarrow.table`, `polars.from_arrow` and `pandas.DataFrame.from_arrow` take it.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        names = dict.fromkeys(name for row in rows for name in row)
        self._arrow = pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return [str(name) for name in self._arrow.column_names]

    def __len__(self) -> int:
        return int(self._arrow.num_rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._arrow.to_pylist())

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._arrow.__arrow_c_stream__(requested_schema)

    def __dataframe__(self, nan_as_null: bool = False, allow_copy: bool = True) -> object:
        return self._arrow.__dataframe__(nan_as_null, allow_copy)

    def to_arrow(self) -> pa.Table:
        """A pyarrow table."""
        return self._arrow

    def to_pandas(self) -> Any:
        """A pandas DataFrame; pandas has to be installed."""
        return self._arrow.to_pandas()

    def to_polars(self) -> Any:
        """A polars DataFrame; polars has to be installed."""
        return import_module("polars").from_arrow(self._arrow)

    def __repr__(self) -> str:
        """As many columns as a screen has room for, and the names of the others."""
        columns = {name: [name, *(_short(row[name]) for row in self)] for name in self.columns}
        widths = {name: max(map(len, texts)) + 2 for name, texts in columns.items()}
        shown: list[str] = []
        for name in columns:
            if sum(widths[each] for each in (*shown, name)) <= WIDTH:
                shown.append(name)
        lines = ["".join(columns[name][i].ljust(widths[name]) for name in shown).rstrip() for i in range(len(self) + 1)]
        others = [name for name in columns if name not in shown]
        return "\n".join([*lines, *([f"and columns {', '.join(others)}"] if others else [])])

    def _repr_html_(self) -> str:
        return html([self.columns, *([_short(v) for v in row.values()] for row in self)])


def table_of(results: Mapping[str, Any], name: str) -> Table:
    """A table of `results.json` by name, as `frbench export` writes it; "rates" are the estimates.

    Raises
    ------
    InputError : there is none of this name; the message lists those that there are.
    """
    found = tables(results)
    wanted = "estimates" if name == "rates" else name
    if wanted not in found:
        known = ["rates" if each == "estimates" else each for each in found]
        raise InputError(f"this run has no table {name!r}, only {', '.join(known)}")
    return Table(found[wanted])


def html(rows: Sequence[Sequence[str]]) -> str:
    """An HTML table whose first row is its head; texts are escaped."""
    head, *body = rows
    lines = Markup("").join(_line("td", row) for row in body)
    return str(Markup("<table><thead>{}</thead><tbody>{}</tbody></table>").format(_line("th", head), lines))


def _line(tag: Literal["td", "th"], cells: Sequence[str]) -> Markup:
    inside = Markup("").join(Markup(f"<{tag}>{{}}</{tag}>").format(cell) for cell in cells)
    return Markup("<tr>{}</tr>").format(inside)


def _short(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
