"""Predicts memory, workers, hours and price of a run by arithmetic from measured rates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import ceil

from frbench.choices import DEFAULT_BLOCKS
from frbench.engines.cluster.parts import PIECE_BYTES, STORE_BYTES
from frbench.engines.cluster.runners import GIB, WORKER_BYTES
from frbench.errors import InputError
from frbench.inputs import scratch
from frbench.planning.hardware import Hardware

# Part of a machine's memory that workers may fill.
SHARE_OF_MEMORY = 0.8
# Pieces of probes that a worker has had before the first of them are set free.
PIECES_KEPT = 8
# A piece of probes and half as much of the gallery, three bytes for four, while a worker counts 1:1: see rust/fine.rs.
LAID_OUT_OF_PIECE = 9 / 8
# Integers of a row are filled up to a multiple of this; four numbers of four bytes stand beside them.
STEP = 64
BESIDE_BYTES = 16
# Places and numbers of rows while they are read.
PLACES_BYTES = 24
# Ids, subjects and a label of a row in the program that hands out the work, at most: 92 were measured while a plan is
# made, with fifteen bytes or fewer each. A longer text takes its bytes besides, another label sixteen.
LABEL_BYTES = 100
# Of hnswlib beside vectors, links and what is saved with them: a lock of 40 bytes, an entry of a table of labels, a
# pointer, a mark of what was visited, and what allocation rounds up.
HNSW_HEAP_BYTES = 110

ASSUMED = (
    "rates fall as the dimension grows; machines are alike and do nothing else",
    "settled pairs are those of the gallery that was measured: a larger one reaches higher and settles fewer",
    "the program that hands out the work reads and checks every row once itself, before workers begin",
    "float rows are kept in memory where they take up to a quarter of a machine's, else on its disk, which keeps up",
)
ASSUMED_OF_PAIRS = "pairs, 1:1, are counted as fast as they are searched: on an axis that begins above most scores"
ASSUMED_OF_INDEXES = "indexes take memory alone: hours are those of the exact search beside them"


@dataclass(frozen=True)
class Sizing:
    """A search of `probes` in `gallery` rows by machines of `hardware`; probes None: all pairs of the gallery, 1:1.

    k : length of candidate lists. hnsw_links : M of the index of hnswlib that each worker has of its rows, or None.
    """

    gallery: int
    probes: int | None
    dimension: int
    hardware: Hardware
    k: int = 50
    hnsw_links: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("gallery", self.gallery), ("probes", self.probes), ("dimension", self.dimension)):
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}, expected 1 or more")

    @property
    def assumed(self) -> tuple[str, ...]:
        """Assumptions of the figures, in sentences."""
        of_pairs = (ASSUMED_OF_PAIRS,) if self.probes is None else ()
        of_indexes = () if self.hnsw_links is None else (ASSUMED_OF_INDEXES,)
        return (*ASSUMED, *of_pairs, *of_indexes)

    @property
    def pairs(self) -> int:
        """Comparisons, failed templates aside."""
        return self.gallery * (self.gallery - 1) // 2 if self.probes is None else self.gallery * self.probes

    @cached_property
    def machines(self) -> int:
        """Machines: those that there are, or as few as hold the gallery.

        Raises
        ------
        InputError : there are too few, or none of them could hold a worker.
        """
        there = self.hardware.machines
        if there is not None and self.fits(there):
            return there
        needed = next((machines for machines in self._candidates() if self.fits(machines)), None)
        if needed is None:
            raise InputError(
                f"a machine of {self.hardware.memory_gib:g} GiB has no room for {self.hardware.workers} workers of "
                f"{self._bare_bytes / GIB:.2f} GiB each; plan with fewer workers on a machine, or with larger ones"
            )
        if there is not None:
            raise InputError(
                f"{self.gallery:,} rows of dimension {self.dimension} need {needed:,} machines of "
                f"{self.hardware.memory_gib:g} GiB, the hardware file names {there:,}; plan with more or larger ones"
            )
        return needed

    @property
    def workers(self) -> int:
        """Workers, each with a part of the gallery."""
        return self.machines * self.hardware.workers

    @property
    def rows_of_worker(self) -> int:
        """Most rows that a worker holds."""
        return self._rows_of_worker(self.machines)

    @property
    def worker_bytes(self) -> int:
        """Most memory that a worker needs."""
        return self._worker_bytes(self.machines)

    @property
    def index_bytes(self) -> int:
        """Memory of a worker for its index, which is part of `worker_bytes`."""
        return self.rows_of_worker * self._index_row_bytes

    @property
    def disk_bytes(self) -> int:
        """Disk that a worker needs for float rows; 0 where they are in memory."""
        return 0 if self._has_floats_in_memory(self.machines) else 4 * self.dimension * self.rows_of_worker

    @property
    def program_bytes(self) -> int:
        """Memory for labels in the program that hands out the work, about; float rows of its own are mapped."""
        return LABEL_BYTES * (self.gallery + (self.probes or 0))

    @property
    def settled(self) -> float | None:
        """Pairs that the definition settles; None if their share was not measured."""
        share = self.hardware.settled_share
        return None if share is None else share * self.pairs

    @property
    def prepare_s(self) -> float:
        """Seconds in which the program reads and checks all rows and their labels."""
        rows, rate = self.gallery + (self.probes or 0), self.hardware.labels_prepared_per_s
        return rows * self._slower / self.hardware.rows_prepared_per_s + (0.0 if rate is None else rows / rate)

    @property
    def read_s(self) -> float:
        """Seconds in which workers read their rows."""
        return self.rows_of_worker * self._slower / self.hardware.rows_read_per_s

    @property
    def calls(self) -> int:
        """Searches that each worker is asked for: one a block of probes, or more if it is sent in pieces."""
        if self.probes is None:
            return ceil(4 * self.dimension * self.gallery / PIECE_BYTES)
        return max(min(DEFAULT_BLOCKS, self.probes), ceil(4 * self.dimension * self.probes / PIECE_BYTES))

    @property
    def compare_s(self) -> float:
        """Seconds of comparisons: of pairs, of going through all rows in each call, and of each list."""
        hardware = self.hardware
        pairs = self.pairs / self.workers / hardware.comparisons_per_s
        passes = 0.0 if hardware.rows_passed_per_s is None else self.rows_of_worker / hardware.rows_passed_per_s
        lists = 0.0 if hardware.lists_per_s is None else (self.probes or 0) / hardware.lists_per_s
        return (pairs + self.calls * passes + lists) * self._slower

    @property
    def merge_s(self) -> float:
        """Seconds in which candidates of all workers are merged; 1:1 has none."""
        return (self.probes or 0) * self.k * self.workers / self.hardware.candidates_merged_per_s

    @property
    def travel_s(self) -> float | None:
        """Seconds in which probes are sent to every machine; None if the rate of the network is not known."""
        rate = self.hardware.network_bytes_per_s
        sent = 4 * self.dimension * (self.gallery if self.probes is None else self.probes)
        return None if rate is None else sent / rate

    @property
    def storage_s(self) -> float | None:
        """Seconds in which rows come from storage; None if its rate is not known.

        The program goes through all rows twice, once for the checksum of the file; then each worker through its own.
        A file that half of a machine's memory holds comes once to each machine.
        """
        rate = self.hardware.storage_bytes_per_s
        all_bytes = 4 * self.dimension * (self.gallery + (self.probes or 0))
        own_bytes = 4 * self.dimension * self.rows_of_worker * self.hardware.workers
        if all_bytes <= self.hardware.memory_gib * GIB / 2:
            needed = all_bytes if self.machines == 1 else all_bytes + own_bytes
        else:
            needed = 2 * all_bytes + own_bytes
        return None if rate is None else needed / rate

    @property
    def hours(self) -> float:
        """Hours from start to end."""
        known = self.prepare_s + self.read_s + self.compare_s + self.merge_s
        return (known + (self.storage_s or 0.0) + (self.travel_s or 0.0)) / 3600

    @property
    def price(self) -> float | None:
        """Price of all machines for these hours; None without a price."""
        price = self.hardware.price_per_hour
        return None if price is None else price * self.machines * self.hours

    def fits(self, machines: int) -> bool:
        """Whether so many machines hold the gallery."""
        return self.hardware.workers * self._worker_bytes(machines) <= self._room

    @property
    def _bare_bytes(self) -> int:
        """Memory of a worker beside its rows. What it is sent lies in memory that workers of a machine share."""
        sent = self.gallery if self.probes is None else self.probes
        piece = min(PIECE_BYTES, 4 * self.dimension * ceil(sent / DEFAULT_BLOCKS))
        laid_out = ceil(LAID_OUT_OF_PIECE * piece) if self.probes is None else 0
        return WORKER_BYTES + min(STORE_BYTES, PIECES_KEPT * piece) + laid_out

    @property
    def _slower(self) -> float:
        return self.dimension / self.hardware.dimension

    @property
    def _room(self) -> float:
        return SHARE_OF_MEMORY * self.hardware.memory_gib * GIB

    @property
    def _index_row_bytes(self) -> int:
        links = self.hnsw_links
        return 0 if links is None else ceil(hnsw_saved_bytes(self.dimension, links)) + HNSW_HEAP_BYTES

    def _candidates(self) -> Iterator[int]:
        """Fewest machines with float rows on disk, and with float rows in memory."""
        packed = packed_bytes(self.dimension)
        for row in (packed, 4 * self.dimension + packed, 4 * self.dimension + packed + PLACES_BYTES):
            left = self._room - self.hardware.workers * self._bare_bytes
            if left > 0:
                least = ceil(self.gallery * (row + self._index_row_bytes) / left)
                # Rows are dealt out whole, so that the next number may be the first that is enough.
                yield from (max(1, least), least + 1)

    def _rows_of_worker(self, machines: int) -> int:
        return ceil(self.gallery / (machines * self.hardware.workers))

    def _has_floats_in_memory(self, machines: int) -> bool:
        floats = 4 * self.dimension * self._rows_of_worker(machines)
        return floats <= scratch.SHARE_OF_MEMORY * self.hardware.memory_gib * GIB

    def _worker_bytes(self, machines: int) -> int:
        rows = self._rows_of_worker(machines)
        floats = 4 * self.dimension * self._has_floats_in_memory(machines)
        row = floats + max(packed_bytes(self.dimension), PLACES_BYTES) + self._index_row_bytes
        return self._bare_bytes + rows * row


def packed_bytes(dimension: int) -> int:
    """Most bytes of a packed row."""
    return -(-dimension // STEP) * STEP + BESIDE_BYTES


def hnsw_saved_bytes(dimension: int, links: int) -> float:
    """Mean bytes of a row in a saved index of hnswlib.

    Its vector and number, two times `links` neighbours of the lowest level, and `links` of each level above it, where
    one row of `links` goes on from each level to the next. Numbers and lengths of lists take four bytes, the row's own
    number eight.

    Source: Malkov & Yashunin (2018), IEEE TPAMI 42, 824, with levels drawn at 1 / ln(M).
    """
    lowest = 4 * (2 * links + 1)
    above = 4 * (links + 1) / (links - 1)
    return 4 * dimension + 8 + lowest + 4 + above
