"""The peer of the service: a plain grpc.aio servicer with `repeated float`, over the same engine.

`python -m benches.naive_server ROWS DIMENSION SEED` prints its port and serves until it is ended.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

import grpc
import numpy as np

from benches.workload import unit_rows
from frbench.counting.gallery import Gallery

PROTO = "benches/naive.proto"
METHOD = "/naive.Naive/Search"


def messages() -> Any:
    """The message classes of `naive.proto`."""
    return grpc.protos(PROTO)


async def serve(gallery: Gallery) -> None:
    """Serves searches of `gallery` on a free port of this machine, and prints it."""
    naive, services = grpc.protos_and_services(PROTO)

    class Naive(services.NaiveServicer):  # type: ignore[misc, name-defined]
        """What a first version looks like."""

        async def Search(self, request: Any, _: Any) -> Any:  # noqa: N802
            """The best rows of one probe."""
            probe = np.array(request.probe, dtype=np.float32)[None]
            scores, rows = gallery.search(probe, k=request.k)
            found = zip(rows[0].tolist(), scores[0].tolist(), strict=True)
            return naive.SearchResponse(candidates=[naive.Candidate(row=row, score=score) for row, score in found])

    server = grpc.aio.server()
    services.add_NaiveServicer_to_server(Naive(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


def main() -> None:
    """Makes the gallery and serves it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("rows", "dimension", "seed"):
        parser.add_argument(name, type=int)
    asked = parser.parse_args()
    asyncio.run(serve(Gallery(unit_rows(asked.rows, asked.dimension, seed=asked.seed))))


if __name__ == "__main__":
    main()
