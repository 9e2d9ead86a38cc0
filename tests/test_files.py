"""Files: what is written is read again, is whole, and is refused if it is something else."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from safetensors.numpy import load_file, save_file

from frbench import files
from frbench.candidates import Candidates
from frbench.counting.identify import Identification, search_all
from frbench.engines.reference import ReferenceEngine
from frbench.errors import FormatError, OutputError
from frbench.reading.metrics import fmr, fnmr
from frbench.tally import Tally
from tests import ROOT
from tests.worlds import worlds

GOLDEN = ROOT / "tests" / "golden"
SHARED = settings(worlds.FEW, suppress_health_check=[HealthCheck.function_scoped_fixture])


def small_candidates() -> Candidates:
    """Two probes over two gallery shards, the second without a mate and with one candidate."""
    return Candidates(
        search="0123456789abcdef",
        shards=frozenset({(0, 2), (2, 5)}),
        probe=np.array([0, 3]),
        scores=np.float32([[0.75, 0.5], [0.25, -np.inf]]),
        rows=np.array([[1, 4], [2, -1]]),
        mate_score=np.float32([0.5, np.nan]),
        above_mate=np.array([1, 0]),
    )


def assert_equal_candidates(a: Candidates, b: Candidates) -> None:
    """Holds every field of both together."""
    assert (a.search, a.shards) == (b.search, b.shards)
    for name, array in b.arrays().items():
        assert a.arrays()[name].dtype == array.dtype
        assert a.arrays()[name].tobytes() == array.tobytes()


@given(world=worlds.random_worlds(max_n=15))
@SHARED
def test_a_tally_survives_its_file(tmp_path: Path, world: worlds.World):
    """A tally read back is equal, and so is its plan."""
    files.save_tally(world.tally, tmp_path / "t")
    again = files.load_tally(tmp_path / "t")

    assert again == world.tally
    assert again.plan == world.plan


def test_a_tally_without_tiles_or_blocks_survives_its_file(tmp_path: Path):
    """Nothing counted yet, and plans that keep no blocks, are tallies too."""
    for plan in (worlds.small_plan(), worlds.small_plan(keeps_blocks=False)):
        files.save_tally(Tally.zero(plan), tmp_path / "t")
        assert files.load_tally(tmp_path / "t") == Tally.zero(plan)


@given(task=worlds.searches())
@SHARED
def test_candidates_survive_their_file(tmp_path: Path, task: Identification):
    """Candidates read back are the same, bit for bit."""
    found = search_all(task, ReferenceEngine())
    files.save_candidates(found, tmp_path / "c")

    assert_equal_candidates(files.load_candidates(tmp_path / "c"), found)


def test_the_golden_tally_is_read_forever():
    """A tally that version 1 wrote has the counts, plan and rates that it had then."""
    tally = files.load_tally(GOLDEN / "tally" / "v1" / "two_groups.safetensors")

    assert tally.plan.digest == "c0e7fb79d97768ed4d168308ed73dac6"
    assert tally.check().is_complete
    assert worlds.by_name(tally.plan, tally.total) == worlds.enumerated(worlds.two_groups())
    assert ((e := fmr(tally, 0.5)).k, e.n) == (9, 18)
    assert ((e := fnmr(tally, 0.75)).k, e.n) == (2, 3)


def test_today_counts_what_the_golden_tally_holds():
    """Counting the same world today gives the same tally, so that old and new parts of a run add."""
    assert files.load_tally(GOLDEN / "tally" / "v1" / "two_groups.safetensors") == worlds.two_groups().tally


def test_the_golden_candidates_are_read_forever():
    """Candidates that version 1 wrote have the values that they had then."""
    golden = files.load_candidates(GOLDEN / "candidates" / "v1" / "small.safetensors")

    assert_equal_candidates(golden, small_candidates())
    assert golden.rank.tolist() == [2, 0]


def test_a_file_is_whole_or_untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A write that fails at any step leaves what was there, and nothing beside it."""
    path = tmp_path / "results.json"
    files.write(path, "old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for target in ("frbench.files.os.fsync", "frbench.files.Path.replace"):
        with monkeypatch.context() as patched:
            patched.setattr(target, fail)
            with pytest.raises(OutputError, match=r"cannot write .*results\.json: No space left on device"):
                files.write(path, "new")
        assert path.read_text() == "old"
        assert [p.name for p in tmp_path.iterdir()] == ["results.json"]
    files.write(path, b"new")
    assert path.read_text() == "new"


def test_a_file_cannot_be_written_where_there_is_no_folder(tmp_path: Path):
    """The message names the path."""
    with pytest.raises(OutputError, match="missing"):
        files.write(tmp_path / "missing" / "x", "new")


def test_an_output_folder_is_made_and_proved(tmp_path: Path):
    """A folder that cannot be made is refused before anything is counted."""
    assert files.prepare(tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another --out"):
        files.prepare(tmp_path / "file" / "b")


def test_json_is_read_as_written(tmp_path: Path):
    """Values survive, one line an entry; NaN is no JSON."""
    path = tmp_path / "x.json"
    values = {"a": [1, None, "é"], "b": {"c": 0.1}}
    files.write_json(path, values)

    assert files.read_json(path) == values == json.loads(path.read_text())
    assert len(path.read_text().splitlines()) == 4
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(path, {"a": float("nan")})
    assert files.read_json(path) == values


@pytest.mark.parametrize("content", [None, "", "{", "\xff"])
def test_what_is_no_json_is_refused(tmp_path: Path, content: str | None):
    """Missing, empty, cut off, or of another encoding."""
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    with pytest.raises(FormatError, match=r"x\.json"):
        files.read_json(path)


def rewritten(path: Path, *, drop: str | None = None, arrays: dict | None = None, **header: object) -> Path:
    """A tally file with some of its header or arrays changed or left out."""
    tally = worlds.two_groups().tally
    files.save_tally(tally, path)
    held = load_file(path) | (arrays or {})
    held.pop(drop, None)
    values = {
        "format": "frbench.tally",
        "version": "1",
        "digest": files._digest(held),
        "plan": json.loads(tally.plan.to_json()),
    } | header
    kept = {key: value for key, value in values.items() if value is not None}
    save_file(held, path, {"frbench": json.dumps(kept)})
    return path


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"format": "frbench.candidates"}, "not a frbench.tally file; its header says frbench.candidates"),
        ({"format": None}, "header says None"),
        ({"version": "2"}, "format version 2, expected 1"),
        ({"plan": {}}, "not a plan"),
        ({"arrays": {"total": np.zeros((1, 3), np.uint64)}}, "does not fit its own plan"),
        ({"arrays": {"touching": np.zeros((1, 5, 8), np.uint64)}}, "does not fit its own plan"),
    ],
)
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, changes: dict, named: str):
    """Another format, another version, or counts of another shape."""
    with pytest.raises(FormatError, match=named):
        files.load_tally(rewritten(tmp_path / "t", **changes))


