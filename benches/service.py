"""The service, measured from outside: rates beside a plain servicer and beside the core, a curve of load, and overload.

`make bench-service` takes eight minutes, and `python -m benches.service --quick` two. Server and client share the
processors of one machine; every answer is checked before a time is taken.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benches import machine, naive_server
from benches.workload import unit_rows
from frbench.counting.gallery import Gallery
from frbench.counting.load.generator import Answers, GrpcGenerator, Server
from frbench.counting.load.measure import loads_of_sweep, name_of_status
from frbench.counting.load.schedule import NS, Schedule, poisson
from frbench.service import wire
from frbench.service.client import Client

K = 10
DIMENSION = 512
SEED = 1
# One-probe searches are so quick here that calls are what costs.
SMALL = 10_000
LARGE = 200_000
PROBES = 4096
BULK = 256
IN_FLIGHT = (1, 8, 64, 256)
CONNECTIONS = 4
RESOURCE_EXHAUSTED = 8


@dataclass(frozen=True)
class Lengths:
    """Seconds of each part, and rounds that are repeated."""

    rate_s: float = 3.0
    rounds: int = 5
    curve_s: float = 12.0
    overload_s: float = 60.0


QUICK = Lengths(0.5, 2, 2.0, 5.0)


@dataclass(frozen=True)
class Side:
    """A server, the messages that ask it, and where its metrics are."""

    name: str
    generator: GrpcGenerator
    messages: Sequence[bytes]
    metrics: str = ""

    def scans(self) -> tuple[float, int]:
        """Milliseconds of the scans that searches shared so far, added up over searches, and searches."""
        with urllib.request.urlopen(f"http://{self.metrics}/metrics", timeout=10) as page:
            found = dict(line.rsplit(" ", 1) for line in page.read().decode().splitlines() if not line.startswith("#"))
        return float(found["frbench_scan_seconds_sum"]) * 1e3, int(found["frbench_scan_seconds_count"])

    def closed(self, in_flight: int, seconds: float) -> float:
        """Answers a second with so many requests unanswered at any time.

        Raises
        ------
        AssertionError : a request was not answered.
        """
        order = (np.arange(round(seconds * 60_000)) % len(self.messages)).astype(np.uint32)
        answers = self.generator.send(self.messages, Schedule(order, None, 0, round(seconds * NS)), in_flight=in_flight)
        assert answers.is_answered.all(), f"{self.name}: {statuses(answers)}"
        return float((answers.done_ns < seconds * NS).sum() / seconds)

    def open(self, rate: float, seconds: float, *, warm_up_s: float = 1.0) -> Answers:
        """What became of requests at moments of a Poisson process; those of the warm-up are left out."""
        moments = poisson(rate, seconds + warm_up_s, np.random.default_rng(SEED))
        order = (np.arange(len(moments)) % len(self.messages)).astype(np.uint32)
        schedule = Schedule(order, moments, 0, round((seconds + warm_up_s) * NS))
        answers = self.generator.send(self.messages, schedule)
        kept = answers.begin_ns >= warm_up_s * NS
        return Answers(answers.begin_ns[kept], answers.sent_ns[kept], answers.done_ns[kept], answers.status[kept])


@contextmanager
def process(*command: str, ready: Callable[[str], Any]) -> Iterator[tuple[Any, int]]:
    """What a server says when it is ready, and its process id; it ends with the block."""
    with subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield ready(server.stdout.readline()), server.pid
        finally:
            server.terminate()


@contextmanager
def ours(rows: NDArray[np.float32], *, per_call: int = 1) -> Iterator[tuple[Side, Client, int]]:
    """A frbench server with these rows in a gallery."""
    command = ("frbench", "serve", "--json", "--log", "warn", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0")
    with process(*command, ready=json.loads) as (said, pid):
        address = said["address"]
        client = Client(f"grpc://{address}")
        client.create_gallery("bench", DIMENSION)
        client.enrol("bench", rows, [str(i) for i in range(len(rows))])
        probes = unit_rows(PROBES, DIMENSION, seed=SEED + 1).reshape(-1, per_call, DIMENSION)
        messages = [wire.search("bench", probe, K, rows_only=True).request for probe in probes]
        check(client, rows, probes[0])
        server = Server(address, connections=CONNECTIONS)
        yield Side("frbench", GrpcGenerator(server, wire.SEARCH), messages, said["metrics"]), client, pid


@contextmanager
def naive(rows: int) -> Iterator[Side]:
    """The plain servicer, over the same rows."""
    command = ("benches.naive_server", str(rows), str(DIMENSION), str(SEED))
    with process(*command, ready=int) as (port, _):
        probes = unit_rows(PROBES, DIMENSION, seed=SEED + 1)
        request = naive_server.messages().SearchRequest
        messages = [request(probe=probe, k=K).SerializeToString() for probe in probes]
        server = Server(f"127.0.0.1:{port}", connections=CONNECTIONS)
        yield Side("grpc.aio, repeated float", GrpcGenerator(server, naive_server.METHOD), messages)


def check(client: Client, rows: NDArray[np.float32], probes: NDArray[np.float32]) -> None:
    """Compares what the service finds with the core, bit for bit.

    Raises
    ------
    AssertionError : they differ; no time is taken then.
    """
    found = client.search("bench", probes, K, rows_only=True).candidates
    scores, at = Gallery(rows).search(probes, k=K)
    assert [candidates.rows.tolist() for candidates in found] == at.tolist()
    assert np.array_equal(np.stack([candidates.scores for candidates in found]), scores)


def one_probe_rates(lengths: Lengths) -> dict[str, Any]:
    """One-probe searches a second of both servers, in turn, at every number in flight."""
    rows = unit_rows(SMALL, DIMENSION, seed=SEED)
    found: dict[tuple[str, int], list[float]] = {}
    with ours(rows) as (mine, _, _), naive(SMALL) as theirs:
        for side in (mine, theirs):
            side.closed(8, lengths.rate_s)
        for _ in range(lengths.rounds):
            for in_flight in IN_FLIGHT:
                for side in (mine, theirs):
                    found.setdefault((side.name, in_flight), []).append(side.closed(in_flight, lengths.rate_s))
    best = {side.name: max(IN_FLIGHT, key=lambda n, s=side: np.median(found[s.name, n])) for side in (mine, theirs)}
    ratios = np.divide(found[mine.name, best[mine.name]], found[theirs.name, best[theirs.name]])
    return {
        "gallery": SMALL,
        "rates": [
            {"server": name, "in_flight": n, "per_s": float(np.median(rates)), "rounds": rates}
            for (name, n), rates in found.items()
        ],
        "best_ratio": float(np.median(ratios)),
        "best_ratio_range": [float(ratios.min()), float(ratios.max())],
    }


def bulk_rates(lengths: Lengths) -> dict[str, Any]:
    """Probes a second of calls of many probes, beside the same searches inside of one process, in turn."""
    rows = unit_rows(LARGE, DIMENSION, seed=SEED)
    probes = unit_rows(BULK, DIMENSION, seed=SEED + 1)
    gallery = Gallery(rows)
    service, inside = list[float](), list[float]()
    with ours(rows, per_call=BULK) as (side, _, _):
        for _ in range(lengths.rounds):
            service.append(BULK * side.closed(2, lengths.rate_s))
            begin, n = time.perf_counter(), 0
            while time.perf_counter() - begin < lengths.rate_s:
                gallery.search(probes, k=K)
                n += BULK
            inside.append(n / (time.perf_counter() - begin))
    ratios = np.divide(service, inside)
    return {
        "gallery": LARGE,
        "probes_a_call": BULK,
        "service_per_s": float(np.median(service)),
        "inside_per_s": float(np.median(inside)),
        "ratio": float(np.median(ratios)),
        "ratio_range": [float(ratios.min()), float(ratios.max())],
    }


def load_curve(lengths: Lengths) -> dict[str, Any]:
    """Latency at shares of what the server bears, what one scan takes, and what happens at twice as much."""
    rows = unit_rows(LARGE, DIMENSION, seed=SEED)
    with ours(rows) as (side, client, pid):
        probe = unit_rows(1, DIMENSION, seed=SEED + 2)
        scans = [client.search("bench", probe, K, rows_only=True).timing.scan_ns for _ in range(100)]
        capacity = side.closed(IN_FLIGHT[-1], lengths.curve_s / 2)
        points = []
        for load in loads_of_sweep(capacity):
            assert load.rate is not None
            before = side.scans()
            answers = side.open(load.rate, lengths.curve_s)
            total, n = np.subtract(side.scans(), before)
            points.append(point(answers, load.rate, capacity) | {"scan_ms": float(total / n)})
        return {
            "gallery": LARGE,
            "one_scan_ms": float(np.median(scans)) / 1e6,
            "capacity_per_s": capacity,
            "curve": points,
            "overload": overload(side, capacity, pid, lengths),
        }


def point(answers: Answers, rate: float, capacity: float) -> dict[str, Any]:
    """Latencies of those answered at one load, in milliseconds, and how many were not."""
    took = answers.latency_ns[answers.is_answered] / 1e6
    p50, p99, p999 = np.quantile(took, [0.5, 0.99, 0.999], method="higher").tolist()
    lag = np.quantile(answers.sent_ns - answers.begin_ns, 0.99) / 1e6
    return {
        "share": rate / capacity,
        "rate": rate,
        "requests": len(answers.status),
        "answered": int(answers.is_answered.sum()),
        "statuses": statuses(answers),
        "p50_ms": p50,
        "p99_ms": p99,
        "p999_ms": p999 if len(took) >= 4603 else None,
        "generator_lag_p99_ms": float(lag),
    }


def overload(side: Side, capacity: float, pid: int, lengths: Lengths) -> dict[str, Any]:
    """Twice the capacity for a minute, between a minute's part at capacity and one at 70%."""
    at_capacity = point(side.open(capacity, lengths.curve_s), capacity, capacity)
    before = point(side.open(0.7 * capacity, lengths.curve_s), 0.7 * capacity, capacity)
    memory = list[int]()
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(pid, memory, over))
    watch.start()
    answers = side.open(2 * capacity, lengths.overload_s)
    after = side.open(0.7 * capacity, lengths.curve_s, warm_up_s=0.0)
    over.set()
    watch.join()
    refused = answers.status == RESOURCE_EXHAUSTED
    refusal_ms = answers.latency_ns[refused] / 1e6
    return {
        "at_capacity": at_capacity,
        "before": before,
        "twice": point(answers, 2 * capacity, capacity),
        "refused_within_ms": np.quantile(refusal_ms, [0.5, 0.99, 0.999]).tolist() if refused.any() else None,
        "refused_later_than_50_ms": int((refusal_ms > 50).sum()),
        "refused": int(refused.sum()),
        "after": point(after, 0.7 * capacity, capacity),
        "memory_mib": [round(value / 2**20, 1) for value in memory],
    }


def statuses(answers: Answers) -> dict[str, int]:
    """Number of requests of each status that is no answer."""
    codes, n = np.unique(answers.status[~answers.is_answered], return_counts=True)
    return {name_of_status(int(code)): int(count) for code, count in zip(codes, n, strict=True)}


def _watch(pid: int, memory: list[int], over: threading.Event) -> None:
    while not over.wait(1.0):
        memory.append(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))


PARTS = {"one_probe": one_probe_rates, "bulk": bulk_rates, "load": load_curve}


def main() -> None:
    """Measures everything and writes it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("out/service.json"))
    parser.add_argument("--quick", action="store_true", help="two minutes, to see that it runs")
    parser.add_argument("--only", choices=list(PARTS), help="measure this part, and keep the others of an earlier run")
    asked = parser.parse_args()
    lengths = QUICK if asked.quick else Lengths()
    found: dict[str, Any] = json.loads(asked.out.read_text()) if asked.only and asked.out.exists() else {}
    for name in [asked.only] if asked.only else PARTS:
        found[name] = PARTS[name](lengths) | {"machine": machine.describe()}
        print(json.dumps({name: found[name]}, indent=1), flush=True)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
