"""Makes the page of finished runs: one HTML file that opens anywhere, says what was counted and what it suggests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from frbench.finished_run import FinishedRun
from frbench.page import explorer, gallery_sizes, group_thresholds, load, modes, parts, shortcuts, summary, whole_curves
from frbench.page.assets import EXPLORER, filled, together
from frbench.page.identify import Identify
from frbench.page.latency import Latency
from frbench.page.parts import View
from frbench.page.provenance import limits, provenance, reading
from frbench.page.style import Key, Palette
from frbench.page.verify import Verify
from frbench.plan import ALL
from frbench.results import types
from frbench.results.types import results_of

TITLES = {"verify": "1:1 verification", "identify": "1:N identification", "latency": "Search latency"}


def render(sections: Sequence[FinishedRun], *, title: str, subtitle: str = "") -> str:
    """The page of these runs, in this order.

    Parameters
    ----------
    title : heading of the page. subtitle : a line below it.

    The page carries its charting library and its counts, and a policy that forbids it any request. Tables need no
    scripts; labels are escaped wherever they come from.
    """
    palette = Palette(key for section in sections for key in keys_of(section))
    views = [view_of(section, palette, number) for number, section in enumerate(sections, 1)]
    has_explorer = any(view.explorer for view in views)
    return filled(
        "report.html.j2",
        [figure for view in views for figure in view.drawn],
        looks=("report.css", "assets/explorer.css"),
        title=title,
        subtitle=subtitle,
        views=views,
        reading=reading(sections),
        limits=limits(sections),
        provenance=provenance(sections, [view.title for view in views]),
        scripts=together(EXPLORER) if has_explorer else "",
    )


def view_of(section: FinishedRun, palette: Palette, number: int) -> View:
    """One run as the page shows it; `number` makes its anchors its own."""
    results, anchor = results_of(section.results), f"s{number}"
    match results["kind"]:
        case "verify":
            return _verify(results, section, palette, anchor)
        case "identify":
            return _identify(results, section, palette, anchor)
        case "latency":
            return _latency(results, palette, anchor)
        case "load":
            return load.view(results, palette, anchor)
        case _:
            return shortcuts.view(results, palette, anchor)


def _verify(results: types.Verify, section: FinishedRun, palette: Palette, anchor: str) -> View:
    found = Verify(results, section.tally, palette, anchor)
    is_listed = section.tally.plan.kind == "pairs"
    return View(
        anchor=anchor,
        title=TITLES["verify"] + (" of listed pairs" if is_listed else ""),
        measured=summary.measured_verify(results, section.manifest, section.tally),
        summary=summary.verify_sentences(found),
        refused=parts.refused(results),
        points=found.points(),
        figures=found.figures(),
        blocks=[*group_thresholds.blocks(results, palette), *whole_curves.blocks(results, palette)],
        after=[*found.spreads(), found.failures()],
        explorer=explorer.of(results, section.tally, palette),
    )


def _identify(results: types.Identify, section: FinishedRun, palette: Palette, anchor: str) -> View:
    found = Identify(results, section.tally, palette, anchor)
    return View(
        anchor=anchor,
        title=TITLES["identify"],
        measured=summary.measured_identify(results),
        summary=summary.identify_sentences(found),
        refused=parts.refused(results),
        points=found.points(),
        tables=[found.investigation()],
        figures=found.figures(),
        blocks=[*modes.blocks(results, palette), *gallery_sizes.blocks(results, palette, anchor)],
        after=[found.failures()],
        explorer=explorer.of(results, section.tally, palette),
    )


def _latency(results: types.Latency, palette: Palette, anchor: str) -> View:
    found = Latency(results, palette, anchor)
    return View(
        anchor=anchor,
        title=TITLES["latency"] + (" on the GPU" if results["isa"].startswith("gpu ") else ""),
        measured=summary.measured_latency(results),
        summary=summary.latency_sentences(found),
        explained=(
            ("Timer", results["timer"]),
            ("Warm-up", f"{results['warm_up']:.0%} of the requests, before the others, not counted"),
            ("Order", "groups and batch sizes shuffled together; each run in a fresh process"),
            ("Instruction set", results["isa"]),
            ("Resolution", results["resolution"]),
        ),
        tables=found.tables(),
        figures=found.figures(),
        pairs_figures=True,
    )


def keys_of(section: FinishedRun) -> Iterator[Key]:
    """Groups of a run, in the order of their names."""
    for grouping in section.results["groupings"]:
        if grouping != ALL:
            names = section.tally.plan.group_names(parts.columns_of(grouping))
            yield from ((grouping, name) for name in sorted(set(names)))
