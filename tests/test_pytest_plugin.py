"""The pytest plugin in a user's project: runs are counted once, and a failed test shows figures."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from frbench import files

pytest_plugins = ["pytester"]

RULES = '[[rule]]\nclaim = "fnmr[sex] at 0.6"\ngroup = "each"\nupper = {upper}\ndoubt = "{doubt}"\n'
CHANGE = '[[rule]]\nchange = "fnmr at 0.6"\nupper = "{upper}"\n'
HEAD = 'RUN = dict(labels="labels.csv", group="sex", thresholds=[0.6])\n'


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with templates of 120 images of 60 people, in two versions, and rules.

    The plugin is named, and not found a second time where the package is installed.
    """
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    random = np.random.default_rng(1)
    images = np.repeat(random.normal(size=(60, 8)), 2, axis=0)
    for name, noise in (("new", 0.3), ("bad", 1.5)):
        rows = images + noise * np.random.default_rng(2).normal(size=images.shape)
        np.save(pytester.path / f"{name}.npy", rows.astype(np.float32))
    lines = [f"t{i},s{i // 2},{'female' if i % 4 < 2 else 'male'}" for i in range(120)]
    (pytester.path / "labels.csv").write_text("\n".join(["template_id,subject_id,sex", *lines]))
    (pytester.path / "gates.toml").write_text(RULES.format(upper=0.5, doubt="fail"))
    (pytester.path / "change.toml").write_text(CHANGE.format(upper="0%"))
    pytester.makeini("[pytest]\n")
    return pytester


def run(project: pytest.Pytester, test: str, *arguments: str) -> pytest.RunResult:
    """pytest on one file of tests, in this process."""
    project.makepyfile(test_model=HEAD + test)
    return project.runpytest("-p", "frbench.pytest_plugin", "-p", "no:cacheprovider", *arguments)


def output(result: pytest.RunResult) -> str:
    """What pytest printed."""
    return "\n".join(result.outlines)


def test_a_model_that_keeps_the_rules_passes(project: pytest.Pytester):
    """The gate is returned: its rows can be looked at."""
    result = run(
        project,
        """
def test_new_model(frbench_run):
    found = frbench_run("new.npy", **RUN).gate("gates.toml")
    assert [row.outcome for row in found.rows] == ["pass", "pass"]
""",
    )
    result.assert_outcomes(passed=1)


def test_a_failed_gate_shows_its_figures_and_no_code(project: pytest.Pytester):
    """Value, interval, k / n and bound of the rows that failed, and how often that happens by chance."""
    result = run(
        project,
        """
def test_new_model(frbench_run):
    frbench_run("bad.npy", **RUN).gate("gates.toml")
""",
    )
    result.assert_outcomes(failed=1)
    text = output(result)

    assert re.search(
        r"fail: fnmr\[sex=female\] at 0\.6 is [\d.]+% \(95% interval .* to .*\), bound <= 50%; \d+ / 30", text
    )
    assert "gate: fail; 0 of 2 rows pass, 2 fail" in text
    assert "with a probability of at most 0.01" in text
    assert "def gate" not in text
    assert "counted.py" not in text


def test_an_estimate_is_asserted_with_its_figures(project: pytest.Pytester):
    """Value, low, high, k and n."""
    result = run(
        project,
        """
import pytest
from frbench import FrbenchError

def test_rate(frbench_run):
    fnmr = frbench_run("new.npy", **RUN).estimate("fnmr[sex=female] at 0.6")
    assert (fnmr.n, fnmr.k) == (30, round(30 * fnmr.value))
    assert fnmr.low <= fnmr.value <= fnmr.high

def test_refused(frbench_run):
    with pytest.raises(FrbenchError, match="only female, male"):
        frbench_run("new.npy", **RUN).estimate("fnmr[sex=x] at 0.6")
""",
    )
    result.assert_outcomes(passed=2)


def test_templates_are_counted_once_a_session(project: pytest.Pytester):
    """The same file with the same options is one run; another option is another."""
    result = run(
        project,
        """
def test_first(frbench_run, frbench_counts):
    frbench_run("new.npy", **RUN)
    assert len(frbench_counts.runs) == 1

def test_again(frbench_run, frbench_counts):
    one, other = frbench_run("new.npy", **RUN), frbench_run("new.npy", **RUN)
    assert one.run is other.run
    assert len(frbench_counts.runs) == 1

def test_otherwise(frbench_run, frbench_counts):
    frbench_run("new.npy", labels="labels.csv", thresholds=[0.5])
    assert len(frbench_counts.runs) == 2
""",
        "--frbench-out=kept",
    )
    result.assert_outcomes(passed=3)
    kept = sorted(path.name for path in (project.path / "kept").iterdir())
    assert kept == ["new", "new-2"]
    assert files.read_json(project.path / "kept" / "new" / "results.json", schema="frbench.results")["thresholds"] == [
        0.6
    ]


