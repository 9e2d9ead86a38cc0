"""What the GPU engine decides, on numpy: bounds, room, residence; and its kernels, in Triton's interpreter."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from benches import gpu_contract
from benches.plain_arrays import HostArrays
from hypothesis import given, settings
from hypothesis import strategies as st

from frbench import Gallery, _rust
from frbench.counting.identify import split_first_per_subject
from frbench.engines.gpu import GpuEngine, counting, devices, packing
from frbench.engines.gpu.arrays import Array, Screen, Side, float32_error
from frbench.engines.gpu.packing import GUARD, Centre, packed, tensor_core_error
from frbench.engines.gpu.residence import Residence
from frbench.engines.gpu.screening import Screening
from frbench.engines.gpu.searching import rank_of_sample
from frbench.engines.gpu.settling import unit_rows
from frbench.engines.reference import ReferenceEngine, scores
from frbench.errors import EngineUnavailable, InputError
from frbench.finished_run import FinishedRun
from frbench.plan import Rectangle, float32_not_below
from frbench.runs.identify import run_identify
from frbench.runs.options import Options
from frbench.runs.progress import TerminalProgress
from frbench.runs.verify import run_verify
from tests import ROOT
from tests.worlds import worlds

SCREENS: tuple[Screen, ...] = ("int8", "bf16")
both_screens = pytest.mark.parametrize("screen", SCREENS)


def gaussian(n: int, d: int, seed: int, *, common: float = 0.0) -> np.ndarray:
    """Unit rows without structure, but for a part that all have in common."""
    random = np.random.default_rng(seed)
    return worlds.unit_rows(random.normal(size=(n, d)) + common * random.normal(size=d))[0]


def spiky(n: int, d: int, seed: int) -> np.ndarray:
    """Unit rows of a few large components and many tiny ones: the worst for one scale a row."""
    random = np.random.default_rng(seed)
    return worlds.unit_rows(random.normal(size=(n, d)) * 10.0 ** random.integers(-6, 1, size=(n, d)))[0]


@both_screens
@given(
    n=st.integers(1, 20), d=st.integers(1, 200), common=st.sampled_from([0.0, 2.0]), is_spiky=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
@settings(worlds.FEW)
def test_a_pair_at_its_limit_is_never_sieved_out(
    screen: Screen, n: int, d: int, common: float, is_spiky: bool, seed: int
):
    """Where each probe needs the score of a row, no pair that reaches it is lost."""
    unit = spiky(n, d, seed) if is_spiky else gaussian(n, d, seed, common=common)
    arrays, true = HostArrays(screen), scores(unit, unit)
    rows = packed(unit, Centre.of(unit, arrays), arrays)
    for column in range(min(n, 3)):
        limits = true[:, column]
        found, probe, row = arrays.sieve(
            rows.as_probes(limits, arrays), rows.as_gallery(arrays), upper=False, shift=0, capacity=n * n
        )
        assert found == len(probe)
        assert set(zip(*np.nonzero(true >= limits[:, None]), strict=True)) <= set(zip(probe, row, strict=True))


def cut(x: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """float64 `x` without what lies below the last of the 24 bits of `largest`."""
    last = np.ldexp(1.0, np.frexp(np.abs(largest))[1] - 24)
    return np.trunc(x / last) * last


def cut_sums(terms: np.ndarray, together: int) -> np.ndarray:
    """Sums (...) of float64 terms (..., d) as tensor cores add them: so many at a time and what there is, all cut."""
    total = np.zeros(terms.shape[:-1])
    for start in range(0, terms.shape[-1], together):
        some = np.concatenate([total[..., None], terms[..., start : start + together]], axis=-1)
        added = cut(some, np.abs(some).max(axis=-1, keepdims=True)).sum(axis=-1)
        total = cut(added, added)
    return total


class CutProducts(np.ndarray):
    """Rows whose products a tensor core makes."""

    together = 1

    def __matmul__(self, other: np.ndarray) -> np.ndarray:
        a, b = np.asarray(self), np.asarray(other).T
        return cut_sums(a[:, None, :] * b[None, :, :], self.together)


class CuttingArrays(HostArrays):
    """numpy, with a tensor core's sums in the sieve."""

    def full(self, x: Array) -> Array:
        """See `Arrays.full`."""
        return super().full(x).view(CutProducts)


