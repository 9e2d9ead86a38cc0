"""What a cluster is sent: the probes of tiles that follow each other once, if they are few."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from frbench import templates
from frbench.counting.layout import Layout
from frbench.counting.verify import AllPairs
from frbench.engines.cluster import rows
from frbench.engines.cluster.rows import ClusterEngine
from frbench.engines.cluster.shard import Held, Shard
from frbench.engines.cpu import CpuEngine
from frbench.engines.local import open_local

N, D, BLOCKS = 48, 8, 4


class Here:
    """Two workers in this process, which note what they are sent."""

    n, threads = 2, 1
    lost: Sequence[str] = ()

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self._shards = [Shard(partial(open_local, "cpu", None), 1) for _ in range(self.n)]

    def share(self, value: Any) -> Any:
        """`value`."""
        if not isinstance(value, Held):
            self.sent.append(value)
        return value

    def map(self, method: str, pieces: Iterable[Sequence[tuple[Any, ...]]]) -> Iterator[list[Any]]:
        """The answers of both."""
        for piece in pieces:
            yield [getattr(shard, method)(*given) for shard, given in zip(self._shards, piece, strict=True)]

    def describe(self) -> Mapping[str, Any]:
        """Nothing."""
        return {}

    def close(self) -> None:
        """Nothing is held elsewhere."""


@pytest.mark.parametrize(("kept_bytes", "times"), [(rows.KEPT_BYTES, BLOCKS), (0, BLOCKS * (BLOCKS + 1) // 2)])
def test_probes_of_tiles_that_follow_each_other_are_sent_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept_bytes: int, times: int
):
    """A block of probes meets itself and each later one: four are sent, or ten if they are too large to stay."""
    monkeypatch.setattr(rows, "KEPT_BYTES", kept_bytes)
    np.save(tmp_path / "t.npy", np.random.default_rng(1).normal(size=(N, D)).astype(np.float32))
    found = templates.load(tmp_path / "t.npy").with_subjects(np.arange(N).astype(str).astype(object))
    layout, workers = Layout.of(found, (), BLOCKS), Here()
    counted = []
    for engine in (CpuEngine(threads=1), ClusterEngine(workers, CpuEngine(threads=1))):
        counter = AllPairs(layout, engine)
        plan = counter.plan((0.0, 0.5))
        counted.append([counter.count(plan, tile) for tile in plan.tiles()])

    np.testing.assert_array_equal(*counted)
    assert len(workers.sent) == times
