"""Runs that are interrupted, killed, or find a damaged checkpoint end in the same tally."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from frbench import files
from frbench.counting.sweep import Checkpoint, kept_on_exit, sweep
from frbench.errors import Conservation
from frbench.plan import Tile
from frbench.tally import Tally
from tests.worlds import worlds


class Counter:
    """Counts tiles of a world, remembers them, and stops at the one it is told to."""

    def __init__(self, world: worlds.World, *, stop_at: int | None = None, error: BaseException | None = None) -> None:
        self.world, self.stop_at, self.error = world, stop_at, error
        self.tiles: list[Tile] = []

    def __call__(self, tile: Tile) -> np.ndarray:
        """The counts of a tile."""
        if len(self.tiles) == self.stop_at:
            raise self.error or KeyboardInterrupt
        self.tiles.append(tile)
        return self.world.counter.count(self.world.plan, tile)


def interrupted(world: worlds.World, checkpoint: Checkpoint, after: int) -> None:
    """Runs until the interruption."""
    with pytest.raises(KeyboardInterrupt):
        sweep(world.plan, Counter(world, stop_at=after), checkpoint=checkpoint)


@pytest.mark.parametrize("after", range(1, 10))
@pytest.mark.parametrize("interval_s", [0, 1e9])
def test_a_resumed_run_ends_in_the_same_tally(tmp_path: Path, after: int, interval_s: float):
    """Ctrl-C after any tile keeps what was counted; the second run counts the other tiles only."""
    world = worlds.two_groups()
    checkpoint = Checkpoint(tmp_path, interval_s=interval_s)
    interrupted(world, checkpoint, after)
    kept = files.load_tally(checkpoint.path(world.plan.digest))
    rest, told = Counter(world), []
    resumed = sweep(world.plan, rest, checkpoint=checkpoint, advance=told.append)

    assert len(kept.tiles) == after
    assert resumed == world.tally
    assert set(rest.tiles).isdisjoint(kept.tiles)
    assert len(rest.tiles) == 10 - after
    assert told[0] == kept.total.sum()
    assert sum(told) == 21


def test_a_run_without_checkpoint_tells_its_progress():
    """Progress starts at zero and ends at the number of trials."""
    world, told = worlds.two_groups(), []

    assert sweep(world.plan, Counter(world), advance=told.append) == world.tally
    assert (told[0], sum(told), len(told)) == (0, 21, 1 + 10)


def test_a_killed_run_finds_its_last_checkpoint(tmp_path: Path):
    """A crash that is no Ctrl-C writes nothing more: what was written after each tile is there."""
    world, checkpoint = worlds.two_groups(), Checkpoint(tmp_path, interval_s=0)
    with pytest.raises(MemoryError):
        sweep(world.plan, Counter(world, stop_at=4, error=MemoryError()), checkpoint=checkpoint)
    rest = Counter(world)

    assert sweep(world.plan, rest, checkpoint=checkpoint) == world.tally
    assert len(rest.tiles) == 10 - 4


def damaged(content: bytes) -> dict[str, bytes]:
    """What may have become of a checkpoint."""
    return {
        "empty": b"",
        "nonsense": b"nonsense",
        "first half": content[: len(content) // 2],
        "last byte missing": content[:-1],
        "header flipped": content[:8] + bytes([content[8] ^ 1]) + content[9:],
        "another format": content.replace(b"frbench.tally", b"frbench.sally"),
        "another version": content.replace(rb"\"version\":\"1\"", rb"\"version\":\"2\""),
        "one count flipped": content[:-1] + bytes([content[-1] ^ 1]),
        "another plan": content.replace(b"verify", b"varify"),
    }


@pytest.mark.parametrize("kind", damaged(b"x" * 20))
def test_a_damaged_checkpoint_is_ignored(tmp_path: Path, kind: str):
    """A checkpoint that cannot be read, or is of something else, is as good as none."""
    world, checkpoint = worlds.two_groups(), Checkpoint(tmp_path, interval_s=0)
    interrupted(world, checkpoint, 5)
    path = checkpoint.path(world.plan.digest)
    before = path.read_bytes()
    path.write_bytes(damaged(before)[kind])
    assert path.read_bytes() != before
    rest = Counter(world)

    assert sweep(world.plan, rest, checkpoint=checkpoint) == world.tally
    assert len(rest.tiles) == 10


def test_fresh_forgets_what_was_counted(tmp_path: Path):
    """Whoever asks for a fresh run gets one."""
    world = worlds.two_groups()
    interrupted(world, Checkpoint(tmp_path, interval_s=0), 5)
    rest = Counter(world)

    assert sweep(world.plan, rest, checkpoint=Checkpoint(tmp_path, interval_s=0, fresh=True)) == world.tally
    assert len(rest.tiles) == 10


def test_another_plan_does_not_resume_this_one(tmp_path: Path):
    """Other edges are other work: both checkpoints lie side by side."""
    world = worlds.two_groups()
    other = worlds.World(world.templates, edges=(0.5,))
    checkpoint = Checkpoint(tmp_path, interval_s=0)
    interrupted(world, checkpoint, 5)
    rest = Counter(other)

    assert sweep(other.plan, rest, checkpoint=checkpoint) == other.tally
    assert len(rest.tiles) == 10
    assert len(checkpoint.resume(world.plan).tiles) == 5


def test_clearing_removes_checkpoints_and_nothing_else(tmp_path: Path):
    """Results stay; checkpoints, and what a killed run was writing, go."""
    world, checkpoint = worlds.two_groups(), Checkpoint(tmp_path, interval_s=0)
    interrupted(world, checkpoint, 5)
    (tmp_path / "results.json").write_text("{}")
    checkpoint.clear()

    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    assert checkpoint.resume(world.plan) == Tally.zero(world.plan)


def test_counts_that_the_plan_does_not_declare_are_refused():
    """A run that lost a trial has no tally."""
    world = worlds.two_groups()

    def count(tile: Tile) -> np.ndarray:
        counts = world.counter.count(world.plan, tile)
        counts[0, 4] = 0
        return counts

    with pytest.raises(Conservation, match="do not use these counts"):
        sweep(world.plan, count)


@pytest.mark.parametrize("workers", [2, 3, 50])
def test_several_workers_end_in_the_same_tally(workers: int):
    """Tiles are added as they are done, each once, and progress is told of all."""
    world, told = worlds.two_groups(), []
    counter = Counter(world)

    assert sweep(world.plan, counter, advance=told.append, workers=workers) == world.tally
    assert sorted(counter.tiles) == world.plan.tiles()
    assert (told[0], sum(told), len(told)) == (0, 21, 1 + 10)


def test_no_more_tiles_are_begun_than_there_are_workers():
    """Three workers count three tiles at the same time, and never a fourth."""
    world, barrier = worlds.World(worlds.two_groups().templates, n_blocks=3), threading.Barrier(3, timeout=60)
    running, most = [0], [0]
    lock = threading.Lock()

    def count(tile: Tile) -> np.ndarray:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        # Six tiles, three at a time: both times all three workers are here together, or this raises.
        barrier.wait()
        with lock:
            running[0] -= 1
        return world.counter.count(world.plan, tile)

    assert sweep(world.plan, count, workers=3) == world.tally
    assert most == [3]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_what_several_workers_had_added_is_resumed(tmp_path: Path, error: type[BaseException]):
    """An error in a worker ends the sweep; what was added before it is in the checkpoint, and the rest is counted."""
    world, checkpoint = worlds.two_groups(), Checkpoint(tmp_path, interval_s=0)
    with pytest.raises(error):
        sweep(world.plan, Counter(world, stop_at=6, error=error()), checkpoint=checkpoint, workers=3)
    kept, rest = checkpoint.resume(world.plan), Counter(world)

    assert sweep(world.plan, rest, checkpoint=checkpoint, workers=3) == world.tally
    assert sorted(rest.tiles) == sorted(set(world.plan.tiles()) - kept.tiles)


def test_only_an_interruption_is_kept():
    """Ctrl-C keeps what there is and goes on upwards; an error does not pass off as counted."""
    kept = []
    with pytest.raises(KeyboardInterrupt), kept_on_exit(lambda: kept.append(1)):
        raise KeyboardInterrupt
    with pytest.raises(ValueError, match="wrong"), kept_on_exit(lambda: kept.append(2)):
        raise ValueError("wrong")

    assert kept == [1]


def test_work_is_kept_once_an_interval(monkeypatch: pytest.MonkeyPatch):
    """Two seconds: kept at 2, not at 3, kept at 4.5, not at 6.4, kept at 6.5."""
    now, kept = [0.0], []
    monkeypatch.setattr("frbench.counting.sweep.time.monotonic", lambda: now[0])
    with kept_on_exit(lambda: kept.append(now[0]), 2.0) as stepped:
        for now[0] in (0.0, 1.9, 2.0, 3.0, 4.5, 6.4, 6.5):
            stepped()

    assert kept == [2.0, 4.5, 6.5]
