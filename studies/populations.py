"""Populations of known truth: people with effects of their own, and the tallies of many worlds drawn from them.

Two groups, f and m. A person's effect e is lognormal with mean 1: comparisons of i and j are false matches at the rate
fmr e_i e_j, and a search of i is a false positive with probability 1 - exp(-fpir g e_i), where g is the mean effect of
the people in the gallery. Mated trials of i fail with probability Phi(mean + spread a_i), a_i normal. So the true rates
are known: a population of the same kind, and for searches the same gallery, has exactly these.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from frbench.plan import Cell, Party, Plan
from frbench.reading.rate import Metric
from frbench.tally import Tally

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

THRESHOLD = 0.5
GROUPING = ("sex",)
GALLERY = 500
WORLDS_AT_ONCE = 100
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(64)


@dataclass(frozen=True)
class Population:
    """Two groups of people and how they err.

    subjects : of f and of m. rates : of m, by metric; those of f are `ratio` times as high.
    spread : standard deviation of log e; of probit effects half as much.
    templates : of a subject on average: 1 to 2 templates - 1, equally likely. famous : share of people with 30.
    clump : variance of the effect that two people have together. is_shared : both groups are templates of the same
    people, as with and without a mask. searches : of each person. n_blocks : as in a plan.
    """

    name: str
    subjects: tuple[int, int]
    rates: dict[Metric, float]
    ratio: float = 1.0
    spread: float = 0.7
    templates: int = 3
    famous: float = 0.0
    clump: float = 0.0
    is_shared: bool = False
    searches: int = 1
    n_blocks: int = 32

    def with_ratio(self, ratio: float) -> Population:
        """The same population with another ratio of the rates of f to those of m."""
        return replace(self, ratio=ratio)

    @cached_property
    def block(self) -> tuple[Ints, Ints]:
        """Block of each subject of f and of m: drawn once, as a hash would."""
        draw = np.random.default_rng(20240101 + self.subjects[0])
        f, m = (draw.integers(self.n_blocks, size=n) for n in self.subjects)
        return f, (f if self.is_shared else m)

    @cached_property
    def n_templates(self) -> tuple[Ints, Ints]:
        """Templates of each subject of f and of m."""
        draw = np.random.default_rng(20240102 + self.subjects[1])
        usual = [draw.integers(1, 2 * self.templates, size=n) for n in self.subjects]
        f, m = (np.where(draw.random(len(n)) < self.famous, 30, n) for n in usual)
        return f, (f if self.is_shared else m)

    @cached_property
    def factors(self) -> tuple[float, float]:
        """What the rates of f and of m are multiplied by."""
        return self.ratio, 1.0

    @cached_property
    def plans(self) -> tuple[Plan, Plan]:
        """Plans of the comparisons and of the searches."""
        return self._plan("verify", 1), self._plan("identify", 2)

    def _plan(self, kind: Any, n_classes: int) -> Plan:
        own = [tuple(np.bincount(b, minlength=self.n_blocks).tolist()) for b in self.block]
        parties = tuple(Party(((g, g),), own[g]) for g in (0, 1))
        cells = [Cell(False, g, g) for g in (0, 1)] + [Cell(True, g, g, p) for p in range(n_classes) for g in (0, 1)]
        return Plan(
            kind=kind,
            inputs=self.name,
            edges=(THRESHOLD,),
            columns=GROUPING,
            groups=(("f",), ("m",)),
            cells=tuple(cells),
            trials=(0,) * len(cells),
            subjects=(Party(((0, 0), (1, 1)), own[0]),) if self.is_shared else parties,
            mated_subjects=(Party(((0, 0), (1, 1)), own[0]),) if self.is_shared else parties,
            n_blocks=self.n_blocks,
            details={"ranks": [1]} if kind == "identify" else {},
        )


@dataclass(frozen=True)
class World:
    """One sample of people: its tallies, and the true rates of f and m by metric, given its gallery."""

    comparisons: Tally
    searches: Tally
    truth: dict[Metric, tuple[float, float]]


@dataclass(frozen=True)
class _Counts:
    """Errors and trials of many worlds: k (w,), n, and what touches each block, (w, n_blocks) and (n_blocks,)."""

    k: Ints
    n: int
    k_touching: Ints
    n_touching: Ints


def worlds(population: Population, n: int, random: np.random.Generator) -> Iterator[World]:
    """`n` worlds of a population."""
    for start in range(0, n, WORLDS_AT_ONCE):
        yield from _batch(population, min(WORLDS_AT_ONCE, n - start), random)


def _batch(population: Population, n: int, random: np.random.Generator) -> Iterator[World]:
    spread = population.spread
    first, second = ([random.standard_normal((n, size)) for size in population.subjects] for _ in range(2))
    if population.is_shared:
        first[1], second[1] = first[0], second[0]
    effects = [np.exp(spread * z - spread**2 / 2) for z in first]
    gallery = np.exp(spread * random.standard_normal((n, GALLERY)) - spread**2 / 2).mean(axis=1)
    found: dict[Metric, list[_Counts]] = {"fmr": [], "fnmr": [], "fpir": [], "fnir": []}
    truth: dict[Metric, list[Floats]] = {metric: [] for metric in found}
    for g, factor in enumerate(population.factors):
        block, templates = population.block[g], population.n_templates[g]
        searches = np.full(population.subjects[g], population.searches)
        rates = {metric: factor * rate for metric, rate in population.rates.items()}
        found["fmr"].append(_comparisons(population, effects[g], block, templates, rates["fmr"], random))
        truth["fmr"].append(np.full(n, rates["fmr"]))
        mated = templates * (templates - 1) // 2
        found["fnmr"].append(
            _one_sided(_probit(rates["fnmr"], spread / 2, second[g]), mated, block, population, random)
        )
        truth["fnmr"].append(np.full(n, rates["fnmr"]))
        load = rates["fpir"] * gallery
        found["fpir"].append(_one_sided(-np.expm1(-load[:, None] * effects[g]), searches, block, population, random))
        truth["fpir"].append(_mean_hit(load, spread))
        # Nine tenths of the misses lie below the threshold, one tenth is outranked by people of the gallery.
        below, rival = 0.9 * rates["fnir"], 0.1 * rates["fnir"] * gallery
        misses = 1 - (1 - _probit(below, spread / 2, second[g])) * np.exp(-rival[:, None] * effects[g])
        found["fnir"].append(_one_sided(misses, searches, block, population, random))
        truth["fnir"].append(1 - (1 - below) * (1 - _mean_hit(rival, spread)))
    for w in range(n):
        yield World(
            _tally(population.plans[0], found["fmr"], found["fnmr"], w),
            _tally(population.plans[1], found["fpir"], found["fnir"], w),
            {metric: (float(sides[0][w]), float(sides[1][w])) for metric, sides in truth.items()},
        )


def _probit(rate: float, spread: float, effect: Floats) -> Floats:
    """Phi(mean + spread a), whose mean over normal a is `rate`: mean = Phi^-1(rate) sqrt(1 + spread^2)."""
    shares: Floats = special.ndtr(special.ndtri(rate) * math.sqrt(1 + spread**2) + spread * effect)
    return shares


def _mean_hit(load: Floats, spread: float) -> Floats:
    """Mean of 1 - exp(-load e) over lognormal e with mean 1, by Gauss and Hermite at 64 points."""
    effects = np.exp(spread * NODES - spread**2 / 2)
    means: Floats = -np.expm1(-load[:, None] * effects) @ WEIGHTS / WEIGHTS.sum()
    return means


def _member(block: Ints, n_blocks: int) -> Floats:
    """(subjects, n_blocks) 1 where a subject is in a block."""
    return np.asarray(block[:, None] == np.arange(n_blocks), dtype=np.float64)


def _one_sided(
    share: Floats, trials: Ints, block: Ints, population: Population, random: np.random.Generator
) -> _Counts:
    """Trials of one person each."""
    member = _member(block, population.n_blocks)
    errors = random.binomial(trials, share)
    return _Counts(
        errors.sum(axis=1), int(trials.sum()), (errors @ member).astype(np.int64), (trials @ member).astype(np.int64)
    )


def _comparisons(
    population: Population, effect: Floats, block: Ints, templates: Ints, rate: float, random: np.random.Generator
) -> _Counts:
    """Comparisons of two people: errors of two blocks are Poisson, their mean the sum over pairs of people."""
    member = _member(block, population.n_blocks)
    if population.clump:
        tiles = np.array([_clumped(rate, population.clump, templates * e, random) for e in effect])
        between = np.einsum("ib,wij,jc->wbc", member, tiles, member, optimize=True).round().astype(np.int64)
        errors = np.triu(between) + np.triu(between.swapaxes(1, 2), k=1)
    else:
        errors = random.poisson(rate * upper((templates * effect) @ member, (templates * effect) ** 2 @ member))
    trials = upper((templates @ member)[None], (templates**2 @ member)[None])[0].round().astype(np.int64)
    return _Counts(errors.sum(axis=(1, 2)), int(trials.sum()), touching_of(errors), touching_of(trials))


def _clumped(rate: float, clump: float, load: Floats, random: np.random.Generator) -> Floats:
    """(subjects, subjects) errors of one world, upper triangle, where two people have a gamma effect of their own."""
    mean = rate * np.triu(np.outer(load, load), k=1)
    return np.asarray(random.poisson(mean * random.gamma(1 / clump, clump, size=mean.shape)), dtype=np.float64)


def upper(sums: Floats, squares: Floats) -> Floats:
    """(w, b, b) sums over pairs of different people by block, upper triangle, from (w, b) sums and sums of squares."""
    tiles = sums[:, :, None] * sums[:, None, :]
    i = np.arange(sums.shape[1])
    tiles[:, i, i] = np.maximum(0, tiles[:, i, i] - squares) / 2
    return np.triu(tiles)


def touching_of(tiles: Ints) -> Ints:
    """(..., b) trials that touch each block, from (..., b, b) trials of two blocks, upper triangle."""
    touching: Ints = tiles.sum(axis=-1) + tiles.sum(axis=-2) - np.diagonal(tiles, axis1=-2, axis2=-1)
    return touching


def _tally(plan: Plan, nonmated: list[_Counts], mated: list[_Counts], world: int) -> Tally:
    """Errors at or above the threshold where people differ, below it where they are the same."""
    total = np.zeros((len(plan.cells), 3), dtype=np.uint64)
    touching = np.zeros((plan.n_blocks, *total.shape), dtype=np.uint64)
    for g in (0, 1):
        for row, column, counts in ((g, 1, nonmated[g]), (2 + g, 0, mated[g])):
            total[row, column] = counts.k[world]
            total[row, 1 - column] = counts.n - counts.k[world]
            touching[:, row, column] = counts.k_touching[world]
            touching[:, row, 1 - column] = counts.n_touching - counts.k_touching[world]
    return Tally(plan, frozenset({(0, 0)}), total, touching)
