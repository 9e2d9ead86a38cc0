"""What a run takes on paper: numbers that a person can work out, and what must hold for all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frbench.engines.ann import FAMILIES
from frbench.engines.cluster.parts import STORE_BYTES
from frbench.engines.cluster.runners import WORKER_BYTES
from frbench.engines.cpu import CpuEngine
from frbench.errors import InputError
from frbench.planning.hardware import Hardware
from frbench.planning.sizing import SHARE_OF_MEMORY, Sizing, hnsw_saved_bytes, packed_bytes

GIB = 1 << 30
MACHINE = Hardware(
    memory_gib=100,
    dimension=512,
    comparisons_per_s=1e9,
    rows_read_per_s=1e5,
    rows_prepared_per_s=1e6,
    candidates_merged_per_s=1e7,
    settled_share=0.01,
    workers=2,
    network_bytes_per_s=1e8,
    price_per_hour=3.0,
    currency="EUR",
)


def test_a_small_gallery_takes_what_arithmetic_says():
    """Ten million rows, a thousand probes, one machine of two workers."""
    found = Sizing(gallery=10**7, probes=1000, dimension=512, hardware=MACHINE)

    assert (found.machines, found.workers, found.rows_of_worker) == (1, 2, 5_000_000)
    # Floats of 5,000,000 rows are 10.2 GB, below a quarter of 100 GiB: they stay in memory.
    # Eight pieces of 32 probes, of 2 KiB each, beside them.
    assert found.worker_bytes == WORKER_BYTES + 8 * 32 * 2048 + 5_000_000 * (4 * 512 + 512 + 16)
    assert found.disk_bytes == 0
    assert found.pairs == 10**10
    assert found.settled == 1e8
    assert found.prepare_s == pytest.approx(10.001)
    assert found.read_s == 50
    assert found.compare_s == 5
    # Two workers return 50 candidates of each of 1,000 probes.
    assert found.merge_s == pytest.approx(0.01)
    assert found.travel_s == pytest.approx(1000 * 512 * 4 / 1e8)
    assert found.hours == pytest.approx((10.001 + 50 + 5 + 0.01 + 0.02048) / 3600)
    assert found.price == pytest.approx(3.0 * found.hours)


def test_all_pairs_are_counted_once():
    """Without probes: n (n - 1) / 2 pairs, no candidates, and every row travels."""
    found = Sizing(gallery=1000, probes=None, dimension=256, hardware=MACHINE)

    assert found.pairs == 499_500
    assert found.merge_s == 0
    assert found.travel_s == pytest.approx(1000 * 256 * 4 / 1e8)
    # Half the dimension, half the time.
    assert found.compare_s == pytest.approx(499_500 / 2 / 1e9 / 2)
    # Eight pieces of 32 rows, and what is laid out of one and of half as much, beside 500 rows.
    assert found.worker_bytes == WORKER_BYTES + (8 + 9 / 8) * 32 * 1024 + 500 * (4 * 256 + 256 + 16)


def test_what_travels_takes_no_more_than_its_store():
    """Ten million probes of 2 KiB: eight pieces would be 512 MiB."""
    many, few = (Sizing(gallery=10**6, probes=probes, dimension=512, hardware=MACHINE) for probes in (10**7, 1))

    assert many.worker_bytes - few.worker_bytes == STORE_BYTES - 8 * 2048


def test_a_large_gallery_has_its_floats_on_disk():
    """Three billion rows: 6 TB of floats on disks, 1.6 TB of integers in memory."""
    found = Sizing(gallery=3 * 10**9, probes=10**5, dimension=512, hardware=MACHINE)

    # 3e9 * 528 bytes, by 0.8 * 100 GiB less 0.41 GB for two workers without rows: 18.5.
    assert found.machines == 19
    assert found.disk_bytes == found.rows_of_worker * 2048
    assert found.worker_bytes == WORKER_BYTES + 8 * 3125 * 2048 + found.rows_of_worker * 528
    assert not found.fits(18)


@given(
    st.integers(1, 10**12),
    st.integers(1, 4096),
    st.floats(1.0, 4096.0),
    st.integers(1, 4),
    st.none() | st.integers(2, 64),
)
def test_machines_that_are_planned_hold_the_gallery(
    gallery: int, dimension: int, memory_gib: float, workers: int, links: int | None
):
    """All workers of a machine fit the share that they may fill, with an index each or without, and hold every row."""
    hardware = replace(MACHINE, memory_gib=memory_gib, workers=workers)
    found = Sizing(gallery=gallery, probes=1, dimension=dimension, hardware=hardware, hnsw_links=links)

    assert workers * found.worker_bytes <= SHARE_OF_MEMORY * memory_gib * GIB
    assert found.workers * found.rows_of_worker >= gallery


def test_unknown_prices_networks_and_shares_are_not_zero():
    """What nobody measured is None."""
    hardware = replace(MACHINE, settled_share=None, network_bytes_per_s=None, price_per_hour=None)
    found = Sizing(gallery=1000, probes=1, dimension=512, hardware=hardware)

    assert (found.settled, found.storage_s, found.travel_s, found.price) == (None, None, None, None)
    assert found.hours > 0


def test_machines_that_there_are_are_used_or_too_few():
    """Three are taken though one were enough; one is refused where nineteen are needed, and says so."""
    three = replace(MACHINE, machines=3)
    assert Sizing(gallery=1000, probes=1, dimension=512, hardware=three).machines == 3
    with pytest.raises(InputError, match="need 19 machines of 100 GiB, the hardware file names 3"):
        assert Sizing(gallery=3 * 10**9, probes=1, dimension=512, hardware=three).machines
    with pytest.raises(InputError, match="has no room for 2 workers"):
        assert Sizing(gallery=10, probes=1, dimension=1, hardware=replace(MACHINE, memory_gib=0.1)).machines
    with pytest.raises(InputError, match="probes is 0, expected 1 or more"):
        Sizing(gallery=10, probes=0, dimension=1, hardware=MACHINE)


def test_what_takes_time_beside_pairs_is_added():
    """A pass through all rows in each of 32 blocks of probes, a list of each probe, labels of each row."""
    more = replace(MACHINE, rows_passed_per_s=1e8, lists_per_s=1e4, labels_prepared_per_s=5e5)
    found, few = (Sizing(gallery=10**7, probes=probes, dimension=256, hardware=more) for probes in (1000, 10))

    # Half the dimension, half the time of everything but labels.
    assert found.compare_s == pytest.approx((5 + 32 * 0.05 + 0.1) / 2)
    assert few.compare_s == pytest.approx((0.05 + 10 * 0.05 + 0.001) / 2)
    assert found.prepare_s == pytest.approx(10.001 / 2 + 10_001_000 / 5e5)
    # 250,000 probes of 1 KiB travel in pieces of 64 MiB; a block of them takes less than one.
    assert [replace(found, probes=n).calls for n in (1, 31, 250_000, 2_600_000)] == [1, 31, 32, 40]


def test_rows_come_from_storage_twice_unless_half_of_a_machine_holds_them():
    """A gallery of 20 GB comes once to one machine; one of 6 TB twice to the program, and once to its workers."""
    stored = replace(MACHINE, storage_bytes_per_s=1e9)
    small, large = (Sizing(gallery=n, probes=1, dimension=512, hardware=stored) for n in (10**7, 3 * 10**9))

    assert small.storage_s == pytest.approx(20.48, rel=1e-6)
    assert large.storage_s == pytest.approx(2 * 6144 + 2 * large.rows_of_worker * 2048 / 1e9, rel=1e-6)
    assert large.hours > (large.storage_s or 0) / 3600


@pytest.mark.parametrize(("dimension", "links"), [(8, 4), (8, 16), (40, 32)])
def test_an_index_of_hnswlib_takes_what_is_said(dimension: int, links: int):
    """Its saved bytes, to the spread of the levels that are drawn; a worker is given more, for what is not saved."""
    pytest.importorskip("hnswlib")
    n = 5000
    unit = np.random.default_rng(0).standard_normal((n, dimension)).astype(np.float32)
    parameters = {"M": links, "ef_construction": 10}
    found = FAMILIES["hnsw"].build(unit, parameters, 1, lambda _: None).nbytes
    planned, without = (Sizing(n, 1, dimension, replace(MACHINE, workers=1), hnsw_links=m) for m in (links, None))

    # A row has 1 / (M - 1) levels above the lowest on average, geometrically: six standard errors of the mean.
    spread = 6 * 4 * (links + 1) * np.sqrt(links * n) / (links - 1)
    # Its header, which does not grow.
    assert abs(found - n * hnsw_saved_bytes(dimension, links)) < spread + 200
    assert found < planned.index_bytes == planned.worker_bytes - without.worker_bytes


@pytest.mark.parametrize(("dimension", "expected"), [(1, 80), (64, 80), (65, 144), (512, 528)])
def test_packed_rows_are_filled_up(dimension: int, expected: int):
    """To a multiple of 64 integers, and sixteen bytes beside them."""
    assert packed_bytes(dimension) == expected


@pytest.mark.parametrize("dimension", [1, 63, 128, 512, 513])
def test_packed_rows_take_no_more_than_is_said(dimension: int):
    """The engine's own number, of the kernel of this machine; up to fifteen rows are added to fill a panel."""
    n = 1000
    unit = np.zeros((n, dimension), np.float32)
    unit[:, 0] = 1
    bytes_packed = CpuEngine(threads=1).rows(unit).pack()
    assert 4 * n <= bytes_packed <= (n + 15) * packed_bytes(dimension)
