"""The example of ten groups: counts that hold together, and a README that says what they are."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from frbench import files
from frbench.counting.calibrate import Target
from frbench.page import render
from frbench.plan import Group
from frbench.reading import metrics
from frbench.runs.reread import read_tally
from tests import ROOT

UTK = ROOT / "examples" / "utk"
ALL, WITHOUT = UTK / "all.safetensors", UTK / "without-duplicates.safetensors"
COLUMNS = ("race", "sex")
ROWS = 4889


def duplicates() -> list[dict[str, str]]:
    """The listed pairs."""
    with (UTK / "duplicates.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_example_is_small_and_holds_counts_alone():
    """Below 2 MB, all pairs of all rows, and no array but counts."""
    tally = files.load_tally(ALL)

    assert sum(path.stat().st_size for path in UTK.iterdir()) < 2_000_000
    assert ROWS * (ROWS - 1) // 2 == tally.pick(mated=False).trials
    assert 0 == tally.pick(mated=True).trials
    assert 10 == len(set(tally.plan.group_names(COLUMNS)))


def test_the_tallies_differ_by_the_listed_pairs():
    """In each pair of groups by as many as are listed, and all of them lie in the last bin but one."""
    everything, rest = files.load_tally(ALL), files.load_tally(WITHOUT)
    listed = Counter(tuple(sorted((row["group_a"], row["group_b"]))) for row in duplicates())
    names = sorted(set(everything.plan.group_names(COLUMNS)))
    for i, a in enumerate(names):
        for b in names[i:]:
            of_all, of_rest = (t.pick(mated=False, group=Group(COLUMNS, (a, b))) for t in (everything, rest))
            edge = everything.edge(0.99)
            assert listed[a, b] == of_all.trials - of_rest.trials == of_all.at_or_above(edge)
            assert 0 == of_rest.at_or_above(edge)
    assert 75 == sum(listed.values())


def test_the_readme_says_what_the_tallies_say():
    """Every rate of its table, with its counts."""
    text = (UTK / "README.md").read_text()
    tallies = files.load_tally(ALL), files.load_tally(WITHOUT)
    names = sorted(set(tallies[0].plan.group_names(COLUMNS)))
    for name in (None, *names):
        cells = []
        for tally in tallies:
            pair = None if name is None else (name, name)
            found = metrics.fmr(tally, 0.98, group=Group(COLUMNS if name else (), pair))
            value = f"{found.value:.2e}".replace("e-0", "e-") if found.value else "0"
            cells.append(f"{value} ({found.k:,} / {found.n:,})")
        assert f"| {(name or 'all').replace(',', ', ')} | {cells[0]} | {cells[1]} |" in text


def test_the_readme_says_what_the_list_says():
    """Pairs, rows, other labels."""
    text = " ".join((UTK / "README.md").read_text().split())
    found = duplicates()
    rows = {row[side] for row in found for side in ("template_a", "template_b")}
    same = [row for row in found if float(row["score"]) > 0.9999]
    other = sum(row["group_a"] != row["group_b"] for row in found)
    other_same = sum(row["group_a"] != row["group_b"] for row in same)

    assert f"The {len(found)} pairs from 0.99 on, of {len(rows)} rows" in text
    assert f"{len(same)} above 0.9999" in text
    assert f"{other} of them carry two different labels, among them {other_same} of the {len(same)}" in text


@pytest.mark.parametrize("path", [ALL, WITHOUT])
def test_a_page_opens_on_ten_groups(path: Path):
    """From the counts alone, below 3 MB."""
    section = read_tally(path, groupings=(), targets=[Target("fmr", "1e-3")])
    page = render([section], title="UTKFace by race and sex")

    assert ["race,sex"] == section.results["groupings"]
    assert "asian,female" in page
    assert len(page) < 3_000_000
