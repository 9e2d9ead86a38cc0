"""A server from its start to its end: health, reflection, metrics and logs, stops, restarts, full disks."""

from __future__ import annotations

import json
import re
import resource
import shutil
import signal
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from frbench.counting.gallery import Gallery
from frbench.service.audit_log import verify
from frbench.templates import load
from frbench.v1 import gallery_pb2, sweep_pb2
from tests import ROOT
from tests.service.test_service import (
    COUNT,
    CREATE,
    DIMENSION,
    DROP,
    ENROL,
    GET,
    IDS,
    INFO,
    LIST,
    PROBES,
    REMOVE,
    ROWS,
    SEARCH,
    Caller,
    Code,
    bits,
    count_request,
    fill,
    search,
    templates,
)
from tests.worlds.servers import PROGRAM, WAIT_S, Running, configured, running, until

SERVICES = ("", *(f"frbench.v1.{name}Service" for name in ("Gallery", "Search", "Sweep", "Server")))
LFW = ROOT / "examples" / "lfw" / "dlib-128.npy"
METRICS = {
    "frbench_requests", "frbench_refused", "frbench_request_duration_seconds", "frbench_queue_seconds",
    "frbench_scan_seconds", "frbench_batch_probes", "frbench_queued_probes", "frbench_galleries", "frbench_templates",
    "frbench_memory_bytes", "frbench_connections", "frbench_handshakes_refused",
}  # fmt: skip
Status = health_pb2.HealthCheckResponse
# So few that one too many is quickly made.
GALLERIES = 3


@dataclass(frozen=True)
class Living:
    """A server with metrics, a log and a directory, and a client of it."""

    server: Running
    call: Caller
    data: Path


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    """One that tests share: none ends it."""
    folder = tmp_path_factory.mktemp("life")
    data, limits = folder / "data", configured(folder, f"limits.galleries = {GALLERIES}")
    with running(*limits, "--data", str(data), "--metrics", "127.0.0.1:0", "--log", "info") as server:
        call = Caller(server)
        fill(call, "people", ROWS, IDS)
        yield Living(server, call, data)


def ended(*options: str) -> subprocess.CompletedProcess[str]:
    """A server that does not start."""
    command = [*PROGRAM, "--listen", "127.0.0.1:0", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)


@dataclass(frozen=True)
class Held:
    """A sweep that cannot end before its client reads: the parts that were read, and the others."""

    first: Any
    others: Iterator[Any]
    n: int


def held(call: Caller) -> Held:
    """A sweep of more parts than any buffer on the way holds, the first of which was read."""
    tiles = 30
    cells = sweep_pb2.Cells(cells=np.zeros(1, "<u4").tobytes(), n_gallery_groups=1, n_cells=100_000)
    request = count_request(cells=cells, tiles=[count_request().tiles[0]] * tiles)
    stream = call.channel.unary_stream(
        COUNT.path,
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=COUNT.response.FromString,
    )
    parts = stream(request, timeout=WAIT_S)
    return Held(next(parts), parts, 3 * tiles)


def draining(server: Running) -> Any:
    """The health of a server that was told to stop, once it says so."""
    states = health_pb2_grpc.HealthStub(Caller(server).channel).Watch(health_pb2.HealthCheckRequest(), timeout=WAIT_S)
    assert next(states).status == Status.SERVING
    server.process.send_signal(signal.SIGTERM)
    assert next(states).status == Status.NOT_SERVING
    return states


@pytest.mark.parametrize("name", SERVICES)
def test_health_is_said_of_the_server_and_of_each_service(living: Living, name: str):
    """By Check and by Watch."""
    health, request = health_pb2_grpc.HealthStub(living.call.channel), health_pb2.HealthCheckRequest(service=name)
    states = health.Watch(request, timeout=WAIT_S)

    assert health.Check(request, timeout=WAIT_S).status == Status.SERVING
    assert next(states).status == Status.SERVING
    states.cancel()


def test_health_of_a_service_that_is_not_there_is_not_found(living: Living):
    """Check says NOT_FOUND, Watch waits for it and says SERVICE_UNKNOWN, as the protocol of health asks."""
    health = health_pb2_grpc.HealthStub(living.call.channel)
    request = health_pb2.HealthCheckRequest(service="frbench.v1.NoService")
    with pytest.raises(grpc.RpcError) as caught:
        health.Check(request, timeout=WAIT_S)
    states = health.Watch(request, timeout=WAIT_S)

    assert caught.value.code() == Code.NOT_FOUND
    assert next(states).status == Status.SERVICE_UNKNOWN
    states.cancel()


