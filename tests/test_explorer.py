"""The explorer in a real browser: its figures are the command line's, and everybody can use it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Download

import explorations
from browser import ASSETS, Watched
from frbench import metrics, report
from frbench.report import claims, explorer, style, words
from frbench.report.explored import Explored, Row, explored
from frbench.report.operation import Setting
from frbench.report.parts import Section
from test_report import HOSTILE, even, identify, latency, verify

# Names that the charting library brings.
LIBRARY = {"vegaEmbed", "VEGA_DEBUG"}
# Functions that other tests run: of many groups, of ties between two roundings, of a chart without a curve.
ELSEWHERE = {"distance", "toEven", "emptiness"}
LAID_OUT = "* { content-visibility: visible !important; }"
# The page's places of the runs.
ANCHORS = {"verify": "s1", "identify": "s2"}


@dataclass(frozen=True)
class Report:
    """The runs of a population, their page, and what they printed."""

    path: Path
    sections: Mapping[str, Section]
    inputs: list[str]

    def found(self, kind: str) -> Explored:
        """What there is to explore of a run."""
        found = explored(self.sections[kind].results, self.sections[kind].tally)
        assert found is not None
        return found


def write_page(directory: Path, *sections: Section) -> Path:
    """The page of these runs."""
    path = directory / "report.html"
    path.write_text(report.render(sections, title="A title"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Comparisons and searches of one population, reported at one threshold."""
    directory = tmp_path_factory.mktemp("explorer")
    inputs = explorations.write_population(directory)
    runs = {kind: explorations.run(kind, directory / kind, inputs, [0.9])[0] for kind in explorations.KINDS}
    return Report(write_page(directory, *runs.values()), runs, inputs)


@pytest.fixture
def watched(browser: Browser, reported: Report) -> Iterator[Watched]:
    """The page, opened; nothing goes wrong in it."""
    one = Watched(browser, viewport={"width": 1200, "height": 900}, accept_downloads=True)
    one.open(reported.path)
    yield one
    assert one.wrong == []
    one.context.close()


def stops_to_try(found: Explored) -> list[int]:
    """Four stops, far apart, at which every row has errors of both kinds and no end rounds to 100%."""
    curves = [found.curve(rate, row) for rate in found.rates[:2] for row in range(len(found.rows))]
    both = np.flatnonzero(np.all([(c.k > 0) & (c.high < 0.999) for c in curves], axis=0))
    assert len(both) > 20
    return [int(both[i]) for i in np.linspace(0, len(both) - 1, 4).round().astype(int)]


def numbers(text: str) -> list[Decimal]:
    """The numbers of a cell; 12.3% and 1.23e-1 are one number."""
    found = re.findall(r"(\d[\d,]*(?:\.\d+)?(?:e-?\d+)?)(%?)", text)
    return [Decimal(digits.replace(",", "")) / (100 if sign else 1) for digits, sign in found]


def printed(output: str, threshold: float) -> dict[str, list[Decimal]]:
    """Numbers of each group within itself, as a command prints them at one threshold."""
    _, _, after = output.partition(f"threshold {threshold:.9g}")
    table = after.split("\n\n")[0].splitlines()
    return {line.split()[0]: numbers(line) for line in table if re.match(r"(all|overall|f|m) {2,}", line)}


@pytest.mark.parametrize("kind", explorations.KINDS)
def test_figures_are_those_of_the_command_line(kind: str, reported: Report, watched: Watched, tmp_path: Path):
    """At four stops, every number that the command prints there is in the page, to the last digit."""
    found = reported.found(kind)
    stops = stops_to_try(found)
    thresholds = [float(found.thresholds[stop]) for stop in stops]
    _, output = explorations.run(kind, tmp_path / kind, reported.inputs, thresholds)

    for stop, threshold in zip(stops, thresholds, strict=True):
        watched.move(ANCHORS[kind], stop)
        cells = watched.table(ANCHORS[kind])
        lines = printed(output, threshold)
        assert len(lines) == 3
        for name, wanted in lines.items():
            row = cells[{"all": "all pairs", "overall": "all searches"}.get(name, name)]
            shown = [[row[i][0], row[i][2], row[i + 1][0]] for i in (0, 2)]
            assert sorted(n for rate in shown for text in rate for n in numbers(text)) == sorted(wanted)


