"""Describes this machine for `frbench info`: its kernels, what they do in a second, how far below the roof."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from frbench import _rust
from frbench.engines.gpu import devices
from frbench.inputs import scratch
from frbench.runs.manifest import machine
from frbench.terminal import figures

# Each of five rates of a kernel is measured this long: all of them in some seconds.
MEASURE_S = 0.06
READ_BYTES = 512 << 20
# No more of the memory than this part is read.
READ_PART = 8
KINDS = ("int8", "float32")
NO_CLOCK = "the clock is measured on x86-64 only"
NO_PEAK = "multiply-adds per cycle are not known"
NOT_GRANTED = "the processor has AMX, the system does not grant it to this process"
UNAVAILABLE = "FRBENCH_ISA asks for {!r}, which this machine does not have: commands will refuse to run"
ROOF = (
    "One core, d = 512, 32 probes against 128 gallery rows at a time, from the cache; G/s: 10^9 multiply-adds per s. "
    "The roof is what a core can start in a cycle, at the clock measured with scalar code: AVX-512 and AMX may clock "
    "lower, and several busy cores do. near, score: pairs compared one by one, roughly and by the definition."
)
SCAN = (
    "Scan: one probe against packed rows in memory, on one core; the roof is the rate at which it reads and adds words."
)
IN_CACHE = "The memory that was read is not much larger than the last-level cache: part of it may have come from there."


def describe(*, measures: bool = True) -> dict[str, Any]:
    """The machine as JSON values; what is not known is None, beside a reason.

    measures : measure rates too, which takes a few seconds. Numbers carry their units in their names.
    """
    kernels = _rust.kernels()
    wish = os.environ.get("FRBENCH_ISA")
    return {
        "schema": "frbench.info",
        "schema_version": 1,
        "frbench": version("frbench"),
        "kernels": kernels,
        "chosen": _chosen(kernels, wish),
        "frbench_isa": wish,
        "notes": _notes(kernels, wish),
        **machine(),
        "gpus": devices.found(),
        "gpus_reason": devices.missing(),
        "caches": _caches(Path("/sys/devices/system/cpu/cpu0/cache")),
        "rates": _rates() if measures else None,
    }


def show(found: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints what `describe` found to standard output."""
    figures.terminal(console).print(Group(*_lines(found)))


def _chosen(kernels: list[str], wish: str | None) -> str | None:
    if not wish or wish == "auto":
        return kernels[0]
    return wish if wish in kernels else None


def _notes(kernels: list[str], wish: str | None) -> list[str]:
    notes = []
    if "amx_int8" in _flags() and "amx" not in kernels:
        notes.append(NOT_GRANTED)
    if _chosen(kernels, wish) is None:
        notes.append(UNAVAILABLE.format(wish))
    return notes


def _flags() -> set[str]:
    lines = (line.partition(":") for line in _text(Path("/proc/cpuinfo")).splitlines())
    return next((set(value.split()) for name, _, value in lines if name.strip() == "flags"), set())


