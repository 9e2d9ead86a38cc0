"""The Python interface: search, count, groups, failures and refusals."""

from __future__ import annotations

import math
import signal
import time

import numpy as np
import pytest
from hypothesis import given

import frbench
from frbench import _rust
from frbench.counting.gallery import Gallery
from frbench.engines import reference
from frbench.errors import EngineUnavailable, InputError
from tests.worlds import worlds

ROWS = np.array([worlds.X, worlds.HALF, worlds.Y, worlds.HALF_MINUS])


def test_search_returns_the_best_rows_in_order():
    """Scores of X with X, HALF, Y, HALF_MINUS are 1, .5, 0, .5: equal scores in order of rows."""
    scores, rows = Gallery(ROWS).search([worlds.X], k=4)

    assert rows.tolist() == [[0, 1, 3, 2]]
    assert scores.tolist() == [[1, 0.5, 0.5, 0]]
    assert (scores.dtype, rows.dtype) == (np.float32, np.int64)


def test_rows_are_normalised_before_they_are_compared():
    """A score is a cosine: length does not matter."""
    scores, rows = Gallery(ROWS * 7).search(np.float32([worlds.X]) * 1e20, k=1)

    assert (scores.tolist(), rows.tolist()) == ([[1]], [[0]])


def test_failed_rows_keep_their_number_and_are_never_found():
    """A failed row in the middle does not shift the numbers of the rows behind it."""
    matrix = ROWS.copy()
    matrix[1] = math.nan
    gallery = Gallery(matrix)
    scores, rows = gallery.search([worlds.HALF], k=4)

    assert len(gallery) == 4
    assert gallery.failed.tolist() == [1]
    assert rows.tolist() == [[0, 2, 3, -1]]
    assert scores.tolist() == [[0.5, 0.5, 0.5, -math.inf]]
    assert gallery.count([worlds.HALF], [-1]).tolist() == [3]


def test_a_failed_probe_finds_nothing():
    """A failed probe has no candidate and is never accepted."""
    gallery = Gallery(ROWS)
    scores, rows = gallery.search([worlds.NOTHING, worlds.X, [math.inf] * 4], k=1)

    assert rows.tolist() == [[-1], [0], [-1]]
    assert scores.tolist() == [[-math.inf], [1], [-math.inf]]
    assert gallery.count([worlds.NOTHING], [-1]).tolist() == [0]


def test_no_probes_have_no_candidates():
    """A search for nobody returns empty arrays of the right width."""
    gallery = Gallery(ROWS)
    scores, rows = gallery.search(np.zeros((0, 4)), k=2)

    assert scores.shape == rows.shape == (0, 2)
    assert gallery.count(np.zeros((0, 4)), [0.5]).tolist() == [0]


def test_count_answers_in_the_order_of_the_thresholds():
    """Thresholds come in any order and may repeat; a score equal to one is accepted."""
    # X: 1 .5 0 .5; Y: 0 .5 1 .5.
    counts = Gallery(ROWS).count([worlds.X, worlds.Y], [0.5, -1, 1, 0.5, 0.75])

    assert counts.tolist() == [6, 8, 2, 6, 2]
    assert counts.dtype == np.uint64


def test_count_by_groups():
    """Groups of probes and of gallery rows make a table; a group without rows has zeros."""
    counts = Gallery(ROWS).count([worlds.X, worlds.Y], [0.5, 1], probe_groups=[0, 1], gallery_groups=[0, 2, 0, 2])

    assert counts.tolist() == [[[1, 1], [0, 0], [2, 0]], [[1, 1], [0, 0], [2, 0]]]
    assert Gallery(ROWS).count([worlds.X], [0.5], probe_groups=[1]).tolist() == [[[0]], [[3]]]


def test_groups_follow_their_rows_around_failures():
    """A failed row takes its group with it."""
    matrix = ROWS.copy()
    matrix[0] = 0
    counts = Gallery(matrix).count(
        [worlds.NOTHING, worlds.HALF], [0.5], probe_groups=[0, 1], gallery_groups=[0, 1, 2, 3]
    )

    assert counts[:, :, 0].tolist() == [[0, 0, 0, 0], [0, 1, 1, 1]]


