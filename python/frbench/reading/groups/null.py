"""Draws what rates by group look like where nothing differs, so that an index can be held against chance.

The largest of several noisy rates is always above their mean: every index of a finite population shows a difference.
How much of it is noise is drawn from a tally alone. All groups get the pooled rate. The errors of a group of m subjects
vary as the pooled rate times a lognormal factor of variance beta / m, which its subjects share, and then as a binomial
of its own number of trials. beta, how much subjects differ, is one number for all groups, from the blocks of the tally:
by how much the jackknife variance of each rate exceeds that of independent trials. It is taken half its standard error
high. Groups that share subjects, and both rates of a group, vary together as they do without each block.

Labels that are dealt to subjects anew assume nothing, but need the pairs behind the errors; the tests hold both against
each other. They agree where groups are alike. Where they are not, dealt labels scatter more.

Source: Efron & Stein (1981) for the jackknife of trials with two subjects, which counts what is not shared once for
each of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from frbench.inputs.arrays import Floats, Ints
from frbench.reading.groups.rates import GroupRates
from frbench.reading.rate import ERRORS

DRAWS = 2000
SEED = 1
MARGIN = 0.5


@dataclass(frozen=True, eq=False)
class Draws:
    """Rates of populations without a difference; or the reason why there are none.

    rates : for each side, (draws, groups). n_effective : for each side, (groups,) independent trials that would vary
    as much.
    """

    rates: tuple[Floats, ...] = ()
    n_effective: tuple[Floats, ...] = ()
    reason: str = ""


def no_difference(sides: Sequence[GroupRates], *, draws: int = DRAWS, seed: int = SEED) -> Draws:
    """Rates of the same groups, of the same size and dependence, where all have the pooled rate.

    Parameters
    ----------
    sides : one rate, or two of the same groups that are drawn together. seed : the same seed, the same draws.
    """
    return _draw(sides, lambda side: np.full(len(side.k), side.k.sum() / side.n.sum()), draws, seed)


def redrawn(sides: Sequence[GroupRates], *, draws: int = DRAWS, seed: int = SEED) -> Draws:
    """Rates of the same groups where each has the rate that was seen: how much noise adds to a difference.

    Parameters as in `no_difference`.
    """
    return _draw(sides, lambda side: side.k / side.n, draws, seed)


def _draw(sides: Sequence[GroupRates], truth: Callable[[_Rare], Floats], draws: int, seed: int) -> Draws:
    reason = next((why for side in sides if (why := _refusal(side))), "")
    if reason:
        return Draws(reason=reason)
    random = np.random.default_rng(seed)
    rare = [_Rare.of(side) for side in sides]
    normal = random.standard_normal((draws, sum(len(side.groups) for side in sides))) @ _mixing(sides, rare)
    rates, effective = [], []
    for side, z in zip(rare, np.split(normal, len(rare), axis=1), strict=True):
        p, log_variance = truth(side), np.log1p(side.spread**2)
        chance = np.minimum(1.0, p * np.exp(np.sqrt(log_variance) * z - log_variance / 2))
        share = random.binomial(side.n.astype(np.int64), chance) / side.n
        rates.append(1 - share if side.is_other else share)
        effective.append(side.n_effective(p))
    return Draws(tuple(rates), tuple(effective))


def _refusal(side: GroupRates) -> str:
    if side.unseen:
        return side.unseen
    if not ((side.k > 0) & (side.k < side.n)).any():
        return f"no group has both {ERRORS[side.metric]} and trials without: nothing shows how they vary"
    return ""


@dataclass(frozen=True, eq=False)
class _Rare:
    """One rate by its rarer outcome, which varies by a factor and yet stays below 1.

    k, n : (groups,) outcomes and trials. without : (n_blocks, groups) shares without each block.
    spread : (groups,) standard deviation that the subjects of each group give its share, over the share.
    is_other : whether the outcome is the absence of an error.
    """

    k: Floats
    n: Floats
    without: Floats
    spread: Floats
    is_other: bool

    @classmethod
    def of(cls, side: GroupRates) -> _Rare:
        """The rarer outcome of a rate."""
        is_other = bool(side.k.sum() > side.n.sum() / 2)
        k, n = (side.n - side.k if is_other else side.k), side.n
        without = 1 - side.without() if is_other else side.without()
        subjects = np.minimum(side.n_subjects, _effective_subjects(side.n_touching))
        spread = np.sqrt(_beta(k, n, without, side.n_touching, subjects) / subjects)
        return cls(k, n, without, spread, is_other)

    def n_effective(self, p: Floats) -> Floats:
        """(groups,) independent trials that would vary as much at the shares p (groups,)."""
        alone = p * (1 - p)
        variance = alone / self.n + (p * self.spread) ** 2
        return np.divide(alone, variance, out=self.n.copy(), where=variance > 0)


def _effective_subjects(n_touching: Ints) -> Floats:
    """(groups,) subjects of equal weight that would spread the trials over blocks as unevenly.

    Subjects lie in blocks at random, so that the squared trials of blocks, less those of an even spread, add up to
    those of subjects. Source: Kish (1965), (sum w)^2 / sum w^2.
    """
    b, whole = len(n_touching), n_touching.sum(axis=0, dtype=np.float64)
    uneven = ((n_touching.astype(np.float64) ** 2).sum(axis=0) - whole**2 / b) / (1 - 1 / b)
    return np.asarray(np.divide(whole**2, uneven, out=np.full(len(whole), np.inf), where=uneven > 0))


def _beta(k: Floats, n: Floats, without: Floats, n_touching: Ints, subjects: Floats) -> float:
    """How much subjects differ: the squared spread of a group of one subject.

    Sum over groups of (design effect - design effect of independent trials) / sum of (outcomes / subjects). The design
    effect is the jackknife variance over that of a binomial, each block's part scaled by the rate without it: a block
    that holds the outcomes by chance does not make its own yardstick.
    """
    usable = (k > 0) & (k < n)
    k, n, subjects = k[usable], n[usable], subjects[usable]
    without, touching = without[:, usable], n_touching[:, usable]
    p, b = k / n, (touching > 0).sum(axis=0)
    occupied = touching > 0
    mean = np.where(occupied, without, 0).sum(axis=0) / b
    squares = np.where(occupied, (without - mean) ** 2 / np.maximum(without, p / 2), 0)
    design = (b - 1) / b * squares.sum(axis=0) * n / (1 - p)
    alone = (b - 1) / b * n * (touching / (n - touching) ** 2).sum(axis=0)
    error = math.sqrt((2 / (b - 1) * design**2).sum())
    excess = float((design - alone).sum()) + MARGIN * error
    return max(0.0, excess) / float((k / (1 - p) / subjects).sum())


def _mixing(sides: Sequence[GroupRates], rare: Sequence[_Rare]) -> Floats:
    """(rates, rates) symmetric root of the correlation of what subjects give each rate.

    Only rates that share subjects are correlated: their covariance without each block, which trials of different
    groups do not add to, over both spreads. Eigenvalues below 0, which noise makes, are 0.
    """
    kin = np.block([[a.kin | b.kin for b in sides] for a in sides])
    moves = [np.divide(s.without - s.k / s.n, s.k / s.n, out=np.zeros_like(s.without), where=s.k > 0) for s in rare]
    deviation = np.concatenate(moves, axis=1)
    deviation -= deviation.mean(axis=0)
    b = len(deviation)
    covariance = (b - 1) / b * deviation.T @ deviation
    spread = np.concatenate([s.spread for s in rare])
    both = np.outer(spread, spread)
    shared = np.clip(np.divide(covariance, both, out=np.zeros_like(both), where=(both > 0) & kin), -1, 1)
    np.fill_diagonal(shared, 1)
    values, vectors = np.linalg.eigh(shared)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return np.asarray(root / np.sqrt((root**2).sum(axis=0)))
