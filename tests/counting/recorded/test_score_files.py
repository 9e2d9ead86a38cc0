"""Recorded scores: every format says the same of the same comparisons, and refuses in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from frbench.commands.options.recorded import parse_columns
from frbench.counting.recorded.recorded_file import Named
from frbench.counting.recorded.score_files import Comparisons, Recorded
from frbench.errors import InputError
from tests import ROOT

GOLDEN = ROOT / "tests" / "golden" / "scores"
COLUMNS = {
    "score": "distance",
    "mated": "same",
    "probe": "left",
    "reference": "right",
    "probe_subject": "who_left",
    "reference_subject": "who_right",
}


def source(name: str, format: str, **options) -> Recorded:
    """A golden file."""
    if "impostors" in options:
        options["impostors"] = str(GOLDEN / options["impostors"])
    return Recorded.open(str(GOLDEN / name), format, **options)


def written(directory: Path, text: str, format: str, **options) -> list[Comparisons]:
    """The comparisons of a file of `text`."""
    path = directory / ("s.csv" if "csv" in format else "s.txt")
    path.write_text(text)
    return [part for file in Recorded.open(str(path), format, **options).files for part in file]


def ids(named: Named | None) -> list[str] | None:
    """The id of every row."""
    return None if named is None else named.ids[named.of_row].tolist()


SMALL = {
    "bob2": source("small.bob2.txt", "bob2"),
    "pyeer": source("small.genuine.txt", "pyeer", impostors="small.impostor.txt"),
    "bob-csv": source("small.bob.csv", "bob-csv"),
    "csv": source("small.csv", "csv", columns=COLUMNS, is_distance=True),
}


@pytest.mark.parametrize("format", SMALL)
def test_the_small_file_holds_two_mated_and_three_non_mated_scores(format: str):
    """.9 and .35 against .4, .1 and a failure, whatever the format; distances are negated."""
    scores: dict[bool, list[str]] = {True: [], False: []}
    for file in SMALL[format].files:
        for part in file:
            mated = part.mated
            if mated is None:
                mated = np.array(ids(part.probe_subject)) == np.array(ids(part.reference_subject))
            for is_mated, score in zip(mated.tolist(), part.score.tolist(), strict=True):
                scores[is_mated].append(str(score))

    assert {kind: sorted(found) for kind, found in scores.items()} == {
        True: ["0.35", "0.9"],
        False: ["0.1", "0.4", "nan"],
    }


def test_sources_say_what_they_know():
    """Scores alone name nobody; a repeated comparison can be told where templates are named."""
    assert {name: (s.knows_subjects, s.names_templates) for name, s in SMALL.items()} == {
        "bob2": (False, False),
        "pyeer": (False, False),
        "bob-csv": (True, True),
        "csv": (True, True),
    }


@pytest.mark.parametrize("format", ["bob4", "bob5"])
def test_bob_columns_have_their_places(format: str):
    """claimed_id is the reference, real_id the subject of the probe, test_label the probe."""
    [part] = source(f"probe_vector.{format}.txt", format).files[0]
    row = 7 + 1

    assert len(part) == 4 * 7
    assert part.mated is None
    assert [ids(side)[row] for side in (part.probe_subject, part.reference_subject, part.probe)] == ["B", "B", "m2"]
    assert ids(part.reference)[row] == ("B" if format == "bob4" else "model-B")
    assert part.score[row] == 0.7


def test_a_tab_separates_as_a_blank_does(tmp_path: Path):
    """bob splits at any white space."""
    [part] = written(tmp_path, "a\tb\tp1\t0.5\n", "bob4")

    assert (ids(part.reference_subject), ids(part.probe_subject), part.score.tolist()) == (["a"], ["b"], [0.5])


def test_pyeer_takes_the_last_column(tmp_path: Path):
    """Whatever stands before it."""
    (tmp_path / "i.txt").write_text("0.1\n0.2\n")
    parts = written(tmp_path, "a.png,b.png,0.5\nc.png,d.png,0.75\n", "pyeer", impostors=str(tmp_path / "i.txt"))

    assert [part.score.tolist() for part in parts] == [[0.5, 0.75], [0.1, 0.2]]
    assert [part.mated.tolist() for part in parts if part.mated is not None] == [[True, True], [False, False]]


def test_scores_keep_every_bit_of_a_float64(tmp_path: Path):
    """Decimal text to the nearest float64, as Python reads it."""
    texts = ["0.1", "0.30000000000000004", "1e-320", "-1.7976931348623157e308", "123456789.123456789"]
    [part] = written(tmp_path, "".join(f"1 {text}\n" for text in texts), "bob2")

    assert part.score.tolist() == [float(text) for text in texts]


@pytest.mark.parametrize(
    ("format", "text", "named"),
    [
        ("bob2", "1 0.5\n2 0.5\n", "line 2: label is '2', expected 1 or -1"),
        ("bob2", "a b p1 0.5\n", "line 1: 4 fields, expected 2 for --format bob2: label score"),
        ("bob4", "1 0.5\n", "line 1: 2 fields, expected 4 for --format bob4: claimed_id real_id test_label score"),
        ("bob4", "a b p1 0.5\na b p2 inf\n", "line 2: score is inf, expected a finite number, or nan for a failure"),
        ("bob4", "a b p1 0.5\na  p2 0.5\n", "line 2: empty real_id, expected an id"),
        (
            "bob-csv",
            "probe_subject_id,score\na,0.5\n",
            "no column 'bio_ref_subject_id', only 'probe_subject_id', 'score'",
        ),
        ("csv", "score,mated\n0.5,yes\n", "line 2: mated is 'yes', expected true or false"),
        ("csv", "score\n0.5\n", "nothing says which comparisons are mated"),
        ("csv", "score,probe_subject\n0.5,a\n", "'probe_subject' alone, expected both subjects"),
        ("csv", "cosine,mated\n0.5,true\n", "no column 'score', only 'cosine', 'mated'; name it with --columns"),
    ],
)
def test_mistakes_in_a_file_name_file_and_line(tmp_path: Path, format: str, text: str, named: str):
    """One sentence."""
    with pytest.raises(InputError) as refusal:
        written(tmp_path, text, format)
    assert str(refusal.value).startswith(str(tmp_path))
    assert named in str(refusal.value)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"format": "xml"}, "--format is 'xml', expected one of: bob2, bob4"),
        ({"format": "bob2", "impostors": "small.impostor.txt"}, "--impostors names the file of non-mated scores"),
        ({"format": "pyeer"}, "--impostors names the file of non-mated scores"),
        ({"format": "bob2", "columns": {"score": "x"}}, "--columns is for formats csv and bob-csv"),
        ({"format": "csv", "columns": {"scores": "x"}}, "--columns names 'scores', expected some of probe_subject"),
        ({"format": "csv", "columns": {"score": "x"}}, "no column 'x'"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict, named: str):
    """Before anything is read."""
    with pytest.raises(InputError, match=named):
        source("small.bob2.txt", **options)


def test_columns_are_parsed_as_written():
    """Blanks around names do not matter."""
    assert parse_columns("score=s, mated = label") == {"score": "s", "mated": "label"}


@pytest.mark.parametrize("text", ["score", "score=", "score=a,score=b", ""])
def test_columns_without_sense_are_refused(text: str):
    """The message says how they are written."""
    with pytest.raises(InputError, match="expected ROLE=COLUMN"):
        parse_columns(text)
