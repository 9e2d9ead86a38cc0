"""Shows thresholds by group on the page: what each group needs, and what it gets at those of the others."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from markupsafe import Markup

from frbench.page import parts, words
from frbench.page.parts import Block, HeatCell, HeatMap, Row, Table, heads
from frbench.page.style import LogScale, Palette
from frbench.page.verify import heat_cell, heat_scale
from frbench.page.words import CountCell, RateCell, rate_and_counts, rate_cell
from frbench.plan import OVERALL
from frbench.results.types import GroupPoint, GroupRates, GroupThresholds, Verify

EVERYBODY = "everybody"
ABOVE = "above the target"
LEAD = (
    "A threshold is set on one population and used on another. Set on all pairs, it need not hold its target within "
    "a group: each group has a threshold of its own at which it does, and at the threshold of another group it has "
    "another rate."
)
COLUMNS = heads(
    "Set on; Threshold | smallest that holds the target; FMR there | 95% interval; False matches | of comparisons; "
    "FNMR there | 95% interval; False non-matches | of comparisons"
)
SCALE = "log scale; hatched: no false match seen"


def blocks(results: Verify, palette: Palette) -> Iterator[Block]:
    """Thresholds of every grouping and target, if there are any."""
    for number, one in enumerate(results.get("group_thresholds", [])):
        yield Block(
            f"What each group of {words.grouping(one['grouping'])} needs for FMR {one['rate']}",
            lead=[*([] if number else [LEAD]), worst(one)],
            tables=[_table(one, palette)],
            heat_maps=[_heat_map(one)] if one["rates"] else [],
        )


def worst(found: GroupThresholds) -> Markup:
    """The threshold that holds the target within every group, or why there is none."""
    head = Markup("An FMR of at most {} within every group of {} ").format(
        found["rate"], words.grouping(found["grouping"])
    )
    needed = found["worst"]
    if needed["threshold"] is None:
        return head + Markup("cannot be promised: {}.").format(words.reason(needed["reason"]))
    (point,) = (p for p in found["thresholds"] if p["set_on"] == needed["group"])
    few = "" if point["rule_of_30"] else f"; {words.plural(point['k'], 'false match', 'false matches')} there, below 30"
    text = "takes the threshold <b>{}</b>, which {} needs{}."
    return head + Markup(text).format(words.exact(needed["threshold"]), needed["group"], few)


def _table(found: GroupThresholds, palette: Palette) -> Table:
    at = {(r["set_on"], r["group"]): r for r in found["rates"]}
    rows = [_row(point, at.get((point["set_on"],) * 2), found["grouping"], palette) for point in found["thresholds"]]
    notes = [f"Left out: {one['group']} ({words.reason(one['reason'])})." for one in found["left_out"]]
    few = [name(p["set_on"]) for p in found["thresholds"] if p["threshold"] is not None and not p["rule_of_30"]]
    if few:
        notes.append(f"Fewer than 30 false matches stand behind the thresholds of {words.listed(few)}.")
    caption = f"Thresholds at which FMR is at most {found['rate']}, set on everybody and within each group"
    return Table(caption, COLUMNS, [("", rows)], notes)


def _row(point: GroupPoint, rates: GroupRates | None, grouping: str, palette: Palette) -> Row:
    is_total = point["set_on"] == OVERALL
    swatch = parts.NO_SWATCH if is_total else palette[grouping, point["set_on"]].swatch
    if rates is None or point["threshold"] is None:
        counts = CountCell(f"{point['k']:,} / {point['n']:,}")
        refused = RateCell("no threshold", False, words.reason(point["reason"]))
        return Row(name(point["set_on"]), [refused, "", counts, "", ""], swatch, is_total)
    cells = (*rate_and_counts(rates["fmr"], exponent=True), *rate_and_counts(rates["fnmr"]))
    return Row(name(point["set_on"]), [words.exact(point["threshold"]), *cells], swatch, is_total)


def _heat_map(found: GroupThresholds) -> HeatMap:
    scale, ends = heat_scale([r["fmr"] for r in found["rates"]])
    rows = list(dict.fromkeys(r["set_on"] for r in found["rates"]))
    columns = list(dict.fromkeys(r["group"] for r in found["rates"]))
    at = {(r["set_on"], r["group"]): r for r in found["rates"]}
    target = Fraction(found["rate"])
    cells = [[_cell(at[row, column], scale, target) for column in columns] for row in rows]
    caption = f"FMR within each group (columns) at the thresholds of the others (rows); target {found['rate']}"
    note = "Everybody: all non-mated comparisons. Below each FMR its counts, and the FNMR of the same group, if any."
    names = [name(row) for row in rows], [name(column) for column in columns]
    return HeatMap(caption, "set on", *names, cells, *ends, scale=SCALE, notes=[note])


def _cell(rates: GroupRates, scale: LogScale | None, target: Fraction) -> HeatCell:
    fmr, fnmr = rates["fmr"], rates["fnmr"]
    what = f"{name(rates['group'])} at {words.exact(rates['threshold'])}, set on {name(rates['set_on'])}"
    below = [f"FNMR {rate_cell(fnmr).value}"] if fnmr["n"] else []
    # Compared as counts: a rate that meets its target exactly is not above it.
    if fmr["n"] and Fraction(fmr["k"], fmr["n"]) > target:
        below.append(ABOVE)
    return heat_cell(fmr, what, scale, below)


def name(group: str) -> str:
    """A group, or everybody."""
    return EVERYBODY if group == OVERALL else group
