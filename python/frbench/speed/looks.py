"""Plans when a comparison may be stopped, and which order statistics then hold the median ratio.

The order of every pair is drawn, so that at the true ratio it is a fair coin which of the two was slower, whatever the
machine does: drift, bursts and neighbours fall on both sides alike. The number of pairs below the truth is therefore a
walk of fair coins. An interval from the r-th smallest to the r-th largest of n ratios misses the truth where fewer
than r coins of n fall on one side. Looking again and again gives the walk more than one chance to stray, so every look
has a share of the error, and the exact chance to stray for the first time at a look is at most its share.

Source: Lan & DeMets (1983) for spending error over looks; David & Nagaraja, Order Statistics, 7.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from frbench.errors import InputError
from frbench.estimate import LEVEL
from frbench.inputs.arrays import Floats

FIRST = 10
GROWTH = 1.25
MOST_PAIRS = 100_000


@dataclass(frozen=True)
class Looks:
    """Looks of one comparison, planned before anything is measured.

    Parameters
    ----------
    level : chance that the interval of every look holds the truth, at least.
    pairs : after how many pairs, increasing.
    ranks : r of each look; 0 where its share allows no interval.
    """

    level: float
    pairs: tuple[int, ...]
    ranks: tuple[int, ...]

    def rank(self, n: int) -> int:
        """The rank of the planned look after `n` pairs."""
        return self.ranks[self.pairs.index(n)]

    def last(self, n: int) -> int:
        """The rank of an end after `n` pairs that no look had planned: all error that earlier looks left is its own."""
        before = [pairs for pairs in self.pairs if pairs < n]
        return _ranks([*before, n], [*_shares(len(self.pairs), self.level)[: len(before)], 1 - self.level])[-1]


def plan(most: int, *, level: float = LEVEL) -> Looks:
    """Looks after 10 pairs and each time a quarter more, up to `most`; every one has the same share of 1 - level.

    Numbers of pairs are even, for a round has two.

    Raises
    ------
    InputError : fewer than 10 pairs, more than 100,000, or a level that is none.
    """
    if not FIRST <= most <= MOST_PAIRS:
        raise InputError(f"at most {most:,} pairs are asked for, expected {FIRST} to {MOST_PAIRS:,}")
    if not 0.5 <= level < 1:
        raise InputError(f"level is {level}, expected at least 0.5 and below 1")
    pairs = [FIRST]
    while pairs[-1] < most - 1:
        pairs.append(min(most - most % 2, 2 * math.ceil(GROWTH * pairs[-1] / 2)))
    return Looks(level, tuple(pairs), tuple(_ranks(pairs, _shares(len(pairs), level))))


def missing(pairs: Sequence[int], ranks: Sequence[int]) -> float:
    """Chance that the interval of any of these looks misses the truth, exactly, if no ratios are equal."""
    walk, n, missed = np.ones(1), 0, 0.0
    for after, rank in zip(pairs, ranks, strict=True):
        walk, strayed = _stay(_toss(walk, after - n), rank)
        n, missed = after, missed + strayed
    return missed


def _shares(n: int, level: float) -> list[float]:
    """Error that each of `n` looks and all before it may have made."""
    return [(1 - level) * (look + 1) / n for look in range(n)]


def _ranks(pairs: Sequence[int], allowed: Sequence[float]) -> list[int]:
    """The largest rank of each look that keeps the error of it and of all before within what is allowed."""
    walk, n, missed, ranks = np.ones(1), 0, 0.0, []
    for after, most in zip(pairs, allowed, strict=True):
        walk = _toss(walk, after - n)
        below = walk.cumsum()[: after // 2]
        rank = int(np.searchsorted(2 * below, most - missed, side="right"))
        walk, strayed = _stay(walk, rank)
        n, missed = after, missed + strayed
        ranks.append(rank)
    return ranks


def _toss(walk: Floats, coins: int) -> Floats:
    """Chances of each number of heads after this many coins more."""
    k = np.arange(coins + 1)
    logs = special.gammaln(coins + 1) - special.gammaln(k + 1) - special.gammaln(coins - k + 1)
    return np.convolve(walk, np.exp(logs - coins * math.log(2)))


def _stay(walk: Floats, rank: int) -> tuple[Floats, float]:
    """Chances of the walks that an interval of this rank holds, and the chance of all others."""
    kept = walk.copy()
    kept[:rank] = 0
    kept[len(walk) - rank :] = 0
    return kept, float(walk.sum() - kept.sum())
