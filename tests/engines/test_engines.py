"""One contract for every engine: the tallies and candidates of the oracle, bit for bit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from benches.plain_arrays import HostArrays
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from frbench import _rust
from frbench.counting.identify import Identification, search_all
from frbench.engines import Engine
from frbench.engines.cluster.rows import ClusterEngine, ClusterRows
from frbench.engines.cluster.runners import Runner
from frbench.engines.cpu import CpuEngine
from frbench.engines.gpu import GpuEngine, devices
from frbench.engines.reference import ReferenceEngine
from frbench.engines.remote import RemoteEngine
from frbench.errors import EngineUnavailable
from frbench.inputs.storage import Location, Stored
from frbench.plan import Rectangle, digest_of
from frbench.templates import Templates
from tests.worlds import worlds

ENGINES: dict[str, Engine] = {
    "reference": ReferenceEngine(),
    **{
        f"cpu-{isa}-{threads}": CpuEngine(isa=isa, threads=threads)
        for isa in _rust.kernels()
        for threads in (1, 2, 3, 8)
    },
    "cpu": CpuEngine(),
    # What the GPU engine decides, on numpy; with so little room that sieves are cut and rows come and go.
    "gpu-logic": GpuEngine(arrays=[HostArrays()]),
    "gpu-logic-crowded": GpuEngine(arrays=[HostArrays("bf16")] * 2, capacity=16, most_bytes=20_000),
    **({} if devices.missing() else {f"gpu-{screen}": GpuEngine(screen=screen) for screen in ("int8", "bf16")}),
}
REMOTE = {"grpc-1": "server", "grpc-3": "three_servers"}
every_engine = pytest.mark.parametrize("engine", [*ENGINES, *REMOTE, "ray-2"], indirect=True)


class OnRay(ClusterEngine):
    """Workers on Ray, which find rows in a folder that every gallery is written to."""

    def __init__(self, folder: Path) -> None:
        opened = Runner(workers=2).open("cpu", None, 1)
        super().__init__(opened.workers, opened.here)
        self._folder_of_rows = folder

    def rows(self, unit: np.ndarray) -> ClusterRows:
        """Rows that are stored, so that they can be a gallery."""
        return ClusterRows(self, unit, np.arange(len(unit)), self._stored(unit))

    def rows_of(self, templates: Templates, numbers: np.ndarray) -> ClusterRows:
        """Rows of templates that were made in memory."""
        return ClusterRows(self, templates.unit, numbers, self._stored(templates.unit).take(numbers))

    def _stored(self, unit: np.ndarray) -> Stored:
        path = self._folder_of_rows / f"{digest_of(unit)}.npy"
        np.save(path, unit)
        return Stored(Location(str(path), is_unit=True))


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The engine of a name."""
    if request.param in ENGINES:
        yield ENGINES[request.param]
        return
    if request.param == "ray-2":
        request.getfixturevalue("ray_cluster")
        workers = OnRay(request.getfixturevalue("tmp_path_factory").mktemp("rows"))
        yield workers
        workers.close()
        return
    found = request.getfixturevalue(REMOTE[request.param])
    remote = RemoteEngine([each.target for each in (found if isinstance(found, list) else [found])])
    yield remote
    remote.close()


def assert_same_candidates(task: Identification, engine: Engine) -> None:
    """Holds an engine's candidates to the oracle's, every array, every bit."""
    found, expected = search_all(task, engine), search_all(task, ReferenceEngine())
    assert found.search == expected.search
    assert found.shards == expected.shards
    for name, array in expected.arrays().items():
        assert found.arrays()[name].tobytes() == array.tobytes(), name


@every_engine
@given(world=worlds.random_worlds())
@settings(worlds.FEW, max_examples=10)
def test_every_engine_gives_the_tally_of_the_oracle(engine: Engine, world: worlds.World):
    """Instruction set, threads and number of blocks do not change a count."""
    assert world.counted_by(engine) == world.tally


@every_engine
@given(task=worlds.searches())
@settings(worlds.FEW, max_examples=10)
def test_every_engine_gives_the_candidates_of_the_oracle(engine: Engine, task: Identification):
    """Candidates, scores, mate scores and ranks are the oracle's; ties go to the lower row."""
    assert_same_candidates(task, engine)