def test_a_client_without_our_protos_searches_by_reflection(living: Living):
    """It lists the services, builds messages from what it is told, and finds what we find."""
    database = ProtoReflectionDescriptorDatabase(living.call.channel)
    pool = descriptor_pool.DescriptorPool(database)
    method = pool.FindServiceByName("frbench.v1.SearchService").FindMethodByName("Search")
    request = message_factory.GetMessageClass(method.input_type)(gallery="people", k=3)
    request.probes.dimension, request.probes.component_type = DIMENSION, 1
    request.probes.data = PROBES.tobytes()
    answer = living.call.channel.unary_unary(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
    )(request, timeout=WAIT_S)
    expected = living.call(SEARCH, gallery="people", probes=templates(PROBES), k=3)

    assert set(database.get_services()) >= {*SERVICES[1:], "grpc.health.v1.Health"}
    assert [list(c.rows) for c in answer.candidates] == [list(c.rows) for c in expected.candidates]
    assert [bits(c.scores) for c in answer.candidates] == [bits(c.scores) for c in expected.candidates]


def reflected(call: Caller, version: str) -> set[str]:
    """Services that reflection of a version lists; both versions have the same messages."""
    stream = call.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="*")])
    return {service.name for each in stream(asked, timeout=WAIT_S) for service in each.list_services_response.service}


def test_reflection_is_there_in_both_versions(living: Living):
    """Old clients ask for v1alpha, new ones for v1; each version lists what can be called, and itself."""
    listed = {version: reflected(living.call, version) for version in ("v1", "v1alpha")}
    others = {version: names - {f"grpc.reflection.{version}.ServerReflection"} for version, names in listed.items()}

    assert others["v1"] == others["v1alpha"] == {*SERVICES[1:], "grpc.health.v1.Health"}


def test_reflection_can_be_turned_off(tmp_path: Path):
    """Both versions; health and the services stay."""
    with running(*configured(tmp_path, "reflection = false")) as server:
        call = Caller(server)
        codes = []
        for version in ("v1", "v1alpha"):
            with pytest.raises(grpc.RpcError) as caught:
                reflected(call, version)
            codes.append(caught.value.code())
        health = health_pb2_grpc.HealthStub(call.channel).Check(health_pb2.HealthCheckRequest(), timeout=WAIT_S)

        assert codes == [Code.UNIMPLEMENTED] * 2
        assert health.status == Status.SERVING
        assert call(INFO).client == "anonymous"


def scraped(server: Running) -> dict[str, float]:
    """Values of metrics, by name and labels."""
    with urllib.request.urlopen(f"http://{server.ready['metrics']}/metrics", timeout=WAIT_S) as answer:
        lines = answer.read().decode().splitlines()
    assert lines[-1] == "# EOF"
    return {key: float(value) for key, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}


def test_metrics_count_the_calls_that_were_made(living: Living):
    """By method and code; the histograms have as many, and gauges say what there is."""
    calls = {(SEARCH, "OK"): 3, (SEARCH, "NOT_FOUND"): 2, (LIST, "OK"): 4}
    before = scraped(living.server)
    for (method, code), n in calls.items():
        for _ in range(n):
            if code == "OK":
                living.call(method, search() if method == SEARCH else method.request())
            else:
                living.call.error(method, search(gallery="nowhere"))
    after = scraped(living.server)
    gained = {key: value - before.get(key, 0) for key, value in after.items()}

    for (method, code), n in calls.items():
        assert gained[f'frbench_requests_total{{method="{method.path[1:]}",code="{code}"}}'] == n
    assert gained['frbench_request_duration_seconds_count{method="frbench.v1.SearchService/Search",size="1"}'] == 5
    assert gained["frbench_scan_seconds_count"] == gained["frbench_queue_seconds_count"] == 3
    assert gained["frbench_batch_probes_sum"] == 3
    until(lambda: scraped(living.server)["frbench_templates"] == templates_of(living.call))


def templates_of(call: Caller) -> int:
    """Templates of all galleries."""
    return sum(gallery.n_templates for gallery in call(LIST).galleries)


def test_metrics_have_the_names_that_are_documented(living: Living):
    """Every family, and no other; labels are words of the program."""
    living.call.error(SEARCH, search(gallery="nowhere"))
    names = [f"full-{i}" for i in range(GALLERIES - 1)]
    for name in names:
        living.call(CREATE, name=name, dimension=2)
    assert living.call.error(CREATE, name="one-too-many", dimension=2)[0] == Code.RESOURCE_EXHAUSTED
    for name in names:
        living.call(DROP, name=name)
    with urllib.request.urlopen(f"http://{living.server.ready['metrics']}/metrics", timeout=WAIT_S) as answer:
        text, kind = answer.read().decode(), answer.headers["content-type"]

    assert set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE)) == METRICS
    assert kind.startswith("application/openmetrics-text")
    assert "nowhere" not in text


