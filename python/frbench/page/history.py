"""Makes the page of figures run after run, with a chapter for the runs that may stand in one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from markupsafe import Markup

from frbench.page import time_cells, words
from frbench.page.assets import Chapter, render_chapters
from frbench.page.charts import Series, over_runs
from frbench.page.latency import unit_of
from frbench.page.parts import MIN_CHART_TRIALS, Block, Figure, Row, Table, by, few_trials_note, heads, legend
from frbench.page.style import Palette
from frbench.page.words import RateCell
from frbench.plan import ALL
from frbench.reading.systems.history import History, Line, Past
from frbench.reading.systems.run_figures import Figure as RunFigure
from frbench.reading.systems.run_figures import Name, is_of_everybody
from frbench.reading.systems.time_figures import MEASURED_ONCE, UNANSWERED
from frbench.results.types import Estimate

KINDS = {
    "verify": "1:1 verification",
    "identify": "1:N identification",
    "latency": "Search latency",
    "load": "Search under load",
}
EVERYBODY = "everybody"
RATES = ("fmr", "fnmr", "fpir", "fnir")
POINTWISE = Markup(
    "Bars and intervals are at 95%, each run on its own: two that overlap may still differ. What two of these runs say "
    "of each other is for <code>frbench compare</code>."
)
Heading = tuple[str, str, str, str, int | None]


def render_history(history: History) -> str:
    """The page of a history: figures of everybody and within groups; JSON has those between groups, too."""
    n = sum(len(line.runs) for line in history.lines)
    measured = [f"{words.plural(n, 'run')} below {history.directory}, by {history.order}."]
    if len(history.lines) > 1:
        measured.append("Runs that cannot stand in one line are kept apart; each chapter says what differs.")
    measured += [f"Left out: {name}, {reason}." for name, reason in history.left_out]
    chapters = [_chapter(line, number) for number, line in enumerate(history.lines, 1)]
    return render_chapters(chapters, title="History of runs", eyebrow="frbench history", measured=measured)


def _chapter(line: Line, number: int) -> Chapter:
    by_heading: dict[Heading, list[Name]] = {}
    for name in line.names:
        if name.group_a == name.group_b:
            heading = (name.metric, name.at, name.population, _grouping(line, name), name.rank)
            by_heading.setdefault(heading, []).append(name)
    found = enumerate(by_heading.items(), 1)
    lead = [f"Apart, for other {words.listed(list(line.differs))}."] if line.differs else []
    return Chapter(
        f"{KINDS[line.kind]}, {words.plural(len(line.runs), 'run')}",
        [*lead, POINTWISE],
        [_runs(line), *(_block(line, heading, names, f"h{number}-{i}") for i, (heading, names) in found)],
    )


def _grouping(line: Line, name: Name) -> str:
    """Everybody stands beside the groups, where there is one grouping alone."""
    others = {other.grouping for other in line.names if not is_of_everybody(other)}
    return next(iter(others)) if is_of_everybody(name) and len(others) == 1 else name.grouping


def _runs(line: Line) -> Block:
    rows = [Row(run.name, [_when(run.created), run.frbench, run.plan[:8]]) for run in line.runs]
    columns = heads("Run; Made; frbench; Plan")
    return Block("Runs", tables=[Table("Runs, in this order", columns, [("", rows)])])


def _when(created: str) -> str:
    return created.replace("T", " ").replace("+00:00", " UTC") or "not stated"


def _block(line: Line, heading: Heading, names: list[Name], anchor: str) -> Block:
    metric, at, population, grouping, rank = heading
    title = f"{_metric(metric)}{f' at rank {rank}' if rank else ''}{f', {_at(metric, at)}' if at else ''}"
    title += f",{by(grouping)}" * (grouping != ALL)
    lead = [f"Threshold set over {population} of each run, and so another in each."] if population else []
    found = [figure for name in names for _, figure in line.points(name)]
    if all(figure.value is None for figure in found):
        most = max(found, key=lambda figure: figure.n)
        return Block(title, [*lead, f"Not estimable in any run: {words.reason(most.reason)}."])
    figures = list(_drawn(line, names, title, anchor))
    return Block(title, lead, figures=figures, tables=[_table(line, names, f"{title}, in figures")])


def _at(metric: str, at: str) -> str:
    return f"threshold at {words.target(at)}" if metric in RATES and "=" in at else at


def _metric(metric: str) -> str:
    return metric.upper() if metric in RATES else time_cells.title(metric)


def _table(line: Line, names: list[Name], title: str) -> Table:
    columns = [("Run", ""), *((_group(name), "") for name in names)]
    rows = [Row(run.name, [_cell(name, run.figures.get(name)) for name in names]) for run in line.runs]
    return Table(title, columns, [("", rows)])


def _group(name: Name) -> str:
    return EVERYBODY if is_of_everybody(name) else name.group_a


def _cell(name: Name, figure: RunFigure | None) -> RateCell | str:
    if figure is None:
        return "not in this run"
    if name.metric not in RATES:
        return time_cells.cell(name.metric, vars(figure))
    return words.stacked(cast("Estimate", vars(figure)), exponent=_is_rare(name))


def _is_rare(name: Name) -> bool:
    return name.metric in ("fmr", "fpir")


def _drawn(line: Line, names: list[Name], title: str, anchor: str) -> Iterator[Figure]:
    """A chart of two runs or more, of groups that have a value and enough trials for it."""
    points = {name: [(run, f) for run, f in line.points(name) if f.value is not None] for name in names}
    drawn = {name: found for name, found in points.items() if found and _least(name, found) >= MIN_CHART_TRIALS}
    values = [f.value for found in drawn.values() for _, f in found if f.value is not None]
    if not values or max(len(found) for found in drawn.values()) < 2:
        return
    metric = names[0].metric
    scale, unit = unit_of(max(values)) if time_cells.is_time(metric) else (1.0, "")
    palette = Palette((name.grouping, name.group_a) for name in names if not is_of_everybody(name))
    series = [
        Series(
            _group(name),
            palette[(ALL if is_of_everybody(name) else name.grouping), name.group_a],
            [{"run": run.name, **_ends(f, scale), "text": _text(name, f)} for run, f in found],
        )
        for name, found in drawn.items()
    ]
    alt = f"{title}, run after run, with intervals."
    number = "~e" if _is_rare(names[0]) else "~%" if metric in (*RATES, UNANSWERED) else "~s"
    axis = f"{_metric(metric)}{f', {unit}' if unit else ''}"
    spec = over_runs(series, runs=[run.name for run in line.runs], title=axis, number=number, alt=alt)
    few = few_trials_note([_group(name) for name in points if points[name] and name not in drawn], "trials")
    yield Figure(anchor, title, "Bars are 95% intervals. The axis need not begin at 0.", spec, legend(series), few)


def _least(name: Name, found: Sequence[tuple[Past, RunFigure]]) -> int:
    """The fewest trials behind a point; what is measured once has no fewer than enough."""
    return MIN_CHART_TRIALS if name.metric in MEASURED_ONCE else min(figure.n for _, figure in found)


def _ends(figure: RunFigure, scale: float) -> Mapping[str, float | None]:
    return {end: None if (v := getattr(figure, end)) is None else v / scale for end in ("value", "low", "high")}


def _text(name: Name, figure: RunFigure) -> str:
    cell = _cell(name, figure)
    if isinstance(cell, str):
        return cell
    return f"{cell.value} ({cell.share})" if cell.share else cell.value