@given(worlds.random_templates(min_n=2))
@worlds.FEW
def test_the_gallery_agrees_with_the_oracle(found):
    """Search and count of any rows equal the definition."""
    raw = np.where(found.failed[:, None], np.nan, found.unit)
    if found.failed.all():
        with pytest.raises(InputError, match="no usable row"):
            Gallery(raw)
        return
    gallery, n = Gallery(raw, threads=2), len(found)
    unit, _ = reference.unit_rows(raw)
    expected = reference.scores(unit, unit)
    expected[found.failed] = expected[:, found.failed] = -np.inf
    order = np.argsort(-expected, axis=1, kind="stable")
    best = np.take_along_axis(expected, order, axis=1)
    scores, rows = gallery.search(raw, k=n)

    np.testing.assert_array_equal(scores, best)
    np.testing.assert_array_equal(rows, np.where(np.isinf(best), -1, order))
    for threshold in (0.0, float(np.clip(best[0, -1], -1, 1)), 1.0):
        assert gallery.count(raw, [threshold]).tolist() == [(expected >= threshold).sum()]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_float_and_byte_order_is_read(dtype: type, order: str):
    """A matrix from a machine of the other byte order holds the same templates."""
    rows = ROWS.astype(np.dtype(dtype).newbyteorder(order))

    assert Gallery(rows).search(rows, k=1)[1].tolist() == [[0], [1], [2], [3]]


def test_a_matrix_of_any_layout_is_read():
    """Columns first, or every second row: the same templates."""
    gallery = Gallery(np.asfortranarray(ROWS))

    assert gallery.search(np.repeat(ROWS, 2, axis=0)[::2], k=1)[1].tolist() == [[0], [1], [2], [3]]


@pytest.mark.parametrize(
    ("matrix", "named"),
    [
        ([[1, 2]], "int64 of shape"),
        ([1.0, 2.0], r"shape \(2,\)"),
        (np.zeros((3, 0)), r"shape \(3, 0\)"),
        ([[0.0, 0.0]], "no usable row: all 1"),
        (np.zeros((0, 3)), "no usable row"),
    ],
)
def test_what_is_no_gallery_is_refused(matrix, named: str):
    """The message says what was given."""
    with pytest.raises(InputError, match=named):
        Gallery(matrix)


@pytest.mark.parametrize("k", [0, -1, 5])
def test_a_list_length_out_of_range_is_refused(k: int):
    """k is at least one and at most the number of gallery rows."""
    with pytest.raises(InputError, match=f"k is {k}, expected 1 to 4"):
        Gallery(ROWS).search(ROWS, k=k)


def test_probes_of_another_dimension_are_refused():
    """Templates of another matcher cannot be compared."""
    with pytest.raises(InputError, match="probes have dimension 3, the gallery has 4"):
        Gallery(ROWS).search(np.eye(3))
    with pytest.raises(InputError, match="dimension 3"):
        Gallery(ROWS).count(np.eye(3), [0.5])


@pytest.mark.parametrize("groups", [[0, 1, 2], [0.0, 1.0, 0.0, 1.0], [0, -1, 0, 1], [[0, 1, 0, 1]]])
def test_groups_that_do_not_fit_are_refused(groups):
    """Groups are one integer from 0 on for each row."""
    with pytest.raises(InputError, match=r"probe_groups is .* expected \(4,\) integers from 0 on"):
        Gallery(ROWS).count(ROWS, [0.5], probe_groups=groups)
    with pytest.raises(InputError, match="gallery_groups"):
        Gallery(ROWS).count(ROWS, [0.5], gallery_groups=groups)


@pytest.mark.parametrize("thresholds", [[], [1.5], [math.nan]])
def test_thresholds_without_sense_are_refused(thresholds: list[float]):
    """At least one threshold, within [-1, 1]."""
    with pytest.raises(InputError, match="threshold"):
        Gallery(ROWS).count(ROWS, thresholds)


@pytest.mark.parametrize("thresholds", [0.5, None, np.array(0.5)])
def test_thresholds_are_a_sequence(thresholds):
    """One number is not a list of numbers, and the message says so."""
    with pytest.raises(InputError, match=r"thresholds is .*, expected a sequence of numbers"):
        Gallery(ROWS).count(ROWS, thresholds)


@pytest.mark.parametrize("thresholds", [["a"], [None], [[0.5, 0.6]], "high"])
def test_thresholds_are_numbers(thresholds):
    """Text and lists are not thresholds."""
    with pytest.raises(InputError, match=r"thresholds is .*, expected numbers in"):
        Gallery(ROWS).count(ROWS, thresholds)


@pytest.mark.parametrize("number", [2**31, 2**32, 2**63 - 1])
def test_group_numbers_that_do_not_fit_are_refused(number: int):
    """A group number is never wrapped into another group."""
    for name in ("probe_groups", "gallery_groups"):
        with pytest.raises(InputError, match=f"{name} holds {number}, expected group numbers below 2147483648"):
            Gallery(ROWS).count(ROWS, [0.5], **{name: np.full(4, number)})


