"""The contract of the service, method by method and error by error, asked with grpcio and the messages themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2

from frbench.counting.gallery import Gallery
from frbench.engines.reference import ReferenceEngine
from frbench.v1 import gallery_pb2, search_pb2, server_pb2, sweep_pb2, templates_pb2
from tests.worlds.servers import Running, configured, running

DIMENSION = 8
ROWS = np.random.default_rng(5).standard_normal((40, DIMENSION)).astype(np.float32)
IDS = [f"t{i}" for i in range(len(ROWS))]
PROBES = np.random.default_rng(6).standard_normal((5, DIMENSION)).astype(np.float32)
# Generous: only a server that hangs takes as long.
WAIT_S = 30

Code = grpc.StatusCode


@dataclass(frozen=True)
class Rpc:
    """A method and its messages."""

    path: str
    request: Any
    response: Any
    sends_many: bool = False
    gets_many: bool = False


def rpc(service: str, name: str, module: Any, **how: bool) -> Rpc:
    """A method of `frbench.v1`."""
    return Rpc(
        f"/frbench.v1.{service}/{name}", getattr(module, f"{name}Request"), getattr(module, f"{name}Response"), **how
    )


CREATE = rpc("GalleryService", "CreateGallery", gallery_pb2)
ENROL = rpc("GalleryService", "Enrol", gallery_pb2, sends_many=True)
REMOVE = rpc("GalleryService", "RemoveTemplates", gallery_pb2)
GET = rpc("GalleryService", "GetGallery", gallery_pb2)
LIST = rpc("GalleryService", "ListGalleries", gallery_pb2)
DROP = rpc("GalleryService", "DropGallery", gallery_pb2)
SEARCH = rpc("SearchService", "Search", search_pb2)
COMPARE = rpc("SearchService", "Compare", search_pb2)
COUNT = rpc("SweepService", "CountTiles", sweep_pb2, gets_many=True)
TAIL = rpc("SweepService", "FindTail", sweep_pb2, gets_many=True)
INFO = rpc("ServerService", "GetInfo", server_pb2)
RPCS = (CREATE, ENROL, REMOVE, GET, LIST, DROP, SEARCH, COMPARE, COUNT, TAIL, INFO)


class Caller:
    """A plain client, which knows the messages and nothing else."""

    def __init__(self, server: Running, *, token: str | None = None, tls: grpc.ChannelCredentials | None = None):
        where = server.ready["address"]
        options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
        self.channel = (
            grpc.insecure_channel(where, options) if tls is None else grpc.secure_channel(where, tls, options)
        )
        self.metadata = () if token is None else (("authorization", f"Bearer {token}"),)

    def __call__(self, method: Rpc, *messages: Any, timeout: float = WAIT_S, **fields: Any) -> Any:
        """The answer to a message of these fields, or to several messages; a list of answers where they stream."""
        asked = messages or (method.request(**fields),)
        kind = f"{'stream' if method.sends_many else 'unary'}_{'stream' if method.gets_many else 'unary'}"
        call = getattr(self.channel, kind)(
            method.path,
            request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=method.response.FromString,
        )
        answer = call(iter(asked) if method.sends_many else asked[0], timeout=timeout, metadata=self.metadata)
        return list(answer) if method.gets_many else answer

    def error(self, method: Rpc, *messages: Any, **fields: Any) -> tuple[Code, str]:
        """Code and message of the refusal of a call."""
        with pytest.raises(grpc.RpcError) as caught:
            self(method, *messages, **fields)
        return caught.value.code(), caught.value.details()


LIMITS = """
[limits]
k = 20
probes = 30
galleries = 40
message_bytes = 65536
"""


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A client of a server with small limits that has one filled gallery."""
    with running(*configured(tmp_path_factory.mktemp("service"), LIMITS)) as server:
        caller = Caller(server)
        fill(caller, "people", ROWS, IDS)
        yield caller


def templates(rows: np.ndarray[Any, Any], **fields: Any) -> templates_pb2.Templates:
    """Templates in float32, unless the fields say else."""
    said = {
        "dimension": rows.shape[1],
        "component_type": templates_pb2.COMPONENT_TYPE_FLOAT32,
        "data": rows.astype("<f4").tobytes(),
    }
    return templates_pb2.Templates(**(said | fields))


def fill(call: Caller, name: str, rows: np.ndarray[Any, Any], ids: list[str]) -> None:
    """Makes a gallery of these rows."""
    call(CREATE, name=name, dimension=rows.shape[1])
    call(ENROL, gallery_pb2.EnrolRequest(gallery=name, templates=templates(rows), template_ids=ids))


