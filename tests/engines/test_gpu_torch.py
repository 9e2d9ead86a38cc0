"""What is known of PyTorch and Triton on a GPU where there is none: what a card refuses, what its binaries ask for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT

pytestmark = pytest.mark.skipif(
    not (find_spec("torch") and find_spec("triton")), reason="torch and triton are not installed"
)
# Of a multiprocessor of an H100: 32-bit registers, shared memory that blocks may ask for, and what each costs besides.
REGISTERS, SHARED_BYTES, BYTES_OF_A_BLOCK = 65_536, 227 * 1024, 1024
# Shared memory of a block on the smallest cards that `devices.OLDEST` lets in: capability 8.6.
LEAST_SHARED_BYTES = 99 * 1024
# A spill of some registers after the products are made costs nothing that is seen; more would.
SPILLED_BYTES = 64


@pytest.mark.parametrize("screen", ["int8", "bf16"])
def test_the_contract_holds_on_pretended_cards(screen: str):
    """Two cards too small for the rows, and rows of the other card: nothing that CUDA refuses, and the same answers."""
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-m", "tests.worlds.pretended_gpu", screen],
        env=environment,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr


def test_a_pretended_card_refuses_what_a_card_refuses():
    """Two devices in one sum, products of integers, unsigned numbers, operations that nobody looked up."""
    refused = """
