"""`frbench load` as it is typed: files of a run, mistakes in one sentence, and nothing half-written."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from grpc import StatusCode

import frbench
from frbench import files
from tests.worlds.scripted_server import Scripted, scripted

SCHEMA = json.loads((Path(frbench.__file__).parent / "schema" / "results.schema.json").read_text())
SHORT = ("--duration", "0.5s", "--warm-up", "100ms", "--connections", "1")

Run = Callable[..., int]


@pytest.fixture
def probes(tmp_path: Path) -> list[str]:
    """Arguments that name 20 probes of two groups."""
    np.save(tmp_path / "t.npy", np.random.default_rng(1).normal(size=(20, 8)).astype(np.float32))
    rows = [f"s{i},{'f' if i % 5 == 0 else 'm'}" for i in range(20)]
    (tmp_path / "l.csv").write_text("subject_id,sex\n" + "\n".join(rows) + "\n")
    labels = ("--labels", str(tmp_path / "l.csv"), "--group", "sex")
    return [str(tmp_path / "t.npy"), "--gallery", "people", *labels, "--out", str(tmp_path / "out")]


def command(address: str, *options: str) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "frbench", "load", f"grpc://{address}", *options]


def loaded(address: str, *options: str) -> subprocess.CompletedProcess[str]:
    """What it said and how it ended, in a process of its own."""
    known = {k: v for k, v in os.environ.items() if k != "FRBENCH_TOKEN"}
    return subprocess.run(command(address, *options), capture_output=True, text=True, timeout=120, env=known)


def test_a_run_leaves_its_files_and_no_token(probes: list[str], tmp_path: Path):
    """Results follow the schema, the tally holds as many requests, and the token is in no file."""
    (tmp_path / "token").write_text("hush-hush\n")
    with scripted() as server:
        shown = ("--token-file", str(tmp_path / "token"))
        done = loaded(server.address, *probes, *SHORT, "--rate", "200", "--runs", "2", *shown)
    out = tmp_path / "out"
    results = files.read_json(out / "results.json", schema="frbench.results")

    assert done.returncode == 0, done.stderr
    jsonschema.validate(results, SCHEMA)
    assert files.load_tally(out / "tally.safetensors").pick(mated=False).trials == results["loads"][0]["requests"] > 0
    assert sorted(p.name for p in out.glob("*.hgrm")) == [f"latency.{g}.hgrm" for g in ("overall", "sex=f", "sex=m")]
    assert (out / "report.html").exists()
    assert set(server.tokens) == {"Bearer hush-hush"}
    assert not [p.name for p in out.iterdir() if b"hush-hush" in p.read_bytes()]
    assert "hush-hush" not in done.stdout + done.stderr


def test_a_token_of_the_environment_is_shown(probes: list[str], run: Run, monkeypatch: pytest.MonkeyPatch):
    """It is on no command line; a file is another way."""
    monkeypatch.setenv("FRBENCH_TOKEN", "hush")
    with scripted() as server:
        assert run("load", f"grpc://{server.address}", *probes, *SHORT, "--rate", "50", "--quiet") == 0

    assert set(server.tokens) == {"Bearer hush"}


@pytest.mark.parametrize("scenario", ["single-stream", "multi-stream", "offline"])
def test_closed_loops_run(
    probes: list[str], tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str], scenario: str
):
    """As many in flight as the scenario says, and JSON on request."""
    more = (*SHORT, "--scenario", scenario, "--json", "--no-report")
    with scripted(lambda _: (0.001, StatusCode.OK)) as server:
        code = run("load", f"grpc://{server.address}", *probes, *more)
    results = json.loads(capsys.readouterr().out)

    assert code == 0
    assert results == files.read_json(tmp_path / "out" / "results.json")
    assert results["loads"][0]["in_flight"] == {"single-stream": 1, "multi-stream": 8, "offline": 256}[scenario]
    assert not (tmp_path / "out" / "report.html").exists()


def test_a_sweep_has_nine_loads(probes: list[str], tmp_path: Path, run: Run):
    """From a tenth of saturation to a fifth above it."""
    more = (*SHORT, "--sweep", "--quiet")
    with scripted(lambda _: (0.02, StatusCode.OK), threads=4) as server:
        assert run("load", f"grpc://{server.address}", *probes, *more) == 0
    results = files.read_json(tmp_path / "out" / "results.json")

    jsonschema.validate(results, SCHEMA)
    saturated = results["saturation_per_s"]
    assert [round(load["rate"] / saturated, 9) for load in results["loads"]] == [
        0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2,
    ]  # fmt: skip


def test_no_server_is_one_sentence_and_exit_code_2(probes: list[str], tmp_path: Path):
    """And nothing is written."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        done = loaded(f"127.0.0.1:{taken.getsockname()[1]}", *probes, *SHORT, "--rate", "10")

    assert done.returncode == 2
    assert done.stderr.startswith("frbench: error: cannot connect to 127.0.0.1:")
    assert done.stderr.count("\n") == 1
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "expected one of --rate, --sweep and --slo"),
        (("--rate", "10", "--sweep"), "expected one of --rate, --sweep and --slo"),
        (("--scenario", "offline", "--rate", "10"), "is a closed loop and has no rate"),
        (("--rate", "0"), "--rate is 0"),
        (("--rate", "inf"), "--rate is inf"),
        (("--rate", "10", "--duration", "long"), "--duration is 'long'"),
        (("--rate", "10", "--duration", "inf"), "--duration is 'inf'"),
        (("--rate", "10", "--runs", "0"), "number of runs is 0"),
        (("--rate", "1e-4", "--duration", "1s", "--runs", "2"), "no request is drawn in 2 x 1 s at 0.0001 a second"),
        (("--slo", "p99"), "--slo is 'p99'"),
        (("--rate", "10", "--ca", "absent.pem"), "expected grpcs:// together with --ca"),
        (("--rate", "10", "--cert", "a", "--key", "b"), "--cert is shown over TLS alone"),
        (("--rate", "10", "--group", "age"), "age"),
    ],
)
def test_mistakes_are_one_sentence(
    probes: list[str], run: Run, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], said: str
):
    """Before anything is sent: nobody listens there."""
    code = run("load", "grpc://127.0.0.1:1", *probes, *options)
    complaint = capsys.readouterr().err

    assert (code, complaint.count("\n")) == (2, 1), complaint
    assert said in complaint