@pytest.mark.parametrize("kind", explorations.KINDS)
def test_cells_are_written_as_elsewhere_in_the_page(kind: str, reported: Report, watched: Watched, tmp_path: Path):
    """A run at four stops and at both ends has results; the page writes each of its estimates as its own tables do."""
    found = reported.found(kind)
    stops = [0, *stops_to_try(found), len(found.thresholds) - 1]
    section, _ = explorations.run(kind, tmp_path / kind, reported.inputs, [float(found.thresholds[s]) for s in stops])

    for stop in stops:
        watched.move(ANCHORS[kind], stop)
        cells = watched.table(ANCHORS[kind])
        for row in found.rows:
            for place, rate in zip((0, 2), found.rates, strict=False):
                estimate = estimate_of(section.results, rate.metric, row, float(found.thresholds[stop]))
                expected = words.rate_cell(estimate, exponent=rate.metric == "fmr")
                own = [expected.value, expected.more, expected.interval, expected.warning]
                assert cells[row.label][place] == own
                assert cells[row.label][place + 1][0] == expected.share


def estimate_of(results: dict[str, Any], metric: str, row: Row, threshold: float) -> dict[str, Any]:
    """The estimate within a row in `results.json`, at the first rank."""
    found = [
        e
        for e in results["estimates"]
        if (e["metric"], e["grouping"], e["threshold"]) == (metric, row.grouping, threshold)
        and (row.is_everybody or {row.name} == {e.get("group"), e.get("group_a"), e.get("group_b")} - {None})
        and e.get("rank") in (None, 1)
    ]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("kind", explorations.KINDS)
def test_sentences_are_those_of_python(kind: str, reported: Report, watched: Watched):
    """At every tenth stop, both languages fill the same forms with the same figures."""
    found, anchor = reported.found(kind), ANCHORS[kind]
    gallery = reported.sections[kind].results.get("gallery")
    setting = Setting(1, 1000, 0.9) if gallery is None else Setting(gallery, 1000, 0.1)

    for stop in range(0, len(found.thresholds), 10):
        watched.move(anchor, stop)
        assert watched.claims(anchor) == [c.text for c in claims.claims(found, stop, setting, gallery=gallery)]


def test_sentences_follow_what_is_assumed(reported: Report, watched: Watched):
    """Another gallery, number of searches and share, and misses at another rank."""
    found, gallery = reported.found("identify"), reported.sections["identify"].results["gallery"]
    page = watched.page
    page.fill("#s2-gallery", str(10 * gallery))
    page.fill("#s2-searches", "250")
    page.fill("#s2-enrolled", "40")
    page.select_option("#s2-rank", label="10")
    stop = stops_to_try(found)[1]
    watched.move("s2", stop)

    said = claims.claims(found, stop, Setting(10 * gallery, 250, 0.4), gallery=gallery, rank=10)
    assert watched.claims("s2") == [c.text for c in said]
    assert "Whatever the scores" in watched.claims("s2")[-1]
    assert page.locator("#s2-explorer li.unshown").last.text_content() == said[-1].text
    assert watched.table("s2")["all searches"][4][0] == "bounds"


def test_entry_that_is_no_number_keeps_the_last_one(watched: Watched):
    """A gallery of 0 or of nothing is marked, and changes nothing."""
    before = watched.claims("s1")
    for entry in ("0", "", "-3"):
        watched.page.fill("#s1-gallery", entry)
        assert watched.page.get_attribute("#s1-gallery", "aria-invalid") == "true"
        assert watched.claims("s1") == before
    watched.page.fill("#s1-gallery", "5")
    assert watched.page.get_attribute("#s1-gallery", "aria-invalid") == "false"
    assert watched.claims("s1") != before


def test_headline_counts_are_right(reported: Report, watched: Watched):
    """Where the page opens, both counts of its first sentences are read off the tally by hand."""
    tally = reported.sections["verify"].tally
    edge = tally.edge(0.9)
    accepted = {mated: tally.pick(mated=mated).at_or_above(edge) for mated in (False, True)}
    n = {mated: tally.pick(mated=mated).trials for mated in (False, True)}

    said = watched.claims("s1")
    assert f"{accepted[False]:,} of {n[False]:,}" in said[0]
    assert f"{n[True] - accepted[True]:,} of {n[True]:,}" in said[1]
    for name in ("f", "m"):
        one = metrics.fmr(tally, 0.9, grouping=("sex",), group=(name, name))
        assert f"{one.k:,} of {one.n:,}" in said[2]


