"""Sends messages that no client would send to every method of a server, and asks each time whether it still answers.

python -m tests.endurance.garbage --messages 100000
"""

from __future__ import annotations

import argparse
import collections
from collections.abc import Mapping
from pathlib import Path

import grpc
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.service.test_service import (
    IDS,
    ROWS,
    RPCS,
    WAIT_S,
    Caller,
    Rpc,
    count_request,
    enrol,
    fill,
    search,
    tail_request,
)
from tests.worlds.servers import Running, running

Code = grpc.StatusCode
# What the contract says for requests that are wrong, or happen to be right.
CONTRACT = {
    Code.OK,
    Code.INVALID_ARGUMENT,
    Code.NOT_FOUND,
    Code.ALREADY_EXISTS,
    Code.RESOURCE_EXHAUSTED,
}
# Memory that a server may take beside what it had after the first tenth of the messages.
SLACK_BYTES = 64 << 20
SEEDS: Mapping[str, bytes] = {
    message.path: request.SerializeToString()
    for message, request in zip(
        RPCS,
        [
            RPCS[0].request(name="g", dimension=8),
            enrol(),
            RPCS[2].request(gallery="people", template_ids=["t39"]),
            RPCS[3].request(name="people"),
            RPCS[4].request(),
            RPCS[5].request(name="g"),
            search(),
            RPCS[7].request(gallery="people"),
            count_request(),
            tail_request(),
            RPCS[10].request(),
        ],
        strict=True,
    )
}


@st.composite
def broken(draw: st.DrawFn) -> tuple[Rpc, bytes]:
    """A method, and bytes for it: random ones, or a good message with bytes of it changed, left out or repeated."""
    method = draw(st.sampled_from(RPCS))
    if draw(st.booleans()):
        return method, draw(st.binary(max_size=200))
    message = bytearray(SEEDS[draw(st.sampled_from([method.path, *SEEDS]))])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(message) - 1, 0)))
        kind = draw(st.integers(0, 3))
        if kind == 0 and message:
            message[at] = draw(st.integers(0, 255))
        elif kind == 1:
            del message[at:]
        elif kind == 2:
            message[at:at] = draw(st.binary(max_size=12))
        else:
            message += message[at:]
    return method, bytes(message)


def status_of(call: Caller, method: Rpc, message: bytes) -> Code:
    """What the server says to these bytes."""
    kind = f"{'stream' if method.sends_many else 'unary'}_{'stream' if method.gets_many else 'unary'}"
    try:
        answer = getattr(call.channel, kind)(method.path)(
            iter([message]) if method.sends_many else message, timeout=WAIT_S
        )
        for part in answer if method.gets_many else [answer]:
            method.response.FromString(part)
    except grpc.RpcError as error:
        return error.code()
    return Code.OK


def is_message(method: Rpc, message: bytes) -> bool:
    """Whether protobuf reads these bytes as a request of the method."""
    try:
        method.request.FromString(message)
    except DecodeError:
        return False
    return True


def check(call: Caller, method: Rpc, message: bytes) -> Code:
    """Sends one, and asks a good one after it.

    Raises
    ------
    AssertionError : a status that the contract does not say, or no answer to the good one.
    """
    status = status_of(call, method, message)
    said = f"{method.path} {message.hex()}: {status}"
    assert status in CONTRACT, said
    # An enrolment is refused by the first thing that is wrong, which may come before its messages are read.
    assert status == Code.INVALID_ARGUMENT or is_message(method, message), said
    return status


def prepare(call: Caller) -> None:
    """A gallery to be wrong about."""
    fill(call, "people", ROWS, IDS)


def bombard(server: Running, messages: int) -> tuple[collections.Counter[str], int, int]:
    """Sends so many; how often each status came, and the server's memory after a tenth and at the end, in bytes."""
    call, statuses, memory = Caller(server), collections.Counter[str](), []
    prepare(call)

    def send(sent: tuple[Rpc, bytes]) -> None:
        statuses[check(call, *sent).name] += 1
        if sum(statuses.values()) in (messages // 10, messages):
            memory.append(resident(server.process.pid))

    run = settings(max_examples=messages, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    run(given(broken())(send))()
    assert status_of(call, RPCS[3], SEEDS[RPCS[3].path]) in (Code.OK, Code.NOT_FOUND)
    return statuses, memory[0], resident(server.process.pid)


def resident(pid: int) -> int:
    """Bytes of memory that a process has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


def main() -> None:
    """Bombards a server."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--messages", type=int, default=100_000)
    asked = parser.parse_args()
    with running() as server:
        statuses, before, after = bombard(server, asked.messages)
    assert after - before < SLACK_BYTES, f"memory grew from {before} to {after} bytes"
    memory = f"{before / 2**20:.0f} MiB after a tenth, {after / 2**20:.0f} at the end"
    print(f"{sum(statuses.values())} messages: {dict(statuses.most_common())}; {memory}")


if __name__ == "__main__":
    main()
