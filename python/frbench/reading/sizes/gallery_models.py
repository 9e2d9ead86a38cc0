"""Models how the share of searches with a false positive grows with the gallery.

A probe that matches a gallery row with probability p has no false positive among n rows with probability
(1 - p)^n, about exp(-n p). Probes differ: FPIR(n) = 1 - E[exp(-n p)] over them. Models differ in what they take
this mixture to be. Every rate is returned on the scale log(-log(1 - FPIR)), on which growth by max-stability is a
shift by the logarithm of the size, and which holds rates near 0 and near 1 alike.

Source: Leadbetter, Lindgren & Rootzen (1983) for maxima; Greenwood & Yule (1920) for the mixture; Chao (1984) and
Good & Toulmin (1956) for what counts of one and of two say of what was not seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special

from frbench.inputs.arrays import Floats


@dataclass(frozen=True, eq=False)
class Counts:
    """What was seen at one threshold, in each of (r,) replicates: everything, then without one block after another.

    searches, rows : number of searches and of gallery rows. matches : false matches.
    positives, singles, doubles : searches with at least one, exactly one and exactly two of them.
    tail : share of searches with a false positive as the tail of their best scores gives it; NaN where the threshold
        lies below that tail.
    """

    searches: Floats
    rows: Floats
    matches: Floats
    positives: Floats
    singles: Floats
    doubles: Floats
    tail: Floats


def binomial(seen: Counts, size: float) -> Floats:
    """FPIR if every comparison matched with the same probability: 1 - (1 - FMR)^size.

    An upper bound where probes differ (Jensen).
    """
    return scale_of(seen.matches / (seen.searches * seen.rows)) + math.log(size)


def mixture(seen: Counts, size: float) -> Floats:
    """FPIR if the probes' rates were gamma distributed, so that false matches are negative binomial.

    The distribution is the one with the mean number of matches and the share of searches without any that were
    seen. With x the mean and y = -log(1 - positives), u solves log(1 + u) / u = y / x, by Lambert's function, and
    -log(1 - FPIR) = x log(1 + u size / rows) / u. Where probes do not differ (y >= x) it is Poisson.
    """
    x = seen.matches / seen.searches
    y = -np.log1p(-seen.positives / seen.searches)
    growth = size / seen.rows
    differs = y < x
    ratio = np.where(differs, y / x, 0.5)
    u = -special.lambertw(-ratio * np.exp(-ratio), -1).real / ratio - 1
    return np.where(differs, np.log(x * np.log1p(u * growth) / u), np.log(x * growth))


def extreme_value(seen: Counts, size: float) -> Floats:
    """FPIR from the tail of best scores, carried over by max-stability: 1 - (1 - FPIR(rows))^(size / rows).

    It knows how much the searches of this gallery differ, and takes them as alike from there: an upper bound of
    growth where probes differ (Jensen).
    """
    share = np.where(np.isnan(seen.tail), seen.positives / seen.searches, seen.tail)
    return scale_of(share) + np.log(size / seen.rows)


EXTREME_VALUE = "extreme value"
MODELS: Mapping[str, Callable[[Counts, float], Floats]] = {
    "binomial": binomial,
    "mixture": mixture,
    EXTREME_VALUE: extreme_value,
}


def fewest(seen: Counts, size: float) -> Floats:
    """The smallest FPIR that any mixture of probes allows, given matches by one and by two.

    With F1 and F2 searches of one and of two matches, the searches still without one that a gallery larger by t
    times the old reaches are at least A (1 - exp(-t F1 / A)) with A = F1 (F1 - 1) / (2 (F2 + 1)): Jensen's inequality
    for the convex (1 - exp(-t p)) / p under the weight that F1 counts.

    Source: Chao (1984); Colwell et al. (2012) for the growth. The + 1 is Chao's correction of bias.
    """
    unseen = seen.searches - seen.positives
    limit = np.minimum(seen.singles * (seen.singles - 1) / (2 * (seen.doubles + 1)), unseen)
    t = size / seen.rows - 1
    new = np.where(limit > 0, -limit * np.expm1(-t * seen.singles / np.where(limit > 0, limit, 1)), 0)
    return _from_positives(seen, new)


def most(seen: Counts, size: float) -> Floats:
    """The largest FPIR that any mixture of probes allows: growth is concave, and slower than max-stable.

    Its slope now is that of searches with exactly one match (Good & Toulmin); one more is added for those not seen.
    """
    t = size / seen.rows - 1
    unseen = seen.searches - seen.positives
    straight = _from_positives(seen, np.minimum(t * (seen.singles + 1), unseen))
    return np.minimum(straight, measured(seen) + np.log(size / seen.rows))


def measured(seen: Counts) -> Floats:
    """FPIR of the rows that were searched."""
    return scale_of(seen.positives / seen.searches)


def scale_of(share: Floats) -> Floats:
    """log(-log(1 - share)): minus infinity for 0, infinity for 1."""
    with np.errstate(divide="ignore"):
        scale: Floats = np.log(-np.log1p(-share))
    return scale


def _from_positives(seen: Counts, new: Floats) -> Floats:
    """The scale of `positives + new` searches; infinite where no search is left."""
    return scale_of(np.minimum((seen.positives + new) / seen.searches, 1))


def to_rate(value: float) -> float:
    """The rate of a value on the scale log(-log(1 - rate))."""
    return float(-np.expm1(-np.exp(value)))
