"""Rates by group of simulated people who differ: some are taken for others, some are not recognised, more than most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from frbench.estimate import Estimate
from frbench.reading.groups.rates import GroupRates

N_BLOCKS = 32
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class People:
    """Subjects of several groups, in blocks at random, each with a factor of mean 1 of both error rates.

    group, block : (subjects,). factor : (subjects,) lognormal of the given standard deviation of its logarithm.
    """

    group: Ints
    block: Ints
    factor: Floats

    @classmethod
    def of(cls, random: np.random.Generator, sizes: Sequence[int], spread: float) -> People:
        """Groups of the given sizes."""
        n = sum(sizes)
        factor = np.exp(random.normal(0, spread, n) - spread**2 / 2)
        return cls(np.repeat(np.arange(len(sizes)), sizes), random.integers(N_BLOCKS, size=n), factor)

    @property
    def sizes(self) -> Ints:
        """(groups,) subjects."""
        return np.bincount(self.group)

    def by_group(self, values: Ints | Floats) -> Ints:
        """(n_blocks, groups) sums over subjects."""
        table = np.zeros((N_BLOCKS, len(self.sizes)), dtype=np.int64)
        np.add.at(table, (self.block, self.group), values)
        return table


def false_matches(random: np.random.Generator, people: People, rates: Sequence[float]) -> tuple[Ints, Ints]:
    """(k,) subjects a and b of false matches within groups: each pair has the group's rate times both factors."""
    sides: list[tuple[Ints, Ints]] = []
    for g, rate in enumerate(rates):
        members = np.flatnonzero(people.group == g)
        weight = people.factor[members]
        k = random.poisson(rate * weight.sum() ** 2 / 2)
        a, b = (random.choice(members, k, p=weight / weight.sum()) for _ in range(2))
        sides.append((a[a != b], b[a != b]))
    a, b = (np.concatenate(side) for side in zip(*sides, strict=True))
    return a, b


def fmr(people: People, a: Ints, b: Ints) -> GroupRates:
    """FMR within groups of people of one template each, from their false matches."""
    group, same = people.group[a], people.block[a] == people.block[b]
    k = np.bincount(group, minlength=len(people.sizes))
    k_touching = np.zeros((N_BLOCKS, len(k)), dtype=np.int64)
    np.add.at(k_touching, (people.block[a], group), 1)
    np.add.at(k_touching, (people.block[b][~same], group[~same]), 1)
    size, own = people.sizes, people.by_group(np.ones(len(people.group)))
    return rates("fmr", people, k, size * (size - 1) // 2, k_touching, own * (size - own) + own * (own - 1) // 2)


def fnmr(random: np.random.Generator, people: People, chances: Sequence[float], pairs: int = 5) -> GroupRates:
    """FNMR of people with some mated pairs each; each is wrong with the group's rate times the factor."""
    chance = np.minimum(1, np.array(chances)[people.group] * people.factor)
    k_touching = people.by_group(random.binomial(pairs, chance))
    n_touching = people.by_group(np.full(len(people.group), pairs))
    return rates("fnmr", people, k_touching.sum(axis=0), n_touching.sum(axis=0), k_touching, n_touching)


def rates(metric: str, people: People, k: Ints, n: Ints, k_touching: Ints, n_touching: Ints) -> GroupRates:
    """Rates of groups a, b, ... that share nobody."""
    return GroupRates(
        metric=metric,
        groups=tuple("abcdefghijkl"[: len(k)]),
        estimates=tuple(Estimate(a / b, None, None, a, b) for a, b in zip(k.tolist(), n.tolist(), strict=True)),
        k_touching=k_touching,
        n_touching=n_touching,
        n_subjects=people.sizes,
        kin=np.eye(len(k), dtype=bool),
        left_out={},
    )
