"""Shows a 1:N run: FPIR, FNIR, ranks, and other sizes of the gallery."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from frbench.terminal import audits, figures, groups, modes
from frbench.terminal.common import (
    heading,
    name_of,
    rate_of,
    ratio_lines,
    recorded_note,
    unreached_notes,
)
from frbench.terminal.figures import UNDEFINED


def identify_tables(results: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Tables and sentences of a 1:N run, in order."""
    everybody = results["groups"][0]
    yield Text(
        f"1:N, {everybody['mated_searches']:,} searches of enrolled people and {everybody['nonmated_searches']:,} of "
        f"people who are not, in a gallery of {results['gallery']:,}. FPIR: share of the latter that return a "
        "candidate; FNIR: share of the former that miss the person.\n"
    )
    yield from recorded_note(results)
    yield from unreached_notes(results)
    rank = results["ranks"][0]
    by_key = {(e["metric"], e["threshold"], e["rank"], e["grouping"], e["group"]): e for e in results["estimates"]}
    named = [(g["grouping"], g["group"]) for g in results["groups"]]
    for threshold in results["thresholds"]:
        title = f"{heading(results, threshold)}, gallery {results['gallery']:,}"
        miss = f"FNIR rank {rank}"
        yield Text(title, style="bold")
        table = figures.table("group", "FPIR", "95% interval", "k / n", miss, "95% interval", "k / n")
        for key in named:
            fpir, fnir = by_key["fpir", threshold, None, *key], by_key["fnir", threshold, rank, *key]
            table.add_row(
                Text(name_of(results, *key)), *rate_of(fpir, figures.percent), *rate_of(fnir, figures.percent)
            )
        yield table
        yield from ratio_lines(results, threshold)
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
        table.add_row(Text(name_of(results, group["grouping"], group["group"])), *shares, f"{n:,}")
    yield table
    yield from modes.tables(results, partial(name_of, results))
    yield from _gallery_sizes(results)
    yield from audits.tables(results, partial(name_of, results))


def _gallery_sizes(results: Mapping[str, Any]) -> Iterator[RenderableType]:
    """FPIR, and FNIR at the first rank, at every gallery size that was asked for."""
    sized = results.get("gallery_sizes")
    if sized is None:
        return
    rank = results["ranks"][0]
    for threshold in results["thresholds"]:
        rows = [r for r in sized["rows"] if r["threshold"] == threshold and r["rank"] in (None, rank)]
        miss = {(r["size"], r["grouping"], r["group"]): r for r in rows if r["metric"] == "fnir"}
        title = f"\nother gallery sizes, {heading(results, threshold)}, searched gallery {sized['gallery']:,}"
        yield Text(title, style="bold")
        table = figures.table("group", "gallery", "FPIR", "95% interval", "", "false matches", f"FNIR rank {rank}")
        notes: dict[str, None] = {}
        for row in rows:
            if row["metric"] == "fnir":
                continue
            found = miss[row["size"], row["grouping"], row["group"]]
            value, interval, _ = rate_of(row | {"k": 0, "n": 0}, figures.percent)
            table.add_row(
                Text(name_of(results, row["grouping"], row["group"])),
                f"{row['size']:,}",
                "-" if row["value"] is None else value,
                interval,
                f"{row['state']}: {row['model']}" if row["model"] else row["state"],
                f"{row['false_matches']:,}",
                "-" if found["value"] is None else figures.percent(found["value"]),
            )
            if row["reason"]:
                notes[f"{name_of(results, row['grouping'], row['group'])}: {row['reason']}"] = None
        yield table
        yield from (Text(note, style="yellow") for note in notes)
    checks = [c for c in sized["checks"] if c["tried"]]
    if checks:
        yield Text("\nmodels fitted to parts of the gallery, a 16th to a half, against all of it", style="bold")
        table = figures.table("group", "threshold", "model", "held", "of", "mean error", "")
        for c in checks:
            table.add_row(
                Text(name_of(results, c["grouping"], c["group"])),
                f"{c['at']:.9g}",
                c["model"],
                str(c["held"]),
                str(c["tried"]),
                f"x {math.exp(c['error']):.3g}",
                "" if c["is_passed"] else "not used",
            )
        yield table