@given(
    d=st.integers(1, 300), together=st.sampled_from([1, 4, 8, 16]), seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["gaussian", "spiky", "positive", "cancelling"]),
)  # fmt: skip
@settings(worlds.FEW)
def test_a_tensor_core_errs_by_less_than_is_said(d: int, together: int, seed: int, kind: str):
    """Sums that are cut off and never rounded stay within the bound, however many products are added at a time."""
    a, b = (spiky(8, d, seed + i) if kind == "spiky" else gaussian(8, d, seed + i) for i in range(2))
    if kind == "positive":
        a, b = abs(a), abs(b)
    elif kind == "cancelling":
        a[:, d // 2 : d // 2 * 2], b[:, d // 2 : d // 2 * 2] = -a[:, : d // 2], b[:, : d // 2]
    a, b = (HostArrays().brief(side).astype(float) for side in (a, b))
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)

    error = np.abs(cut_sums(a * b, together) - (a * b).sum(axis=1))

    assert (error <= tensor_core_error(d) * norms + 1e-15).all()


def test_a_tensor_core_is_not_taken_to_round():
    """Of 512 positive products, cuts all go one way: the error is far above that of rounding, and below the bound."""
    a, b = (HostArrays().brief(abs(gaussian(20, 512, seed))).astype(float) for seed in (1, 2))
    exact = (a * b).sum(axis=1)
    share = (exact - cut_sums(a * b, 1)) / exact

    assert (share > 2 * np.sqrt(512) * 2.0**-24).all()
    assert (share < tensor_core_error(512)).all()
    assert tensor_core_error(512) == pytest.approx(2 * 512 * 2.0**-21, rel=1e-3)


@pytest.mark.parametrize("is_allowed_for", [True, False])
def test_no_pair_is_lost_where_products_are_cut(monkeypatch: pytest.MonkeyPatch, is_allowed_for: bool):
    """Rows that bfloat16 holds exactly leave nothing else unsaid: only what is allowed for cuts keeps their pairs."""
    arrays = CuttingArrays("bf16")
    unit = arrays.brief(abs(gaussian(5, 4096, 1)))
    if not is_allowed_for:
        monkeypatch.setattr(packing, "CUT", 0.0)
    rows = packed(unit, Centre(np.zeros(4096, np.float32), 0.0, 1e-9), arrays)
    lost = 0
    for limits in scores(unit, unit).T:
        found, _, _ = arrays.sieve(
            rows.as_probes(limits, arrays), rows.as_gallery(arrays), upper=False, shift=0, capacity=25
        )
        lost += int((scores(unit, unit) >= limits[:, None]).sum()) - found

    assert (lost <= 0) == is_allowed_for


@both_screens
def test_the_bound_is_as_narrow_as_it_should_be(screen: Screen):
    """Of 19,900 pairs at d = 512, of which nearly none reaches 0.2, 4.5 standard deviations, a handful is left."""
    unit = gaussian(200, 512, 1)
    arrays = HostArrays(screen)
    rows = packed(unit, Centre.of(unit, arrays), arrays)
    need = np.full(200, 0.2, np.float32)
    found, _, _ = arrays.sieve(
        rows.as_probes(need, arrays), rows.as_gallery(arrays), upper=True, shift=0, capacity=40_000
    )

    assert (scores(unit, unit)[np.triu_indices(200, 1)] >= 0.2).sum() <= found <= 20


@both_screens
def test_what_is_left_unsaid_is_measured(screen: Screen):
    """Kept part plus residual is the centred row: their norms bound its norm, by the triangle, from both sides."""
    unit = gaussian(50, 37, 2, common=1.0)
    arrays = HostArrays(screen)
    centre = Centre.of(unit, arrays)
    rows = packed(unit, centre, arrays)
    norm = np.linalg.norm(unit.astype(float) - centre.mean.astype(float), axis=1)

    assert (np.abs(rows.norm - norm) <= rows.residual * (1 + 1e-6)).all()
    assert (rows.residual <= 0.02 * norm).all()
    assert rows.rows.shape == (50, 128)
    assert not arrays.full(rows.rows)[:, 37:].any()