def test_the_log_is_an_object_a_line_with_each_call(living: Living):
    """With the id that the caller gave, which comes back with the answer."""
    search_ = living.call.channel.unary_unary(SEARCH.path)
    _, told = search_.with_call(search().SerializeToString(), timeout=WAIT_S, metadata=(("x-request-id", "trace.7"),))
    until(lambda: any("trace.7" in line for line in living.server.errors))
    lines = [json.loads(line) for line in list(living.server.errors)]
    [line] = [line["fields"] for line in lines if line["fields"].get("request_id") == "trace.7"]

    assert dict(told.initial_metadata())["x-request-id"] == "trace.7"
    assert (line["method"], line["code"], line["gallery"]) == (SEARCH.path[1:], "OK", "people")
    assert (line["rows"], line["batch_probes"], line["client"]) == (1, 1, "anonymous")


def test_a_search_sees_all_of_a_batch_or_nothing(living: Living):
    """While batches come and go, and segments are merged: of each batch all templates are found, or none."""
    size, batches = 7, 90
    source = np.random.default_rng(3)
    rows = (ROWS[0] + 1e-3 * source.standard_normal((batches, size, DIMENSION))).astype(np.float32)
    living.call(CREATE, name="moving", dimension=DIMENSION)

    def move() -> None:
        for batch in range(batches):
            ids = [f"{batch}.{i}" for i in range(size)]
            living.call(
                ENROL, gallery_pb2.EnrolRequest(gallery="moving", templates=templates(rows[batch]), template_ids=ids)
            )
            if batch % 3 == 2:
                living.call(REMOVE, gallery="moving", template_ids=[f"{batch - 1}.{i}" for i in range(size)])

    versions, sizes = [0], set()
    with ThreadPoolExecutor(1) as crew:
        moving = crew.submit(move)
        while not moving.done():
            answer = living.call(SEARCH, gallery="moving", probes=templates(ROWS[:1]), k=0, threshold=0.9)
            found = Counter(id_.partition(".")[0] for id_ in answer.candidates[0].template_ids)
            assert set(found.values()) <= {size}
            assert answer.candidates[0].at_or_above == sum(found.values())
            versions.append(answer.timing.gallery_version)
            sizes.add(len(found))
        moving.result()

    assert versions == sorted(versions)
    assert len(sizes) > 5
    assert living.call(GET, name="moving").gallery.n_templates == size * batches * 2 // 3
    living.call(DROP, name="moving")


def test_real_templates_are_searched_as_in_process_bit_for_bit(living: Living):
    """13,233 faces, each against all of them: scores, rows and counts at a threshold."""
    unit = load(LFW).unit
    living.call(CREATE, name="lfw", dimension=unit.shape[1])
    batches = [slice(i, i + 4000) for i in range(0, len(unit), 4000)]
    living.call(
        ENROL,
        *(
            gallery_pb2.EnrolRequest(
                gallery="lfw",
                templates=templates(unit[batch], is_unit=True),
                template_ids=[str(i) for i in range(len(unit))[batch]],
            )
            for batch in batches
        ),
    )
    scores, rows = Gallery(unit).search(unit, k=5)
    found = [
        candidates
        for batch in batches
        for candidates in living.call(
            SEARCH, gallery="lfw", probes=templates(unit[batch], is_unit=True), k=5, rows_only=True
        ).candidates
    ]
    living.call(DROP, name="lfw")

    assert np.array([c.rows for c in found]).tolist() == rows.tolist()
    assert np.array([c.scores for c in found], dtype=np.float32).tobytes() == scores.tobytes()


