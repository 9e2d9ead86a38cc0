"""Repeats: a key that occurs twice is found, and texts have keys of their own."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from frbench.counting.recorded.repeats import Repeats, hashes, mixed
from tests.worlds import worlds


@given(st.lists(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 9), max_size=20), max_size=5))
@worlds.FEW
def test_exactly_the_keys_that_occur_twice_are_found(parts: list[list[int]]):
    """However they are spread over parts and buckets."""
    keys = [key for part in parts for key in part]
    with ExitStack() as stack:
        repeats = Repeats(Path("/tmp"), stack)
        for part in parts:
            repeats.add(np.array(part, dtype=np.uint64))
        found = repeats.found().tolist()

    assert found == sorted({key for key in keys if keys.count(key) > 1})


@given(st.lists(st.text(max_size=12), min_size=1, max_size=30, unique=True))
@worlds.FEW
def test_texts_have_keys_of_their_own(texts: list[str]):
    """Equal texts have equal keys, others differ: by chance once in 2^64 / 435 lists."""
    keys = hashes(worlds.text_array([*texts, *texts]))

    assert (keys[: len(texts)] == keys[len(texts) :]).all()
    assert len(set(keys.tolist())) == len(texts)


def test_long_and_empty_texts_have_keys_of_their_own():
    """Longer than the table of places, beginning with zeros, or nothing at all."""
    texts = ["", "\0", "\0\0", "a" * 255, "a" * 256, "a" * 257, "b" + "a" * 256]

    assert len(set(hashes(worlds.text_array(texts)).tolist())) == len(texts)


def test_many_keys_of_numbered_texts_do_not_meet():
    """200,000 texts: two of them meet with a probability of n^2 / 2^65 = 1e-9."""
    texts = worlds.text_array([f"t{i}" for i in range(200_000)])

    assert len(np.unique(hashes(texts))) == len(texts)


def test_mixing_is_one_to_one():
    """The first value is that of SplitMix64 from the state 0, whose published first output is 0xE220A8397B1DCDAF."""
    keys = mixed(np.arange(10_000, dtype=np.uint64))

    assert int(keys[0]) == 0xE220A8397B1DCDAF
    assert len(np.unique(keys)) == 10_000
