"""`frbench serve`: how it starts, what it says, how it ends, and mistakes in its configuration."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import numpy as np
import pytest

from frbench import files
from frbench.commands.serve import configuration
from frbench.errors import EngineUnavailable
from frbench.service.client import Client
from tests import ROOT
from tests.worlds.servers import WAIT_S, configured, running

EXAMPLE = ROOT / "examples" / "serve" / "server.toml"
COMMAND = [sys.executable, "-m", "frbench", "serve"]
NOTHING = dict.fromkeys(
    ("listen", "data", "metrics", "traces", "threads", "isa", "log", "tls_cert", "tls_key", "client_ca"), None
)


def failed(*options: str) -> str:
    """What `frbench serve` says when it does not start: exit code 2 and one sentence."""
    found = subprocess.run(
        [*COMMAND, "--listen", "127.0.0.1:0", *options], capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert (found.returncode, found.stdout) == (2, "")
    (line,) = found.stderr.splitlines()
    assert line.startswith("frbench: error: ")
    return line.removeprefix("frbench: error: ")


def test_a_server_says_where_it_is_and_ends_in_order(tmp_path: Path):
    """One line of JSON and the same in a file; after SIGTERM the exit code is 0."""
    ready = tmp_path / "ready.json"
    with running("--metrics", "127.0.0.1:0", "--ready-file", str(ready)) as server:
        assert server.ready.keys() == {"address", "metrics", "pid", "galleries"}
        assert (server.ready["pid"], server.ready["galleries"]) == (server.process.pid, 0)
        assert files.read_json(ready) == server.ready
        for address in (server.ready["address"], server.ready["metrics"]):
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=WAIT_S).close()
        assert server.stop() == 0


def test_without_json_one_sentence_says_it():
    """The sentence ends with the address; SIGINT ends the server in order, too."""
    with subprocess.Popen([*COMMAND, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            words = server.stdout.readline().rsplit(maxsplit=1)
            assert words[0] == "frbench serves 0 galleries on"
            assert words[1].startswith("127.0.0.1:")
            server.send_signal(signal.SIGINT)
            assert server.wait(WAIT_S) == 0
        finally:
            server.kill()


def test_what_was_enrolled_is_there_after_a_stop_and_after_a_kill(tmp_path: Path):
    """A data directory outlives the server, however it ended."""
    options = ("--data", str(tmp_path / "galleries"))
    with running(*options) as first, Client(first.target) as client:
        client.create_gallery("g", 3)
        digest = client.enrol("g", np.eye(3, dtype=np.float32), ["a", "b", "c"]).gallery.content_digest
        assert first.stop() == 0
    for _ in range(2):
        with running(*options) as again, Client(again.target) as client:
            assert again.ready["galleries"] == 1
            assert client.gallery("g").content_digest == digest
            again.kill()


def test_a_stop_lets_calls_end_and_a_second_signal_does_not(tmp_path: Path):
    """An enrolment that is under way holds the stop for as long as `grace_s` says; another signal ends it at once."""
    with running(*configured(tmp_path, "grace_s = 3600.0\n")) as server, Client(server.target) as client:
        client.create_gallery("g", 3)
        begun, go_on = threading.Event(), threading.Event()

        class Slow(list[str]):
            """Ids that are not given before they are asked for twice."""

            def __getitem__(self, item: slice) -> list[str]:  # type: ignore[override]
                if item.start:
                    begun.set()
                    go_on.wait(WAIT_S)
                return super().__getitem__(item)

        n = 1 << 18
        rows, refused = np.ones((n, 3), np.float32), []

        def enrol() -> None:
            try:
                client.enrol("g", rows, Slow(map(str, range(n))))
            except EngineUnavailable as error:
                refused.append(error)

        thread = threading.Thread(target=enrol)
        thread.start()
        assert begun.wait(WAIT_S)
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(1)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(WAIT_S) == 130
        go_on.set()
        thread.join(WAIT_S)
        assert len(refused) == 1


def test_the_example_is_a_configuration_and_says_what_holds_without_it(tmp_path: Path):
    """Every entry of it is known, and those behind a '#' are, too."""
    with running("--config", str(EXAMPLE)) as plain, running() as bare:
        with Client(plain.target) as one, Client(bare.target) as other:
            assert one.info().limits == other.info().limits
        assert plain.stop() == 0

    text = "\n".join(
        line.removeprefix("# ") if "=" in line or line.startswith("# [") else line
        for line in EXAMPLE.read_text().splitlines()
    )
    every = tomllib.loads(text.replace("127.0.0.1:7443", "127.0.0.1:0").replace("127.0.0.1:9464", "127.0.0.1:0"))
    assert {"data", "isa", "metrics", "tls", "tokens", "certificates"} <= every.keys()
    del every["tls"], every["certificates"], every["isa"]
    every["data"], every["audit"]["path"] = str(tmp_path / "data"), str(tmp_path / "audit.jsonl")
    (tmp_path / "all.json").write_text(json.dumps(every))
    code = "import sys; from frbench import _rust; _rust.Server(open(sys.argv[1]).read())"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "all.json")], check=True, timeout=WAIT_S)


def test_options_are_stronger_than_the_file(tmp_path: Path):
    """What an option says replaces the entry; of [tls] only what was said."""
    path = tmp_path / "s.toml"
    path.write_text('listen = "127.0.0.1:1"\nthreads = 3\n[tls]\ncertificate = "a.pem"\nkey = "a.key"\n')
    found = configuration(path, NOTHING | {"listen": "127.0.0.1:2", "threads": 0, "tls_key": Path("b.key")})

    assert found["listen"] == "127.0.0.1:2"
    assert found["threads"] == 0
    assert found["tls"] == {"certificate": "a.pem", "key": Path("b.key")}
    assert configuration(None, NOTHING) == {}


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("threads = 0\nlimits = = 1\n", "", "line 2"),
        ("threads = 0\nthread = 1\n", ":2", "unknown field `thread`"),
        ('threads = "many"\n', "", "expected usize"),
        ("[limits]\nk = 0\n", "", "limits.k is 0, expected at least 1"),
        ('listen = "0.0.0.0:0"\n', "", "which others can reach"),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence_with_its_place(tmp_path: Path, text: str, place: str, message: str):
    """The file is named, the line where it is known, and the exit code is 2."""
    _, path = options = configured(tmp_path, text)
    said = failed(*options) if "listen" not in text else failed_alone(*options)

    assert said.startswith(f"{path}{place}: ")
    assert message in said


def failed_alone(*options: str) -> str:
    """As `failed`, where the file says what to listen on."""
    found = subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert found.returncode == 2
    return found.stderr.removeprefix("frbench: error: ")


def test_what_cannot_be_opened_is_one_sentence(tmp_path: Path):
    """A file that is not there, a port that is taken, an instruction set that this machine does not have."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        assert address in failed("--listen", address)
    assert "nothing.toml: cannot read the configuration" in failed("--config", str(tmp_path / "nothing.toml"))
    assert "z80" in failed("--isa", "z80")