def bits(numbers: Any) -> list[int]:
    """The bits of float32 numbers."""
    return np.asarray(numbers, dtype=np.float32).view(np.uint32).tolist()


def count_request(**fields: Any) -> sweep_pb2.CountTilesRequest:
    """All pairs of the gallery, each once, in one cell."""
    n = len(ROWS)
    groups = np.zeros(n, dtype="<u4").tobytes()
    whole = sweep_pb2.Tile(probe_end=n, gallery_end=n, upper=True, probe_groups=groups, gallery_groups=groups)
    said = {
        "plan": "p",
        "probes": "people",
        "gallery": "people",
        "edges": np.array([0.0, 0.5], dtype="<f8").tobytes(),
        "cells": sweep_pb2.Cells(cells=np.zeros(1, dtype="<u4").tobytes(), n_gallery_groups=1, n_cells=1),
        "tiles": [whole],
    }
    return sweep_pb2.CountTilesRequest(**(said | fields))


def tail_request(**fields: Any) -> sweep_pb2.FindTailRequest:
    """The best three pairs of the gallery, everybody a subject of their own."""
    pairs = count_request()
    subjects = np.arange(len(ROWS), dtype="<u4").tobytes()
    said = {
        "plan": "p",
        "probes": "people",
        "gallery": "people",
        "cells": pairs.cells,
        "tiles": pairs.tiles,
        "n": 3,
        "floors": np.array([-1.0], dtype="<f8").tobytes(),
        "probe_subjects": [subjects],
        "gallery_subjects": [subjects],
    }
    return sweep_pb2.FindTailRequest(**(said | fields))


def test_a_search_returns_what_the_core_returns_bit_for_bit(call: Caller):
    """Scores, rows and ids of every probe; and the gallery's version with them."""
    scores, rows = Gallery(ROWS).search(PROBES, k=7)
    answer = call(SEARCH, gallery="people", probes=templates(PROBES), k=7)

    assert [bits(c.scores) for c in answer.candidates] == [bits(s) for s in scores]
    assert [list(c.rows) for c in answer.candidates] == rows.tolist()
    assert [list(c.template_ids) for c in answer.candidates] == [[IDS[i] for i in row] for row in rows]
    assert answer.timing.gallery_version == call(GET, name="people").gallery.version
    assert answer.timing.batch_probes == len(PROBES)


@pytest.mark.parametrize("kind", ["FLOAT16", "FLOAT32", "FLOAT64"])
def test_probes_come_in_every_type(call: Caller, kind: str):
    """A probe of float16 is the one that float32 would say, if it can be said in float16."""
    probes = PROBES.astype(np.float16).astype(kind.lower())
    sent = templates(PROBES, component_type=getattr(templates_pb2, f"COMPONENT_TYPE_{kind}"), data=probes.tobytes())
    scores, _ = Gallery(ROWS).search(probes, k=3)

    assert [bits(c.scores) for c in call(SEARCH, gallery="people", probes=sent, k=3).candidates] == list(
        map(bits, scores)
    )


def test_a_threshold_leaves_out_what_is_below_it_and_counts_the_rest(call: Caller):
    """k cuts the list, never the count; k = 0 lists all that reach the threshold."""
    scores, rows = Gallery(ROWS).search(PROBES, k=len(ROWS))
    reach = [row[score >= 0.25].tolist() for row, score in zip(rows, scores, strict=True)]
    assert max(map(len, reach)) > 2

    for k, listed in ((2, [row[:2] for row in reach]), (0, reach)):
        answer = call(SEARCH, gallery="people", probes=templates(PROBES), k=k, threshold=0.25)
        assert [list(c.rows) for c in answer.candidates] == listed
        assert [c.at_or_above for c in answer.candidates] == list(map(len, reach))


def test_floors_count_and_leave_nothing_out(call: Caller):
    """Each probe has a floor of its own, in float32."""
    floors = np.linspace(-0.5, 0.5, len(PROBES), dtype="<f4")
    scores, rows = Gallery(ROWS).search(PROBES, k=len(ROWS))
    answer = call(SEARCH, gallery="people", probes=templates(PROBES), k=4, floors=floors.tobytes(), rows_only=True)

    assert [list(c.rows) for c in answer.candidates] == rows[:, :4].tolist()
    assert [c.at_or_above for c in answer.candidates] == (scores >= floors[:, None]).sum(axis=1).tolist()
    assert not any(c.template_ids for c in answer.candidates)


