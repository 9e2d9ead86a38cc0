"""Timed searches: as many as were asked for, of the right answers, and never added twice."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from frbench.counting.gallery import Gallery
from frbench.counting.latency import LatencyTask, check_answer, measure, measure_runs
from frbench.errors import InputError, PlanMismatch, TileCountedTwice
from frbench.templates import Templates
from tests.endurance.kill_ray_workers import descendants
from tests.worlds import servers, worlds


def population(n: int, seed: int, *, failed: tuple[int, ...] = ()) -> Templates:
    """Rows of two groups in turn."""
    unit, _ = worlds.unit_rows(np.random.default_rng(seed).normal(size=(n, 8)))
    sex = ["f" if i % 2 else "m" for i in range(n)]
    return worlds.templates(unit, [f"s{i}" for i in range(n)], failed=failed, sex=sex)


def task(**changed) -> LatencyTask:
    """A search that takes microseconds."""
    values = {
        "gallery": population(50, 1),
        "probes": population(10, 2, failed=(4,)),
        "columns": ("sex",),
        "hardware": "this machine",
        "k": 3,
        "batches": (1, 4),
        "requests": 20,
        "threads": 1,
    }
    return LatencyTask(**(values | changed))


def test_every_group_and_batch_size_gets_the_requests_declared():
    """Two groups and two batch sizes of 20 requests each; warm-up is not counted, and every request has a time."""
    tally = measure(task(), run=7)

    assert tally.total.sum(axis=1).tolist() == [20] * 4
    assert tally.tiles == frozenset({(7, 7)})
    assert tally.pick(mated=False).unscored == 0
    assert tally.touching[7].sum() == tally.total.sum() == 80


def test_warm_up_is_not_counted(monkeypatch: pytest.MonkeyPatch):
    """The first 5% of requests take a second each, all later ones 2 microseconds: no second is in the tally."""
    warm_up = 4  # 5% of 80
    took = [10**9] * warm_up + [2000] * 80
    clock = iter(np.cumsum([x for t in took for x in (1, t)]).tolist())
    monkeypatch.setattr("frbench.counting.latency.time.perf_counter_ns", lambda: next(clock))
    tally = measure(task(), run=0)
    slow = int(np.searchsorted(tally.plan.axis, 1e8))

    assert tally.pick(mated=False).at_or_above(slow) == 0
    assert tally.pick(mated=False).trials == 80
    assert next(clock, None) is None


def test_a_group_whose_probes_all_failed_gets_none():
    """Nothing can be searched, and nothing is made up."""
    probes = population(4, 2, failed=(0, 2))
    tally = measure(task(probes=probes), run=0)

    assert tally.plan.groups == (("f",), ("m",))
    assert tally.total.sum(axis=1).tolist() == [20, 20, 0, 0]


def test_runs_add_and_the_same_run_is_refused():
    """Two runs are 160 requests; one run twice is a mistake."""
    first, second = measure(task(), run=1), measure(task(), run=2)

    assert (first + second).pick(mated=False).trials == 160
    with pytest.raises(TileCountedTwice, match=r"\(1, 1\)"):
        first + measure(task(), run=1)


@pytest.mark.parametrize(
    "changed",
    [
        {"hardware": "another machine"},
        {"k": 4},
        {"batches": (1, 8)},
        {"threads": 2},
        {"isa": "scalar"},
        {"gallery": population(51, 1)},
        {"probes": population(11, 2)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_times_of_other_searches_do_not_add(changed: dict):
    """Other hardware, threads, instruction set, gallery, probes, k or batches are another plan."""
    with pytest.raises(PlanMismatch):
        measure(task(requests=1), run=1) + measure(task(requests=1, **changed), run=2)


def test_runs_in_processes_of_their_own_add_up():
    """Two fresh processes of 5 requests for each of 4 cells; progress is told after each."""
    told: list[int] = []
    tally = measure_runs(task(requests=5), 2, told.append)

    assert told == [20, 20]
    assert tally.total.sum() == 40
    assert len(tally.tiles) == 2


def test_a_search_with_wrong_answers_reports_no_time():
    """The gallery searched must be the gallery declared: one row other than declared is found out."""
    declared = task(k=50)
    wrong = declared.gallery.unit.copy()
    wrong[17] = -wrong[17]

    check_answer(Gallery(declared.gallery.unit), declared)
    with pytest.raises(AssertionError, match="no time is reported"):
        check_answer(Gallery(wrong), declared)


def test_an_answer_checked_includes_failed_rows():
    """A gallery with failed rows is searched and checked without them."""
    declared = task(gallery=population(50, 1, failed=(3, 49)), k=50)

    check_answer(Gallery(declared.gallery.unit), declared)
    assert measure(declared, run=0).total.sum() == 80


def test_the_first_row_of_a_gallery_may_have_failed():
    """A failed enrolment in the first row changes nothing about the plan."""
    assert task(gallery=population(50, 1, failed=(0,))).plan().details["gallery"] == 50


def test_the_plan_says_what_was_timed():
    """A time means nothing without the search it belongs to."""
    details = task(isa="scalar").plan().details

    assert (details["gallery"], details["dimension"], details["k"], details["batches"]) == (50, 8, 3, [1, 4])
    assert (details["isa"], details["threads"]) == ("scalar", 1)
    assert task().plan().kind == "latency"


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"k": 0}, "k is 0, expected 1 to 50"),
        ({"k": 51}, "k is 51, expected 1 to 50"),
        ({"requests": 0}, "at least 1"),
        ({"batches": ()}, "at least 1"),
        ({"batches": (1, 0)}, "at least 1"),
        ({"probes": worlds.two_groups().templates}, "dimension 4, the gallery has 8"),
    ],
)
def test_options_without_sense_are_refused(changed: dict, named: str):
    """Mistakes are found before anything is timed."""
    with pytest.raises(InputError, match=named):
        task(**changed)
    with pytest.raises(InputError, match="number of runs is 0"):
        measure_runs(dataclasses.replace(task()), 0)


def has_the_core(pid: int) -> bool:
    """Whether a process has loaded the compiled module."""
    return "_rust" in Path(f"/proc/{pid}/maps").read_text()


def test_a_killed_command_leaves_no_process_behind(tmp_path: Path):
    """SIGKILL of `frbench latency` ends the process that measures, too: its end of the pipe closes."""
    np.save(tmp_path / "t.npy", np.random.default_rng(1).normal(size=(200, 8)).astype(np.float32))
    (tmp_path / "l.csv").write_text("subject_id\n" + "\n".join(f"s{i // 2}" for i in range(200)) + "\n")
    files = (str(tmp_path / "t.npy"), "--labels", str(tmp_path / "l.csv"), "--out", str(tmp_path / "out"))
    command = [sys.executable, "-m", "frbench", "latency", *files, "--requests", "1000000", "--runs", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    servers.until(lambda: any(map(has_the_core, descendants(process.pid))))
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)

    process.kill()

    # The measuring process holds the same standard error: it reads as ended only when both are gone.
    assert process.communicate(timeout=30)[1] == b""
