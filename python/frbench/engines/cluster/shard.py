"""What one worker of a cluster does with the rows that it holds.

It counts those pairs of a rectangle whose gallery row is its own, and finds the best of its own rows: counts of all
shards add, and so do the rows above a score; candidates merge, and so do the rows that an index of each proposes.
"""

from __future__ import annotations

import hashlib
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench._rust import unit_rows
from frbench.engines import SETTLED, Engine, Rows, Subjects
from frbench.engines.cluster.parts import Parts
from frbench.engines.cluster.shard_index import Recipe, ShardIndex
from frbench.engines.hits import NO_HITS, Found, Hits, best, joined
from frbench.errors import InputError
from frbench.inputs import scratch, storage
from frbench.inputs.arrays import Floats, Floats32, Ints
from frbench.inputs.storage import Location, Numbers
from frbench.plan import Groups, Rectangle

Range = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Held:
    """Rows that a worker holds.

    digest : of its unit rows, as the program that asks has them. numbers : rows of the file, in the order of places.
    """

    location: Location
    numbers: tuple[Numbers, ...]
    dimension: int
    digest: str
    parts: Parts
    worker: int


@dataclass(frozen=True, eq=False)
class Block:
    """What a worker counts of a rectangle: the pairs whose gallery row it holds.

    where : ranges by place; groups of the probes that are sent, and of the worker's rows in the range, alone.
    subjects : of the same rows; None where they do not matter.
    """

    where: Rectangle
    subjects: Subjects | None = None

    @classmethod
    def of(cls, where: Rectangle, subjects: Subjects | None, parts: Parts, worker: int) -> Block:
        """The block of a worker; groups and subjects are those of all rows."""
        low, high = (parts.before(worker, place) for place in where.gallery)
        sent, own = slice(*where.probes), parts.places(worker, low, high)
        groups = where.probe_groups[sent], where.gallery_groups[own]
        return cls(
            replace(where, probe_groups=groups[0], gallery_groups=groups[1]),
            None if subjects is None else (subjects[0][sent], subjects[1][own]),
        )


@dataclass(frozen=True, eq=False)
class Answer:
    """What a worker found, and what it took.

    work : pairs that passed each screen, and those settled. seconds, cpu_s : at work, by the clock and by processors,
    reading apart. read_s : reading rows.
    peak_bytes : most memory that the worker has had so far.
    """

    value: Any
    work: Counter[str]
    seconds: float
    cpu_s: float
    read_s: float
    peak_bytes: int


class Shard:
    """The rows of one worker, read when they are first asked for."""

    def __init__(self, open_engine: Callable[[int], Engine], threads: int) -> None:
        self._engine = open_engine(threads)
        self._held: Held | None = None
        self._unit: Floats32 | None = None
        self._rows: Rows | None = None
        self._index: ShardIndex | None = None

    def count(self, held: Held, unit: Floats32, block: Block, edges: Floats) -> Answer:
        """(cells, t + 1) pairs of the block by cell and bin, as `engines.Rows.count`; value of an `Answer`."""

        def count(rows: Rows) -> NDArray[np.uint64]:
            counts = np.zeros((block.where.n_cells, len(edges) + 1), dtype=np.uint64)
            for probes, where in self._parts(rows, held, unit, block):
                counts += probes.count(rows, edges, where)
            return counts

        return self._answer(held, count)

    def tail(self, held: Held, unit: Floats32, block: Block, n: int, floors: Floats) -> Answer:
        """The best `n` pairs of each cell of the block, as `Hits` with places of both sides; value of an `Answer`."""

        def tail(rows: Rows) -> Hits:
            assert block.subjects is not None
            mine, theirs = block.subjects
            places, found = partial(held.parts.places_of, held.worker), [NO_HITS]
            theirs = _table(held, _own(held, block.where.gallery), theirs)
            for probes, where in self._parts(rows, held, unit, block):
                subjects = _of_probes(held, block, mine, where.probes, is_own=probes is rows), theirs
                hits = probes.tail(rows, n, floors, where, subjects)
                a = places(hits.a) if probes is rows else hits.a + block.where.probes[0]
                found.append(hits._replace(a=a, b=places(hits.b)))
            return best(joined(found), n)

        return self._answer(held, tail)

    def search(self, held: Held, unit: Floats32, k: int, floors: Floats32 | None) -> Answer:
        """What `engines.Rows.search` finds among own rows, by place; value of an `Answer`."""

        def search(rows: Rows) -> Found:
            found = rows.search(self._engine.rows(unit), min(k, len(rows)), floors=floors)
            return found._replace(rows=held.parts.places_of(held.worker, found.rows))

        return self._answer(held, search)

    def build(self, held: Held, recipe: Recipe) -> Answer:
        """What the index of own rows took, `Made`; value of an `Answer`."""
        return self._answer(held, lambda _: self._indexed(recipe).made)

    def propose(self, held: Held, recipe: Recipe, unit: Floats32, k: int, effort: int) -> Answer:
        """(m, w) places that the index of own rows proposes, w at most k and -1 for none; value of an `Answer`."""

        def propose(_: Rows) -> Ints:
            own = self._indexed(recipe).propose(unit, k, effort)
            return np.where(own < 0, -1, held.parts.places_of(held.worker, own))

        return self._answer(held, propose)

    def _indexed(self, recipe: Recipe) -> ShardIndex:
        """The index of the rows that are held, built unless the last call had it."""
        if self._index is None or self._index.digest != recipe.digest:
            assert self._unit is not None
            self._index = None
            self._index = ShardIndex(recipe, self._unit)
        return self._index

    def _answer(self, held: Held, work: Callable[[Rows], Any]) -> Answer:
        read_s = self._hold(held)
        assert self._rows is not None
        before, begin, cpu = self._work(), time.perf_counter(), time.process_time()
        value = work(self._rows)
        seconds, cpu_s = time.perf_counter() - begin, time.process_time() - cpu
        return Answer(value, self._work() - before, seconds, cpu_s, read_s, peak_bytes())

    def _hold(self, held: Held) -> float:
        """Reads the rows if they are others than those of the last call; seconds that it took."""
        if self._held is not None and self._held.digest == held.digest:
            return 0.0
        # The rows before go first: a worker has memory for one part.
        self._held = self._unit = self._rows = self._index = None
        begin = time.perf_counter()
        self._unit = read(held)
        self._rows = self._engine.rows(self._unit)
        self._held = held
        return time.perf_counter() - begin

    def _parts(self, rows: Rows, held: Held, unit: Floats32, block: Block) -> Iterator[tuple[Rows, Rectangle]]:
        """Rectangles that hold each pair of the block once, and probes of each: those sent, or rows of the shard."""
        sent, where = self._engine.rows(unit), block.where
        theirs = _table(held, _own(held, where.gallery), where.gallery_groups)
        for is_own, probes, gallery in _ranges(held, where):
            mine = _of_probes(held, block, where.probe_groups, probes, is_own=is_own)
            part = Rectangle(probes, gallery, is_own, mine, theirs, where.cells, where.n_cells)
            yield rows if is_own else sent, part

    def _work(self) -> Counter[str]:
        said = self._engine.describe()
        return Counter({**said.get("screened", {}), SETTLED: said.get(SETTLED, 0)})


