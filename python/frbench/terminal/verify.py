"""Summary: the results of a run as tables on a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.text import Text

from frbench.plan import ALL
from frbench.results.verify import excluded_in_words
from frbench.terminal import audits, curves, figures, groups, modes
from frbench.terminal.figures import UNDEFINED, Form
from frbench.terminal.load import load_tables
from frbench.terminal.shortcuts import shortcut_tables


def show(results: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints the tables of `results` to standard output."""
    of_kind = {
        "verify": _verify,
        "identify": _identify,
        "latency": _latency,
        "load": load_tables,
        "ann": shortcut_tables,
        "precision": shortcut_tables,
    }
    tables = of_kind[results["kind"]](results)
    figures.terminal(console).print(Group(*tables))


def _verify(results: Mapping[str, Any]) -> Iterator[RenderableType]:
    nonmated, mated = results["overall"]
    # Without labels a list of pairs says which are mated, and not who is on them.
    has_people = any(e["n_subjects"] is not None for e in results["estimates"])
    two, one = ("two people", "one person") if has_people else ("non-mated pairs", "mated pairs")
    yield Text(
        f"1:1, {nonmated['trials'] + mated['trials']:,} comparisons, {mated['trials']:,} of them mated. "
        f"FMR: share of comparisons of {two} that are accepted; FNMR: share of comparisons of {one} that are "
        "rejected. A score at or above the threshold is accepted. k / n: errors / comparisons.\n"
    )
    if excluded := excluded_in_words(results):
        yield Text(f"{excluded}\n", style="yellow")
    yield from _recorded(results)
    yield from _unreached(results)
    for threshold in results["thresholds"]:
        yield Text(_heading(results, threshold), style="bold")
        yield from _threshold_between(results, threshold)
        table = figures.table("group", "FMR", "95% interval", "k / n", "FNMR", "95% interval", "k / n")
        rows: dict[tuple[str, str, str], dict[str, Any]] = {}
        for e in results["estimates"]:
            if e["threshold"] == threshold:
                rows.setdefault((e["grouping"], e["group_a"], e["group_b"]), {})[e["metric"]] = e
        for (grouping, a, b), found in rows.items():
            table.add_row(
                Text(_name(results, grouping, a if a == b else f"{a} x {b}")),
                *_rate(found["fmr"], figures.power),
                *(_rate(found["fnmr"], figures.percent) if "fnmr" in found else ("", "", "")),
            )
        yield table
        yield from _ratio_lines(results, threshold)
        yield from groups.tables(results, threshold)
        yield ""
    yield from curves.tables(results, partial(_name, results))
    yield from audits.tables(results, partial(_name, results))
    yield from _folds(results)


def _folds(results: Mapping[str, Any]) -> Iterator[Text]:
    """Accuracy over the folds of a list of pairs."""
    found = results.get("folds")
    if found is None:
        return
    if found["mean"] is None:
        yield Text(f"accuracy over folds: {UNDEFINED}, {found['reason']}")
        return
    mean, error, least, most = (f"{found[name]:.2%}" for name in ("mean", "standard_error", "least", "most"))
    ties = "" if least == most else f"; {least} to {most} at other thresholds that were as good"
    n = len(found["folds"])
    yield Text(f"accuracy over {n} folds, each at the threshold of the others: {mean}, standard error {error}{ties}")


def _ratio_lines(results: Mapping[str, Any], threshold: float) -> Iterator[Text]:
    """What each group against the reference shows, and what it could have shown; then which may have the highest rate.

    Runs of older versions have ratios of FMR alone.
    """
    for r in (r for r in results.get("contrasts", results.get("ratios", [])) if r["threshold"] == threshold):
        name, reference = (_name(results, r["grouping"], r[side][0]) for side in ("group", "reference"))
        head = f"{_metric(r)} within {name} / within {reference}: "
        if r["value"] is None:
            yield Text(f"{head}{UNDEFINED}, {r['reason']}")
        elif r["low"] is None:
            yield Text(f"{head}{r['value']:.3g}, {r['reason']}")
        else:
            verdict = "" if r["low"] > 1 or r["high"] < 1 else f"; no difference was detected{_power_of(r)}"
            yield Text(f"{head}{r['value']:.3g} (95% interval {r['low']:.3g} to {r['high']:.3g}{verdict})")
    for found in (h for h in results.get("highest", []) if h["threshold"] == threshold and len(h["possible"]) > 1):
        names = ", ".join(_name(results, found["grouping"], name) for name in found["possible"])
        yield Text(f"highest {_metric(found)} by {found['grouping']}: any of {names}, at {found['level']:.0%} together")


