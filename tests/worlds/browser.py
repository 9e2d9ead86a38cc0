"""A real browser for the page: Chromium, told by CHROMIUM or found on the path."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from frbench import page

ASSETS = Path(page.__file__).parent / "assets"
NAMES = ("chromium", "chromium-browser", "google-chrome")
# Generous: a test waits for what the page does, and never for a clock.
PATIENCE_MS = 120_000


def executable() -> str:
    """Where Chromium is; a test that needs it fails without."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    return found or pytest.fail("no Chromium: install it (apt-get install chromium), or set CHROMIUM to its path")


@contextmanager
def opened() -> Iterator[Browser]:
    """A browser that ends with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable(), args=["--no-sandbox", "--disable-gpu"], timeout=PATIENCE_MS
        )
        yield browser
        browser.close()


class Watched:
    """A page, and everything that went wrong in it or that it asked a network for."""

    def __init__(self, browser: Browser, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.wrong: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self._note(request.url))

    def _note(self, url: str) -> None:
        if not url.startswith(("file:", "data:", "blob:", "about:")):
            self.wrong.append(url)

    def open(self, path: Path) -> Page:
        """The page of a report, its explorers at work."""
        self.page.goto(path.as_uri(), wait_until="commit")
        self.page.wait_for_selector("footer", state="attached")
        self.none_left("[data-part=live][hidden]")
        return self.page

    def none_left(self, selector: str) -> None:
        """Waits until nothing fits `selector`; the page's policy forbids a polled function."""
        expect(self.page.locator(selector)).to_have_count(0, timeout=PATIENCE_MS)

    def says(self, selector: str, text: str) -> None:
        """Waits until an element holds `text`."""
        expect(self.page.locator(selector).first).to_contain_text(text, timeout=PATIENCE_MS)

    def settle(self) -> None:
        """Waits for the next frame, in which the page follows its handle."""
        self.page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")

    def scripts(self, *names: str) -> Page:
        """An empty page with these assets."""
        for name in names:
            self.page.add_script_tag(content=(ASSETS / f"{name}.js").read_text())
        return self.page

    def move(self, run: str, stop: int) -> None:
        """Puts the handle of a run at a stop, as a pointer would."""
        self.page.eval_on_selector(
            f"#{run}-threshold", "(e, v) => { e.value = v; e.dispatchEvent(new Event('input')); }", stop
        )
        self.settle()

    def table(self, run: str) -> dict[str, list[list[str]]]:
        """Lines of every cell by the name of its row: value, more, interval, warning."""
        self.settle()
        rows = self.page.eval_on_selector_all(
            f"#{run}-explorer [data-part=table] tbody tr:not(.heading)",
            "rows => rows.map(r => [r.querySelector('th').textContent,"
            " [...r.querySelectorAll('td')].map(d => [...d.querySelectorAll('span')].map(s => s.textContent))])",
        )
        return dict(rows)

    def claims(self, run: str) -> list[str]:
        """The sentences of a run."""
        self.settle()
        found: list[str] = self.page.locator(f"#{run}-explorer [data-part=claims] li").all_text_contents()
        return found
