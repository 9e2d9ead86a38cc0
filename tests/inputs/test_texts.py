"""Texts: what whole columns answer is what Python says of their texts, one by one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.inputs import texts
from frbench.inputs.texts import BLANKS, STRING, Texts, of_arrow

# Few and short, so that they repeat; empty ones, NUL, digits, half a surrogate pair and planes beyond the first.
ANY = st.text("ab0\0 \x85é\u4e00\U0001f600", max_size=3) | st.sampled_from(["", "s" * 40, "t\ud800", "t\uffff"])
COLUMNS = st.lists(ANY, max_size=12)


def as_they_are(values: list[str]) -> Texts:
    """(n,) texts with their blanks; objects if one is no UTF-8 or has a NUL, as readers have it."""
    is_for_numpy = not any("\ud800" in value or "\0" in value for value in values)
    return np.array(values, dtype=STRING if is_for_numpy else object)


@pytest.fixture(autouse=True, scope="module")
def _few_at_once():
    """Columns of a few rows have several parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "AT_ONCE", 3)
        yield


def test_blanks_are_what_python_strips():
    """All characters of Unicode were asked."""
    assert {*BLANKS} == {chr(code) for code in range(0x110000) if chr(code).isspace()}


@given(st.lists(ANY | st.none() | st.integers()))
def test_texts_are_stripped_and_none_is_empty(values: list[str | int | None]):
    """Numbers become text; a text that is no UTF-8 is kept."""
    assert texts.texts(values).tolist() == ["" if value is None else str(value).strip() for value in values]


def test_texts_take_sixteen_bytes_a_row():
    """They are no Python objects, which take 56 and a pointer."""
    assert texts.texts(["S000000001", "", None]).itemsize == 16
    assert texts.texts(["a", "b"]).dtype == STRING


@given(st.lists(st.none() | st.text("ab \0\t\u3000\x85\x1cé", max_size=4)), st.integers(0, 4))
def test_arrow_columns_are_read_as_python_reads_them(values: list[str | None], cut: int):
    """Blanks go and NUL stays, whatever chunks a column comes in."""
    column = pa.chunked_array([values[:cut], values[cut:]], pa.large_string())

    assert of_arrow(column).tolist() == ["" if value is None else value.strip() for value in values]


@pytest.mark.parametrize("values", [["\0a", "\0b"], ["a\0", "a"], ["\ud800", "a"]])
def test_texts_that_numpy_would_mistake_stay_objects(values: list[str]):
    """Two texts that differ after a NUL are two."""
    assert texts.n_different(texts.texts(values)) == 2
    if "\ud800" not in values:
        assert texts.n_different(of_arrow(pa.chunked_array([values], pa.large_string()))) == 2


@given(COLUMNS)
def test_order_is_that_of_code_points(values: list[str]):
    """Equal texts stay in order."""
    order = texts.order_of(as_they_are(values)).tolist()

    assert order == sorted(range(len(values)), key=values.__getitem__)


@given(COLUMNS, st.booleans())
def test_different_texts_and_the_first_repeat_are_found(values: list[str], is_sorted: bool):
    """The first row whose text was there before, and the first row that has it."""
    values = sorted(values) if is_sorted else values
    column = as_they_are(values)
    again = next((row for row, value in enumerate(values) if value in values[:row]), None)

    assert texts.n_different(column) == len(set(values))
    assert texts.first_repeat(column) == (None if again is None else (values.index(values[again]), again))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["", "f", "m", "f "])), max_size=10))
def test_first_conflict_is_the_first_row_with_another_text(pairs: list[tuple[str, str]]):
    """Rows without a text neither have nor start a conflict."""
    owners, values = [owner for owner, _ in pairs], [value for _, value in pairs]
    first: dict[str, int] = {}
    expected = None
    for row, (owner, value) in enumerate(pairs):
        if value and expected is None and values[first.setdefault(owner, row)] != value:
            expected = first[owner], row

    assert texts.first_conflict(as_they_are(owners), as_they_are(values)) == expected


@given(COLUMNS, st.sets(ANY, max_size=6))
def test_numbered_rows_are_those_whose_text_has_a_number(values: list[str], names: set[str]):
    """Rows come in order, and with the number of their text."""
    number = {name: i for i, name in enumerate(sorted(names))}

    rows, numbers = texts.numbered(as_they_are(values), number)

    assert rows.tolist() == [row for row, value in enumerate(values) if value in names]
    assert numbers.tolist() == [number[value] for value in values if value in names]


@given(st.lists(ANY, unique=True, max_size=8), COLUMNS)
def test_rows_of_texts_are_found_whatever_order_they_have(values: list[str], wanted: list[str]):
    """A text that is nowhere has no row."""
    rows = texts.rows_of(as_they_are(values), as_they_are(wanted))

    assert rows.tolist() == [values.index(each) if each in values else -1 for each in wanted]


@given(COLUMNS, st.randoms(use_true_random=False))
def test_lists_hold_every_text_once(values: list[str], random):
    """Some at a time, in the order of rows or in another."""
    order = random.sample(range(len(values)), len(values))

    assert [value for part in texts.lists(as_they_are(values)) for value in part] == values
    in_order = texts.lists(as_they_are(values), np.array(order, np.int64))
    assert [value for part in in_order for value in part] == [values[row] for row in order]


def test_numerals_are_what_python_writes():
    """Of every number of digits."""
    assert texts.numerals(1101).tolist() == [str(number) for number in range(1101)]
