"""Whole curves as the page shows them: EER, AUC and min Cllr, what the data can show at all, failures, and folds."""

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
LEAD = (
    "One number for a whole curve helps to compare research, and nobody operates at it: for a decision read the rates "
    "at a threshold above."
)
EER_COLUMNS = (
    ("Group", ""),
    ("EER", "95% interval"),
    ("Convex hull", "of the curve"),
    ("FVC2000", "interval"),
    ("Threshold", ""),
    ("False matches", "of non-mated comparisons"),
    ("False non-matches", "of mated comparisons"),
)
CURVE_COLUMNS = (
    ("Group", ""),
    ("AUC", "95% interval"),
    ("AUC", "what bins leave open"),
    ("min Cllr, bits", "95% interval"),
    ("min Cllr, bits", "what bins leave open"),
)
SUPPORT_COLUMNS = (
    ("Group", ""),
    ("FMR from", "30 false matches on"),
    ("Non-mated", "comparisons"),
    ("FNMR from", "30 false non-matches on"),
    ("Mated", "comparisons"),
)
FAILURE_COLUMNS = (("Group", ""), ("FTA", "95% interval"), ("Failed", "of comparisons"), ("GFAR", ""), ("GFRR", ""))
FOLD_COLUMNS = (
    ("Fold", ""),
    ("Threshold", "best on the other folds"),
    ("Accuracy", "at tied thresholds"),
    ("Decided rightly", "of pairs"),
    ("Tied", "thresholds as good"),
)
TITLES = {"eer": "EER", "auc": "AUC", "min_cllr": "min Cllr"}
KINDS = {"fmr": "non-mated", "fnmr": "mated"}


def blocks(results: parts.Results, palette: Palette) -> Iterator[Block]:
    """Summaries and folds, of runs that have them."""
    if rows := results.get("summaries"):
        tables = [_equal_errors(rows, palette), _curves(rows, palette), [_support(rows, palette)]]
        found = [table for some in tables for table in some]
        yield Block("Whole curves", lead=[LEAD, *_missing(rows)], tables=[*found, *_failures(rows, palette)])
    if "folds" in results:
        yield _folds(results["folds"])


def _is_known(found: Found) -> bool:
    """Whether there is a value, or bounds on it."""
    return found["value"] is not None or found["bounds"] is not None


def _missing(rows: Sequence[Found]) -> Iterator[str]:
    """What is not estimable, and why; groups of one reason together."""
    names: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for row in rows:
        for key, title in TITLES.items():
            if not _is_known(row[key]):
                titles, groups = names.setdefault(row[key]["reason"], ({}, {}))
                titles[title] = groups[_name(row)] = None
    for why, (titles, groups) in names.items():
        what, of = words.listed(list(titles)), words.listed(list(groups))
        yield f"{what} of {of}: not estimable, {words.reason(why)}."


def _equal_errors(rows: Sequence[Found], palette: Palette) -> Iterator[Table]:
    found = [_row(row, palette, _equal_error_cells(row["eer"])) for row in rows if _is_known(row["eer"])]
    notes = [
        "EER is half of FMR + FNMR at the threshold where they are nearest, with both counts beside it. The convex "
        "hull of the curve and the interval of FVC2000 are other definitions of it, that other programs print. Failed "
        f"templates: policy “{rows[0]['failed_policy']}”."
    ]
    if found:
        yield Table("Equal error rate", EER_COLUMNS, [("", found)], notes)


def _equal_error_cells(e: Found) -> list[RateCell | CountCell | str]:
    if e["value"] is None:
        low, high = (words.percent(end) for end in e["bounds"])
        return [replace(value_cell(e, words.percent), under=f"between {low} and {high}"), *("",) * 5]
    cell, hull, fvc = value_cell(e, words.percent), words.percent(e["rocch"]), [words.percent(end) for end in e["fvc"]]
    has_errors = e["false_matches"] or e["false_nonmatches"]
    return [
        cell if has_errors else RateCell("none seen", False, cell.interval, ""),
        *((hull, f"{fvc[0]} to {fvc[1]}") if has_errors else ("", "")),
        words.exact(e["threshold"]),
        CountCell(f"{e['false_matches']:,} / {e['n_nonmated']:,}"),
        CountCell(f"{e['false_nonmatches']:,} / {e['n_mated']:,}"),
    ]


