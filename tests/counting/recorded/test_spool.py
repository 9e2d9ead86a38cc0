"""Spool: what is written comes back, in order and as often as wanted."""

from __future__ import annotations

import errno
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from frbench.counting.recorded.spool import Spool
from frbench.errors import OutputError


def test_rows_come_back_in_parts_and_again(tmp_path: Path):
    """Ten rows, three at a time, twice."""
    with ExitStack() as stack:
        spool = Spool(tmp_path, stack, np.int32, np.float64)
        spool.write(np.arange(6), np.arange(6) / 4)
        spool.write(np.arange(6, 10), np.arange(6, 10) / 4)
        for _ in range(2):
            parts = list(spool.parts(3))
            assert [len(n) for n, _ in parts] == [3, 3, 3, 1]
            assert np.concatenate([n for n, _ in parts]).tolist() == list(range(10))
            assert np.concatenate([x for _, x in parts]).tolist() == [i / 4 for i in range(10)]
        assert list(tmp_path.iterdir()) == []


def test_nothing_written_is_nothing_read(tmp_path: Path):
    """Columns without rows keep their types."""
    with ExitStack() as stack:
        spool = Spool(tmp_path, stack, np.int32, np.uint64)

        assert list(spool.parts()) == []
        assert [(len(column), column.dtype) for column in spool.all()] == [(0, np.int32), (0, np.uint64)]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path):
    """The sentence says what to do."""
    with ExitStack() as stack, pytest.raises(OutputError, match="choose another --out"):
        Spool(tmp_path / "nowhere", stack, np.int32)


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """/dev/full takes no byte."""
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: Path("/dev/full").open("w+b", buffering=0))  # noqa: SIM115
    with ExitStack() as stack:
        spool = Spool(tmp_path, stack, np.int32)
        with pytest.raises(OutputError, match=f"{tmp_path}: cannot hold the rows") as refusal:
            spool.write(np.arange(3))
    assert refusal.value.__cause__ is not None
    assert refusal.value.__cause__.errno == errno.ENOSPC
