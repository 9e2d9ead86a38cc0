"""`frbench audit-log`: what it prints, and how it ends."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from frbench.cli import app
from tests.service.test_audit_log import chain, joined, write


def run(*arguments: str):
    """The command, in this process."""
    return CliRunner().invoke(app, ["audit-log", "verify", *arguments])


def test_a_whole_log_is_said_to_be_whole(tmp_path: Path):
    """Lines, times and the hash to keep; as JSON too."""
    lines = chain(["a", "b", "c"])
    path = write(tmp_path / "audit.jsonl", joined(lines), lines[:2])
    head = hashlib.sha256(lines[-1]).hexdigest()
    text, values = run(str(path)), json.loads(run(str(path), "--json", "--head", head).output)

    assert text.exit_code == 0
    assert (
        f"3 lines, whole, from 2026-01-01T00:00:00.000000Z to 2026-01-01T00:00:02.000000Z, head {head}" in text.output
    )
    assert "the last 1 are covered by no head file" in text.output
    assert (values["lines"], values["head"], values["unanchored"]) == (3, head, 1)


def test_an_empty_log_has_no_times(tmp_path: Path):
    """Nor a note of lines that it has not."""
    assert f"0 lines, whole, head {'0' * 64}\n" == run(str(write(tmp_path / "audit.jsonl", b""))).output


def test_a_changed_log_ends_with_1_and_a_mistake_with_2(tmp_path: Path):
    """Programs can tell them apart."""
    path = write(tmp_path / "audit.jsonl", joined(chain(["a", "b"])[1:]))
    command = [sys.executable, "-m", "frbench", "audit-log", "verify", str(path)]
    changed, misused = (
        subprocess.run([*command, *more], capture_output=True, text=True, check=False) for more in ([], ["--head", "1"])
    )

    assert (changed.returncode, misused.returncode) == (1, 2)
    assert (
        f"frbench: error: {path}: in the place of line 0 stands line 1; lines were removed or moved\n" == changed.stderr
    )
