"""The generator against a real server: what a stall does, what is wrong with a target."""

from __future__ import annotations

import socket
import threading
import time

import numpy as np
import pytest
from grpc import StatusCode

from frbench.counting.load.generator import GrpcGenerator, Server
from frbench.counting.load.schedule import NS, Schedule
from frbench.errors import EngineUnavailable, InputError
from frbench.service import wire
from frbench.service.wire import SEARCH
from tests.worlds.scripted_server import scripted

MS = 1_000_000
MESSAGE = wire.search("people", np.eye(1, 4, dtype=np.float32), k=3).request


def every_ms(n: int) -> Schedule:
    """A request a millisecond."""
    return Schedule(np.zeros(n, np.uint32), np.arange(n, dtype=np.uint64) * MS, 0, n * MS)


def test_a_stall_shows_in_an_open_loop_and_hides_in_a_closed_one():
    """Half a second of standing still delays the hundreds that were set meanwhile; who waits for answers sees one."""
    lock, begun = threading.Lock(), threading.Event()

    def stalls_once(_: int) -> tuple[float, StatusCode]:
        with lock:
            if not begun.is_set():
                begun.set()
                time.sleep(0.5)
        return 0.0, StatusCode.OK

    with scripted(stalls_once) as server:
        generator = GrpcGenerator(Server(server.address), SEARCH)
        found = generator.send([MESSAGE], every_ms(600))
        begun.clear()
        closed = generator.send([MESSAGE], Schedule(np.zeros(100, np.uint32), None, 0, 60 * 10**9), in_flight=1)

    assert (found.latency_ns > 100 * MS).sum() > 300
    assert np.quantile(found.latency_ns, 0.5) > 100 * MS
    assert (closed.latency_ns > 400 * MS).sum() == 1
    assert found.is_answered.all()


def test_messages_and_token_arrive_as_they_are():
    """Ten requests with a token, in the order of the schedule's messages."""
    other = wire.search("others", np.eye(1, 4, dtype=np.float32), k=1).request
    with scripted() as server:
        generator = GrpcGenerator(Server(server.address, token="a token"), SEARCH)
        generator.send([MESSAGE, other], Schedule(np.arange(10, dtype=np.uint32) % 2, None, 0, 10**10), in_flight=1)

    assert [request.gallery for request in server.requests] == ["people", "others"] * 5
    assert server.tokens == ["Bearer a token"] * 10


def test_a_refused_request_has_its_status():
    """Every third is refused: 8 is RESOURCE_EXHAUSTED."""

    def refuses(call: int) -> tuple[float, StatusCode]:
        return 0.0, StatusCode.OK if call % 3 else StatusCode.RESOURCE_EXHAUSTED

    with scripted(refuses) as server:
        generator = GrpcGenerator(Server(server.address), SEARCH)
        found = generator.send([MESSAGE], Schedule(np.zeros(9, np.uint32), None, 0, 10**10), in_flight=1)

    assert found.status.tolist() == [8, 0, 0] * 3


def test_no_server_is_said_in_one_sentence():
    """With the address, and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(EngineUnavailable, match=f"cannot connect to {address}.*frbench serve"):
            GrpcGenerator(Server(address), SEARCH).send([MESSAGE], every_ms(1))


def test_secrets_are_not_shown():
    """A server's text is for logs."""
    assert "hush" not in repr(Server("a:1", ca=b"hush", identity=(b"hush", b"hush"), token="hush"))


@pytest.mark.parametrize("changed", [{"connections": 0}, {"in_flight": 0}, {"timeout_s": 0.0}])
def test_servers_without_sense_are_refused(changed: dict):
    """Before anything is sent."""
    with pytest.raises(InputError, match="expected"):
        Server("a:1", **changed)


def test_nanoseconds_are_a_second():
    """The end of a schedule is told to the core in seconds."""
    assert every_ms(1000).end_ns / NS == 1.0
