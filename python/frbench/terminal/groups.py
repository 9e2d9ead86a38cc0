"""Group tables: differences between groups as tables on a terminal, accuracy first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from frbench.reading.groups.indices import BOTH, BY_NAME
from frbench.terminal.figures import UNDEFINED


def tables(results: Mapping[str, Any], threshold: float) -> Iterator[RenderableType]:
    """Accuracy, who was compared with whom, and every index that exists, of each grouping at one threshold."""
    for found in results.get("differentials", []):
        if found["threshold"] == threshold:
            yield from _one(found)
    targets = {point["at"] for point in results["operating_points"] if point["threshold"] == threshold}
    for found in results.get("group_thresholds", []):
        if f"fmr={found['rate']}" in targets:
            yield Text(_worst(found))


def _one(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    accuracy = ", ".join(f"{name.upper()} {_rate(e)}" for name, e in found["accuracy"].items())
    yield Text(f"\ndifferences between groups of {found['grouping']}; everybody: {accuracy}", style="bold")
    if found["impostors"]:
        yield Text(_impostors(found))
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("index")
    for column in ("of", "value", "95% interval", "if nothing differed", "95 of 100 within", "p"):
        table.add_column(column, justify="right", no_wrap=True)
    for index in found["indices"]:
        if _is_shown(index):
            table.add_row(_name(index), _of(index), *_cells(index))
    if table.row_count:
        yield table
    yield from _missing(found["indices"])
    for caution in found["cautions"]:
        yield Text(caution["text"], style="yellow")


def _is_shown(index: Mapping[str, Any]) -> bool:
    """Whether an index has a value, or a bound that says something: max/min is at least 1 without any data."""
    return index["value"] is not None or (index["lower_bound"] or 0) > 1


def _missing(found: Sequence[Mapping[str, Any]]) -> Iterator[Text]:
    """Indices without a value, those of one reason together."""
    names: dict[tuple[str, str], list[str]] = {}
    for index in found:
        if not _is_shown(index):
            names.setdefault((_of(index), index["reason"]), []).append(BY_NAME[index["name"]].title)
    for (of, reason), missing in names.items():
        is_all = len(missing) == sum(_of(index) == of for index in found)
        yield Text(f"{'every index' if is_all else ', '.join(missing)} of {of}: {UNDEFINED}, {reason}")


def _cells(index: Mapping[str, Any]) -> tuple[str, ...]:
    if index["value"] is None:
        return f"at least {index['lower_bound']:.3g}", index["reason"], "", "", ""
    interval = UNDEFINED if index["low"] is None else f"{index['low']:.4g} - {index['high']:.4g}"
    expected, critical = (UNDEFINED if index[end] is None else f"{index[end]:.4g}" for end in ("expected", "critical"))
    p = "" if index["p_value"] is None else f"{index['p_value']:.2g}"
    return f"{index['value']:.4g}", interval, expected, critical, p


def _name(index: Mapping[str, Any]) -> str:
    """An index with its parameters: FDR (alpha 0.5)."""
    parameters = ", ".join(f"{name} {value:g}" for name, value in index["parameters"].items())
    return BY_NAME[index["name"]].title + (f" ({parameters})" if parameters else "")


def _of(index: Mapping[str, Any]) -> str:
    return BOTH.join(metric.upper() for metric in index["of"].split(BOTH))


def _impostors(found: Mapping[str, Any]) -> str:
    names = {"same_group": "pairs of one group", "cross_group": "pairs of two groups", "pooled": "all pairs"}
    rates = ", ".join(f"{text} {_rate(found['impostors'][name])}" for name, text in names.items())
    set_on = (
        f"; the threshold was set on {' and on '.join(found['threshold_set_on'])}" if found["threshold_set_on"] else ""
    )
    return f"FMR of {rates}{set_on}"


def _worst(found: Mapping[str, Any]) -> str:
    worst = found["worst"]
    head = f"FMR at most {found['rate']} within every group of {found['grouping']}: "
    if worst["threshold"] is None:
        return f"{head}no threshold, {worst['reason']}"
    return f"{head}threshold {worst['threshold']:.9g}, which {worst['group']} needs"


def _rate(estimate: Mapping[str, Any]) -> str:
    if estimate["value"] is None:
        return f"{UNDEFINED} ({estimate['reason']})"
    return f"{estimate['value']:.3g} ({estimate['k']:,} / {estimate['n']:,})"
