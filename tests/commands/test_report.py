"""`frbench report`: pages, keys, signatures, and the codes with which it ends."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.commands.test_cli import World, world  # noqa: F401

COUNT = ("--group", "sex", "--at", "fmr=0.1", "--quiet")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a test leaves a finished run for those after it."""
    return tmp_path_factory.mktemp("finished") / "out"


@pytest.fixture
def counted(world: World, finished: Path) -> World:  # noqa: F811
    """A finished run in `world.out`."""
    if not finished.exists():
        assert world.verify(*COUNT, "--out", finished)[0] == 0
    shutil.copytree(finished, world.out)
    return world


def sign(world: World, *more: object) -> tuple[int, str, str]:  # noqa: F811
    """Makes keys and signs the run."""
    world.run("report", "keygen", world.directory / "key")
    return world.run("report", "--sign", world.directory / "key", world.out, *more)


def verify(world: World, *more: object) -> tuple[int, str, str]:  # noqa: F811
    """Verifies the run."""
    return world.run("report", "verify", world.out, "--public-key", world.directory / "key.pub", *more)


def test_a_run_is_signed_and_verified(world: World):  # noqa: F811
    """The page is written, every file is bound, and verifying says by whom, when, and of which inputs."""
    assert world.verify(*COUNT)[0] == 0
    code, output, _ = sign(world, "--signer", "an auditor")
    assert (0, True) == (code, "of 4 files" in output)
    assert (world.out / "report.html").is_file()

    code, output, _ = verify(world, "--inputs")
    assert code == 0
    for text in ("as it was signed by an auditor", "report.html", f"{world.templates} sha256", "unchanged"):
        assert text in output
    assert 4 == json.loads(verify(world, "--json")[1])["files_checked"]


def test_a_tampered_run_ends_with_1_and_misuse_with_2(counted: World):
    """One sentence each."""
    sign(counted)
    page = counted.out / "report.html"
    page.write_text(page.read_text().replace("Method", "method", 1))

    code, output, error = verify(counted)
    assert (1, "") == (code, output)
    assert error.strip().endswith("report.html was changed")
    assert error.count("\n") == 1
    code, _, error = counted.run("report", "verify", counted.out, "--public-key", counted.directory / "key")
    assert (2, True) == (code, "holds no public key" in error)
    code, _, error = counted.run(
        "report", "verify", counted.out / "none", "--public-key", counted.directory / "key.pub"
    )
    assert (2, True) == (code, "is not a directory" in error)


def test_a_run_counted_again_is_not_signed_any_more(counted: World):
    """The signature of the run before goes with its files."""
    sign(counted)
    counted.verify("--group", "sex", "--at", "fmr=0.2", "--quiet")

    code, _, error = verify(counted)
    assert (1, True) == (code, "is not signed" in error)


def test_only_one_run_is_signed_where_it_stands(counted: World):
    """Not two, not a tally, and not with a page elsewhere."""
    sign(counted)
    key = counted.directory / "key"
    tally = counted.out / "tally.safetensors"

    assert 2 == counted.run("report", "--sign", key, counted.out, counted.out)[0]
    assert 2 == counted.run("report", "--sign", key, tally)[0]
    assert 2 == counted.run("report", "--sign", key, counted.out, "--out", counted.directory / "x.html")[0]


def test_a_tally_alone_is_a_page(counted: World):
    """Counts without their templates, by groups and thresholds that are chosen now; a run has its own."""
    tally = counted.directory / "counts.safetensors"
    shutil.copy(counted.out / "tally.safetensors", tally)
    page = counted.directory / "page.html"

    assert 0 == counted.run("report", tally, "--group", "sex", "--at", "fmr=0.1", "--out", page)[0]
    assert "female" in page.read_text()
    code, _, error = counted.run("report", counted.out, "--at", "fmr=0.1", "--out", page)
    assert (2, True) == (code, "--at is for a tally alone" in error)
    assert 2 == counted.run("report", tally, "--thresholds", "x", "--out", page)[0]
    assert 2 == counted.run("report", tally, "--group", "age", "--out", page)[0]


def test_runs_of_several_kinds_make_one_page(counted: World):
    """As before there were other commands of `report`."""
    page = counted.directory / "page.html"
    tally = counted.out / "tally.safetensors"

    assert 0 == counted.run("report", counted.out, tally, "--title", "Both", "--out", page)[0]
    assert "<h1>Both</h1>" in page.read_text()


def test_a_file_of_another_run_is_refused(counted: World):
    """A page never mixes two of them."""
    other = counted.directory / "other"
    counted.verify("--at", "fmr=0.2", "--quiet", "--out", other)
    shutil.copy(other / "tally.safetensors", Path(counted.out))

    code, _, error = counted.run("report", counted.out, "--out", counted.directory / "page.html")
    assert (2, True) == (code, "files of several runs" in error)


def test_a_folder_of_tallies_is_no_run(counted: World):
    """The sentence names a tally that can be given."""
    (counted.out / "results.json").unlink()

    code, _, error = counted.run("report", counted.out)
    assert (2, 1) == (code, error.count("\n"))
    assert f"{counted.out} is no run directory" in error
    assert f"such as {counted.out / 'tally.safetensors'}" in error
