"""Asks a server with public clients that know nothing of its protos: grpcurl and ghz, by reflection alone.

python -m tests.endurance.public_clients            (needs Go, which fetches both)
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from frbench.service.client import Client
from tests.worlds.servers import Running, running

MODULES = {
    "grpcurl": "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3",
    "ghz": "github.com/bojand/ghz/cmd/ghz@v0.120.0",
}
DIMENSION, N_TEMPLATES, K = 128, 20_000, 10
SEARCH = "frbench.v1.SearchService/Search"
SERVICES = {f"frbench.v1.{name}Service" for name in ("Gallery", "Search", "Sweep", "Server")}
INSTALL_S, ASK_S = 900, 120


def installed(folder: Path) -> dict[str, Path]:
    """Both clients, in this folder."""
    for module in MODULES.values():
        subprocess.run(
            ["go", "install", module], env=os.environ | {"GOBIN": str(folder)}, check=True, timeout=INSTALL_S
        )
    return {name: folder / name for name in MODULES}


def ask(*command: str) -> str:
    """What a client prints.

    Raises
    ------
    SystemExit : it does not end with 0; the message is its own.
    """
    ended = subprocess.run(command, capture_output=True, text=True, timeout=ASK_S, check=False)
    if ended.returncode:
        raise SystemExit(f"{' '.join(command[:4])} ...: {ended.stderr.strip()}")
    return ended.stdout


def request(probe: np.ndarray[Any, Any]) -> str:
    """A search as JSON, in which bytes are base64."""
    data = base64.b64encode(probe.astype("<f4").tobytes()).decode()
    probes = {"dimension": DIMENSION, "component_type": "COMPONENT_TYPE_FLOAT32", "data": data}
    return json.dumps({"gallery": "people", "probes": probes, "k": K})


def curl(grpcurl: Path, server: Running, probe: np.ndarray[Any, Any]) -> dict[str, Any]:
    """The answer to one search, after a look at what there is to call.

    Raises
    ------
    SystemExit : a service or a field is not described.
    """
    where = server.ready["address"]
    listed = set(ask(str(grpcurl), "-plaintext", where, "list").split())
    described = ask(str(grpcurl), "-plaintext", where, "describe", "frbench.v1.SearchRequest")
    if not listed >= SERVICES or "bytes floors = 5" not in described:
        raise SystemExit(f"grpcurl lists {sorted(listed)} and describes a search as {described}")
    print(f"grpcurl lists {', '.join(sorted(listed))}")
    answer: dict[str, Any] = json.loads(ask(str(grpcurl), "-plaintext", "-d", request(probe), where, SEARCH))
    return answer


def load(ghz: Path, server: Running, probe: np.ndarray[Any, Any], *, calls: int) -> dict[str, Any]:
    """What ghz says of so many searches, eight at a time.

    Raises
    ------
    SystemExit : a call was not answered with OK.
    """
    options = ["--insecure", "--call", SEARCH, "--data", request(probe), "--concurrency", "8", "--total", str(calls)]
    said: dict[str, Any] = json.loads(ask(str(ghz), *options, "--format", "json", server.ready["address"]))
    if said["statusCodeDistribution"] != {"OK": calls}:
        raise SystemExit(f"ghz had {said['statusCodeDistribution']}")
    return said


def main() -> None:
    """Installs the clients, asks, and compares with our own client."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, default=1000)
    asked = parser.parse_args()
    source = np.random.default_rng(1)
    rows, probe = (source.standard_normal((n, DIMENSION)).astype(np.float32) for n in (N_TEMPLATES, 1))
    with tempfile.TemporaryDirectory() as folder:
        clients = installed(Path(folder))
        with running("--threads", "0") as server, Client(server.target) as client:
            client.create_gallery("people", DIMENSION)
            client.enrol("people", rows, [f"t{i}" for i in range(N_TEMPLATES)])
            [found] = curl(clients["grpcurl"], server, probe)["candidates"]
            [expected] = client.search("people", probe, K).candidates
            # JSON holds the shortest decimals that name a float32.
            if np.float32(found["scores"]).tolist() != expected.scores.tolist():
                raise SystemExit("grpcurl finds other scores than our client")
            if tuple(found["templateIds"]) != expected.template_ids:
                raise SystemExit("grpcurl finds other templates than our client")
            print(f"grpcurl finds {', '.join(found['templateIds'][:3])}, ... as our client does")
            said = load(clients["ghz"], server, probe, calls=asked.calls)
    times = {each["percentage"]: each["latency"] / 1e6 for each in said["latencyDistribution"]}
    print(
        f"ghz: {said['count']:,} searches of {N_TEMPLATES:,} templates, 8 at a time: {said['rps']:,.0f} a second; "
        f"ms: median {times[50]:.2f}, p95 {times[95]:.2f}, p99 {times[99]:.2f}, slowest {said['slowest'] / 1e6:.2f}"
    )


if __name__ == "__main__":
    main()
