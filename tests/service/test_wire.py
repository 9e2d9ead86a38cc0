"""What is written to the wire is what was said, and answers that are not whole are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from frbench.errors import FormatError, InputError
from frbench.plan import Rectangle
from frbench.service import wire
from frbench.v1 import gallery_pb2, search_pb2, server_pb2, sweep_pb2

matrices = arrays.arrays(
    st.sampled_from([np.float16, np.float32, np.float64, ">f4", ">f8"]), arrays.array_shapes(min_dims=2, max_dims=2)
)
ONE = np.array([[0.6, 0.8]], np.float32)


def rectangle(*, is_upper: bool) -> Rectangle:
    """Two probes against three rows; group 9 is nobody's."""
    mine, theirs = np.full(5, 9, np.uint32), np.full(13, 9, np.uint32)
    mine[3:], theirs[10:] = [1, 0], [0, 1, 2]
    cells = np.arange(6, dtype=np.uint32).reshape(2, 3)
    return Rectangle((3, 5), (10, 13), is_upper, mine, theirs, cells, 6)


@given(matrix=matrices, is_unit=st.booleans())
def test_templates_keep_type_and_bits(matrix: np.ndarray, is_unit: bool):
    """Components travel little-endian in the type that they have, row after row."""
    sent = search_pb2.SearchRequest.FromString(wire.search("g", matrix, 1, is_unit=is_unit).request).probes
    dtype = {1: "<f4", 2: "<f2", 3: "<f8"}[sent.component_type]

    assert sent.data == matrix.astype(dtype).tobytes()
    assert (sent.dimension, sent.is_unit) == (matrix.shape[1], is_unit)
    assert np.dtype(dtype).itemsize == matrix.itemsize


@pytest.mark.parametrize(
    ("matrix", "message"), [(np.zeros(3), r"shape \(3,\)"), (np.zeros((1, 2), np.int8), "int8.*float32")]
)
def test_what_is_no_matrix_of_floats_is_refused(matrix: np.ndarray, message: str):
    """A vector or integers are a mistake of the caller, found before anything is sent."""
    with pytest.raises(InputError, match=message):
        wire.search("g", matrix, 1)


@given(n=st.integers(0, 20), d=st.integers(1, 70_000))
def test_an_enrolment_sends_every_row_once_in_pieces_of_a_mebibyte(n: int, d: int):
    """Batches joined are the matrix and its ids; only the first names the gallery; a row is never cut."""
    matrix = np.arange(n * d, dtype=np.float32).reshape(n, d)
    parts = list(map(gallery_pb2.EnrolRequest.FromString, wire.enrol_requests("g", matrix, list(map(str, range(n))))))

    assert b"".join(part.templates.data for part in parts) == matrix.tobytes()
    assert [i for part in parts for i in part.template_ids] == list(map(str, range(n)))
    assert [part.gallery for part in parts] == ["g", *[""] * (len(parts) - 1)][: len(parts)]
    assert all(len(part.templates.data) <= wire.BATCH_BYTES or len(part.template_ids) == 1 for part in parts)


def test_an_enrolment_without_an_id_for_each_row_is_refused_before_it_begins():
    """One id for two rows is refused when the call is made, not when it is under way."""
    with pytest.raises(InputError, match="1 template ids for 2 templates"):
        wire.enrol_requests("g", np.zeros((2, 3), np.float32), ["a"])


def test_a_search_says_what_was_asked():
    """Threshold 0 is a threshold; floors are float32; none are none."""
    plain = search_pb2.SearchRequest.FromString(wire.search("g", ONE, 7, case_reference="c-1").request)
    at_zero = search_pb2.SearchRequest.FromString(wire.search("g", ONE, 0, threshold=0.0, rows_only=True).request)
    floors = np.array([0.5, -np.inf], np.float32)
    counted = search_pb2.SearchRequest.FromString(wire.search("g", ONE, 1, floors=floors).request)

    assert (plain.gallery, plain.k, plain.case_reference, plain.HasField("threshold")) == ("g", 7, "c-1", False)
    assert (at_zero.HasField("threshold"), at_zero.threshold, at_zero.rows_only) == (True, 0.0, True)
    assert counted.floors == floors.astype("<f4").tobytes()