def read(held: Held) -> Floats32:
    """The unit rows that are held.

    Raises
    ------
    InputError : the file cannot be read, or does not hold the rows that were asked for.
    """
    n = held.parts.size(held.worker)
    unit = scratch.matrix(n, held.dimension)
    for places, rows in storage.windows(held.location, held.numbers):
        if rows.shape[1] != held.dimension:
            raise InputError(f"{held.location.uri} has dimension {rows.shape[1]}, expected {held.dimension}")
        if held.location.is_unit:
            unit[places] = rows
            continue
        part = np.empty(rows.shape, np.float32)
        unit_rows(np.ascontiguousarray(rows, rows.dtype.newbyteorder("=")), part, 1)
        unit[places] = part
    if digest_of([unit]) != held.digest:
        raise InputError(f"{held.location.uri} holds other rows than this program was given; is it another file?")
    return unit


def digest_of(blocks: Sequence[Floats32] | Iterator[Floats32]) -> str:
    """Hexadecimal digest of rows that lie one block after another."""
    digest = hashlib.blake2b(digest_size=16)
    for block in blocks:
        digest.update(np.ascontiguousarray(block).reshape(-1).data)
    return digest.hexdigest()


def peak_bytes() -> int:
    """Most memory that this process has had."""
    # Linux counts in KiB, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _own(held: Held, places: Range) -> Range:
    """The rows of a worker that lie in a range of places."""
    low, high = (held.parts.before(held.worker, place) for place in places)
    return low, high


def _ranges(held: Held, where: Rectangle) -> Iterator[tuple[bool, Range, Range]]:
    """Rectangles whose gallery rows are a worker's: if probes are, too, and ranges of both; own pairs are upper ones.

    Probes that are not the worker's are numbered as they were sent.
    """
    begin, end = where.probes
    if not where.is_upper:
        yield False, (0, end - begin), _own(held, where.gallery)
        return

    def later(runs: Sequence[Range], first: int, last: int) -> Iterator[tuple[bool, Range, Range]]:
        """Pairs of probes at places from `first` to `last` and rows of these runs that come after them."""
        if not runs or first >= last:
            return
        half = len(runs) // 2
        # Where the later half of the runs begins: all of it comes after every probe before that.
        middle = runs[half][0]
        before = (first - begin, min(middle, last) - begin)
        if before[0] < before[1]:
            yield False, before, _own(held, (middle, runs[-1][1]))
        if half:
            yield from later(runs[:half], first, min(middle, last))
            yield from later(runs[half:], max(middle, first), last)
            return
        both = (max(middle, first), min(runs[0][1], last))
        if both[0] < both[1]:
            yield True, _own(held, both), _own(held, (both[0], runs[0][1]))

    yield from later(held.parts.runs(held.worker, *where.gallery), begin, end)


def _of_probes(held: Held, block: Block, values: Groups, probes: Range, *, is_own: bool) -> Groups:
    """`values` of the probes that were sent; of the worker's own rows among them, at their places in a table."""
    if not is_own:
        return values
    return _table(held, probes, values[held.parts.places(held.worker, *probes) - block.where.probes[0]])


def _table(held: Held, rows: Range, values: Groups) -> Groups:
    """`values` of a range of a worker's rows, at the places of a table of all of them."""
    table = np.zeros(held.parts.size(held.worker), np.uint32)
    table[slice(*rows)] = values
    return table
