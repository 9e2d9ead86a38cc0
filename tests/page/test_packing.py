"""Numbers in a page come back to the last bit."""

from __future__ import annotations

import base64
import math
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from playwright.sync_api import Browser

from frbench.page.packing import WIDTH, pack
from tests.worlds.browser import Watched

ROWS = [[0.0, 0.5, 0.5, math.nan], [1e-300, -2.0, 87_307_271.0, 1 / 3]]


def unpack(text: str, n_columns: int) -> np.ndarray:
    """The rows that `pack` was given."""
    if not text:
        return np.empty((0, n_columns))
    change = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(WIDTH, -1, n_columns)
    places = np.bitwise_xor.accumulate(change, axis=2).transpose(1, 2, 0)
    return np.ascontiguousarray(places).view("<f8")[..., 0]


@given(arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 9))))
def test_packing_is_exact(numbers: np.ndarray):
    """Every bit of every float, NaN and -0 among them."""
    found = unpack(pack(list(numbers)), numbers.shape[1])

    assert np.array_equal(found.view(np.uint64), numbers.view(np.uint64))


def test_a_curve_that_rests_costs_next_to_nothing():
    """A thousand equal numbers are one change, and half the size of a thousand different ones is far away."""
    assert len(pack([np.full(1000, 1 / 3)])) < 120 < len(pack([np.random.default_rng(1).random(1000)])) / 20


def test_no_rows_are_no_text():
    """A run without ratios has none to pack."""
    assert pack([]) == ""
    assert unpack("", 3).shape == (0, 3)


def test_page_unpacks_what_python_packed(browser: Browser):
    """The page has the same doubles: JSON and text of doubles are exact both ways."""
    page = Watched(browser).scripts("packing")

    rows = page.evaluate("([text, n]) => unpack(text, n).then(rows => rows.map(row => [...row]))", [pack(ROWS), 4])
    assert rows[0][:3] == ROWS[0][:3]
    assert math.isnan(rows[0][3])
    assert rows[1] == ROWS[1]


@pytest.mark.parametrize("text", ["AAAA", "eJw"])
def test_page_refuses_what_is_no_packing(browser: Browser, text: str):
    """Text that was cut or changed is an error, and no figures."""
    page = Watched(browser).scripts("packing")

    assert page.evaluate("text => unpack(text, 4).then(() => false, () => true)", text)
