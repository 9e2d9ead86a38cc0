"""Kills a server with SIGKILL at random moments while it enrols and removes, and looks for what it acknowledged.

python -m tests.endurance.kill_while_enrolling --kills 1000
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frbench.errors import FrbenchError
from frbench.service.audit_log import verify
from frbench.service.client import Client

GALLERY = "killed"
DIMENSION = 24
MOST_ROWS = 48
WRITERS = 3
# A kill falls at a moment that is uniform up to this.
LONGEST_S = 0.25
# A fresh directory now and then: starts stay quick.
KILLS_PER_DIRECTORY = 50
CHANGES = {f"frbench.v1.GalleryService/{method}" for method in ("Enrol", "RemoveTemplates")}
SERVE = (
    "import sys; from frbench import _rust; server = _rust.Server(sys.argv[1]);"
    "print(server.address, flush=True); server.wait(3600)"
)


@dataclass
class Batch:
    """Templates that are sent together."""

    ids: list[str]
    rows: NDArray[np.float32]

    @staticmethod
    def random(name: str, source: np.random.Generator) -> Batch:
        """Some rows that no other batch has."""
        n = int(source.integers(1, MOST_ROWS + 1))
        rows = source.standard_normal((n, DIMENSION)).astype(np.float32)
        return Batch([f"{name}.{i}" for i in range(n)], rows)


@dataclass
class Ledger:
    """What clients know: batches that were acknowledged, and those whose answer never came."""

    enrolled: dict[str, Batch] = field(default_factory=dict)
    removed: dict[str, Batch] = field(default_factory=dict)
    open: dict[str, Batch] = field(default_factory=dict)
    leaving: dict[str, Batch] = field(default_factory=dict)
    acknowledged: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def start(directory: Path) -> tuple[subprocess.Popen[str], Client]:
    """A server on `directory`, and a client of it."""
    configuration = json.dumps({"listen": "127.0.0.1:0", "data": str(directory), "threads": 1, "log": "error"})
    process = subprocess.Popen([sys.executable, "-c", SERVE, configuration], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    if not address:
        raise SystemExit("the server did not start again")
    return process, Client(f"grpc://{address}", timeout_s=30)


def write(client: Client, ledger: Ledger, name: str, seed: int) -> None:
    """Enrols batch after batch, and removes some of those that were acknowledged, until the server is gone."""
    source = np.random.default_rng(seed)
    for i in range(1 << 20):
        batch = Batch.random(f"{name}.{i}", source)
        with ledger.lock:
            ledger.open[f"{name}.{i}"] = batch
        try:
            client.enrol(GALLERY, batch.rows, batch.ids)
        except FrbenchError:
            return
        with ledger.lock:
            ledger.enrolled[f"{name}.{i}"] = ledger.open.pop(f"{name}.{i}")
            ledger.acknowledged += 1
        if source.random() < 0.25 and not remove(client, ledger, name, source):
            return


def remove(client: Client, ledger: Ledger, name: str, source: np.random.Generator) -> bool:
    """Removes one of this writer's batches; whether that was acknowledged."""
    with ledger.lock:
        mine = [key for key in ledger.enrolled if key.startswith(f"{name}.")]
        key = mine[int(source.integers(len(mine)))]
        batch = ledger.leaving[key] = ledger.enrolled.pop(key)
    try:
        client.remove(GALLERY, batch.ids)
    except FrbenchError:
        return False
    with ledger.lock:
        ledger.removed[key] = ledger.leaving.pop(key)
        ledger.acknowledged += 1
    return True


def settle(client: Client, ledger: Ledger) -> None:
    """Looks for everything that was acknowledged, and for whole batches of everything else.

    Raises
    ------
    SystemExit : something is lost, torn, or back.
    """
    for key, batch in ledger.enrolled.items():
        found = client.compare(batch.rows, batch.ids, gallery=GALLERY)
        # A template against itself, rounded to float32 on the way to length one.
        if not (found > 1 - 1e-6).all():
            raise SystemExit(f"batch {key} was acknowledged and is another now")
    for key, batch in ledger.removed.items():
        ledger.acknowledged += 1
        if present := client.remove(GALLERY, batch.ids).n_removed:
            raise SystemExit(f"{present} templates of batch {key} were removed and are back")
    for batches in (ledger.open, ledger.leaving):
        for key, batch in batches.items():
            present = client.enrol(GALLERY, batch.rows, batch.ids).n_present
            ledger.acknowledged += 1
            if present not in (0, len(batch.ids)):
                raise SystemExit(f"batch {key} is torn: {present} of {len(batch.ids)} templates")
            ledger.enrolled[key] = batch
        batches.clear()
    expected = sum(len(batch.ids) for batch in ledger.enrolled.values())
    if (got := client.gallery(GALLERY).n_templates) != expected:
        raise SystemExit(f"the gallery holds {got} templates, expected {expected}")


def kill_once(directory: Path, ledger: Ledger, after_s: float, seed: int) -> None:
    """Starts a server, looks for what is kept, lets clients write, and kills it after `after_s`."""
    process, client = start(directory)
    try:
        with client, ThreadPoolExecutor(WRITERS) as crew:
            if not client.galleries():
                client.create_gallery(GALLERY, DIMENSION)
            settle(client, ledger)
            for i in range(WRITERS):
                crew.submit(write, client, ledger, f"{seed}.{i}", seed * WRITERS + i)
            time.sleep(after_s)
            process.kill()
    finally:
        process.kill()
        process.communicate()


def survive(kills: int, seed: int) -> tuple[int, int]:
    """Kills `kills` servers; how many changes were acknowledged, and how many batches had no answer.

    Raises
    ------
    SystemExit : something is lost, torn or back, or the audit log lacks a change that was acknowledged.
    """
    moments = random.Random(seed)
    acknowledged = unanswered = 0
    for first in range(0, kills, KILLS_PER_DIRECTORY):
        with tempfile.TemporaryDirectory() as scratch:
            ledger = Ledger()
            for i in range(first, min(first + KILLS_PER_DIRECTORY, kills)):
                kill_once(Path(scratch), ledger, moments.uniform(0.0, LONGEST_S), seed + i)
                unanswered += len(ledger.open) + len(ledger.leaving)
            process, client = start(Path(scratch))
            with client:
                settle(client, ledger)
            process.kill()
            process.communicate()
            acknowledged += ledger.acknowledged
            audited(Path(scratch) / "audit.jsonl", ledger.acknowledged)
    return acknowledged, unanswered


def audited(path: Path, acknowledged: int) -> None:
    """Checks that the audit log is whole and has a line for every change that was acknowledged.

    Raises
    ------
    SystemExit : a line is missing.
    """
    verify(path)
    lines = map(json.loads, path.read_text().splitlines())
    changes = sum(line["outcome"] == "OK" and line["method"] in CHANGES for line in lines)
    if changes < acknowledged:
        raise SystemExit(f"the audit log has {changes} changes that were answered, {acknowledged} were")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    kept, without = survive(options.kills, options.seed)
    print(f"{options.kills} kills: {kept} acknowledged changes, none lost; {without} without an answer, none torn")