def test_keyboard_reaches_and_moves_everything(reported: Report, watched: Watched):
    """Tab goes through all controls, each with an outline; arrows, pages and ends move the handle."""
    page = watched.page
    page.focus("#s1-typed")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "s1-threshold"
    last = len(reported.found("verify").thresholds) - 1
    start = int(page.input_value("#s1-threshold"))
    places = []
    for key in ("ArrowRight", "ArrowLeft", "PageUp", "Home", "End"):
        page.keyboard.press(key)
        places.append(int(page.input_value("#s1-threshold")))
    assert places[:2] == [start + 1, start]
    assert places[2] > start + 5
    assert places[3:] == [0, last]

    reached = []
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.getAttribute('aria-label') "
                                     "|| document.activeElement.textContent"))  # fmt: skip
        style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert style != "none", reached[-1]
    assert reached == [
        "0.9", "s1-gallery", "s1-searches", "s1-enrolled", "Error rates at this threshold", "Save the table as CSV",
        "Matrix by sex", "Save the matrix as CSV",
    ]  # fmt: skip


def test_reported_threshold_brings_the_handle_back(watched: Watched):
    """The button of 0.9 moves the handle there."""
    watched.move("s1", 0)
    watched.page.click("#s1-explorer [data-stop]")
    watched.settle()

    assert watched.page.text_content("#s1-explorer [data-part=threshold]") == "0.9"
    assert watched.page.get_attribute("#s1-threshold", "aria-valuetext") == "threshold 0.9"


def type_threshold(watched: Watched, text: str) -> str:
    """What the page answers to a threshold of the first run."""
    watched.page.fill("#s1-typed", text)
    watched.page.press("#s1-typed", "Enter")
    watched.settle()
    return watched.page.text_content("#s1-answer") or ""


def test_typed_threshold_goes_to_the_stop_at_or_above_it(reported: Report, watched: Watched):
    """A stop by its text, and what lies just above a stop goes to the next one; both are said in words."""
    found = reported.found("verify")
    stop = stops_to_try(found)[1]
    text, above = (words.exact(found.thresholds[i]) for i in (stop, stop + 1))
    threshold = "#s1-explorer [data-part=threshold]"

    assert type_threshold(watched, f" {text} ") == f"The handle stands at {text}."
    assert watched.page.input_value("#s1-threshold") == str(stop)
    assert watched.page.text_content(threshold) == text
    typed = repr(float(found.thresholds[stop]) + 1e-7)
    assert f"{typed} is no stop of the handle; it went to the next one above, {above}" in type_threshold(watched, typed)
    assert watched.page.text_content(threshold) == above
    assert watched.claims("s1")[0] == claims.claims(found, stop + 1, Setting(1, 1000, 0.9))[0].text
    assert type_threshold(watched, "-1").endswith("and every figure is of that.")
    assert watched.page.input_value("#s1-threshold") == "0"
    watched.page.press("#s1-threshold", "ArrowRight")
    assert watched.page.text_content("#s1-answer") == watched.page.input_value("#s1-typed") == ""


def test_every_stop_is_reached_by_its_text(reported: Report, watched: Watched):
    """Nine digits name a threshold, whichever way they were rounded."""
    found = reported.found("verify")
    for stop in range(0, len(found.thresholds), 29):
        type_threshold(watched, words.exact(found.thresholds[stop]))
        assert watched.page.input_value("#s1-threshold") == str(stop)


def test_typed_text_that_is_no_threshold_is_said_and_changes_nothing(watched: Watched):
    """Words, two numbers, markup and what lies above every stop."""
    before = watched.page.input_value("#s1-threshold")
    for text in ("high", "0,5", "0.5 0.6", "0x1", "NaN", "<img src=x onerror=alert(1)>"):
        said = type_threshold(watched, text)
        assert said.startswith(f'"{text}" is not a threshold; type a number')
        assert watched.page.get_attribute("#s1-typed", "aria-invalid") == "true"
        assert watched.page.get_attribute("#s1-typed", "aria-describedby") == "s1-answer"
    assert "is above the last stop" in type_threshold(watched, "1.5")
    assert watched.page.get_attribute("#s1-answer", "role") == "status"
    assert watched.page.input_value("#s1-threshold") == before
    assert type_threshold(watched, "") == ""
    assert watched.page.get_attribute("#s1-typed", "aria-invalid") == "false"


