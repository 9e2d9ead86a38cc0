"""Shows failures, declared numbers, and who stands behind the errors, on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from frbench.results.types import Identify, Rates, Verify
from frbench.terminal import figures
from frbench.terminal.common import named
from frbench.terminal.figures import exact


def tables(results: Rates) -> Iterator[RenderableType]:
    """What an audit found, nothing if it looked for nothing."""
    yield from _failures(results)
    if results["kind"] == "identify":
        yield from _hubness(results)
        return
    yield from _subjects(results)
    for line in results.get("reconciliation", ()):
        yield Text(f"declared: {line['explanation']}")


def _failures(results: Rates) -> Iterator[RenderableType]:
    """Both error rates under every policy, side by side."""
    found = results.get("failures")
    if found is None:
        return
    positive, negative = ("FMR", "FNMR") if results["kind"] == "verify" else ("FPIR", "FNIR")
    heads = [f"{rate} {policy}" for policy in found["policies"] for rate in (positive, negative)]
    for threshold in results["thresholds"]:
        yield Text(f"\nfailed templates, by what is done about them, threshold {exact(threshold)}", style="bold")
        rows = []
        for name, row in named(results, (r for r in found["rows"] if r["threshold"] == threshold)):
            fta, rates = row["fta"], row["rates"]
            cells: list[str] = []
            for both in (rates["reject"], rates["exclude"], rates["accept"], rates["bob"]):
                cells.append(figures.number(both["false_positive"]["value"], figures.power))
                cells.append(figures.number(both["false_negative"]["value"], figures.percent))
            rows.append((name, figures.counts(fta), figures.number(fta["value"], figures.percent), *cells))
        yield figures.table("group", "failed trials", "FTA", *heads, rows=rows)
    for policy, meaning in found["policies"].items():
        yield Text(f"{policy}: {meaning}", style="dim")


def _subjects(results: Verify) -> Iterator[RenderableType]:
    """How far errors rest on few people, against images and chance."""
    found = results.get("subjects")
    if found is None or not found["rows"]:
        return
    yield Text(
        f"\nerrors in which the worst {found['worst']:.0%} of subjects took part; expected: if all comparisons erred "
        "alike, by images and chance; by chance: if all subjects had as many comparisons, too",
        style="bold",
    )
    heads = ("group", "threshold", "of", "worst", "errors", "theirs", "share", "expected", "by chance")
    rows = [
        (
            name,
            exact(row["threshold"]),
            what,
            f"{c['worst']:,} of {c['subjects']:,}",
            f"{c['errors']:,}",
            f"{c['worst_errors']:,}",
            *(figures.number(share, "{:.1%}".format) for share in (c["share"], c["expected"], c["by_chance"])),
        )
        for name, row in named(results, found["rows"])
        for c, what in ((row["false_matches"], "false matches"), (row["false_nonmatches"], "false non-matches"))
    ]
    yield figures.table(*heads, rows=rows)


def _hubness(results: Identify) -> Iterator[Text]:
    """The template that most lists of other people have."""
    found = results.get("hubness")
    if found is None:
        return
    if found["reason"]:
        yield Text(f"\nhubs: {found['reason']}")
        return
    yield Text(
        f"\nhubs: template {found['template']} is among the first {found['k']} of other people's candidates in "
        f"{found['most']:,} of {found['lists']:,} searches, at most {found['expected_most']:,} if all templates were "
        f"as likely; {found['never']:,} of {found['rows']:,} templates are in none; the {found['worst']:,} most "
        f"frequent are {found['worst_share']:.1%} of all candidates; skewness {found['skewness']:.2f}"
    )
