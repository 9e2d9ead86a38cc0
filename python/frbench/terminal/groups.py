"""Shows differences between groups as tables on a terminal, accuracy first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from frbench.reading.groups.indices import BOTH, BY_NAME
from frbench.results.types import Differentials, Estimate, GroupThresholds, Index, Rates
from frbench.terminal import figures
from frbench.terminal.figures import UNDEFINED, exact, number

PAIRINGS = {"same_group": "pairs of one group", "cross_group": "pairs of two groups", "pooled": "all pairs"}


def tables(results: Rates, threshold: float) -> Iterator[RenderableType]:
    """Accuracy, who was compared with whom, and every index that exists, of each grouping at one threshold."""
    for found in results.get("differentials", []):
        if found["threshold"] == threshold:
            yield from _one(found)
    targets = {point["at"] for point in results["operating_points"] if point["threshold"] == threshold}
    for needed in results.get("group_thresholds", []):
        if f"fmr={needed['rate']}" in targets:
            yield Text(_worst(needed))


def _one(found: Differentials) -> Iterator[RenderableType]:
    accuracy = ", ".join(f"{name.upper()} {_rate(e)}" for name, e in found["accuracy"].items())
    yield Text(f"\ndifferences between groups of {found['grouping']}; everybody: {accuracy}", style="bold")
    if found["impostors"]:
        yield Text(_impostors(found))
    columns = ("index", "of", "value", "95% interval", "if nothing differed", "95 of 100 within", "p")
    rows = [(_name(index), _of(index), *_cells(index)) for index in found["indices"] if _is_shown(index)]
    if rows:
        yield figures.table(*columns, rows=rows)
    yield from _missing(found["indices"])
    for caution in found["cautions"]:
        yield Text(caution["text"], style="yellow")


def _is_shown(index: Index) -> bool:
    """Whether an index has a value, or a bound that says something: max/min is at least 1 without any data."""
    return index["value"] is not None or (index["lower_bound"] or 0) > 1


def _missing(found: Sequence[Index]) -> Iterator[Text]:
    """Indices without a value, those of one reason together."""
    names: dict[tuple[str, str], list[str]] = {}
    for index in found:
        if not _is_shown(index):
            names.setdefault((_of(index), index["reason"]), []).append(BY_NAME[index["name"]].title)
    for (of, reason), missing in names.items():
        is_all = len(missing) == sum(_of(index) == of for index in found)
        yield Text(f"{'every index' if is_all else ', '.join(missing)} of {of}: {UNDEFINED}, {reason}")


def _cells(index: Index) -> tuple[str, ...]:
    form = "{:.4g}".format
    if index["value"] is None:
        return f"at least {index['lower_bound']:.3g}", index["reason"], "", "", ""
    expected, critical = (number(end, form) for end in (index["expected"], index["critical"]))
    p = "" if index["p_value"] is None else f"{index['p_value']:.2g}"
    return form(index["value"]), figures.interval(index, form), expected, critical, p


def _name(index: Index) -> str:
    """An index with its parameters: FDR (alpha 0.5)."""
    parameters = ", ".join(f"{name} {value:g}" for name, value in index["parameters"].items())
    return BY_NAME[index["name"]].title + (f" ({parameters})" if parameters else "")


def _of(index: Index) -> str:
    return BOTH.join(metric.upper() for metric in index["of"].split(BOTH))


def _impostors(found: Differentials) -> str:
    rates = ", ".join(f"{text} {_rate(found['impostors'][name])}" for name, text in PAIRINGS.items())
    set_on = " and on ".join(found["threshold_set_on"])
    return f"FMR of {rates}" + (f"; the threshold was set on {set_on}" if set_on else "")


def _worst(found: GroupThresholds) -> str:
    worst = found["worst"]
    head = f"FMR at most {found['rate']} within every group of {found['grouping']}: "
    if worst["threshold"] is None:
        return f"{head}no threshold, {worst['reason']}"
    return f"{head}threshold {exact(worst['threshold'])}, which {worst['group']} needs"


def _rate(estimate: Estimate) -> str:
    if estimate["value"] is None:
        return f"{UNDEFINED} ({estimate['reason']})"
    return f"{estimate['value']:.3g} ({figures.counts(estimate)})"
