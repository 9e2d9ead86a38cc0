"""The command `frbench serve`: galleries, searches and sweeps behind gRPC, until a signal ends it."""

from __future__ import annotations

import json
import os
import re
import signal
import tomllib
from pathlib import Path
from typing import Any

import click

from frbench import _rust, files
from frbench.errors import InputError

FILE = click.Path(path_type=Path, dir_okay=False)
LOG_LEVELS = ("off", "error", "warn", "info", "debug", "trace")
# Signals are heard between two waits.
WAIT_S = 0.1
STOPPED_AT_ONCE = 130


@click.command(name="serve")
@click.option("--config", type=FILE, help="TOML file, such as examples/serve/server.toml; options are stronger.")
@click.option("--listen", metavar="ADDRESS", help="Address of the service; port 0 takes a free one.  "
              "[default: 127.0.0.1:7443]")  # fmt: skip
@click.option("--data", type=click.Path(path_type=Path, file_okay=False),
              help="Directory of galleries and audit log.  [default: keep everything in memory]")  # fmt: skip
@click.option("--metrics", metavar="ADDRESS", help="Address of Prometheus metrics.  [default: none]")
@click.option("--traces", metavar="URL", help="Collector of traces, such as http://127.0.0.1:4317.  [default: none]")
@click.option("--threads", type=int, help="Threads that search; 0 uses every processor.  [default: 0]")
@click.option("--isa", help="Instruction set, such as amx or avx2. Also FRBENCH_ISA.  [default: best]")
@click.option("--tls-cert", type=FILE, help="Certificate of the server, PEM; with --tls-key.")
@click.option("--tls-key", type=FILE, help="Key of --tls-cert, PEM.")
@click.option("--client-ca", type=FILE, help="Authorities whose certificates clients must show, PEM.")
@click.option("--log", type=click.Choice(LOG_LEVELS), help="What is logged to standard error.  [default: info]")
@click.option("--ready-file", type=FILE, help="Write address and process id here, as JSON, when calls are answered.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON when calls are answered.")
def command(config: Path | None, ready_file: Path | None, as_json: bool, **given: Any) -> None:
    """Serve galleries, exact searches and comparisons, and tiles of sweeps over gRPC.

    The first SIGTERM or SIGINT lets calls end that are under way and refuses new ones; the second one ends at once.

    \b
    frbench serve --data galleries
    frbench serve --config server.toml --listen 0.0.0.0:7443
    """
    server = _started(config, configuration(config, given))
    signals = _Signals(server)
    ready = {
        "address": server.address,
        "metrics": server.metrics_address,
        "pid": os.getpid(),
        "galleries": server.n_galleries,
    }
    if ready_file is not None:
        files.write_json(ready_file, ready)
    click.echo(json.dumps(ready) if as_json else _sentence(server))
    while not server.wait(WAIT_S):
        signals.check()


def configuration(path: Path | None, given: dict[str, Any]) -> dict[str, Any]:
    """What a file says, and what options say instead.

    Raises
    ------
    InputError : the file cannot be read, or is not TOML.
    """
    found = {} if path is None else _read(path)
    names = ("listen", "data", "metrics", "traces", "threads", "isa", "log")
    found |= {name: given[name] for name in names if given[name] is not None}
    tls = {"certificate": given["tls_cert"], "key": given["tls_key"], "client_ca": given["client_ca"]}
    tls = {name: value for name, value in tls.items() if value is not None}
    if tls:
        found["tls"] = found.get("tls", {}) | tls
    return found


class _Signals:
    """Hears SIGTERM and SIGINT: the first stops the server in order, the second ends the program."""

    def __init__(self, server: _rust.Server) -> None:
        self._server, self._heard = server, 0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)

    def check(self) -> None:
        """Raises SystemExit if the program is to end at once."""
        if self._heard > 1:
            raise SystemExit(STOPPED_AT_ONCE)

    def _hear(self, *_: Any) -> None:
        self._heard += 1
        self._server.stop()


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{path}: cannot read the configuration ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}; expected TOML such as in examples/serve/server.toml") from error


def _started(path: Path | None, found: dict[str, Any]) -> _rust.Server:
    try:
        return _rust.Server(json.dumps(found, default=str))
    except ValueError as error:
        # The place in the JSON says nothing to whoever wrote TOML.
        text = re.sub(r" at line \d+ column \d+$", "", str(error))
        raise InputError(text if path is None else f"{path}{_line(path, text)}: {text}") from error
    except RuntimeError as error:
        raise InputError(str(error)) from error


def _line(path: Path, text: str) -> str:
    """:LINE of the entry that a message names first, if the file has it."""
    named = re.search(r"`(\w+)`", text)
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if named and re.match(rf"\s*\[*\s*{named[1]}\b", line):
            return f":{number}"
    return ""


def _sentence(server: _rust.Server) -> str:
    metrics = "" if server.metrics_address is None else f", metrics on {server.metrics_address}"
    galleries = "1 gallery" if server.n_galleries == 1 else f"{server.n_galleries} galleries"
    return f"frbench serves {galleries} on {server.address}{metrics}"
