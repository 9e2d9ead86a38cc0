"""Runs on Ray: the files of one machine, bit for bit, whatever happens to workers, or a sentence that says why not."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import ray

from frbench import files, templates
from frbench.counting.layout import Layout
from frbench.counting.sweep import sweep
from frbench.counting.verify import AllPairs
from frbench.engines import packed
from frbench.engines.cluster import ray_cluster, ray_workers
from frbench.engines.cluster.ray_workers import RayWorkers
from frbench.engines.cluster.runners import Runner
from frbench.engines.cpu import CpuEngine
from frbench.errors import EngineUnavailable, InputError
from frbench.planning.hardware import Hardware
from frbench.planning.sizing import Sizing
from tests.endurance.kill_ray_workers import COMMAND, descendants, tally, workers_of
from tests.worlds import object_store, worlds

Run = Callable[..., int]
ON_RAY = ("--runner", "ray", "--threads", "1", "--workers")


@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize(
    ("workers", "storage", "command", "kept"),
    [
        (2, "a folder", ("verify", "--at", "fmr=1e-1,1e-2", "--keep-pairs", "9", "--per-subject"),
         ("tail.csv", "subjects.csv")),
        (3, "s3://bucket", ("identify", "--at", "fpir=0.1", "--at", "fmr=0.01", "-k", "7", "--gallery-sizes", "5,10"),
         ("candidates.safetensors",)),
    ],
)  # fmt: skip
def test_a_run_by_workers_writes_the_files_of_one_machine(
    tmp_path: Path, population: tuple[str, ...], run: Run, monkeypatch: pytest.MonkeyPatch,
    workers: int, storage: str, command: tuple[str, ...], kept: tuple[str, ...],
):  # fmt: skip
    """Tally, results and lists are equal, byte for byte, read from a copy in storage; the manifest says who counted."""
    for name in ("a folder", "bucket"):
        (tmp_path / name).mkdir()
        shutil.copy(tmp_path / "t.npy", tmp_path / name)
    monkeypatch.chdir(tmp_path)
    with object_store.serving(tmp_path) as address:
        folder = f"{storage}?endpoint_override={address}&scheme=http" if "://" in storage else storage
        on_ray = (*ON_RAY, str(workers), "--storage", folder)
        for out, runner in (("here", ()), ("there", on_ray)):
            assert run(*command, *population, *runner, "--out", str(tmp_path / out), "--quiet") == 0

    for name in ("tally.safetensors", "results.json", *kept):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes(), name
    described = files.read_json(tmp_path / "there" / "manifest.json")["engine"]
    assert (described["runner"], len(described["workers"]), described["lost_workers"]) == ("ray", workers, [])
    assert described["storage"] == folder


@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize(("silence", "says"), [((), True), (("--quiet",), False), (("--json",), False)])
def test_a_terminal_says_that_workers_start(
    tmp_path: Path, population: tuple[str, ...], run: Run, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, silence: tuple[str, ...], says: bool,
):  # fmt: skip
    """Before the first bar; nothing where nobody wants to hear it."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert run("verify", *population, *ON_RAY, "1", *silence, "--out", str(tmp_path / "out")) == 0

    said = capsys.readouterr().err
    if says:
        assert 0 < said.index("starting 1 worker on Ray") < said.index("set threshold")
    else:
        assert said == ""


@pytest.mark.parametrize(
    ("runner", "said"),
    [
        (Runner(), "starting workers on Ray"),
        (Runner(workers=2), "starting 2 workers on Ray"),
        (Runner(address="10.0.0.5:6379"), "starting workers on the Ray cluster at 10.0.0.5:6379"),
    ],
)
def test_what_is_waited_for_is_named(runner: Runner, said: str):
    """How many workers, where they were asked for, and whose cluster."""
    assert runner.starting == said


@pytest.mark.usefixtures("ray_cluster")
def test_a_killed_worker_costs_time_and_no_count(population: tuple[str, ...], capsys: pytest.CaptureFixture[str]):
    """The tally is whole, each loss is known, and nothing is said where results go."""
    found = templates.load(population[0], labels=population[2])
    layout = Layout.of(found, ("sex",), 8)
    choice, killed = random.Random(1), []
    engine = Runner(workers=2).open("cpu", None, 1)
    counter = AllPairs(layout, engine)
    plan = counter.plan((0.0, 0.5))

    def count(tile: tuple[int, int]) -> np.ndarray:
        if tile in ((0, 3), (2, 5), (7, 7)):
            killed.append(choice.choice(workers_of(os.getpid())))
            os.kill(killed[-1], signal.SIGKILL)
        return counter.count(plan, tile)

    try:
        assert sweep(plan, count) == sweep(plan, partial(AllPairs(layout, CpuEngine()).count, plan))
        assert len(engine.describe()["lost_workers"]) == len(killed) == 3
    finally:
        engine.close()
    with pytest.raises(EngineUnavailable, match="the workers were ended"):
        count((1, 1))
    assert capsys.readouterr().out == ""