@pytest.mark.parametrize("n_blocks", [1, 2, 31, 32, 40])
def test_the_number_of_blocks_changes_no_total(n_blocks: int):
    """Blocks divide the work, not the counts."""
    found = worlds.two_groups().templates
    world = worlds.World(found, n_blocks=n_blocks)

    assert worlds.by_name(world.plan, world.counted_by(CpuEngine()).total) == worlds.enumerated(world)


def crowd(n: int, d: int, seed: int) -> np.ndarray:
    """Unit rows, a third of which occur twice, and a third of which lie within a few float32 of another."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(n, d))
    third = n // 3
    rows[:third] = rows[third : 2 * third]
    rows[2 * third :] = rows[: n - 2 * third] * (1 + 1e-7 * random.normal(size=(n - 2 * third, d)))
    return worlds.unit_rows(rows)[0]


@pytest.mark.parametrize("isa", _rust.kernels())
@pytest.mark.parametrize(("n", "d"), [(700, 17), (333, 129), (90, 512)])
def test_large_rows_agree_with_float64_blas(isa: str, n: int, d: int):
    """Counts at edges that are scores, and searches among near duplicates, equal plain float64 numpy.

    BLAS adds in another order, so its float64 sums differ by at most d * 2^-53 < 6e-14, 1e-6 of the spacing of
    float32 near one: of these half a million pairs none is known to round to another float32, and a fixed seed
    keeps it so.
    """
    unit = crowd(n, d, seed=n)
    scores = (unit.astype(np.float64) @ unit.T.astype(np.float64)).astype(np.float32)
    group = np.arange(n, dtype=np.uint32) % 3
    edges = np.unique(np.concatenate([scores[0, :40], scores[5, -40:], [-1, 0, 0.1, 1]]).astype(np.float64))
    rows = CpuEngine(isa=isa, threads=2).rows(unit)
    cells = np.arange(9, dtype=np.uint32).reshape(3, 3)
    where = Rectangle((0, n), (0, n), True, group, group, cells, 9)
    counts = rows.count(rows, edges, where)
    i, j = np.triu_indices(n, k=1)
    expected = np.zeros((9, len(edges) + 1), np.uint64)
    bins = np.searchsorted(edges, scores[i, j].astype(np.float64), side="right")
    np.add.at(expected, (cells[group[i], group[j]], bins), np.uint64(1))
    np.testing.assert_array_equal(counts, expected)

    best, at, above = rows.search(rows, 10, floors=scores[:, 1].copy())
    order = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    np.testing.assert_array_equal(at, order)
    np.testing.assert_array_equal(best, np.take_along_axis(scores, order, axis=1))
    np.testing.assert_array_equal(above, (scores >= scores[:, 1:2]).sum(axis=1))


@every_engine
def test_ranges_count_a_rectangle_and_nothing_else(engine: Engine):
    """Rows outside the ranges are not counted; `upper` keeps pairs whose gallery row comes later."""
    unit = crowd(40, 5, seed=1)
    rows, zeros = engine.rows(unit), np.zeros(40, np.uint32)
    one, edges = np.zeros((1, 1), np.uint32), np.array([-1.5])

    def pairs(probes: tuple[int, int], gallery: tuple[int, int], upper: bool) -> int:
        return int(rows.count(rows, edges, Rectangle(probes, gallery, upper, zeros, zeros, one, 1)).sum())

    assert pairs((3, 20), (5, 40), False) == 17 * 35
    assert pairs((10, 30), (10, 30), True) == 20 * 19 // 2
    assert pairs((7, 7), (0, 40), False) == 0


@every_engine
def test_an_edge_is_compared_as_float64(engine: Engine):
    """0.7 is no float32: a score of the float32 just below it is rejected, and of its own float32 accepted."""
    # The other component meets a zero: the score is the product of two float32, rounded to float32; 1 * x is x.
    below = np.float32(0.7)
    assert float(below) < 0.7
    firsts = np.array([1.0, below, np.nextafter(below, np.float32(1))], np.float32)
    rows = engine.rows(np.stack([firsts, np.sqrt(1 - firsts**2)], axis=1))
    zeros = np.zeros(3, np.uint32)
    where = Rectangle((0, 1), (1, 3), False, zeros, zeros, np.zeros((1, 1), np.uint32), 1)
    counts = rows.count(rows, np.array([float(below), 0.7]), where)

    assert counts.tolist() == [[0, 1, 1]]


@every_engine
@given(world=worlds.random_templates(), seed=st.integers(0, 2**32 - 1))
@settings(worlds.FEW, max_examples=5)
def test_scores_of_pairs_are_the_oracles(engine: Engine, world, seed: int):
    """Scores of chosen pairs have the bits of the definition."""
    random = np.random.default_rng(seed)
    a, b = random.integers(len(world), size=(2, 30))
    oracle = ReferenceEngine().rows(world.unit)
    rows = engine.rows(world.unit)

    assert rows.score_pairs(rows, a, b).tobytes() == oracle.score_pairs(oracle, a, b).tobytes()


@every_engine
@given(found=worlds.random_templates(), n=st.integers(0, 40), upper=st.booleans(), seed=st.integers(0, 2**32 - 1))
@settings(worlds.FEW, max_examples=15)
def test_every_engine_keeps_the_tail_of_the_oracle(engine: Engine, found, n: int, upper: bool, seed: int):
    """Cells, scores and rows of the best pairs of a rectangle, whatever groups, subjects and floors there are."""
    unit = found.unit[~found.failed]
    random, size = np.random.default_rng(seed), len(unit)
    assume(size)
    group, subject = (random.integers(k, size=size).astype(np.uint32) for k in (3, 8))
    probes, gallery = (tuple(np.sort(random.integers(size + 1, size=2)).tolist()) for _ in range(2))
    if upper:
        gallery = probes
    # Floors below every score, at scores that occur, between, and above all.
    some = ReferenceEngine().rows(unit)
    scores = some.score_pairs(some, *random.integers(size, size=(2, 3))).astype(np.float64)
    floors = np.concatenate([[-np.inf, np.inf], scores, [0.1]])
    cells = random.integers(6, size=(3, 3)).astype(np.uint32)

    where = Rectangle(probes, gallery, upper, group, group, cells, len(floors))

    def tail(by: Engine) -> list[bytes]:
        rows = by.rows(unit)
        kept = rows.tail(rows, n, floors, where, (subject, subject))
        assert [column.dtype for column in kept] == [np.int64, np.float32, np.int64, np.int64]
        # A zero may be either: their order is that of the rows.
        return [(column + 0).tobytes() for column in kept]

    assert tail(engine) == tail(ReferenceEngine())


@every_engine
def test_a_search_for_more_than_there_is_is_refused(engine: Engine):
    """k above the number of rows is an error of the caller."""
    rows = engine.rows(np.eye(3, dtype=np.float32))

    with pytest.raises(ValueError, match="k is 4, but the gallery has 3 rows"):
        rows.search(rows, 4)


@every_engine
def test_an_engine_describes_itself(engine: Engine):
    """A manifest names engine, instruction set and threads, how the CPU's counts were come by, and who counted."""
    more = {
        "reference": set(),
        "cpu": {"screened", "settled"},
        "gpu": {"screened", "settled", "devices", "gpus"},
        "grpc": {"screened", "settled", "servers", "lost"},
        "ray": {"screened", "settled", "runner", "ray", "address", "storage", "workers", "lost_workers"},
    }
    described = engine.describe()
    assert described.keys() == {"engine", "isa", "threads"} | more[described.get("runner", engine.name)]
    assert engine.describe()["engine"] == engine.name
    assert engine.describe()["threads"] >= 1


def test_an_instruction_set_that_is_not_there_is_refused():
    """The message names the wish and what there is."""
    with pytest.raises(EngineUnavailable, match=r"z80.*scalar"):
        CpuEngine(isa="z80")


def test_the_environment_chooses_an_instruction_set(monkeypatch: pytest.MonkeyPatch):
    """FRBENCH_ISA is the wish of whoever runs the program; an argument is stronger."""
    monkeypatch.setitem(os.environ, "FRBENCH_ISA", "scalar")

    assert CpuEngine().isa == "scalar"
    assert CpuEngine(isa=_rust.kernels()[0]).isa == _rust.kernels()[0]
    monkeypatch.setitem(os.environ, "FRBENCH_ISA", "z80")
    with pytest.raises(EngineUnavailable, match="z80"):
        CpuEngine()


@pytest.mark.parametrize("edges", [[], [0.5, 0.5], [0.5, 0.4], [float("nan")], [float("inf")]])
def test_an_axis_that_does_not_increase_is_refused(edges: list[float]):
    """Edges are finite and increase."""
    with pytest.raises(ValueError, match="edge"):
        _rust.Axis(np.array(edges, dtype=np.float64))