def test_a_search_for_more_than_there_are_returns_what_there_is(call: Caller):
    """A gallery smaller than k is no mistake."""
    fill(call, "few", ROWS[:3], IDS[:3])
    answer = call(SEARCH, gallery="few", probes=templates(PROBES), k=20)
    call(CREATE, name="none", dimension=DIMENSION)

    assert {len(c.rows) for c in answer.candidates} == {3}
    assert {len(c.rows) for c in call(SEARCH, gallery="none", probes=templates(PROBES), k=1).candidates} == {0}


def test_compare_scores_templates_ids_and_rows_alike(call: Caller):
    """All three name the same rows, and the oracle says what their scores are."""
    a, b = np.arange(10), np.arange(10)[::-1] + 5
    unit = ROWS.astype(np.float64) / np.linalg.norm(ROWS.astype(np.float64), axis=1, keepdims=True)
    packed = ReferenceEngine().rows(unit.astype(np.float32))
    expected = bits(packed.score_pairs(packed, a, b))
    sides = [
        [
            search_pb2.Side(templates=templates(ROWS[rows])),
            search_pb2.Side(ids=search_pb2.TemplateIds(template_ids=[IDS[i] for i in rows])),
            search_pb2.Side(rows=rows.astype("<u8").tobytes()),
        ]
        for rows in (a, b)
    ]

    for left in sides[0]:
        for right in sides[1]:
            assert bits(call(COMPARE, gallery="people", a=left, b=right).scores) == expected
    assert bits(call(COMPARE, a=sides[0][0], b=sides[1][0]).scores) == expected


def test_tiles_are_counted_and_their_best_pairs_named(call: Caller):
    """Counts and pairs are those of all scores."""
    scores, rows = Gallery(ROWS).search(ROWS, k=len(ROWS))
    each = {(i, int(j)): s for i in range(len(ROWS)) for j, s in zip(rows[i], scores[i], strict=True) if j > i}
    best = sorted(each, key=lambda pair: (-each[pair], pair))[:3]
    counted, kept = call(COUNT, count_request()), call(TAIL, tail_request())

    assert [part.is_last for part in counted] == [True]
    assert (
        np.frombuffer(counted[0].counts, "<u8").tolist()
        == np.bincount(np.searchsorted([0.0, 0.5], list(each.values()), side="right"), minlength=3).tolist()
    )
    assert (counted[0].plan, counted[0].strategy != "") == ("p", True)
    assert (
        list(zip(np.frombuffer(kept[0].probe_places, "<u8"), np.frombuffer(kept[0].gallery_places, "<u8"), strict=True))
        == best
    )
    assert bits(np.frombuffer(kept[0].scores, "<f4")) == bits([each[pair] for pair in best])


def test_counts_beyond_a_mebibyte_come_in_parts(call: Caller):
    """No message is larger than a client of default limits takes."""
    edges = np.linspace(-1, 1, 300_000).astype("<f8")
    with pytest.raises(grpc.RpcError) as caught:
        call(COUNT, count_request(edges=edges.tobytes()))
    assert caught.value.code() == Code.OUT_OF_RANGE

    cells = sweep_pb2.Cells(cells=np.zeros(1, "<u4").tobytes(), n_gallery_groups=1, n_cells=100_000)
    parts = call(COUNT, count_request(cells=cells))
    assert len(parts) == 3
    assert [part.offset for part in parts] == [0, 1 << 17, 2 << 17]
    assert sum(np.frombuffer(part.counts, "<u8").sum() for part in parts) == len(ROWS) * (len(ROWS) - 1) / 2


