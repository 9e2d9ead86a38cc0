"""Shows a 1:N run on a terminal: FPIR, FNIR, ranks, and other sizes of the gallery."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from frbench.results.types import Identify
from frbench.terminal import audits, figures, groups, modes
from frbench.terminal.common import heading, named, rate_of, ratio_lines, recorded_note, unreached_notes
from frbench.terminal.figures import UNDEFINED, exact


def identify_tables(results: Identify) -> Iterator[RenderableType]:
    """Tables and sentences of a 1:N run, in order."""
    everybody = results["groups"][0]
    gallery = f"gallery {results['gallery']:,}"
    yield Text(
        f"1:N, {everybody['mated_searches']:,} searches of enrolled people and {everybody['nonmated_searches']:,} of "
        f"people who are not, in a gallery of {results['gallery']:,}. FPIR: share of the latter that return a "
        "candidate; FNIR: share of the former that miss the person.\n"
    )
    yield from recorded_note(results)
    yield from unreached_notes(results)
    rank = results["ranks"][0]
    by_key = {(e["metric"], e["threshold"], e["rank"], e["grouping"], e["group"]): e for e in results["estimates"]}
    searched = named(results, results["groups"])
    columns = ("group", "FPIR", "95% interval", "k / n", f"FNIR rank {rank}", "95% interval", "k / n")
    for threshold in results["thresholds"]:
        yield Text(f"{heading(results, threshold)}, {gallery}", style="bold")
        rows = []
        for name, group in searched:
            key = group["grouping"], group["group"]
            both = (by_key["fpir", threshold, None, *key], by_key["fnir", threshold, rank, *key])
            rows.append((name, *(cell for e in both for cell in rate_of(e, figures.percent))))
        yield figures.table(*columns, rows=rows)
        yield from ratio_lines(results, threshold)
        yield from groups.tables(results, threshold)
        yield ""
    yield Text(f"rank of the mate, without a threshold, {gallery}", style="bold")
    hits = []
    for name, group in searched:
        n = group["mated_searches"]
        shares = (f"{group['rank_hits'][str(r)] / n:.2%}" if n else UNDEFINED for r in results["ranks"])
        hits.append((name, *shares, f"{n:,}"))
    yield figures.table("group", *(f"rank {r}" for r in results["ranks"]), "mated searches", rows=hits)
    yield from modes.tables(results)
    yield from _gallery_sizes(results)
    yield from audits.tables(results)


def _gallery_sizes(results: Identify) -> Iterator[RenderableType]:
    """FPIR, and FNIR at the first rank, at every gallery size that was asked for."""
    sized = results.get("gallery_sizes")
    if sized is None:
        return
    rank = results["ranks"][0]
    columns = ("group", "gallery", "FPIR", "95% interval", "", "false matches", f"FNIR rank {rank}")
    for threshold in results["thresholds"]:
        found = [r for r in sized["rows"] if r["threshold"] == threshold and r["rank"] in (None, rank)]
        misses = {(r["size"], r["grouping"], r["group"]): r["value"] for r in found if r["metric"] == "fnir"}
        alarms = named(results, (r for r in found if r["metric"] != "fnir"))
        title = f"\nother gallery sizes, {heading(results, threshold)}, searched gallery {sized['gallery']:,}"
        yield Text(title, style="bold")
        rows = []
        for name, row in alarms:
            miss, is_known = misses[row["size"], row["grouping"], row["group"]], row["value"] is not None
            rows.append(
                (
                    name,
                    f"{row['size']:,}",
                    figures.number(row["value"], figures.percent) if is_known else "-",
                    figures.interval(row, figures.percent) if is_known else "",
                    f"{row['state']}: {row['model']}" if row["model"] else row["state"],
                    f"{row['false_matches']:,}",
                    "-" if miss is None else figures.percent(miss),
                )
            )
        yield figures.table(*columns, rows=rows)
        notes = dict.fromkeys(f"{name}: {row['reason']}" for name, row in alarms if row["reason"])
        yield from (Text(note, style="yellow") for note in notes)
    tried = [
        (
            name,
            exact(c["at"]),
            c["model"],
            str(c["held"]),
            str(c["tried"]),
            UNDEFINED if c["error"] is None else f"x {math.exp(c['error']):.3g}",
            "" if c["is_passed"] else "not used",
        )
        for name, c in named(results, sized["checks"])
        if c["tried"]
    ]
    if tried:
        yield Text("\nmodels fitted to parts of the gallery, a 16th to a half, against all of it", style="bold")
        yield figures.table("group", "threshold", "model", "held", "of", "mean error", "", rows=tried)
