"""Candidate logs: rows by role, who is enrolled and who searches, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from frbench.counting.recorded.candidate_log import CandidateFile, Listed, Protocol
from frbench.errors import InputError
from tests import ROOT

GOLDEN = ROOT / "tests" / "golden" / "scores"
HEADER = "searchId candidateRank searchRetCode isAssigned templateId score decision\n"


def rows(path: Path, format: str, **options) -> list[Listed]:
    """All rows of a file."""
    return list(CandidateFile(str(path), format, **options))


def test_an_frte_log_is_read_as_its_driver_writes_it():
    """A failed search has empty candidates: a return code, no assignment, no template and a score of -1."""
    [part] = rows(GOLDEN / "probe_vector.frte.txt", "frte")
    search = part.search.ids[part.search.of_row]

    assert len(part.score) == 28
    assert part.is_failed.tolist() == [name in ("m4", "u3") for name in search]
    assert part.is_candidate.tolist() == (~part.is_failed).tolist()
    assert part.template.ids[part.template.of_row][8] == "B"
    assert part.rank is not None
    assert (part.score[8], part.rank.tolist()[:4]) == (0.8, [0, 1, 2, 3])


def test_bob_files_name_subjects():
    """test_label searches for real_id in the models of claimed_id."""
    [part] = rows(GOLDEN / "probe_vector.bob5.txt", "bob5")
    assert part.search_subject is not None
    assert part.template_subject is not None
    of = [side.ids[side.of_row][8] for side in (part.search, part.search_subject, part.template, part.template_subject)]

    assert of == ["m2", "B", "model-B", "B"]


def test_a_csv_may_name_its_columns(tmp_path: Path):
    """Distances are negated; a rank is not needed."""
    path = tmp_path / "c.csv"
    path.write_text("probe,hit,d\ns1,t1,0.25\n")
    [part] = rows(path, "csv", columns={"search": "probe", "template": "hit", "score": "d"}, is_distance=True)

    assert (part.score.tolist(), part.rank, part.is_candidate.tolist()) == ([-0.25], None, [True])


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a b c\n", "line 1: 'a b c', expected 'searchId candidateRank searchRetCode"),
        (HEADER + "s1 0 0 1 t1 0.5\n", "line 2: 6 fields, expected 7 with single blanks"),
        (HEADER + "s1 0 0 1 t1 0.5 1\ns1 1 0 1  0.5 1\n", "line 3: empty templateId"),
        (HEADER + "s1 0 0 yes t1 0.5 1\n", "line 2: isAssigned is 'yes', expected a whole number"),
        (HEADER + " 0 0 1 t1 0.5 1\n", "line 2: empty searchId"),
        (HEADER, "has no rows"),
    ],
)
def test_mistakes_in_a_log_name_file_and_line(tmp_path: Path, text: str, named: str):
    """One sentence."""
    path = tmp_path / "log.txt"
    path.write_text(text)
    with pytest.raises(InputError) as refusal:
        rows(path, "frte")
    assert str(refusal.value).startswith(str(tmp_path))
    assert named in str(refusal.value)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"format": "bob2"}, "--format is 'bob2', expected one of: frte, bob4, bob5, csv"),
        ({"format": "frte", "columns": {"score": "x"}}, "--columns is for format csv"),
        ({"format": "csv", "columns": {"probe": "x"}}, "--columns names 'probe', expected some of search, template"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict, named: str):
    """Before anything is read."""
    with pytest.raises(InputError, match=named):
        CandidateFile("log.txt", **options)


def test_a_protocol_says_who_is_enrolled_and_who_searches():
    """Four enrolled, seven searches with a label."""
    found = Protocol.read(GOLDEN / "enrolled.csv", GOLDEN / "searches.csv")

    assert found.gallery.template_ids.tolist() == list("ABCD")
    assert found.probes.template_ids.tolist() == ["m1", "m2", "m3", "m4", "u1", "u2", "u3"]
    assert found.probes.labels["sex"].tolist() == list("fmfmfmf")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("template_id,subject_id\nt1,a\nt1,b\n", r"template_id 't1' occurs twice \(line 2 and line 3\)"),
        ("template_id,subject_id\nt1,\n", "line 2: empty subject_id"),
        ("template_id\nt1\n", "no column 'subject_id'"),
    ],
)
def test_mistakes_in_a_protocol_name_file_and_line(tmp_path: Path, text: str, named: str):
    """One sentence."""
    path = tmp_path / "enrolled.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=named) as refusal:
        Protocol.read(path, GOLDEN / "searches.csv")
    assert "enrolled.csv" in str(refusal.value)
