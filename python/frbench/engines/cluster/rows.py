"""A gallery that the workers of a cluster hold, asked as if it lay here.

Workers read their parts from storage; probes travel to them, counts and candidates come back. Single pairs are scored
here, by the same definition: that takes less than to ask for it.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench.candidates import best_of
from frbench.engines import Engine, Rows, Subjects, described
from frbench.engines.cluster.parts import PIECE_BYTES, Parts
from frbench.engines.cluster.ray_workers import RayWorkers
from frbench.engines.cluster.shard import Answer, Block, Held, digest_of
from frbench.engines.hits import NO_HITS, Found, Hits, best, joined, require_rows
from frbench.errors import EngineUnavailable
from frbench.inputs.arrays import Floats, Floats32, Ints
from frbench.inputs.storage import Location, Stored, numbers_of
from frbench.plan import Rectangle
from frbench.templates import Templates

# Each with a piece of probes and the next.
TILES_AT_ONCE = 2
DIGEST_ROWS = 1 << 14
# Largest piece that stays where it was sent: there is room for it beside all that is on its way.
KEPT_BYTES = PIECE_BYTES // 4


class ClusterRows:
    """Rows `rows` of `unit`, all of them if None; workers can hold those that are `stored` somewhere."""

    def __init__(
        self, engine: ClusterEngine, unit: Floats32, rows: Ints | None = None, stored: Stored | None = None
    ) -> None:
        self._engine, self._unit, self._rows, self._stored = engine, unit, rows, stored
        self._dealing = threading.Lock()
        self._sent: tuple[tuple[int, int], Any] | None = None

    def __len__(self) -> int:
        return len(self._unit) if self._rows is None else len(self._rows)

    def count(self, gallery: ClusterRows, edges: Floats, where: Rectangle) -> NDArray[np.uint64]:
        """See `engines.Rows.count`."""
        counts = np.zeros((where.n_cells, len(edges) + 1), dtype=np.uint64)
        for answers in self._engine.workers.map("count", self._pieces(gallery, where, None, (edges,))):
            for answer in answers:
                counts += answer.value
            self._engine.note(answers)
        return counts

    def search(self, probes: ClusterRows, k: int, *, floors: Floats32 | None = None) -> Found:
        """See `engines.Rows.search`."""
        require_rows(k, len(self))
        found = Found.zeros(len(probes), k, has_floors=floors is not None)
        if not k or not len(probes):
            return found
        step, share = probes.rows_of_a_piece, self._engine.workers.share

        def pieces() -> Iterator[list[tuple[Any, ...]]]:
            for start in range(0, len(probes), step):
                part = slice(start, start + step)
                unit, limits = share(probes.take(part)), None if floors is None else floors[part]
                yield [(held, unit, k, limits) for held in self.held]

        answered = self._engine.workers.map("search", pieces())
        for start, answers in zip(range(0, len(probes), step), answered, strict=True):
            part = slice(start, start + step)
            scores, rows, above = zip(*(answer.value for answer in answers), strict=True)
            found.scores[part], found.rows[part] = best_of(
                np.concatenate(scores, axis=1), np.concatenate(rows, axis=1), k
            )
            if floors is not None:
                found.at_or_above[part] = sum(above)
            self._engine.note(answers)
        return found

    def tail(self, gallery: ClusterRows, n: int, floors: Floats, where: Rectangle, subjects: Subjects) -> Hits:
        """See `engines.Rows.tail`."""
        found = NO_HITS
        for answers in self._engine.workers.map("tail", self._pieces(gallery, where, subjects, (n, floors))):
            found = best(joined([found, *(answer.value for answer in answers)]), n)
            self._engine.note(answers)
        return found

    def score_pairs(self, other: ClusterRows, mine: Ints, theirs: Ints) -> Floats32:
        """See `engines.Rows.score_pairs`."""
        sides = [rows.packed_here(numbers) for rows, numbers in ((self, mine), (other, theirs))]
        (left, a), (right, b) = sides
        return left.score_pairs(right, a, b)

    @property
    def held(self) -> list[Any]:
        """What each worker is told that it holds, as arguments of calls."""
        with self._dealing:
            return self._held

    @cached_property
    def parts(self) -> Parts:
        """Which rows are whose."""
        return Parts.of(len(self), self._engine.workers.n)

    @property
    def rows_of_a_piece(self) -> int:
        """Rows that travel together."""
        return max(1, PIECE_BYTES // self._unit[:1].nbytes)

    def take(self, places: slice | Ints) -> Floats32:
        """Unit rows at these places."""
        taken = self._unit[places if self._rows is None else self._rows[places]]
        return np.ascontiguousarray(taken)

    def packed_here(self, places: Ints) -> tuple[Rows, Ints]:
        """Rows at these places, packed on this machine, each once; and the places among them."""
        used, at = np.unique(places, return_inverse=True)
        return self._engine.here.rows(self.take(used)), at.astype(np.int64)

    @cached_property
    def _held(self) -> list[Any]:
        if self._stored is None:
            raise EngineUnavailable("workers read a gallery from a file, and these rows are not from one; load them")
        return [self._engine.workers.share(self._held_by(worker, self._stored)) for worker in range(self.parts.workers)]

    def _held_by(self, worker: int, stored: Stored) -> Held:
        places = self.parts.places(worker)
        blocks = (self.take(places[start : start + DIGEST_ROWS]) for start in range(0, len(places), DIGEST_ROWS))
        runs = (np.arange(*run) for run in self.parts.runs(worker, 0, len(self)))
        return Held(
            location=self._engine.located(stored.location),
            numbers=tuple(numbers_of(run if stored.rows is None else stored.rows[run]) for run in runs),
            dimension=self._unit.shape[1],
            digest=digest_of(blocks),
            parts=self.parts,
            worker=worker,
        )

    def _piece(self, start: int, stop: int) -> Any:
        """Rows at these places as an argument of calls, sent once for tiles that follow each other with them."""
        share = self._engine.workers.share
        if (stop - start) * self._unit[:1].nbytes > KEPT_BYTES:
            return share(self.take(slice(start, stop)))
        with self._dealing:
            if self._sent is None or self._sent[0] != (start, stop):
                self._sent = (start, stop), share(self.take(slice(start, stop)))
            return self._sent[1]

    def _pieces(
        self, gallery: ClusterRows, where: Rectangle, subjects: Subjects | None, more: tuple[Any, ...]
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Arguments of a call for each worker, probes after probes."""
        if where.is_upper and self is not gallery:
            raise ValueError(
                "rows come after each other within one gallery only: `is_upper` needs the same rows on both sides"
            )
        begin, end = where.probes
        for start in range(begin, end, self.rows_of_a_piece):
            probes = start, min(end, start + self.rows_of_a_piece)
            unit, piece = self._piece(*probes), replace(where, probes=probes)
            yield [
                (held, unit, Block.of(piece, subjects, gallery.parts, worker), *more)
                for worker, held in enumerate(gallery.held)
            ]


