from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Axis",
    "Rows",
    "Server",
    "kernels",
    "percentile_text",
    "rates",
    "send_load",
    "slack",
    "threads",
    "unit_rows",
]

@final
class Axis:
    def __new__(cls, edges: NDArray[np.float64]) -> Axis: ...
    @property
    def bins(self) -> int: ...

@final
class Rows:
    def __new__(cls, unit: NDArray[np.float32], isa: str | None = None, threads: int = 0) -> Rows: ...
    def pack(self) -> int: ...
    def __len__(self) -> int: ...
    @property
    def dimension(self) -> int: ...
    @property
    def isa(self) -> str: ...
    def count(
        self,
        gallery: Rows,
        axis: Axis,
        *,
        probe_range: tuple[int, int],
        gallery_range: tuple[int, int],
        upper: bool,
        probe_groups: NDArray[np.uint32],
        gallery_groups: NDArray[np.uint32],
        cells: NDArray[np.uint32],
        n_cells: int,
    ) -> tuple[NDArray[np.uint64], str, int]: ...
    def tail(
        self,
        gallery: Rows,
        n: int,
        floors: NDArray[np.float64],
        *,
        probe_range: tuple[int, int],
        gallery_range: tuple[int, int],
        upper: bool,
        probe_groups: NDArray[np.uint32],
        gallery_groups: NDArray[np.uint32],
        cells: NDArray[np.uint32],
        probe_subjects: NDArray[np.uint32],
        gallery_subjects: NDArray[np.uint32],
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]: ...
    def search(
        self, probes: Rows, k: int, *, floors: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.uint64]]: ...
    def score_pairs(self, other: Rows, mine: NDArray[np.int64], theirs: NDArray[np.int64]) -> NDArray[np.float32]: ...

@final
class Server:
    def __new__(cls, configuration: str) -> Server: ...
    @property
    def address(self) -> str: ...
    @property
    def metrics_address(self) -> str | None: ...
    @property
    def n_galleries(self) -> int: ...
    def wait(self, seconds: float) -> bool: ...
    def stop(self) -> None: ...

def unit_rows(matrix: NDArray[Any], out: NDArray[np.float32], threads: int = 0) -> NDArray[np.bool_]: ...
def kernels() -> list[str]: ...
def threads(wanted: int) -> int: ...
def slack(d: int) -> float: ...
def rates(seconds: float, memory_bytes: int) -> dict[str, Any]: ...
def percentile_text(latencies_ns: NDArray[np.uint64], unanswered: int) -> str: ...
def send_load(
    address: str,
    path: str,
    messages: Sequence[bytes],
    order: NDArray[np.uint32],
    *,
    scheduled_ns: NDArray[np.uint64] | None,
    until_s: float,
    in_flight: int,
    timeout_s: float,
    connections: int,
    metadata: Sequence[tuple[str, str]],
    ca: bytes | None,
    identity: tuple[bytes, bytes] | None,
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int32]]: ...
