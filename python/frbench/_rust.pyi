from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Axis", "Rows", "kernels", "slack", "threads", "unit_rows"]

@final
class Axis:
    def __new__(cls, edges: NDArray[np.float64]) -> Axis: ...
    @property
    def bins(self) -> int: ...

@final
class Rows:
    def __new__(cls, unit: NDArray[np.float32], isa: str | None = None) -> Rows: ...
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
        threads: int,
    ) -> NDArray[np.uint64]: ...
    def search(
        self, probes: Rows, k: int, *, floors: NDArray[np.float32] | None = None, threads: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.uint64]]: ...
    def score_pairs(
        self, other: Rows, mine: NDArray[np.int64], theirs: NDArray[np.int64], *, threads: int = 0
    ) -> NDArray[np.float32]: ...

def unit_rows(matrix: NDArray[Any], threads: int = 0) -> tuple[NDArray[np.float32], NDArray[np.bool_]]: ...
def kernels() -> list[str]: ...
def threads(wanted: int) -> int: ...
def slack(d: int) -> float: ...