@pytest.mark.parametrize("changes", [{"plan": None}, {"drop": "tiles"}, {"drop": "total"}])
def test_a_file_that_lacks_something_is_refused(tmp_path: Path, changes: dict):
    """A header without a plan, or a missing array, is a damaged file."""
    with pytest.raises(FormatError):
        files.load_tally(rewritten(tmp_path / "t", **changes))


def test_missing_and_damaged_files_are_refused(tmp_path: Path):
    """A file that is not there, is empty, or was cut off; of tallies and of candidates."""
    path = tmp_path / "t"
    for load in (files.load_tally, files.load_candidates):
        with pytest.raises(FormatError, match="missing or damaged"):
            load(path)
    for content in (b"", b"nonsense", (GOLDEN / "tally" / "v1" / "two_groups.safetensors").read_bytes()[:-1]):
        path.write_bytes(content)
        for load in (files.load_tally, files.load_candidates):
            with pytest.raises(FormatError, match="missing or damaged"):
                load(path)


def test_a_tally_is_not_read_as_candidates(tmp_path: Path):
    """The header decides, not the name."""
    files.save_tally(worlds.two_groups().tally, tmp_path / "x")
    with pytest.raises(FormatError, match=r"not a frbench\.candidates file"):
        files.load_candidates(tmp_path / "x")
    files.save_candidates(dataclasses.replace(small_candidates()), tmp_path / "x")
    with pytest.raises(FormatError, match=r"not a frbench\.tally file"):
        files.load_tally(tmp_path / "x")
