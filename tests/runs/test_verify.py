"""Verification: what a 1:1 run makes of templates and a list; the counts have tests of their own."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from frbench import files
from frbench.counting.pair_list import PairList
from frbench.runs.options import Options
from frbench.runs.progress import TerminalProgress
from frbench.runs.verify import run_verify
from tests.worlds import worlds


def test_without_labels_a_list_is_counted_by_template_and_names_nobody(tmp_path: Path):
    """Each template is one subject of the plan, and none of tail.csv; an id of a template is no trained subject."""
    found = replace(worlds.two_groups().templates, subject_ids=None)
    listed, trained, out = (tmp_path / name for name in ("pairs.csv", "trained.csv", "out"))
    listed.write_text("template_a,template_b,mated\nt0,t1,1\nt0,t2,0\n")
    trained.write_text("subject_id\nt0\n")
    options = Options(out, thresholds=(0.5,), engine="reference", train_subjects=trained, with_report=False)

    section = run_verify(
        found,
        options,
        pairs=PairList.read(listed, found),
        failed="reject",
        progress=TerminalProgress(quiet=True),
        keep_pairs=1,
    )

    assert section.tally.plan.details["n_subjects"] == 3
    (pair,) = csv.DictReader((out / files.TAIL).read_text().splitlines())
    assert (pair["template_a"], pair["template_b"], pair["subject_a"], pair["subject_b"]) == ("t0", "t2", "", "")
    assert [note for note in section.manifest["notes"] if "training subjects" in note] == []