class ClusterEngine:
    """Exact counting and searching by workers that each hold a part of the gallery.

    here : what scores single pairs on this machine; its name and settings are those of the workers' engines.
    folder : path or URI of the folder in which workers find the files; None if they find them where this program does.
    """

    parallel = TILES_AT_ONCE

    def __init__(self, workers: RayWorkers, here: Engine, *, folder: str | None = None) -> None:
        self.workers, self.here = workers, here
        self.name = here.name
        self._folder = folder
        self._noting = threading.Lock()
        self._work: Counter[str] = Counter()
        self._seconds: defaultdict[tuple[int, str], float] = defaultdict(float)
        self._peak_bytes: dict[int, int] = {}

    def rows(self, unit: Floats32) -> ClusterRows:
        """`unit` (n, d) as probes: they travel."""
        return ClusterRows(self, unit)

    def rows_of(self, templates: Templates, numbers: Ints) -> ClusterRows:
        """Rows of templates, which workers read from the file that they came from."""
        stored = None if templates.stored is None else templates.stored.take(numbers)
        return ClusterRows(self, templates.unit, numbers, stored)

    def located(self, location: Location) -> Location:
        """Where workers find a file of this program."""
        return location if self._folder is None else location.within(self._folder)

    def describe(self) -> Mapping[str, Any]:
        """The workers' engine, what each of them took, why some were lost, and the screens that pairs passed."""
        workers = [
            {
                **{kind: round(self._seconds[worker, kind], 3) for kind in ("busy_s", "cpu_s", "read_s")},
                "peak_bytes": self._peak_bytes.get(worker),
            }
            for worker in range(self.workers.n)
        ]
        return {
            **self.here.describe(),
            **self.workers.describe(),
            "storage": self._folder,
            "workers": workers,
            "lost_workers": list(self.workers.lost),
            **described(self._work),
        }

    def note(self, answers: Sequence[Answer]) -> None:
        """Remembers who did the work, and how."""
        with self._noting:
            for worker, answer in enumerate(answers):
                self._work += answer.work
                self._seconds[worker, "busy_s"] += answer.seconds
                self._seconds[worker, "cpu_s"] += answer.cpu_s
                self._seconds[worker, "read_s"] += answer.read_s
                self._peak_bytes[worker] = max(self._peak_bytes.get(worker, 0), answer.peak_bytes)

    def close(self) -> None:
        """Ends the workers."""
        self.workers.close()
