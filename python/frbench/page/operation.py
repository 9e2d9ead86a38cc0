"""Works out what measured rates come to in a day of use, under stated assumptions and without a model of scores.

Size of the gallery, searches a day and the share of them that are of enrolled people are assumed, not measured. Where a
1:N rate was measured in another gallery only bounds are given, which hold for any scores: a gallery of M people drawn
like the N that were searched has FPIR(M) between min(1, M / N) and max(1, M / N) times FPIR(N), because a false alarm
needs one of its rows; FNIR at one threshold falls with a smaller gallery, and rises with a larger one.

Ends of what comes from two rates are at the ends of both intervals, whatever their correlation. `assets/operation.js`
is the same in the page, and a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass

from frbench.results import types


@dataclass(frozen=True)
class Setting:
    """What is assumed. gallery : people enrolled. searches : a day. enrolled : share of searches of enrolled people."""

    gallery: int
    searches: float
    enrolled: float


@dataclass(frozen=True)
class Range:
    """A number and its ends; None where it is not known."""

    value: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, estimate: types.Range) -> Range:
        """Those of an estimate."""
        return cls(estimate["value"], estimate["low"], estimate["high"])

    def times(self, factor: float) -> Range:
        """Each of them times `factor`."""
        return Range(*(None if x is None else x * factor for x in (self.value, self.low, self.high)))

    @property
    def others(self) -> Range:
        """One less it, ends turned over."""
        return Range(*(None if x is None else 1 - x for x in (self.value, self.high, self.low)))


@dataclass(frozen=True)
class Day:
    """false : false matches or false alarms a day. precision : share of acceptances that are right."""

    false: Range
    precision: Range


def of_comparisons(setting: Setting, fmr: types.Range, fnmr: types.Range) -> Day:
    """A day of 1:1 rates: each search is compared with every enrolled person, and one of them may be a mate.

    False matches are (1 - q) M + q (M - 1) comparisons a search times FMR, by expectation alone. Precision is over
    accepted comparisons.
    """
    others = (1 - setting.enrolled) * setting.gallery + setting.enrolled * (setting.gallery - 1)
    false = Range.of(fmr).times(setting.searches * others)
    return Day(false, precision(Range.of(fnmr).others.times(setting.searches * setting.enrolled), false))


def of_searches(setting: Setting, fpir: types.Range, fnir: types.Range, *, measured: int) -> Day:
    """A day of 1:N rates that were measured in a gallery of `measured`. Precision is over searches that raise an alarm.

    False alarms are those of people who are not enrolled.
    """
    alarms = sized_alarms(Range.of(fpir), setting.gallery / measured)
    misses = sized_misses(Range.of(fnir), setting.gallery / measured)
    false = alarms.times(setting.searches * (1 - setting.enrolled))
    return Day(false, precision(misses.others.times(setting.searches * setting.enrolled), false))


def sized_alarms(fpir: Range, times: float) -> Range:
    """FPIR in a gallery `times` as large: bounds, unless it is the same."""
    if times == 1 or fpir.low is None or fpir.high is None:
        return fpir if times == 1 else Range(None, None, None)
    return Range(None, fpir.low * min(1.0, times), min(1.0, fpir.high * max(1.0, times)))


def sized_misses(fnir: Range, times: float) -> Range:
    """FNIR at one rank and threshold in a gallery `times` as large: one bound, unless it is the same."""
    if times == 1:
        return fnir
    return Range(None, 0.0, fnir.high) if times < 1 else Range(None, fnir.low, 1.0)


def precision(right: Range, wrong: Range) -> Range:
    """right / (right + wrong); None where an end is not known or nothing is accepted."""
    return Range(*map(_share, (right.value, right.low, right.high), (wrong.value, wrong.high, wrong.low)))


def _share(right: float | None, wrong: float | None) -> float | None:
    if right is None or wrong is None or right + wrong == 0:
        return None
    return right / (right + wrong)
