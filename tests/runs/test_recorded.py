"""Runs on recorded files, from the command line: what is written, printed and refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import frbench
from frbench import cli, files
from frbench.counting.recorded.score_axis import edges_over
from tests import ROOT

GOLDEN = ROOT / "tests" / "golden" / "scores"
SCHEMA = json.loads((Path(frbench.__file__).parent / "schema" / "results.schema.json").read_text())
BOB4 = "a a p1 0.9\nb a p1 0.2\na b p2 0.1\nb b p2 0.8\na c p3 0.4\nb c p3 nan\n"
LABELS = "subject_id,sex\na,f\nb,m\nc,f\n"


class Runs:
    """The command line in a directory."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory, self.out = directory, directory / "out"
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def file(self, name: str, text: str) -> Path:
        """A file of `text`."""
        path = self.directory / name
        path.write_text(text)
        return path

    def run(self, *arguments: object) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        self._monkeypatch.setattr("sys.argv", ["frbench", *map(str, arguments), "--out", str(self.out)])
        self._monkeypatch.setattr("signal.signal", lambda *_: None)
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = self._capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    def results(self, *arguments: object) -> dict[str, Any]:
        """Results of a run that must succeed and follow the schema."""
        code, out, error = self.run(*arguments, "--no-report")
        assert code == 0, error
        found = json.loads((self.out / "results.json").read_text())
        jsonschema.validate(found, SCHEMA)
        assert out
        return found

    def refusal(self, *arguments: object) -> str:
        """The one sentence of a run that must fail."""
        code, _, error = self.run(*arguments, "--no-report")
        assert code == 2
        assert error.startswith("frbench: error: ")
        assert "Traceback" not in error
        assert error.count("\n") == 1
        return error


@pytest.fixture
def runs(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Runs:
    """The command line in an empty directory."""
    return Runs(tmp_path, capsys, monkeypatch)


def rates(found: dict[str, Any]) -> dict[tuple[str, str], tuple[int, int]]:
    """Numerator and denominator by metric and group, of the first threshold."""
    return {
        (e["metric"], e.get("group_a", e.get("group"))): (e["k"], e["n"])
        for e in found["estimates"]
        if e["threshold"] == found["thresholds"][0] and e.get("rank") in (None, 1)
    }


def test_recorded_scores_become_a_run(runs: Runs):
    """Two mated and four non-mated comparisons, one of them without a score; at .4, 1 of 4 is accepted."""
    scores = runs.file("s.txt", BOB4)
    found = runs.results("verify", "--scores", scores, "--format", "bob4", "--thresholds", "0.4")
    tally = files.load_tally(runs.out / "tally.safetensors")
    manifest = json.loads((runs.out / "manifest.json").read_text())

    assert rates(found) == {("fmr", "all"): (1, 4), ("fnmr", "all"): (0, 2)}
    assert found["recorded"]["files"] == [{"file": str(scores), "sha256": manifest["inputs"][0]["sha256"], "rows": 6}]
    assert (found["recorded"]["lowest"], found["recorded"]["highest"], found["recorded"]["notes"]) == (0.1, 0.9, [])
    assert (tally.plan.kind, tally.plan.edges) == ("pairs", edges_over(0.1, 0.9, [0.4]))
    assert manifest["conventions"]["score"] == "as recorded, float64"
    assert sorted(path.name for path in runs.out.iterdir()) == ["manifest.json", "results.json", "tally.safetensors"]


def test_groups_come_from_a_labels_file(runs: Runs):
    """Between women a with c .4; between a and b, and b and c, three: .2, .1 and a failure."""
    scores, labels = runs.file("s.txt", BOB4), runs.file("l.csv", LABELS)
    found = runs.results(
        "verify", "--scores", scores, "--format", "bob4", "--labels", labels, "--group", "sex", "--thresholds", "0.4"
    )
    cells = {
        (c["mated"], c["group_a"], c["group_b"]): (c["trials"], c["unscored"], *c["accepted"]) for c in found["cells"]
    }

    assert cells[False, "f", "f"] == (1, 0, 1)
    assert cells[False, "f", "m"] == (3, 1, 0)
    assert (cells[True, "f", "f"], cells[True, "m", "m"]) == ((1, 0, 1), (1, 0, 1))


def test_a_target_sets_an_exact_threshold(runs: Runs):
    """One of four may pass: T is the float64 after .2, and the page is written."""
    scores = runs.file("s.txt", BOB4)
    code, out, _ = runs.run("verify", "--scores", scores, "--format", "bob4", "--at", "fmr=0.25")
    [point] = json.loads((runs.out / "results.json").read_text())["operating_points"]

    assert code == 0
    assert (point["threshold"], point["k"], point["n"]) == (float(np.nextafter(0.2, 1)), 1, 4)
    assert "achieved 1 / 4" in out
    assert "as recorded, float64" in (runs.out / "report.html").read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ("small.bob2.txt", "bob2"),
        ("small.genuine.txt", "pyeer", "--impostors", GOLDEN / "small.impostor.txt"),
        ("small.bob.csv", "bob-csv"),
        (
            *("small.csv", "csv", "--distance", "--columns"),
            "score=distance,mated=same,probe=left,reference=right,probe_subject=who_left,reference_subject=who_right",
        ),
    ],
)
def test_every_format_gives_the_rates_of_the_same_comparisons(runs: Runs, arguments: tuple[object, ...]):
    """.9 and .35 against .4, .1 and a failure, at .4: FMR 1/3, FNMR 1/2."""
    name, format, *more = arguments
    found = runs.results("verify", "--scores", GOLDEN / str(name), "--format", format, *more, "--thresholds", "0.4")

    assert rates(found) == {("fmr", "all"): (1, 3), ("fnmr", "all"): (1, 2)}
    has_people = format in ("bob-csv", "csv")
    assert (found["recorded"]["notes"] == []) == has_people
    assert (
        found["estimates"][0]["reason"] == "interval not estimable: people are not known; give --labels"
    ) != has_people


