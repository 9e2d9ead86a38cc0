"""A GPU that is none: tensors that say they lie on CUDA, and hold their numbers on the processor.

Every operation of PyTorch that the engine asks for is done there, after what a card would refuse: tensors of two
devices, a kernel that PyTorch has not built for CUDA in that type, a launch beside the current device. Triton's
interpreter runs the kernels. Run as a program it holds the engine to its contract on two such cards.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

INTEGERS = {torch.int8, torch.int32, torch.int64}
WIDE = {torch.float32, torch.float64}
FLOATS = WIDE | {torch.bfloat16}
HELD = INTEGERS | FLOATS | {torch.bool}
# What aten/src/ATen/native/cuda has kernels for, of the types that the engine uses; an operation that is not listed is
# to be looked up there before the engine may ask for it. Products of integers, and anything unsigned, are missing.
KERNELS: dict[str, set[torch.dtype]] = {
    **dict.fromkeys(["add", "sub", "mul", "neg", "abs", "maximum", "clamp", "amax", "remainder"], INTEGERS | FLOATS),
    **dict.fromkeys(["rsub", "floor_divide"], INTEGERS | FLOATS),
    **dict.fromkeys(["eq", "ne", "lt", "le", "gt", "ge", "where", "index", "cat", "_to_copy", "copy_", "clone"], HELD),
    **dict.fromkeys(["zeros", "empty", "empty_strided", "fill_", "zero_", "full", "constant_pad_nd", "arange"], HELD),
    **dict.fromkeys(["new_zeros", "lift_fresh", "scalar_tensor"], HELD),
    **dict.fromkeys(["view", "t", "slice", "select", "unsqueeze", "expand", "alias", "detach", "_unsafe_view"], HELD),
    **dict.fromkeys(["permute", "transpose", "as_strided", "reshape", "split", "unbind"], HELD),
    **dict.fromkeys(["bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not"], INTEGERS | {torch.bool}),
    **dict.fromkeys(["__rshift__", "__lshift__", "bitwise_right_shift", "bitwise_left_shift"], INTEGERS),
    **dict.fromkeys(["sqrt", "round", "div", "reciprocal", "sum", "topk", "mm"], FLOATS),
    "searchsorted": WIDE | INTEGERS,
    "bincount": INTEGERS,
    "sort": INTEGERS | FLOATS,
    "nonzero": HELD,
    "_local_scalar_dense": HELD,
    "isinf": FLOATS,
}
# May take what lies elsewhere.
ACROSS = {"_to_copy", "copy_", "index"}


class OnGpu(torch.Tensor):
    """A tensor that says it lies on a card.

    held : what it holds, on the processor.
    """

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor, device: torch.device) -> OnGpu:
        """A tensor of the same shape and type that says it lies on `device`."""
        return torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, held.size(), strides=held.stride(), storage_offset=0, dtype=held.dtype, device=device
        )

    def __init__(self, held: torch.Tensor, _: torch.device) -> None:
        self.held = held

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return done(func, args, kwargs or {})


class Pretending(TorchDispatchMode):
    """Within it, tensors can be made on cards and brought there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return done(func, args, kwargs or {})


def held(x: Any) -> Any:
    """What a tensor of a card holds; anything else is itself."""
    return x.held if isinstance(x, OnGpu) else x