class Deadly:
    """Something that ends its worker each time."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def end(self) -> None:
        """Does not return."""
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.usefixtures("ray_cluster")
def test_a_worker_that_is_lost_again_and_again_is_given_up(monkeypatch: pytest.MonkeyPatch):
    """Work that kills every worker is not tried forever."""
    monkeypatch.setattr(ray_workers, "MOST_LOSSES", 2)
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    workers = RayWorkers(Deadly, 1, threads=1)
    try:
        with pytest.raises(EngineUnavailable, match="worker 0 was lost 2 times in a row"):
            list(workers.map("end", [[()]]))
        assert len(workers.lost) == 1
    finally:
        workers.close()
        ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.mark.usefixtures("ray_cluster")
def test_a_worker_for_which_there_is_no_room_is_waited_for_so_long(monkeypatch: pytest.MonkeyPatch):
    """A machine with nine processors that is gone: those that are left have eight."""
    workers = RayWorkers(str, 1, threads=1)
    monkeypatch.setattr(ray_workers, "START_S", 1.0)
    try:
        (process,) = workers_of(os.getpid())
        workers.threads = 9
        os.kill(process, signal.SIGKILL)
        with pytest.raises(EngineUnavailable, match=r"worker 0 was lost \(.*\), and in 1 s no machine .* had room"):
            list(workers.map("upper", [[()]]))
    finally:
        workers.close()


@pytest.mark.usefixtures("ray_cluster")
def test_workers_of_another_release_are_refused(monkeypatch: pytest.MonkeyPatch):
    """What they count would be of another definition, perhaps."""
    monkeypatch.setattr(ray_workers, "version", lambda _: "999.0")
    with pytest.raises(EngineUnavailable, match=r"a machine of the cluster has frbench .*, this one 999\.0"):
        RayWorkers(str, 1, threads=1)


@pytest.mark.usefixtures("ray_cluster")
def test_workers_that_lack_what_they_need_are_not_tried_again(monkeypatch: pytest.MonkeyPatch):
    """A module that only this program can find, as frbench is one where nobody installed it."""
    held = type("Held", (), {"__module__": "only_here"})
    only_here = ModuleType("only_here")
    only_here.Held = held
    monkeypatch.setitem(sys.modules, "only_here", only_here)

    with pytest.raises(EngineUnavailable, match=r"cannot be started \(ModuleNotFoundError: .*; install frbench"):
        RayWorkers(held, 1, threads=1)


@pytest.mark.usefixtures("ray_cluster")
def test_rows_are_few_or_of_any_float_and_the_search_is_the_same(tmp_path: Path):
    """Galleries with fewer rows than workers, lists longer than a part, failed rows, six kinds of numbers."""
    draw = np.random.default_rng(1)
    probes, _ = worlds.unit_rows(draw.standard_normal((5, 16)))
    engine, here = Runner(workers=3).open("cpu", None, 1), CpuEngine()
    try:
        few = [(n, "<f4") for n in (1, 2, 4)]
        for n, kind in [*few, *((50, f"{order}f{size}") for order in "<>" for size in (2, 4, 8))]:
            gallery = draw.standard_normal((n, 16))
            gallery[3::10], gallery[4::10] = np.nan, 0.0
            np.save(tmp_path / "g.npy", gallery.astype(kind))
            found = templates.load(tmp_path / "g.npy")
            for k in {1, n}:
                there, expected = (
                    packed(each, found, np.arange(n)).search(each.rows(probes), k, floors=np.zeros(5, np.float32))
                    for each in (engine, here)
                )
                for a, b in zip(there, expected, strict=True):
                    np.testing.assert_array_equal(a, b)
    finally:
        engine.close()


@pytest.mark.usefixtures("ray_cluster")
def test_workers_that_find_another_file_count_nothing(
    tmp_path: Path, population: tuple[str, ...], run: Run, capsys: pytest.CaptureFixture[str]
):
    """The file in storage must hold the rows of the one that is here; the sentence of the worker is the last one."""
    (tmp_path / "storage").mkdir()
    np.save(tmp_path / "storage" / "t.npy", np.ones((90, 8), np.float32))
    arguments = (*ON_RAY, "1", "--storage", str(tmp_path / "storage"), "--out", str(tmp_path / "out"))
    assert run("verify", *population, "--quiet", *arguments) == 2
    assert "storage/t.npy holds other rows than this program was given" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--workers", "2"), "--workers is for workers of a cluster; add --runner ray"),
        (("--storage", "s3://bucket"), "--storage is for workers of a cluster; add --runner ray"),
        (("--runner", "ray", "--engine", "grpc://127.0.0.1:1"), "name no servers with --engine"),
        (("--runner", "ray", "--storage", "s3://k:s@bucket"), "the folder of files names a key or a password"),
        (("--runner", "ray", "--workers", "1000000"), "1,000,000 workers take 190,921 GiB before they read a row"),
    ],
)
def test_a_mistake_about_runners_is_one_sentence(
    tmp_path: Path, population: tuple[str, ...], run: Run, capsys: pytest.CaptureFixture[str],
    more: tuple[str, ...], message: str,
):  # fmt: skip
    """Exit code 2, and the sentence last."""
    assert run("verify", *population, *more, "--out", str(tmp_path / "out"), "--quiet") == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.usefixtures("ray_cluster")
def test_too_many_workers_for_a_cluster_are_refused():
    """Rather than waited for: nine threads do not fit eight processors."""
    with pytest.raises(ValueError, match="9 workers of 1 threads do not fit the 8 processors of this Ray cluster"):
        Runner(workers=9).open("cpu", None, 1)


def test_a_cluster_that_is_not_there_is_said_at_once(
    tmp_path: Path, population: tuple[str, ...], run: Run, capsys: pytest.CaptureFixture[str]
):
    """Ray itself would ask again for minutes."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{reserved.getsockname()[1]}"
        more = ("--runner", "ray", "--address", address, "--out", str(tmp_path / "out"), "--quiet")
        assert run("verify", *population, *more) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"no Ray cluster at {address}: Connection refused" in said


