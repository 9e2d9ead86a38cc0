"""examples/ci: what a user copies runs as it stands: its workflow, its Makefile and its tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

import frbench
from frbench import files
from tests import ROOT

EXAMPLE = ROOT / "examples" / "ci"
WORKFLOW = yaml.safe_load((EXAMPLE / ".github" / "workflows" / "gate.yml").read_text())
STEPS = WORKFLOW["jobs"]["gate"]["steps"]
SPEED = [step for step in STEPS if step.get("name", "").startswith("Speed")]


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example in a directory of its own, with programs that use this interpreter."""
    where = tmp_path_factory.mktemp("example") / "ci"
    shutil.copytree(EXAMPLE, where, ignore=shutil.ignore_patterns("out", "__pycache__"))
    programs = where / "bin"
    programs.mkdir()
    for name, command in (("frbench", "-m frbench"), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n')
        (programs / name).chmod(0o755)
    return where


def run(copied: Path, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A command in the copy; the plugin is named for trees that are not installed."""
    environment = (
        os.environ
        | more
        | {
            "PATH": os.pathsep.join([str(copied / "bin"), os.environ["PATH"]]),
            "PYTHONPATH": str(Path(frbench.__file__).parent.parent),
            "PYTEST_PLUGINS": "frbench.pytest_plugin",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "GITHUB_STEP_SUMMARY": str(copied / "summary.md"),
        }
    )
    return subprocess.run(
        command, cwd=copied, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_the_steps_of_the_workflow_run(copied: Path):
    """All but the installation, as a runner runs them: `bash -e` on a file, one after the other; speed is below."""
    wanted = [step for step in STEPS if "run" in step and step["name"] != "Install" and step not in SPEED]
    assert [step["name"] for step in wanted] == ["Tests", "Count", "Gate"]
    for step in wanted:
        (copied / "step.sh").write_text(step["run"])
        done = run(copied, "bash", "-e", "step.sh")
        assert done.returncode == 0, done.stdout + done.stderr

    assert files.read_json(copied / "out" / "gate" / "gate.json", schema="frbench.gate")["outcome"] == "pass"
    assert "### gate: pass" in (copied / "summary.md").read_text()
    suite = ElementTree.parse(copied / "out" / "tests.xml").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "0", "0")


def test_the_steps_of_speed_run(copied: Path):
    """Shorter than in the workflow: whether so few pairs are enough is up to the machine, but both steps agree."""
    speed, summary = SPEED
    (copied / "step.sh").write_text(speed["run"].replace("--budget 120s", "--budget 4s"))
    measured = run(copied, "bash", "-e", "step.sh", **speed["env"])
    (copied / "step.sh").write_text(summary["run"])
    gated = run(copied, "bash", "-e", "step.sh")
    found = files.read_json(copied / "out" / "ab" / "ab.json", schema="frbench.ab/1")

    assert measured.returncode in (0, 4), measured.stderr
    assert gated.returncode == measured.returncode, gated.stderr
    assert found["design"]["budget_s"] == 4
    assert [found["commands"][side][-1] for side in "ab"] == ["templates/old.npy", "templates/new.npy"]
    assert set(found["metrics"]) == {"search"}
    assert "change of median\\[search\\]" in (copied / "summary.md").read_text()
    assert (copied / "out" / "speed" / "gate.xml").exists()


def test_speed_is_summarised_after_a_failure():
    """Of the step before it, unless that was never begun."""
    speed, summary = SPEED

    assert summary["if"] == f"${{{{ !cancelled() && steps.{speed['id']}.outcome != 'skipped' }}}}"


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_speed_is_the_step_of_the_workflow(copied: Path):
    """The same words, and the same threads."""
    makefile = (EXAMPLE / "Makefile").read_text()
    said = run(copied, "make", "--no-print-directory", "-n", "speed").stdout.replace("\\\n", " ")

    assert said.split() == SPEED[0]["run"].split()
    for name, value in SPEED[0]["env"].items():
        assert f"\nspeed: export {name} = {value}\n" in makefile


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_stops_a_worse_model(copied: Path):
    """The baseline's templates turned into noise for half of the people: code 1 in the message of make."""
    import numpy as np

    worse = copied.parent / "worse"
    shutil.copytree(copied, worse)
    rows = np.load(worse / "templates" / "old.npy")
    rows[::2] = np.random.default_rng(1).normal(size=rows[::2].shape)
    np.save(worse / "templates" / "new.npy", rows)
    done = run(worse, "make", "gate")

    assert done.returncode == 2
    assert re.search(r"gate\] Error 1$", done.stderr, re.MULTILINE)
    assert "change of fnmr at fmr=1e-2" in done.stdout


def test_the_step_that_keeps_figures_runs_after_a_failure():
    """Else they are lost when they are needed."""
    (kept,) = (step for step in STEPS if "upload-artifact" in step.get("uses", ""))

    assert kept["if"] == "always()"
    assert WORKFLOW["permissions"] == {"contents": "read"}


def test_the_package_declares_its_plugin():
    """An installed frbench brings the fixture by itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["entry-points"]["pytest11"] == {"frbench": "frbench.pytest_plugin"}
