"""`frbench ann` on Ray: one index a worker, whose proposals are merged, whatever happens to workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from frbench import files
from frbench.candidates import Candidates
from frbench.counting.identify import Identification, search_all, split_first_per_subject
from frbench.engines import Engine
from frbench.engines.ann import FAMILIES
from frbench.engines.cluster.rows import ClusterEngine
from frbench.engines.cluster.runners import Runner
from frbench.engines.cpu import CpuEngine
from frbench.runs.ann import CHANGED
from frbench.runs.exact import NOT_ALIKE, untimed
from frbench.shortcuts.builds import Build, Built, builder
from frbench.shortcuts.proposals import Gallery, ProposedSearch, Proposer
from frbench.templates import load
from tests.commands.test_ann import SPARSE, people
from tests.commands.test_cli import SCHEMA
from tests.endurance.kill_ray_workers import workers_of

K = 5
HNSW = {"M": 4, "ef_construction": 10}
# What depends on the clock, on who was asked, or says who.
OF_THE_RUN = ("plan", "systems", "exact_queries", "build_s", "approximate", "worker_indexes")

pytestmark = pytest.mark.usefixtures("ray_cluster")


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Identification:
    """200 people of whom some are hard to find, in a file that workers can read; one template failed."""
    directory = people(tmp_path_factory.mktemp("people")).directory
    rows = np.load(directory / "t.npy")
    rows[4] = np.nan
    np.save(directory / "t.npy", rows)
    found = load(directory / "t.npy", labels=directory / "l.csv", threads=1)
    return Identification(*split_first_per_subject(found, 100), (), k=K, ranks=(1,), n_blocks=8)


@pytest.fixture(scope="module")
def two_workers() -> Iterator[ClusterEngine]:
    """Two workers of one thread each."""
    engine = Runner(workers=2).open("cpu", None, 1)
    yield engine
    engine.close()


def sparse(build: Build, order: np.ndarray | None = None) -> Built:
    """A graph with few links."""
    return build(FAMILIES["hnsw"], HNSW, seed=1, order=order, advance=lambda _: None)


def candidates(task: Identification, engine: Engine, built: Built, *, effort: int) -> Candidates:
    """Of every probe, as `frbench ann` makes them."""
    proposer = Proposer(Gallery.of(task, engine), built.index, built.order, 0)
    return ProposedSearch(task, engine, proposer).search(effort, {})


def assert_equal(one: Candidates, other: Candidates) -> None:
    """The same lists, and the same of mates."""
    for name in ("scores", "rows", "mate_score", "above_mate"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_a_run_by_one_worker_finds_what_this_program_finds(tmp_path: Path):
    """Rates, recall, reach, orders and changed answers are equal; table, page and manifest say whose index it was."""
    given = people(tmp_path)
    here = given.run("ann", *SPARSE, "--no-report")
    expected, changed = here.results, (here.out / CHANGED).read_text()
    there = given.run("ann", *SPARSE, "--runner", "ray", "--workers", 1)
    results, manifest = there.results, files.read_json(there.out / "manifest.json")

    jsonschema.validate(results, SCHEMA)
    assert without(results, OF_THE_RUN) == without(expected, OF_THE_RUN)
    assert (there.out / CHANGED).read_text() == changed
    assert manifest["options"]["approximate"] == expected["approximate"] | {"workers": 1}
    assert manifest["engine"]["runner"] == "ray"
    (made,) = results["worker_indexes"]
    assert (made["rows"], made["nbytes"], made["seconds"]) == (200, results["index_bytes"], results["build_s"])
    for text in (there.text, there.page):
        assert "1 thread, one index a worker, 1 worker)" in " ".join(text.split())
    assert "queries/s, 1 worker of 1 thread on Ray" in there.text
    assert all(each["queries"]["threads"] == 1 for each in results["systems"])


def without(results: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """The results but for these."""
    return {name: value for name, value in results.items() if name not in names}


def test_an_order_of_insertion_is_that_of_each_worker(task: Identification, two_workers: ClusterEngine):
    """Each inserts its own rows as they stand in the order: half of the usable 199 or 200 rows each."""
    gallery = Gallery.of(task, CpuEngine(threads=1))
    order = np.random.default_rng(2).permutation(len(gallery))
    build = builder(task, gallery, two_workers)
    built = sparse(build, order)
    expected = []
    for worker in range(2):
        places = np.flatnonzero(np.arange(len(gallery)) % 2 == worker)
        own = [row for row in order.tolist() if row in set(places.tolist())]
        index = FAMILIES["hnsw"].build(gallery.unit[own], HNSW, 1, lambda _: None)
        expected.append(np.array(own)[index.propose(gallery.unit[:20], K, K)])

    np.testing.assert_array_equal(built.index.propose(gallery.unit[:20], K, K), np.concatenate(expected, axis=1))
    assert [made.rows for made in built.by_worker] == [100, len(gallery) - 100]
    assert built.index.nbytes == sum(made.nbytes for made in built.by_worker)
    assert built.seconds == max(made.seconds for made in built.by_worker)


def test_with_all_the_effort_every_answer_is_exact(task: Identification, two_workers: ClusterEngine):
    """Proposals of both workers, merged and scored by the definition, are the candidates of the exact search."""
    gallery = Gallery.of(task, two_workers)
    build = builder(task, gallery, two_workers)
    built = build(FAMILIES["hnsw"], {"M": 16, "ef_construction": 200}, seed=1, order=None, advance=lambda _: None)
    found = candidates(task, two_workers, built, effort=len(gallery))
    exact = search_all(task, CpuEngine(threads=1))

    ok = ~task.probes.failed
    np.testing.assert_array_equal(found.rows[ok], exact.rows[ok])
    np.testing.assert_array_equal(found.scores[ok], exact.scores[ok])


def test_killed_workers_build_the_same_indexes_again(task: Identification, two_workers: ClusterEngine):
    """Candidates after both are lost are those before it, in a random order of insertion, and the losses are known."""
    gallery = Gallery.of(task, two_workers)
    order = np.random.default_rng(3).permutation(len(gallery))
    built = sparse(builder(task, gallery, two_workers), order)
    before = candidates(task, two_workers, built, effort=K)
    for process in workers_of(os.getpid()):
        # One of an earlier test may be on its way out.
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)

    assert_equal(candidates(task, two_workers, built, effort=K), before)
    assert len(two_workers.workers.lost) == 2


def test_an_exact_search_in_more_threads_than_the_indexes_is_not_timed():
    """Nobody would learn from both times; the sentence says what would help."""
    engine = Runner(workers=1).open("cpu", None, 2)
    try:
        assert untimed(engine) == NOT_ALIKE
    finally:
        engine.close()
