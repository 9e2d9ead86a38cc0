"""Rows of two slabs that meet on a device, and everything there that a count, a search or a tail stands on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from frbench.engines.gpu.arrays import Array, Arrays, Side
from frbench.engines.gpu.packing import Centre
from frbench.engines.gpu.residence import Held, Residence, Slab
from frbench.engines.gpu.screening import Screening
from frbench.plan import Groups, Rectangle


@dataclass(frozen=True, eq=False)
class Meeting:
    """Rows of two slabs, one of probes and one of a gallery, and where they begin among all.

    shift : only pairs with row > probe + shift, by place in the two; None for all.
    """

    probes: Slab
    gallery: Slab
    probe_part: tuple[int, int]
    gallery_part: tuple[int, int]
    shift: int | None

    @property
    def first_probe(self) -> int:
        """Number of the first probe."""
        return self.probes.start + self.probe_part[0]

    @property
    def first_row(self) -> int:
        """Number of the first row of the gallery."""
        return self.gallery.start + self.gallery_part[0]

    @property
    def n_probes(self) -> int:
        """Probes that meet."""
        return self.probe_part[1] - self.probe_part[0]

    @property
    def n_rows(self) -> int:
        """Rows of the gallery that meet them."""
        return self.gallery_part[1] - self.gallery_part[0]

    def of_probes(self, values: Groups) -> Groups:
        """`values` of all probes, of those that meet."""
        return values[self.first_probe : self.first_probe + self.n_probes]

    def of_rows(self, values: Groups) -> Groups:
        """`values` of all rows of the gallery, of those that meet."""
        return values[self.first_row : self.first_row + self.n_rows]

    @property
    def probe_floats(self) -> Array:
        """(m, d) unit rows of the probes."""
        return self.probes.floats[slice(*self.probe_part)]

    @property
    def gallery_floats(self) -> Array:
        """(n, d) unit rows of the gallery."""
        return self.gallery.floats[slice(*self.gallery_part)]

    def sides(self, centre: Centre, limits: Array, arrays: Arrays) -> tuple[Side, Side]:
        """Both sides of a sieve, packed about the gallery's centre, whose probes need `limits` (m,) float32."""
        mine = self.probes.packed(centre).part(*self.probe_part)
        theirs = self.gallery.packed(centre).part(*self.gallery_part)
        return mine.as_probes(limits, arrays), theirs.as_gallery(arrays)


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
        for theirs, *gallery_part in self.on.residence.slabs(self.gallery, gallery):
            for mine, *probe_part in self.on.residence.slabs(self.probes, probes):
                first_probe, first_row = mine.start + probe_part[0], theirs.start + gallery_part[0]
                if is_upper and theirs.start + gallery_part[1] - 1 <= first_probe:
                    continue
                shift = first_probe - first_row if is_upper else None
                yield Meeting(mine, theirs, (probe_part[0], probe_part[1]), (gallery_part[0], gallery_part[1]), shift)


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
        numbers = meeting.of_probes(where.probe_groups), meeting.of_rows(where.gallery_groups), where.cells.ravel()
        a, b, cells = (arrays.put(each.astype(np.int64)) for each in numbers)
        return cls(a, b, cells, where.cells.shape[1])

    def cell(self, probe: Array, row: Array) -> Array:
        """Cells of pairs, by place in the meeting; shapes as those of `probe + row`."""
        return self.cells[self.mine[probe] * self.n_groups + self.theirs[row]]
