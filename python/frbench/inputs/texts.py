"""Columns of text, sixteen bytes a row and what a text has beyond fifteen, and answers about whole columns.

Python objects take four times as much. They are made of some rows at a time, where Python is what answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from frbench.inputs.arrays import Ints

# StringDType; objects where somebody made them, or where a text is not for it: half a surrogate pair is no UTF-8, and
# numpy takes two texts for equal that differ after a NUL.
Texts: TypeAlias = npt.NDArray[Any]

STRING = np.dtypes.StringDType()
NUL = "\0"
AT_ONCE = 1 << 16
# What str.strip takes away; that of numpy takes NUL, too.
BLANKS = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
BLANKS += "\u2028\u2029\u202f\u205f\u3000"


def texts(values: Sequence[Any] | npt.NDArray[Any]) -> Texts:
    """(n,) texts, stripped of surrounding blanks; None becomes ""."""
    stripped = ["" if value is None else str(value).strip() for value in values]
    try:
        return np.array(stripped, dtype=object if any(NUL in text for text in stripped) else STRING)
    except UnicodeEncodeError:
        return np.array(stripped, dtype=object)


def numerals(n: int) -> Texts:
    """(n,) the numbers from 0 on."""
    return np.arange(n, dtype=np.int64).astype(STRING)


def of_arrow(column: pa.ChunkedArray) -> Texts:
    """(n,) a column of large strings as texts, stripped of surrounding blanks; null becomes ""."""
    if pc.any(pc.match_substring(column, NUL)).as_py():
        return texts(column.to_pylist())
    out, start = empty(len(column)), 0
    for chunk in column.chunks:
        put(out, start, chunk)
        start += len(chunk)
    return out


def empty(n: int) -> Texts:
    """(n,) empty texts, to be written."""
    return np.empty(n, dtype=STRING)


def put(out: Texts, start: int, part: pa.Array) -> None:
    """Writes large strings without NUL to `out` from row `start` on, stripped of blanks; null becomes ""."""
    for first in range(0, len(part), AT_ONCE):
        stripped = pc.utf8_trim(part.slice(first, AT_ONCE), characters=BLANKS).fill_null("")
        out[start + first : start + first + len(stripped)] = stripped.to_numpy(zero_copy_only=False)


def lists(values: Texts, order: Ints | None = None) -> Iterator[list[str]]:
    """The texts, at `order` if one is given, some rows at a time."""
    for start in range(0, len(values), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        yield values[part if order is None else _as_run(order[part])].tolist()


def _as_run(rows: Ints) -> Ints | slice:
    return slice(rows[0], rows[-1] + 1) if (np.diff(rows) == 1).all() else rows


def order_of(values: Texts) -> Ints:
    """(n,) rows in the order of their texts by code points, equal ones as they come."""
    if _is_increasing(values):
        return np.arange(len(values), dtype=np.int64)
    return np.argsort(values, kind="stable").astype(np.int64, copy=False)


def n_different(values: Texts) -> int:
    """How many different texts there are."""
    if _is_increasing(values):
        return len(values)
    ordered = np.sort(values)
    return 1 + int((ordered[1:] != ordered[:-1]).sum())


def first_repeat(values: Texts) -> tuple[int, int] | None:
    """The first row whose text an earlier one has, after the first row that has it; None if all texts differ."""
    if n_different(values) == len(values):
        return None
    _, first, number = np.unique(values, return_index=True, return_inverse=True)
    row = int(np.flatnonzero(first[number] != np.arange(len(values)))[0])
    return int(first[number[row]]), row


def first_conflict(owners: Texts, values: Texts) -> tuple[int, int] | None:
    """The first row whose text is another than the first of its owner, after the row of that; "" is no text.

    None if each owner has one text at most.
    """
    rows = np.flatnonzero(values != "")
    _, first, owner = np.unique(owners[rows], return_index=True, return_inverse=True)
    earlier = rows[first[owner]]
    others = np.flatnonzero(values[rows] != values[earlier])
    return (int(earlier[others[0]]), int(rows[others[0]])) if len(others) else None


def numbered(values: Texts, number: Mapping[str, int]) -> tuple[Ints, Ints]:
    """(m,) rows whose text has a number, increasing, and (m,) those numbers."""
    rows, numbers = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for start, part in zip(range(0, len(values), AT_ONCE), lists(values), strict=True):
        found = np.fromiter(map(number.get, part, repeat(-1)), np.int64, len(part))
        kept = np.flatnonzero(found >= 0)
        rows.append(start + kept)
        numbers.append(found[kept])
    return np.concatenate(rows), np.concatenate(numbers)


def rows_of(values: Texts, wanted: Texts) -> Ints:
    """(m,) the row of `values`, which all differ, that has each wanted text; -1 for none."""
    # numpy.searchsorted reads long texts of one array where those of the other are.
    _, number = np.unique(np.concatenate([values, wanted]), return_inverse=True)
    rows = np.full(number.max(initial=-1) + 1, -1, dtype=np.int64)
    rows[number[: len(values)]] = np.arange(len(values))
    return rows[number[len(values) :]]


def _is_increasing(values: Texts) -> bool:
    return bool((values[1:] > values[:-1]).all())
