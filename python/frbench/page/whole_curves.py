"""Shows whole curves on the page: EER, AUC and min Cllr, what the data can show at all, failures, and folds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from markupsafe import Markup

from frbench.page import words
from frbench.page.parts import Block, Row, Table, by_reason, heads, name_of, row_of, together
from frbench.page.style import Palette
from frbench.page.words import Cell, CountCell, RateCell, bare, rate_cell, value_cell
from frbench.results.types import Auc, Eer, Fold, Folds, MinCllr, Summary, Verify

EVERYBODY = "all pairs"
LEAD = (
    "One number for a whole curve helps to compare research, and nobody operates at it: for a decision read the rates "
    "at a threshold above."
)
EER_COLUMNS = heads(
    "Group; EER | 95% interval; Convex hull | of the curve; FVC2000 | interval; Threshold; False matches | of "
    "non-mated comparisons; False non-matches | of mated comparisons"
)
CURVE_COLUMNS = heads(
    "Group; AUC | 95% interval; AUC | what bins leave open; min Cllr, bits | 95% interval; min Cllr, bits | what bins "
    "leave open"
)
SUPPORT_COLUMNS = heads(
    "Group; FMR from | 30 false matches on; Non-mated | comparisons; FNMR from | 30 false non-matches on; Mated | "
    "comparisons"
)
FAILURE_COLUMNS = heads("Group; FTA | 95% interval; Failed | of comparisons; GFAR; GFRR")
FOLD_COLUMNS = heads(
    "Fold; Threshold | best on the other folds; Accuracy | at tied thresholds; Decided rightly | of pairs; Tied | "
    "thresholds as good"
)


def blocks(results: Verify, palette: Palette) -> Iterator[Block]:
    """Summaries and folds, of runs that have them."""
    if rows := results.get("summaries"):
        tables = [_equal_errors(rows, palette), _curves(rows, palette), [_support(rows, palette)]]
        found = [table for some in tables for table in some]
        yield Block("Whole curves", lead=[LEAD, *_missing(rows)], tables=[*found, *_failures(rows, palette)])
    if "folds" in results:
        yield _folds(results["folds"])


def _is_known(found: Eer | Auc | MinCllr) -> bool:
    """Whether there is a value, or bounds on it."""
    return found["value"] is not None or found["bounds"] is not None


def _missing(rows: Sequence[Summary]) -> Iterator[str]:
    """What is not estimable, and why; groups of one reason together."""
    every = (
        (found, title, name_of(row, EVERYBODY))
        for row in rows
        for title, found in (("EER", row["eer"]), ("AUC", row["auc"]), ("min Cllr", row["min_cllr"]))
    )
    for why, what, of in by_reason((found["reason"], what, of) for found, what, of in every if not _is_known(found)):
        yield f"{what} of {of}: not estimable, {why}."


def _equal_errors(rows: Sequence[Summary], palette: Palette) -> Iterator[Table]:
    known = [row for row in rows if _is_known(row["eer"])]
    found = [row_of(row, _equal_error_cells(row["eer"]), palette, EVERYBODY) for row in known]
    notes = [
        "EER is half of FMR + FNMR at the threshold where they are nearest, with both counts beside it. The convex "
        "hull of the curve and the interval of FVC2000 are other definitions of it, that other programs print. Failed "
        f"templates: policy “{rows[0]['failed_policy']}”."
    ]
    if found:
        yield Table("Equal error rate", EER_COLUMNS, [("", found)], notes)


def _equal_error_cells(e: Eer) -> list[Cell]:
    cell = value_cell(e, words.percent)
    if e["threshold"] is None or e["rocch"] is None or e["fvc"] is None:
        low, high = (words.percent(end) for end in e["bounds"] or ())
        return [replace(cell, under=f"between {low} and {high}"), *("",) * 5]
    has_errors = e["false_matches"] or e["false_nonmatches"]
    others = (words.percent(e["rocch"]), " to ".join(map(words.percent, e["fvc"])))
    return [
        cell if has_errors else RateCell("none seen", False, cell.interval),
        *(others if has_errors else ("", "")),
        words.exact(e["threshold"]),
        CountCell(f"{e['false_matches']:,} / {e['n_nonmated']:,}"),
        CountCell(f"{e['false_nonmatches']:,} / {e['n_mated']:,}"),
    ]


def _curves(rows: Sequence[Summary], palette: Palette) -> Iterator[Table]:
    found = []
    for row in rows:
        if _is_known(row["auc"]) or _is_known(row["min_cllr"]):
            cells = [*_bounded(row["auc"], words.five_digits), *_bounded(row["min_cllr"], words.three_digits)]
            found.append(row_of(row, cells, palette, EVERYBODY))
    notes = [
        "AUC: the chance that a mated comparison scores above a non-mated one, a tie counted one half. min Cllr: what "
        "scores tell of mated or not, after the best calibration, from 0 (everything) to 1 (nothing); failed templates "
        "are left out of it."
    ]
    if found:
        yield Table("Area under the curve, and information in the scores", CURVE_COLUMNS, [("", found)], notes)


def _bounded(found: Auc | MinCllr, write: words.Writer) -> list[Cell]:
    ends = found["bounds"]
    return [value_cell(found, write), "" if ends is None else f"{write(ends[0])} to {write(ends[1])}"]


def _support(rows: Sequence[Summary], palette: Palette) -> Table:
    found = []
    for row in rows:
        cells: list[Cell] = []
        for side in (row["supported_down_to"]["fmr"], row["supported_down_to"]["fnmr"]):
            cells += [value_cell(bare(side), words.scientific), CountCell(f"{side['n']:,}")]
        found.append(row_of(row, cells, palette, EVERYBODY))
    notes = ["A smaller rate has fewer than 30 errors behind it here (rule of 30): 30 over the comparisons."]
    return Table("What these comparisons can show", SUPPORT_COLUMNS, [("", found)], notes, True)


def _failures(rows: Sequence[Summary], palette: Palette) -> Iterator[Table]:
    """Failures to acquire and generalised rates, where a template failed."""
    if not any(row["fta"]["k"] for row in rows):
        return
    found = []
    for row in rows:
        fta = rate_cell(row["fta"])
        for at in row["generalised"]["rates"]:
            gfar, gfrr = (
                value_cell(bare({"value": value, "reason": at["reason"]}), write)
                for value, write in ((at["gfar"], words.scientific), (at["gfrr"], words.percent))
            )
            cells: list[Cell] = [fta, CountCell(fta.share), gfar, gfrr]
            found.append((f"Threshold {words.exact(at['threshold'])}", row_of(row, cells, palette, EVERYBODY)))
    notes = [words.sentence(rows[0]["generalised"]["policy"])]
    yield Table("Failures to acquire, and what they make of error rates", FAILURE_COLUMNS, together(found), notes)


def _folds(found: Folds) -> Block:
    rows = []
    for fold in found["folds"]:
        threshold = "none accepted" if fold["threshold"] is None else words.exact(fold["threshold"])
        share = RateCell(words.percent(fold["correct"] / fold["n"]), True, _tied(fold))
        counts = CountCell(f"{fold['correct']:,} / {fold['n']:,}", f"{fold['n_mated']:,} mated")
        rows.append(Row(fold["name"], [threshold, share, counts, f"{fold['n_tied']:,}"]))
    notes = [
        "Each fold is decided at the threshold that is best on the others, the lowest of several that are as good. A "
        "score at or above it is accepted.",
        f"Pairs with a failed template: {found['n_unscored']:,} (policy “{found['failed']}”).",
    ]
    tables = [Table("Accuracy by fold", FOLD_COLUMNS, [("", rows)], notes, True)] if rows else []
    return Block("Accuracy over the folds of the list", lead=[_accuracy(found)], tables=tables)


def _accuracy(found: Folds) -> Markup:
    figures = (found["mean"], found["standard_error"], found["least"], found["most"])
    known = [words.percent(figure) for figure in figures if figure is not None]
    if found["mean"] is None:
        return Markup("Accuracy over folds is not estimable: {}.").format(words.reason(found["reason"]))
    mean, error, least, most = known
    text = Markup("Mean accuracy over {} folds was <b>{}</b>, standard error {}").format(
        len(found["folds"]), mean, error
    )
    if least == most:
        return text + Markup(".")
    return text + Markup("; {} to {} at other thresholds that were as good.").format(least, most)


def _tied(fold: Fold) -> str:
    least, most = (words.percent(end / fold["n"]) for end in (fold["least"], fold["most"]))
    return "" if least == most else f"{least} to {most}"