def test_a_gallery_is_made_filled_emptied_and_dropped(call: Caller):
    """Every step says how the gallery is now, and later ones agree."""
    made = call(CREATE, name="g.1_-", dimension=DIMENSION).gallery
    ids = IDS[:6]
    first = gallery_pb2.EnrolRequest(gallery="g.1_-", templates=templates(ROWS[:4]), template_ids=ids[:4])
    second = gallery_pb2.EnrolRequest(templates=templates(ROWS[3:6]), template_ids=ids[3:6])
    filled = call(ENROL, first, second)
    emptied = call(REMOVE, gallery="g.1_-", template_ids=[*ids[:2], "nobody"])
    listed = {gallery.name: gallery for gallery in call(LIST).galleries}

    assert (made.n_templates, made.is_ephemeral) == (0, False)
    assert (filled.n_enrolled, filled.n_present, filled.gallery.n_templates) == (6, 1, 6)
    assert (emptied.n_removed, emptied.n_absent, emptied.gallery.n_templates) == (2, 1, 4)
    assert made.version < filled.gallery.version < emptied.gallery.version
    assert listed["g.1_-"] == call(GET, name="g.1_-").gallery
    found = call(SEARCH, gallery="g.1_-", probes=templates(PROBES), k=6)
    assert {row for c in found.candidates for row in c.rows} == {2, 3, 4, 5}
    assert call(DROP, name="g.1_-").gallery.n_templates == 4
    assert call.error(GET, name="g.1_-")[0] == Code.NOT_FOUND


def test_equal_contents_have_one_digest_whatever_their_order(call: Caller):
    """Replicas are compared by it."""
    fill(call, "there", ROWS[:5], IDS[:5])
    fill(call, "back", ROWS[4::-1], IDS[4::-1])
    digests = [call(GET, name=name).gallery.content_digest for name in ("there", "back")]

    assert digests[0] == digests[1] != call(GET, name="people").gallery.content_digest


def test_the_server_says_what_it_is(call: Caller):
    """Limits are those of the configuration, the caller is nobody in particular."""
    info = call(INFO)

    assert (info.limits.k, info.limits.probes, info.limits.message_bytes) == (20, 30, 65536)
    assert set(info.scopes) == {"search", "enrol", "count", "admin"}
    assert info.kernel
    assert info.version


MANY = templates(np.ones((31, DIMENSION), dtype=np.float32))
ONE = templates(PROBES[:1])
BAD = templates(np.full((1, DIMENSION), np.nan, dtype=np.float32))
SIDE = search_pb2.Side(templates=ONE)
TILE = count_request().tiles[0]


def search(**fields: Any) -> search_pb2.SearchRequest:
    """A good search, but for these fields."""
    return search_pb2.SearchRequest(**({"gallery": "people", "probes": ONE, "k": 1} | fields))


def enrol(**fields: Any) -> gallery_pb2.EnrolRequest:
    """A good enrolment, but for these fields."""
    said = {"gallery": "people", "templates": ONE, "template_ids": ["new"]}
    return gallery_pb2.EnrolRequest(**(said | fields))


def tile(**fields: Any) -> list[sweep_pb2.Tile]:
    """The tile of all pairs, but for these fields."""
    changed = sweep_pb2.Tile()
    changed.CopyFrom(TILE)
    for name, value in fields.items():
        setattr(changed, name, value)
    return [changed]