@pytest.mark.usefixtures("ray_cluster")
def test_a_process_of_one_cluster_is_not_sent_to_another():
    """Rather than be counted where nobody wanted."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(InputError, match="has joined a Ray cluster"):
            Runner(address=address).open("cpu", None, 1)


def test_ray_that_is_missing_is_one_sentence(
    tmp_path: Path,
    population: tuple[str, ...],
    run: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    """The sentence names the extra."""
    monkeypatch.setitem(sys.modules, "ray", None)
    assert run("verify", *population, *ON_RAY, "2", "--out", str(tmp_path / "out"), "--quiet") == 2
    assert "pip install 'frbench[ray]'" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.usefixtures("ray_cluster")
def test_a_worker_has_the_memory_that_was_planned(tmp_path: Path):
    """100,000 rows of 512 numbers: 205 MB of floats and 58 MB of integers beside what any worker has, within 20%."""
    n, d = 100_000, 512
    np.save(tmp_path / "g.npy", np.random.default_rng(1).standard_normal((n, d), dtype=np.float32))
    found = templates.load(tmp_path / "g.npy")
    engine = Runner(workers=1).open("cpu", None, 1)
    try:
        packed(engine, found, np.arange(n)).search(engine.rows(found.unit[:64]), 10)
        (worker,) = engine.describe()["workers"]
    finally:
        engine.close()
    plain = Hardware(memory_gib=64, dimension=d, comparisons_per_s=1, rows_read_per_s=1, rows_prepared_per_s=1,
                     candidates_merged_per_s=1)  # fmt: skip
    planned = Sizing(gallery=n, probes=64, dimension=d, hardware=plain).worker_bytes
    assert 0.8 < worker["peak_bytes"] / planned < 1.2


@pytest.fixture
def interrupted(tmp_path: Path) -> Iterator[tuple[int, int, list[int]]]:
    """Number and exit code of a run on Ray that got Ctrl-C when it had kept something, and processes it had.

    The run of somebody who has never had Ray: nothing of it is in the environment or at home.
    """
    out = tmp_path / "out"
    bare = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "frbench", *COMMAND, *ON_RAY, "2", "--checkpoint-every", "0", "--out", str(out)],
        start_new_session=True,
        env=bare | {"HOME": str(tmp_path)},
    )
    try:
        while process.poll() is None and not any(out.glob(".*.partial")):
            time.sleep(0.02)
        others = list(descendants(process.pid))
        os.killpg(process.pid, signal.SIGINT)
        yield process.pid, process.wait(60), others
    finally:
        process.kill()


def test_an_interruption_leaves_what_was_counted_and_nothing_else(
    tmp_path: Path, interrupted: tuple[int, int, list[int]]
):
    """Exit code 130; no process and no file of the cluster is left; one machine goes on with the same tally.

    A token that Ray draws by itself would be a file at home: the one of the run is nowhere but in its environment.
    """
    pid, code, others = interrupted
    assert code == 130
    assert others
    end = time.monotonic() + 20
    while any(map(files.is_alive, others)) and time.monotonic() < end:
        time.sleep(0.05)
    assert [process for process in others if files.is_alive(process)] == []
    assert list(Path(tempfile.gettempdir()).glob(f"{ray_cluster.TEMPORARY}{pid}-*")) == []
    assert not (tmp_path / ".ray").exists()
    kept = files.load_tally(next((tmp_path / "out").glob(".*.partial")))
    assert 0 < len(kept.tiles)
    assert tally(tmp_path / "out", "--threads", "1") == tally(tmp_path / "fresh", "--threads", "1")
