"""The engine of a name that counts in the process that opens it; workers of a cluster open theirs here, too."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from frbench.engines import Engine
from frbench.engines.cpu import CpuEngine
from frbench.engines.gpu import GpuEngine
from frbench.engines.reference import ReferenceEngine

# Each is told the number of threads and the instruction set.
LOCAL: Mapping[str, Callable[[int, str | None], Engine]] = {
    "cpu": lambda threads, isa: CpuEngine(threads=threads, isa=isa),
    "gpu": lambda _, __: GpuEngine(),
    "reference": lambda _, __: ReferenceEngine(),
}


def open_local(name: str, isa: str | None, threads: int) -> Engine:
    """The engine of a name in `LOCAL`.

    Raises
    ------
    EngineUnavailable : this machine does not have `isa`.
    """
    return LOCAL[name](threads, isa)
