"""Checks the index that is asked for against the gallery and this machine, before anything is searched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from frbench.counting.identify import Identification
from frbench.engines import Engine
from frbench.engines.ann import FAMILIES
from frbench.engines.ann.index import THREADS, Family, Numbers
from frbench.engines.cluster.parts import Parts
from frbench.engines.cluster.rows import ClusterEngine
from frbench.errors import InputError


@dataclass(frozen=True)
class AnnAsked:
    """The index that a user asks for.

    Parameters
    ----------
    family : name of one of `FAMILIES`.
    parameters : build parameters, instead of defaults.
    efforts : () takes the usual ones.
    proposals : rows to propose for each probe, if more than k.
    rebuilds : random orders of insertion.
    """

    family: str = "hnsw"
    parameters: Numbers = field(default_factory=dict)
    efforts: tuple[int, ...] = ()
    proposals: int = 0
    rebuilds: int = 3
    seed: int = 1

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise InputError(f"--index is {self.family}, expected one of: {', '.join(FAMILIES)}")
        if self.proposals < 0 or self.rebuilds < 0:
            raise InputError(
                f"--proposals is {self.proposals} and --rebuilds {self.rebuilds}, expected 0 or more of both"
            )


@dataclass(frozen=True)
class Indexing:
    """How a gallery is indexed and searched.

    Parameters
    ----------
    parameters : of the build.
    efforts : increasing.
    highest : the effort that looks at as much as it can.
    proposals : rows proposed for each probe.
    workers : those that have an index each; None for one, of this program.
    """

    family: Family
    parameters: Mapping[str, int]
    efforts: tuple[int, ...]
    highest: int
    proposals: int
    seed: int
    workers: int | None

    @classmethod
    def of(cls, asked: AnnAsked, task: Identification, engine: Engine) -> Indexing:
        """The index that is asked for, checked for the usable rows of a task's gallery.

        Raises
        ------
        InputError : a parameter or an effort that the index does not take. EngineUnavailable : its library is not here.
        """
        family, n = FAMILIES[asked.family], int(np.count_nonzero(~task.gallery.failed))
        family.require_library()
        parts = Parts.of(n, engine.workers.n) if isinstance(engine, ClusterEngine) else None
        sizes = [n] if parts is None else [parts.size(worker) for worker in range(parts.workers)]
        parameters = family.parameters(asked.parameters, n=min(sizes), d=task.gallery.dimension)
        k = min(task.k, n)
        return cls(
            family=family,
            parameters=parameters,
            efforts=family.checked_efforts(asked.efforts, k, parameters),
            highest=family.highest(max(sizes), parameters),
            proposals=max(k, asked.proposals),
            seed=asked.seed,
            workers=None if parts is None else parts.workers,
        )

    @property
    def threads(self) -> int:
        """Threads that search."""
        return THREADS * (self.workers or 1)

    def description(self, effort: int | None, number: int = 0) -> dict[str, Any]:
        """The words of every tally, file and page about an approximate search; number : of the order of insertion."""
        found = {
            "index": self.family.name,
            "library": f"{self.family.distribution} {self.family.version}",
            "parameters": dict(self.parameters),
            "proposals": self.proposals,
            "seed": self.seed,
            "order": f"random {number}" if number else "file",
            "threads": THREADS,
        }
        if self.workers is not None:
            found["workers"] = self.workers
        return {"approximate": found if effort is None else found | {"effort": self.family.setting(effort)}}
