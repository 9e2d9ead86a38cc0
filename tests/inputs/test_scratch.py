"""Matrices that may be larger than memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from frbench.engines.cpu import CpuEngine
from frbench.errors import InputError
from frbench.inputs import scratch
from frbench.templates import load
from tests.worlds import worlds


def test_a_small_matrix_is_in_memory():
    """Nobody pays for a file who does not need one."""
    assert not isinstance(scratch.matrix(10, 3), np.memmap)


def test_a_matrix_in_a_directory_is_mapped_and_leaves_no_file(tmp_path: Path):
    """The file has no name while it is in use, so that a killed program leaves nothing."""
    matrix = scratch.matrix(1000, 7, tmp_path)
    matrix[:] = 3

    assert isinstance(matrix, np.memmap)
    assert list(tmp_path.iterdir()) == []
    assert matrix.sum() == 21_000


def test_large_matrices_are_mapped_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A matrix beyond its share of memory goes to the temporary directory."""
    monkeypatch.setattr(scratch, "SHARE_OF_MEMORY", 1e-12)
    monkeypatch.setattr(scratch.tempfile, "gettempdir", lambda: str(tmp_path))

    assert Path(scratch.matrix(100, 100).filename).parent == tmp_path


def test_rows_of_a_file_are_taken_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A selection of rows is no reason to fill the memory."""
    monkeypatch.setattr(scratch, "ROWS_AT_ONCE", 7)
    rows = scratch.matrix(50, 3, tmp_path)
    rows[:] = np.arange(150).reshape(50, 3)
    order = np.random.default_rng(1).permutation(50)[:40]
    taken = scratch.take(rows, order)

    assert isinstance(taken, np.memmap)
    np.testing.assert_array_equal(taken, np.asarray(rows)[order])


def test_templates_in_a_file_count_as_those_in_memory(tmp_path: Path):
    """Unit rows, digest and counts do not depend on where the floats are."""
    raw = np.random.default_rng(2).normal(size=(300, 20)).astype(np.float32)
    raw[5] = 0
    np.save(tmp_path / "t.npy", raw)
    here, there = load(tmp_path / "t.npy"), load(tmp_path / "t.npy", scratch_directory=tmp_path)
    assert isinstance(there.unit, np.memmap)
    assert here.digest == there.digest

    subjects = np.array([f"s{i // 2}" for i in range(300)], dtype=object)
    totals = [
        worlds.World(found.with_subjects(subjects), columns=(), n_blocks=3).counted_by(CpuEngine()).total
        for found in (here, there)
    ]
    np.testing.assert_array_equal(*totals)


def test_a_directory_that_cannot_hold_the_rows_is_refused(tmp_path: Path):
    """One sentence that says what to do."""
    with pytest.raises(InputError, match=r"cannot hold unit rows .* name another with --scratch"):
        scratch.matrix(10, 10, tmp_path / "nowhere")
    with pytest.raises(InputError, match="GiB of unit rows do not fit in the"):
        scratch.matrix(1 << 40, 512, tmp_path)
