"""Gives an index its interval, and beside it what chance alone would show.

Without the doubt an index is a verdict on noise: the interval says how far it would move with other people, the null
how large it is where nothing differs. Both are functions of the tally.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from frbench.estimate import jackknife_variance, student_t
from frbench.inputs.arrays import Bools, Floats
from frbench.reading.groups import indices, null
from frbench.reading.groups.indices import BY_NAME, Definition, Index, Weights
from frbench.reading.groups.rates import GroupRates

METHOD = "jackknife over subject blocks, widened by what noise adds, to equality where that is not rejected"
NOISE = 2.0
UNDEFINED_WITHOUT = "interval not estimable: undefined without some block of subjects"


def assess(
    side: Sequence[GroupRates], weights: Weights, *, draws: int = null.DRAWS, seed: int = null.SEED
) -> tuple[Index, ...]:
    """Every index of one rate, or of both, with its interval and with what it would be without a difference.

    Each index is held against chance by itself, at 5%: of many indices, some pass it where nothing differs.
    """
    found = indices.of_side([one.rates for one in side], weights)
    if all(index.value is None for index in found):
        return found
    unseen = next((one.unseen for one in side if one.unseen), "")
    if unseen:
        reason = f"interval {unseen}" if unseen.startswith("not") else unseen
        return tuple(i if i.value is None else replace(i, interval_reason=reason, null_reason=unseen) for i in found)
    without = indices.evaluate([one.without()[_occupied(side)] for one in side], weights)
    alike, again = null.no_difference(side, draws=draws, seed=seed), null.redrawn(side, draws=draws, seed=seed)
    chance, noisy = (None if d.reason else indices.evaluate(d.rates, weights) for d in (alike, again))
    assessed = []
    for index in found:
        if index.value is not None and chance is not None and noisy is not None:
            held = _held_against(index, chance[index.name])
            assessed.append(_with_interval(held, without[index.name], noisy[index.name]))
        else:
            assessed.append(
                index if index.value is None else replace(index, interval_reason=alike.reason, null_reason=alike.reason)
            )
    return tuple(assessed)


def _occupied(side: Sequence[GroupRates]) -> Bools:
    """(n_blocks,) whether any trial of any group touches it."""
    seen = np.concatenate([one.n_touching for one in side], axis=1) > 0
    return np.asarray(seen.any(axis=1))


def _held_against(index: Index, chance: Floats) -> Index:
    """An index with its median, its limit and its p-value among populations without a difference.

    Where an index is undefined in a population, a group has no errors: it counts as further apart than any value.
    """
    definition = BY_NAME[index.name]
    away, seen = _away(definition, chance), float(_away(definition, np.array([index.value], dtype=np.float64))[0])
    sign = -1 if definition.falls else 1
    expected, critical = (
        float(sign * q) if math.isfinite(q) else None
        for q in np.quantile(away, [0.5, index.level], method="inverted_cdf").tolist()
    )
    return replace(
        index,
        expected=expected,
        critical=critical,
        p_value=(1 + int((away >= seen).sum())) / (1 + len(away)),
        null_reason=f"undefined in {np.isinf(away).mean():.1%} of draws" if critical is None else "",
    )


def _with_interval(index: Index, without: Floats, noisy: Floats) -> Index:
    """An index with an interval, on the logarithm where it is a ratio.

    The jackknife over blocks says how far it moves with other people. Noise alone makes every index too large: the end
    towards equality is moved by what noise adds when rates as seen are drawn anew, and reaches equality where that is
    not rejected.
    """
    definition, value = BY_NAME[index.name], float(index.value or 0)
    forward, back = (np.log, np.exp) if definition.is_ratio else (np.positive, np.positive)
    if not np.isfinite(without).all() or (definition.is_ratio and not (without > 0).all()):
        return replace(index, interval_reason=UNDEFINED_WITHOUT)
    spread = student_t(len(without) - 1, index.level) * math.sqrt(jackknife_variance(forward(without)))
    defined = noisy[np.isfinite(noisy) & ((noisy > 0) | (not definition.is_ratio))]
    bias = float(forward(defined).mean() - forward(value)) if len(defined) else 0.0
    low = float(back(forward(value) - spread - NOISE * max(0.0, bias)))
    high = float(back(forward(value) + spread - NOISE * min(0.0, bias)))
    if not index.is_beyond_chance:
        low, high = min(low, index.at_equality), max(high, index.at_equality)
    least, most = definition.limits
    return replace(index, low=max(low, least), high=min(high, most), method=METHOD)


def _away(definition: Definition, values: Floats) -> Floats:
    """Values so that larger is further apart, undefined furthest."""
    away = -values if definition.falls else values
    return np.where(np.isnan(away), np.inf, away)
