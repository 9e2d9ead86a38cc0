"""Scores kept for a run that is killed: what is taken up again, what is not, and whose they are."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench import files
from frbench.counting.fusion.kept_scores import SCHEMA, KeptScores, Written
from frbench.counting.recorded.kept_spool import KeptSpool
from frbench.counting.sweep import Checkpoint
from frbench.errors import InputError, OutputError

NAN = float("nan")
PLACES = np.array([7, 8, 9], dtype=np.int32)
SCORES = np.array([0.5, NAN, -2.0])


def kept(directory: Path, stack: ExitStack, digest: str = "d", *, fresh: bool = False) -> KeptScores:
    """The scores of a piece of work."""
    return KeptScores(digest, Checkpoint(directory, fresh=fresh), stack)


def left(directory: Path, *, then: int = 0) -> None:
    """Three scores that were kept, and some more that were only written."""
    with ExitStack() as stack:
        scores = kept(directory, stack)
        scores.add(PLACES, SCORES)
        scores.keep()
        scores.add(PLACES[:then], SCORES[:then])


@pytest.mark.parametrize("then", [0, 1, 3])
def test_what_was_kept_is_taken_up_and_what_was_not_is_forgotten(tmp_path: Path, then: int):
    """Rows, ends and failures are those of the three pairs, whatever was written behind them."""
    left(tmp_path, then=then)

    with ExitStack() as stack:
        scores = kept(tmp_path, stack)
        assert Written(3, 1, -2.0, 0.5) == scores.written
        scores.add(PLACES[:1], np.array([0.75]))
        assert Written(4, 1, -2.0, 0.75) == scores.written
        place, score = scores.spool.all()
    assert [7, 8, 9, 7] == place.tolist()
    np.testing.assert_array_equal([0.5, NAN, -2.0, 0.75], score)


def test_fresh_means_from_nothing(tmp_path: Path):
    """--fresh cuts the files that an earlier run left."""
    left(tmp_path)
    with ExitStack() as stack:
        scores = kept(tmp_path, stack, fresh=True)
        assert (Written(), 0) == (scores.written, len(scores.spool.all()[0]))


def test_a_journal_that_promises_more_than_there_is_is_not_believed(tmp_path: Path):
    """A file that was cut off begins again; so does a journal of something else."""
    left(tmp_path)
    (tmp_path / ".d.scores.partial").write_bytes(bytes(8 * 3 - 1))
    with ExitStack() as stack:
        assert Written() == kept(tmp_path, stack).written

    left(tmp_path)
    for text in ("{", "{}", f'{{"schema": "{SCHEMA}"}}'):
        (tmp_path / ".d.partial").write_text(text)
        with ExitStack() as stack:
            assert Written() == kept(tmp_path, stack).written


def test_two_runs_never_write_one_file(tmp_path: Path):
    """The second is refused while the first is open, and goes on from it afterwards."""
    with ExitStack() as stack:
        first = kept(tmp_path, stack)
        first.add(PLACES, SCORES)
        first.keep()
        with ExitStack() as other, pytest.raises(InputError, match="another run writes there; wait for it"):
            kept(tmp_path, other)
    with ExitStack() as stack:
        assert 3 == kept(tmp_path, stack).written.rows


def test_what_nobody_will_take_up_is_removed(tmp_path: Path):
    """Other work that was killed gives its disk back; other work that is under way keeps it."""
    left(tmp_path)
    with ExitStack() as stack:
        kept(tmp_path, stack, "under-way").keep()
        kept(tmp_path, stack, "new")
        names = sorted(path.name for path in tmp_path.iterdir())
    assert [
        ".new.places.partial",
        ".new.scores.partial",
        ".under-way.partial",
        ".under-way.places.partial",
        ".under-way.scores.partial",
    ] == names


def test_removal_leaves_nothing(tmp_path: Path):
    """All three files are gone."""
    left(tmp_path)
    with ExitStack() as stack:
        kept(tmp_path, stack).remove()
    assert [] == list(tmp_path.iterdir())


def test_a_directory_that_is_not_there_is_said_so(tmp_path: Path):
    """In one sentence."""
    with ExitStack() as stack, pytest.raises(OutputError, match="cannot hold the rows"):
        KeptSpool([tmp_path / "nowhere" / "x"], stack, np.int32)


@given(st.lists(st.lists(st.one_of(st.just(NAN), st.floats(-4, 4)), max_size=6), max_size=6))
def test_what_is_written_adds_up(parts: list[list[float]]):
    """Parts one after the other are all of them at once."""
    written = Written()
    for part in parts:
        written = written.plus(np.array(part, dtype=np.float64))
    assert Written().plus(np.array([x for part in parts for x in part], dtype=np.float64)) == written


def test_the_journal_is_a_file_of_its_own_kind(tmp_path: Path):
    """JSON that says what it is."""
    left(tmp_path)
    assert {"schema": SCHEMA, "rows": 3, "unscored": 1, "lowest": -2.0, "highest": 0.5} == files.read_json(
        tmp_path / ".d.partial"
    )
