"""What a GPU does, in one command: the contract first, then the card's peaks, a sweep, a search, and a histogram.

    python -m benches.gpu            some ten minutes; writes benches/records/gpu-CARD-DATE.json
    python -m benches.gpu --quick    under three minutes
    python -m benches.gpu --rehearse tiny sizes on the processor, to see that it runs; times mean nothing

It needs frbench, PyTorch and Triton, and no network. A part that fails is written down, and the others run; the record
is written after each, so that a machine that is taken away leaves what was measured until then.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benches import gpu_contract, race
from benches.plain_arrays import PlainTorch
from frbench import files
from frbench.engines.cpu import CpuEngine
from frbench.engines.gpu import GpuEngine, GpuRows, devices
from frbench.engines.gpu.arrays import Screen
from frbench.engines.gpu.torch_arrays import TorchArrays
from frbench.plan import Rectangle

RECORDS = Path(__file__).parent / "records"
D, N_GROUPS, FMR, K = 512, 4, 1e-4, 10
SCREENS: tuple[Screen, ...] = ("int8", "bf16")
TARGETS = {"sweep_pairs_per_s": 4e11, "sweep_times_torch": 4.0, "search_times_torch": 3.0}
CHECKED_PROBES, CHECKED_ROWS = 512, 1 << 16
# Scores that the peers write down at a time.
PEER_SCORES = 1 << 30


@dataclass(frozen=True)
class Size:
    """How much is run: rows of the sweep and of the search, of the product that gives the peaks, and rounds."""

    sweep: tuple[int, int]
    search: tuple[int, int]
    histogram: tuple[int, int]
    peak: int
    rounds: int
    most_rows: int


FULL = Size((131_072, 1_048_576), (10_000, 1_000_000), (16_384, 65_536), 8192, 7, 8_000)
QUICK = Size((65_536, 262_144), (4_096, 500_000), (8_192, 32_768), 8192, 3, 3_000)
REHEARSAL = Size((256, 2_048), (64, 9_000), (64, 256), 128, 2, 60)


@dataclass
class Bench:
    """A device, what is run on it, and what came out."""

    torch: Any
    device: str
    size: Size
    record: dict[str, Any] = field(default_factory=dict)

    def engine(self, screen: Screen, **room: Any) -> GpuEngine:
        """The engine on this device alone."""
        kind = TorchArrays if self.is_gpu else PlainTorch
        return GpuEngine(screen=screen, arrays=[kind(self.device, screen)], **room)

    @property
    def is_gpu(self) -> bool:
        """Whether it is more than a rehearsal."""
        return self.device != "cpu"

    def wait(self) -> None:
        """Until the device has done all that it was given."""
        if self.is_gpu:
            self.torch.cuda.synchronize(self.device)

    def seconds(self, call: Callable[[], Any]) -> float:
        """Wall time of one call, until the device lies still."""
        self.wait()
        begin = time.perf_counter()
        call()
        self.wait()
        return time.perf_counter() - begin

    def in_turn(self, calls: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
        """Seconds of each call in each round; all take turns, in an order drawn anew, after one untimed call."""
        names = list(calls)
        for call in calls.values():
            call()
        seconds: dict[str, list[float]] = {name: [] for name in names}
        for order in race.turns(len(names), self.size.rounds, seed=0):
            for i in order:
                seconds[names[i]].append(self.seconds(calls[names[i]]))
        return seconds

    def rows(self, n: int, seed: int) -> Any:
        """(n, D) unit rows on the device, in directions without preference."""
        generator = self.torch.Generator(device=self.device).manual_seed(seed)
        made = self.torch.randn((n, D), generator=generator, device=self.device)
        return self.torch.nn.functional.normalize(made)


def contract(bench: Bench) -> dict[str, Any]:
    """The engine's answers are the CPU's, with room and without, by either screen."""
    checked = []
    for screen in SCREENS:
        for room in ({}, {"capacity": 4096, "most_bytes": 200_000}):
            engine = bench.engine(screen, **room)
            for name, unit in gpu_contract.worlds(
                most_rows=min(400, bench.size.most_rows) if room else bench.size.most_rows
            ):
                gpu_contract.check(engine, unit, f"{screen}, {name}")
                checked.append(f"{screen}, {'crowded' if room else 'roomy'}: {name}")
                print(f"  same: {checked[-1]}", flush=True)
        gpu_contract.check_order(bench.engine(screen).arrays)
        gpu_contract.check_from_device(bench.engine(screen), bench.torch, bench.device)
    return {"is_same": True, "worlds": checked}


def peaks(bench: Bench) -> dict[str, Any]:
    """Operations a second of PyTorch's own product of large matrices: two for a multiply-add."""
    torch, n = bench.torch, bench.size.peak
    a, b = (torch.randn((n, n), device=bench.device).to(torch.bfloat16) for _ in range(2))
    x, y = (torch.randint(-127, 128, (n, n), device=bench.device, dtype=torch.int8) for _ in range(2))
    found: dict[str, Any] = {"n": n}
    for name, call in {"bf16": lambda: a @ b.T, "int8": lambda: torch._int_mm(x, y.T)}.items():
        try:
            times = bench.in_turn({name: lambda call=call: [call() for _ in range(10)]})[name]
            found[f"{name}_ops_per_s"] = 10 * 2 * n**3 / float(np.median(times))
        except RuntimeError as error:
            found[f"{name}_ops_per_s"], found[f"{name}_reason"] = None, str(error).splitlines()[0]
    return found


