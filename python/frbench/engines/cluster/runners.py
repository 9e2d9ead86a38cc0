"""Who is handed the tiles of a run, when it is not the process that was started."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from frbench.engines.cluster.ray_workers import RayWorkers
from frbench.engines.cluster.rows import ClusterEngine
from frbench.engines.cluster.shard import Shard
from frbench.engines.local import open_local
from frbench.errors import InputError
from frbench.inputs import scratch
from frbench.inputs.storage import require_no_secret

GIB = 1 << 30
# A worker with no rows: the interpreter, Ray, numpy, pyarrow, and buffers of reading and of probes.
WORKER_BYTES = 205_000_000


@dataclass(frozen=True)
class Runner:
    """Workers on Ray.

    workers : how many; None for as many as the cluster has room for. address : of a cluster that runs; None starts one
    on this machine. folder : where workers find the files, a path or URI; None where this program does.
    """

    workers: int | None = None
    address: str | None = None
    folder: str | None = None

    def __post_init__(self) -> None:
        if self.folder is not None:
            require_no_secret(self.folder)
        needed, there = (self.workers or 0) * WORKER_BYTES / GIB, scratch.memory_bytes() / GIB
        if self.address is None and needed > there:
            raise InputError(
                f"{self.workers:,} workers take {needed:,.0f} GiB before they read a row, this machine has "
                f"{there:.0f}; lower --workers, or give the --address of a cluster"
            )

    @property
    def starting(self) -> str:
        """What is waited for while the workers start."""
        workers = {None: "workers", 1: "1 worker"}.get(self.workers, f"{self.workers} workers")
        return f"starting {workers} on {'Ray' if self.address is None else f'the Ray cluster at {self.address}'}"

    def open(self, engine: str, isa: str | None, threads: int) -> ClusterEngine:
        """The workers, each with an engine of this name.

        Raises
        ------
        EngineUnavailable : Ray is not installed, there is no such cluster, or it has no room.
        """
        here = open_local(engine, isa, 1)
        shard = partial(Shard, partial(open_local, engine, isa))
        workers = RayWorkers(shard, self.workers, threads=threads, address=self.address)
        return ClusterEngine(workers, here, folder=self.folder)
