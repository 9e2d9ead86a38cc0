"""Everybody can use the explorer: by keyboard, by ear, on paper, on any screen, in light and dark."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser

from frbench.page import claims, style, words
from frbench.page.operation import Setting
from tests.worlds.browser import Watched
from tests.worlds.explorations import Report, stops_to_try, type_threshold

LAID_OUT = "* { content-visibility: visible !important; }"


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
