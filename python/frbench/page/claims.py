"""Says what was and was not shown at one threshold, in sentences of fixed forms.

`TEMPLATES` are the only text of them: the page carries them, and `assets/claims.js` fills them as this module does; a
test compares every sentence of both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from frbench.estimate import LEVEL
from frbench.page import operation, words
from frbench.page.explored import Explored, RatioCurve
from frbench.page.operation import Range, Setting
from frbench.reading.power import POWER
from frbench.reading.rate import Rate
from frbench.results.types import Estimate

# More ratios than this are counted rather than named.
MAX_NAMED = 4
PER_DAY_DIGITS = 3

TEMPLATES = {
    "rate.interval": "{value} ({level} interval {low} to {high}; {k} of {n})",
    "rate.bare": "{value} ({reason}; {k} of {n})",
    "rate.none": "at most {high} ({level} bound; none of {n})",
    "rate.every": "at least {low} ({level} bound; all of {n})",
    "fmr": "Of comparisons of two different people, {rate} were falsely matched.",
    "fnmr": "Of comparisons of one person with themselves, {rate} were not matched.",
    "fpir": "Of searches for people who are not in this gallery, {rate} raised a false alarm.",
    "fnir": "Of searches for people who are in this gallery, {rate} missed them at rank {rank}.",
    "fmr.undefined": "What share of comparisons of two different people is falsely matched is not shown: {reason}.",
    "fnmr.undefined": "What share of comparisons of one person is not matched is not shown: {reason}.",
    "fpir.undefined": "What share of searches for people who are not in this gallery raises a false alarm is not "
    "shown: {reason}.",
    "fnir.undefined": "What share of searches for people who are in this gallery misses them is not shown: {reason}.",
    "fmr.ratio": "Two people labelled {group} are {low} to {high} times as likely to be falsely matched with each "
    "other as two labelled {reference}: {counts} ({level} interval; ratio {ratio}).",
    "fnmr.ratio": "A person labelled {group} is {low} to {high} times as likely not to be matched with themselves as "
    "one labelled {reference}: {counts} ({level} interval; ratio {ratio}).",
    "fpir.ratio": "A person labelled {group} who is not in this gallery is {low} to {high} times as likely to raise a "
    "false alarm as one labelled {reference}: {counts} ({level} interval; ratio {ratio}).",
    "fnir.ratio": "A person labelled {group} who is in this gallery is {low} to {high} times as likely to be missed, "
    "at rank {rank}, as one labelled {reference}: {counts} ({level} interval; ratio {ratio}).",
    "alike": "{subject}: no difference was detected between {group} and {reference}, {low} to {high} times as likely "
    "({counts}; {level} interval). {power}",
    "power": "A ratio of {detectable} would have been detected, with {power} power.",
    "power.none": "No ratio can be named that would have been detected.",
    "unknown": "{subject}: nothing is shown of {group} against {reference}, {reason} ({counts}).",
    "many": "{subject}: of {total} groups of {grouping} held against {reference}, {higher} are higher, {lower} lower, "
    "for {alike} no difference was detected, and of {unknown} nothing is shown.",
    "counts": "{k} of {n} against {k_reference} of {n_reference}",
    "fmr.subject": "False matches",
    "fnmr.subject": "False non-matches",
    "fpir.subject": "False alarms",
    "fnir.subject": "Misses at rank {rank}",
    "day.verify": "If {searches} attempts a day are compared with a gallery of {gallery}, {enrolled} of them by "
    "people who are enrolled, expect {false} false matches a day; {precision} of what is accepted is right.",
    "day.identify": "If {searches} searches a day are made in this gallery of {gallery}, {enrolled} of them for people "
    "who are in it, expect {false} false alarms a day; {precision} of alarms are for people who are in it.",
    "day.sized": "In a gallery of {gallery} nothing was measured, only in one of {measured}. Whatever the scores, if "
    "{searches} searches a day are made, {enrolled} of them for people who are in it, expect {false} false alarms a "
    "day; {precision} of alarms are for people who are in it.",
    "day.unknown": "What a day of use brings is not shown: {reason}.",
    "range": "{low} to {high}",
    "range.below": "at most {high}",
    "range.bare": "about {value}",
    "range.unknown": "an unknown share",
}


@dataclass(frozen=True)
class Claim:
    """A sentence. is_shown : whether the data support a statement; others are printed in grey."""

    text: str
    is_shown: bool = True


def fill(name: str, **slots: object) -> str:
    """The template with its slots filled."""
    return TEMPLATES[name].format_map(slots)


def claims(
    found: Explored, stop: int, setting: Setting, *, gallery: int | None = None, rank: int | None = None
) -> list[Claim]:
    """What one stop of the handle shows.

    Parameters
    ----------
    gallery : N that was searched; None for 1:1. rank : of misses; None for the first that was counted.
    """
    rates = rates_at(found, rank)
    said = [_rate_claim(rate, found.curve(rate, 0).at(stop)) for rate in rates]
    for grouping in dict.fromkeys(row.grouping for row in found.rows if not row.is_everybody):
        for rate in rates:
            ratios = [r for r in found.ratios if r.rate == rate and found.rows[r.row].grouping == grouping]
            said += _ratio_claims(found, [r for r in ratios if all(n for _, n in _counts(found, r, stop))], stop)
    return [*said, _day_claim(found, stop, setting, gallery, rates)]


def rates_at(found: Explored, rank: int | None) -> list[Rate]:
    """False positives, and false negatives at one rank."""
    misses = [rate for rate in found.rates[1:] if rank in (None, rate.rank)]
    return [found.rates[0], misses[0]]


def day(
    found: Explored, row: int, stop: int, setting: Setting, *, gallery: int | None, rates: Sequence[Rate]
) -> operation.Day:
    """A day of use by the people of one row."""
    wrong, missed = (found.curve(rate, row).at(stop) for rate in rates)
    if gallery is None:
        return operation.of_comparisons(setting, wrong, missed)
    return operation.of_searches(setting, wrong, missed, measured=gallery)


def _rate_claim(rate: Rate, estimate: Estimate) -> Claim:
    if estimate["value"] is None or (estimate["k"] in (0, estimate["n"]) and estimate["low"] is None):
        return Claim(fill(f"{rate.metric}.undefined", reason=_undefined(estimate)), is_shown=False)
    write = words.scientific if rate.metric == "fmr" else words.percent
    low, high = ("" if end is None else write(end) for end in (estimate["low"], estimate["high"]))
    ends = {"value": write(estimate["value"]), "low": low, "high": high, "level": f"{LEVEL:.0%}"}
    counts = {"k": words.count(estimate["k"]), "n": words.count(estimate["n"])}
    text = fill(f"rate.{_kind(estimate)}", reason=words.reason(estimate["reason"]), **ends, **counts)
    return Claim(fill(rate.metric, rate=text, rank=rate.rank))


def _undefined(estimate: Estimate) -> str:
    reason = words.reason(estimate["reason"])
    return f"{reason} ({estimate['k']:,} of {estimate['n']:,})" if estimate["n"] else reason


def _kind(estimate: Estimate) -> str:
    if estimate["low"] is None:
        return "bare"
    return "none" if not estimate["k"] else "every" if estimate["k"] == estimate["n"] else "interval"


def _ratio_claims(found: Explored, ratios: Sequence[RatioCurve], stop: int) -> Iterator[Claim]:
    if len(ratios) <= MAX_NAMED:
        yield from (_ratio_claim(found, r, stop) for r in ratios)
        return
    first = ratios[0]
    verdicts = [_verdict(r, stop) for r in ratios]
    subject = fill(f"{first.rate.metric}.subject", rank=first.rate.rank)
    grouping, reference = words.grouping(found.rows[first.row].grouping), found.rows[first.reference].label
    of_each = {name: verdicts.count(name) for name in ("higher", "lower", "alike", "unknown")}
    text = fill("many", subject=subject, total=len(ratios), grouping=grouping, reference=reference, **of_each)
    yield Claim(text, is_shown=not {"higher", "lower"}.isdisjoint(verdicts))
    # What was shown goes before what was not.
    for verdict in ("higher", "lower", "alike"):
        alike = [r for r, own in zip(ratios, verdicts, strict=True) if own == verdict]
        if alike:
            yield _ratio_claim(found, max(alike, key=lambda r: abs(math.log(_ratio(found, r, stop)))), stop)
            return


def _ratio_claim(found: Explored, ratio: RatioCurve, stop: int) -> Claim:
    verdict = _verdict(ratio, stop)
    numbers = map(words.count, chain.from_iterable(_counts(found, ratio, stop)))
    slots = {
        "subject": fill(f"{ratio.rate.metric}.subject", rank=ratio.rate.rank),
        "group": found.rows[ratio.row].label,
        "reference": found.rows[ratio.reference].label,
        "rank": ratio.rate.rank,
        "level": f"{LEVEL:.0%}",
        "counts": fill("counts", **dict(zip(("k", "n", "k_reference", "n_reference"), numbers, strict=True))),
    }
    if verdict == "unknown":
        return Claim(fill("unknown", reason=words.reason(ratio.reasons[stop]), **slots), is_shown=False)
    slots |= {"low": words.digits(ratio.low[stop]), "high": words.digits(ratio.high[stop])}
    if verdict == "alike":
        return Claim(fill("alike", power=_power(float(ratio.detectable[stop])), **slots), is_shown=False)
    return Claim(fill(f"{ratio.rate.metric}.ratio", ratio=words.digits(_ratio(found, ratio, stop)), **slots))


def _power(detectable: float) -> str:
    if detectable != detectable:
        return fill("power.none")
    return fill("power", detectable=words.digits(detectable, 3), power=f"{POWER:.0%}")


def _verdict(ratio: RatioCurve, stop: int) -> str:
    low, high = ratio.low[stop], ratio.high[stop]
    if low != low:
        return "unknown"
    return "higher" if low > 1 else "lower" if high < 1 else "alike"


def _counts(found: Explored, ratio: RatioCurve, stop: int) -> list[tuple[int, int]]:
    curves = [found.curve(ratio.rate, row) for row in (ratio.row, ratio.reference)]
    return [(int(curve.k[stop]), curve.n) for curve in curves]


def _ratio(found: Explored, ratio: RatioCurve, stop: int) -> float:
    (k, n), (k_reference, n_reference) = _counts(found, ratio, stop)
    return (k / n) / (k_reference / n_reference)


def _day_claim(found: Explored, stop: int, setting: Setting, gallery: int | None, rates: Sequence[Rate]) -> Claim:
    expected = day(found, 0, stop, setting, gallery=gallery, rates=rates)
    if expected.false.value is None and expected.false.high is None:
        reasons = [found.curve(rate, 0).reasons[stop] for rate in rates]
        return Claim(fill("day.unknown", reason=words.reason(next(filter(None, reasons), ""))), is_shown=False)
    is_sized = gallery is not None and gallery != setting.gallery
    text = fill(
        f"day.{'sized' if is_sized else found.kind}",
        searches=words.digits(setting.searches, PER_DAY_DIGITS),
        gallery=words.count(setting.gallery),
        measured=words.count(gallery or 0),
        enrolled=words.percent(setting.enrolled),
        false=in_words(expected.false, lambda x: words.digits(x, PER_DAY_DIGITS)),
        precision=in_words(expected.precision, words.percent),
    )
    return Claim(text, is_shown=not is_sized)


def in_words(found: Range, write: words.Writer) -> str:
    """A range as it stands in a sentence."""
    low, high = ("" if end is None else write(end) for end in (found.low, found.high))
    if found.low is None or found.high is None:
        return fill("range.unknown") if found.value is None else fill("range.bare", value=write(found.value))
    return fill("range.below", high=high) if found.low == 0 else fill("range", low=low, high=high)
