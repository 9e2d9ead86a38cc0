"""`frbench export`: the files it names are those it wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from frbench import cli
from frbench.errors import InputError
from tests.runs.test_export import TAIL, run


def exported(*arguments: object) -> list[str]:
    """Lines that the command prints; its error if it fails."""
    result = CliRunner().invoke(cli.app, ["export", *map(str, arguments)])
    if result.exception:
        raise result.exception
    return result.output.splitlines()


def test_tables_go_beside_the_run_or_where_they_are_wanted(tmp_path: Path):
    """RUN/export unless --out says otherwise; each file is named."""
    run(tmp_path)

    assert str(tmp_path / "export" / "cells.csv") in exported(tmp_path)
    assert str(tmp_path / "x" / "cells.parquet") in exported(tmp_path, "--to", "parquet", "--out", tmp_path / "x")
    assert all(Path(line).is_file() for line in exported(tmp_path))


def test_kept_pairs_are_one_file(tmp_path: Path):
    """Only a run that kept pairs has scores to write."""
    run(tmp_path)
    with pytest.raises(InputError, match="--keep-pairs"):
        exported(tmp_path, "--to", "bob5")
    (tmp_path / "tail.csv").write_text(TAIL)

    assert exported(tmp_path, "--to", "bob5") == [str(tmp_path / "export" / "scores.bob5.txt")]