def test_a_table_that_memory_cannot_hold_is_refused():
    """The message says how much it would take; the interpreter goes on."""
    groups = np.array([0, 0, 0, 99_999])
    with pytest.raises(
        InputError, match=r"100000 probe groups by 100000 gallery groups by 1 thresholds need 149\.0 GiB"
    ):
        Gallery(ROWS).count(ROWS, [0.5], probe_groups=groups, gallery_groups=groups)


def test_the_core_refuses_a_result_beyond_memory():
    """Where an allocation fails there is an exception, not an abort."""
    rows, zeros = _rust.Rows(np.eye(2, dtype=np.float32)), np.zeros(2, np.uint32)
    with pytest.raises(MemoryError, match="more than there is memory for"):
        rows.count(
            rows,
            _rust.Axis(np.array([0.5])),
            probe_range=(0, 2),
            gallery_range=(0, 2),
            upper=False,
            probe_groups=zeros,
            gallery_groups=zeros,
            cells=np.zeros((1, 1), np.uint32),
            n_cells=2**55,
        )


@pytest.mark.parametrize("threads", [-1, 2**70, 1.5, "2", None])
def test_threads_that_are_no_number_are_refused(threads):
    """0 is every processor; less than that is a mistake."""
    with pytest.raises(InputError, match=r"threads is .*, expected an integer from 0"):
        Gallery(ROWS, threads=threads)


def test_more_threads_than_the_machine_has_change_nothing():
    """A large wish is clamped to what a machine starts."""
    many = Gallery(ROWS, threads=np.int64(60_000))

    assert many.count(ROWS, [0.5]) == Gallery(ROWS, threads=1).count(ROWS, [0.5])
    assert _rust.threads(60_000) == 4 * _rust.threads(0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_the_core_refuses_rows_that_are_not_finite(bad: float):
    """Scores are then never NaN, and best-first is always defined."""
    unit = np.eye(3, dtype=np.float32)
    unit[1, 2] = bad
    with pytest.raises(ValueError, match=r"component 2 of row 1 is .*, expected a finite number"):
        _rust.Rows(unit)


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_scores_of_many_pairs_come_in_their_order(threads: int):
    """Several units of 65536 pairs, on any number of threads, in the order of the pairs."""
    random = np.random.default_rng(7)
    unit, _ = worlds.unit_rows(random.normal(size=(50, 8)))
    rows = _rust.Rows(unit, threads=threads)
    a, b = random.integers(50, size=(2, 200_001))
    table = reference.scores(unit, unit)

    np.testing.assert_array_equal(rows.score_pairs(rows, a, b), table[a, b])
    assert rows.score_pairs(rows, a[:0], b[:0]).shape == (0,)


def test_scoring_pairs_stops_on_a_signal():
    """A signal is heard while pairs are scored, not when all are done."""
    rows = _rust.Rows(np.full((2, 2048), 2**-6, np.float32), "scalar", threads=1)
    pairs = np.zeros(2_000_000, np.int64)

    def stop(*_: object) -> None:
        raise InterruptedError("enough")

    begin = time.perf_counter()
    rows.score_pairs(rows, pairs, pairs)
    whole = time.perf_counter() - begin
    previous = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        begin = time.perf_counter()
        with pytest.raises(InterruptedError):
            rows.score_pairs(rows, pairs, pairs)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)

    assert time.perf_counter() - begin < whole / 2


@pytest.mark.parametrize("isa", _rust.kernels())
def test_the_instruction_set_can_be_chosen(isa: str):
    """A gallery says what it runs on, and an unknown wish is refused."""
    assert Gallery(ROWS, isa=isa).isa == isa
    with pytest.raises(EngineUnavailable, match="z80"):
        Gallery(ROWS, isa="z80")


def test_the_package_offers_its_nouns_and_verbs():
    """The names that programs may rely on."""
    nouns = "Candidates Comparison Estimate FrbenchError Gallery InputError Plan Run Tally Templates"
    verbs = "ann compare fuse identify latency load power precision read report transfer verify"
    assert set(frbench.__all__) == set(f"{nouns} {verbs}".split())
    assert all(hasattr(frbench, name) for name in frbench.__all__)


def test_a_gallery_shows_its_sizes_in_a_line():
    """Rows, dimension, failures, and the instruction set."""
    gallery = Gallery(np.vstack([ROWS, 0 * ROWS[:1]]))

    assert repr(gallery) == f"Gallery(5 x {ROWS.shape[1]}, 1 failed, {gallery.isa})"
