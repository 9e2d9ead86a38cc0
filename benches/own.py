"""frbench's side of the races."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import frbench
from benches.race import Contestant, Kind
from benches.workload import Matrix
from frbench import Gallery, _rust

BEFORE = "packed"
SETTING = "probes normalised and packed inside the clock"

Verb = Callable[[Gallery], Any]


def threads() -> int:
    """Threads that every contestant is given."""
    return _rust.threads(0)


def kernels(*, has_scalar: bool) -> list[str]:
    """Instruction sets of this machine, the one that frbench takes by itself first."""
    best = Gallery(np.ones((1, 1), np.float32)).isa
    return [best, *(isa for isa in _rust.kernels() if isa != best and (has_scalar or isa != "scalar"))]


def contestant(
    name: str, call: Callable[[], Any], *, kind: Kind = "kernel", before: str = BEFORE, setting: str = SETTING
) -> Contestant:
    """frbench in one setting."""
    return Contestant(name, call, frbench.__version__, setting, before, kind)


def twice(
    name: str, call: Callable[[], Any], *, before: str = BEFORE, setting: str = SETTING
) -> tuple[Contestant, Contestant]:
    """frbench, and the same once more: what the second differs by is noise."""
    return (
        contestant(name, call, before=before, setting=setting),
        contestant(f"{name}, again", call, kind="again", before=before, setting=setting),
    )


def best(matrix: Matrix, verb: Verb) -> list[Contestant]:
    """frbench as it comes, twice."""
    gallery = Gallery(matrix)
    return [*twice(f"frbench {gallery.isa}", lambda: verb(gallery))]


def each_kernel(matrix: Matrix, verb: Verb, *, has_scalar: bool) -> list[Contestant]:
    """frbench as it comes, twice, and on every other instruction set."""
    _, *others = kernels(has_scalar=has_scalar)
    return [*best(matrix, verb), *(_on(matrix, verb, isa) for isa in others)]


def _on(matrix: Matrix, verb: Verb, isa: str) -> Contestant:
    gallery = Gallery(matrix, isa=isa)
    return contestant(f"frbench {isa}", lambda: verb(gallery))