@given(
    lists=st.lists(st.lists(st.tuples(st.floats(-1, 1, width=32), st.integers(0, 2**63 - 1)), max_size=5), max_size=5),
    above=st.none() | st.integers(0, 2**63 - 1),
)
def test_candidates_arrive_as_they_were_sent(lists: list[list[tuple[float, int]]], above: int | None):
    """Scores, numbers of enrolment and counts are those of the message."""
    sent = search_pb2.SearchResponse(
        candidates=[
            search_pb2.Candidates(scores=[s for s, _ in each], rows=[r for _, r in each], at_or_above=above)
            for each in lists
        ],
        timing=search_pb2.Timing(queue_ns=1, scan_ns=2, batch_probes=3, kernel="amx", gallery_version=4),
    )
    found = wire.search("g", ONE, 1).read(sent.SerializeToString())

    assert [list(zip(c.scores.tolist(), c.rows.tolist(), strict=True)) for c in found.candidates] == lists
    assert [c.at_or_above for c in found.candidates] == [above] * len(lists)
    assert found.timing == sent.timing


def test_sides_of_comparisons_are_templates_ids_or_numbers():
    """Integers are numbers of enrolment, texts are ids, floats are templates."""
    sent = search_pb2.CompareRequest.FromString(wire.compare(np.array([1, 2]), ["x", "y"], gallery="g").request)
    templates = search_pb2.CompareRequest.FromString(wire.compare(ONE, ONE, is_unit=True).request)

    assert sent.a.rows == np.array([1, 2], "<u8").tobytes()
    assert list(sent.b.ids.template_ids) == ["x", "y"]
    assert templates.a.templates.data == ONE.tobytes()
    assert templates.b.templates.is_unit


def test_a_tile_carries_its_ranges_and_the_groups_of_its_rows():
    """Ranges are those of the rectangle; edges float64; cells by probe group, then gallery group."""
    where = rectangle(is_upper=True)
    request = sweep_pb2.CountTilesRequest.FromString(
        wire.count_request("p", probes="a", gallery="b", edges=np.array([0.7]), where=where)
    )
    (tile,) = request.tiles

    assert (tile.probe_begin, tile.probe_end, tile.gallery_begin, tile.gallery_end, tile.upper) == (3, 5, 10, 13, True)
    assert tile.probe_groups == np.array([1, 0], "<u4").tobytes()
    assert tile.gallery_groups == np.array([0, 1, 2], "<u4").tobytes()
    assert request.edges == np.array([0.7], "<f8").tobytes()
    assert (request.cells.cells, request.cells.n_gallery_groups, request.cells.n_cells) == (where.cells.tobytes(), 3, 6)


def part(counts: np.ndarray, offset: int, **changes: Any) -> bytes:
    """A part of the counts of tile 0."""
    fields = {"plan": "p", "tile": 0, "offset": offset, "counts": counts.astype("<u8").tobytes()}
    return sweep_pb2.CountTilesResponse(**fields | changes).SerializeToString()


@given(data=st.data(), shapes=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 6)), min_size=1, max_size=3))
def test_counts_are_the_same_however_they_are_cut(data: st.DataObject, shapes: list[tuple[int, int]]):
    """Tiles in parts of any lengths come out whole, with the words of their last part."""
    sent, tiles = [], []
    for number, shape in enumerate(shapes):
        counts = data.draw(arrays.arrays(np.uint64, shape))
        cuts = sorted(data.draw(st.sets(st.integers(1, counts.size - 1), max_size=3))) if counts.size > 1 else []
        pieces = np.split(counts.ravel(), cuts)
        offsets = [0, *cuts]
        for offset, piece in zip(offsets, pieces, strict=True):
            words = {"is_last": True, "strategy": "sieve", "settled": 5} if offset == offsets[-1] else {}
            sent.append(part(piece, offset, tile=number, **words))
        tiles.append(counts)
    found = list(wire.count_responses(sent, plan="p", shapes=shapes))

    assert [each.tile for each in found] == list(range(len(shapes)))
    for each, expected in zip(found, tiles, strict=True):
        np.testing.assert_array_equal(each.counts, expected)
        assert (each.strategy, each.settled) == ("sieve", 5)