@pytest.mark.parametrize("baseline", ["new.npy", "kept", None])
def test_a_baseline_is_templates_or_a_run_or_from_the_configuration(project: pytest.Pytester, baseline: str | None):
    """A worse model fails against the one before, whichever way that is named."""
    project.makeini("[pytest]\nfrbench_baseline = new.npy\nfrbench_rules = change.toml\nfrbench_labels = labels.csv\n")
    result = run(
        project,
        f"""
import shutil

def test_new_model(frbench_run, frbench_counts, request):
    old = frbench_run("new.npy", **RUN)
    baseline = {baseline!r}
    if baseline == "kept":
        baseline = next(request.config.rootpath.glob("out/new*"))
    assert frbench_run("new.npy", **RUN).gate(baseline=baseline).outcome == "pass"
    frbench_run("bad.npy", group="sex", thresholds=[0.6]).gate("change.toml", baseline=baseline)
""",
        "--frbench-out=out",
    )
    result.assert_outcomes(failed=1)
    assert re.search(r"fail: change of fnmr at 0\.6 is \+.*; baseline \d+ / 60; run \d+ / 60", output(result))


def test_no_baseline_is_an_error_that_says_so(project: pytest.Pytester):
    """Neither passed nor skipped."""
    result = run(
        project,
        """
def test_nothing(frbench_run):
    frbench_run("new.npy", **RUN).gate("change.toml")

def test_nowhere(frbench_run):
    frbench_run("new.npy", **RUN).gate("change.toml", baseline="gone.npy")
""",
    )
    result.assert_outcomes(failed=2)
    assert "there is no baseline; give --baseline" in output(result)
    assert "there is no baseline at" in output(result)


@pytest.mark.parametrize(
    ("doubt", "outcomes"), [("fail", {"failed": 1}), ("warn", {"passed": 1, "warnings": 1}), ("pass", {"passed": 1})]
)
def test_doubt_fails_warns_or_passes(project: pytest.Pytester, doubt: str, outcomes: dict[str, int]):
    """As the command line says, before what the rules say."""
    result = run(
        project,
        """
def test_new_model(frbench_run):
    run = frbench_run("new.npy", **RUN)
    value = run.estimate("fnmr at 0.6").value
    with open("open.toml", "w") as file:
        file.write(f'[[rule]]\\nclaim = "fnmr at 0.6"\\nupper = {1.05 * value}')
    run.gate("open.toml")
""",
        f"--frbench-doubt={doubt}",
        "-Wdefault",
    )
    result.assert_outcomes(**outcomes)
    if doubt != "pass":
        assert "would settle it" in output(result)


def test_a_doubt_that_means_nothing_is_refused_before_any_test(project: pytest.Pytester):
    """Usage, code 4 of pytest."""
    result = run(project, "def test_a(): pass", "--frbench-doubt=maybe")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*frbench_doubt is 'maybe', expected one of: fail, warn, pass"])


def test_a_summary_has_every_gate(project: pytest.Pytester):
    """Markdown of one that passes and one that fails."""
    run(
        project,
        """
def test_good(frbench_run):
    frbench_run("new.npy", **RUN).gate("gates.toml")

def test_bad(frbench_run):
    frbench_run("bad.npy", **RUN).gate("gates.toml")
""",
        "--frbench-summary=job.md",
    )
    text = (project.path / "job.md").read_text()

    assert re.findall("### gate: [a-z]+", text) == ["### gate: pass", "### gate: fail"]


def test_searches_can_be_gated(project: pytest.Pytester):
    """The first image of each person is enrolled."""
    project.path.joinpath("search.toml").write_text('[[rule]]\nclaim = "fnir rank 1"\nupper = 0.5\n')
    result = run(
        project,
        """
def test_search(frbench_run):
    run = frbench_run("new.npy", labels="labels.csv", kind="identify", nonmated_subjects=10, thresholds=[0.6])
    assert run.run.results["kind"] == "identify"
    run.gate("search.toml")
""",
    )
    result.assert_outcomes(passed=1)


def test_files_are_found_beside_the_test_and_then_in_the_root(project: pytest.Pytester):
    """A test in a folder has its own templates, and those of the project."""
    folder = project.mkdir("tests")
    for name in ("new.npy", "labels.csv"):
        (folder / name).write_bytes((project.path / name).read_bytes())
    (project.path / "new.npy").unlink()
    text = 'def test_a(frbench_run):\n    frbench_run("new.npy", **RUN).gate("gates.toml")\n'
    Path(folder / "test_inside.py").write_text(HEAD + text)

    run(project, "", "tests").assert_outcomes(passed=1)
