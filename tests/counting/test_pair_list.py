"""Lists of pairs: what they say, what they may not say, and lists of pairs to leave out."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from frbench.counting.pair_list import PairList
from frbench.errors import InputError
from frbench.templates import Templates
from tests.worlds import worlds


def read(directory: Path, text: str, found: Templates | None = None) -> PairList:
    """The pairs of a CSV file."""
    path = directory / "pairs.csv"
    path.write_text(text)
    return PairList.read(path, worlds.two_groups().templates if found is None else found)


def test_a_list_is_read_in_any_order_with_or_without_mated(tmp_path: Path):
    """The labels say which pairs are mated if the file does not."""
    chosen = read(tmp_path, "template_a,template_b\nt1,t0\nt0,t6\n")
    said = read(tmp_path, "fold,mated,template_b,template_a\n1,TRUE,t0,t1\n2,0,t6,t0\n")

    for pairs in (chosen, said):
        assert (pairs.a.tolist(), pairs.b.tolist(), pairs.mated.tolist()) == ([1, 0], [0, 6], [True, False])
    assert chosen.digest == said.digest


def test_a_list_that_says_mated_needs_no_subjects(tmp_path: Path):
    """Without labels the file is believed."""
    found = dataclasses.replace(worlds.two_groups().templates, subject_ids=None)
    pairs = read(tmp_path, "template_a,template_b,mated\nt0,t3,true\n", found)

    assert pairs.mated.tolist() == [True]
    with pytest.raises(InputError, match="subjects are not known"):
        read(tmp_path, "template_a,template_b\nt0,t3\n", found)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("template_a\nt0\n", "no column 'template_b'"),
        ("template_a,template_b\nt0,t1\nt0,t9\n", r"line 3: template_b is 't9'"),
        ("template_a,template_b\nt0,t1\nt2,t2\n", "line 3: compares a template with itself"),
        ("template_a,template_b\nt0,t1\nt2,t3\nt1,t0\n", "line 2 and line 4 hold the same pair"),
        ("template_a,template_b,mated\nt0,t1,true\nt0,t2,maybe\n", "line 3: mated is 'maybe', expected true or false"),
        ("template_a,template_b,mated\nt0,t1,false\n", r"line 2: mated is false.*'ann' and 'ann'"),
        ("template_a,template_b,mated\nt0,t2,true\n", r"line 2: mated is true.*'ann' and 'bea'"),
        ("template_a,template_b\n", "no pairs|no rows|0 rows"),
    ],
)
def test_mistakes_in_a_list_name_file_and_line(tmp_path: Path, text: str, named: str):
    """The message says which file and which line is wrong."""
    with pytest.raises(InputError, match=named) as refusal:
        read(tmp_path, text)
    assert "pairs.csv" in str(refusal.value)


def reviewed(directory: Path, text: str, among: PairList | None = None) -> PairList:
    """The excluded pairs of a CSV file, of all or of those listed."""
    path = directory / "reviewed.csv"
    path.write_text(text)
    return PairList.reviewed(path, worlds.two_groups().templates if among is None else among.templates, among)


def test_reviewed_pairs_are_mated_as_the_labels_say(tmp_path: Path):
    """Other columns, even one called mated, are what the reviewer noted."""
    pairs = reviewed(tmp_path, "template_a,reason,template_b,mated\nt1,twins,t0,false\nt0,,t6,true\n")

    assert (pairs.a.tolist(), pairs.b.tolist(), pairs.mated.tolist()) == ([1, 0], [0, 6], [True, False])
    assert (pairs.source.rows, Path(pairs.source.path).name) == (2, "reviewed.csv")


def test_reviewed_pairs_of_a_list_are_mated_as_the_list_says(tmp_path: Path):
    """Without labels the list is believed, in either order of a pair."""
    found = dataclasses.replace(worlds.two_groups().templates, subject_ids=None)
    listed = read(tmp_path, "template_a,template_b,mated\nt0,t3,true\nt4,t2,false\nt5,t1,true\n", found)
    pairs = reviewed(tmp_path, "template_a,template_b\nt1,t5\nt4,t2\n", listed)
    left = listed.without(pairs)

    assert pairs.mated.tolist() == [True, False]
    assert (left.a.tolist(), left.b.tolist(), left.mated.tolist(), left.source) == ([0], [3], [True], listed.source)


def test_reviewed_pairs_of_all_pairs_need_subjects(tmp_path: Path):
    """Without them nobody knows which are mated."""
    found = dataclasses.replace(worlds.two_groups().templates, subject_ids=None)
    path = tmp_path / "reviewed.csv"
    path.write_text("template_a,template_b\nt0,t3\n")

    with pytest.raises(InputError, match=r"reviewed\.csv: subjects are not known.*--labels"):
        PairList.reviewed(path, found)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("template_a\nt0\n", "no column 'template_b'"),
        ("template_a,template_b\nt0,t1\nt9,t1\n", r"line 3: template_a is 't9'"),
        ("template_a,template_b\nt2,t2\n", "line 2: compares a template with itself"),
        ("template_a,template_b\nt0,t2\nt2,t0\n", "line 2 and line 3 hold the same pair"),
        ("template_a,template_b\nt0,t1\nt2,t3\n", r"line 3: 't2' with 't3' is not a pair of .*pairs\.csv \(1 of 2"),
    ],
)
def test_mistakes_in_reviewed_pairs_name_file_and_line(tmp_path: Path, text: str, named: str):
    """The message says which file and which line is wrong."""
    listed = read(tmp_path, "template_a,template_b\nt0,t1\nt0,t2\n")

    with pytest.raises(InputError, match=named) as refusal:
        reviewed(tmp_path, text, listed)
    assert "reviewed.csv" in str(refusal.value)


def test_a_list_of_which_nothing_is_left_is_refused(tmp_path: Path):
    """There is nothing to compare, and the message names both files."""
    listed = read(tmp_path, "template_a,template_b\nt0,t1\n")

    with pytest.raises(InputError, match=r"reviewed\.csv: excludes every pair of .*pairs\.csv"):
        listed.without(reviewed(tmp_path, "template_a,template_b\nt1,t0\n", listed))
