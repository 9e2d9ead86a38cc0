"""Shows differences between groups on the page: accuracy, then who is compared with whom, then every index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup

from frbench.page import parts, ratios, words
from frbench.page.parts import Block, HeatMap, Point, Row, Table, by_reason, heads, together
from frbench.page.style import Palette
from frbench.page.words import Cell, RateCell, missing, rate_and_counts
from frbench.reading.groups.indices import BOTH, BY_NAME
from frbench.results.types import Differentials, Index, Rates

PAIRINGS = {"same_group": "pairs of one group", "cross_group": "pairs of two groups", "pooled": "all pairs"}
PAIRING_COLUMNS = heads("Non-mated comparisons; FMR | 95% interval; False matches | of comparisons")
INDEX_COLUMNS = heads(
    "Index | parameters; Value | 95% interval; If nothing differed | middle of drawn runs; Limit of chance | of 95 in "
    "100 runs; p | chance of as much; Says"
)
BEYOND, WITHIN, UNKNOWN = "more than chance", "no more than chance may show", "no statement"


def at(results: Rates, grouping: str, threshold: float) -> Differentials | None:
    """What a run says of a grouping at a threshold; None of a run that was not asked."""
    found = [d for d in results.get("differentials", []) if (d["grouping"], d["threshold"]) == (grouping, threshold)]
    return found[0] if found else None


def point(
    results: Rates,
    palette: Palette,
    threshold: float,
    table: Table,
    *,
    heat_maps: Mapping[str, Sequence[HeatMap]] | None = None,
    more: str = "",
) -> Point:
    """An operating point: its table of rates, and differences between the groups of each grouping.

    Parameters
    ----------
    heat_maps : by grouping.
    more : the end of the title.
    """
    every = (_block(results, palette, grouping, threshold, heat_maps or {}) for grouping in parts.groupings(results))
    blocks = [block for block in every if block.lead or block.ratios or block.heat_maps]
    origins, warnings = parts.origin_lines(results, threshold), parts.weak_origins(results, threshold)
    return Point(parts.point_title(results, threshold) + more, origins, warnings, table, blocks)


def _block(
    results: Rates, palette: Palette, grouping: str, threshold: float, heat_maps: Mapping[str, Sequence[HeatMap]]
) -> Block:
    found, compared = at(results, grouping, threshold), list(ratios.tables(results, palette, grouping, threshold))
    title, maps = f"Differences between groups of {words.grouping(grouping)}", heat_maps.get(grouping, ())
    if found is None:
        return Block(title, ratios=compared, heat_maps=maps)
    return Block(
        title,
        lead=[_accuracy(found), *_left_out(found)],
        cautions=[words.sentence(words.reason(caution["text"])) for caution in found["cautions"]],
        ratios=compared,
        tables=[_pairings(found, palette)] if found["impostors"] else [],
        heat_maps=maps,
        closing=[_indices(found)],
    )


def _accuracy(found: Differentials) -> Markup:
    """The rates of everybody, that differences are to be read beside."""
    rates = []
    for name, e in found["accuracy"].items():
        rate = words.metric(name, found["rank"] if name == "fnir" else None)
        rates.append(Markup("{} was {}").format(rate, words.rate_phrase(e, exponent=name == "fmr")))
    return Markup("For everybody, {}.").format(Markup(", and ").join(rates))


def _left_out(found: Differentials) -> Iterator[str]:
    """Groups that indices leave out, with the reason; those of one reason together."""
    for why, of, who in by_reason((one["reason"], one["metric"].upper(), one["group"]) for one in found["left_out"]):
        yield f"Left out of indices of {of}: {who} ({why})."


def _pairings(found: Differentials, palette: Palette) -> Table:
    """Who is compared with whom: the rates that all pairs together hide."""
    who = words.grouping(found["grouping"])
    pairs = [
        Row(text, rate_and_counts(found["impostors"][name], exponent=True), is_total=name == "pooled")
        for name, text in PAIRINGS.items()
    ]
    anybody = [(e, palette[found["grouping"], e["group"]]) for e in found["groups"] if e["among"] == "everybody"]
    against = [
        Row(f"{e['group']} with anybody", rate_and_counts(e, exponent=True), style.swatch) for e, style in anybody
    ]
    bodies = [("", pairs), *([("By who takes part", against)] if against else [])]
    note = "People without a label are in “all pairs” and “anybody” alone. Rates within each group stand above."
    return Table(f"Who is compared with whom, by {who}", PAIRING_COLUMNS, bodies, [note], True)


def _indices(found: Differentials) -> Table:
    """Every index with its interval, and what it is worth beside chance."""
    by_rates = together(
        (f"Of {words.listed([metric.upper() for metric in index['of'].split(BOTH)])}", index)
        for index in found["indices"]
    )
    null = found["no_difference"]
    notes = [
        "An index is no accuracy: the rates above come first. Each has an interval from blocks of people and stands "
        f"beside {null['draws']:,} drawn runs in which no group differs (seed {null['seed']}). Of many indices some "
        "pass the limit of chance where nothing differs.",
        *(["1:1 rates are of comparisons within each group."] if found["matrix"] else []),
    ]
    bodies = [(of, _index_rows(indices)) for of, indices in by_rates]
    caption = f"Indices of differences between groups of {words.grouping(found['grouping'])}"
    return Table(caption, INDEX_COLUMNS, bodies, notes)


def _index_rows(found: Sequence[Index]) -> list[Row]:
    """A row of each index; one for all that do not exist for the same reason."""
    if len({index["reason"] for index in found}) == 1 and all(
        index["value"] is None and index["lower_bound"] is None for index in found
    ):
        return [Row("every index", _index_cells(found[0]))]
    return [Row(_name(index), _index_cells(index)) for index in found]


def _index_cells(index: Index) -> list[Cell]:
    if index["value"] is None:
        bound = index["lower_bound"]
        # The largest rate over the smallest is at least 1 without any data.
        value = f"at least {words.digits(bound, 3)}" if bound and bound > 1 else "not estimable"
        return [RateCell(value, False, words.reason(index["reason"])), "", "", "", UNKNOWN]
    low, high = index["low"], index["high"]
    between = words.reason(index["interval_reason"])
    if low is not None and high is not None:
        between = f"{words.number(low)} to {words.number(high)}"
    expected, critical = (
        missing(index["null_reason"]) if end is None else words.number(end)
        for end in (index["expected"], index["critical"])
    )
    p = index["p_value"]
    return [
        RateCell(words.number(index["value"]), True, between),
        expected,
        critical,
        "not estimable" if p is None else words.digits(p),
        UNKNOWN if p is None else BEYOND if p < 1 - index["level"] else WITHIN,
    ]


def _name(index: Index) -> str:
    """An index with its parameters: FDR (alpha 0.5)."""
    given = ", ".join(f"{name} {value:g}" for name, value in index["parameters"].items())
    return BY_NAME[index["name"]].title + (f" ({given})" if given else "")
