"""Scripted server: a real gRPC server that answers searches after delays that a test says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc

from frbench.service.wire import SEARCH
from frbench.v1 import search_pb2

Script = Callable[[int], tuple[float, grpc.StatusCode]]


@dataclass
class Scripted(grpc.GenericRpcHandler):
    """Answers call number i after the seconds and with the status that `script(i)` says.

    requests : messages that arrived, in order. tokens : what the calls showed.
    """

    script: Script
    address: str = ""
    requests: list[search_pb2.SearchRequest] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """The one method there is."""
        return grpc.unary_unary_rpc_method_handler(self.answer) if details.method == SEARCH else None

    def answer(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        """One answer."""
        with self.lock:
            number = len(self.requests)
            self.requests.append(search_pb2.SearchRequest.FromString(message))
            self.tokens += [str(value) for key, value in context.invocation_metadata() if key == "authorization"]
        seconds, status = self.script(number)
        time.sleep(seconds)
        if status is not grpc.StatusCode.OK:
            context.abort(status, "scripted")
        return search_pb2.SearchResponse().SerializeToString()


@contextmanager
def scripted(script: Script = lambda _: (0.0, grpc.StatusCode.OK), *, threads: int = 32) -> Iterator[Scripted]:
    """A server on a free port of this machine, which answers `threads` calls at a time."""
    handler = Scripted(script)
    server = grpc.server(futures.ThreadPoolExecutor(threads), handlers=[handler])
    handler.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield handler
    finally:
        server.stop(grace=None).wait(10)