def _metric(found: Mapping[str, Any]) -> str:
    rank = found.get("rank")
    return f"{found['metric'].upper()} rank {rank}" if rank else f"{found['metric'].upper()}"


def _power_of(ratio: Mapping[str, Any]) -> str:
    """The ratio that would have been detected; "" for runs of older versions, which do not hold it."""
    if "detectable" not in ratio:
        return ""
    if ratio["detectable"] is None:
        return ", and none would have been"
    return f", and one of {ratio['detectable']:.3g} would have been with 80% power"


def _identify(results: Mapping[str, Any]) -> Iterator[RenderableType]:
    everybody = results["groups"][0]
    yield Text(
        f"1:N, {everybody['mated_searches']:,} searches of enrolled people and {everybody['nonmated_searches']:,} of "
        f"people who are not, in a gallery of {results['gallery']:,}. FPIR: share of the latter that return a "
        "candidate; FNIR: share of the former that miss the person.\n"
    )
    yield from _recorded(results)
    yield from _unreached(results)
    rank = results["ranks"][0]
    by_key = {(e["metric"], e["threshold"], e["rank"], e["grouping"], e["group"]): e for e in results["estimates"]}
    named = [(g["grouping"], g["group"]) for g in results["groups"]]
    for threshold in results["thresholds"]:
        title = f"{_heading(results, threshold)}, gallery {results['gallery']:,}"
        miss = f"FNIR rank {rank}"
        yield Text(title, style="bold")
        table = figures.table("group", "FPIR", "95% interval", "k / n", miss, "95% interval", "k / n")
        for key in named:
            fpir, fnir = by_key["fpir", threshold, None, *key], by_key["fnir", threshold, rank, *key]
            table.add_row(Text(_name(results, *key)), *_rate(fpir, figures.percent), *_rate(fnir, figures.percent))
        yield table
        yield from _ratio_lines(results, threshold)
        yield from groups.tables(results, threshold)
        yield ""
    yield Text(f"rank of the mate, without a threshold, gallery {results['gallery']:,}", style="bold")
    table = figures.table(
        "group",
        *(f"rank {r}" for r in results["ranks"]),
        "mated searches",
    )
    for group in results["groups"]:
        hits, n = group["rank_hits"], group["mated_searches"]
        shares = (f"{hits[str(r)] / n:.2%}" if n else UNDEFINED for r in results["ranks"])
        table.add_row(Text(_name(results, group["grouping"], group["group"])), *shares, f"{n:,}")
    yield table
    yield from modes.tables(results, partial(_name, results))
    yield from _gallery_sizes(results)
    yield from audits.tables(results, partial(_name, results))


def _gallery_sizes(results: Mapping[str, Any]) -> Iterator[RenderableType]:
    """FPIR, and FNIR at the first rank, at every gallery size that was asked for."""
    sized = results.get("gallery_sizes")
    if sized is None:
        return
    rank = results["ranks"][0]
    for threshold in results["thresholds"]:
        rows = [r for r in sized["rows"] if r["threshold"] == threshold and r["rank"] in (None, rank)]
        miss = {(r["size"], r["grouping"], r["group"]): r for r in rows if r["metric"] == "fnir"}
        title = f"\nother gallery sizes, {_heading(results, threshold)}, searched gallery {sized['gallery']:,}"
        yield Text(title, style="bold")
        table = figures.table("group", "gallery", "FPIR", "95% interval", "", "false matches", f"FNIR rank {rank}")
        notes: dict[str, None] = {}
        for row in rows:
            if row["metric"] == "fnir":
                continue
            found = miss[row["size"], row["grouping"], row["group"]]
            value, interval, _ = _rate(row | {"k": 0, "n": 0}, figures.percent)
            table.add_row(
                Text(_name(results, row["grouping"], row["group"])),
                f"{row['size']:,}",
                "-" if row["value"] is None else value,
                interval,
                f"{row['state']}: {row['model']}" if row["model"] else row["state"],
                f"{row['false_matches']:,}",
                "-" if found["value"] is None else figures.percent(found["value"]),
            )
            if row["reason"]:
                notes[f"{_name(results, row['grouping'], row['group'])}: {row['reason']}"] = None
        yield table
        yield from (Text(note, style="yellow") for note in notes)
    checks = [c for c in sized["checks"] if c["tried"]]
    if checks:
        yield Text("\nmodels fitted to parts of the gallery, a 16th to a half, against all of it", style="bold")
        table = figures.table("group", "threshold", "model", "held", "of", "mean error", "")
        for c in checks:
            table.add_row(
                Text(_name(results, c["grouping"], c["group"])),
                f"{c['at']:.9g}",
                c["model"],
                str(c["held"]),
                str(c["tried"]),
                f"x {math.exp(c['error']):.3g}",
                "" if c["is_passed"] else "not used",
            )
        yield table