def sweep(bench: Bench) -> dict[str, Any]:
    """Counts by 16 cells of 200 edges from the score at FMR 1e-4 up, beside PyTorch's product and one comparison."""
    m, n = bench.size.sweep
    probes, gallery = bench.rows(m, 1), bench.rows(n, 2)
    some = (probes[:1024] @ gallery[: 1 << 14].T).flatten().cpu().numpy()
    floor = float(np.quantile(some, 1 - FMR))
    edges = floor + 0.001 * np.arange(200)
    groups = [np.random.default_rng(i).integers(N_GROUPS, size=size).astype(np.uint32) for i, size in ((1, m), (2, n))]
    cells = np.arange(N_GROUPS**2, dtype=np.uint32).reshape(N_GROUPS, N_GROUPS)

    def count(side: Any, other: Any, ranges: tuple[tuple[int, int], tuple[int, int]]) -> Any:
        return side.count(
            other, edges, Rectangle(ranges[0], ranges[1], False, groups[0], groups[1], cells, N_GROUPS**2)
        )

    part = ((0, min(m, CHECKED_PROBES)), (0, min(n, CHECKED_ROWS)))
    cpu = CpuEngine()
    expected = count(*(cpu.rows(side.cpu().numpy()) for side in (probes, gallery)), part)
    calls: dict[str, Callable[[], Any]] = {}
    first, settled = {}, {}
    for screen in SCREENS:
        engine = bench.engine(screen)
        ours = engine.rows(probes), engine.rows(gallery)
        if not np.array_equal(count(*ours, part), expected):
            raise gpu_contract.AnswersDiffer(f"sweep, {screen}: counts of a part are not the CPU's")
        first[screen] = bench.seconds(lambda ours=ours: count(*ours, ((0, m), (0, n))))
        before = engine.describe()["settled"]
        count(*ours, ((0, m), (0, n)))
        settled[screen] = engine.describe()["settled"] - before
        calls[screen] = lambda ours=ours: count(*ours, ((0, m), (0, n)))
    brief = [side.to(bench.torch.bfloat16) for side in (probes, gallery)]
    calls["torch bf16 product + comparison"] = lambda: _peer_count(brief, floor)
    seconds = bench.in_turn(calls)
    return {
        "probes": m,
        "rows": n,
        "pairs": m * n,
        "edges": len(edges),
        "cells": N_GROUPS**2,
        "floor": floor,
        "first_call_s": first,
        "settled": settled,
        **_compared(bench, seconds, m * n, "torch bf16 product + comparison"),
    }