def test_a_stop_ends_calls_in_flight_in_order_and_a_start_finds_what_was_kept(tmp_path: Path):
    """The sweep is answered to its end, new callers are refused; exit code 0, line of the stop, the same digests."""
    data, ready = tmp_path / "data", tmp_path / "ready.json"
    with running("--data", str(data)) as server:
        call = Caller(server)
        fill(call, "people", ROWS, IDS)
        fill(call, "others", ROWS[:7], IDS[:7])
        call(CREATE, name="lent", dimension=4, is_ephemeral=True)
        kept = [gallery for gallery in call(LIST).galleries if not gallery.is_ephemeral]
        sweep = held(call)
        draining(server).cancel()

        until(lambda: code_of_info(server) == Code.UNAVAILABLE)
        assert sum(1 for _ in sweep.others) == sweep.n - 1
        assert server.process.wait(WAIT_S) == 0
    lines = [json.loads(line) for line in (data / "audit.jsonl").read_text().splitlines()]
    assert [line["method"] for line in lines[-2:]] == [COUNT.path[1:], "server/stop"]
    assert verify(data / "audit.jsonl").unanchored == 0

    with running("--data", str(data), "--ready-file", str(ready)) as server:
        second = ended("--data", str(data))
        again = list(Caller(server)(LIST).galleries)
        assert json.loads(ready.read_text()) == server.ready
        assert server.ready["pid"] == server.process.pid
        assert server.ready["galleries"] == 2
        assert server.stop() == 0

    assert [(g.name, g.n_templates, g.version, g.content_digest) for g in again] == [
        (g.name, g.n_templates, g.version, g.content_digest) for g in kept
    ]
    assert (second.returncode, second.stderr.count("\n")) == (2, 1)
    assert "is in use by another server" in second.stderr
    assert verify(data / "audit.jsonl").lines > len(lines)


def code_of_info(server: Running) -> Code:
    """How a call of a new caller ends."""
    call = Caller(server)
    try:
        call(INFO)
    except grpc.RpcError as error:
        return error.code()
    finally:
        call.channel.close()
    return Code.OK


def test_one_who_watches_health_does_not_hold_up_a_stop(tmp_path: Path):
    """A watch never ends by itself; the server does not wait for it as it waits for calls."""
    with running(*configured(tmp_path, "grace_s = 3600")) as server:
        states = draining(server)

        assert server.process.wait(WAIT_S) == 0
        with pytest.raises(grpc.RpcError):
            next(states)


def test_a_second_signal_ends_the_server_at_once(tmp_path: Path):
    """Although a call is in flight that has an hour of grace."""
    with running(*configured(tmp_path, "grace_s = 3600")) as server:
        call = Caller(server)
        fill(call, "people", ROWS, IDS)
        sweep = held(call)
        draining(server).cancel()
        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(WAIT_S) == 130
        with pytest.raises(grpc.RpcError):
            list(sweep.others)


def test_a_call_is_cut_when_its_grace_ends(tmp_path: Path):
    """The stop is told of and the exit is in order, whatever a caller does."""
    with running(*configured(tmp_path, "grace_s = 0.1"), "--data", str(tmp_path / "data")) as server:
        call = Caller(server)
        fill(call, "people", ROWS, IDS)
        sweep = held(call)

        assert server.stop() == 0
        with pytest.raises(grpc.RpcError):
            list(sweep.others)
    assert any("still in flight" in line for line in server.errors)


def test_a_damaged_store_is_said_in_one_sentence(tmp_path: Path, living: Living):
    """Which file it is and what to do; nothing of it is changed, and the exit code is 2."""
    data = tmp_path / "data"
    data.mkdir()
    found = bytearray((living.data / "galleries.redb").read_bytes())
    for place in range(512, len(found), 4096):
        found[place] ^= 0xFF
    (data / "galleries.redb").write_bytes(found)
    answer = ended("--data", str(data))

    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.count("\n") == 1, answer.stderr
    assert answer.stderr.startswith(f"frbench: error: {data}/galleries.redb is damaged")
    assert not (data / "audit.jsonl").exists()
    shutil.rmtree(data)


def test_without_room_for_the_audit_log_no_call_is_answered(tmp_path: Path):
    """The disk is full, even in the middle of a line: calls are refused, and answered when there is room again."""
    log = tmp_path / "audit.jsonl"
    text = f'audit.path = "{log}"'
    with running(*configured(tmp_path, text)) as server:
        call = Caller(server)
        fill(call, "people", ROWS, IDS)
        whole = log.read_bytes()
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (len(whole) + 40, resource.RLIM_INFINITY))
        refused = [call.error(method, message) for method, message in ((SEARCH, search()), (LIST, LIST.request()))]
        swept = call.error(COUNT, count_request())
        assert log.read_bytes() == whole
        assert health_pb2_grpc.HealthStub(call.channel).Check(health_pb2.HealthCheckRequest(), timeout=WAIT_S)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        # The line of this refusal is what finds that there is room.
        call.error(LIST)
        assert len(call(SEARCH, search()).candidates) == 1
        assert server.stop() == 0

    assert {code for code, _ in [*refused, swept]} == {Code.UNAVAILABLE}
    assert all(message.startswith("the audit log cannot be written") for _, message in refused)
    assert verify(log).unanchored == 0
    assert len(log.read_text().splitlines()) == len(whole.splitlines()) + 3
