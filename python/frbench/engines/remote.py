"""The engine of grpc:// addresses: `frbench serve` on one machine or several, each counting what the others do not.

Servers are lent the rows for as long as the program runs. Single pairs are scored here, by the same definition: that
takes less than to ask for it.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frbench.engines import SETTLED, Subjects, described
from frbench.engines.cpu import CpuEngine, CpuRows
from frbench.engines.hits import NO_HITS, Found, Hits, require_rows
from frbench.engines.servers import Lent, Server, Servers
from frbench.inputs.arrays import Floats, Floats32, Ints
from frbench.plan import Rectangle
from frbench.service import wire
from frbench.service.client import DEFAULT_TIMEOUT_S
from frbench.service.credentials import ANYBODY, Credentials

# Most probe and gallery rows of one call: 2^33 pairs, seconds of work, and a mebibyte of groups.
PROBES_A_CALL = 1 << 15
GALLERY_A_CALL = 1 << 18
# Most probes and candidates of one search.
PROBES_A_SEARCH = 1024
CANDIDATES_A_SEARCH = 1 << 20
CASE = "frbench benchmark"


class RemoteRows:
    """Unit rows that servers are lent when they are first asked for something."""

    def __init__(self, unit: Floats32, engine: RemoteEngine) -> None:
        self.unit = np.ascontiguousarray(unit)
        self._engine = engine

    def __len__(self) -> int:
        return len(self.unit)

    @cached_property
    def lent(self) -> Lent:
        """The rows under a name that says what they are, and whose."""
        digest = hashlib.blake2b(
            self.unit.reshape(-1).data, digest_size=16, person=str(self.unit.shape[1]).encode()
        ).hexdigest()
        return Lent(f"lent-{digest}-{self._engine.session}", self.unit)

    @cached_property
    def _here(self) -> CpuRows:
        return self._engine.here.rows(self.unit)

    def count(self, gallery: RemoteRows, edges: Floats, where: Rectangle) -> NDArray[np.uint64]:
        """See `engines.Rows.count`."""

        def count(piece: Rectangle, server: Server, names: Sequence[str]) -> wire.Counted:
            counted = server.client.count_tile(
                self.lent.name, probes=names[0], gallery=names[1], edges=edges, where=piece
            )
            self._engine.did(server, "tiles", 1)
            return counted

        counts = np.zeros((where.n_cells, len(edges) + 1), dtype=np.uint64)
        pieces = [partial(count, piece) for piece in _pieces(where)]
        for counted in self._engine.servers.map(pieces, (self.lent, gallery.lent)) if pieces else ():
            counts += counted.counts
            self._engine.note(counted)
        return counts

    def search(self, probes: RemoteRows, k: int, *, floors: Floats32 | None = None) -> Found:
        """See `engines.Rows.search`."""
        require_rows(k, len(self))

        def search(start: int, server: Server, names: Sequence[str]) -> wire.Found:
            part = slice(start, start + step)
            found = server.client.search(
                names[0],
                probes.unit[part],
                k,
                floors=None if floors is None else floors[part],
                rows_only=True,
                case_reference=CASE,
                is_unit=True,
            )
            self._engine.did(server, "searches", len(found.candidates))
            return found

        found = Found.zeros(len(probes), k, has_floors=floors is not None)
        if not k or not len(probes):
            return found
        step = self._engine.probes_of_a_search(len(probes), k)
        parts = [partial(search, start) for start in range(0, len(probes), step)]
        answers = (each for part in self._engine.servers.map(parts, (self.lent,)) for each in part.candidates)
        for i, each in enumerate(answers):
            found.scores[i], found.rows[i] = each.scores, each.rows
            if floors is not None:
                found.at_or_above[i] = each.at_or_above or 0
        return found

    def tail(self, gallery: RemoteRows, n: int, floors: Floats, where: Rectangle, subjects: Subjects) -> Hits:
        """See `engines.Rows.tail`."""
        if not n or _is_empty(where):
            return NO_HITS

        def tail(server: Server, names: Sequence[str]) -> wire.Kept:
            kept = server.client.find_tail(
                self.lent.name, probes=names[0], gallery=names[1], n=n, floors=floors, where=where, subjects=subjects
            )
            self._engine.did(server, "tails", 1)
            return kept

        kept = self._engine.servers.run(tail, (self.lent, gallery.lent))
        return Hits(kept.cells, kept.scores, kept.probe_places, kept.gallery_places)

    def score_pairs(self, other: RemoteRows, mine: Ints, theirs: Ints) -> Floats32:
        """See `engines.Rows.score_pairs`."""
        return self._here.score_pairs(other._here, mine, theirs)


class RemoteEngine:
    """Exact counting and searching by one server or several.

    Parameters
    ----------
    targets : grpc://HOST:PORT or grpcs://HOST:PORT.
    threads : those that score single pairs here; 0 uses every processor that this process may run on.
    timeout_s : seconds that a call may take before its server is set aside.

    Raises
    ------
    EngineUnavailable : none of the servers can be reached.
    InputError : a target is no address, or its server refuses the caller.
    """

    name = "grpc"

    def __init__(
        self,
        targets: Sequence[str],
        *,
        credentials: Credentials = ANYBODY,
        threads: int = 0,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        self.here = CpuEngine(threads=threads)
        self.session = secrets.token_hex(4)
        self.servers = Servers(targets, credentials=credentials, timeout_s=timeout_s)
        self._work: Counter[str] = Counter()
        self._noting = threading.Lock()

    @property
    def parallel(self) -> int:
        """Tiles that may be counted at the same time."""
        return self.servers.at_once

    def rows(self, unit: Floats32) -> RemoteRows:
        """`unit` (n, d), sent to servers when they are first asked."""
        return RemoteRows(unit, self)

    def close(self) -> None:
        """Takes back what servers were lent."""
        self.servers.close()

    def describe(self) -> Mapping[str, Any]:
        """Each server and its share of the work, why servers were lost, and the screens that pairs passed."""
        known = [server.info for server in self.servers.all if server.info]
        return {
            "engine": self.name,
            "isa": ", ".join(sorted({info.kernel for info in known})),
            "threads": sum(info.threads for info in known),
            "servers": [_described(server) for server in self.servers.all],
            "lost": [reason for server in self.servers.all for reason in server.lost],
            **described(self._work),
        }

    def did(self, server: Server, what: str, n: int) -> None:
        """Remembers who did the work."""
        with self._noting:
            server.done[what] += n

    def note(self, counted: wire.Counted) -> None:
        """Remembers how counts were come by."""
        with self._noting:
            self._work[counted.strategy] += int(counted.counts.sum())
            self._work[SETTLED] += counted.settled

    def probes_of_a_search(self, n: int, k: int) -> int:
        """Probes of each call, so that every server has some of `n` and none more than it allows."""
        limits = [server.info.limits for server in self.servers.all if server.info]
        most = min(PROBES_A_SEARCH, CANDIDATES_A_SEARCH // k, *(limit.probes for limit in limits))
        return max(1, min(most, -(-n // self.parallel)))


def _described(server: Server) -> dict[str, Any]:
    info = server.info
    known = {} if info is None else {"version": info.version, "kernel": info.kernel, "threads": info.threads}
    return {"target": server.client.target} | known | dict(server.done)


def _pieces(whole: Rectangle) -> Iterator[Rectangle]:
    """Parts of a rectangle that hold each of its pairs once, and are small enough for a call each."""
    for probes in _ranges(whole.probes, PROBES_A_CALL):
        for gallery in _ranges(whole.gallery, GALLERY_A_CALL):
            piece = replace(whole, probes=probes, gallery=gallery)
            if not _is_empty(piece):
                yield piece


def _ranges(whole: tuple[int, int], step: int) -> Iterator[tuple[int, int]]:
    begin, end = whole
    return ((start, min(start + step, end)) for start in range(begin, end, step))


def _is_empty(part: Rectangle) -> bool:
    (a, b), (c, d) = part.probes, part.gallery
    return a >= b or c >= d or (part.is_upper and d <= a + 1)