def _peer_count(brief: Sequence[Any], floor: float) -> int:
    probes, gallery = brief
    step = max(1, PEER_SCORES // len(gallery))
    return sum(int((probes[i : i + step] @ gallery.T >= floor).sum()) for i in range(0, len(probes), step))


def search(bench: Bench) -> dict[str, Any]:
    """The best ten rows of each probe, packing of the probes inside the clock, beside PyTorch's product and topk."""
    m, n = bench.size.search
    probes, gallery = bench.rows(m, 3), bench.rows(n, 4)
    cpu = CpuEngine()
    expected = cpu.rows(gallery.cpu().numpy()).search(cpu.rows(probes[:64].cpu().numpy()), K)
    calls: dict[str, Callable[[], Any]] = {}
    for screen in SCREENS:
        engine = bench.engine(screen)
        held = engine.rows(gallery)
        found = held.search(engine.rows(probes), K)
        if not all(np.array_equal(x[:64], y) for x, y in zip(found[:2], expected[:2], strict=True)):
            raise gpu_contract.AnswersDiffer(f"search, {screen}: candidates are not the CPU's")
        calls[screen] = lambda held=held, engine=engine: _search(held, engine, probes)
    brief = gallery.to(bench.torch.bfloat16)
    calls["torch bf16 product + topk"] = lambda: _peer_search(probes.to(bench.torch.bfloat16), brief)
    seconds = bench.in_turn(calls)
    compared = _compared(bench, seconds, m * n, "torch bf16 product + topk")
    return {"probes": m, "rows": n, "pairs": m * n, "k": K, **compared}


def _search(held: GpuRows, engine: GpuEngine, probes: Any) -> Any:
    return held.search(engine.rows(probes), K)


def _peer_search(probes: Any, gallery: Any) -> Any:
    step = max(1, PEER_SCORES // len(gallery))
    found = [(probes[i : i + step] @ gallery.T).topk(K, dim=1) for i in range(0, len(probes), step)]
    return [each.indices.cpu() for each in found]


def histogram(bench: Bench) -> dict[str, Any]:
    """Counts of every pair at 2,001 edges from -1 to 1, as `frbench verify` asks for them by default."""
    m, n = bench.size.histogram
    sides = [bench.rows(size, seed) for size, seed in ((m, 5), (n, 6))]
    engine, cpu = bench.engine("int8"), CpuEngine()

    def count(by: Any, rows: Sequence[Any], wanted: tuple[int, int]) -> Any:
        a, b = (by.rows(each) for each in rows)
        groups = np.zeros(m, np.uint32), np.zeros(n, np.uint32)
        where = Rectangle((0, wanted[0]), (0, wanted[1]), False, *groups, np.zeros((1, 1), np.uint32), 1)
        return a.count(b, np.linspace(-1, 1, 2001), where)

    part = (min(m, CHECKED_PROBES), min(n, CHECKED_ROWS))
    if not np.array_equal(count(engine, sides, part), count(cpu, [side.cpu().numpy() for side in sides], part)):
        raise gpu_contract.AnswersDiffer("histogram: counts of a part are not the CPU's")
    seconds = bench.in_turn({"float32": lambda: count(engine, sides, (m, n))})
    return {"probes": m, "rows": n, "pairs": m * n, **_compared(bench, seconds, m * n, None)}


def _compared(bench: Bench, seconds: dict[str, list[float]], pairs: int, peer: str | None) -> dict[str, Any]:
    """Medians, rates, the share of the measured peak that the multiplications are, and ratios to the peer."""
    peak = bench.record.get("peaks", {}).get("bf16_ops_per_s")
    entries = {}
    for name, times in seconds.items():
        rate = pairs / float(np.median(times))
        entries[name] = {
            "median_s": float(np.median(times)),
            "rounds_s": times,
            "pairs_per_s": rate,
            "share_of_bf16_peak": None if peak is None else rate * 2 * D / peak,
            "times_peer": None if peer in (None, name) else vars(race.ratio(seconds[peer or ""], times)),
        }
    return {"entries": entries}


def verdicts(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each target, what was reached by the screen that reached most, and whether that is enough."""
    reached = {}
    for part, field_, target in (
        ("sweep", "pairs_per_s", "sweep_pairs_per_s"),
        ("sweep", "times_peer", "sweep_times_torch"),
        ("search", "times_peer", "search_times_torch"),
    ):
        entries = record.get(part, {}).get("entries", {})
        values = [entries[s][field_] for s in SCREENS if s in entries]
        best = max((v["value"] if isinstance(v, dict) else v for v in values), default=None)
        is_met = None if best is None else bool(best >= TARGETS[target])
        reached[target] = {"target": TARGETS[target], "reached": best, "is_met": is_met}
    return reached


def show(record: dict[str, Any]) -> None:
    """Prints what was measured."""
    if "peaks" in record:
        print("peaks:", {name: f"{v:.3g}" for name, v in record["peaks"].items() if isinstance(v, float)})
    for part in ("sweep", "search", "histogram"):
        for name, entry in record.get(part, {}).get("entries", {}).items():
            share = entry["share_of_bf16_peak"]
            ratio = entry["times_peer"]
            print(
                f"{part:10} {name:34} {entry['median_s'] * 1e3:10.2f} ms  {entry['pairs_per_s']:.3g} pairs/s"
                + ("" if share is None else f"  {share:.0%} of the bf16 peak")
                + ("" if ratio is None else f"  {ratio['value']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}] x torch")
            )
    for name, verdict in record["targets"].items():
        print(f"target {name}: {verdict}")
    for part, why in record["failed"].items():
        print(f"FAILED {part}: {why}")


def run(bench: Bench, keep: Callable[[dict[str, Any]], None]) -> bool:
    """Runs every part, and whether all did; nothing is timed where an answer was wrong. keep : given what there is."""
    failed = bench.record["failed"] = {}
    for part in (contract, peaks, sweep, search, histogram):
        name, begin = part.__name__, time.perf_counter()
        print(f"{name} ...", flush=True)
        try:
            bench.record[name] = part(bench)
        except Exception as error:  # a rented machine is not given back for one part
            traceback.print_exc()
            failed[name] = f"{type(error).__name__}: {error}"
            if isinstance(error, gpu_contract.AnswersDiffer):
                break
        print(f"{name}: {time.perf_counter() - begin:.1f} s", flush=True)
        if bench.is_gpu:
            bench.torch.cuda.empty_cache()
        keep(bench.record | {"targets": verdicts(bench.record), "is_whole": False})
    bench.record |= {"targets": verdicts(bench.record), "is_whole": not failed}
    keep(bench.record)
    return not failed


def main() -> int:
    """Runs the benchmark; 0, 1 where a part failed or an answer was wrong, 2 without a GPU."""
    parser = argparse.ArgumentParser(description="What a GPU does: contract, peaks, sweep, search, histogram")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, three rounds: under three minutes")
    parser.add_argument("--rehearse", action="store_true", help="tiny sizes on the processor; times mean nothing")
    parser.add_argument("--out", type=Path, help="record to write  [default: benches/records/gpu-CARD-DATE.json]")
    given = parser.parse_args()
    why = devices.missing()
    if why is not None and not given.rehearse:
        print(f"no GPU to measure: {why}", file=sys.stderr)
        return 2
    size = REHEARSAL if given.rehearse else QUICK if given.quick else FULL
    torch: Any = importlib.import_module("torch")
    bench = Bench(torch, "cpu" if given.rehearse else devices.found()[0]["device"], size)
    card = "rehearsal" if given.rehearse else devices.found()[0]["name"]
    date = datetime.now(UTC)
    bench.record |= {
        "schema": "frbench.gpu-bench",
        "schema_version": 1,
        "date": date.isoformat(timespec="seconds"),
        "is_quick": given.quick,
        "dimension": D,
        "gpu": None if given.rehearse else devices.found()[0],
        "versions": devices.versions(),
    }
    named = re.sub(r"[^a-z0-9]+", "-", card.lower()).strip("-")
    out = given.out or (None if given.rehearse else RECORDS / f"gpu-{named}-{date:%Y-%m-%d}.json")
    if out is not None:
        files.prepare(out.parent)
    is_whole = run(bench, lambda record: None if out is None else files.write_json(out, record))
    show(bench.record)
    if out is not None:
        print(f"record: {out}")
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