def test_line_of_a_chart_can_be_dragged(watched: Watched):
    """A press in the chart puts the handle at the nearest stop."""
    chart = watched.page.locator("#s1-explorer [data-part=figures] figure").first.locator(".chart svg")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    chart.click(position={"x": box["width"] - 20, "y": 60})
    high = int(watched.page.input_value("#s1-threshold"))
    chart.click(position={"x": 60, "y": 60})

    assert int(watched.page.input_value("#s1-threshold")) < 20 < high


def test_screen_reader_is_told(watched: Watched):
    """A live region repeats threshold and sentences once the handle rests; names and headers say what is what."""
    page = watched.page
    watched.move("s1", 3)
    threshold = page.text_content("#s1-explorer [data-part=threshold]")
    watched.says("#s1-explorer [role=status].unseen", f"At the threshold {threshold}: ")
    assert page.text_content("#s1-explorer [role=status].unseen").endswith(watched.claims("s1")[-1])
    assert page.get_by_role("slider", name="Threshold").count() == 2
    for selector in (
        "table caption",
        "th[scope=col]",
        "th[scope=row]",
        "th[scope=rowgroup]",
        "svg[role=img][aria-label]",
    ):
        assert page.locator(f"#s1-explorer {selector}").count() > 0, selector
    unnamed = page.eval_on_selector_all(
        "#explore :is(button, input, select)",
        "all => all.filter(e => !(e.textContent || e.getAttribute('aria-label') || e.labels?.length)).length",
    )
    assert unnamed == 0


def saved(watched: Watched, label: str) -> tuple[Download, bytes]:
    """What a button saves."""
    with watched.page.expect_download() as waiting:
        watched.page.locator("#s1-explorer").get_by_role("button", name=label, exact=True).click()
    return waiting.value, Path(waiting.value.path()).read_bytes()


def test_table_is_saved_as_it_stands(reported: Report, watched: Watched):
    """Every row of the CSV is an estimate of the tally, in full."""
    stop = stops_to_try(reported.found("verify"))[2]
    watched.move("s1", stop)
    download, content = saved(watched, "Save the table as CSV")

    found = reported.found("verify")
    threshold = float(found.thresholds[stop])
    assert download.suggested_filename == f"frbench-verify-table-{threshold:.9g}.csv"
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert len(rows) == len(found.curves)
    for row, curve in zip(rows, found.curves, strict=True):
        at = curve.at(stop)
        assert (int(row["errors"]), int(row["trials"]), float(row["threshold"])) == (at["k"], at["n"], threshold)
        for name in ("value", "low", "high"):
            assert row[name] == "" if at[name] is None else float(row[name]) == at[name]


def test_charts_are_saved_as_pictures_and_figures(reported: Report, watched: Watched):
    """An SVG of its own, a PNG of twice the size, and every stop of every curve."""
    name, svg = saved(watched, "Save false match rate at every threshold as SVG")
    assert name.suggested_filename.endswith(".svg")
    assert ElementTree.fromstring(svg.decode()).tag == "{http://www.w3.org/2000/svg}svg"
    assert b"var(--" not in svg
    _, png = saved(watched, "Save false match rate by group as PNG")
    assert png.startswith(b"\x89PNG")
    _, content = saved(watched, "Save the figures of false match rate at every threshold as CSV")
    found = reported.found("verify")
    assert content.decode().count("\r\n") == 1 + len(found.rows) * len(found.thresholds)
    _, content = saved(watched, "Save the figures of false match rate: ratio to the reference as CSV")
    row = next(csv.DictReader(io.StringIO(content.decode())))
    stop = found.reported[0]
    assert [float(row[x]) for x in ("low", "high", "detectable")] == [
        getattr(found.ratios[0], x)[stop] for x in ("low", "high", "detectable")
    ]


