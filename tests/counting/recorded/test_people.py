"""People: one row a subject, with the labels that the file gives it."""

from __future__ import annotations

from pathlib import Path

import pytest

from frbench.counting.recorded.people import read_people
from frbench.errors import InputError


def labels(directory: Path, text: str) -> Path:
    """A labels file."""
    path = directory / "l.csv"
    path.write_text(text)
    return path


def test_a_subject_of_several_rows_is_one(tmp_path: Path):
    """A label that is missing in one row is taken from another; without any it is empty."""
    path = labels(tmp_path, "template_id,subject_id,sex\nt1,bea,\nt2,ann,f\nt3,bea,f\nt4,cid,\n")
    found = read_people(path, ("sex",))

    assert found.template_ids.tolist() == ["ann", "bea", "cid"]
    assert found.labels["sex"].tolist() == ["f", "f", ""]
    assert (found.dimension, len(found), [s.rows for s in found.sources]) == (0, 3, [4])


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (
            "subject_id,sex\nann,f\nann,m\n",
            r"'ann' carries two labels in column 'sex': 'f' \(line 2\) and 'm' \(line 3",
        ),
        ("subject_id,sex\nann,f\n,m\n", "line 3: empty subject_id"),
        ("subject_id,age\nann,9\n", "no column 'sex', only 'subject_id', 'age'"),
        ("who,sex\nann,f\n", "no column 'subject_id'"),
    ],
)
def test_mistakes_name_file_and_line(tmp_path: Path, text: str, named: str):
    """One sentence."""
    with pytest.raises(InputError, match=named) as refusal:
        read_people(labels(tmp_path, text), ("sex",))
    assert "l.csv" in str(refusal.value)
