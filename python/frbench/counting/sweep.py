"""Counts the tiles of a plan and adds what comes back, with checkpoints, progress and resume.

A checkpoint is the tally so far. It is written beside and renamed, so a run killed at any moment finds the last one
whole, counts the tiles that are missing, and ends in the same tally, bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

from frbench import files
from frbench.errors import FormatError, InputError
from frbench.inputs.arrays import Advance
from frbench.plan import Plan, Tile
from frbench.tally import Ledger, Tally

Count = Callable[[Tile], NDArray[Any]]
Kept = TypeVar("Kept")
DEFAULT_INTERVAL_S = 2.0


class Progress(Protocol):
    """Shows how far a step is, and what is waited for."""

    def step(self, title: str, total: int, unit: str) -> Any:
        """A context manager whose value is told every amount done."""

    def wait(self, what: str) -> Any:
        """A context manager in which something is waited for that says nothing until it is there."""


@dataclass(frozen=True)
class Checkpoint:
    """Where a run keeps what it has counted.

    interval_s : seconds between two writes; 0 writes after every tile.
    fresh : forget what an earlier run left.
    """

    directory: Path
    interval_s: float = DEFAULT_INTERVAL_S
    fresh: bool = False
    _used: set[Path] = field(default_factory=set, repr=False)

    def __post_init__(self) -> None:
        if not self.interval_s >= 0:
            raise InputError(f"interval between checkpoints is {self.interval_s} s, expected 0 or more")

    def path(self, digest: str) -> Path:
        """File of the work with this digest."""
        path = self.directory / f".{digest}.partial"
        self._used.add(path)
        return path

    def read(self, digest: str, load: Callable[[Path], Kept]) -> Kept | None:
        """What an earlier run of the work with this digest kept; None if it kept nothing or its file is damaged."""
        path = self.path(digest)
        if self.fresh or not path.exists():
            return None
        try:
            return load(path)
        except FormatError:
            return None

    def resume(self, plan: Plan) -> Tally:
        """What an earlier run of the same plan counted, or the tally of nothing."""
        tally = self.read(plan.digest, files.load_tally)
        return tally if tally is not None and tally.plan.digest == plan.digest else Tally.zero(plan)

    def clear(self) -> None:
        """Removes the checkpoints of this work, now that it is finished; those of other work stay."""
        files.remove(self._used)
        files.remove_torn(self.directory)


def sweep(
    plan: Plan,
    count: Count,
    *,
    checkpoint: Checkpoint | None = None,
    advance: Advance = lambda _: None,
    workers: int = 1,
) -> Tally:
    """The tally of every tile of `plan`, resumed from the checkpoint if there is one.

    Parameters
    ----------
    count : (cells, bins) counts of a tile.
    advance : told the number of trials that a tile added; those of a resumed tally first.
    workers : tiles that are counted at the same time, in threads of their own if they are several.

    Raises
    ------
    Conservation : the counts are not those that the plan declares.
    """
    begun = checkpoint.resume(plan) if checkpoint else Tally.zero(plan)
    ledger = Ledger(begun)
    advance(int(begun.total.sum()))

    def keep() -> None:
        if checkpoint and ledger.tiles - begun.tiles:
            files.save_tally(ledger.tally(), checkpoint.path(plan.digest))

    with kept_on_exit(keep, checkpoint.interval_s if checkpoint else math.inf) as stepped:
        missing = [tile for tile in plan.tiles() if tile not in begun.tiles]
        for tile, counts in _counted(count, missing, workers):
            ledger.add(tile, counts)
            advance(int(counts.sum()))
            stepped()
    return ledger.tally().check()


def _counted(count: Count, tiles: Iterable[Tile], workers: int) -> Iterator[tuple[Tile, NDArray[Any]]]:
    """Tiles with their counts: in their order by one worker, by several as they are done."""
    if workers == 1:
        for tile in tiles:
            yield tile, count(tile)
        return
    threads = ThreadPoolExecutor(workers, thread_name_prefix="frbench-tile")
    waiting, running = iter(tiles), dict[Future[NDArray[Any]], Tile]()
    try:
        while True:
            # No more are begun than there are workers: what is counted and not yet added is lost by an interruption.
            running |= {threads.submit(count, tile): tile for tile in islice(waiting, workers - len(running))}
            if not running:
                return
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(done), done.result()
    finally:
        # Nobody adds what is still being counted when the work is interrupted, so nobody waits for it.
        threads.shutdown(wait=False, cancel_futures=True)


@contextmanager
def kept_on_exit(keep: Callable[[], None], interval_s: float = math.inf) -> Iterator[Callable[[], None]]:
    """A function to call after every step, which calls `keep` when `interval_s` have passed since it last did.

    `keep` is also called when the work inside is interrupted, so that nothing counted is lost.
    """
    last = time.monotonic()

    def stepped() -> None:
        nonlocal last
        if (now := time.monotonic()) - last >= interval_s:
            last = now
            keep()

    try:
        yield stepped
    except KeyboardInterrupt:
        keep()
        raise
