"""Shows ways to use a 1:N system on the page: identification, hits by rank, and the work of a reviewer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from markupsafe import Markup

from frbench.page import words
from frbench.page.parts import Block, Table, gallery_size, heads, row_of, together
from frbench.page.style import Palette
from frbench.page.words import Cell, CountCell, RateCell, rate_and_counts, rate_cell, value_cell
from frbench.results.types import Cmc, Identify, Mode, RankHits, Selectivity

EVERYONE = "all searches"


def blocks(results: Identify, palette: Palette) -> Iterator[Block]:
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


def _lead(modes: Sequence[Mode]) -> Iterator[str]:
    if modes:
        yield (
            "Identification: a threshold limits false alarms, and decisions are mostly automatic. Investigation: there "
            "is no threshold, and a person looks at every list; its misses stand above, without a threshold."
        )


def _identification(modes: Sequence[Mode], palette: Palette) -> Table:
    size, rank = gallery_size(modes[0]["gallery"]), modes[0]["rank"]
    columns = heads(
        f"Group; FPIR | {size}; False alarms | of non-mated searches; FNIR, rank {rank} | {size}; "
        "Missed | of mated searches"
    )
    rows = []
    notes: dict[str, None] = {}
    for mode in modes:
        at, fpir = mode["set_at"], mode["fpir"]
        heading = f"FPIR at most {mode['fpir_at_most']} over all non-mated searches"
        if at is None or at["threshold"] is None or fpir is None:
            why = at["reason"] if at else mode["fnir"]["reason"]
            notes[f"{heading}: not estimable, {words.reason(why)}."] = None
            continue
        if not at["rule_of_30"]:
            few = words.plural(at["k"], "false alarm")
            notes[f"{heading}: {few} behind the threshold, fewer than 30 (rule of 30)."] = None
        cells: list[Cell] = [*rate_and_counts(fpir), *rate_and_counts(mode["fnir"])]
        heading = f"{heading}, threshold {words.exact(at['threshold'])}"
        rows.append((heading, row_of(mode, cells, palette, EVERYONE)))
    return Table("Identification: misses where false alarms are limited", columns, together(rows), list(notes))


def _hits(found: Sequence[Cmc], palette: Palette) -> Table:
    size = gallery_size(found[0]["gallery"])
    columns = [("Group", ""), *((f"Rank {hit['rank']}", "") for hit in found[0]["hits"])]
    rows = [row_of(one, [_hit(hit) for hit in one["hits"]], palette, EVERYONE) for one in found]
    subjects = words.plural(found[0]["gallery_subjects"], "person", "people")
    notes = [
        f"Of {size} gallery rows of {subjects}: another gallery has another curve. Each share has its 95% interval, "
        "and hits of mated searches, below; a failed template is a miss, and a tie counts against the mate."
    ]
    return Table(f"Mate among the first R candidates (CMC, {size})", columns, [("", rows)], notes)


def _hit(hit: RankHits) -> RateCell:
    cell = rate_cell(hit)
    return replace(cell, under=cell.share, warning="")


def _selectivity(found: Sequence[Selectivity], palette: Palette) -> Table:
    columns = heads(
        "Group; Candidates a search | 95% interval; Candidates | over non-mated searches; Full lists | what comes "
        "after is not seen"
    )
    rows = []
    for one in found:
        cell = value_cell(one, words.three_digits)
        if one["value"] == 0:
            cell = RateCell("none seen", False, cell.interval)
        if one["is_censored"] and cell.is_number:
            cell = RateCell(f"at least {cell.value}", True, cell.interval)
        cells: list[Cell] = [cell, CountCell(f"{one['k']:,} / {one['n']:,}"), CountCell(f"{one['n_censored']:,}")]
        rows.append((f"Threshold {words.exact(one['threshold'])}", row_of(one, cells, palette, EVERYONE)))
    size = gallery_size(found[0]["gallery"])
    caption = f"Selectivity: candidates that a search for a person who is not in the gallery returns ({size})"
    return Table(caption, columns, together(rows), (), True)