ERRORS = [
    (CREATE, {"name": "", "dimension": 4}, Code.INVALID_ARGUMENT, "name"),
    (CREATE, {"name": "Ä", "dimension": 4}, Code.INVALID_ARGUMENT, "name"),
    (CREATE, {"name": ".x", "dimension": 4}, Code.INVALID_ARGUMENT, "name"),
    (CREATE, {"name": "x" * 65, "dimension": 4}, Code.INVALID_ARGUMENT, "name"),
    (CREATE, {"name": "x", "dimension": 0}, Code.INVALID_ARGUMENT, "dimension"),
    (CREATE, {"name": "x", "dimension": 65_537}, Code.INVALID_ARGUMENT, "65536"),
    (CREATE, {"name": "people", "dimension": 4}, Code.ALREADY_EXISTS, "people"),
    (
        CREATE,
        {"name": "x", "dimension": 4, "is_ephemeral": True, "idle_seconds": 86_401},
        Code.INVALID_ARGUMENT,
        "86400",
    ),
    (GET, {"name": "nowhere"}, Code.NOT_FOUND, "nowhere"),
    (DROP, {"name": "nowhere"}, Code.NOT_FOUND, "nowhere"),
    (REMOVE, {"gallery": "nowhere", "template_ids": ["a"]}, Code.NOT_FOUND, "nowhere"),
    (REMOVE, {"gallery": "people"}, Code.INVALID_ARGUMENT, "template_ids"),
    (ENROL, enrol(gallery="nowhere"), Code.NOT_FOUND, "nowhere"),
    (ENROL, enrol(template_ids=[]), Code.INVALID_ARGUMENT, "template_ids"),
    (ENROL, enrol(template_ids=["a", "b"]), Code.INVALID_ARGUMENT, "template_ids"),
    (ENROL, enrol(template_ids=[""]), Code.INVALID_ARGUMENT, "template_ids"),
    (ENROL, enrol(template_ids=["x" * 257]), Code.INVALID_ARGUMENT, "template_ids"),
    (ENROL, enrol(template_ids=["t0"]), Code.ALREADY_EXISTS, "template_ids"),
    (ENROL, enrol(templates=BAD), Code.INVALID_ARGUMENT, "templates"),
    (ENROL, enrol(templates=templates(ROWS[:1, :4])), Code.INVALID_ARGUMENT, "dimension"),
    (SEARCH, search(gallery="nowhere"), Code.NOT_FOUND, "nowhere"),
    (SEARCH, search(gallery=""), Code.NOT_FOUND, "gallery"),
    (SEARCH, {"gallery": "people", "k": 1}, Code.INVALID_ARGUMENT, "probes"),
    (SEARCH, search(probes=MANY), Code.INVALID_ARGUMENT, "30"),
    (SEARCH, search(probes=BAD), Code.INVALID_ARGUMENT, "probes"),
    (SEARCH, search(probes=templates(ROWS[:1, :4])), Code.INVALID_ARGUMENT, "dimension"),
    (SEARCH, search(probes=templates(PROBES, component_type=0)), Code.INVALID_ARGUMENT, "component_type"),
    (SEARCH, search(probes=templates(PROBES, data=b"12345")), Code.INVALID_ARGUMENT, "data"),
    (SEARCH, search(probes=templates(PROBES, is_unit=True)), Code.INVALID_ARGUMENT, "is_unit"),
    (SEARCH, search(k=0), Code.INVALID_ARGUMENT, "k"),
    (SEARCH, search(k=21), Code.INVALID_ARGUMENT, "20"),
    (SEARCH, search(threshold=1.5), Code.INVALID_ARGUMENT, "threshold"),
    (SEARCH, search(threshold=float("nan")), Code.INVALID_ARGUMENT, "threshold"),
    (SEARCH, search(threshold=-1.0, k=0), Code.RESOURCE_EXHAUSTED, "20"),
    (SEARCH, search(floors=b"123"), Code.INVALID_ARGUMENT, "floors"),
    (SEARCH, search(floors=b"12345678"), Code.INVALID_ARGUMENT, "floors"),
    (SEARCH, search(floors=np.float32("nan").tobytes()), Code.INVALID_ARGUMENT, "floors"),
    (SEARCH, search(floors=b"1234", threshold=0.5), Code.INVALID_ARGUMENT, "floors"),
    (SEARCH, search(case_reference="x" * 257), Code.INVALID_ARGUMENT, "case_reference"),
    (COMPARE, {"a": SIDE}, Code.INVALID_ARGUMENT, "b"),
    (COMPARE, {"a": SIDE, "b": search_pb2.Side(templates=templates(PROBES))}, Code.INVALID_ARGUMENT, "b"),
    (COMPARE, {"a": SIDE, "b": search_pb2.Side(rows=b"12345678")}, Code.INVALID_ARGUMENT, "gallery"),
    (COMPARE, {"gallery": "people", "a": SIDE, "b": search_pb2.Side(rows=b"12345678")}, Code.NOT_FOUND, "b"),
    (COMPARE, {"gallery": "people", "a": SIDE, "b": search_pb2.Side(rows=b"123")}, Code.INVALID_ARGUMENT, "b"),
    (COMPARE, {"gallery": "nowhere", "a": SIDE, "b": SIDE}, Code.NOT_FOUND, "nowhere"),
    (COUNT, count_request(gallery="nowhere"), Code.NOT_FOUND, "nowhere"),
    (COUNT, count_request(probes="nowhere"), Code.NOT_FOUND, "nowhere"),
    (COUNT, count_request(edges=b"123"), Code.INVALID_ARGUMENT, "edges"),
    (COUNT, count_request(edges=np.array([1.0, 0.0]).tobytes()), Code.INVALID_ARGUMENT, "edges"),
    (COUNT, count_request(tiles=[]), Code.INVALID_ARGUMENT, "tiles"),
    (COUNT, count_request(tiles=tile(probe_end=41)), Code.INVALID_ARGUMENT, "tiles.probe_end"),
    (COUNT, count_request(tiles=tile(gallery_begin=2, gallery_end=1)), Code.INVALID_ARGUMENT, "tiles.gallery_end"),
    (COUNT, count_request(tiles=tile(probe_groups=b"1234")), Code.INVALID_ARGUMENT, "tiles.probe_groups"),
    (COUNT, count_request(tiles=tile(probe_groups=b"1234" * 40)), Code.INVALID_ARGUMENT, "group"),
    (COUNT, count_request(cells=None), Code.INVALID_ARGUMENT, "cells"),
    (COUNT, count_request(cells=sweep_pb2.Cells(n_cells=0)), Code.INVALID_ARGUMENT, "cells"),
    (TAIL, tail_request(floors=b""), Code.INVALID_ARGUMENT, "floors"),
    (TAIL, tail_request(probe_subjects=[]), Code.INVALID_ARGUMENT, "probe_subjects"),
    (TAIL, tail_request(gallery_subjects=[b"1234"]), Code.INVALID_ARGUMENT, "gallery_subjects"),
]