def test_the_plain_bfloat16_is_rounded_to_nearest_even():
    """1 + 2^-8 lies half-way and goes to the even 1; 1 + 3 * 2^-8 to 1 + 2^-6; all others to the nearer."""
    values = np.float32([1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, -1.0, 0.0])

    assert HostArrays().brief(values).tolist() == [1.0, 1 + 2**-6, 1 + 2**-7, -1.0, 0.0]


def test_scores_are_added_in_the_order_of_the_definition():
    """Where components cancel, the order decides the score: it is the oracle's, and another would be found out."""
    gpu_contract.check_order(HostArrays())

    class Otherwise(HostArrays):
        def scores(self, a: Array, b: Array, a_rows: Array, b_rows: Array) -> Array:
            return (a[a_rows].astype(float) * b[b_rows]).sum(axis=1).astype(np.float32)

    with pytest.raises(gpu_contract.AnswersDiffer, match="cancelling rows: scores at d = "):
        gpu_contract.check_order(Otherwise())


def test_float32_products_err_by_less_than_is_said():
    """The bound of a float32 product holds for 250,000 of numpy's, and is less than a bin of 0.001 up to d = 8,192."""
    unit = gaussian(500, 129, 3)
    error = np.abs((unit @ unit.T).astype(float) - unit.astype(float) @ unit.T.astype(float)).max()

    assert 0 < error <= float32_error(129)
    assert float32_error(8192) < 1e-3
    assert float32_error(1 << 24) == np.inf
    assert GUARD < 1e-5


