"""The command line: what a user types, gets and does wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import frbench
from frbench import cli, files
from frbench.counting.verify import AllPairs

SCHEMA = json.loads((Path(frbench.__file__).parent / "schema" / "results.schema.json").read_text())
N, D = 40, 8


class World:
    """Input files of a small population, and the command line run on them."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory, self._capsys, self._monkeypatch = directory, capsys, monkeypatch
        self.templates = directory / "t.npy"
        self.labels = directory / "l.csv"
        self.out = directory / "out"
        np.save(self.templates, np.random.default_rng(1).normal(size=(N, D)).astype(np.float32))
        self.rows = [f"t{i},s{i // 2},{'female' if i % 4 < 2 else 'male'}" for i in range(N)]
        self.write_labels()

    def write_labels(self, header: str = "template_id,subject_id,sex") -> None:
        """The labels file, from `rows`."""
        self.labels.write_text("\n".join([header, *self.rows]) + "\n")

    def file(self, name: str, text: str) -> Path:
        """A file of `text`."""
        path = self.directory / name
        path.write_text(text)
        return path

    def array(self, values: Any, name: str = "bad.npy") -> Path:
        """An .npy file of `values`."""
        path = self.directory / name
        np.save(path, values)
        return path

    def run(self, *arguments: object) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of a command."""
        self._monkeypatch.setattr(sys, "argv", ["frbench", *map(str, arguments)])
        handler = signal.getsignal(signal.SIGTERM)
        with pytest.raises(SystemExit) as stop:
            cli.main()
        signal.signal(signal.SIGTERM, handler)
        captured = self._capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    def verify(self, *arguments: object, templates: Path | None = None) -> tuple[int, str, str]:
        """`frbench verify` of the templates with the labels."""
        given = ("verify", templates or self.templates, "--labels", self.labels, "--out", self.out, "--no-report")
        return self.run(*given, *arguments)


@pytest.fixture
def world(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> World:
    """A small population."""
    return World(tmp_path, capsys, monkeypatch)


def truncated(world: World) -> Path:
    """An .npy file without its last bytes."""
    path = world.directory / "cut.npy"
    path.write_bytes(world.templates.read_bytes()[:-5])
    return path


def of_other_ids(world: World) -> tuple[int, str, str]:
    """Templates with ids of their own, and labels for other ids."""
    archive = world.directory / "t.npz"
    np.savez(archive, vectors=np.eye(3, dtype=np.float32), template_id=np.array(["x1", "x2", "x3"]))
    return world.verify(templates=archive)


def pairs(world: World, *lines: str) -> tuple[int, str, str]:
    """`frbench verify --pairs` of a list."""
    return world.verify("--pairs", world.file("pairs.csv", "\n".join(lines) + "\n"))


def excluding(world: World, *given: object) -> tuple[int, str, str]:
    """`frbench verify --exclude` of the given lines, which stand before any option."""
    options = next((i for i, item in enumerate(given) if str(item).startswith("--")), len(given))
    text = "\n".join(["template_a,template_b", *map(str, given[:options])])
    return world.verify("--exclude", world.file("reviewed.csv", f"{text}\n"), *given[options:])


def relabelled(world: World, row: int, text: str) -> tuple[int, str, str]:
    """`frbench verify` with one row of the labels replaced."""
    world.rows[row] = text
    world.write_labels()
    return world.verify("--group", "sex")


def identified(world: World, *arguments: object) -> tuple[int, str, str]:
    """`frbench identify` of the templates."""
    return world.run(
        "identify", world.templates, "--labels", world.labels, "--out", world.out, "--no-report", *arguments
    )


def reported(world: World, out: Path) -> tuple[int, str, str]:
    """`frbench report` of a finished run in a directory of its own."""
    run = world.directory / "run"
    world.verify("--out", run, "--thresholds", "0.5", "--quiet")
    return world.run("report", run, "--out", out)


BAD: dict[str, tuple[Callable[[World], tuple[int, str, str]], str]] = {
    "axis from beyond the scale": (lambda w: w.verify("--axis-from", 1.5), "lowest edge"),
    "scratch nowhere": (lambda w: w.verify("--scratch", w.directory / "no"), "--scratch"),
    "missing file": (lambda w: w.verify(templates=w.directory / "no.npy"), "no.npy"),
    "directory for a file": (lambda w: w.verify(templates=w.directory), "directory"),
    "unknown suffix": (lambda w: w.verify(templates=w.file("t.txt", "1 2 3")), ".npz"),
    "empty file": (lambda w: w.verify(templates=w.file("e.npy", "")), "e.npy"),
    "truncated npy": (lambda w: w.verify(templates=truncated(w)), "cut.npy"),
    "text for floats": (lambda w: w.verify(templates=w.array(np.full((N, D), "x"))), "bad.npy"),
    "integers": (lambda w: w.verify(templates=w.array(np.ones((N, D), np.int32))), "int32"),
    "one dimension": (lambda w: w.verify(templates=w.array(np.ones(N, np.float32))), "bad.npy"),
    "pickled objects": (lambda w: w.verify(templates=w.array(np.array([[None]], object))), "bad.npy"),
    "all NaN": (lambda w: w.verify(templates=w.array(np.full((N, D), np.nan, np.float32))), "all 40 rows"),
    "another number of rows": (lambda w: w.verify(templates=w.array(np.ones((3, D), np.float32))), "3"),
    "labels for other ids": (of_other_ids, "x1"),
    "duplicate ids": (lambda w: relabelled(w, 5, "t4,s2,female"), "t4"),
    "ragged row": (lambda w: relabelled(w, 5, "t5,s2"), "line 7"),
    "empty subject": (lambda w: relabelled(w, 5, "t5,,female"), "line 7"),
    "two labels of one subject": (lambda w: relabelled(w, 5, "t5,s2,male"), "s2"),
    "header only": (lambda w: w.verify("--labels", w.file("h.csv", "template_id,subject_id,sex\n")), "h.csv"),
    "no subject column": (lambda w: w.verify("--subject-column", "person"), "person"),
    "unknown column": (lambda w: w.verify("--group", "age"), "sex"),
    "threshold above 1": (lambda w: w.verify("--thresholds", "0.5,1.5"), "[-1, 1]"),
    "threshold below -1": (lambda w: w.verify("--thresholds=-1.01"), "[-1, 1]"),
    "threshold NaN": (lambda w: w.verify("--thresholds", "nan"), "[-1, 1]"),
    "threshold in words": (lambda w: w.verify("--thresholds", "high"), "--thresholds"),
    "unknown rate": (lambda w: w.verify("--at", "far=1e-3"), "fmr"),
    "rate of 0": (lambda w: w.verify("--at", "fmr=0"), "above 0"),
    "unknown population": (lambda w: w.verify("--at-population", "sex=other"), "female, male"),
    "axis step of 0": (lambda w: w.verify("--axis-step", "0"), "axis step"),
    "no blocks": (lambda w: w.verify("--blocks", "0"), "blocks"),
    "negative threads": (lambda w: w.verify("--threads", "-1"), "--threads"),
    "unknown instruction set": (lambda w: w.verify("--isa", "z80"), "scalar"),
    "unwritable out": (lambda w: w.verify("--out", w.file("plain", "x") / "out"), "--out"),
    "unknown option": (lambda w: w.verify("--grup", "sex"), "--grup"),
    "pairs without a column": (lambda w: pairs(w, "template_a,b", "t0,t1"), "template_b"),
    "pairs of unknown templates": (lambda w: pairs(w, "template_a,template_b", "t0,t1", "t0,t99"), "line 3"),
    "a pair twice": (lambda w: pairs(w, "template_a,template_b", "t0,t1", "t1,t0"), "line 3"),
    "a pair with itself": (lambda w: pairs(w, "template_a,template_b", "t0,t0"), "line 2"),
    "mated in words": (lambda w: pairs(w, "template_a,template_b,mated", "t0,t1,maybe"), "line 2"),
    "mated against the labels": (lambda w: pairs(w, "template_a,template_b,mated", "t0,t1,false"), "s0"),
    "no pairs": (lambda w: pairs(w, "template_a,template_b"), "pairs.csv"),
    "no pairs to keep": (lambda w: w.verify("--keep-pairs", "0"), "--keep-pairs is 0, expected 1 to 100,000"),
    "too many pairs to keep": (lambda w: w.verify("--keep-pairs", "100001"), "--keep-pairs is 100001"),
    "no list of excluded pairs": (lambda w: w.verify("--exclude", w.directory / "none.csv"), "none.csv"),
    "excluded pairs of unknown templates": (lambda w: excluding(w, "t0,t2", "t0,t99"), "reviewed.csv, line 3"),
    "an excluded pair twice": (lambda w: excluding(w, "t0,t2", "t2,t0"), "line 2 and line 3"),
    "an excluded pair with itself": (lambda w: excluding(w, "t0,t0"), "reviewed.csv, line 2"),
    "an excluded pair that is not listed": (
        lambda w: excluding(w, "t0,t2", "--pairs", w.file("pairs.csv", "template_a,template_b\nt0,t4\n")),
        "reviewed.csv, line 2: 't0' with 't2'",
    ),
    "every listed pair excluded": (
        lambda w: excluding(w, "t0,t4", "--pairs", w.file("pairs.csv", "template_a,template_b\nt4,t0\n")),
        "excludes every pair",
    ),
    "k above n": (lambda w: identified(w, "-k", "41"), "k is 41"),
    "k of 0": (lambda w: identified(w, "-k", "0"), "k is 0"),
    "ranks that decrease": (lambda w: identified(w, "--ranks", "5,1"), "ranks"),
    "everybody kept out": (lambda w: identified(w, "--nonmated-subjects", "20"), "--nonmated-subjects"),
    "gallery without probes": (lambda w: w.run("identify", "--gallery", w.templates), "--probes"),
    "probes of another dimension": (
        lambda w: w.run(
            *("identify", "--gallery", w.templates, "--gallery-labels", w.labels, "--out", w.out, "--probe-labels"),
            *(w.labels, "--probes", w.array(np.ones((N, 3), np.float32))),
        ),
        "dimension 3",
    ),
    "no requests": (lambda w: w.run("latency", w.templates, "--labels", w.labels, "--requests", "0"), "requests"),
    "axis step that does not divide 2": (lambda w: w.verify("--axis-step", "0.3"), "divides 2"),
    "axis step that fills the memory": (lambda w: w.verify("--axis-step", "1e-8"), "axis step"),
    "too many blocks": (lambda w: w.verify("--blocks", "20000"), "1024"),
    "no blocks of probes": (lambda w: identified(w, "--blocks", "0"), "blocks"),
    "checkpoints without end": (lambda w: w.verify("--checkpoint-every", "nan"), "nan s"),
    "probes that all failed": (
        lambda w: w.run(
            *("latency", "--gallery", w.templates, "--gallery-labels", w.labels, "--probe-labels", w.labels),
            *("--probes", w.array(np.where(np.eye(N, D) > 0, np.nan, np.nan)), "--out", w.out),
        ),
        "rows failed",
    ),
    "report into a directory": (lambda w: reported(w, w.directory), "is a directory"),
    "report below a file": (lambda w: reported(w, w.file("plain", "x") / "r.html"), "cannot write"),
    "report of something else": (
        lambda w: w.run("report", w.file("results.json", "[]").parent, "--out", w.directory / "r.html"),
        "frbench.results",
    ),
    "demo without data": (lambda w: w.run("demo", "--data", w.directory / "none", "--out", w.out), "none"),
    "report of nothing": (lambda w: w.run("report", w.directory / "none"), "none"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_sentence_and_exit_code_2(world: World, kind: str) -> None:
    """A mistake costs one clear sentence: no traceback, no results, exit code 2."""
    command, expected = BAD[kind]

    code, out, err = command(world)

    assert code == 2
    assert expected in err
    assert "Traceback" not in err
    message = err.strip().splitlines()
    assert len([line for line in message if not line.startswith(("Usage:", "Try "))]) == 1 or "Usage:" in err
    assert out == ""
    assert not (world.out / "results.json").exists()


def test_verify_writes_a_whole_run(world: World) -> None:
    """Results, manifest and tally are there, follow the schema, and no checkpoint is left."""
    code, out, _ = world.verify("--group", "sex", "--thresholds", "0.1,0.5")

    assert code == 0
    assert "threshold 0.1" in out
    results = files.read_json(world.out / "results.json")
    jsonschema.validate(results, SCHEMA)
    assert results["thresholds"] == [0.1, 0.5]
    assert N * (N - 1) // 2 == sum(cell["trials"] for cell in results["cells"])
    tally = files.load_tally(world.out / "tally.safetensors")
    assert tally.plan.digest == results["plan"] == files.read_json(world.out / "manifest.json")["plan"]
    assert sorted(p.name for p in world.out.iterdir()) == ["manifest.json", "results.json", "tally.safetensors"]


def test_a_run_with_other_options_keeps_the_checkpoint_of_an_interrupted_one(world: World) -> None:
    """Only the checkpoints of the finished work go."""
    world.out.mkdir()
    other = world.out / f".{'0' * 32}.partial"
    other.write_text("kept")

    world.verify("--thresholds", "0.5")

    assert [p.name for p in world.out.iterdir() if p.name.startswith(".")] == [other.name]


def test_identify_always_counts_rank_1(world: World) -> None:
    """Results have a field for misses at rank 1, whatever ranks were asked for."""
    identified(world, "--thresholds", "0.2,0.5", "--ranks", "10")

    groups = files.read_json(world.out / "results.json")["groups"]
    assert all(len(group["misses_rank1"]) == 2 and set(group["rank_hits"]) == {"1", "10"} for group in groups)


def test_json_is_the_results_file(world: World) -> None:
    """--json prints what results.json holds, and nothing else."""
    _, out, err = world.verify("--json", "--at", "fmr=0.1")

    assert json.loads(out) == files.read_json(world.out / "results.json")
    assert err == ""


def test_quiet_prints_nothing(world: World) -> None:
    """--quiet is silent on both streams."""
    assert world.verify("--quiet") == (0, "", "")


def test_a_target_that_the_data_cannot_support_is_refused_in_words(world: World) -> None:
    """760 pairs cannot show a rate of 1e-6: there is no threshold, and the reason is printed."""
    code, out, _ = world.verify("--at", "fmr=1e-6")

    point = files.read_json(world.out / "results.json")["operating_points"][0]
    assert (code, point["threshold"]) == (0, None)
    assert "760 trials cannot show a rate of 1e-6" in out


def test_a_failed_template_stays_in_the_trials(world: World) -> None:
    """A NaN row takes part in N - 1 comparisons, all of them without a score."""
    values = np.load(world.templates)
    values[3] = np.nan
    np.save(world.templates, values)

    world.verify("--thresholds", "0.5")

    overall = files.read_json(world.out / "results.json")["overall"]
    assert N * (N - 1) // 2 == sum(cell["trials"] for cell in overall)
    assert N - 1 == sum(cell["unscored"] for cell in overall)


def test_identify_and_latency_follow_the_schema(world: World) -> None:
    """Both write results that the schema describes."""
    assert identified(world, "--group", "sex", "--thresholds", "0.5")[0] == 0
    jsonschema.validate(files.read_json(world.out / "results.json"), SCHEMA)
    arguments = ("--group", "sex", "--requests", "5", "--runs", "1", "--batches", "1,4", "--no-report")
    assert world.run("latency", world.templates, "--labels", world.labels, "--out", world.out, *arguments)[0] == 0
    jsonschema.validate(files.read_json(world.out / "results.json"), SCHEMA)


def test_identify_takes_two_files(world: World) -> None:
    """A gallery and probes in files of their own: here the same people, so every search is mated and finds itself."""
    sides = ("--gallery", world.templates, "--probes", world.templates, "--labels", world.labels)

    code, _, _ = world.run("identify", *sides, "--at", "fmr=0.1", "--out", world.out, "--no-report")

    overall = files.read_json(world.out / "results.json")["groups"][0]
    assert code == 0
    assert (overall["mated_searches"], overall["nonmated_searches"], overall["rank_hits"]["1"]) == (N, 0, N)


def test_pairs_need_no_labels_where_they_say_which_are_mated(world: World) -> None:
    """A pair list with a mated column stands alone."""
    listed = world.file("pairs.csv", "template_a,template_b,mated,fold\n0,1,true,1\n0,2,false,1\n")

    code, _, _ = world.run(
        "verify", world.templates, "--pairs", listed, "--thresholds", "0", "--out", world.out, "--no-report"
    )

    cells = files.read_json(world.out / "results.json")["cells"]
    assert code == 0
    assert [(cell["mated"], cell["trials"]) for cell in cells] == [(False, 1), (True, 1)]


def test_pairs_that_are_kept_and_reviewed_leave_the_false_matches(world: World) -> None:
    """Kept pairs are the false matches of the threshold; those left in the file leave rate, sums and the next tail."""
    assert world.verify("--group", "sex", "--thresholds", "0.6", "--keep-pairs", "50")[0] == 0
    before = files.read_json(world.out / "results.json")
    header, *lines = (world.out / "tail.csv").read_text().splitlines()
    accepted = [line for line in lines if float(line.split(",")[3]) >= 0.6]
    false_matches = before["overall"][0]["accepted"][0]
    assert len(accepted) == false_matches > 6
    assert before["excluded"] is None

    reviewed = accepted[::2]
    listed = world.file("reviewed.csv", "\n".join([header, *reviewed]) + "\n")
    arguments = ("--group", "sex", "--thresholds", "0.6", "--keep-pairs", "50", "--exclude", listed)
    code, out, _ = world.verify(*arguments)

    after = files.read_json(world.out / "results.json")
    jsonschema.validate(after, SCHEMA)
    fmr = after["estimates"][0]
    assert code == 0
    assert (fmr["k"], fmr["n"]) == (false_matches - len(reviewed), before["estimates"][0]["n"] - len(reviewed))
    assert after["overall"][1] == before["overall"][1]
    assert after["moments"]["checksum"].startswith("passed")
    assert after["plan"] != before["plan"]
    counts = {"pairs": len(reviewed), "mated": 0, "nonmated": len(reviewed)}
    source = next(s for s in files.read_json(world.out / "manifest.json")["inputs"] if s["path"] == str(listed))
    assert after["excluded"] == {"file": str(listed), "sha256": source["sha256"], **counts}
    assert source["rows"] == len(reviewed)
    assert f"{len(reviewed)} reviewed pairs of reviewed.csv are excluded from every rate; 0 of them mated." in out
    pairs = {tuple(line.split(",")[4::2]) for line in (world.out / "tail.csv").read_text().splitlines()[1:]}
    assert not pairs & {tuple(line.split(",")[4::2]) for line in reviewed}


def test_a_threshold_is_set_without_excluded_pairs(world: World) -> None:
    """Of 760 pairs 7 may be accepted at 1e-2; without the best five, the threshold is that of the twelfth."""
    world.verify("--at", "fmr=1e-2", "--keep-pairs", "14")
    header, *lines = (world.out / "tail.csv").read_text().splitlines()
    first = files.read_json(world.out / "results.json")["operating_points"][0]
    listed = world.file("reviewed.csv", "\n".join([header, *lines[:5]]) + "\n")

    world.verify("--at", "fmr=1e-2", "--exclude", listed)

    second = files.read_json(world.out / "results.json")["operating_points"][0]
    scores = [np.float32(line.split(",")[3]) for line in lines]
    assert [point["k"] for point in (first, second)] == [7, 7]
    assert scores[7] < first["threshold"] <= scores[6]
    assert scores[12] < second["threshold"] <= scores[11]


def test_kept_and_excluded_pairs_of_a_list(world: World) -> None:
    """Only listed pairs are named, and one that is excluded is neither counted nor named."""
    listed = world.file("pairs.csv", "template_a,template_b,mated\n0,1,true\n0,2,false\n4,2,false\n")
    run = ("verify", world.templates, "--pairs", listed, "--thresholds", "0", "--out", world.out, "--no-report")
    assert world.run(*run, "--keep-pairs", "9")[0] == 0
    named = {tuple(line.split(",")[4:]) for line in (world.out / "tail.csv").read_text().splitlines()[1:]}
    assert named == {("0", "", "2", ""), ("2", "", "4", "")}

    reviewed = world.file("reviewed.csv", "template_a,template_b,reason\n2,0,twins\n1,0,same file\n")
    code, out, _ = world.run(*run, "--keep-pairs", "9", "--exclude", reviewed)

    cells = files.read_json(world.out / "results.json")["cells"]
    assert code == 0
    assert [(cell["mated"], cell["trials"]) for cell in cells] == [(False, 1), (True, 0)]
    assert [line.split(",")[4:] for line in (world.out / "tail.csv").read_text().splitlines()[1:]] == [
        ["2", "", "4", ""]
    ]
    assert "2 reviewed pairs of reviewed.csv are excluded from every rate; 1 of them mated." in out


def test_ctrl_c_while_pairs_are_kept_forgets_nothing_that_was_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole tally is kept, and the same command goes on from it without counting again."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    arguments = ("--thresholds", "0.5", "--keep-pairs", "5", "--checkpoint-every", "1000")
    with monkeypatch.context() as patch:
        patch.setattr(AllPairs, "tail", interrupted)
        assert world.verify(*arguments)[0] == 130
    kept = [files.load_tally(path) for path in world.out.glob(".*.partial")]
    assert [tally.is_complete for tally in kept] == [True]
    assert not (world.out / "results.json").exists()

    monkeypatch.setattr(AllPairs, "count", interrupted)
    code, out, _ = world.verify(*arguments)

    assert code == 0
    assert f"kept pairs: {world.out / 'tail.csv'}" in out
    assert sorted(p.name for p in world.out.iterdir()) == [
        *("manifest.json", "results.json", "tail.csv", "tally.safetensors")
    ]


def test_an_axis_from_above_and_rows_in_a_file_change_no_rate(world: World) -> None:
    """Where the axis begins and where the floats lie is a matter of speed and memory; the manifest tells of both."""
    assert world.verify("--thresholds", "0.5,0.8", "--group", "sex")[0] == 0
    whole = json.loads((world.out / "results.json").read_text())
    code, _, error = world.verify(
        "--thresholds", "0.5,0.8", "--group", "sex", "--axis-from", "0.45", "--scratch", world.directory
    )

    assert (code, error) == (0, "")
    assert json.loads((world.out / "results.json").read_text())["estimates"] == whole["estimates"]
    manifest = json.loads((world.out / "manifest.json").read_text())
    assert manifest["options"]["axis_from"] == 0.45
    assert files.load_tally(world.out / "tally.safetensors").plan.edges[0] == 0.45
    assert sum(manifest["engine"]["screened"].values()) == N * (N - 1) // 2
    assert sorted(path.name for path in world.directory.iterdir()) == ["l.csv", "out", "t.npy"]


@pytest.mark.parametrize("option", ["--exclude", "--pairs"])
def test_a_list_that_the_run_would_replace_is_refused_and_stays(world: World, option: str) -> None:
    """Reviewed lines in the run directory of the review are not lost to the next run there."""
    world.verify("--thresholds", "0.5", "--keep-pairs", "3")
    text = (world.out / "tail.csv").read_text()

    code, _, err = world.verify(option, world.out / ".." / world.out.name / "tail.csv")

    assert code == 2
    assert "this run replaces it; name it otherwise, such as reviewed.csv, or choose another --out" in err
    assert (world.out / "tail.csv").read_text() == text


def test_kept_pairs_are_as_many_as_were_asked_for(world: World) -> None:
    """And the manifest says how many those were."""
    world.verify("--thresholds", "0.5", "--keep-pairs", "3")
    assert len((world.out / "tail.csv").read_text().splitlines()) == 1 + 3
    assert files.read_json(world.out / "manifest.json")["options"]["keep_pairs"] == 3


def test_the_environment_forces_an_instruction_set(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """FRBENCH_ISA decides, and the manifest says so."""
    monkeypatch.setenv("FRBENCH_ISA", "scalar")

    world.verify("--thresholds", "0.5")

    assert files.read_json(world.out / "manifest.json")["engine"]["isa"] == "scalar"


def test_help_of_every_command_has_an_example_or_says_what_it_does(world: World) -> None:
    """Help exits with 0 and names the command."""
    for command in ("verify", "identify", "latency", "demo", "report", "info"):
        code, out, _ = world.run(command, "--help")
        assert code == 0
        assert f"frbench {command}" in out


def start(*arguments: object) -> subprocess.Popen[str]:
    """A command in a process of its own."""
    command = [sys.executable, "-m", "frbench", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_ctrl_c_stops_a_sweep_and_keeps_what_was_counted(tmp_path: Path) -> None:
    """An interrupted sweep exits with 130, says how to go on, and leaves a checkpoint and no results."""
    templates = tmp_path / "t.npy"
    labels = tmp_path / "l.csv"
    np.save(templates, np.random.default_rng(1).normal(size=(60_000, 256)).astype(np.float16))
    labels.write_text("subject_id\n" + "\n".join(f"s{i}" for i in range(60_000)) + "\n")
    out = tmp_path / "out"
    arguments = ("--thresholds", "0.5", "--checkpoint-every", "0", "--isa", "scalar", "--threads", "1")
    process = start("verify", templates, "--labels", labels, "--out", out, *arguments)
    waited = time.monotonic()
    while not any(out.glob(".*.partial")):
        assert time.monotonic() - waited < 60
        time.sleep(0.05)

    process.send_signal(signal.SIGINT)
    # The whole sweep takes minutes: ending at all within the time-out shows that it was heard in the middle.
    _, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert err.strip() == "frbench: stopped; where progress was kept, the same command goes on from it"
    assert any(out.glob(".*.partial"))
    assert not (out / "results.json").exists()


def test_an_interruption_while_a_module_loads_exits_with_130(tmp_path: Path) -> None:
    """Also where it falls into the methods that a dataclass makes from text, after which Python would die by SIGINT."""
    (tmp_path / "loads.py").write_text(
        "from frbench import cli\ncli.app.main = lambda **_: exec('raise KeyboardInterrupt')\ncli.main()\n"
    )
    ended = subprocess.run([sys.executable, "-m", "loads"], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert ended.returncode == cli.INTERRUPTED
    assert ended.stderr.startswith("frbench: stopped;")


def test_info_tells_of_the_machine_as_text_and_as_json(world: World) -> None:
    """Without measuring, both name the kernels that were found."""
    code, text, _ = world.run("info", "--quick")
    json_code, found, _ = world.run("info", "--quick", "--json")

    assert (0, 0) == (code, json_code)
    assert ", ".join(json.loads(found)["kernels"]) in text
    assert json.loads(found)["rates"] is None


def test_a_closed_pipe_is_not_an_error_message() -> None:
    """`frbench ... | head` ends without a traceback."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "frbench", "info", "--quick"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert "Traceback" not in done.stderr
