"""Hypothesis: no clocks, machines differ; the same examples each time in CI. Servers, and a browser."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser

import browser as browsers
import explorations
import servers
from browser import Watched
from explorations import Report
from frbench.cluster.ray_workers import local_cluster

NO_CLOCKS = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("local", **NO_CLOCKS)
settings.register_profile("ci", **NO_CLOCKS, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


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
    """A Ray cluster that tests share: runners of this process find it, and leave it as it is."""
    with local_cluster(processors=8):
        yield