def test_parquet_is_read_as_csv_is(runs: Runs):
    """The same columns, of float32 scores: .4 is then below .4 as a float64."""
    table = pa.table({"mated": [True, False, False], "score": pa.array([0.9, 0.4, 0.5], pa.float32())})
    pq.write_table(table, runs.directory / "s.parquet")
    found = runs.results("verify", "--scores", runs.directory / "s.parquet", "--format", "csv", "--thresholds", "0.45")

    assert rates(found) == {("fmr", "all"): (1, 2), ("fnmr", "all"): (0, 1)}


def test_scores_of_any_scale_have_an_axis(runs: Runs):
    """0 to 1,000: edges are 1 apart, and those asked for are exact."""
    text = "".join(f"{1 if i > 80 else -1} {10 * i}\n" for i in range(101))
    found = runs.results("verify", "--scores", runs.file("s.txt", text), "--format", "bob2", "--thresholds", "805.5")
    edges = files.load_tally(runs.out / "tally.safetensors").plan.edges

    assert rates(found) == {("fmr", "all"): (0, 81), ("fnmr", "all"): (0, 20)}
    assert (edges[0], edges[1], edges[-1], 805.5 in edges) == (0, 1, 1000, True)


def test_an_axis_may_be_given(runs: Runs):
    """Steps of a quarter from zero on."""
    scores = runs.file("s.txt", BOB4)
    runs.results("verify", "--scores", scores, "--format", "bob4", "--axis-step", "0.25", "--axis-from", "0")

    assert files.load_tally(runs.out / "tally.safetensors").plan.edges[:3] == (0.0, 0.25, 0.5)


def reversed_scores(runs: Runs) -> Path:
    """Sixty comparisons whose mated scores are all lower."""
    return runs.file("d.txt", "".join(f"{1 if i < 30 else -1} {i}\n" for i in range(60)))


