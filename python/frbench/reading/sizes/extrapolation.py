"""Extrapolates FPIR to a gallery larger than the one that was searched, with an interval, or refuses.

Models are fitted to parts of the gallery, a sixteenth to a half of its rows, and must predict the FPIR measured on
all of it: one that misses more than one time in ten is refused. The value is that of the best of those left; the
interval spans the intervals of all of them and of what any mixture of probes allows, since hidden sizes cannot tell
models apart that agree there.

Every interval is a jackknife over blocks of probe subjects plus one over blocks of gallery subjects: a larger gallery
has other people in it, so that, unlike a measured rate, this one is not conditional on the gallery.

Source: Owen (2007) for the sum of both variances in two-way data; ISO/IEC 5152 extrapolates FMR by extreme values
and leaves FPIR out: this is a model and no standard.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from frbench.estimate import LEVEL, MIN_BLOCKS, jackknife_variance, student_t
from frbench.operating_point import RULE_OF_30
from frbench.reading.sizes import gallery_models as growth
from frbench.reading.sizes.gallery_models import EXTREME_VALUE, MODELS, Counts, measured, to_rate
from frbench.reading.sizes.gallery_parts import EVERYTHING, PARTS, PartedSearches, hidden_sizes

MIN_COVERAGE = 0.9
MIN_CHECKS = 2


@dataclass(frozen=True)
class Check:
    """How a model did on hidden sizes.

    at : threshold at which it was checked.
    tried, held : fits to a part of the gallery, and those whose interval held the rate measured on all of it.
    error : mean absolute error of log(-log(1 - FPIR)): near 0 that of the logarithm of FPIR.
    """

    model: str
    at: float
    tried: int
    held: int
    error: float | None

    def to_json(self) -> dict[str, Any]:
        """The fields, and whether the check was passed, as JSON values."""
        return asdict(self) | {"is_passed": self.is_passed}

    @property
    def is_passed(self) -> bool:
        """Whether the model may be used: it was tried twice at least, and held nine times in ten."""
        return self.tried >= MIN_CHECKS and self.held >= MIN_COVERAGE * self.tried


@dataclass(frozen=True)
class Extrapolation:
    """FPIR at a larger gallery by a model, or None and the reason.

    matches : false matches at the threshold that were seen. checks : how every model did on hidden sizes.
    """

    value: float | None
    low: float | None
    high: float | None
    matches: int
    model: str = ""
    reason: str = ""
    checks: tuple[Check, ...] = ()


class _Interval(NamedTuple):
    value: float
    low: float
    high: float

    @classmethod
    def of(cls, replicates: NDArray[np.float64], n_probe_blocks: int) -> _Interval:
        """Value and interval from everything, then without each probe block, then without each gallery block."""
        value = float(replicates[0])
        probe, gallery = np.split(replicates[1:], [n_probe_blocks])
        if not np.isfinite(replicates).all() or min(len(probe), len(gallery)) < MIN_BLOCKS:
            return cls(value, -math.inf, math.inf)
        spread = math.sqrt(jackknife_variance(probe) + jackknife_variance(gallery))
        t = student_t(min(len(probe), len(gallery)) - 1, LEVEL)
        return cls(value, value - t * spread, value + t * spread)

    @property
    def is_finite(self) -> bool:
        return all(map(math.isfinite, self))


def extrapolate(searches: PartedSearches, threshold: float, sizes: Sequence[int]) -> list[Extrapolation]:
    """FPIR of galleries of `sizes` rows at the threshold, for the searches of one group.

    Candidate lists must hold every row at or above the threshold. With at least 30 false matches any model may be
    chosen, and is checked at the threshold itself. With fewer, only the tail of scores reaches it: it is checked at
    the highest threshold with 30 false positives, and no further out than hidden sizes have checked it.
    """
    seen = searches.seen(threshold, EVERYTHING)
    matches = int(seen.matches[0])
    is_rare = matches < RULE_OF_30
    checks: tuple[Check, ...] = ()
    reason = _unfit(searches, seen)
    if not reason:
        checks = _rare_checks(searches) if is_rare else _checks(searches, threshold, tuple(MODELS))
        reason = _refusal(checks, matches) or (_out_of_reach(seen) if is_rare else "")
    if reason:
        return [Extrapolation(None, None, None, matches, reason=reason, checks=checks) for _ in sizes]
    passed = sorted((c for c in checks if c.is_passed), key=lambda check: check.error or 0.0)
    n = len(searches.probe_blocks)
    found = []
    for size in sizes:
        spans = [_Interval.of(MODELS[c.model](seen, size), n) for c in passed]
        limits = _rare_limits(seen, size, n) if is_rare else _limits(seen, size, n)
        low = min(limits[0], *(span.low for span in spans))
        high = max(limits[1], *(span.high for span in spans))
        value, low, high = map(to_rate, (spans[0].value, low, high))
        found.append(Extrapolation(value, low, high, matches, passed[0].model, checks=checks))
    return found


def _unfit(searches: PartedSearches, seen: Counts) -> str:
    """Why these searches cannot say anything, or ""."""
    n = len(searches.probe_blocks)
    gallery = int((searches.rows(EVERYTHING) > 0).sum())
    if min(n, gallery) < MIN_BLOCKS:
        return f"probes are in {n} and the gallery in {gallery} blocks of people, at least {MIN_BLOCKS} are needed"
    if seen.positives[0] == seen.searches[0]:
        return "every search has a false positive already"
    return ""


def _checks(searches: PartedSearches, threshold: float, models: Sequence[str]) -> tuple[Check, ...]:
    """Every model against the FPIR of the whole gallery, fitted to parts of it that hold 30 false matches.

    The tail of scores needs no match at the threshold, and is fitted to every part.
    """
    whole = searches.seen(threshold, EVERYTHING)
    target, size = float(measured(whole)[0]), float(whole.rows[0])
    errors: dict[str, list[float]] = {name: [] for name in models}
    held = dict.fromkeys(models, 0)
    for parts in hidden_sizes():
        seen = searches.seen(threshold, parts)
        for name in models:
            if name != EXTREME_VALUE and seen.matches[0] < RULE_OF_30:
                continue
            span = _Interval.of(MODELS[name](seen, size), len(searches.probe_blocks))
            if span.is_finite:
                held[name] += span.low <= target <= span.high
                errors[name].append(abs(span.value - target))
    return tuple(
        Check(name, threshold, len(e), held[name], float(np.mean(e)) if e else None) for name, e in errors.items()
    )


def _rare_checks(searches: PartedSearches) -> tuple[Check, ...]:
    """The tail of scores, checked at the highest threshold that 30 best scores reach."""
    best = searches.best
    if len(best) <= RULE_OF_30 or np.isneginf(best[-RULE_OF_30]):
        return ()
    return _checks(searches, float(best[-RULE_OF_30]), (EXTREME_VALUE,))


def _refusal(checks: Sequence[Check], matches: int) -> str:
    """Why no model may be used, or ""."""
    if any(check.is_passed for check in checks):
        return ""
    tried = [check for check in checks if check.tried >= MIN_CHECKS]
    if not tried:
        return f"{matches} false matches: too few in half of the gallery to check a model"
    said = ", ".join(f"{c.model} {c.held} of {c.tried}" for c in tried)
    return f"the models refuse: fitted to parts of the gallery, they predict all of it too rarely ({said})"


def _out_of_reach(seen: Counts) -> str:
    """Why the tail does not reach a rare threshold, or ""."""
    expected, least = float(seen.tail[0] * seen.searches[0]), RULE_OF_30 / PARTS
    if math.isnan(expected):
        return f"fewer than {RULE_OF_30} best scores are above what candidate lists hold: no tail of scores"
    if expected >= least:
        return ""
    return f"the tail of scores gives {expected:.2g} false positives, and is checked down to {least:.2g} only"


def _limits(seen: Counts, size: float, n: int) -> tuple[float, float]:
    """What any mixture of probes allows: at least the rate measured now."""
    now, low, high = (_Interval.of(r, n) for r in (measured(seen), growth.fewest(seen, size), growth.most(seen, size)))
    return (max(now.low, low.low) if low.is_finite else now.low), high.high


def _rare_limits(seen: Counts, size: float, n: int) -> tuple[float, float]:
    """No growth at all, and growth by max-stability, of the rate that the tail gives now."""
    now, high = (_Interval.of(growth.extreme_value(seen, s), n) for s in (seen.rows[0], size))
    return now.low, high.high
