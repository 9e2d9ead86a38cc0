"""Shows each group held against a reference on the page, with what would have been detected."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from markupsafe import Markup

from frbench.page import words
from frbench.page.parts import RatioRow, RatioTable
from frbench.page.style import Palette
from frbench.reading.power import POWER
from frbench.results.types import AnyContrast, Rates
from frbench.terminal.common import contrasts_of, rank_of

HIGHER, LOWER, NO_DIFFERENCE, NO_STATEMENT = "higher", "lower", "no difference was detected", "no statement"
NONE_NAMED = "no ratio can be named that would have been detected"


def at(results: Rates, grouping: str, threshold: float, metric: str) -> list[AnyContrast]:
    """Groups of a grouping against their reference."""
    return [
        r
        for r in contrasts_of(results)
        if r["grouping"] == grouping and r["threshold"] == threshold and r.get("metric", "fmr") == metric
    ]


def verdict(ratio: AnyContrast) -> str:
    """What the interval of a ratio says, and no more."""
    if ratio["value"] is None or ratio["low"] is None or ratio["high"] is None:
        return NO_STATEMENT
    if ratio["low"] > 1:
        return HIGHER
    return LOWER if ratio["high"] < 1 else NO_DIFFERENCE


def power(ratio: AnyContrast) -> str:
    """The smallest ratio that would have been detected, as a sentence without its end.

    Runs of older versions hold none; for them it is the ratio whose interval, as wide as the one seen, would not hold
    1.
    """
    if "detectable" not in ratio:
        if ratio["low"] is None or ratio["high"] is None or not ratio["low"] > 0:
            return NONE_NAMED
        # The half-width of the interval on the logarithm.
        spread = math.sqrt(ratio["high"] / ratio["low"])
        return f"a ratio above {words.digits(spread)} or below {words.digits(1 / spread)} would have been detected"
    if ratio["detectable"] is None:
        return NONE_NAMED
    return f"a ratio of {words.digits(ratio['detectable'], 3)} would have been detected, with {POWER:.0%} power"


def tables(results: Rates, palette: Palette, grouping: str, threshold: float) -> Iterator[RatioTable]:
    """A table of each rate that groups were held against each other in."""
    for metric in ("fmr", "fnmr", "fpir", "fnir"):
        found = at(results, grouping, threshold, metric)
        # Where no group has trials, the table of rates says so.
        if any(n for r in found for n in r["n"]):
            yield _table(found, palette, grouping, metric, _highest(results, grouping, threshold, metric))


def _table(
    found: Sequence[AnyContrast], palette: Palette, grouping: str, metric: str, notes: Sequence[str]
) -> RatioTable:
    ends = [x for r in found for x in (r["low"], r["value"], r["high"]) if x]
    # Whole powers of two, 1 always among them.
    low = math.floor(math.log2(min([0.5, *ends])))
    high = math.ceil(math.log2(max([2.0, *ends])))

    def place(x: float) -> float:
        return round(100 * (math.log2(x) - low) / (high - low), 2)

    stride = math.ceil((high - low) / 4)
    ticks = [(place(2.0**i), _power_of_two(i)) for i in range(low, high + 1) if i % stride == 0]
    title = words.capital(words.metric(metric, rank_of(found[0])).removeprefix("the "))
    whose = "within" if metric in words.PAIRWISE else "for"
    caption = f"{title} {whose} a group of {words.grouping(grouping)}, as a multiple of the reference group's"
    rows = [_row(r, palette[grouping, r["group"][0]].swatch, place) for r in found]
    return RatioTable(caption, metric.upper(), rows, place(1.0), ticks, notes)


def _row(ratio: AnyContrast, swatch: Markup, place: Callable[[float], float]) -> RatioRow:
    value, low, high = ratio["value"], ratio["low"], ratio["high"]
    counts = tuple(f"{k:,} / {n:,}" for k, n in zip(ratio["k"], ratio["n"], strict=True))
    return RatioRow(
        ratio["group"][0],
        ratio["reference"][0],
        "not estimable" if value is None else words.digits(value),
        words.ends(ratio, words.digits),
        (counts[0], counts[1]),
        verdict(ratio),
        power(ratio),
        _difference(ratio),
        swatch,
        place(low) if low else None if low is None else 0.0,
        place(value) if value else None,
        None if high is None else place(high),
    )


def _difference(ratio: AnyContrast) -> tuple[str, str]:
    """A difference of rates and its interval, or why there is none; ("", "") of runs that hold none."""
    if "difference" not in ratio:
        return "", ""
    found = ratio["difference"]
    if found["value"] is None:
        return "not estimable", ""
    return words.signed(found["value"]), words.ends(found, words.signed)


def _highest(results: Rates, grouping: str, threshold: float, metric: str) -> list[str]:
    """Which groups may have the highest rate."""
    notes = []
    for found in results.get("highest", []):
        if (found["grouping"], found["threshold"], found["metric"]) != (grouping, threshold, metric):
            continue
        title, level = words.metric(metric, found["rank"]).removeprefix("the "), f"{found['level']:.0%}"
        if len(found["possible"]) == 1 and found["group"] is not None:
            notes.append(f"The highest {title} is that of {found['possible'][0]} ({level}, all groups together).")
        elif found["possible"]:
            names = words.listed(found["possible"])
            notes.append(f"The highest {title} may be that of any of {names} ({level}, all groups together).")
    return notes


def _power_of_two(i: int) -> str:
    return f"{2**i:g}" if i >= 0 else f"1/{2**-i}"
