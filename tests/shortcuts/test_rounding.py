"""Templates as formats store them: rounded as the format says, and scored by the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import TruncatedSVD

from frbench.errors import InputError
from frbench.shortcuts.rounding import as_bfloat16, as_int8, principal, storages
from tests.worlds import worlds


def some(n: int = 200, d: int = 12) -> worlds.Templates:
    """Random templates with a common part; the last has failed."""
    rows = worlds.unit_rows(np.random.default_rng(2).normal(size=(n, d)) + np.arange(d) / 3)[0]
    return worlds.templates(rows, [f"s{i}" for i in range(n)], failed=[n - 1])


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=50))
@worlds.FEW
def test_bfloat16_is_the_nearest_of_its_numbers(values: list[float]):
    """Eight significant bits: no neighbour is nearer, and of two as near the one with an even last bit is taken."""
    found = as_bfloat16(np.float32([values]))
    bits = found.view(np.uint32)

    assert (bits & 0xFFFF == 0).all()
    for value, rounded, own in zip(values, found[0].astype(float), bits[0].tolist(), strict=True):
        for neighbour in (own + 0x10000, own - 0x10000 if own & 0x7FFFFFFF else own):
            other = float(np.array([neighbour], np.uint32).view(np.float32)[0])
            assert abs(rounded - value) <= abs(other - value)
            if abs(rounded - value) == abs(other - value) and rounded != other:
                assert own >> 16 & 1 == 0


def test_int8_is_off_by_half_a_step_at_most():
    """A step is the largest component of the row over 127, which is met exactly."""
    rows = some().unit[:-1]
    steps = np.abs(rows).max(axis=1, keepdims=True).astype(np.float64) / 127
    whole = as_int8(rows)

    assert (np.abs(whole).max(axis=1) == 127).all()
    assert (whole == np.rint(whole)).all()
    # Scales are divided in float32: half a step, and a unit in the last place of 127.
    assert (np.abs(whole * steps - rows) <= steps * (0.5 + 127 * 2.0**-23)).all()


@pytest.mark.parametrize(
    ("name", "nbytes", "dimensions"), [("float16", 24, 12), ("bfloat16", 24, 12), ("int8", 16, 12), ("pca5", 20, 5)]
)
def test_stored_templates_have_unit_length_again_and_keep_who_failed(name: str, nbytes: int, dimensions: int):
    """12 components of 2 bytes; of 1 byte with a scale of 4; 5 of 4 bytes. Labels and ids stay."""
    found = some()
    (storage,) = storages((name,), found)
    stored = storage.stored(found)

    assert (storage.bytes_per_row, stored.dimension) == (nbytes, dimensions)
    assert np.allclose(np.linalg.norm(stored.unit[:-1].astype(float), axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(stored.failed, found.failed)
    assert (stored.unit[-1] == 0).all()
    assert stored.template_ids is found.template_ids
    assert stored.digest != found.digest


def test_float16_is_numpys():
    """What is scored is the cosine of the rounded rows."""
    found = some()
    (storage,) = storages(("float16",), found)
    rounded = found.unit[:-1].astype(np.float16).astype(np.float64)
    cosines = rounded @ rounded.T / np.outer(*[np.linalg.norm(rounded, axis=1)] * 2)
    stored = storage.stored(found).unit[:-1].astype(np.float64)

    # Unit rows are rounded to float32, 12 components of at most 2^-25 each.
    np.testing.assert_allclose(stored @ stored.T, cosines, atol=12 * 2.0**-24)


def test_principal_directions_are_those_of_sklearn():
    """The subspace of most of the sum of squares, without centring, and its share of it; failed rows are out."""
    found = some()
    directions, kept = principal(found, 4)
    rows = found.unit[:-1].astype(np.float64)
    svd = TruncatedSVD(4, algorithm="arpack", random_state=0).fit(rows)

    np.testing.assert_allclose(directions @ directions.T, svd.components_.T @ svd.components_, atol=1e-9)
    assert kept == pytest.approx((svd.singular_values_**2).sum() / (rows**2).sum(), rel=1e-12)


@pytest.mark.parametrize("name", ["float8", "pca", "pca-3", "pca12", "pca0", ""])
def test_other_formats_are_refused(name: str):
    """A name that is none, or dimensions that are not fewer than those of the templates."""
    with pytest.raises(InputError, match=r"--format is|keeps \d+ dimensions, expected 1 to 11"):
        storages((name,), some())