def _latency(results: Mapping[str, Any]) -> Iterator[RenderableType]:
    quantiles = [q["q"] for q in results["groups"][0]["quantiles"]]
    title = (
        f"search latency, gallery {results['gallery']:,} x {results['dimension']}, k = {results['k']}, "
        f"{results['isa']}, fresh processes: {results['runs']}"
    )
    yield Text(title, style="bold")
    has_probes = any("probes" in group for group in results["groups"])
    probes = ["probes"] if has_probes else []
    table = figures.table("group", "batch", *probes, "requests", *(f"p{100 * q:g}" for q in quantiles), "probes/s")
    for group in results["groups"]:
        values = (_milliseconds(q) for q in group["quantiles"])
        speed = group["probes_per_second"]
        table.add_row(
            Text(_name(results, group["grouping"], group["group"])),
            str(group["batch"]),
            *([f"{group['probes']:,}" if "probes" in group else "-"] if has_probes else []),
            f"{group['requests']:,}",
            *values,
            "" if speed is None else f"{speed:,.0f}",
        )
    yield table
    yield Text(f"timer: {results['timer']}; {results['warm_up']:.0%} warm-up excluded; - means too few requests")
    is_grouped = any(name != ALL for name in results["groupings"])
    for group in results["groups"]:
        n, batch = group.get("probes", 0), group["batch"]
        if 0 < n < batch and not (is_grouped and group["grouping"] == ALL):
            name = _name(results, group["grouping"], group["group"])
            text = f"{name}, batch {batch}: each batch repeats the group's {n} probe{'s' * (n > 1)}"
            yield Text(text, style="yellow")


def _name(results: Mapping[str, Any], grouping: str, group: str) -> str:
    """A group; where there are several groupings, which of them it belongs to: sex=female."""
    several = sum(name != ALL for name in results["groupings"]) > 1
    return f"{grouping}={group}" if several and grouping != ALL else group


def _heading(results: Mapping[str, Any], threshold: float) -> str:
    points = [p for p in results["operating_points"] if p["threshold"] == threshold]
    origin = "; ".join(f"{p['at']} of {p['population']}, achieved {p['k']:,} / {p['n']:,}" for p in points)
    return f"threshold {threshold:.9g}" + (f" ({origin})" if origin else "")


def _threshold_between(results: Mapping[str, Any], threshold: float) -> Iterator[Text]:
    """How far the threshold itself may be from the one that has its rate among all people."""
    for found in results.get("threshold_intervals", ()):
        if found["threshold"] == threshold:
            low, high = (UNDEFINED if end is None else f"{end:.9g}" for end in (found["low"], found["high"]))
            yield Text(f"with other people {found['at']} would lie between {low} and {high} (95%, edges of the axis)")


def _recorded(results: Mapping[str, Any]) -> Iterator[Text]:
    """What a reader should know of scores that another program recorded."""
    recorded = results.get("recorded")
    if recorded is None:
        return
    if recorded["score"] != "as recorded":
        yield Text("scores are minus the recorded distances, and thresholds are too", style="yellow")
    for note in recorded["notes"]:
        yield Text(note, style="yellow")


def _unreached(results: Mapping[str, Any]) -> Iterator[Text]:
    for point in results["operating_points"]:
        if point["threshold"] is None:
            yield Text(f"no threshold for {point['at']}: {point['reason']}", style="yellow")
        elif not point["rule_of_30"]:
            yield Text(f"{point['at']} rests on {point['k']} false positives, fewer than 30", style="yellow")


def _rate(estimate: Mapping[str, Any], form: Form) -> tuple[str, str, str]:
    """A rate with its interval and k / n, or the reason why there is none."""
    missing = (UNDEFINED, "", estimate["reason"])
    return missing if estimate["value"] is None else figures.rate(estimate, form)


def _milliseconds(quantile: Mapping[str, Any]) -> str:
    return "-" if quantile["value_ns"] is None else f"{quantile['value_ns'] / 1e6:.3g} ms"
