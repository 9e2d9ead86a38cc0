"""Fixtures of the races, and what is printed and written after them."""

from __future__ import annotations

import gc
import os
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from benches import machine, race, table, workload
from benches.race import Contestant, Work

RESULTS = pytest.StashKey[list[dict[str, Any]]]()

Run = Callable[..., None]


@pytest.fixture(scope="session")
def size(pytestconfig: pytest.Config) -> workload.Size:
    """How much is run: everything if timed, a little if only answers are checked."""
    return workload.size(is_timed=not pytestconfig.getoption("benchmark_disable") or _is_enabled(pytestconfig))


@pytest.fixture(scope="module", autouse=True)
def memory() -> Iterator[None]:
    """Matrices of one module are gone before the next makes its own."""
    yield
    gc.collect()


@pytest.fixture
def run(benchmark: Any, size: workload.Size, pytestconfig: pytest.Config) -> Run:
    """Run a race whose answers were checked, and keep its result for the JSON and the table."""

    def run(work: Work, contestants: Sequence[Contestant], *, rounds: int) -> None:
        benchmark.group = f"{work.series or work.name}: {work.label or work.size}"
        seed = zlib.crc32(benchmark.fullname.encode())
        started, busy = time.perf_counter(), machine.busy_s()
        seconds = race.run(benchmark, contestants, rounds=size.turns(rounds), seed=seed)
        if seconds is not None:
            capacity = (time.perf_counter() - started) * (os.cpu_count() or 1)
            result = race.result(work, contestants, seconds) | {"others": (machine.busy_s() - busy) / capacity}
            benchmark.extra_info.update(result)
            pytestconfig.stash.setdefault(RESULTS, []).append(result)

    return run


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Add what a time depends on."""
    machine_info["race"] = machine.describe()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print every race, then the cells that are lost or even."""
    results = config.stash.get(RESULTS, [])
    if not results:
        return
    terminalreporter.section("races: ratio = median of contestant / median of frbench [95% interval]")
    for line in (line for made in table.tables(results) for line in made.text()):
        terminalreporter.write_line(line)
    terminalreporter.write_line(f"noise: {table.noise(results)}")
    for title, lines in (("lost", table.lost(results)), ("even", table.even(results))):
        terminalreporter.write_line(f"{title}: {len(lines)}")
        for line in lines:
            terminalreporter.write_line(f"  {line}")


def _is_enabled(config: pytest.Config) -> bool:
    return bool(config.getoption("benchmark_enable"))