import torch
from tests.worlds import pretended_gpu
with pretended_gpu.cards(free_bytes=1):
    a, b = (torch.ones((2, 2), dtype=torch.int8).to(f"cuda:{n}") for n in range(2))
    assert (a + a).cpu().tolist() == [[2, 2], [2, 2]] and (a + a).device.index == 0
    for wrong in (
        lambda: a + b, lambda: a + torch.ones(2), lambda: a @ a, lambda: a.to(torch.uint32) + 1, lambda: a.cumsum(0)
    ):
        try:
            wrong()
        except (RuntimeError, NotImplementedError):
            continue
        raise AssertionError("not refused")
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run([sys.executable, "-c", refused], env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_precision_that_a_process_asked_for_by_another_name_is_refused():
    """PyTorch has two ways to ask for TF32, and answers the older question no more once the newer one was used."""
    asked = """
import torch
from benches.plain_arrays import PlainTorch
x, arrays = torch.ones((2, 2), requires_grad=True), PlainTorch("cpu")
assert arrays.get(arrays.product(arrays.put(x), arrays.put(x))).tolist() == [[2, 2], [2, 2]]
for set_it in (
    lambda: torch.set_float32_matmul_precision("medium"),
    lambda: setattr(torch.backends.mkldnn.matmul, "fp32_precision", "bf16"),
):
    torch.backends.mkldnn.matmul.fp32_precision = "ieee"
    arrays.product(arrays.put(x), arrays.put(x))
    set_it()
    try:
        arrays.product(arrays.put(x), arrays.put(x))
    except RuntimeError as error:
        assert "expected ieee" in str(error), error
    else:
        raise AssertionError("not refused")
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run([sys.executable, "-c", asked], env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_the_benchmark_runs_at_tiny_sizes(tmp_path: Path):
    """Every part gives its figures, and the record of a whole run is there, and nothing beside it."""
    out = tmp_path / "record.json"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-m", "benches.gpu", "--rehearse", "--out", str(out)],
        env=environment,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    record = json.loads(out.read_text())
    assert record["is_whole"]
    assert record["failed"] == {}
    assert set(record["targets"]) == {"sweep_pairs_per_s", "sweep_times_torch", "search_times_torch"}
    assert all(
        entry["pairs_per_s"] > 0 and entry["share_of_bf16_peak"] > 0
        for part in ("sweep", "search", "histogram")
        for entry in record[part]["entries"].values()
    )
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("screen", ["int8", "bf16"])
def test_every_tile_fits_an_h100(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, screen: str):
    """Tiles find room, their products stay in registers of the tensor cores' own instructions, and two run at once."""
    from frbench.engines.gpu import kernels

    at_once = []
    for shape in (*kernels.SHAPES, kernels.ANY_SHAPE):
        with compiled_for(monkeypatch, tmp_path, capability=90) as made:
            _launch_sieve(screen, shape)
        ((grid, binary),) = made
        registers, stack = _usage(binary, tmp_path)
        warps, shared = shape[3], binary.metadata.shared
        assert grid == (-(-1000 // shape[0]) * -(-3000 // shape[1]),)
        assert shared <= SHARED_BYTES - BYTES_OF_A_BLOCK
        assert stack <= SPILLED_BYTES, shape
        kinds = {"int8": "s32.s8.s8", "bf16": "f32.bf16.bf16"}[screen]
        assert re.search(rf"wgmma\.mma_async\S+\.{re.escape(kinds)}", binary.asm["ptx"]), shape
        at_once.append(min(REGISTERS // (registers * warps * 32), SHARED_BYTES // (shared + BYTES_OF_A_BLOCK)))

    assert at_once[:2] == [2, 2]
    assert min(at_once) >= 1


def test_the_tile_of_small_work_fits_any_card(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """It asks for less than the smallest card of capability 8 has, and multiplies on its tensor cores."""
    from frbench.engines.gpu import kernels

    with compiled_for(monkeypatch, tmp_path, capability=80) as made:
        _launch_sieve("bf16", kernels.ANY_SHAPE, is_upper=True)
    ((_, binary),) = made

    assert binary.metadata.shared <= LEAST_SHARED_BYTES
    assert "mma.sync" in binary.asm["ptx"]


def test_scores_are_made_in_registers_by_one_binary_of_each_type_of_places(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Neither the number of pairs nor the dimension asks for another binary, and no sum leaves the registers."""
    import torch

    from frbench.engines.gpu import kernels

    with compiled_for(monkeypatch, tmp_path, capability=90) as made:
        for d, n in ((512, 1), (16, 33), (77, 1 << 20)):
            places, rows = _Held(torch.int32, n), _Held(torch.float32, 100, d)
            kernels.launch_score(rows, rows, places, places, _Held(torch.float32, n))

    assert [grid for grid, _ in made] == [(1,), (2,), (1 << 15,)]
    assert len({binary.hash for _, binary in made}) == 1
    assert _usage(made[0][1], tmp_path)[1] == 0


class _Held:
    """An array that has a type and a shape alone; Triton asks no more of what it compiles for."""

    def __init__(self, dtype: Any, *shape: int) -> None:
        self.dtype, self.shape = dtype, shape

    def __len__(self) -> int:
        return self.shape[0]

    def zero_(self) -> None:
        """Nothing is there."""

    def data_ptr(self) -> int:
        """The start of a page."""
        return 0


def _launch_sieve(screen: str, shape: tuple[int, ...], *, is_upper: bool = False) -> None:
    """A launch of 1,000 probes and 3,000 rows of 512 components."""
    import torch

    from frbench.engines.gpu import kernels

    kind = {"int8": torch.int8, "bf16": torch.bfloat16}[screen]
    sides = [_Held(kind, n, 512) for n in (1000, 3000)]
    facts = [_Held(torch.float32, n) for n in (1000, 1000, 1000, 3000, 3000, 3000)]
    out = _Held(torch.int32, 100), _Held(torch.int32, 100), _Held(torch.int64, 1)
    kernels.launch_sieve(
        (*sides, *facts, *out), (1000, 3000, 100, -5), shape=shape, upper=is_upper, is_whole=screen == "int8"
    )


@contextmanager
def compiled_for(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *, capability: int
) -> Iterator[list[tuple[tuple[int, ...], Any]]]:
    """Within it a launch ends before the card is asked to run it: the grid and the binary of each are listed."""
    from triton.backends.compiler import GPUTarget
    from triton.runtime import driver

    from frbench.engines.gpu import kernels

    made: list[tuple[tuple[int, ...], Any]] = []

    class Card:
        def get_current_target(self) -> Any:
            return GPUTarget("cuda", capability, 32)

        def get_current_device(self) -> int:
            return 0

        def get_current_stream(self, _: int) -> int:
            return 0

    class Launch:
        def __init__(self, kernel: Any) -> None:
            self._kernel = kernel

        def __getitem__(self, grid: tuple[int, ...]) -> Any:
            return lambda *given, **known: made.append((grid, self._kernel.warmup(*given, grid=grid, **known)))

    with monkeypatch.context() as patched:
        patched.setenv("TRITON_CACHE_DIR", str(folder))
        for name in ("sieve", "score"):
            kernel = getattr(kernels, name)
            kernel.device_caches.clear()
            patched.setattr(kernels, name, Launch(kernel))
        patched.setattr(driver, "_active", Card())
        yield made


def _usage(binary: Any, folder: Path) -> tuple[int, int]:
    """Registers of a thread, and bytes of its memory that registers are spilled to."""
    import triton

    path = folder / "sieve.cubin"
    path.write_bytes(binary.asm["cubin"])
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    said = subprocess.run([tool, "-res-usage", path], capture_output=True, text=True, check=True).stdout
    found = re.search(r"REG:(\d+) STACK:(\d+)", said)
    assert found, said
    return int(found[1]), int(found[2])