@pytest.mark.parametrize("width", [400, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_any_screen(browser: Browser, reported: Report, width: int, scheme: Any):
    """Nothing is wider than the window, and text stands out from what is behind it."""
    one = Watched(browser, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = one.open(reported.path)

    # What is not on the screen is laid out as well.
    page.add_style_tag(content=LAID_OUT)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ink, paper = page.evaluate("(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))")
    assert contrast(ink, paper) > 7
    grey = page.locator("#explore .unshown").first.evaluate("e => getComputedStyle(e).color")
    assert contrast(grey, paper) > 4.5
    assert one.wrong == []
    one.context.close()


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours (WCAG 2)."""
    light, dark = sorted((luminance(re.findall(r"\d+", c)[:3]) for c in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: list[str]) -> float:
    """Relative luminance (WCAG 2)."""
    parts = [int(c) / 255 for c in colour]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_charts_of_reported_thresholds_are_drawn_after_the_explorer(watched: Watched):
    """Each of them is there in the end, drawn by the library that waited."""
    page = watched.page
    watched.none_left(".run .chart:not(:has(svg))")
    assert page.locator(".run .chart svg").count() == len(page.evaluate("Object.keys(specs)")) > 3


def test_page_prints(watched: Watched):
    """On paper the controls are gone, and what was assumed stands in a line."""
    page = watched.page
    # A4 less the margins of the browser, at 96 dots an inch.
    page.set_viewport_size({"width": 718, "height": 1000})
    page.emulate_media(media="print")

    assert not page.is_visible("#s1-threshold")
    assert not page.is_visible("#s1-explorer .downloads")
    assert page.inner_text("#s1-explorer [data-part=state]") == (
        "Threshold 0.9; assumed: 1 in the gallery, 1,000 searches a day, 90.0% enrolled."
    )
    wide = page.eval_on_selector_all(
        "#explore :is(.scroll, figure)", "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).length"
    )
    assert wide == 0
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) > 3


def test_browser_that_cannot_unpack_says_so(browser: Browser, reported: Report):
    """Without DecompressionStream the static tables are there, and a sentence on why the rest is not."""
    one = Watched(browser)
    one.page.add_init_script("delete globalThis.DecompressionStream")
    one.page.goto(reported.path.as_uri(), wait_until="commit")
    one.says("#s1-explorer [data-part=unavailable]", "cannot open")
    assert not one.page.is_visible("#s1-explorer [data-part=live]")
    assert one.page.is_visible("#s1 table")
    one.context.close()


def test_sixteen_groups_follow_the_handle(browser: Browser, tmp_path: Path):
    """All names in the table and the matrix; one event changes all of them."""
    groups = tuple((sex, region) for sex in ("f", "m") for region in "abcdefgh")
    section = verify(groups, thresholds=(0.5, 0.75))
    one = Watched(browser)
    page = one.open(write_page(tmp_path, section))
    labels = {f"{sex},{region}" for sex, region in groups}

    assert labels <= set(one.table("s1"))
    assert page.locator("#s1-explorer .heat tbody td").count() == 256
    before = one.table("s1")
    page.eval_on_selector("#s1-threshold", "e => { e.value = 0; e.dispatchEvent(new Event('input')); }")
    assert all(one.table("s1")[name] != before[name] for name in labels)
    found = explored(section.results, section.tally)
    assert found is not None
    for stop in range(len(found.thresholds)):
        one.move("s1", stop)
        said = claims.claims(found, stop, Setting(1, 1000, 0.9))
        assert one.claims("s1") == [c.text for c in said]
        grey = page.locator("#s1-explorer .claims .unshown").all_text_contents()
        assert grey == [c.text for c in said if not c.is_shown]
        assert any("of 15 groups of sex and region held against" in c.text for c in said)
    assert one.wrong == []
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


def test_smaller_gallery_than_the_counted_one_has_bounds(reported: Report, watched: Watched):
    """One person of the gallery that was searched: at most the false alarms of all of it."""
    found, gallery = reported.found("identify"), reported.sections["identify"].results["gallery"]
    stop = stops_to_try(found)[1]
    watched.page.fill("#s2-gallery", "1")
    watched.move("s2", stop)

    assert watched.claims("s2")[-1] == claims.claims(found, stop, Setting(1, 1000, 0.1), gallery=gallery)[-1].text
    assert watched.table("s2")["all searches"][4][0] == "bounds"


def test_cells_of_the_matrix_have_the_colours_of_the_other_tables(reported: Report, watched: Watched):
    """Background and text of each pair, as Python mixes them."""
    found = reported.found("verify")
    stop = stops_to_try(found)[2]
    watched.move("s1", stop)
    curves = [found.curve(found.rates[0], 1), *found.pairs, *found.pairs, found.curve(found.rates[0], 2)]
    values = [curve.at(stop)["value"] for curve in curves]
    scale = style.LogScale(min(values), max(values))

    shown = watched.page.eval_on_selector_all(
        "#s1-explorer .heat tbody td", "all => all.map(e => [e.style.backgroundColor, getComputedStyle(e).color])"
    )
    assert [[re.findall(r"\d+", c) for c in cell] for cell in shown] == [
        [re.findall(r"\d+", shade.background), ["255"] * 3 if shade.text == "#ffffff" else ["0"] * 3]
        for shade in map(scale.shade, values)
    ]


def test_text_on_every_colour_of_a_scale_stands_out():
    """Black or white has a contrast of 4.5 on all of them."""
    scale = style.LogScale(1.0, 10.0)
    for shade in (scale.shade(10**x) for x in np.linspace(0, 1, 2001)):
        text = "rgb(255,255,255)" if shade.text == "#ffffff" else "rgb(0,0,0)"
        assert contrast(text, shade.background) >= 4.5


def test_page_breaks_no_rule_of_accessibility(browser: Browser, reported: Report):
    """axe finds nothing against WCAG 2.1 A and AA, with unshown cells and a wrong entry, in light and dark."""
    one = Watched(browser)
    page = one.open(reported.path)
    page.add_style_tag(content=LAID_OUT)
    one.move("s1", 0)
    type_threshold(one, "high")
    page.evaluate(AXE_SCRIPT)
    assert broken(one, ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]) == []
    page.emulate_media(color_scheme="dark")
    assert broken(one, ["color-contrast"], within="#explore") == []
    page.eval_on_selector("#s1-typed", "e => { e.labels[0].remove(); e.style.color = '#888'; }")
    assert {rule for rule, _ in broken(one, ["label", "color-contrast"], within=".handle")} == {
        "label",
        "color-contrast",
    }
    one.context.close()


def broken(one: Watched, rules: list[str], *, within: str = "body") -> list[tuple[str, list[str]]]:
    """Rules that a page breaks, and where; charts are pictures whose names are looked at."""
    where = {"include": [within], "exclude": [".chart svg *"]}
    options = {"runOnly": rules, "resultTypes": ["violations"]}
    found = one.page.evaluate("asked => axe.run(...asked)", [where, options])
    return [(v["id"], [node["html"] for node in v["nodes"]][:3]) for v in found["violations"]]


@pytest.mark.parametrize("name", explorer.SCRIPTS)
def test_scripts_are_strict_and_complete(name: str, browser: Browser):
    """Each is read in strict mode, after those before it, without an error and without a global name."""
    before = explorer.SCRIPTS[: explorer.SCRIPTS.index(name)]
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
    page = report.render([nothing, latency()], title="A title")

    assert 'id="explore"' not in page
    assert "class Explorer" not in page
    assert 'class="explorer"' in report.render([verify(counts=even), latency()], title="A title")


VALUES = [0.0, 1.0, 0.5, 0.1, 0.09999, 0.999999, 0.99996, 0.9999, 1e-4, 9.999e-5, 0.000445, 0.00955, 0.0054999, 3e-7]


def test_page_writes_numbers_as_python_does(browser: Browser):
    """Any rate and number, ties between two roundings among them, which Python gives to the even digit."""
    random = np.random.default_rng(2)
    ties = [odd / 2**power for power in range(2, 24) for odd in random.integers(0, 2 ** (power - 1), 20) * 2 + 1]
    rates = [*VALUES, *ties, *(10 ** random.uniform(-9, 0, 3000)).tolist(), *(k / 1000 for k in range(1001))]
    large = [*rates, *(10 ** random.uniform(-6, 9, 2000)).tolist(), 1250.0, 12.5, 0.125, 999.5, 99.95, 1e6]
    page = Watched(browser).scripts("words")

    written = page.evaluate("values => values.map(x => [percent(x), scientific(x)])", rates)
    assert written == [[words.percent(x), words.scientific(x)] for x in rates]
    written = page.evaluate("values => values.map(x => [digits(x), digits(x, 3)])", large)
    assert written == [[words.digits(x), words.digits(x, 3)] for x in large]
    small = [x for x in rates if x]
    assert page.evaluate("values => values.map(oneIn)", small) == [words.one_in(x) for x in small]
    whole = [0, 1, 999, 1000, 52_478_334, 2**50]
    assert page.evaluate("values => values.map(count)", whole) == [words.count(n) for n in whole]
