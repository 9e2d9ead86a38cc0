"""Which comparisons were read: the same in any order, another for any other comparison."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from frbench.counting.recorded.score_files import ScoreFile
from frbench.counting.recorded.trial_digest import TrialDigest, keys_of, keys_with_subjects

HEAD = "probe,probe_subject,reference,reference_subject,score\n"


def digest(*parts: list[int]) -> str:
    """The digest of keys that come in parts."""
    found = TrialDigest()
    for part in parts:
        found.add(np.array(part, dtype=np.uint64))
    return found.digest


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1), st.integers(0, 20), st.randoms())
def test_order_and_parts_play_no_part(keys: list[int], cut: int, random):
    """The same keys, shuffled and cut in two."""
    turned = random.sample(keys, len(keys))

    assert digest(keys) == digest(turned[:cut], turned[cut:])


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, unique=True), st.integers(0, 2**64 - 1))
def test_one_more_or_another_comparison_changes_the_digest(keys: list[int], other: int):
    """Taken twice, added, or replaced by another."""
    assert digest(keys) != digest([*keys, keys[0]])
    assert digest(keys) != digest([*keys, other])
    if other != keys[-1]:
        assert digest(keys) != digest([*keys[:-1], other])


def keys(directory: Path, line: str, format: str = "csv") -> tuple[int, int]:
    """Both keys of a file of one comparison."""
    path = directory / ("s.csv" if format == "csv" else "s.txt")
    path.write_text((HEAD if format == "csv" else "") + line + "\n")
    file = ScoreFile(str(path), format)
    [found] = list(file)
    return int(keys_of(found, file)[0]), int(keys_with_subjects(found, file)[0])


def test_sides_of_one_kind_may_be_turned_and_subjects_count(tmp_path: Path):
    """p1 of a with p2 of b is p2 of b with p1 of a, and not p1 of b with p2 of a, nor with any other template."""
    plain, turned = keys(tmp_path, "p1,a,p2,b,1"), keys(tmp_path, "p2,b,p1,a,2")
    swapped, other = keys(tmp_path, "p1,b,p2,a,1"), keys(tmp_path, "p1,a,p3,b,1")

    assert plain == turned
    assert plain[0] == swapped[0]
    assert plain[1] != swapped[1]
    assert plain[0] != other[0]


def test_a_model_and_a_probe_are_not_turned(tmp_path: Path):
    """In files of bob the reference is a model: claimed a, probe b is another comparison than claimed b, probe a."""
    assert keys(tmp_path, "a c b 1", "bob4") != keys(tmp_path, "b c a 1", "bob4")
