"""Rectangle: pairs of rows by range and by group, as `engines.Rows` is asked for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frbench.engines.gpu.arrays import Array, Arrays, Side
from frbench.engines.gpu.packing import Centre
from frbench.engines.gpu.residence import Held, Residence, Slab

Numbers = NDArray[np.uint32]


@dataclass(frozen=True)
class Rectangle:
    """Which pairs are wanted, and the cell of each; see `engines.Rows.count`."""

    probe_range: tuple[int, int]
    gallery_range: tuple[int, int]
    upper: bool
    probe_groups: Numbers
    gallery_groups: Numbers
    cells: Numbers

    def pairs_by_cell(self, n_cells: int) -> NDArray[np.int64]:
        """(n_cells,) pairs, from the numbers of rows."""
        (a, b), (c, d) = self.probe_range, self.gallery_range
        mine, theirs = self.probe_groups[a:b].astype(np.int64), self.gallery_groups[c:d].astype(np.int64)
        counts = np.zeros(n_cells, np.int64)
        if not self.upper:
            rows = (np.bincount(side, minlength=n) for side, n in zip((mine, theirs), self.cells.shape, strict=True))
            np.add.at(counts, self.cells, np.outer(*rows))
            return counts
        rows_after = np.clip(np.arange(a, b) + 1 - c, 0, max(0, d - c))
        for group in np.flatnonzero(np.bincount(theirs)):
            before = np.concatenate([[0], np.cumsum(theirs == group)])
            pairs = np.bincount(mine, before[-1] - before[rows_after], minlength=len(self.cells)).astype(np.int64)
            np.add.at(counts, self.cells[:, group], pairs)
        return counts


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

    def of_probes(self, values: Numbers) -> Numbers:
        """`values` of all probes, of those that meet."""
        return values[self.first_probe : self.first_probe + self.n_probes]

    def of_rows(self, values: Numbers) -> Numbers:
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


def meetings(
    residence: Residence, probes: Held, gallery: Held, ranges: tuple[tuple[int, int], tuple[int, int]], *, upper: bool
) -> Iterator[Meeting]:
    """Every slab of the gallery with every slab of the probes, if it has a wanted pair; the gallery's slowest."""
    for theirs, *gallery_part in residence.slabs(gallery, ranges[1]):
        for mine, *probe_part in residence.slabs(probes, ranges[0]):
            first_probe, first_row = mine.start + probe_part[0], theirs.start + gallery_part[0]
            if upper and theirs.start + gallery_part[1] - 1 <= first_probe:
                continue
            shift = first_probe - first_row if upper else None
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
    def of(cls, at: Rectangle, meeting: Meeting, arrays: Arrays) -> Places:
        """Those of a meeting."""
        numbers = meeting.of_probes(at.probe_groups), meeting.of_rows(at.gallery_groups), at.cells.ravel()
        a, b, cells = (arrays.put(each.astype(np.int64)) for each in numbers)
        return cls(a, b, cells, at.cells.shape[1])

    def cell(self, probe: Array, row: Array) -> Array:
        """Cells of pairs, by place in the meeting; shapes as those of `probe + row`."""
        return self.cells[self.mine[probe] * self.n_groups + self.theirs[row]]