@given(
    m=st.integers(0, 30), n=st.integers(0, 30), capacity=st.integers(1, 40),
    shift=st.none() | st.integers(-20, 20), share=st.sampled_from([0.0, 0.1, 1.0]), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
@settings(worlds.FEW, max_examples=60)
def test_a_crowded_sieve_loses_no_pair_and_gives_none_twice(
    m: int, n: int, capacity: int, shift: int | None, share: float, seed: int
):
    """Whatever room there is, every hit comes out once."""
    hit = np.random.default_rng(seed).random((m, n)) < share
    # A product of a row of ones and zeros with a column of a unit matrix is the entry itself.
    arrays = HostArrays("bf16")
    probes = Side(hit.astype(np.float32), np.ones(m, np.float32), np.zeros(m, np.float32), np.full(m, 0.5, np.float32))
    gallery = Side(np.eye(n, dtype=np.float32), *[np.ones(n, np.float32)] * 2, np.zeros(n, np.float32))

    found = [
        pair
        for probe, row in Screening(arrays, capacity).pairs(probes, gallery, shift=shift)
        for pair in zip(probe.tolist(), row.tolist(), strict=True)
    ]

    assert sorted(found) == [(i, j) for i, j in zip(*np.nonzero(hit), strict=True) if shift is None or j > i + shift]


def test_a_sieve_learns_how_much_it_may_take_at_a_time(monkeypatch: pytest.MonkeyPatch):
    """4,096 pairs without a hit, room for 8: it begins with 64 times as many, and then takes what is left."""
    arrays, taken = HostArrays("bf16"), []
    sieve = arrays.sieve
    monkeypatch.setattr(
        arrays, "sieve", lambda a, b, **how: taken.append(len(a.rows) * len(b.rows)) or sieve(a, b, **how)
    )
    side = Side(np.zeros((64, 1), np.float32), *[np.ones(64, np.float32)] * 3)
    nowhere = Side(side.rows, side.scale, side.spread, -side.offset)

    assert list(Screening(arrays, 8).pairs(side, nowhere, shift=None)) == []
    assert taken == [512, 512, 1024, 2048]


@given(
    n=st.integers(1, 25), upper=st.booleans(), seed=st.integers(0, 2**32 - 1),
    ranges=st.lists(st.integers(0, 25), min_size=4, max_size=4),
)  # fmt: skip
@settings(worlds.FEW)
def test_pairs_by_cell_are_those_that_one_counts(n: int, upper: bool, seed: int, ranges: list[int]):
    """Numbers of pairs from the numbers of rows, beside one pair after the other."""
    random = np.random.default_rng(seed)
    a, b, c, d = (min(x, n) for x in ranges)
    (a, b), (c, d) = sorted((a, b)), sorted((c, d))
    mine, theirs = (random.integers(3, size=n).astype(np.uint32) for _ in range(2))
    cells = random.integers(4, size=(3, 3)).astype(np.uint32)
    expected = np.zeros(4, np.int64)
    for i in range(a, b):
        for j in range(c, d):
            expected[cells[mine[i], theirs[j]]] += not upper or j > i

    found = counting.pairs_by_cell(Rectangle((a, b), (c, d), upper, mine, theirs, cells, 4))

    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("most_to_settle", [-1.0, 2.0])
def test_both_ways_of_counting_give_the_oracles_counts(monkeypatch: pytest.MonkeyPatch, most_to_settle: float):
    """Sieved or made one by one, counts at edges that are scores are the same, above the bulk and below it."""
    monkeypatch.setattr(counting, "MOST_TO_SETTLE", most_to_settle)
    monkeypatch.setattr(counting, "LOWEST_WORTH_A_SAMPLE", -2.0)
    unit = gaussian(60, 20, 4, common=0.5)
    edges = np.unique(scores(unit[:2], unit).astype(np.float64))
    group = np.arange(60, dtype=np.uint32) % 2
    where = Rectangle((5, 60), (0, 50), True, group, group, np.array([[0, 1], [1, 2]], np.uint32), 3)
    engine = GpuEngine(arrays=[HostArrays()], capacity=100)
    rows, oracle = engine.rows(unit), ReferenceEngine().rows(unit)

    assert np.array_equal(rows.count(rows, edges, where), oracle.count(oracle, edges, where))
    assert set(engine.describe()["screened"]) == {"float32" if most_to_settle < 0 else "int8"}


def test_few_pairs_above_the_lowest_edge_are_sieved():
    """Edges from 0.3 up are far above strangers at d = 128: the engine proves it of nearly all pairs by itself."""
    unit = gaussian(300, 128, 5)
    engine = GpuEngine(arrays=[HostArrays()])
    rows, group = engine.rows(unit), np.zeros(300, np.uint32)
    where = Rectangle((0, 300), (0, 300), True, group, group, np.zeros((1, 1), np.uint32), 1)
    rows.count(rows, np.array([0.35, 0.9]), where)

    assert engine.describe()["screened"] == {"int8": 300 * 299 // 2}
    assert engine.describe()["settled"] < 100


def test_a_guess_that_was_too_high_is_found_out(monkeypatch: pytest.MonkeyPatch):
    """Rows in the order of their scores deceive a sample: the probe is searched again, and its best are the best."""
    random, n = np.random.default_rng(6), 900
    monkeypatch.setattr("frbench.engines.gpu.searching.FEWEST", 50)
    monkeypatch.setattr("frbench.engines.gpu.searching.rank_of_sample", lambda *_: 1)
    unit = worlds.unit_rows(random.normal(size=(n, 16)))[0]
    engine = GpuEngine(arrays=[HostArrays()])
    rows, oracle = engine.rows(unit), ReferenceEngine().rows(unit)
    floors = scores(unit[:40], unit)[:, 7].copy()
    found = rows.search(engine.rows(unit[:40]), 25, floors=floors)
    expected = oracle.search(ReferenceEngine().rows(unit[:40]), 25, floors=floors)

    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_sample_of_everything_needs_no_guess():
    """Of a sample of all rows the k-th best is the k-th best; of one in sixteen, four deviations more than its mean."""
    assert [rank_of_sample(k, 1) for k in (0, 1, 50)] == [0, 1, 50]
    assert rank_of_sample(64, 16) == 4 + 4 * 2 + 1
    assert rank_of_sample(1, 16) == 1


def test_rows_that_do_not_fit_come_and_go(monkeypatch: pytest.MonkeyPatch):
    """What lies on a device never exceeds its room, and rows that fit are brought once."""
    arrays = HostArrays()
    brought: list[int] = []
    put = arrays.put
    monkeypatch.setattr(arrays, "put", lambda host: brought.append(len(host)) or put(host))
    engine = GpuEngine(arrays=[HostArrays()])
    rows = engine.rows(gaussian(100, 10, 7))
    a_row = 4 * 10 + 2 * 128 + 56
    small, large = Residence(arrays, 3 * 8 * a_row), Residence(arrays, 1000 * a_row)

    parts = [(slab.start, start, stop) for slab, start, stop in small.slabs(rows, (5, 30))]
    assert parts == [(0, 5, 8), (8, 0, 8), (16, 0, 8), (24, 0, 6)]
    assert len(small._slabs) == 3
    for _ in range(2):
        assert [len(each[0]) for each in large.slabs(rows, (0, 100))] == [100]
    assert brought == [8, 8, 8, 8, 100]
    del rows
    gc.collect()
    assert not large._slabs


def test_rows_that_are_no_unit_rows_are_refused():
    """Bounds rest on norms of one; a NaN has none."""
    engine = GpuEngine(arrays=[HostArrays()])
    for unit in (np.full((2, 2), 0.9, np.float32), np.float32([[np.nan, 0]])):
        rows = engine.rows(unit)
        with pytest.raises(InputError, match=r"largest norm is (1\.27|nan).*normalise"):
            rows.search(rows, 1)
    with pytest.raises(InputError, match=r"float64 of shape \(2, 2\), expected a matrix \(n, d\) of float32"):
        engine.rows(np.eye(2))
    with pytest.raises(InputError, match="65,536 components"):
        engine.rows(np.zeros((1, 65_537), np.float32))


@given(
    matrix=st.sampled_from([np.float16, np.float32]).flatmap(
        lambda kind: st.builds(
            lambda n, d, seed, power: (np.random.default_rng(seed).normal(size=(n, d)) * 10.0**power).astype(kind),
            st.integers(1, 8), st.integers(1, 40), st.integers(0, 2**32 - 1), st.integers(-44, 37),
        )
    )
)  # fmt: skip
@settings(worlds.FEW)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
def test_unit_rows_have_the_bits_of_the_core(matrix: np.ndarray):
    """Tiny, huge, subnormal, failed: the rows of a device are the core's."""
    matrix[0, 0] = [np.nan, np.inf, 0][matrix.size % 3]
    unit, is_ok = unit_rows(matrix, HostArrays())
    expected = np.empty(matrix.shape, np.float32)

    assert np.array_equal(_rust.unit_rows(matrix, expected), is_ok)
    assert unit.tobytes() == expected.tobytes()


def test_a_limit_in_float32_is_reached_by_the_same_scores():
    """0.7 is no float32: the smallest not below it is the next one up; 0.5 is itself, and beyond all is infinity."""
    limits = float32_not_below(np.array([0.7, 0.5, -0.7, 1e300, -np.inf]))

    assert float(limits[0]) > 0.7 > float(np.nextafter(limits[0], np.float32(0)))
    assert limits[[1, 3, 4]].tolist() == [0.5, np.inf, -np.inf]
    assert float(limits[2]) >= -0.7


def test_a_gallery_searches_on_the_engine_that_it_is_given():
    """The same rows and scores as on the CPU, failed rows included."""
    matrix = np.random.default_rng(8).normal(size=(50, 9))
    matrix[3] = np.nan
    ours, theirs = Gallery(matrix, engine=GpuEngine(arrays=[HostArrays()])), Gallery(matrix)

    for a, b in zip(ours.search(matrix[:5], k=50), theirs.search(matrix[:5], k=50), strict=True):
        assert np.array_equal(a, b)
    assert np.array_equal(ours.count(matrix, [0.1, 0.9]), theirs.count(matrix, [0.1, 0.9]))
    assert ours.isa == "int8"


def test_a_run_on_the_gpu_has_the_results_of_one_on_the_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """`--engine gpu` goes through every step of a run, and the tally and every figure are the same."""
    monkeypatch.setattr(devices, "opened", lambda screen: [HostArrays(screen)])
    random = np.random.default_rng(9)
    unit = gaussian(40, 24, 9, common=1.0)
    sex = random.choice(["f", "m"], size=20).repeat(2).tolist()
    found = worlds.templates(unit, [f"s{i // 2}" for i in range(40)], failed=[7], sex=sex)
    quiet = TerminalProgress(quiet=True)

    def runs(engine: str) -> list[FinishedRun]:
        asked = Options(
            out=tmp_path / engine, groupings=(("sex",),), thresholds=(0.7,), engine=engine, with_report=False
        )
        gallery, probes = split_first_per_subject(found, 5)
        return [
            run_verify(found, asked, pairs=None, failed="reject", progress=quiet, keep_pairs=3, by_subject=True),
            run_identify(gallery, probes, asked, k=5, ranks=(1, 5), progress=quiet, sizes=(5,)),
        ]

    for ours, theirs in zip(runs("gpu"), runs("cpu"), strict=True):
        assert ours.results == theirs.results
        assert ours.tally == theirs.tally
        assert ours.manifest["engine"]["engine"] == "gpu"
        assert ours.manifest["engine"]["devices"] == ["numpy"]


def test_an_instruction_set_is_none_of_the_gpus(tmp_path: Path):
    """--isa speaks of processors: with --engine gpu it is a mistake, and says so."""
    with pytest.raises(InputError, match="--isa says what this machine's processors count with"):
        Options(out=tmp_path, engine="gpu", isa="avx2").open_engine(TerminalProgress(quiet=True))


@both_screens
def test_the_contract_of_the_benchmark_holds_on_numpy(screen: Screen):
    """Ties, near ties, opposite and zero rows, and faces: what a machine with a GPU is held to before it is timed."""
    engine = GpuEngine(arrays=[HostArrays(screen)], capacity=2000)
    names = []
    for name, unit in gpu_contract.worlds(most_rows=100):
        gpu_contract.check(engine, unit, name)
        names.append(name)

    assert "faces, 100 x 128" in names


def test_the_engine_says_what_is_missing(monkeypatch: pytest.MonkeyPatch):
    """There is no way around a GPU that is not there: the error names it and what to do."""
    monkeypatch.setattr(devices, "find_spec", lambda name: None if name == "triton" else object())

    with pytest.raises(EngineUnavailable, match=r"triton is not installed; pip install 'frbench\[gpu\]'"):
        GpuEngine()
    assert devices.found() == []


CONTRACT = """
import numpy as np
from benches import gpu_contract
from benches.plain_arrays import HostArrays
from frbench.engines.gpu import GpuEngine, counting
from frbench.engines.gpu.torch_arrays import TorchArrays
import torch
torch.set_num_threads(1)
fused = {fused}
for most in (-1, 2):
    counting.MOST_TO_SETTLE, counting.LOWEST_WORTH_A_SAMPLE = most, -2
    engine = GpuEngine(arrays=[TorchArrays("cpu", fused=fused)], capacity=900)
    for n, d in ((1, 1), (40, 19), (30, 140)):
        gpu_contract.check(engine, gpu_contract.crowd(n, d), f"{{n}} x {{d}}")
gpu_contract.check_order(engine.arrays)
gpu_contract.check_from_device(GpuEngine(arrays=[TorchArrays("cpu", fused=False)]), torch, "cpu")
"""


@pytest.mark.skipif(not (find_spec("torch") and find_spec("triton")), reason="torch and triton are not installed")
@pytest.mark.parametrize("fused", [True, False])
def test_kernels_and_torch_keep_the_contract(fused: bool):
    """Triton's interpreter runs the kernels on the processor; PyTorch alone does what they do. Both as the CPU."""
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", CONTRACT.format(fused=fused)], env=environment, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