def test_a_run_without_a_request_is_invalid(
    probes: list[str], tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
):
    """The only request of a closed loop began in the warm-up, and was still waited for at the end: exit code 4."""

    def stalls(call: int) -> tuple[float, StatusCode]:
        return (1.5 if call else 0.0), StatusCode.OK

    with scripted(stalls) as server:
        code = run("load", f"grpc://{server.address}", *probes, *SHORT, "--scenario", "single-stream", "--quiet")
    complaint = capsys.readouterr().err

    assert (code, complaint.count("\n")) == (4, 1), complaint
    assert "no request began in the 0.5 s that count" in complaint
    assert list((tmp_path / "out").iterdir()) == []


def test_an_interrupted_run_leaves_nothing_half_written(probes: list[str], tmp_path: Path):
    """Ctrl-C while requests are under way: exit code 130, and no file of the run."""
    with scripted() as server:
        asked = command(server.address, *probes, "--rate", "50", "--duration", "10m", "--warm-up", "0s")
        process = subprocess.Popen(asked, stderr=subprocess.PIPE, text=True)
        _wait_for(server, 20)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)

    assert process.returncode == 130, said
    assert list((tmp_path / "out").iterdir()) == []


def _wait_for(server: Scripted, n: int) -> None:
    """Until that many requests have arrived."""
    for _ in range(600):
        if len(server.requests) >= n:
            return
        time.sleep(0.1)
    raise AssertionError(f"{len(server.requests)} requests arrived, expected {n}")
