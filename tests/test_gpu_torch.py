"""What is known of PyTorch and Triton on a GPU where there is none: what a card refuses, what its binaries ask for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(
    not (find_spec("torch") and find_spec("triton")), reason="torch and triton are not installed"
)
ROOT = Path(__file__).parent.parent
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
        [sys.executable, str(ROOT / "tests" / "pretended_gpu.py"), screen],
        env=environment,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr


def test_a_pretended_card_refuses_what_a_card_refuses():
    """Two devices in one sum, products of integers, unsigned numbers, operations that nobody looked up."""
    refused = """
import torch, pretended_gpu
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
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT), *sys.path])}
    done = subprocess.run([sys.executable, "-c", refused], env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_precision_that_a_process_asked_for_by_another_name_is_refused():
    """PyTorch has two ways to ask for TF32, and answers the older question no more once the newer one was used."""
    asked = """
import torch
from frbench.engines.gpu.torch_arrays import TorchArrays
x, arrays = torch.ones((2, 2), requires_grad=True), TorchArrays("cpu", fused=False)
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
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from frbench.engines.gpu import kernels

    at_once = []
    for shape in (*kernels.SHAPES, kernels.ANY_SHAPE):
        binary = _sieve(screen, shape, capability=90)
        registers, stack = _usage(binary, tmp_path)
        warps, shared = shape[3], binary.metadata.shared
        assert shared <= SHARED_BYTES - BYTES_OF_A_BLOCK
        assert stack <= SPILLED_BYTES, shape
        kinds = {"int8": "s32.s8.s8", "bf16": "f32.bf16.bf16"}[screen]
        assert re.search(rf"wgmma\.mma_async\S+\.{re.escape(kinds)}", binary.asm["ptx"]), shape
        at_once.append(
            min(REGISTERS // (registers * warps * 32), SHARED_BYTES // (shared + BYTES_OF_A_BLOCK))
        )  # fmt: skip

    assert at_once[:2] == [2, 2]
    assert min(at_once) >= 1


def test_the_tile_of_small_work_fits_any_card(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """It asks for less than the smallest card of capability 8 has, and multiplies on its tensor cores."""
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from frbench.engines.gpu import kernels

    binary = _sieve("bf16", kernels.ANY_SHAPE, capability=80, is_upper=True)

    assert binary.metadata.shared <= LEAST_SHARED_BYTES
    assert "mma.sync" in binary.asm["ptx"]


def _sieve(screen: str, shape: tuple[int, ...], *, capability: int, is_upper: bool = False) -> Any:
    """The sieve's binary for a card, as `launch_sieve` would have it made there."""
    from triton import compile as compiled
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from frbench.engines.gpu import kernels

    names = list(kernels.sieve.arg_names)
    known = kernels.shape_of_sieve(shape, upper=is_upper, is_whole=screen == "int8")
    options = {name: known.pop(name) for name in ("num_warps", "num_stages", "enable_fp_fusion")}
    kinds = dict.fromkeys(names[:2], {"int8": "*i8", "bf16": "*bf16"}[screen]) | dict.fromkeys(names[2:8], "*fp32")
    kinds |= dict.fromkeys(names[8:10], "*i32") | {"found": "*i64"} | dict.fromkeys(names[11:16], "i32")
    aligned = {(names.index(name),): [["tt.divisibility", 16]] for name in ("probes", "gallery", "depth")}
    kinds |= dict.fromkeys(known, "constexpr")
    source = ASTSource(fn=kernels.sieve, signature=kinds, constexprs=known, attrs=aligned)
    return compiled(source, target=GPUTarget("cuda", capability, 32), options=options)


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
