"""Rows of two slabs that meet on a device, and everything there that a count, a search or a tail stands on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from frbench.engines.gpu.arrays import Array, Arrays, Side
from frbench.engines.gpu.packing import Centre
from frbench.engines.gpu.residence import Held, Part, Residence
from frbench.engines.gpu.screening import Screening
from frbench.plan import Rectangle


@dataclass(frozen=True, eq=False)
class Meeting:
    """Rows of two slabs, one of probes and one of a gallery.

    shift : only pairs with row > probe + shift, by place in the two; None for all.
    """

    probes: Part
    gallery: Part
    shift: int | None

    def sides(self, centre: Centre, limits: Array, arrays: Arrays) -> tuple[Side, Side]:
        """Both sides of a sieve, packed about the gallery's centre, whose probes need `limits` (m,) float32."""
        mine, theirs = self.probes.packed(centre), self.gallery.packed(centre)
        return mine.as_probes(limits, arrays), theirs.as_gallery(arrays)

    def scores(self, probe: Array, row: Array, arrays: Arrays) -> Array:
        """Scores of pairs, by place in the two, by the definition."""
        return arrays.scores(self.probes.floats, self.gallery.floats, probe, row)


class Device:
    """A GPU, the rows that lie on it, and the room that its sieves have."""

    def __init__(self, arrays: Arrays, capacity: int, most_bytes: int | None) -> None:
        self.arrays = arrays
        self.residence = Residence(arrays, most_bytes)
        self.screening = Screening(arrays, capacity)


@dataclass(frozen=True, eq=False)
class Work:
    """What is to be done on one device with rows of both sides."""

    on: Device
    probes: Held
    gallery: Held

    @property
    def arrays(self) -> Arrays:
        """The arrays of the device."""
        return self.on.arrays

    def meetings(self, probes: tuple[int, int], gallery: tuple[int, int], *, is_upper: bool) -> Iterator[Meeting]:
        """Every slab of the gallery with every slab of the probes, if it has a wanted pair; the gallery's slowest."""
        for theirs in self.on.residence.slabs(self.gallery, gallery):
            for mine in self.on.residence.slabs(self.probes, probes):
                if not is_upper or theirs.first + theirs.n - 1 > mine.first:
                    yield Meeting(mine, theirs, mine.first - theirs.first if is_upper else None)


@dataclass(frozen=True, eq=False)
class Places:
    """Where the counts of a pair's cell begin, looked up on a device.

    mine, theirs : groups of the rows of a meeting.
    """

    mine: Array
    theirs: Array
    cells: Array
    n_groups: int

    @classmethod
    def of(cls, where: Rectangle, meeting: Meeting, arrays: Arrays) -> Places:
        """Those of a meeting."""
        numbers = meeting.probes.of(where.probe_groups), meeting.gallery.of(where.gallery_groups), where.cells.ravel()
        a, b, cells = (arrays.put(each.astype(np.int64)) for each in numbers)
        return cls(a, b, cells, where.cells.shape[1])

    def cell(self, probe: Array, row: Array) -> Array:
        """Cells of pairs, by place in the meeting; shapes as those of `probe + row`."""
        return self.cells[self.mine[probe] * self.n_groups + self.theirs[row]]