COUNTS = np.arange(6)
BROKEN = {
    "a missing end": ([part(COUNTS[:3], 0)], "ended after 0 of 1"),
    "nothing at all": ([], "ended after 0 of 1"),
    "a missing beginning": ([part(COUNTS[3:], 3, is_last=True)], "not in one piece"),
    "a part twice": ([part(COUNTS[:3], 0), part(COUNTS[:3], 0)], "not in one piece"),
    "too few": ([part(COUNTS[:3], 0, is_last=True)], "not complete"),
    "too many": ([part(np.arange(7), 0, is_last=True)], "not in one piece"),
    "another plan": ([part(COUNTS, 0, plan="q", is_last=True)], "plan 'q', expected 'p'"),
    "another tile": ([part(COUNTS, 0, tile=1, is_last=True)], "tile 1, but 1"),
    "half a number": ([part(np.array([]), 0, is_last=True) + b"\x22\x03abc"], "multiple of 8"),
    "no message": ([b"\xff\xff"], "no CountTilesResponse"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_counts_that_are_not_whole_are_refused(kind: str):
    """What is lost on the way is never taken for zeros."""
    parts, message = BROKEN[kind]

    with pytest.raises(FormatError, match=message):
        list(wire.count_responses(parts, plan="p", shapes=[(2, 3)]))


def test_a_tail_is_joined_from_its_parts():
    """Pairs of a tile are those of its parts, in their order; an end that is missing is noticed."""

    def pairs(low: int, high: int, *, is_last: bool) -> bytes:
        n = np.arange(low, high)
        return sweep_pb2.FindTailResponse(
            plan="p",
            cells=n.astype("<u4").tobytes(),
            scores=(n / 8).astype("<f4").tobytes(),
            probe_places=(n + 100).astype("<u8").tobytes(),
            gallery_places=(n + 200).astype("<u8").tobytes(),
            is_last=is_last,
        ).SerializeToString()

    parts = [pairs(0, 3, is_last=False), pairs(3, 5, is_last=True)]
    (kept,) = wire.tail_responses(parts, plan="p", n_tiles=1)

    assert kept.cells.tolist() == [0, 1, 2, 3, 4]
    assert kept.scores.tolist() == [0, 0.125, 0.25, 0.375, 0.5]
    assert (kept.probe_places - 100).tolist() == (kept.gallery_places - 200).tolist() == kept.cells.tolist()
    with pytest.raises(FormatError, match="ended after 0 of 1"):
        list(wire.tail_responses(parts[:1], plan="p", n_tiles=1))


def test_answers_are_what_their_messages_hold():
    """A field that the contract gains is not lost on the way; the galleries of a list stay in their order."""
    info = server_pb2.GetInfoResponse(version="1", limits=server_pb2.Limits(k=3, deadline_ms=5), scopes=["search"])
    held = [gallery_pb2.Gallery(name=name, dimension=4, is_ephemeral=True) for name in "ba"]
    sent = gallery_pb2.ListGalleriesResponse(galleries=held)

    assert wire.info().read(info.SerializeToString()) == info
    assert wire.list_galleries().read(sent.SerializeToString()) == held
    for call, kind in (
        (wire.create_gallery("b", 4), gallery_pb2.CreateGalleryResponse),
        (wire.get_gallery("b"), gallery_pb2.GetGalleryResponse),
        (wire.drop_gallery("b"), gallery_pb2.DropGalleryResponse),
    ):
        assert call.read(kind(gallery=held[0]).SerializeToString()) == held[0]


def test_a_refusal_says_when_to_come_back():
    """RetryInfo is found among other details; without it there is no time."""
    retry = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=1, nanos=500_000_000))
    details = []
    for each in (error_details_pb2.ErrorInfo(reason="BUSY"), retry):
        details.append(any_pb2.Any())
        details[-1].Pack(each)

    assert wire.retry_after_s(status_pb2.Status(details=details).SerializeToString()) == 1.5
    assert wire.retry_after_s(status_pb2.Status(details=details[:1]).SerializeToString()) is None