def test_distances_read_as_scores_are_refused(runs: Runs):
    """The sentence names both ways out, and both work."""
    scores = reversed_scores(runs)
    given = ("verify", "--scores", scores, "--format", "bob2", "--thresholds", "-29.5")

    assert "mated scores are lower than non-mated ones (AUC 0.000)" in runs.refusal(*given)
    assert not (runs.out / "results.json").exists()
    assert rates(runs.results(*given, "--distance")) == {("fmr", "all"): (0, 30), ("fnmr", "all"): (0, 30)}
    assert rates(runs.results(*given, "--similarity")) == {("fmr", "all"): (30, 30), ("fnmr", "all"): (0, 30)}


def test_minus_a_distance_is_said_to_be_one(runs: Runs):
    """In the results, in the manifest and on the terminal."""
    code, out, _ = runs.run(
        "verify", "--scores", reversed_scores(runs), "--format", "bob2", "--distance", "--no-report"
    )
    found = json.loads((runs.out / "results.json").read_text())

    assert code == 0
    assert found["recorded"]["score"] == "minus the recorded distance"
    assert "scores are minus the recorded distances, and thresholds are too" in out


def test_recorded_candidates_become_a_run(runs: Runs):
    """metrics.md 1.6 at .6: FPIR 1/3, FNIR at rank 1 3/4; by sex from the list of searches."""
    given = ("--enrolled", GOLDEN / "enrolled.csv", "--searches", GOLDEN / "searches.csv", "--group", "sex")
    found = runs.results(
        "identify", "--candidates", GOLDEN / "probe_vector.frte.txt", "--format", "frte", *given, "--thresholds", "0.6"
    )

    assert rates(found) == {
        ("fpir", "overall"): (1, 3),
        ("fnir", "overall"): (3, 4),
        ("fpir", "f"): (1, 2),
        ("fpir", "m"): (0, 1),
        ("fnir", "f"): (1, 2),
        ("fnir", "m"): (2, 2),
    }
    assert (found["gallery"], found["k"], found["ranks"]) == (4, 4, [1, 2, 3])
    assert found["groups"][0]["mated_unscored"] == found["groups"][0]["nonmated_unscored"] == 1
    kept = files.load_candidates(runs.out / "candidates.safetensors")
    assert (kept.scores.dtype, kept.scores.shape) == (np.float64, (7, 4))


def test_bob_scores_are_searches_too(runs: Runs):
    """The same vector as a matrix of comparisons; one of three may be a false positive: T follows .3."""
    labels = runs.file(
        "l.csv", "subject_id,sex\n" + "".join(f"{s},{x}\n" for s, x in zip("ABCDUVW", "fmfmfmf", strict=True))
    )
    found = runs.results(
        *("identify", "--candidates", GOLDEN / "probe_vector.bob4.txt", "--format", "bob4", "-k", "2"),
        *("--labels", labels, "--group", "sex", "--at", "fpir=0.34", "--ranks", "1,4"),
    )
    [point] = found["operating_points"]

    assert (point["threshold"], point["k"], point["n"]) == (float(np.nextafter(0.3, 1)), 1, 3)
    assert (found["k"], found["ranks"]) == (2, [1, 4])
    assert [e["k"] for e in found["estimates"] if e["metric"] == "fnir" and e["threshold"] is None][:2] == [3, 1]


