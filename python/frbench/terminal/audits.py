"""Audit tables: failures, declared numbers, and who stands behind the errors, on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from frbench.terminal import figures
from frbench.terminal.figures import UNDEFINED, Form

Name = Callable[[str, str], str]


def tables(results: Mapping[str, Any], name: Name) -> Iterator[RenderableType]:
    """What an audit found, nothing if it looked for nothing; `name` says a grouping and a group."""
    yield from _failures(results, name)
    yield from _subjects(results, name)
    yield from _hubness(results)
    for line in results.get("reconciliation", ()):
        yield Text(f"declared: {line['explanation']}")


def _failures(results: Mapping[str, Any], name: Name) -> Iterator[RenderableType]:
    """Both error rates under every policy, side by side."""
    found = results.get("failures")
    if found is None:
        return
    positive, negative = ("FMR", "FNMR") if results["kind"] == "verify" else ("FPIR", "FNIR")
    for threshold in results["thresholds"]:
        yield Text(f"\nfailed templates, by what is done about them, threshold {threshold:.9g}", style="bold")
        heads = [f"{rate} {policy}" for policy in found["policies"] for rate in (positive, negative)]
        table = figures.table("group", "failed trials", "FTA", *heads)
        for row in (r for r in found["rows"] if r["threshold"] == threshold):
            rates = (
                _share(form, rate[side])
                for rate in row["rates"].values()
                for side, form in (("false_positive", figures.power), ("false_negative", figures.percent))
            )
            failed = f"{row['fta']['k']:,} / {row['fta']['n']:,}"
            table.add_row(
                Text(name(row["grouping"], row["group"])), failed, _share(figures.percent, row["fta"]), *rates
            )
        yield table
    for policy, meaning in found["policies"].items():
        yield Text(f"{policy}: {meaning}", style="dim")


def _subjects(results: Mapping[str, Any], name: Name) -> Iterator[RenderableType]:
    """How far errors rest on few people, against images and chance."""
    found = results.get("subjects")
    if found is None or not found["rows"]:
        return
    yield Text(
        f"\nerrors in which the worst {found['worst']:.0%} of subjects took part; expected: if all comparisons erred "
        "alike, by images and chance; by chance: if all subjects had as many comparisons, too",
        style="bold",
    )
    heads = ("worst", "errors", "theirs", "share", "expected", "by chance")
    table = figures.table("group", "threshold", "of", *heads)
    for row in found["rows"]:
        for key, what in (("false_matches", "false matches"), ("false_nonmatches", "false non-matches")):
            c = row[key]
            shares = (UNDEFINED if c[k] is None else f"{c[k]:.1%}" for k in ("share", "expected", "by_chance"))
            table.add_row(
                Text(name(row["grouping"], row["group"])),
                f"{row['threshold']:.9g}",
                what,
                f"{c['worst']:,} of {c['subjects']:,}",
                f"{c['errors']:,}",
                f"{c['worst_errors']:,}",
                *shares,
            )
    yield table


def _hubness(results: Mapping[str, Any]) -> Iterator[Text]:
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


def _share(form: Form, share: Mapping[str, Any]) -> str:
    return UNDEFINED if share["value"] is None else form(share["value"])
