"""Hypothesis: no clocks, machines differ; the same examples each time in CI. What test files share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser

from frbench import cli
from frbench.engines.cluster.ray_cluster import local_cluster
from tests.worlds import browser as browsers
from tests.worlds import explorations, servers
from tests.worlds.browser import Watched
from tests.worlds.explorations import Report

NO_CLOCKS = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("local", **NO_CLOCKS)
settings.register_profile("ci", **NO_CLOCKS, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Says which process runs which test, where there are several."""
    from tests.side_by_side import Together

    return Together(config, log)


@pytest.fixture(scope="session")
def server() -> Iterator[servers.Running]:
    """A server that tests share: each uses galleries of its own, and none ends it."""
    with servers.running() as one:
        yield one


@pytest.fixture(scope="session")
def three_servers(server: servers.Running) -> Iterator[list[servers.Running]]:
    """Three servers that tests share."""
    with servers.several(2) as others:
        yield [server, *others]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser that tests share: each opens pages of its own."""
    with browsers.opened() as one:
        yield one


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Comparisons and searches of one population, reported at one threshold."""
    directory = tmp_path_factory.mktemp("explorer")
    inputs = explorations.write_population(directory)
    runs = {kind: explorations.run(kind, directory / kind, inputs, [0.9])[0] for kind in explorations.KINDS}
    return Report(explorations.write_page(directory, *runs.values()), runs, inputs)


@pytest.fixture
def watched(browser: Browser, reported: Report) -> Iterator[Watched]:
    """The page, opened; nothing goes wrong in it."""
    one = Watched(browser, viewport={"width": 1200, "height": 900}, accept_downloads=True)
    one.open(reported.path)
    yield one
    assert one.wrong == []
    one.context.close()


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A Ray cluster that tests share: runners of this process find it, and leave it as it is.

    Its workers have credentials, as an object store asks for some.
    """
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "somebody")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "anything")
        with local_cluster(processors=8):
            yield


@pytest.fixture
def population(tmp_path: Path) -> tuple[str, ...]:
    """Arguments that name templates, of which one failed, and their labels."""
    rows = np.random.default_rng(1).normal(size=(90, 8)).astype(np.float32)
    rows[7] = np.nan
    np.save(tmp_path / "t.npy", rows)
    lines = [f"t{i},s{i // 3},{'female' if i % 6 < 3 else 'male'}" for i in range(90)]
    (tmp_path / "l.csv").write_text("\n".join(["template_id,subject_id,sex", *lines]))
    return str(tmp_path / "t.npy"), "--labels", str(tmp_path / "l.csv"), "--group", "sex", "--blocks", "8"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs a command line; its exit code."""

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["frbench", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code

    return run
