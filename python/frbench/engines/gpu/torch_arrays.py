"""PyTorch as the machine that holds the engine's arrays: a GPU, or anything else that it knows.

torch and Triton are imported when such a machine is made, for they are optional and slow to come.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench.engines.gpu.arrays import LANES, Array, Kind, Screen, Side

# All bits of a float32 but its sign.
SIGN = 0x7FFFFFFF
# Ways to multiply float32 that round each step to float32: the first is what PyTorch does unless it is told otherwise.
IEEE = ("none", "ieee")


class TorchArrays:
    """Arrays of one device of PyTorch, on which Triton multiplies: a GPU, or anything in Triton's interpreter."""

    def __init__(self, device: str, screen: Screen = "int8") -> None:
        self._torch: Any = importlib.import_module("torch")
        self._device = self._torch.device(device)
        self._best: dict[tuple[object, ...], Any] = {}
        self.name = device
        self.screen = screen
        self._types = {
            name: getattr(self._torch, name) for name in ("int8", "int32", "int64", "float32", "float64", "bfloat16")
        }
        # Words of `Arrays` that PyTorch has, too.
        self.root, self.nearest, self.bounded = self._torch.sqrt, self._torch.round, self._torch.clamp
        self.larger, self.either, self.join = self._torch.maximum, self._torch.where, self._torch.cat
        self.largest, self.total = (partial(word, dim=-1) for word in (self._torch.amax, self._torch.sum))
        self.numbers = partial(self._torch.arange, device=self._device)

    @property
    def _is_gpu(self) -> bool:
        return str(self._device.type) == "cuda"

    def put(self, host: Any) -> Array:
        """See `Arrays.put`; what PyTorch or DLPack holds on this device is not copied."""
        if not isinstance(host, np.ndarray):
            return self._torch.as_tensor(host).detach().to(self._device).contiguous()
        array = np.ascontiguousarray(host)
        if not array.flags.writeable:
            array = array.copy()
        return self._torch.from_numpy(array).to(self._device)

    def get(self, x: Array) -> NDArray[Any]:
        """See `Arrays.get`."""
        found: NDArray[Any] = x.cpu().numpy()
        return found

    def free_bytes(self) -> int:
        """Memory of the device that neither others nor PyTorch's cache of used blocks hold."""
        if not self._is_gpu:
            return 1 << 30
        free, _ = self._torch.cuda.mem_get_info(self._device)
        kept = self._torch.cuda.memory_reserved(self._device) - self._torch.cuda.memory_allocated(self._device)
        return int(free + kept)

    def cast(self, x: Array, kind: Kind) -> Array:
        """See `Arrays.cast`."""
        return x.to(self._types[kind])

    def zeros(self, shape: tuple[int, ...], kind: Kind) -> Array:
        """Zeros."""
        return self._torch.zeros(shape, dtype=self._types[kind], device=self._device)

    def lanes(self, x: Array) -> Array:
        """See `Arrays.lanes`."""
        return self._torch.nn.functional.pad(x, (0, -x.shape[1] % LANES)).unflatten(1, (-1, LANES))

    def power_of_two(self, x: Array) -> Array:
        """See `Arrays.power_of_two`; written in bits, which no library rounds."""
        exponent = (x.view(self._types["int64"]) >> 52) - 1023
        return ((1023 - exponent) << 52).view(self._types["float64"])

    def brief(self, x: Array) -> Array:
        """See `Arrays.brief`."""
        return x.to(self._types["bfloat16"])

    def full(self, x: Array) -> Array:
        """See `Arrays.full`."""
        return x.to(self._types["float64"])

    def product(self, a: Array, b: Array) -> Array:
        """See `Arrays.product`.

        Raises
        ------
        RuntimeError : this process has PyTorch multiply float32 in fewer bits, of which nothing is proved here.
        """
        backends = self._torch.backends
        # What is asked of all of PyTorch at once is refused where a process has set parts of it by their own names.
        precision = (backends.cuda if self._is_gpu else backends.mkldnn).matmul.fp32_precision
        if precision not in IEEE:
            raise RuntimeError(
                f"PyTorch multiplies float32 in {precision} here, expected ieee; "
                "call torch.set_float32_matmul_precision('highest')"
            )
        return a @ b.T

    def rough(self, a: Array, b: Array) -> Array:
        """See `Arrays.rough`."""
        return self.brief(a) @ self.brief(b).T if self._is_gpu else a @ b.T

    def top(self, x: Array, k: int) -> tuple[Array, Array]:
        """See `Arrays.top`."""
        found = x.topk(k, dim=-1)
        return found.values.to(self._types["float32"]), found.indices

    def bins(self, edges: Array, x: Array) -> Array:
        """See `Arrays.bins`."""
        return self._torch.searchsorted(edges, x.contiguous(), right=True)

    def histogram(self, index: Array, n: int) -> Array:
        """See `Arrays.histogram`."""
        return self._torch.bincount(index.reshape(-1), minlength=n)

    def order(self, group: Array, score: Array, row: Array) -> Array:
        """See `Arrays.order`: two sorts of integers, as keys of which scores fall."""
        bits = (score + 0.0).view(self._types["int32"]).to(self._types["int64"])
        rising = self._torch.where(bits < 0, bits ^ SIGN, bits)
        by_score = ((-rising << 31) + row).argsort(stable=True)
        return by_score[group[by_score].argsort(stable=True)]

    def places(self, condition: Array) -> Sequence[Array]:
        """See `Arrays.places`."""
        found: Sequence[Array] = condition.nonzero(as_tuple=True)
        return found

    def sieve(self, probes: Side, gallery: Side, *, upper: bool, shift: int, capacity: int) -> tuple[int, Array, Array]:
        """See `Arrays.sieve`."""
        found = self.zeros((1,), "int64")
        listed = [self._torch.empty(capacity, dtype=self._types["int32"], device=self._device) for _ in range(2)]
        if len(probes.rows) and len(gallery.rows):
            self._launch(probes, gallery, (*listed, found), (capacity, shift), upper)
        n = int(found.item())
        return n, listed[0][:n], listed[1][:n]

    def _launch(
        self, probes: Side, gallery: Side, out: tuple[Array, ...], limits: tuple[int, int], upper: bool
    ) -> None:
        kernels: Any = importlib.import_module("frbench.engines.gpu.kernels")
        arrays = (probes.rows, gallery.rows, probes.scale, probes.spread, probes.offset)
        arrays = (*arrays, gallery.scale, gallery.spread, gallery.offset, *out)
        sizes = (len(probes.rows), len(gallery.rows), *limits)

        def run(shape: tuple[int, ...], most_pairs: int = sizes[0] * sizes[1]) -> None:
            some = (min(sizes[0], -(-most_pairs // sizes[1])), *sizes[1:])
            kernels.launch_sieve(arrays, some, shape=shape, upper=upper, is_whole=self.screen == "int8")

        key = (probes.rows.shape[1], self.screen)
        with self._here():
            if self._is_gpu and key not in self._best and sizes[0] * sizes[1] >= kernels.WORTH_TUNING:
                self._best[key] = kernels.fastest(self._torch, lambda shape: run(shape, kernels.WORTH_TUNING))
            run(self._best.get(key, kernels.ANY_SHAPE))

    def scores(self, a: Array, b: Array, a_rows: Array, b_rows: Array) -> Array:
        """See `Arrays.scores`."""
        kernels: Any = importlib.import_module("frbench.engines.gpu.kernels")
        out = self._torch.empty(len(a_rows), dtype=self._types["float32"], device=self._device)
        if len(a_rows):
            with self._here():
                kernels.launch_score(a, b, a_rows, b_rows, out)
        return out

    def _here(self) -> Any:
        """Makes the device that of this thread: Triton launches on the current one."""
        return self._torch.cuda.device(self._device) if self._is_gpu else nullcontext()
