"""The explorer in a real browser: its figures are the command line's, and follow its handle."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from playwright.sync_api import Browser

from frbench.page import claims, style, words
from frbench.page.explored import Row, explored
from frbench.page.operation import Setting
from frbench.plan import Group
from frbench.reading import metrics
from tests.page.test_page import verify
from tests.worlds import explorations
from tests.worlds.browser import Watched
from tests.worlds.explorations import Report, saved, stops_to_try, write_page

# The page's places of the runs.
ANCHORS = {"verify": "s1", "identify": "s2"}


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
        one = metrics.fmr(tally, 0.9, group=Group(("sex",), (name, name)))
        assert f"{one.k:,} of {one.n:,}" in said[2]


def test_reported_threshold_brings_the_handle_back(watched: Watched):
    """The button of 0.9 moves the handle there."""
    watched.move("s1", 0)
    watched.page.click("#s1-explorer [data-stop]")
    watched.settle()

    assert watched.page.text_content("#s1-explorer [data-part=threshold]") == "0.9"
    assert watched.page.get_attribute("#s1-threshold", "aria-valuetext") == "threshold 0.9"


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


def test_charts_of_reported_thresholds_are_drawn_after_the_explorer(watched: Watched):
    """Each of them is there in the end, drawn by the library that waited."""
    page = watched.page
    watched.none_left(".run .chart:not(:has(svg))")
    assert page.locator(".run .chart svg").count() == len(page.evaluate("Object.keys(specs)")) > 3


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
