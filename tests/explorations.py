"""Runs to explore: a population whose errors are not rare, counted by the commands that a user types."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from frbench import cli, files
from frbench.report.parts import Section

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


def run(kind: str, out: Path, inputs: Sequence[str], thresholds: Sequence[float]) -> tuple[Section, str]:
    """One command at these thresholds: its section, and what it printed."""
    given = ["--thresholds", ",".join(map(repr, thresholds)), "--out", str(out), "--no-report"]
    given += ["--nonmated-subjects", "60", "--ranks", "1,10"] if kind == "identify" else []
    found = CliRunner().invoke(cli.app, [kind, *inputs, *given], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return section(out), found.output


def section(out: Path) -> Section:
    """A finished run."""
    return Section(
        files.read_json(out / "results.json", schema="frbench.results"),
        files.read_json(out / "manifest.json", schema="frbench.manifest"),
        files.load_tally(out / "tally.safetensors"),
    )