def done(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """What an operation gives, where it would lie; refused where a card would refuse it."""
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
    asked = kwargs.get("device")
    cards = {x.device for x in tensors if x.device.type == "cuda"}
    where = torch.device(asked) if asked is not None else next(iter(cards), torch.device("cpu"))
    name = func._schema.name.removeprefix("aten::")
    if cards or where.type == "cuda":
        _must_run(name, tensors, kwargs)
    if asked is not None:
        kwargs = kwargs | {"device": torch.device("cpu")}
    found = func(*tree_map(held, args), **tree_map(held, kwargs))
    if func._schema.is_mutable:
        return args[0]
    if where.type != "cuda":
        return found
    return tree_map(lambda x: OnGpu(x, where) if isinstance(x, torch.Tensor) else x, found)


def _must_run(name: str, tensors: list[torch.Tensor], kwargs: dict[str, Any]) -> None:
    if name not in KERNELS:
        raise NotImplementedError(f"{name} is not among the operations that were looked up for CUDA")
    kinds = {x.dtype for x in tensors} | ({kwargs["dtype"]} if kwargs.get("dtype") else set())
    if not kinds <= KERNELS[name]:
        raise NotImplementedError(f"{name} is not implemented for {kinds - KERNELS[name]} on CUDA")
    # A number without axes may come from the processor.
    devices = {x.device for x in tensors if x.dim() or x.device.type == "cuda"}
    if len(devices) > 1 and name not in ACROSS:
        raise RuntimeError(f"expected all tensors of {name} on the same device, but found {devices}")


class OfThread(threading.local):
    """The card that kernels of a thread are launched on."""

    number: int | None = 0


CURRENT = OfThread()


class Current:
    """Stands for torch.cuda.device, which makes a card that of this thread."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def __enter__(self) -> None:
        self._before, CURRENT.number = CURRENT.number, self._device.index

    def __exit__(self, *_: object) -> None:
        CURRENT.number = self._before


class Moment:
    """Stands for torch.cuda.Event."""

    def __init__(self, *, enable_timing: bool) -> None:
        self._is_timed = enable_timing

    def record(self) -> None:
        """Now."""
        self._seconds = time.perf_counter()

    def synchronize(self) -> None:
        """All is done already."""

    def elapsed_time(self, later: Moment) -> float:
        """Milliseconds from here."""
        return 1e3 * (later._seconds - self._seconds)


@contextlib.contextmanager
def cards(free_bytes: int) -> Iterator[None]:
    """PyTorch and the engine's launches, as though there were cards with so much free memory."""
    from frbench.engines import gpu
    from frbench.engines.gpu import kernels

    torch._C._ensureCUDADeviceGuardSet()  # of nothing, where there is no card
    torch.cuda._lazy_init = lambda: None
    torch.cuda.device = Current  # type: ignore[assignment,misc]
    torch.cuda.Event = Moment  # type: ignore[assignment,misc]
    torch.cuda.mem_get_info = lambda _: (free_bytes, free_bytes)
    torch.cuda.memory_reserved = torch.cuda.memory_allocated = lambda _: 0
    launch_sieve, launch_score = kernels.launch_sieve, kernels.launch_score

    # Small tiles are interpreted sooner, and there are several.
    kernels.ANY_SHAPE, kernels.PAIRS_OF_A_PROGRAM = (16, 64, 64, 4, 3), 256
    kernels.SHAPES, kernels.WORTH_TUNING = (kernels.ANY_SHAPE, (32, 64, 128, 4, 3)), 200
    # The interpreter runs one kernel at a time.
    one = threading.Lock()

    def sieve(arrays: Any, sizes: Any, **how: Any) -> None:
        _must_launch(arrays)
        with one:
            launch_sieve(tuple(map(held, arrays)), sizes, **how)

    def score(*arrays: Any) -> None:
        _must_launch(arrays)
        with one:
            launch_score(*map(held, arrays))

    kernels.launch_sieve, kernels.launch_score = sieve, score
    # Threads of the engine pretend, too.
    gpu.ThreadPoolExecutor = partial(ThreadPoolExecutor, initializer=lambda: Pretending().__enter__())  # type: ignore
    with Pretending():
        yield


def _must_launch(arrays: tuple[Any, ...]) -> None:
    """Pointers are of the current card, and kernels count on rows that lie one after another."""
    for array in arrays:
        if not isinstance(array, OnGpu) or array.device.index != CURRENT.number:
            raise RuntimeError(f"a kernel is launched on card {CURRENT.number} with an array on {array.device}")
        if not array.is_contiguous():
            raise RuntimeError(f"a kernel is given an array with strides {array.stride()}")


def main() -> None:
    """The contract on two cards: rows of the host in slabs, rows of a card, rows of the other card."""
    from benches import gpu_contract

    from frbench.engines.gpu import GpuEngine, counting
    from frbench.engines.gpu.torch_arrays import TorchArrays

    torch.set_num_threads(1)
    screen: Any = sys.argv[1]
    with cards(free_bytes=35_000):
        engine = GpuEngine(arrays=[TorchArrays(f"cuda:{n}", screen) for n in range(2)], capacity=2000)
        unit = gpu_contract.crowd(30, 19)
        for most in (-1, 2):
            counting.MOST_TO_SETTLE, counting.LOWEST_WORTH_A_SAMPLE = most, -2
            gpu_contract.check(engine, unit, "of the host, in slabs")
        gpu_contract.check(engine, unit, "of the second card", held=torch.tensor(unit.tolist()).to("cuda:1"))


if __name__ == "__main__":
    main()
