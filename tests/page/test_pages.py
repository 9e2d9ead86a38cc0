"""Pages of compare and history in a real browser: they fit, print, follow the keyboard, and their charts are saved."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Browser

from frbench.page import render
from frbench.page.comparison import render_comparison
from frbench.page.history import render_history
from frbench.reading.systems.compare import compare
from frbench.reading.systems.history import read
from frbench.reading.systems.times import compare_times
from tests.commands.test_compare import saved
from tests.page.test_explorer_access import contrast
from tests.page.test_page import latency
from tests.reading.systems.test_compare import people, verified
from tests.reading.systems.test_history import made
from tests.reading.systems.test_times import load_of
from tests.worlds.browser import Watched

PAGES = ("compared", "timed", "history")


@dataclass(frozen=True, eq=False)
class Pages:
    """Files of the pages, and the comparison that one of them shows."""

    directory: Path
    compared: dict[str, Any]

    def path(self, name: str) -> Path:
        """Of a page."""
        return self.directory / f"{name}.html"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """Two systems, two loads, and three runs over time."""
    directory = tmp_path_factory.mktemp("pages")
    a, b = verified(people(2), "out/old", at=0.6), verified(people(3, noise=0.9), "out/<new>", at=0.5)
    found = compare(a, b)
    times = compare_times(load_of("out/load-old", every=40), load_of("out/load-new", every=9))
    runs = directory / "runs"
    runs.mkdir()
    for number in range(3):
        when = f"2026-01-0{number + 1}T00:00:00+00:00"
        saved(made(verified(people(4 + number, noise=0.8), at=0.6), when), runs / f"v{number}")
    for name, text in zip(
        PAGES, (render_comparison([found]), render_comparison([times]), render_history(read(runs))), strict=True
    ):
        (directory / f"{name}.html").write_text(text)
    return Pages(directory, found)


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A page that must ask for nothing and complain of nothing."""
    one = Watched(browser, viewport={"width": 1200, "height": 900}, accept_downloads=True)
    yield one
    assert one.wrong == []
    one.context.close()


def opened(watched: Watched, path: Path) -> None:
    """Opens a page and waits until its charts are drawn."""
    watched.open(path)
    watched.none_left("figure:not(:has(.downloads))")


@pytest.mark.parametrize("name", PAGES)
def test_pages_fit_any_screen_and_paper(browser: Browser, pages: Pages, name: str):
    """Nothing is wider than the window or the sheet, text stands out, and what cannot be pressed is not printed."""
    for width, scheme in ((400, "dark"), (1600, "light")):
        one = Watched(browser, viewport={"width": width, "height": 900}, color_scheme=scheme)
        opened(one, pages.path(name))
        assert one.page.evaluate("document.documentElement.scrollWidth") <= width
        ink, paper = one.page.evaluate("(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))")
        assert contrast(ink, paper) > 7
        assert one.page.locator(".chart svg").count() == len(one.page.evaluate("Object.keys(specs)")) > 0
        assert one.wrong == []
        one.context.close()
    one = Watched(browser, viewport={"width": 718, "height": 1000})
    opened(one, pages.path(name))
    one.page.emulate_media(media="print")
    wide = "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).length"
    assert one.page.eval_on_selector_all(":is(.scroll, figure)", wide) == 0
    assert not one.page.is_visible(".downloads")
    assert one.page.pdf(format="A4").startswith(b"%PDF")
    one.context.close()


def saved_by(watched: Watched, label: str) -> tuple[str, bytes]:
    """Name and content of what a button saves."""
    with watched.page.expect_download() as waiting:
        watched.page.get_by_role("button", name=label, exact=True).first.click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def test_charts_of_a_comparison_are_saved(watched: Watched, pages: Pages):
    """A picture of its own, one of twice the size, and ratios that are those of comparison.json to the last bit."""
    opened(watched, pages.path("compared"))
    name, svg = saved_by(watched, "Save fnmr, b against a as SVG")
    root = ElementTree.fromstring(svg.decode())
    assert (name, root.tag) == ("frbench-c1-1-rate-1.svg", "{http://www.w3.org/2000/svg}svg")
    assert root[0].get("fill") == "#ffffff"
    _, png = saved_by(watched, "Save fnmr, b against a as PNG")
    assert png.startswith(b"\x89PNG")
    width = int.from_bytes(png[16:20])
    assert width == 2 * float(root.get("viewBox").split()[2])

    for label, of, ends in (
        ("fnmr, b against a", "rows", ("ratio", "ratio_low", "ratio_high")),
        ("fnmr: ratio to the reference, b against a", "differentials", ("value", "low", "high")),
    ):
        _, content = saved_by(watched, f"Save the figures of {label} as CSV")
        found = list(csv.DictReader(io.StringIO(content.decode())))
        expected = [
            [row[end] for end in ends]
            for row in pages.compared[of]
            if row["metric"] == "fnmr" and row[ends[1]] is not None and row.get("group_a") == row.get("group_b")
        ]
        assert [[float(row[end]) for end in ("value", "low", "high")] for row in found] == expected != []


@pytest.mark.parametrize("name", PAGES)
def test_everything_is_reached_by_keyboard(watched: Watched, pages: Pages, name: str):
    """Tab goes through links, tables and the buttons of every chart, each with an outline and a name."""
    opened(watched, pages.path(name))
    page = watched.page
    expected = page.locator("a[href], button, .scroll").count()
    named = "e => e.getAttribute('aria-label') || e.textContent"
    reached = set()
    page.locator("body").press("Tab")
    for _ in range(expected + 2):
        if page.evaluate("document.activeElement === document.body"):
            break
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        assert page.evaluate(f"({named})(document.activeElement)")
        reached.add(page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
        page.keyboard.press("Tab")

    assert len(reached) == expected


def test_charts_of_a_report_are_saved_by_the_same_buttons(watched: Watched, tmp_path: Path):
    """Of the main report, too: what is drawn as CSV."""
    path = tmp_path / "report.html"
    path.write_text(render([latency()], title="A title"))
    opened(watched, path)
    name, content = saved_by(watched, "Save the figures of request of 1 probe as CSV")
    rows = list(csv.DictReader(io.StringIO(content.decode())))

    assert name == "frbench-s1-latency-sex-1.csv"
    assert {row["group"] for row in rows} >= {"all requests"}
    assert {row["q"] for row in rows} == {"p50", "p90"}


def test_history_charts_hold_every_run(watched: Watched, pages: Pages):
    """Three runs of everybody and of both groups, and no bar beyond its run: groups stand side by side."""
    opened(watched, pages.path("history"))
    label = next(
        text
        for text in watched.page.locator(".downloads button").evaluate_all("all => all.map(e => e.ariaLabel)")
        if text.startswith("Save the figures of fmr")
    )
    _, content = saved_by(watched, label)
    rows = list(csv.DictReader(io.StringIO(content.decode())))

    assert {row["run"] for row in rows} == {"v0", "v1", "v2"}
    assert len(rows) == 3 * len({row["group"] for row in rows}) > 3