@pytest.mark.parametrize(("method", "request_", "code", "fragment"), ERRORS)
def test_a_wrong_request_is_refused_by_its_field(call: Caller, method: Rpc, request_: Any, code: Code, fragment: str):
    """The status is the one that the contract says, and the message names the field or the limit."""
    message = method.request(**request_) if isinstance(request_, dict) else request_

    found = call.error(method, message)

    assert found[0] == code, found
    assert fragment in found[1]
    assert call(GET, name="people").gallery.n_templates == len(ROWS)


def test_details_say_the_field_to_programs(call: Caller):
    """`google.rpc.BadRequest` names the field; `ErrorInfo` has a word for the reason."""
    with pytest.raises(grpc.RpcError) as caught:
        call(SEARCH, search(k=21))
    said = dict(caught.value.trailing_metadata())["grpc-status-details-bin"]
    details = {any_.TypeName(): any_ for any_ in status_pb2.Status.FromString(said).details}
    bad, info = error_details_pb2.BadRequest(), error_details_pb2.ErrorInfo()
    assert details["google.rpc.BadRequest"].Unpack(bad)
    assert details["google.rpc.ErrorInfo"].Unpack(info)

    assert [violation.field for violation in bad.field_violations] == ["k"]
    assert (info.domain, info.reason) == ("frbench", "INVALID_FIELD")


def test_a_failed_batch_leaves_the_batches_before_it(call: Caller):
    """Each message of an enrolment is whole or not there."""
    call(CREATE, name="half", dimension=DIMENSION)
    good = gallery_pb2.EnrolRequest(gallery="half", templates=templates(ROWS[:3]), template_ids=IDS[:3])
    bad_rows = ROWS[3:6].copy()
    bad_rows[2] = 0
    bad = gallery_pb2.EnrolRequest(templates=templates(bad_rows), template_ids=IDS[3:6])

    assert call.error(ENROL, good, bad) == (
        Code.INVALID_ARGUMENT,
        "templates: template 2 has no direction: it holds NaN, an infinity or only zeros",
    )
    assert call(GET, name="half").gallery.n_templates == 3


def test_an_empty_stream_enrols_nothing_and_says_so(call: Caller):
    """There is no first message to name the gallery."""
    with pytest.raises(grpc.RpcError) as caught:
        call.channel.stream_unary(ENROL.path)(iter(()), timeout=WAIT_S)
    assert caught.value.code() == Code.INVALID_ARGUMENT


def test_a_sweep_ends_at_its_deadline():
    """Between tiles, and inside of them; the server goes on."""
    with running() as server:
        caller = Caller(server)
        fill(caller, "people", ROWS, IDS)
        request = count_request(tiles=[TILE] * 50_000)

        assert caller.error(COUNT, request, timeout=0.2)[0] == Code.DEADLINE_EXCEEDED
        assert len(caller(COUNT, count_request())) == 1


def test_an_unknown_method_is_unimplemented(call: Caller):
    """As gRPC says."""
    with pytest.raises(grpc.RpcError) as caught:
        call.channel.unary_unary("/frbench.v1.SearchService/Guess")(b"", timeout=WAIT_S)
    assert caught.value.code() == Code.UNIMPLEMENTED


def test_galleries_beyond_the_limit_are_refused(tmp_path: Path):
    """The message says how many there may be."""
    with running(*configured(tmp_path, "limits.galleries = 2")) as server:
        caller = Caller(server)
        for name in ("a", "b"):
            caller(CREATE, name=name, dimension=2)
        code, message = caller.error(CREATE, name="c", dimension=2)

    assert code == Code.RESOURCE_EXHAUSTED
    assert "2" in message
