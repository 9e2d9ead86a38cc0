"""Folders: what a run finds in its directory goes if frbench wrote it, and stays if somebody else did."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from frbench import files
from frbench.runs import directory
from frbench.runs.directory import earlier
from tests.commands.test_cli import World, world  # noqa: F401

IDENTIFY = ("identify", "--thresholds", "0.5", "-k", 5, "--nonmated-subjects", 4)
# Commands by what they leave beside the files of every run.
RUNS = {
    "tail.csv subjects.csv": ("verify", "--thresholds", "0.5", "--keep-pairs", 3, "--per-subject"),
    "report.html": ("verify", "--thresholds", "0.5"),
    "candidates.safetensors": (*IDENTIFY, "--no-report"),
    "changed.csv report.html": (
        "ann", "--thresholds", "0.5", "-k", 5, "--effort", 5, "--rebuilds", 1, "--nonmated-subjects", 4
    ),
}  # fmt: skip
ALWAYS = {"manifest.json", "tally.safetensors", "results.json"}


def names(directory: Path) -> set[str]:
    """Files of a directory, below it, too."""
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


def run(world: World, command: str, *options: object) -> tuple[int, str, str]:  # noqa: F811
    """A command on the templates of the world, and without a page where it is not what is asked for."""
    bare = command == "verify" and "--keep-pairs" in options
    given = (command, world.templates, "--labels", world.labels, "--group", "sex", "--out", world.out)
    return world.run(*given, "--threads", 1, "--quiet", *(["--no-report"] if bare else []), *options)


def test_a_directory_holds_the_files_of_its_last_run(world: World):  # noqa: F811
    """Whatever ran there before: each run after each other one, and as its manifest lists them."""
    order = [list(RUNS)[i] for i in (0, 1, 0, 2, 0, 3, 1, 2, 1, 3, 2, 3, 0)]
    assert sorted(itertools.pairwise(order)) == sorted(itertools.permutations(RUNS, 2))
    for left in order:
        assert run(world, *RUNS[left])[0] == 0
        assert names(world.out) == ALWAYS | set(left.split())
        assert set(files.read_json(world.out / "manifest.json")["files"]) == names(world.out)


def test_what_was_made_of_a_run_goes_with_it(world: World):  # noqa: F811
    """Its exports, the verdict of a gate, a comparison and a signature."""
    run(world, *RUNS["tail.csv subjects.csv"])
    rules = world.file("gates.toml", '[[rule]]\nclaim = "fmr at 0.5"\nupper = 1\n')
    key = world.directory / "auditor.key"
    for command in (
        ("export", world.out),
        ("export", world.out, "--to", "bob4"),
        ("gate", world.out, "--rules", rules, "--out", world.out),
        ("report", "keygen", key),
        ("report", world.out, "--sign", key),
    ):
        assert world.run(*command)[0] == 0
    files.write_json(world.out / "comparison.json", {"schema": "frbench.comparison"})
    made = {"gate.json", "gate.xml", "gate.md", "signature.json", "export/cells.csv", "export/scores.bob4.txt"}
    assert made <= names(world.out)

    assert run(world, *RUNS["candidates.safetensors"])[0] == 0

    assert names(world.out) == ALWAYS | {"candidates.safetensors"}
    assert not (world.out / "export").exists()


STRANGE = {
    "notes.txt": "mine",
    "subjects.csv": "subject_id,name\n",
    "changed.csv": "file,author\n",
    "latency.wrk.hgrm": "of wrk",
    "gate.xml": "<testsuite/>",
    "comparison.json": '{"winner": "us"}',
    "report.html": "<title>Of another program</title>",
    "export/groups.csv": "mine",
    "export/mine.csv": "mine",
}


def test_files_of_others_stay(world: World):  # noqa: F811
    """Under names that frbench uses, too, whether they were there before the first run or came after it."""
    run(world, *RUNS["candidates.safetensors"])
    assert world.run("export", world.out)[0] == 0
    for name, text in STRANGE.items():
        (world.out / name).write_text(text)
    for _ in range(2):
        assert run(world, *RUNS["candidates.safetensors"])[0] == 0
        assert {name: (world.out / name).read_text() for name in STRANGE} == STRANGE


@pytest.mark.parametrize(
    "listed", [None, ["manifest.json", "../kept", "/etc/kept", "kept", ".kept", "latency.a/../kept"]]
)
def test_a_manifest_speaks_of_files_of_runs_alone(tmp_path: Path, listed: list[str] | None):
    """One without a list is of an earlier release and may have left any of them; no list reaches another file."""
    manifest = {"schema": "frbench.manifest"} | ({} if listed is None else {"files": listed})
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    for name in ("kept", ".kept", "tail.csv", "tally.safetensors"):
        (tmp_path / name).write_text("")

    found = {path.name for path in earlier(tmp_path)}

    assert found == ({"manifest.json"} if listed else {"manifest.json", "tail.csv", "tally.safetensors"})


def test_histograms_of_a_run_are_known_by_its_manifest(tmp_path: Path):
    """Those of a load with groups go; one that another load generator wrote there stays."""
    own, other = tmp_path / "latency.sex=f.hgrm", tmp_path / "latency.wrk.hgrm"
    for path in (own, other):
        path.write_text("the same format")
    files.write_json(tmp_path / "manifest.json", {"schema": "frbench.manifest", "files": [own.name]})

    assert earlier(tmp_path) == [own]


def test_a_directory_without_a_run_has_no_earlier_files(tmp_path: Path):
    """Names alone prove nothing."""
    for name in (*directory.LISTED, *directory.MARKS, *directory.VERDICTS, "latency.overall.hgrm"):
        (tmp_path / name).write_text("{}")

    assert earlier(tmp_path) == []


@pytest.mark.parametrize("name", ["subjects.csv", "tail.csv"])
@pytest.mark.parametrize("command", ["report.html", "candidates.safetensors"])
def test_an_input_is_never_replaced(world: World, name: str, command: str):  # noqa: F811
    """Labels under the name of a file of a run, in its directory: one sentence, and they are as they were."""
    world.out.mkdir()
    text = world.labels.read_text()
    world.labels = world.out / name
    world.labels.write_text(text)

    code, _, err = run(world, *RUNS[command])

    assert (code, err.count("\n")) == (2, 1)
    assert f"{name}: this run replaces it; name it otherwise" in err
    assert (names(world.out), world.labels.read_text()) == ({name}, text)


@pytest.mark.parametrize(
    "command", [("compare", "OUT", "OUT"), ("ab", "--pairs", "10", "--", "true", "--", "true")], ids=lambda c: c[0]
)
def test_a_comparison_is_not_written_over_a_run(world: World, command: tuple[str, ...]):  # noqa: F811
    """It would replace the page of the run, or be taken for a part of it."""
    run(world, *RUNS["report.html"])
    before = {path.name: path.read_bytes() for path in world.out.iterdir()}
    name, *rest = (world.out if word == "OUT" else word for word in command)

    code, _, err = world.run(name, "--out", world.out, *rest)

    assert (code, err.count("\n")) == (2, 1)
    assert "holds a run, and a comparison is no part of it; choose another --out" in err
    assert {path.name: path.read_bytes() for path in world.out.iterdir()} == before
