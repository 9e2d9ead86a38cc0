"""Lets a test count templates, read estimates, and hold them against rules.

    def test_new_model(frbench_run):
        run = frbench_run("new.npy", labels="labels.csv", group="sex", at="fmr=1e-3")
        assert run.estimate("fnmr[sex=female] at fmr=1e-3").high < 0.05
        run.gate("gates.toml", baseline="old.npy")

Files are found beside the test, then in the root of the project. A run is counted once a session.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from frbench.testing import Counted, Counts, Defaults

OPTIONS = {
    "rules": "File of rules of frbench gates.",
    "baseline": "Run directory or templates that changes are held against.",
    "labels": "Labels of templates.",
    "doubt": "What an inconclusive row does: fail, warn or pass, instead of what rules say.",
    "summary": "File that the Markdown of every gate is added to.",
    "out": "Directory that counted runs are kept in.",
}
DOUBTS = ("fail", "warn", "pass")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Every option may stand in the configuration, as frbench_rules, or on the command line, as --frbench-rules."""
    group = parser.getgroup("frbench", "face-recognition gates")
    for name, help_text in OPTIONS.items():
        group.addoption(
            f"--frbench-{name}", default=None, metavar="PATH" if name != "doubt" else "DOUBT", help=help_text
        )
        parser.addini(f"frbench_{name}", help_text, default=None)


def pytest_configure(config: pytest.Config) -> None:
    """Refuses an option that means nothing before any test runs."""
    doubt = _option(config, "doubt")
    if doubt is not None and doubt not in DOUBTS:
        raise pytest.UsageError(f"frbench_doubt is '{doubt}', expected one of: {', '.join(DOUBTS)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A gate that does not pass shows its figures, and no lines of code."""
    report = yield
    error = None if call.excinfo is None else call.excinfo.value
    if type(error).__name__ == "GateFailed" and type(error).__module__ == "frbench.testing":
        report.longrepr = f"{item.nodeid}\n{error}"
    return report


@pytest.fixture(scope="session")
def frbench_counts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Counts:
    """The runs that this session counted."""
    # The engines are loaded by the first test that counts, not by every session of pytest.
    from frbench.testing import Counts

    out = _path(request.config, "out", request.config.invocation_params.dir)
    if out is None:
        return Counts(lambda name: tmp_path_factory.mktemp(name))
    made: list[str] = []

    def make(name: str) -> Path:
        made.append(name)
        n = made.count(name)
        return out / (name if n == 1 else f"{name}-{n}")

    return Counts(make)


@pytest.fixture
def frbench_run(request: pytest.FixtureRequest, frbench_counts: Counts) -> Callable[..., Counted]:
    """Counts templates: `frbench_run("new.npy", labels="labels.csv", group="sex", at="fmr=1e-3")`.

    group : label columns, "sex" or ["sex", "region,sex"]. at : rates to set thresholds at. thresholds : given ones.
    kind : "verify" or "identify". A run directory may stand for templates.
    """
    from frbench.testing import Asked, Counted, groups_of

    config = request.config
    places = [request.path.parent, config.rootpath]

    def find(path: str | Path) -> Path:
        found = next((place / path for place in places if (place / path).exists()), places[0] / path)
        return found.resolve()

    def run(
        templates: str | Path,
        *,
        labels: str | Path | None = None,
        group: str | Sequence[str] = (),
        thresholds: Sequence[float] = (),
        **more: Any,
    ) -> Counted:
        of_all = _path(config, "labels", config.rootpath)
        asked = Asked(
            find(templates),
            of_all if labels is None else find(labels),
            groups_of(group),
            thresholds=tuple(thresholds),
            **more,
        )
        return Counted(asked, frbench_counts.run(asked), frbench_counts, _defaults(config), find)

    return run


def _defaults(config: pytest.Config) -> Defaults:
    from frbench.testing import Defaults

    root, here = config.rootpath, config.invocation_params.dir
    doubt: Any = _option(config, "doubt")
    return Defaults(
        _path(config, "rules", root), _path(config, "baseline", root), doubt, _path(config, "summary", here)
    )


def _option(config: pytest.Config, name: str) -> str | None:
    """What the command line says, or else the configuration."""
    given: str | None = config.getoption(f"--frbench-{name}")
    return given or config.getini(f"frbench_{name}") or None


def _path(config: pytest.Config, name: str, root: Path) -> Path | None:
    """A path of the command line from where it was typed, one of the configuration from `root`."""
    typed = config.getoption(f"--frbench-{name}")
    if typed:
        return Path(config.invocation_params.dir / typed).resolve()
    said = config.getini(f"frbench_{name}")
    return (root / said).resolve() if said else None
