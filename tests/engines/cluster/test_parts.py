"""Which rows are whose: every row is one worker's, and arithmetic agrees with a list."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from frbench.engines.cluster.parts import Parts

SOME = st.tuples(st.integers(1, 3000), st.integers(1, 9))


@given(SOME)
def test_every_row_is_one_workers(some: tuple[int, int]):
    """The places of all workers are all places, each once, and nobody has none."""
    parts = Parts.of(*some)
    places = [parts.places(worker) for worker in range(parts.workers)]

    assert sorted(np.concatenate(places).tolist()) == list(range(some[0]))
    assert all(len(own) == parts.size(worker) > 0 for worker, own in enumerate(places))


@given(SOME, st.data())
def test_a_stretch_is_what_its_places_say(some: tuple[int, int], data: st.DataObject):
    """Rows before a place, and runs within a stretch, are those that a list of places holds."""
    parts = Parts.of(*some)
    worker = data.draw(st.integers(0, parts.workers - 1))
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, some[0])] * 2)))
    own = parts.places(worker)
    inside = own[(own >= start) & (own < stop)]

    assert parts.before(worker, start) == int((own < start).sum())
    assert [place for run in parts.runs(worker, start, stop) for place in range(*run)] == inside.tolist()
    np.testing.assert_array_equal(parts.places(worker, parts.before(worker, start), parts.before(worker, stop)), inside)


@given(SOME, st.data())
def test_places_of_some_rows_are_those_among_all(some: tuple[int, int], data: st.DataObject):
    """In any shape, without a list of all places."""
    parts = Parts.of(*some)
    worker = data.draw(st.integers(0, parts.workers - 1))
    numbers = st.lists(st.integers(0, parts.size(worker) - 1), min_size=2, max_size=2)
    own = np.array(data.draw(st.lists(numbers, min_size=1, max_size=5)))

    np.testing.assert_array_equal(parts.places_of(worker, own), parts.places(worker)[own])


def test_a_block_of_subjects_is_spread_over_all_workers():
    """Each of 32 equal blocks of 100,000 rows is shared out to 4 workers, but for a run at each end."""
    parts = Parts.of(100_000, 4)
    for block in range(32):
        start, stop = block * 3125, (block + 1) * 3125
        own = [parts.before(worker, stop) - parts.before(worker, start) for worker in range(4)]
        # A run has 195 rows, a fourth of a block 781: a run more or less at each end.
        assert sum(own) == 3125
        assert max(own) - min(own) <= 2 * parts.grain
