"""Puts a run at every counted threshold on the page, as data for the scripts that follow a handle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from frbench.estimate import LEVEL
from frbench.page import parts, words
from frbench.page.claims import MAX_NAMED, TEMPLATES
from frbench.page.explored import MAX_MATRIX, Curve, Explored, Row, explored
from frbench.page.operation import Setting
from frbench.page.packing import pack
from frbench.page.parts import Explorer
from frbench.page.style import CROSSOVER, DARK, RAMP, SHAPES, Palette
from frbench.reading.people import knows_people
from frbench.reading.power import POWER
from frbench.reading.rate import ERRORS, Rate
from frbench.results.types import Rates
from frbench.tally import Tally

VERIFICATION = Setting(gallery=1, searches=1000, enrolled=0.9)
SEARCHES, ENROLLED = 1000, 0.1
OF = {
    "fmr": "of non-mated comparisons",
    "fnmr": "of mated comparisons",
    "fpir": "of non-mated searches",
    "fnir": "of mated searches",
}
TITLES = {
    "fmr": "False match rate",
    "fnmr": "False non-match rate",
    "fpir": "False alarms (FPIR)",
    "fnir": "Misses (FNIR)",
}
DAY_HEADS = {
    "verify": [("False matches a day", "expected"), ("Right", "of what is accepted")],
    "identify": [("False alarms a day", "expected"), ("Right", "of alarms")],
}
# What is said to a threshold that was typed.
ANSWERS = {
    "typed.at": "The handle stands at {threshold}.",
    "typed.next": "{typed} is no stop of the handle; it went to the next one above, {threshold}, and every figure is "
    "of that.",
    "typed.above": "{typed} is above the last stop, {threshold}; the handle stays where it was.",
    "typed.unread": '"{typed}" is not a threshold; type a number, for example 0.5. The handle stays where it was.',
}
CAPTIONS = {
    "curves": "Drag the line, or use the slider above. Steps join counted thresholds; a gap is where no error was "
    "seen. Shaded: 95% intervals, where six groups or fewer are drawn. Groups of fewer than 100 trials: in the table.",
    "rates": "At the handle: the rate, and its 95% interval. A bar without a point is a bound: no error was seen.",
    "ratios": "At the handle: group / reference, and the 95% interval of the ratio. Left of 1 lower, right of it "
    "higher; a bar across the dashed line shows no difference.",
}


def of(results: Rates, tally: Tally, palette: Palette) -> Explorer | None:
    """The explorer of a run of comparisons or searches; None if nothing has a score."""
    found = explored(results, tally)
    if found is None:
        return None
    gallery = results["gallery"] if results["kind"] == "identify" else None
    return Explorer(
        data=_data(found, palette, gallery),
        stop=found.reported[0] if found.reported else len(found.thresholds) // 2,
        setting=VERIFICATION if gallery is None else Setting(gallery, SEARCHES, ENROLLED),
        gallery=gallery,
        marks=[(stop, _mark(results, t)) for stop, t in zip(found.reported, results["thresholds"], strict=True)],
        ranks=[(i, rate.rank) for i, rate in enumerate(found.rates) if rate.rank is not None],
        notes=list(_notes(found, gallery, has_people=knows_people(tally))),
    )


def _mark(results: Rates, threshold: float) -> str:
    targets = [words.target(p["at"]) for p in parts.origins(results, threshold)]
    return f"{words.exact(threshold)}{', ' * bool(targets)}{words.listed(targets)}"


def _notes(found: Explored, gallery: int | None, *, has_people: bool) -> Iterator[str]:
    if found.is_thinned:
        n = len(found.thresholds)
        yield f"The handle has {n} stops, fewer than there are counted thresholds; the command line has all of them."
    if gallery is None:
        yield (
            "A day of use: each search is compared with everybody in the gallery, who are people of the same row, and "
            "at most one of them is the person. False matches are comparisons. Size, searches and share are assumed."
        )
    else:
        yield (
            "A day of use: all searches are of people of the row. False alarms are of people who are not in the "
            "gallery. In a gallery of another size nothing was measured: bounds hold for any scores, and are grey. "
            "Searches and share are assumed."
        )
    if has_people:
        yield (
            "Ends of a day's figures are at the ends of both intervals, so they hold at least 90 times in 100, "
            "whatever the correlation of both rates."
        )
    groupings = {row.grouping for row in found.rows if row.is_labelled}
    with_matrix = {found.rows[pair.a].grouping for pair in found.pairs}
    for grouping in sorted(groupings - with_matrix):
        n = sum(row.is_labelled for row in found.rows if row.grouping == grouping)
        if gallery is None and n > MAX_MATRIX:
            yield f"No matrix by {words.grouping(grouping)}: {n} groups, at most {MAX_MATRIX} are shown."


def _data(found: Explored, palette: Palette, gallery: int | None) -> dict[str, Any]:
    """What the scripts need, as JSON values."""
    of_all = [c.reasons for c in (*found.curves, *found.pairs)] + [r.reasons for r in found.ratios]
    reasons = list(dict.fromkeys(["", *chain.from_iterable(of_all)]))
    return {
        "kind": found.kind,
        "gallery": gallery,
        "n_stops": len(found.thresholds),
        "threshold_texts": [words.exact(t) for t in found.thresholds],
        "rows": [_row(row, palette) for row in found.rows],
        "rates": [_rate(rate) for rate in found.rates],
        "curves": [_curve(found, curve) for curve in found.curves],
        "pairs": [_curve(found, curve) for curve in found.pairs],
        "ratios": [{"rate": found.rates.index(r.rate), "row": r.row, "reference": r.reference} for r in found.ratios],
        "reasons": [words.reason(reason) for reason in reasons],
        "packed": pack(list(_numbers(found, {reason: i for i, reason in enumerate(reasons)}))),
        "templates": TEMPLATES | ANSWERS,
        "ramp": RAMP,
        "dark": DARK,
        "crossover": CROSSOVER,
        "max_named": MAX_NAMED,
        "level": f"{LEVEL:.0%}",
        "power": f"{POWER:.0%}",
        "day_heads": DAY_HEADS[found.kind],
        "captions": CAPTIONS,
    }


def _numbers(found: Explored, number: Mapping[str, int]) -> Iterator[np.ndarray[Any, Any] | Sequence[int]]:
    """Rows in the order in which `assets/packing.js` takes them."""
    yield found.thresholds
    for curve in (*found.curves, *found.pairs):
        yield from (curve.k, curve.low, curve.high, [number[reason] for reason in curve.reasons])
    for ratio in found.ratios:
        yield from (ratio.low, ratio.high, ratio.detectable, [number[reason] for reason in ratio.reasons])


def _row(row: Row, palette: Palette) -> dict[str, Any]:
    style = palette[row.grouping, row.name]
    return {
        "grouping": row.grouping,
        "grouping_words": words.grouping(row.grouping),
        "label": row.label,
        "is_everybody": row.is_everybody,
        "is_labelled": row.is_labelled,
        "heading": f"By {words.grouping(row.grouping)}",
        "style": {"colour": style.colour, "dash": " ".join(map(str, style.dash)), "shape": SHAPES[style.shape]},
    }


def _rate(rate: Rate) -> dict[str, Any]:
    return {
        "metric": rate.metric,
        "rank": rate.rank,
        "name": rate.name,
        "words": TITLES[rate.metric],
        "errors": words.capital(ERRORS[rate.metric]),
        "of": OF[rate.metric],
    }


def _curve(found: Explored, curve: Curve) -> dict[str, Any]:
    return {"rate": found.rates.index(curve.rate), "a": curve.a, "b": curve.b, "n": curve.n, "people": curve.people}
