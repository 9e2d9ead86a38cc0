"""Runs to explore: a population whose errors are not rare, counted by the commands that a user types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from click.testing import CliRunner
from playwright.sync_api import Download

from frbench import cli, files
from frbench.finished_run import FinishedRun
from frbench.page import render
from frbench.page.explored import Explored, explored
from tests.worlds.browser import Watched

PEOPLE, EACH, D = 160, 3, 16
KINDS = ("verify", "identify")


def write_population(directory: Path, groups: Sequence[str] = ("f", "m")) -> list[str]:
    """Writes templates that share a part, those of the first group more of it; the arguments that read them."""
    random = np.random.default_rng(5)
    group = np.arange(PEOPLE) % len(groups)
    shared = np.where(group == 0, 1.4, 1.1)[:, None] * np.ones(D) / 4
    people = shared + random.normal(size=(PEOPLE, D)) / 4
    rows = np.repeat(people, EACH, axis=0) + random.normal(size=(PEOPLE * EACH, D)) / 6
    np.save(directory / "t.npy", rows.astype(np.float32))
    names = [f"t{i},s{i // EACH},{groups[group[i // EACH]]}" for i in range(PEOPLE * EACH)]
    (directory / "l.csv").write_text("\n".join(["template_id,subject_id,sex", *names]) + "\n")
    return [str(directory / "t.npy"), "--labels", str(directory / "l.csv"), "--group", "sex"]


def run(kind: str, out: Path, inputs: Sequence[str], thresholds: Sequence[float]) -> tuple[FinishedRun, str]:
    """One command at these thresholds: its section, and what it printed."""
    given = ["--thresholds", ",".join(map(repr, thresholds)), "--out", str(out), "--no-report"]
    given += ["--nonmated-subjects", "60", "--ranks", "1,10"] if kind == "identify" else []
    found = CliRunner().invoke(cli.app, [kind, *inputs, *given], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return section(out), found.output


def section(out: Path) -> FinishedRun:
    """A finished run."""
    return FinishedRun(
        files.read_json(out / "results.json", schema="frbench.results"),
        files.read_json(out / "manifest.json", schema="frbench.manifest"),
        files.load_tally(out / "tally.safetensors"),
    )


@dataclass(frozen=True)
class Report:
    """The runs of a population, their page, and what they printed."""

    path: Path
    sections: Mapping[str, FinishedRun]
    inputs: list[str]

    def found(self, kind: str) -> Explored:
        """What there is to explore of a run."""
        found = explored(self.sections[kind].results, self.sections[kind].tally)
        assert found is not None
        return found


def write_page(directory: Path, *sections: FinishedRun) -> Path:
    """The page of these runs."""
    path = directory / "report.html"
    path.write_text(render(sections, title="A title"), encoding="utf-8")
    return path


def stops_to_try(found: Explored) -> list[int]:
    """Four stops, far apart, at which every row has errors of both kinds and no end rounds to 100%."""
    curves = [found.curve(rate, row) for rate in found.rates[:2] for row in range(len(found.rows))]
    both = np.flatnonzero(np.all([(c.k > 0) & (c.high < 0.999) for c in curves], axis=0))
    assert len(both) > 20
    return [int(both[i]) for i in np.linspace(0, len(both) - 1, 4).round().astype(int)]


def type_threshold(watched: Watched, text: str) -> str:
    """What the page answers to a threshold of the first run."""
    watched.page.fill("#s1-typed", text)
    watched.page.press("#s1-typed", "Enter")
    watched.settle()
    return watched.page.text_content("#s1-answer") or ""


def saved(watched: Watched, label: str) -> tuple[Download, bytes]:
    """What a button saves."""
    with watched.page.expect_download() as waiting:
        watched.page.locator("#s1-explorer").get_by_role("button", name=label, exact=True).click()
    return waiting.value, Path(waiting.value.path()).read_bytes()
