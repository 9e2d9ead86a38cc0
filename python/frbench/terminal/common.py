"""Names groups and writes ratios and notes that the tables of several kinds of run share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from rich.text import Text

from frbench.plan import ALL
from frbench.results.types import AnyContrast, Estimate, Head, OfGroup, Rates, Value, Verify
from frbench.terminal import figures
from frbench.terminal.figures import UNDEFINED, Form, exact, sentences

Row = TypeVar("Row", bound=OfGroup)


def contrasts_of(results: Rates) -> Sequence[AnyContrast]:
    """Groups against their reference; runs of older versions have ratios of FMR alone."""
    older: Sequence[AnyContrast] = results.get("ratios", []) if results["kind"] == "verify" else []
    return results.get("contrasts", older)


def rank_of(found: AnyContrast) -> int | None:
    """The rank of FNIR, None of every other rate."""
    if "rank" in found:
        return found["rank"]
    return None


def ratio_lines(results: Rates, threshold: float) -> Iterator[Text]:
    """What each group against the reference shows and could have shown; then which may have the highest rate."""
    for r in (r for r in contrasts_of(results) if r["threshold"] == threshold):
        name, reference = (name_of(results, r["grouping"], side[0]) for side in (r["group"], r["reference"]))
        head = f"{_rate(r.get('metric', 'fmr'), rank_of(r))} within {name} / within {reference}: "
        if r["value"] is None:
            yield Text(f"{head}{UNDEFINED}, {r['reason']}")
        elif r["low"] is None or r["high"] is None:
            yield Text(f"{head}{r['value']:.3g}, {r['reason']}")
        else:
            verdict = "" if r["low"] > 1 or r["high"] < 1 else f"; no difference was detected{_power_of(r)}"
            yield Text(f"{head}{r['value']:.3g} (95% interval {r['low']:.3g} to {r['high']:.3g}{verdict})")
    for h in (h for h in results.get("highest", []) if h["threshold"] == threshold and len(h["possible"]) > 1):
        names = ", ".join(name_of(results, h["grouping"], name) for name in h["possible"])
        yield Text(
            f"highest {_rate(h['metric'], h['rank'])} by {h['grouping']}: any of {names}, at {h['level']:.0%} together"
        )


def _rate(metric: str, rank: int | None) -> str:
    return metric.upper() + (f" rank {rank}" if rank else "")


def _power_of(ratio: AnyContrast) -> str:
    """The ratio that would have been detected; "" for runs of older versions, which do not hold it."""
    if "detectable" not in ratio:
        return ""
    if ratio["detectable"] is None:
        return ", and none would have been"
    return f", and one of {ratio['detectable']:.3g} would have been with 80% power"


def name_of(results: Head, grouping: str, group: str) -> str:
    """A group; where there are several groupings, which of them it belongs to: sex=female."""
    several = sum(name != ALL for name in results["groupings"]) > 1
    return f"{grouping}={group}" if several and grouping != ALL else group


def named(results: Head, rows: Iterable[Row]) -> list[tuple[str, Row]]:
    """Rows of a table, each with the name of its group."""
    return [(name_of(results, row["grouping"], row["group"]), row) for row in rows]


def reasons(found: Iterable[tuple[str, str, Value]]) -> Iterator[Text]:
    """Sentences on what is missing: title of a value, group, and the value."""
    yield from map(Text, sentences(found))


def heading(results: Head, threshold: float) -> str:
    """A threshold, the target that it was set at, and what it achieved there."""
    points = [p for p in results["operating_points"] if p["threshold"] == threshold]
    origin = "; ".join(f"{p['at']} of {p['population']}, achieved {figures.counts(p)}" for p in points)
    return f"threshold {exact(threshold)}" + (f" ({origin})" if origin else "")


def threshold_between(results: Verify, threshold: float) -> Iterator[Text]:
    """How far the threshold itself may be from the one that has its rate among all people."""
    for found in results.get("threshold_intervals", ()):
        if found["threshold"] == threshold:
            low, high = (figures.number(end, exact) for end in (found["low"], found["high"]))
            yield Text(f"with other people {found['at']} would lie between {low} and {high} (95%, edges of the axis)")


def recorded_note(results: Rates) -> Iterator[Text]:
    """What a reader should know of scores that another program recorded."""
    recorded = results.get("recorded")
    if recorded is None:
        return
    if recorded["score"] != "as recorded":
        yield Text("scores are minus the recorded distances, and thresholds are too", style="yellow")
    for note in recorded["notes"]:
        yield Text(note, style="yellow")


def unreached_notes(results: Head) -> Iterator[Text]:
    """Targets without a threshold, and those that rest on fewer than 30 errors."""
    for point in results["operating_points"]:
        if point["threshold"] is None:
            yield Text(f"no threshold for {point['at']}: {point['reason']}", style="yellow")
        elif not point["rule_of_30"]:
            errors = "false non-matches" if point["at"].startswith("fnmr=") else "false positives"
            yield Text(f"{point['at']} rests on {point['k']} {errors}, fewer than 30", style="yellow")


def rate_of(estimate: Estimate, form: Form) -> tuple[str, str, str]:
    """A rate with its interval and k / n, or the reason why there is none."""
    missing = (UNDEFINED, "", estimate["reason"])
    return missing if estimate["value"] is None else figures.rate(estimate, form)
