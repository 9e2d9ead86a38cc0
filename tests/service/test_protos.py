"""The contract: what was made of it is up to date, its form is checked, and no change breaks clients."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

PROTOS = ROOT / "protos"
MADE = ROOT / "python" / "frbench" / "v1"
BUF = str(Path(sys.executable).parent / "buf")
SOURCES = sorted((PROTOS / "frbench" / "v1").glob("*.proto"))


def test_the_messages_are_made_of_these_protos(tmp_path: Path):
    """`make protos` would change no file."""
    options = ["-I", str(PROTOS), f"--python_out={tmp_path}", f"--pyi_out={tmp_path}"]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *options, *map(str, SOURCES)], check=True)
    made = {path.name: path.read_text() for path in (tmp_path / "frbench" / "v1").iterdir()}

    assert len(made) == 2 * len(SOURCES)
    assert {path.name: path.read_text() for path in MADE.glob("*_pb2.py*")} == made


def changed(directory: Path, old: str, new: str) -> Path:
    """A copy of the protos in which `old` reads `new`."""
    for path in (PROTOS / "buf.yaml", *SOURCES):
        copy = directory / path.relative_to(PROTOS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text().replace(old, new))
    return directory


def breaking(directory: Path) -> subprocess.CompletedProcess[str]:
    """What buf says of protos against the image of the last release."""
    command = [BUF, "breaking", str(directory), "--against", str(PROTOS / "baseline.binpb")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("old", "new"),
    [("uint32 k = 2;", "uint32 k = 12;"), ("bytes floors = 5;", "string floors = 5;"), ("rpc Enrol(", "rpc Enroll(")],
)
def test_a_change_that_breaks_clients_is_found(tmp_path: Path, old: str, new: str):
    """Another number, another type or another name of a call is refused; the protos as they are, are not."""
    (tmp_path / "same").mkdir()
    (tmp_path / "broken").mkdir()

    assert breaking(changed(tmp_path / "same", old, old)).returncode == 0
    assert breaking(changed(tmp_path / "broken", old, new)).returncode != 0
