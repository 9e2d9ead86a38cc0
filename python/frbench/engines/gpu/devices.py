"""The GPUs of this machine, or why there is none to count on."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from frbench.engines.gpu.arrays import Arrays, Screen
from frbench.engines.gpu.torch_arrays import TorchArrays
from frbench.errors import EngineUnavailable

INSTALL = "pip install 'frbench[gpu]'"
# Tensor cores with 8-bit integers and with bfloat16, and their asynchronous copies.
OLDEST = (8, 0)
DRIVER = Path("/proc/driver/nvidia/version")


def missing() -> str | None:
    """What is missing for counting on a GPU, as the second half of a sentence; None if nothing is."""
    for package in ("torch", "triton"):
        if find_spec(package) is None:
            return f"{package} is not installed; {INSTALL}"
    torch: Any = importlib.import_module("torch")
    if torch.version.cuda is None:
        return f"PyTorch {torch.__version__} is built without CUDA; install a build with it from pytorch.org"
    if not torch.cuda.is_available():
        return (
            f"PyTorch {torch.__version__} finds no NVIDIA GPU; `nvidia-smi` shows whether driver and device are there"
        )
    if not _usable(torch):
        least = ".".join(map(str, OLDEST))
        return f"no GPU has compute capability {least} or more, which its tensor cores must have"
    return None


def found() -> list[dict[str, Any]]:
    """Facts of every GPU that can be counted on; empty where `missing` says why."""
    if missing() is not None:
        return []
    torch: Any = importlib.import_module("torch")
    return [_facts(torch, number) for number in _usable(torch)]


def driver() -> str | None:
    """Version of NVIDIA's driver; None where the system does not tell."""
    try:
        said = re.search(r"\b\d{3,}\.\d+(\.\d+)?\b", DRIVER.read_text())
    except OSError:
        return None
    return said.group() if said else None


def versions() -> dict[str, str | None]:
    """Versions of what the engine stands on; None where it is not installed."""
    return {name: _version(name) for name in ("torch", "triton")}


def opened(screen: Screen) -> Sequence[Arrays]:
    """Every GPU that can be counted on.

    Raises
    ------
    EngineUnavailable : there is none; the message says what is missing.
    """
    why = missing()
    if why is not None:
        raise EngineUnavailable(f"the GPU engine is not available here: {why}")
    torch: Any = importlib.import_module("torch")
    return [TorchArrays(f"cuda:{number}", screen) for number in _usable(torch)]


def _usable(torch: Any) -> list[int]:
    return [n for n in range(torch.cuda.device_count()) if torch.cuda.get_device_capability(n) >= OLDEST]


def _facts(torch: Any, number: int) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(number)
    return {
        "device": f"cuda:{number}",
        "name": properties.name,
        "memory_gib": round(properties.total_memory / 2**30, 1),
        "capability": f"{properties.major}.{properties.minor}",
        "multiprocessors": properties.multi_processor_count,
        "driver": driver(),
        "cuda": torch.version.cuda,
        **versions(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
