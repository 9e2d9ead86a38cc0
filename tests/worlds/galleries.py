"""Simulated searches of galleries whose probes and rows differ: wolves match many people, lambs are matched by many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frbench.candidates import CELLS, NonmatedSearches
from frbench.reading.sizes.gallery_parts import PartedSearches

T = 0.5
BLOCKS = 32


@dataclass(frozen=True)
class World:
    """False matches of m probes among n rows of one population, and how they are spread.

    wolf, lamb : standard deviation of the logarithm of what a probe and a row match; 0 for all alike.
    few_wolves : share of probes that hold nearly all matches, instead; the others match a fiftieth of what they do.
    """

    m: int
    n: int
    fmr: float
    wolf: float = 0.0
    lamb: float = 0.0
    few_wolves: float = 0.0

    def matches(self, random: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Probe and row of every false match, each pair once."""
        probes, rows = random.lognormal(0, self.wolf, self.m), random.lognormal(0, self.lamb, self.n)
        if self.few_wolves:
            probes = np.where(random.random(self.m) < self.few_wolves, 1.0, 0.02)
        n = random.poisson(self.fmr * self.m * self.n)
        pairs = random.choice(self.m, n, p=probes / probes.sum()) * self.n + random.choice(
            self.n, n, p=rows / rows.sum()
        )
        return np.divmod(np.unique(pairs), self.n)


def searches(
    m: int, probe: NDArray[np.int64], cell: NDArray[np.int64], score: NDArray[np.float64] | None = None
) -> NonmatedSearches:
    """Searches of m probes, one a subject, whose candidates are the given ones; without scores they are 0.75."""
    score = np.full(len(probe), 0.75) if score is None else score
    order = np.lexsort((-score, probe))
    probe, cell, score = probe[order], cell[order], score[order]
    place = np.arange(len(probe)) - np.searchsorted(probe, probe)
    k = 1 + int(place.max(initial=0))
    scores, cells = np.full((m, k), -np.inf, dtype=np.float32), np.full((m, k), -1)
    scores[probe, place], cells[probe, place] = score, cell
    count = (scores >= T).sum(axis=1)[:, None]
    number = np.arange(m)
    return NonmatedSearches(np.zeros(m, np.int64), number, number % BLOCKS, count, scores, cells)


def part_of(world: World, n: int, seed: int) -> tuple[PartedSearches, float]:
    """Searches of the first n rows of a world, and the FPIR of all of it at T."""
    random = np.random.default_rng(seed)
    probe, row = world.matches(random)
    cell = random.integers(CELLS, size=n)
    inside = row < n
    found = searches(world.m, probe[inside], cell[row[inside]])
    return PartedSearches(found, np.bincount(cell, minlength=CELLS)), len(np.unique(probe)) / world.m
