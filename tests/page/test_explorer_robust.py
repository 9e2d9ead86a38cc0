"""The explorer with hostile labels, sparse runs and old browsers; its scripts are strict, and all of them run."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Browser

from frbench.page import assets, claims, render
from frbench.page.explored import explored
from frbench.page.operation import Setting
from tests.page.test_page import HOSTILE, even, identify, latency, verify
from tests.worlds.browser import ASSETS, Watched
from tests.worlds.explorations import Report, saved, type_threshold, write_page

# Names that the charting library brings.
LIBRARY = {"vegaEmbed", "VEGA_DEBUG"}
# Functions that other tests run: of many groups, of ties between two roundings, of a chart without a curve.
ELSEWHERE = {"distance", "toEven", "emptiness"}


def test_browser_that_cannot_unpack_says_so(browser: Browser, reported: Report):
    """Without DecompressionStream the static tables are there, and a sentence on why the rest is not."""
    one = Watched(browser)
    one.page.add_init_script("delete globalThis.DecompressionStream")
    one.page.goto(reported.path.as_uri(), wait_until="commit")
    one.says("#s1-explorer [data-part=unavailable]", "cannot open")
    assert not one.page.is_visible("#s1-explorer [data-part=live]")
    assert one.page.is_visible("#s1 table")
    one.context.close()


@pytest.mark.parametrize("label", [HOSTILE.replace(",", "") + "{k}$&", '</script><img src=x onerror="alert(1)">'])
def test_hostile_labels_are_text(browser: Browser, tmp_path: Path, label: str):
    """A label that is markup, or a form of words, runs nothing and is shown as it is."""
    one = Watched(browser)
    page = one.open(write_page(tmp_path, verify(((label,), ("m",))), identify(((label,), ("m",)))))

    assert label in one.table("s1")
    assert any(label in claim for claim in one.claims("s2"))
    assert page.locator("#explore :is(b, img), #explore script:not([type])").count() == 0
    assert one.wrong == []
    one.context.close()


def test_odd_labels_are_saved_safely(browser: Browser, tmp_path: Path):
    """A formula is text to a spreadsheet; control characters and pairs of code units leave pictures whole."""
    labels = ("=1+1", "a\x01\x0b", "\N{GRINNING FACE}" * 60, "m")
    one = Watched(browser, accept_downloads=True)
    one.open(write_page(tmp_path, verify(tuple((label,) for label in labels))))

    _, content = saved(one, "Save the table as CSV")
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert {row["group"] for row in rows} == {"all pairs", "'=1+1", *labels[1:]}
    for name in ("false match rate by group", "false match rate at every threshold"):
        _, svg = saved(one, f"Save {name} as SVG")
        assert ElementTree.fromstring(svg.decode()).tag.endswith("svg")
        _, png = saved(one, f"Save {name} as PNG")
        assert png.startswith(b"\x89PNG")
    assert one.wrong == []
    one.context.close()


EDGES = {
    "one group": verify((("f",),)),
    "no group": verify(groupings=[]),
    "no error": verify(counts=lambda cell, _: (0, 0, 0, 0, 9) if cell.mated else (0, 9)),
    "one stop": verify(counts=lambda *_: (5,), thresholds=(-1.0,)),
    "no mated pair": verify(counts=lambda cell, block: () if cell.mated else even(cell, block)),
    "an empty group": verify((("f",), ("m",), ("x",)), lambda cell, b: () if cell.group_b == 2 else even(cell, b)),
}


@pytest.mark.parametrize("name", EDGES)
def test_sparse_runs_are_explored(name: str, browser: Browser, tmp_path: Path):
    """Whatever there is none of, each stop says what Python says, and nothing reads NaN, undefined or Infinity."""
    one = Watched(browser)
    page = one.open(write_page(tmp_path, EDGES[name]))
    found = explored(EDGES[name].results, EDGES[name].tally)
    assert found is not None

    for stop in range(len(found.thresholds)):
        one.move("s1", stop)
        assert one.claims("s1") == [c.text for c in claims.claims(found, stop, Setting(1, 1000, 0.9))]
        assert not re.search("NaN|undefined|Infinity", page.inner_html("#s1-explorer [data-part=live]"))
    assert one.wrong == []
    one.context.close()


@pytest.mark.parametrize("name", assets.EXPLORER)
def test_scripts_are_strict_and_complete(name: str, browser: Browser):
    """Each is read in strict mode, after those before it, without an error and without a global name."""
    before = assets.EXPLORER[: assets.EXPLORER.index(name)]
    inside = "\n".join((ASSETS / f"{script}.js").read_text() for script in (*before, name))
    one = Watched(browser)
    own = one.page.evaluate("Object.getOwnPropertyNames(globalThis)")
    one.page.add_script_tag(content=f'(() => {{ "use strict";\n{inside}\n}})();')

    assert one.page.evaluate("Object.getOwnPropertyNames(globalThis)") == own
    assert one.wrong == []
    one.context.close()


def test_every_function_of_the_scripts_runs(browser: Browser, reported: Report, tmp_path: Path):
    """None is dead or breaks unseen once each control was used, and the page has the library's global names alone."""
    one = Watched(browser, accept_downloads=True)
    (tmp_path / "blank.html").write_text("<!doctype html>")
    one.page.goto((tmp_path / "blank.html").as_uri())
    names = set(one.page.evaluate("Object.getOwnPropertyNames(globalThis)"))
    profiler = one.context.new_cdp_session(one.page)
    profiler.send("Profiler.enable")
    profiler.send("Profiler.startPreciseCoverage", {"callCount": True, "detailed": False})
    page = one.open(reported.path)
    one.none_left(".run .chart:not(:has(svg))")
    use_everything(one)

    scripts = profiler.send("Profiler.takePreciseCoverage")["result"]
    (functions,) = (s["functions"] for s in scripts if "explore" in {f["functionName"] for f in s["functions"]})
    assert len(functions) > 150
    assert {f["functionName"] for f in functions if f["functionName"] and not f["ranges"][0]["count"]} == ELSEWHERE
    assert set(page.evaluate("Object.getOwnPropertyNames(globalThis)")) - names <= LIBRARY
    assert one.wrong == []
    one.context.close()


