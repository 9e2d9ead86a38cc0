"""Runs of the command line by servers: the files of one machine, bit for bit, or a sentence that says why not."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from frbench import cli, files
from frbench.engines import remote
from frbench.plan import Rectangle
from tests.worlds import servers

Run = Callable[..., int]


def list_of(found: list[servers.Running]) -> str:
    """Value of --engine."""
    return ",".join(each.target for each in found)


@pytest.mark.parametrize(
    ("command", "kept"),
    [
        (("verify", "--at", "fmr=1e-1,1e-2", "--keep-pairs", "9", "--per-subject"), ("tail.csv", "subjects.csv")),
        (("identify", "--at", "fpir=0.1", "--at", "fmr=0.01", "-k", "7", "--gallery-sizes", "5,10"),
         ("candidates.safetensors",)),
    ],
)  # fmt: skip
def test_a_run_by_three_servers_writes_the_files_of_one_machine(
    tmp_path: Path,
    population: tuple[str, ...],
    run: Run,
    three_servers: list[servers.Running],
    command: tuple[str, ...],
    kept: tuple[str, ...],
):
    """Tally, results and lists are equal, byte for byte; the manifest says who counted."""
    for out, engine in (("here", "cpu"), ("there", list_of(three_servers))):
        assert run(*command, *population, "--engine", engine, "--out", str(tmp_path / out), "--quiet") == 0

    for name in ("tally.safetensors", "results.json", *kept):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes(), name
    described = files.read_json(tmp_path / "there" / "manifest.json")["engine"]
    assert described["engine"] == "grpc"
    assert [each["target"] for each in described["servers"]] == [each.target for each in three_servers]
    assert described["lost"] == []


def test_a_list_of_pairs_needs_no_server_to_hold_rows(
    tmp_path: Path, population: tuple[str, ...], run: Run, server: servers.Running
):
    """Pairs are scored where they are, a failed template among them."""
    (tmp_path / "p.csv").write_text("template_a,template_b\nt0,t1\nt0,t7\nt3,t80\n")
    for out, engine in (("here", "cpu"), ("there", server.target)):
        arguments = ("--pairs", str(tmp_path / "p.csv"), "--thresholds", "0.1", "--engine", engine)
        assert run("verify", *population, *arguments, "--out", str(tmp_path / out), "--quiet") == 0

    assert (tmp_path / "here/tally.safetensors").read_bytes() == (tmp_path / "there/tally.safetensors").read_bytes()


def test_a_server_that_is_lost_is_a_note(tmp_path: Path, population: tuple[str, ...], run: Run):
    """One of two servers is killed beforehand: the run is whole, and says so."""
    with servers.several(2) as found:
        found[0].kill()
        assert run("verify", *population, "--engine", list_of(found), "--out", str(tmp_path / "out"), "--quiet") == 0

    notes = files.read_json(tmp_path / "out" / "manifest.json")["notes"]
    assert any(note.startswith(f"a server was lost: {found[0].target} cannot be reached") for note in notes)


@pytest.mark.parametrize(
    ("engine", "more", "message"),
    [
        ("tpu", (), "'tpu' is no server; expected grpc://HOST:PORT"),
        ("grpc://10.0.0.7:7443", (), "plain text to another machine; use grpcs://10.0.0.7:7443"),
        ("grpc://127.0.0.1:1,grpc://127.0.0.1:2", (), "no server is left: grpc://127.0.0.1:1 cannot be reached"),
        ("grpc://127.0.0.1:1", ("--isa", "scalar"), "servers are told by `frbench serve --isa`"),
        ("grpc://127.0.0.1:1", ("--token-file", "nowhere.txt"), "nowhere.txt: cannot read the token"),
        ("grpcs://127.0.0.1:1", ("--cert", "c.pem"), "both or neither"),
    ],
)
def test_a_mistake_about_servers_is_one_sentence(
    tmp_path: Path,
    population: tuple[str, ...],
    run: Run,
    capsys: pytest.CaptureFixture[str],
    engine: str,
    more: tuple[str, ...],
    message: str,
):
    """Exit code 2, and the sentence last."""
    assert run("verify", *population, "--engine", engine, *more, "--out", str(tmp_path / "out"), "--quiet") == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_a_wrong_token_is_refused_and_a_right_one_counts(
    tmp_path: Path, population: tuple[str, ...], run: Run, capsys: pytest.CaptureFixture[str]
):
    """Scope count is enough for a sweep of all pairs."""
    # SHA-256 of "secret".
    digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
    text = f'[[tokens]]\nname = "x"\nsha256 = "{digest}"\nscopes = ["count"]\n'
    (tmp_path / "right").write_text("secret\n")
    (tmp_path / "wrong").write_text("guess\n")
    with servers.running(*servers.configured(tmp_path, text)) as locked:
        arguments = ("verify", *population, "--engine", locked.target, "--quiet", "--out", str(tmp_path / "out"))

        assert run(*arguments, "--token-file", str(tmp_path / "wrong")) == 2
        assert locked.target in capsys.readouterr().err
        assert run(*arguments, "--token-file", str(tmp_path / "right"), "--keep-pairs", "3") == 0


def test_an_interruption_ends_a_remote_run_at_once(tmp_path: Path, population: tuple[str, ...]):
    """A server that stands still is not waited for, and the run can be gone on with."""
    with servers.running() as still:
        out = tmp_path / "out"
        arguments = ("verify", *population, "--engine", still.target, "--out", str(out), "--quiet")
        still.freeze()
        with subprocess.Popen(
            [sys.executable, "-m", "frbench", *arguments], stderr=subprocess.PIPE, text=True
        ) as asked:
            _wait_for(out)
            asked.send_signal(signal.SIGINT)
            assert asked.wait(servers.WAIT_S) == cli.INTERRUPTED
            assert asked.stderr is not None
            assert "the same command goes on" in asked.stderr.read()


def _wait_for(path: Path) -> None:
    """Returns when a run has made its directory: from then on it asks servers."""
    end = time.monotonic() + servers.WAIT_S
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize(
    ("probes", "gallery"), [((0, 7), (0, 7)), ((2, 6), (5, 11)), ((5, 11), (2, 6)), ((3, 3), (0, 9))]
)
def test_pieces_hold_every_pair_once(
    monkeypatch: pytest.MonkeyPatch, probes: tuple[int, int], gallery: tuple[int, int], upper: bool
):
    """Cut into pieces of 2 by 3, a rectangle or the upper half of one keeps its pairs."""
    monkeypatch.setattr(remote, "PROBES_A_CALL", 2)
    monkeypatch.setattr(remote, "GALLERY_A_CALL", 3)
    groups = np.arange(100, 112, dtype=np.uint32)

    def pairs(piece: Rectangle) -> list[tuple[int, int]]:
        every = [(i, j) for i in range(*piece.probes) for j in range(*piece.gallery)]
        return [(i, j) for i, j in every if j > i or not piece.is_upper]

    whole = Rectangle(probes, gallery, upper, groups, groups, np.zeros((1, 1), np.uint32), 1)
    pieces = list(remote._pieces(whole))

    assert sorted(pair for piece in pieces for pair in pairs(piece)) == sorted(pairs(whole))
    assert all(pairs(piece) for piece in pieces)
