"""Ways to use a 1:N system as the page shows them: identification, hits by rank, and the work of a reviewer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from frbench.page import parts, words
from frbench.page.parts import Block, Row, Table
from frbench.page.style import Palette
from frbench.page.words import CountCell, RateCell, rate_cell, value_cell
from frbench.plan import ALL

Found = Mapping[str, Any]
EVERYONE = "all searches"


def blocks(results: parts.Results, palette: Palette) -> Iterator[Block]:
    """Identification at fixed limits, hits by rank, and selectivity, of runs that have them."""
    identification = [mode for mode in results.get("modes", []) if mode["mode"] == "identification"]
    tables = [
        *([_identification(identification, palette)] if identification else []),
        *([_hits(results["cmc"], palette)] if results.get("cmc") else []),
        *([_selectivity(results["selectivity"], palette)] if results.get("selectivity") else []),
    ]
    fte = results.get("fte")
    lead = []
    if fte and fte["k"]:
        lead.append(Markup("Failure to enrol: {} of gallery templates.").format(words.rate_phrase(fte)))
    if tables:
        yield Block("Ways to use it", lead=[*_lead(identification), *lead], tables=tables)


def _lead(modes: Sequence[Found]) -> Iterator[str]:
    if modes:
        yield (
            "Identification: a threshold limits false alarms, and decisions are mostly automatic. Investigation: there "
            "is no threshold, and a person looks at every list; its misses stand above, without a threshold."
        )


def _identification(modes: Sequence[Found], palette: Palette) -> Table:
    columns = (
        ("Group", ""),
        ("FPIR", _size(modes[0])),
        ("False alarms", "of non-mated searches"),
        (f"FNIR, rank {modes[0]['rank']}", _size(modes[0])),
        ("Missed", "of mated searches"),
    )
    bodies: dict[str, list[Row]] = {}
    notes: dict[str, None] = {}
    for mode in modes:
        at = mode["set_at"]
        heading = f"FPIR at most {mode['fpir_at_most']} over all non-mated searches"
        if at is None or at["threshold"] is None:
            why = at["reason"] if at else mode["fnir"]["reason"]
            notes[f"{heading}: not estimable, {words.reason(why)}."] = None
            continue
        if not at["rule_of_30"]:
            few = words.plural(at["k"], "false alarm")
            notes[f"{heading}: {few} behind the threshold, fewer than 30 (rule of 30)."] = None
        cells: list[RateCell | CountCell | str] = [*_two(mode["fpir"]), *_two(mode["fnir"])]
        bodies.setdefault(f"{heading}, threshold {words.exact(at['threshold'])}", []).append(_row(mode, palette, cells))
    return Table("Identification: misses where false alarms are limited", columns, list(bodies.items()), list(notes))


def _hits(found: Sequence[Found], palette: Palette) -> Table:
    columns = [("Group", ""), *((f"Rank {hit['rank']}", "") for hit in found[0]["hits"])]
    rows = [_row(one, palette, [_hit(hit) for hit in one["hits"]]) for one in found]
    subjects = words.plural(found[0]["gallery_subjects"], "person", "people")
    notes = [
        f"Of {_size(found[0])} gallery rows of {subjects}: another gallery has another curve. Each share has its 95% "
        "interval, and hits of mated searches, below; a failed template is a miss, and a tie counts against the mate."
    ]
    return Table(f"Mate among the first R candidates (CMC, {_size(found[0])})", columns, [("", rows)], notes)


def _hit(hit: Found) -> RateCell:
    cell = rate_cell(hit)
    return replace(cell, under=cell.share, warning="")


def _selectivity(found: Sequence[Found], palette: Palette) -> Table:
    columns = (
        ("Group", ""),
        ("Candidates a search", "95% interval"),
        ("Candidates", "over non-mated searches"),
        ("Full lists", "what comes after is not seen"),
    )
    bodies: dict[str, list[Row]] = {}
    for one in found:
        cell = value_cell(one, words.three_digits)
        if one["value"] == 0:
            cell = RateCell("none seen", False, cell.interval, "")
        if one["is_censored"] and cell.is_number:
            cell = RateCell(f"at least {cell.value}", True, cell.interval, "")
        cells: list[RateCell | CountCell | str] = [
            cell,
            CountCell(f"{one['k']:,} / {one['n']:,}"),
            CountCell(f"{one['n_censored']:,}"),
        ]
        bodies.setdefault(f"Threshold {words.exact(one['threshold'])}", []).append(_row(one, palette, cells))
    caption = (
        f"Selectivity: candidates that a search for a person who is not in the gallery returns ({_size(found[0])})"
    )
    return Table(caption, columns, list(bodies.items()), (), True)


def _size(found: Found) -> str:
    return f"N\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{found['gallery']:,}"


def _row(found: Found, palette: Palette, cells: Sequence[RateCell | CountCell | str]) -> Row:
    is_total = found["grouping"] == ALL
    label = EVERYONE if is_total else found["group"]
    return Row(label, cells, palette[found["grouping"], found["group"]].swatch, is_total)


def _two(estimate: Found) -> tuple[RateCell, CountCell]:
    cell = rate_cell(estimate)
    return cell, CountCell(cell.share, words.people(estimate["n_subjects"]))
