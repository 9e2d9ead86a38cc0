"""Calls one server by methods of a `Client`, and says what went wrong in one sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import grpc
import numpy as np
from numpy.typing import NDArray

from frbench.errors import (
    AlreadyOnServer,
    EngineUnavailable,
    FrbenchError,
    InputError,
    NotOnServer,
    Refused,
    ServerBusy,
)
from frbench.plan import Groups, Rectangle
from frbench.service import wire
from frbench.service.credentials import ANYBODY, TLS, Credentials, address_of, content

DEFAULT_TIMEOUT_S = 600.0
# For calls that a server answers from what it has at hand.
QUICK_S = 10.0
GALLERIES, SEARCHES, SWEEPS, SERVERS = (
    f"frbench.v1.{name}Service" for name in ("Gallery", "Search", "Sweep", "Server")
)
# Calls that may be sent again without asking: they change nothing, or the same thing again. Sweeps are not among them:
# when a server is killed, grpcio 1.85 loses some streams that it would send again, and not even a deadline ends them.
REPEATABLE = [
    *({"service": service} for service in (SEARCHES, SERVERS)),
    *({"service": GALLERIES, "method": method} for method in ("GetGallery", "ListGalleries", "RemoveTemplates")),
]
BACKOFF = {"initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2}
AGAIN = {"maxAttempts": 4, **BACKOFF, "retryableStatusCodes": ["UNAVAILABLE"]}
RETRIES = {"methodConfig": [{"name": REPEATABLE, "retryPolicy": AGAIN}]}
CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    # A server that vanished without a word is missed while it counts.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.service_config", json.dumps(RETRIES)),
]
DETAILS = "grpc-status-details-bin"
REFUSED: dict[grpc.StatusCode, type[FrbenchError]] = {
    **dict.fromkeys((
        grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE, grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED,
    ), Refused),
    grpc.StatusCode.NOT_FOUND: NotOnServer,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyOnServer,
}  # fmt: skip
Answer = TypeVar("Answer")


class Client:
    """The calls of one server.

    Parameters
    ----------
    target : grpc://HOST:PORT for a server on this machine, grpcs://HOST:PORT with TLS for any.
    timeout_s : seconds that a call may take.

    Raises
    ------
    InputError : the target is no such address, or a file of the credentials cannot be read.
    """

    def __init__(
        self, target: str, *, credentials: Credentials = ANYBODY, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> None:
        self.target = target
        self._timeout_s = timeout_s
        token = credentials.token
        self._metadata = () if token is None else (("authorization", f"Bearer {token}"),)
        self._channel = _channel(target, credentials)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection; calls that are under way are cancelled."""
        self._channel.close()

    def info(self) -> wire.Server:
        """What the server is, what it allows, and who it takes the caller for."""
        return self._ask(wire.info(), most_s=QUICK_S)

    def create_gallery(self, name: str, dimension: int, *, is_ephemeral: bool = False, idle_s: int = 0) -> wire.Gallery:
        """A new, empty gallery.

        is_ephemeral : in memory only, and dropped when it was not used for `idle_s` seconds; 0 is ten minutes.

        Raises
        ------
        AlreadyOnServer : there is one of this name.
        """
        return self._ask(wire.create_gallery(name, dimension, is_ephemeral=is_ephemeral, idle_s=idle_s))

    def enrol(
        self, gallery: str, matrix: NDArray[Any], template_ids: Sequence[str], *, is_unit: bool = False
    ) -> wire.Enrolled:
        """Numbers of rows of `matrix` (n, d) enrolled and already present; about a mebibyte is sent at a time.

        is_unit : the rows were normalised by frbench and are taken as they are.
        """
        requests = wire.enrol_requests(gallery, matrix, template_ids, is_unit=is_unit)
        call: grpc.StreamUnaryMultiCallable[bytes, bytes] = self._channel.stream_unary(f"/{GALLERIES}/Enrol")
        return wire.enrol_response(self._answer(lambda: call(requests, **self._said())))

    def remove(self, gallery: str, template_ids: Sequence[str]) -> wire.Removed:
        """Numbers of templates removed and absent."""
        return self._ask(wire.remove_templates(gallery, template_ids))

    def gallery(self, name: str) -> wire.Gallery:
        """What the server says of one gallery.

        Raises
        ------
        NotOnServer : there is none of this name.
        """
        return self._ask(wire.get_gallery(name))

    def galleries(self) -> list[wire.Gallery]:
        """All galleries, by name."""
        return self._ask(wire.list_galleries())

    def drop_gallery(self, name: str) -> wire.Gallery:
        """The gallery as it was before it was removed with everything in it."""
        return self._ask(wire.drop_gallery(name), most_s=QUICK_S)

    def search(self, gallery: str, probes: NDArray[Any], k: int, **asked: Unpack[wire.Asked]) -> wire.Found:
        """The best `k` templates for each row of `probes` (n, d), and what else is asked; see `wire.Asked`."""
        return self._ask(wire.search(gallery, probes, k, **asked))

    def compare(
        self, a: wire.Side, b: wire.Side, *, gallery: str = "", case_reference: str = "", is_unit: bool = False
    ) -> NDArray[np.float32]:
        """(n,) scores of the first of `a` and of `b`, of the second, and so on.

        a, b : templates (n, d), ids of `gallery`, or its numbers of enrolment (n,).
        """
        return self._ask(wire.compare(a, b, gallery=gallery, case_reference=case_reference, is_unit=is_unit))

    def count_tile(
        self, plan: str, *, probes: str, gallery: str, edges: NDArray[np.float64], where: Rectangle
    ) -> wire.Counted:
        """Counts of one tile of two galleries by cell and bin. See `engines.Rows.count`."""
        request = wire.count_request(plan, probes=probes, gallery=gallery, edges=edges, where=where)
        parts, shapes = self._stream(SWEEPS, "CountTiles", request), [(where.n_cells, len(edges) + 1)]
        (counted,) = wire.count_responses(parts, plan=plan, shapes=shapes)
        return counted

    def find_tail(
        self,
        plan: str,
        *,
        probes: str,
        gallery: str,
        n: int,
        floors: NDArray[np.float64],
        where: Rectangle,
        subjects: tuple[Groups, Groups],
    ) -> wire.Kept:
        """The best pairs of each cell of one tile. See `engines.Rows.tail`."""
        request = wire.tail_request(
            plan, probes=probes, gallery=gallery, n=n, floors=floors, where=where, subjects=subjects
        )
        (kept,) = wire.tail_responses(self._stream(SWEEPS, "FindTail", request), plan=plan, n_tiles=1)
        return kept

    def _said(self, most_s: float = math.inf) -> dict[str, Any]:
        """Time limit and metadata of a call."""
        return {"timeout": min(self._timeout_s, most_s), "metadata": self._metadata}

    def _ask(self, asked: wire.Call[Answer], *, most_s: float = math.inf) -> Answer:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(asked.path)
        return asked.read(self._answer(lambda: call(asked.request, **self._said(most_s))))

    def _stream(self, service: str, method: str, request: bytes) -> Iterator[bytes]:
        call: grpc.UnaryStreamMultiCallable[bytes, bytes] = self._channel.unary_stream(f"/{service}/{method}")
        answers = self._answer(lambda: call(request, **self._said()))
        try:
            while (part := self._answer(lambda: next(answers, None))) is not None:
                yield part
        finally:
            answers.cancel()

    def _answer(self, call: Callable[[], Answer]) -> Answer:
        try:
            return call()
        except grpc.RpcError as error:
            raise _mistake(self.target, error) from error
        except ValueError as error:
            # grpcio says this of a channel that was closed meanwhile.
            raise EngineUnavailable(f"{self.target}: the connection was closed") from error


