"""An object store on this machine that speaks as much of S3 as reading takes: HEAD, and GET of a range."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote


class Handler(BaseHTTPRequestHandler):
    """Serves `/bucket/key` from a folder of buckets."""

    folder: Path
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        """Size of an object."""
        self._send(b"", is_head=True)

    def do_GET(self) -> None:
        """An object, or the range of it that is asked for."""
        self._send(b"", is_head=False)

    def _send(self, body: bytes, *, is_head: bool) -> None:
        path = self.folder / unquote(self.path.partition("?")[0].lstrip("/"))
        if not path.is_file():
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        found = path.read_bytes()
        wanted = self.headers.get("Range")
        first, _, last = (wanted or f"bytes=0-{len(found) - 1}").removeprefix("bytes=").partition("-")
        body = found[int(first) : int(last) + 1]
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(found)}")
        self.send_header("ETag", '"0"')
        self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        self.end_headers()
        if not is_head:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: tests look at answers."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Address of a store of the buckets in `folder`."""
    handler = type("Handler", (Handler,), {"folder": folder})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