def _curves(rows: Sequence[Found], palette: Palette) -> Iterator[Table]:
    found = [
        _row(row, palette, [*_bounded(row["auc"], words.five_digits), *_bounded(row["min_cllr"], words.three_digits)])
        for row in rows
        if _is_known(row["auc"]) or _is_known(row["min_cllr"])
    ]
    notes = [
        "AUC: the chance that a mated comparison scores above a non-mated one, a tie counted one half. min Cllr: what "
        "scores tell of mated or not, after the best calibration, from 0 (everything) to 1 (nothing); failed templates "
        "are left out of it."
    ]
    if found:
        yield Table("Area under the curve, and information in the scores", CURVE_COLUMNS, [("", found)], notes)


def _bounded(found: Found, write: words.Writer) -> list[RateCell | CountCell | str]:
    ends = found["bounds"]
    return [value_cell(found, write), "" if ends is None else f"{write(ends[0])} to {write(ends[1])}"]


def _support(rows: Sequence[Found], palette: Palette) -> Table:
    found = []
    for row in rows:
        cells: list[RateCell | CountCell | str] = []
        for metric in KINDS:
            side = row["supported_down_to"][metric]
            cells += [value_cell({**side, "low": None}, words.scientific), CountCell(f"{side['n']:,}")]
        found.append(_row(row, palette, cells))
    notes = ["A smaller rate has fewer than 30 errors behind it here (rule of 30): 30 over the comparisons."]
    return Table("What these comparisons can show", SUPPORT_COLUMNS, [("", found)], notes, True)


def _failures(rows: Sequence[Found], palette: Palette) -> Iterator[Table]:
    """Failures to acquire and generalised rates, where a template failed."""
    if not any(row["fta"]["k"] for row in rows):
        return
    bodies: dict[str, list[Row]] = {}
    for row in rows:
        fta = rate_cell(row["fta"])
        for at in row["generalised"]["rates"]:
            gfar, gfrr = (
                value_cell({"value": at[rate], "low": None, "reason": at["reason"]}, write)
                for rate, write in (("gfar", words.scientific), ("gfrr", words.percent))
            )
            cells: list[RateCell | CountCell | str] = [fta, CountCell(fta.share), gfar, gfrr]
            bodies.setdefault(f"Threshold {words.exact(at['threshold'])}", []).append(_row(row, palette, cells))
    notes = [words.sentence(rows[0]["generalised"]["policy"])]
    yield Table("Failures to acquire, and what they make of error rates", FAILURE_COLUMNS, list(bodies.items()), notes)


def _row(row: Found, palette: Palette, cells: Sequence[RateCell | CountCell | str]) -> Row:
    return Row(_name(row), cells, palette[row["grouping"], row["group"]].swatch, row["grouping"] == ALL)


def _name(row: Found) -> str:
    return "all pairs" if row["grouping"] == ALL else str(row["group"])


def _folds(found: Found) -> Block:
    rows = [
        Row(
            fold["name"],
            [
                "none accepted" if fold["threshold"] is None else words.exact(fold["threshold"]),
                RateCell(words.percent(fold["correct"] / fold["n"]), True, _tied(fold), ""),
                CountCell(f"{fold['correct']:,} / {fold['n']:,}", f"{fold['n_mated']:,} mated"),
                f"{fold['n_tied']:,}",
            ],
        )
        for fold in found["folds"]
    ]
    notes = [
        "Each fold is decided at the threshold that is best on the others, the lowest of several that are as good. A "
        "score at or above it is accepted.",
        f"Pairs with a failed template: {found['n_unscored']:,} (policy “{found['failed']}”).",
    ]
    tables = [Table("Accuracy by fold", FOLD_COLUMNS, [("", rows)], notes, True)] if rows else []
    return Block("Accuracy over the folds of the list", lead=[_accuracy(found)], tables=tables)


def _accuracy(found: Found) -> Markup:
    if found["mean"] is None:
        return Markup("Accuracy over folds is not estimable: {}.").format(words.reason(found["reason"]))
    mean, error, least, most = (words.percent(found[name]) for name in ("mean", "standard_error", "least", "most"))
    text = Markup("Mean accuracy over {} folds was <b>{}</b>, standard error {}").format(
        len(found["folds"]), mean, error
    )
    if least == most:
        return text + Markup(".")
    return text + Markup("; {} to {} at other thresholds that were as good.").format(least, most)


def _tied(fold: Found) -> str:
    least, most = (words.percent(fold[end] / fold["n"]) for end in ("least", "most"))
    return "" if least == most else f"{least} to {most}"