def _channel(target: str, credentials: Credentials) -> grpc.Channel:
    where = address_of(target)
    if where.is_encrypted:
        given = (credentials.ca, "authority"), (credentials.key, "key"), (credentials.certificate, "certificate")
        found = (None if path is None else content(path, what) for path, what in given)
        return grpc.secure_channel(where.host_and_port, grpc.ssl_channel_credentials(*found), CHANNEL_OPTIONS)
    if credentials.has_files:
        raise InputError(f"{target} is spoken to in plain text, where certificates mean nothing; use {TLS}://")
    return grpc.insecure_channel(where.host_and_port, CHANNEL_OPTIONS)


def _mistake(target: str, error: grpc.RpcError) -> FrbenchError:
    """The exception that an error of a call stands for."""
    code, said, details = error.code(), " ".join((error.details() or "").split()), _details(error)
    retry_s = wire.retry_after_s(details) if details else None
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and retry_s is not None:
        return ServerBusy(f"{target}: {said}", retry_s)
    if code is grpc.StatusCode.UNIMPLEMENTED and not details:
        return Refused(f"{target} does not know this call; it is no `frbench serve`, or one of another version")
    if code in REFUSED:
        return REFUSED[code](f"{target}: {said}")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return EngineUnavailable(f"{target} did not answer in time ({said})")
    if code is grpc.StatusCode.UNAVAILABLE and not details:
        return EngineUnavailable(f"{target} cannot be reached ({said.rpartition('last error: ')[2]})")
    return EngineUnavailable(f"{target}: {said or code.name}")


def _details(error: grpc.RpcError) -> bytes | None:
    return next((bytes(each.value) for each in error.trailing_metadata() or () if each.key == DETAILS), None)
