"""Summary: the results of a run as tables on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from frbench.plan import ALL
from frbench.results import excluded_in_words

PIPE_WIDTH = 132
UNDEFINED = "not estimable"


def show(results: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints the tables of `results` to standard output."""
    console = console or Console()
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    tables = {"verify": _verify, "identify": _identify, "latency": _latency}[results["kind"]](results)
    console.print(Group(*tables))


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
    yield from _unreached(results)
    for threshold in results["thresholds"]:
        yield Text(_heading(results, threshold), style="bold")
        table = _table("group", "FMR", "95% interval", "k / n", "FNMR", "95% interval", "k / n")
        rows: dict[tuple[str, str, str], dict[str, Any]] = {}
        for e in results["estimates"]:
            if e["threshold"] == threshold:
                rows.setdefault((e["grouping"], e["group_a"], e["group_b"]), {})[e["metric"]] = e
        for (grouping, a, b), found in rows.items():
            table.add_row(
                Text(_name(results, grouping, a if a == b else f"{a} x {b}")),
                *_rate(found["fmr"], _power),
                *(_rate(found["fnmr"], _percent) if "fnmr" in found else ("", "", "")),
            )
        yield table
        yield from _ratio_lines(results, threshold)
        yield ""


def _ratio_lines(results: Mapping[str, Any], threshold: float) -> Iterator[Text]:
    for r in (r for r in results["ratios"] if r["threshold"] == threshold):
        name, reference = (_name(results, r["grouping"], r[side][0]) for side in ("group", "reference"))
        head = f"FMR within {name} / within {reference}: "
        if r["value"] is None:
            yield Text(f"{head}{UNDEFINED}, {r['reason']}")
        elif r["low"] is None:
            yield Text(f"{head}{r['value']:.3g}, {r['reason']}")
        else:
            verdict = "" if r["low"] > 1 or r["high"] < 1 else "; no difference was detected"
            yield Text(f"{head}{r['value']:.3g} (95% interval {r['low']:.3g} to {r['high']:.3g}{verdict})")


def _identify(results: Mapping[str, Any]) -> Iterator[RenderableType]:
    everybody = results["groups"][0]
    yield Text(
        f"1:N, {everybody['mated_searches']:,} searches of enrolled people and {everybody['nonmated_searches']:,} of "
        f"people who are not, in a gallery of {results['gallery']:,}. FPIR: share of the latter that return a "
        "candidate; FNIR: share of the former that miss the person.\n"
    )
    yield from _unreached(results)
    rank = results["ranks"][0]
    by_key = {(e["metric"], e["threshold"], e["rank"], e["grouping"], e["group"]): e for e in results["estimates"]}
    groups = [(g["grouping"], g["group"]) for g in results["groups"]]
    for threshold in results["thresholds"]:
        title = f"{_heading(results, threshold)}, gallery {results['gallery']:,}"
        miss = f"FNIR rank {rank}"
        yield Text(title, style="bold")
        table = _table("group", "FPIR", "95% interval", "k / n", miss, "95% interval", "k / n")
        for key in groups:
            fpir, fnir = by_key["fpir", threshold, None, *key], by_key["fnir", threshold, rank, *key]
            table.add_row(Text(_name(results, *key)), *_rate(fpir, _percent), *_rate(fnir, _percent))
        yield table
        yield ""
    yield Text(f"rank of the mate, without a threshold, gallery {results['gallery']:,}", style="bold")
    table = _table(
        "group",
        *(f"rank {r}" for r in results["ranks"]),
        "mated searches",
    )
    for group in results["groups"]:
        hits, n = group["rank_hits"], group["mated_searches"]
        shares = (f"{hits[str(r)] / n:.2%}" if n else UNDEFINED for r in results["ranks"])
        table.add_row(Text(_name(results, group["grouping"], group["group"])), *shares, f"{n:,}")
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
    table = _table("group", "batch", *probes, "requests", *(f"p{100 * q:g}" for q in quantiles), "probes/s")
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


def _table(first: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _heading(results: Mapping[str, Any], threshold: float) -> str:
    points = [p for p in results["operating_points"] if p["threshold"] == threshold]
    origin = "; ".join(f"{p['at']} of {p['population']}, achieved {p['k']:,} / {p['n']:,}" for p in points)
    return f"threshold {threshold:.9g}" + (f" ({origin})" if origin else "")


def _unreached(results: Mapping[str, Any]) -> Iterator[Text]:
    for point in results["operating_points"]:
        if point["threshold"] is None:
            yield Text(f"no threshold for {point['at']}: {point['reason']}", style="yellow")
        elif not point["rule_of_30"]:
            yield Text(f"{point['at']} rests on {point['k']} false positives, fewer than 30", style="yellow")


def _rate(estimate: Mapping[str, Any], form: Callable[[float], str]) -> tuple[str, str, str]:
    if estimate["value"] is None:
        return UNDEFINED, "", estimate["reason"]
    interval = UNDEFINED if estimate["low"] is None else f"{form(estimate['low'])} - {form(estimate['high'])}"
    return form(estimate["value"]), interval, f"{estimate['k']:,} / {estimate['n']:,}"


def _power(value: float) -> str:
    """A rare rate: 1.23e-4."""
    return f"{value:.2e}".replace("e-0", "e-") if value else "0"


def _percent(value: float) -> str:
    """A common rate: 12.3%."""
    return f"{100 * value:.3g}%"


def _milliseconds(quantile: Mapping[str, Any]) -> str:
    return "-" if quantile["value_ns"] is None else f"{quantile['value_ns'] / 1e6:.3g} ms"
