"""How fast the explorer of a report follows its handle: `python -m benches.explorer [report.html]`.

Without a page it makes one: 16 groups, 1:1, with a matrix. A first load ends when every explorer of the page is at work
and drawn; a move ends when the browser has drawn the frame that follows it. Times hold the wait for that frame, up to
17 ms at 60 frames a second. A Chromium is told by CHROMIUM or found on the path.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
REGIONS = ("north", "east", "south", "west", "centre", "coast", "hills", "islands")
GROUPS = tuple(product(("female", "male"), REGIONS))
PEOPLE, EACH, D = 50, 3, 32
MOVES, LOADS = 100, 5
# What is on the screen while the handle, which stays at its top, moves.
PARTS = ("table", "matrices", "figures")
GOAL_MOVE_MS, GOAL_LOAD_MS = 50, 1000

# The handle goes to a stop, as by a pointer; then the frame is drawn, and what waits behind it is done.
MOVE = """(handle, stop) => new Promise((done) => {
  const start = performance.now();
  handle.value = stop;
  handle.dispatchEvent(new Event("input"));
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => done(performance.now() - start);
    channel.port2.postMessage(0);
  });
})"""
LOADED = """() => new Promise((done) => {
  const look = () => document.querySelector("footer") && !document.querySelector("[data-part=live][hidden]")
    ? requestAnimationFrame(() => setTimeout(() => done(performance.now())))
    : setTimeout(look, 2);
  look();
})"""


def write_page(directory: Path) -> Path:
    """A report on templates of 16 groups that do not err alike."""
    from click.testing import CliRunner

    from frbench import cli

    random = np.random.default_rng(7)
    of = np.repeat(np.arange(len(GROUPS)), PEOPLE)
    shared = (1 + 0.04 * of)[:, None] * np.ones(D) / np.sqrt(D)
    people = shared + random.normal(size=(len(of), D)) / np.sqrt(D)
    rows = np.repeat(people, EACH, axis=0) + random.normal(size=(len(of) * EACH, D)) / (1.5 * np.sqrt(D))
    np.save(directory / "t.npy", rows.astype(np.float32))
    lines = [f"t{i},s{i // EACH},{','.join(GROUPS[of[i // EACH]])}" for i in range(len(rows))]
    (directory / "l.csv").write_text("\n".join(["template_id,subject_id,sex,region", *lines]) + "\n")
    given = ["verify", str(directory / "t.npy"), "--labels", str(directory / "l.csv"), "--group", "sex,region"]
    found = CliRunner().invoke(cli.app, [*given, "--at", "fmr=1e-3", "--out", str(directory / "run")])
    if found.exit_code:
        sys.exit(found.output)
    return directory / "run" / "report.html"


def measured(browser: Browser, path: Path) -> dict[str, Any]:
    """Milliseconds of some first loads, and of 100 moves of the first handle at each part of it, to and fro."""
    loads = []
    for _ in range(LOADS):
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(path.as_uri(), wait_until="commit")
        loads.append(page.evaluate(LOADED))
        # The charts of the library come later, and would be in the way of what follows.
        expect(page.locator(".run .chart:not(:has(svg))")).to_have_count(0, timeout=120_000)
        if len(loads) < LOADS:
            page.close()
    handle = page.locator("input[type=range]").first
    n_stops = int(handle.get_attribute("max") or 0) + 1
    stops = np.random.default_rng(1).integers(0, n_stops, MOVES)
    moves = {}
    for part in PARTS:
        page.locator(f"[data-part={part}]").first.evaluate("e => e.scrollIntoView()")
        moves[part] = _summary([handle.evaluate(MOVE, int(stop)) for stop in stops])
    return {"bytes": path.stat().st_size, "stops": n_stops, "load_ms": _summary(loads), "move_ms": moves}


def _summary(times: Sequence[float]) -> dict[str, float]:
    quantiles = zip(("median", "p95", "max"), np.quantile(times, [0.5, 0.95, 1]), strict=True)
    return {name: round(float(value), 1) for name, value in quantiles}


def main() -> int:
    """Measures, prints JSON, and returns 1 where a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("page", type=Path, nargs="?", help="a report with an explorer; default: one of 16 groups")
    asked = parser.parse_args()
    executable = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        parser.error("no Chromium: install it, or set CHROMIUM to its path")
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        path = (asked.page or write_page(Path(directory))).resolve()
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        load = [round(x, 2) for x in os.getloadavg()]
        found = measured(browser, path) | {
            "browser": browser.version,
            "machine": platform.platform(),
            "load_average": load,
        }
        browser.close()
    print(json.dumps(found, indent=1))
    slowest = max(move["p95"] for move in found["move_ms"].values())
    return int(slowest > GOAL_MOVE_MS or found["load_ms"]["median"] > GOAL_LOAD_MS)


if __name__ == "__main__":
    sys.exit(main())