def bad(runs: Runs) -> dict[str, tuple[object, ...]]:
    """Commands that cannot be, by what their sentence says."""
    bob4, bob2 = runs.file("s.txt", BOB4), runs.file("b.txt", "1 0.5\n-1 0.1\n")
    labels, templates = runs.file("l.csv", LABELS), runs.file("t.npy", "")
    scores = ("verify", "--scores", bob4, "--format", "bob4")
    log = ("identify", "--candidates", GOLDEN / "probe_vector.frte.txt", "--format", "frte")
    return {
        "--scores needs --format": ("verify", "--scores", bob4),
        "nothing to count, expected TEMPLATES or --scores FILE": ("verify",),
        "expected either TEMPLATES or --scores, not both": ("verify", templates, *scores[1:]),
        "--pairs does not apply to recorded files; leave it out with --scores": (*scores, "--pairs", labels),
        "--distance is about recorded files, expected --scores FILE with it": ("verify", templates, "--distance"),
        "--format is about recorded files, expected --candidates FILE": ("identify", templates, "--format", "frte"),
        "--distance and --similarity contradict each other": (*scores, "--distance", "--similarity"),
        "--group needs the labels of the subjects": (*scores, "--group", "sex"),
        "no column 'age', only 'subject_id', 'sex'": (*scores, "--labels", labels, "--group", "age"),
        "names no subjects, so there are no groups": (
            *("verify", "--scores", bob2, "--format", "bob2", "--labels", labels, "--group", "sex"),
        ),
        "nobody has sex=x; the labels are f, m": (
            *(*scores, "--labels", labels, "--at-population", "sex=x", "--at", "fmr=0.5"),
        ),
        "names a rate that can be set here|does not name a rate": (*log, "--at", "fmr=0.1"),
        "line 2: 4 fields, expected 2": (
            *("verify", "--scores", runs.file("r.txt", "1 0.5\n1 2 3 4\n"), "--format", "bob2"),
        ),
        "no such file": ("verify", "--scores", runs.directory / "none.txt", "--format", "bob2"),
        "expected both --enrolled and --searches": (*log, "--enrolled", GOLDEN / "enrolled.csv"),
        "give --enrolled and --searches": log,
        "labels of searches stand in --searches": (
            *(*log, "--enrolled", GOLDEN / "enrolled.csv", "--searches", GOLDEN / "searches.csv", "--labels", labels),
        ),
        "--candidates is given 2 times": ("identify", templates, "-k", "3", "--candidates", "4"),
    }


BAD = (
    "--scores needs --format",
    "nothing to count, expected TEMPLATES or --scores FILE",
    "expected either TEMPLATES or --scores, not both",
    "--pairs does not apply to recorded files; leave it out with --scores",
    "--distance is about recorded files, expected --scores FILE with it",
    "--format is about recorded files, expected --candidates FILE",
    "--distance and --similarity contradict each other",
    "--group needs the labels of the subjects",
    "no column 'age', only 'subject_id', 'sex'",
    "names no subjects, so there are no groups",
    "nobody has sex=x; the labels are f, m",
    "does not name a rate",
    "line 2: 4 fields, expected 2",
    "no such file",
    "expected both --enrolled and --searches",
    "give --enrolled and --searches",
    "labels of searches stand in --searches",
    "--candidates is given 2 times",
)


@pytest.mark.parametrize("sentence", BAD)
def test_mistakes_are_one_sentence_and_exit_code_2(runs: Runs, sentence: str):
    """Options that a recording cannot heed are refused, not ignored."""
    [arguments] = [given for said, given in bad(runs).items() if sentence in said.split("|")]

    assert sentence in runs.refusal(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "--scores", GOLDEN / "small.bob2.txt", "--format", "bob2"),
        ("verify", "--scores", GOLDEN / "small.bob.csv", "--format", "bob-csv"),
        ("identify", "--candidates", GOLDEN / "probe_vector.bob4.txt", "--format", "bob4"),
    ],
)
def test_a_recorded_run_has_a_page(runs: Runs, arguments: tuple[object, ...]):
    """Also where nobody is known, and where lists are all there is."""
    code, _, error = runs.run(*arguments, "--thresholds", "0.4")

    assert (code, error) == (0, "")
    assert "as recorded, float64" in (runs.out / "report.html").read_text()


def test_only_failures_are_rates_still(runs: Runs):
    """Every score is nan: rejected, so no false match and nothing but false non-matches."""
    scores = runs.file("s.txt", "1 nan\n-1 nan\n-1 nan\n")
    found = runs.results("verify", "--scores", scores, "--format", "bob2", "--thresholds", "0.5")

    assert rates(found) == {("fmr", "all"): (0, 2), ("fnmr", "all"): (1, 1)}
    assert found["recorded"]["lowest"] is None
