"""What a time depends on besides the code: processor, memory, kernels, versions, threads."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import frbench
from benches import own, peers
from frbench import _rust

# Features that the kernels of anyone here ask for.
FLAGS = ("fma", "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "asimddp")

# Each rate is measured this long; memory is not of interest here.
RATE_S = 0.2
RATE_BYTES = 1 << 20


def describe() -> dict[str, Any]:
    """The machine as JSON; what cannot be read is left out."""
    return {
        "cpu": _cpuinfo("model name") or platform.processor() or platform.machine(),
        "flags": [flag for flag in FLAGS if flag in f"{_cpuinfo('flags')} {_cpuinfo('Features')}".split()],
        "processors": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "huge_pages": _text("/sys/kernel/mm/transparent_hugepage/enabled"),
        "governor": _text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "is_virtual": "hypervisor" in _cpuinfo("flags").split(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "frbench": frbench.__version__,
        "kernels": _rust.kernels(),
        "threads": own.threads(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "peers": peers.versions(),
        "blas": _blas(),
        "multiply_adds": _multiply_adds(),
    }


def busy_s() -> float:
    """Seconds that the processors worked for anyone but this process, or were taken by the host; 0 where unknown."""
    ticks = _text("/proc/stat").partition("\n")[0].split()[1:]
    if not ticks:
        return 0.0
    user, nice, system, _, _, irq, soft, steal = map(int, ticks[:8])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK") - time.process_time()


def _multiply_adds() -> dict[str, dict[str, float]]:
    """Multiply-adds a second of each kernel on one core, of 8-bit integers and of floats, from the cache."""
    found = _rust.rates(RATE_S, RATE_BYTES)["kernels"]
    kinds = ("int8", "float32")
    return {kernel["kernel"]: {kind: kernel[f"{kind}_multiply_adds_per_s"] for kind in kinds} for kernel in found}


def _text(path: str) -> str:
    file = Path(path)
    return file.read_text().strip() if file.is_file() else ""


def _cpuinfo(key: str) -> str:
    lines = (line.partition(":") for line in _text("/proc/cpuinfo").splitlines())
    return next((value.strip() for name, _, value in lines if name.strip() == key), "")


def _memory_gib() -> float:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def _blas() -> list[str]:
    threadpoolctl = peers.module("threadpoolctl")
    if threadpoolctl is None:
        return []
    return sorted(map(_library, threadpoolctl.threadpool_info()))


def _library(found: Mapping[str, Any]) -> str:
    version = f" {found['version']}" if found["version"] else ""
    return f"{Path(found['filepath']).name}: {found['internal_api']}{version}, {found['num_threads']} threads"
