"""The engine for NVIDIA GPUs: packed rows, products that never leave the chip, and the definition where they end.

Every GPU counts tiles of its own. Rows are brought to a device when it first needs them, in slabs where they do not
fit; what lies on a device already stays there.
"""

from __future__ import annotations

import importlib
import queue
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench.engines import SETTLED, Subjects, described
from frbench.engines.gpu import devices
from frbench.engines.gpu.arrays import Array, Arrays, Screen
from frbench.engines.gpu.counting import Counting
from frbench.engines.gpu.meeting import Device
from frbench.engines.gpu.packing import CENTRE_ROWS, MOST_COMPONENTS, Centre
from frbench.engines.gpu.searching import Searching
from frbench.engines.gpu.settling import unit_rows
from frbench.engines.gpu.tailing import Tailing
from frbench.engines.hits import Found, Hits, require_rows
from frbench.errors import InputError
from frbench.inputs.arrays import Floats, Floats32, Ints
from frbench.plan import Rectangle, float32_not_below

# Pairs that one sieve has room for, and whose scores are made at a time.
CAPACITY = 1 << 24
SCORED_PAIRS = 1 << 20
# Places in keys by which candidates are put in order.
MOST_ROWS = 1 << 31


class GpuRows:
    """Unit rows that GPUs are brought when they are first needed there; the rows themselves are not copied here.

    unit : (n, d) float32, a numpy array or a tensor of PyTorch.
    """

    def __init__(self, unit: Any, engine: GpuEngine) -> None:
        self.unit = unit
        self._engine = engine
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.unit)

    @property
    def centre(self) -> Centre:
        """What these rows are packed about as a gallery, and probes that meet them."""
        with self._lock:
            return self._centre

    @cached_property
    def _centre(self) -> Centre:
        arrays = self._engine.arrays
        sample = self.unit[:: max(1, -(-len(self) // CENTRE_ROWS))]
        return Centre.of(arrays.get(arrays.put(sample)), arrays)

    def count(self, gallery: GpuRows, edges: Floats, where: Rectangle) -> NDArray[np.uint64]:
        """See `engines.Rows.count`."""
        self._must_match(gallery)
        with self._engine.device() as on:
            counted = Counting(on, self, gallery, where, float32_not_below(edges)).count()
        self._engine.note(counted.screen, int(counted.counts.sum()), counted.settled)
        return counted.counts

    def search(self, probes: GpuRows, k: int, *, floors: Floats32 | None = None) -> Found:
        """See `engines.Rows.search`; probes are shared out among the GPUs."""
        self._must_match(probes)
        require_rows(k, len(self))
        cuts = np.linspace(0, len(probes), self._engine.parallel + 1).astype(int).tolist()

        def search(wanted: tuple[int, int]) -> Found:
            with self._engine.device() as on:
                return Searching(on, probes, self, k).search(wanted, floors)

        ranges = list(pairwise(cuts))
        with ThreadPoolExecutor(len(ranges), thread_name_prefix="frbench-gpu") as threads:
            found = list(threads.map(search, ranges)) if len(ranges) > 1 else [search(ranges[0])]
        return Found(*(np.concatenate(part) for part in zip(*found, strict=True)))

    def tail(self, gallery: GpuRows, n: int, floors: Floats, where: Rectangle, subjects: Subjects) -> Hits:
        """See `engines.Rows.tail`."""
        self._must_match(gallery)
        with self._engine.device() as on:
            return Tailing(on, self, gallery, n, float32_not_below(floors), where, subjects).tail()

    def score_pairs(self, other: GpuRows, mine: Ints, theirs: Ints) -> Floats32:
        """See `engines.Rows.score_pairs`."""
        self._must_match(other)
        out = np.empty(len(mine), np.float32)
        with self._engine.device() as on:
            for start in range(0, len(mine), SCORED_PAIRS):
                some = slice(start, start + SCORED_PAIRS)
                a, b = self._brought(on, mine[some]), other._brought(on, theirs[some])
                out[some] = on.arrays.get(on.arrays.scores(*(a[0], b[0]), *(a[1], b[1])))
        return out

    def _brought(self, on: Device, wanted: Ints) -> tuple[Array, Array]:
        """Rows on a device, and the places of the wanted ones there: all rows if they fit, else those alone."""
        if len(self) <= on.residence.rows_of_a_slab(self.unit.shape[1]):
            ((slab, *_),) = on.residence.slabs(self, (0, len(self)))
            return slab.floats, on.arrays.put(wanted)
        used, place = np.unique(wanted, return_inverse=True)
        return on.arrays.put(self.unit[used]), on.arrays.put(place.astype(np.int64))

    def _must_match(self, other: GpuRows) -> None:
        if self.unit.shape[1] != other.unit.shape[1]:
            raise ValueError(f"rows have dimension {self.unit.shape[1]}, the others have {other.unit.shape[1]}")


class GpuEngine:
    """Exact scoring on the NVIDIA GPUs of this machine.

    Parameters
    ----------
    screen : int8, whose bound is proved from the manual alone, or bf16, whose bound is narrower and takes one constant
        from measurements; see `packing`.
    arrays : machines to count on; None takes every GPU.
    capacity : pairs that one sieve has room for. most_bytes : of rows on each device; None takes 60% of what is free.

    Raises
    ------
    EngineUnavailable : there is no GPU, or no PyTorch or Triton; the message says what is missing.
    """

    name = "gpu"

    def __init__(
        self,
        *,
        screen: Screen = "int8",
        arrays: Sequence[Arrays] | None = None,
        capacity: int = CAPACITY,
        most_bytes: int | None = None,
    ) -> None:
        machines = devices.opened(screen) if arrays is None else arrays
        self._devices = [Device(machine, capacity, most_bytes) for machine in machines]
        self._free: queue.Queue[Device] = queue.Queue()
        for each in self._devices:
            self._free.put(each)
        self._work: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def parallel(self) -> int:
        """One tile for each GPU."""
        return len(self._devices)

    @property
    def arrays(self) -> Arrays:
        """The first GPU."""
        return self._devices[0].arrays

    @contextmanager
    def device(self) -> Iterator[Device]:
        """A GPU that nobody else uses meanwhile."""
        free = self._free.get()
        try:
            yield free
        finally:
            self._free.put(free)

    def rows(self, unit: Any) -> GpuRows:
        """Unit rows (n, d) float32: a numpy array, or what any library holds on a GPU and gives by DLPack.

        Neither is copied. Their norms are checked where they lie, when they are first used.

        Raises
        ------
        InputError : not a matrix of float32, or one that is too wide or too long.
        """
        rows = unit if isinstance(unit, np.ndarray) else _tensor(unit)
        if len(rows.shape) != 2 or str(rows.dtype).rpartition(".")[2] != "float32":
            raise InputError(f"rows are {rows.dtype} of shape {tuple(rows.shape)}, expected a matrix (n, d) of float32")
        if rows.shape[1] > MOST_COMPONENTS or rows.shape[0] >= MOST_ROWS:
            raise InputError(
                f"rows are of shape {tuple(rows.shape)}, expected fewer than {MOST_ROWS:,} of at most "
                f"{MOST_COMPONENTS:,} components; use --engine cpu"
            )
        return GpuRows(rows, self)

    def unit_rows(self, matrix: Any) -> tuple[Array, Array]:
        """Unit rows (n, d) of a matrix of float16, bfloat16 or float32, and which rows have a direction.

        Made on the first GPU, with the bits that the CPU gives; what is there already by DLPack is not copied to the
        host and back.
        """
        with self.device() as on:
            held = matrix if isinstance(matrix, np.ndarray) else _tensor(matrix)
            return unit_rows(on.arrays.put(held), on.arrays)

    def note(self, screen: str, pairs: int, settled: int) -> None:
        """Adds to what `describe` says."""
        with self._lock:
            self._work[screen] += pairs
            self._work[SETTLED] += settled

    def describe(self) -> Mapping[str, Any]:
        """Name, devices, versions; pairs counted by the screen that they passed, and those settled after it."""
        return {
            "engine": self.name,
            "isa": self.arrays.screen,
            "threads": self.parallel,
            **described(self._work),
            "devices": [each.arrays.name for each in self._devices],
            "gpus": devices.found() if self.arrays.name.startswith("cuda") else [],
        }

    def close(self) -> None:
        """Lets go of the rows on the devices."""
        for each in self._devices:
            each.residence.clear()


def _tensor(held: Any) -> Any:
    """A tensor of PyTorch that shares the memory of what gives itself by DLPack."""
    torch: Any = importlib.import_module("torch")
    if isinstance(held, torch.Tensor):
        return held
    if not hasattr(held, "__dlpack__"):
        raise InputError(f"rows are {type(held).__name__}, expected a numpy array or an array that speaks DLPack")
    return torch.from_dlpack(held)