def use_everything(one: Watched) -> None:
    """Moves, types, drags, saves and changes what is assumed, in both runs."""
    page = one.page
    for stop in (0, 30, 60, 90):
        one.move("s1", stop)
        one.move("s2", stop)
    for text in ("0.5", "high"):
        type_threshold(one, text)
    page.fill("#s2-gallery", "5")
    page.fill("#s1-searches", "12.5")
    page.select_option("#s2-rank", label="10")
    page.click("#s1-explorer [data-stop]")
    chart = page.locator("#s1-explorer .chart svg").first
    chart.scroll_into_view_if_needed()
    chart.drag_to(chart, source_position={"x": 60, "y": 60}, target_position={"x": 90, "y": 60})
    one.says("#s1-explorer [role=status].unseen", "At the threshold")
    page.set_viewport_size({"width": 700, "height": 900})
    one.settle()
    # Chromium takes no more than ten at once.
    whats = ("the table as CSV", "the matrix as CSV", *(f"false match rate by group as {f}" for f in ("SVG", "PNG")))
    tables = ("at every threshold", "by group")
    figures = (*(f"false match rate {x}" for x in tables), "false match rate: ratio to the reference")
    for what in (*whats, *(f"the figures of {x} as CSV" for x in figures)):
        saved(one, f"Save {what}")


def test_runs_without_scores_or_of_times_have_no_explorer():
    """There is no handle without a threshold; a page of times alone brings no scripts for it."""
    nothing = verify(counts=lambda *_: (0, 0, 0, 0, 0, 0, 5))
    page = render([nothing, latency()], title="A title")

    assert 'id="explore"' not in page
    assert "class Explorer" not in page
    assert 'class="explorer"' in render([verify(counts=even), latency()], title="A title")
