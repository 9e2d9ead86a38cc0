"""What the tables of several kinds of run share: headings, names of groups, rates, ratios."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.text import Text

from frbench.plan import ALL
from frbench.terminal import figures
from frbench.terminal.figures import UNDEFINED, Form


def ratio_lines(results: Mapping[str, Any], threshold: float) -> Iterator[Text]:
    """What each group against the reference shows, and what it could have shown; then which may have the highest rate.

    Runs of older versions have ratios of FMR alone.
    """
    for r in (r for r in results.get("contrasts", results.get("ratios", [])) if r["threshold"] == threshold):
        name, reference = (name_of(results, r["grouping"], r[side][0]) for side in ("group", "reference"))
        head = f"{_metric_of(r)} within {name} / within {reference}: "
        if r["value"] is None:
            yield Text(f"{head}{UNDEFINED}, {r['reason']}")
        elif r["low"] is None:
            yield Text(f"{head}{r['value']:.3g}, {r['reason']}")
        else:
            verdict = "" if r["low"] > 1 or r["high"] < 1 else f"; no difference was detected{_power_of(r)}"
            yield Text(f"{head}{r['value']:.3g} (95% interval {r['low']:.3g} to {r['high']:.3g}{verdict})")
    for found in (h for h in results.get("highest", []) if h["threshold"] == threshold and len(h["possible"]) > 1):
        names = ", ".join(name_of(results, found["grouping"], name) for name in found["possible"])
        yield Text(
            f"highest {_metric_of(found)} by {found['grouping']}: any of {names}, at {found['level']:.0%} together"
        )


def _metric_of(found: Mapping[str, Any]) -> str:
    rank = found.get("rank")
    return f"{found['metric'].upper()} rank {rank}" if rank else f"{found['metric'].upper()}"


def _power_of(ratio: Mapping[str, Any]) -> str:
    """The ratio that would have been detected; "" for runs of older versions, which do not hold it."""
    if "detectable" not in ratio:
        return ""
    if ratio["detectable"] is None:
        return ", and none would have been"
    return f", and one of {ratio['detectable']:.3g} would have been with 80% power"


def name_of(results: Mapping[str, Any], grouping: str, group: str) -> str:
    """A group; where there are several groupings, which of them it belongs to: sex=female."""
    several = sum(name != ALL for name in results["groupings"]) > 1
    return f"{grouping}={group}" if several and grouping != ALL else group


def heading(results: Mapping[str, Any], threshold: float) -> str:
    """A threshold, the target that it was set at, and what it achieved there."""
    points = [p for p in results["operating_points"] if p["threshold"] == threshold]
    origin = "; ".join(f"{p['at']} of {p['population']}, achieved {p['k']:,} / {p['n']:,}" for p in points)
    return f"threshold {threshold:.9g}" + (f" ({origin})" if origin else "")


def threshold_between(results: Mapping[str, Any], threshold: float) -> Iterator[Text]:
    """How far the threshold itself may be from the one that has its rate among all people."""
    for found in results.get("threshold_intervals", ()):
        if found["threshold"] == threshold:
            low, high = (UNDEFINED if end is None else f"{end:.9g}" for end in (found["low"], found["high"]))
            yield Text(f"with other people {found['at']} would lie between {low} and {high} (95%, edges of the axis)")


def recorded_note(results: Mapping[str, Any]) -> Iterator[Text]:
    """What a reader should know of scores that another program recorded."""
    recorded = results.get("recorded")
    if recorded is None:
        return
    if recorded["score"] != "as recorded":
        yield Text("scores are minus the recorded distances, and thresholds are too", style="yellow")
    for note in recorded["notes"]:
        yield Text(note, style="yellow")


def unreached_notes(results: Mapping[str, Any]) -> Iterator[Text]:
    """Targets without a threshold, and those that rest on fewer than 30 errors."""
    for point in results["operating_points"]:
        if point["threshold"] is None:
            yield Text(f"no threshold for {point['at']}: {point['reason']}", style="yellow")
        elif not point["rule_of_30"]:
            yield Text(f"{point['at']} rests on {point['k']} false positives, fewer than 30", style="yellow")


def rate_of(estimate: Mapping[str, Any], form: Form) -> tuple[str, str, str]:
    """A rate with its interval and k / n, or the reason why there is none."""
    missing = (UNDEFINED, "", estimate["reason"])
    return missing if estimate["value"] is None else figures.rate(estimate, form)
