"""Sends a schedule of requests to a server, and says when each was answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from frbench import _rust
from frbench.counting.load.schedule import NS, Schedule
from frbench.errors import EngineUnavailable, InputError
from frbench.inputs.arrays import Bools, Ints, Ints32

OK = 0
NOT_SENT = -1


@dataclass(frozen=True)
class Server:
    """A server and how it is called.

    Parameters
    ----------
    address : host:port.
    ca : PEM of the authority of its certificate, None for no TLS.
    identity : PEM of certificate and key of the caller.
    token : shown with every request.
    in_flight : unanswered requests at most in an open loop.
    """

    address: str
    ca: bytes | None = field(default=None, repr=False)
    identity: tuple[bytes, bytes] | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    connections: int = 1
    timeout_s: float = 10.0
    in_flight: int = 10_000

    def __post_init__(self) -> None:
        for name, value in (("--connections", self.connections), ("--in-flight", self.in_flight)):
            if value < 1:
                raise InputError(f"{name} is {value}, expected at least 1")
        if not self.timeout_s > 0:
            raise InputError(f"--timeout is {self.timeout_s:g} s, expected more than 0")


@dataclass(frozen=True, eq=False)
class Answers:
    """What became of each request, in the order of the schedule; offsets are from the start.

    begin_ns : from when its time counts: its moment in an open loop, when it was sent in a closed one.
    status : code of gRPC; -1 for one that was not sent, for want of room or time.
    """

    begin_ns: Ints
    sent_ns: Ints
    done_ns: Ints
    status: Ints32

    @property
    def is_answered(self) -> Bools:
        """(n,) whether each has an answer."""
        return np.asarray(self.status == OK)

    @property
    def latency_ns(self) -> Ints:
        """(n,) nanoseconds from `begin_ns` to the answer; without meaning where there is none."""
        return self.done_ns - self.begin_ns


class Generator(Protocol):
    """Sends requests."""

    def send(self, messages: Sequence[bytes], schedule: Schedule, *, in_flight: int | None = None) -> Answers:
        """Answers of the requests of `schedule`; in a closed loop `in_flight` at a time, those sent only."""


@dataclass(frozen=True)
class GrpcGenerator:
    """Sends messages to one method of a server.

    path : such as /frbench.v1.SearchService/Search.
    """

    server: Server
    path: str

    def send(self, messages: Sequence[bytes], schedule: Schedule, *, in_flight: int | None = None) -> Answers:
        """See `Generator.send`.

        Raises
        ------
        EngineUnavailable : there is no server.
        """
        server = self.server
        try:
            sent, done, status = _rust.send_load(
                server.address,
                self.path,
                list(messages),
                schedule.order,
                scheduled_ns=schedule.scheduled_ns,
                until_s=schedule.end_ns / NS,
                in_flight=server.in_flight if in_flight is None else in_flight,
                timeout_s=server.timeout_s,
                connections=server.connections,
                metadata=[] if server.token is None else [("authorization", f"Bearer {server.token}")],
                ca=server.ca,
                identity=server.identity,
            )
        except ConnectionError as error:
            raise EngineUnavailable(
                f"{error}; start `frbench serve` there, or give the address that it says"
            ) from error
        except ValueError as error:
            raise InputError(str(error)) from error
        times = sent.astype(np.int64), done.astype(np.int64)
        if schedule.scheduled_ns is not None:
            return Answers(schedule.scheduled_ns.astype(np.int64), *times, status)
        kept = status != NOT_SENT
        return Answers(times[0][kept], times[0][kept], times[1][kept], status[kept])