def _caches(folder: Path) -> list[dict[str, Any]]:
    """Caches of the first processor; empty where the system does not tell."""
    found = []
    for index in sorted(folder.glob("index*")):
        level, kind, size = (_text(index / name) for name in ("level", "type", "size"))
        if level.isdigit() and size.endswith("K") and size[:-1].isdigit():
            found.append({"level": int(level), "type": kind.lower(), "kib": int(size[:-1])})
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _rates() -> dict[str, Any]:
    read_bytes = min(READ_BYTES, scratch.memory_bytes() // READ_PART)
    measured = _rust.rates(MEASURE_S, read_bytes)
    clock_hz, read = measured["clock_hz"], measured["memory_read_bytes_per_s"]
    return {
        "threads": 1,
        "dimension": 512,
        "clock_hz": clock_hz,
        "clock_hz_reason": NO_CLOCK if clock_hz is None else None,
        "memory_read_bytes_per_s": read,
        "memory_read_from_bytes": read_bytes,
        "kernels": [_with_shares(kernel, clock_hz, read) for kernel in measured["kernels"]],
    }


def _with_shares(kernel: Mapping[str, Any], clock_hz: float | None, read_bytes_per_s: float) -> dict[str, Any]:
    found: dict[str, Any] = {"kernel": kernel["kernel"]}
    for kind in KINDS:
        rate, peak = kernel[f"{kind}_multiply_adds_per_s"], kernel[f"{kind}_multiply_adds_per_cycle"] or None
        reason = NO_PEAK if peak is None else NO_CLOCK if clock_hz is None else None
        found |= {
            f"{kind}_multiply_adds_per_s": rate,
            f"{kind}_multiply_adds_per_cycle": peak,
            f"{kind}_share_of_roof": None if peak is None or clock_hz is None else rate / (peak * clock_hz),
            f"{kind}_share_of_roof_reason": reason,
        }
    found |= {name: kernel[name] for name in ("near_scores_per_s", "scores_per_s", "scan_bytes_per_s")}
    return found | {"scan_share_of_memory_read": kernel["scan_bytes_per_s"] / read_bytes_per_s}


def _lines(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    rates, wish = found["rates"], found["frbench_isa"]
    why = f"FRBENCH_ISA={wish}" if wish else "the best; FRBENCH_ISA is not set"
    facts = {
        "frbench": found["frbench"],
        "kernels": ", ".join(found["kernels"]) + " (best first)",
        "chosen": f"{found['chosen'] or 'none'} ({why})",
        "processor": f"{found['processor']}, {found['cores']} cores",
        "memory": f"{found['memory_gib']} GiB",
        "caches": ", ".join(map(_cache, found["caches"])) or "not known",
        "gpus": "; ".join(map(_gpu, found["gpus"])) or f"none: {found['gpus_reason']}",
        "system": f"{found['system']}, {found['byte_order']} endian",
    }
    if rates is not None:
        clock_hz = rates["clock_hz"]
        facts["clock"] = rates["clock_hz_reason"] if clock_hz is None else f"{clock_hz / 1e9:.2f} GHz, one core busy"
        read, mib = rates["memory_read_bytes_per_s"] / 1e9, rates["memory_read_from_bytes"] >> 20
        facts["reads"] = f"{read:.1f} GB/s, one core, {mib} MiB from end to end"
    yield Text("\n".join(f"{name:<11}{value}" for name, value in facts.items()))
    for note in found["notes"]:
        yield Text(note)
    if rates is not None:
        yield ""
        yield _table(rates)
        yield Text(f"{ROOF}\n{SCAN}")
        if any(2 * cache["kib"] << 10 > rates["memory_read_from_bytes"] for cache in found["caches"]):
            yield Text(IN_CACHE)


def _gpu(gpu: Mapping[str, Any]) -> str:
    driver = gpu["driver"] or "not known"
    versions = f"driver {driver}, torch {gpu['torch']}, triton {gpu['triton']}"
    return f"{gpu['name']}, {gpu['memory_gib']} GiB, capability {gpu['capability']}, {versions}"


def _cache(cache: Mapping[str, Any]) -> str:
    kind = {"data": "d", "instruction": "i"}.get(cache["type"], "")
    kib = cache["kib"]
    return f"L{cache['level']}{kind} " + (f"{kib >> 10} MiB" if kib % 1024 == 0 else f"{kib} KiB")


def _table(rates: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("kernel")
    for name in ("int8 G/s", "of roof", "float32 G/s", "of roof", "near M/s", "score M/s", "scan GB/s", "of memory"):
        table.add_column(name, justify="right")
    for kernel in rates["kernels"]:
        table.add_row(
            kernel["kernel"],
            *(text for kind in KINDS for text in _rate_and_share(kernel, kind)),
            *(f"{kernel[name] / 1e6:.1f}" for name in ("near_scores_per_s", "scores_per_s")),
            f"{kernel['scan_bytes_per_s'] / 1e9:.1f}",
            f"{kernel['scan_share_of_memory_read']:.0%}",
        )
    return table


def _rate_and_share(kernel: Mapping[str, Any], kind: str) -> tuple[str, str]:
    share = kernel[f"{kind}_share_of_roof"]
    rate = kernel[f"{kind}_multiply_adds_per_s"] / 1e9
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}", "-" if share is None else f"{share:.0%}"
