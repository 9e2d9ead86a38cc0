"""`frbench ann` and `frbench precision`: what a user types, gets and does wrong."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import altair
import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner

from frbench import cli, files
from frbench.counting.identify import split_first_per_subject
from frbench.engines.ann import FAMILIES
from frbench.engines.cluster.runners import Runner
from frbench.errors import EngineUnavailable, FrbenchError, InputError
from frbench.files import CHANGED
from frbench.finished_run import FinishedRun
from frbench.page import view_of
from frbench.page.style import Palette
from frbench.runs.ann import Comparison, run_ann
from frbench.runs.options import Options
from frbench.runs.precision import run_precision
from frbench.runs.progress import TerminalProgress
from frbench.shortcuts.indexing import AnnAsked
from frbench.templates import load
from tests.commands.test_cli import SCHEMA

SEXES = ("female", "male")
# A sparse graph, searched narrowly and widely.
SPARSE = ("--build", "M=4,ef_construction=10", "--effort", "5,80", "-k", 5, "--rebuilds", 2)


@dataclass(frozen=True)
class Files:
    """Templates and labels of 300 people of two sexes with two templates each, some of them hard to find."""

    directory: Path

    def run(self, command: str, *arguments: object) -> Ran:
        """A command on them, exceptions let through, which the command line turns into a sentence and a code."""
        out = self.directory / "out"
        given = [
            command,
            self.directory / "t.npy",
            "--labels",
            self.directory / "l.csv",
            "--group",
            "sex",
            "--out",
            out,
        ]
        given += ["--nonmated-subjects", 100, "--at", "fpir=0.2", "--threads", 1, *arguments]
        done = CliRunner().invoke(cli.app, list(map(str, given)), catch_exceptions=False)
        return Ran(out, done.exit_code, done.output)


@dataclass(frozen=True)
class Ran:
    """What a command left, and printed."""

    out: Path
    code: int
    text: str

    @property
    def results(self) -> dict[str, Any]:
        """results.json."""
        return files.read_json(self.out / "results.json", schema="frbench.results")

    @property
    def page(self) -> str:
        """Text of the page."""
        markup = (self.out / "report.html").read_text().split("<script")[0]
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup))


def people(directory: Path) -> Files:
    """The files, written."""
    random = np.random.default_rng(3)
    mates = np.repeat(random.normal(size=(300, 24)), 2, axis=0)
    np.save(directory / "t.npy", (mates + 0.8 * random.normal(size=mates.shape)).astype(np.float32))
    lines = [f"t{i},s{i // 2},{SEXES[i // 2 % 2]}" for i in range(600)]
    (directory / "l.csv").write_text("\n".join(["template_id,subject_id,sex", *lines]) + "\n")
    return Files(directory)


@pytest.fixture
def given_files(tmp_path: Path) -> Files:
    """Files of a test's own."""
    return people(tmp_path)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """One `frbench ann` that tests read."""
    return people(tmp_path_factory.mktemp("sweep")).run("ann", *SPARSE)


def test_a_sweep_is_printed_written_and_shown(sweep: Ran):
    """Table, results by the schema, page and list of changed answers; everything says approximate, and how."""
    results, manifest = sweep.results, files.read_json(sweep.out / "manifest.json")

    assert sweep.code == 0
    jsonschema.validate(results, SCHEMA)
    for text in (sweep.text, sweep.page):
        assert "hnsw (hnswlib" in text
        assert "M=4, ef_construction=10, 1 thread" in text
        assert "approximate" in text.lower()
        assert "ef=80" in text
    assert manifest["options"]["approximate"]["parameters"] == {"M": 4, "ef_construction": 10}
    assert results["approximate"]["order"] == "file"
    assert [s["approximate"]["effort"] for s in results["systems"]] == ["ef=5", "ef=80"]
    assert results["searches"][0] == {"grouping": "all", "group": "overall", "mated": 200, "nonmated": 200}
    assert [(e["group"], e["templates"]) for e in results["enrolled"]] == [
        ("overall", 200),
        ("female", 100),
        ("male", 100),
    ]


def test_rows_add_up_over_groups_and_name_what_the_index_costs(sweep: Ran):
    """Errors, added and removed ones of women and men are those of everybody, in every search; a sparse graph adds."""
    results = sweep.results
    by_rate: dict[Any, dict[str, Any]] = {}
    for row in results["rows"]:
        by_rate.setdefault((row["system"], row["metric"], row["threshold"]), {})[row["group"]] = row

    assert len(by_rate) == 2 * 3
    for rows in by_rate.values():
        for part in ("exact", "other", "added", "removed"):
            for number in ("k", "n"):
                assert rows["overall"][part][number] == sum(rows[sex][part][number] for sex in SEXES)
    narrow, wide = (by_rate[system, "fnir", None]["overall"] for system in ("ef=5", "ef=80"))
    assert narrow["added"]["k"] > wide["added"]["k"]
    recalls = [r for r in results["recall"] if r["group"] == "overall"]
    assert recalls[0]["mean"]["value"] < recalls[1]["mean"]["value"] <= 1
    assert recalls[0]["lowest"] < recalls[0]["mean"]["value"]


def test_changed_answers_are_listed_by_name(sweep: Ran):
    """changed.csv has a line for each search whose first candidate is not the same in all three builds."""
    results = sweep.results
    with (sweep.out / CHANGED).open() as file:
        rows = list(csv.DictReader(file))
    counted = {o["system"]: o for o in results["orders"] if o["group"] == "overall"}

    for system, found in counted.items():
        own = [row for row in rows if row["system"] == system]
        assert len(own) == found["changed"]["k"] > 0
        flipped = sum(row["is_mated"] == "true" and row["builds_with_mate_first"] in "12" for row in own)
        assert flipped == found["flipped"]["k"]
        assert len(found["missed"]) == 3
    assert all(len(set(row["first_of_each_build"].split())) > 1 for row in rows)


def test_a_run_without_rebuilds_has_no_list_of_what_they_change(given_files: Files):
    """Neither as a file nor in its results, which --json prints."""
    done = given_files.run("ann", "--effort", 20, "-k", 5, "--rebuilds", 0, "--no-report", "--json")

    assert done.code == 0
    assert not (done.out / CHANGED).exists()
    assert json.loads(done.text) == done.results
    assert done.results["orders"] == []


@pytest.mark.parametrize("family", ["faiss-hnsw", "faiss-ivfpq", "faiss-sq8", "usearch"])
def test_every_family_makes_a_run(given_files: Files, family: str):
    """Results by the schema; as many proposals as there are rows find what is to be found."""
    options = ("--index", family, "--proposals", 200, "--rebuilds", 0, "--no-report", "--quiet")
    done = given_files.run("ann", *options)
    results = done.results
    last = results["systems"][-1]["name"]
    (recall,) = [r for r in results["recall"] if (r["system"], r["group"]) == (last, "overall")]

    assert done.text == ""
    jsonschema.validate(results, SCHEMA)
    assert results["approximate"]["index"] == family
    assert recall["mean"]["k"] == recall["mean"]["n"]
    assert results["reach"]["never"][0]["k"] == 0


def test_formats_are_compared_with_float32(given_files: Files):
    """A row for every format, rate and group; few bits add errors; those that no arithmetic is timed of say so."""
    done = given_files.run("precision", "--format", "float16,int8,pca6")
    results = done.results
    added = {
        r["system"]: r["added"]["k"] + r["removed"]["k"]
        for r in results["rows"]
        if (r["metric"], r["threshold"], r["group"]) == ("fnir", None, "overall")
    }

    assert done.code == 0
    jsonschema.validate(results, SCHEMA)
    assert added["float16"] <= added["int8"] < added["pca6"]
    assert [s["reduced"]["bytes_per_row"] for s in results["systems"]] == [48, 28, 24]
    assert [s["queries"]["per_s"] is None for s in results["systems"]] == [True, True, False]
    assert "no arithmetic in their format is timed here" in done.text
    assert "At thresholds of their own" in done.page
    own = [r for r in results["own_thresholds"] if r["metric"] == "fpir" and r["group"] == "overall"]
    assert {r["net"]["reason"] for r in own} == {"both thresholds were set at this rate on these trials"}


def test_the_chart_of_the_price_is_of_the_counts(sweep: Ran):
    """Points are added misses against searches a second, for everybody and each group, in valid Vega-Lite."""
    results = sweep.results
    section = FinishedRun(results, {}, files.load_tally(sweep.out / "tally.safetensors"))
    view = view_of(section, Palette([("sex", sex) for sex in SEXES]), 1)

    assert view.figures[0].title == "Added misses: FNIR, rank 1, without a threshold"
    for figure in view.figures:
        altair.Chart.from_dict(figure.spec)
    drawn = {(row["g"], row["system"]): row for row in view.figures[0].spec["data"]["values"]}
    for row in results["rows"]:
        if (row["metric"], row["threshold"]) == ("fnir", None):
            name = "all searches" if row["group"] == "overall" else row["group"]
            assert drawn[name, row["system"]]["value"] == row["added"]["k"] / row["added"]["n"]
            assert drawn[name, row["system"]]["low"] == row["added"]["low"]
    assert len(drawn) == 2 * 3


class Watched:
    """Progress that notes its steps, and is interrupted, as by Ctrl-C, in the middle of one of them."""

    def __init__(self, interrupted: int | None = None, *, after: int = 1) -> None:
        self.steps: list[str] = []
        self._interrupted, self._after = interrupted, after

    @contextmanager
    def step(self, title: str, *_: object) -> Iterator[Callable[[int], None]]:
        """Amounts of other steps are all taken."""
        self.steps.append(title)
        amounts = 0

        def advance(_: int) -> None:
            nonlocal amounts
            amounts += 1
            if len(self.steps) - 1 == self._interrupted and amounts == self._after:
                raise KeyboardInterrupt

        yield advance


# Steps of a sweep with one more build.
STEPS = ["exact", "build 1/2", "approximate", "reach", "build 2/2", "approximate"]


ASKED = AnnAsked(parameters={"M": 4, "ef_construction": 10}, efforts=(5, 20), rebuilds=1)


def swept(directory: Path, progress: Watched, out: str = "out", asked: AnnAsked = ASKED) -> dict[str, Any]:
    """Results of a sweep, of two efforts and builds unless another is asked for, times left out."""
    found = load(directory / "t.npy", labels=directory / "l.csv")
    gallery, probes = split_first_per_subject(found, 100)
    options = Options(out=directory / out, groupings=(("sex",),), threads=1, with_report=False)
    results = run_ann(gallery, probes, options, asked, k=5, ranks=(1,), progress=progress).results
    for system in results["systems"]:
        del system["queries"]
    return {name: value for name, value in results.items() if name not in ("exact_queries", "build_s")}


def test_an_interrupted_build_leaves_nothing_half_written(given_files: Files):
    """What was searched exactly stays for the next run; no result stands there, and the next run ends as any other."""
    out = given_files.directory / "out"

    with pytest.raises(KeyboardInterrupt):
        swept(given_files.directory, Watched(STEPS.index("build 1/2")))
    left = [path.name for path in out.iterdir()]
    again = swept(given_files.directory, Watched())

    assert len(left) == 1
    assert left[0].endswith(".partial")
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [CHANGED, "manifest.json", "results.json", "tally.safetensors"]
    )
    assert again["rows"]


# In the first search; after one of two efforts; while the second index is built; in its last search.
@pytest.mark.parametrize(("interrupted", "after"), [(2, 1), (2, 3), (4, 1), (5, 3)])
def test_an_interrupted_sweep_goes_on(given_files: Files, interrupted: int, after: int):
    """Its results are those of a run that nobody interrupted."""
    whole = swept(given_files.directory, Watched(), out="whole")
    with pytest.raises(KeyboardInterrupt):
        swept(given_files.directory, Watched(interrupted, after=after))

    assert swept(given_files.directory, Watched()) == whole


def test_a_build_whose_searches_are_kept_is_left_out(given_files: Files, monkeypatch: pytest.MonkeyPatch):
    """A run that was interrupted after its last search builds only the index that it times."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Comparison, "orders", interrupted)
        with pytest.raises(KeyboardInterrupt):
            swept(given_files.directory, Watched())
    watched = Watched()
    swept(given_files.directory, watched)

    assert watched.steps == [step for step in STEPS if step != "build 2/2"]


@pytest.mark.parametrize("change", [{"efforts": (2,)}, {"parameters": {"nlist": 3}}])
def test_a_mistake_about_the_index_is_said_before_the_first_search(given_files: Files, change: dict[str, Any]):
    """A value that is too low, or no parameter of the index: not after the exact search, which may take hours."""
    watched = Watched()
    with pytest.raises(InputError):
        swept(given_files.directory, watched, asked=replace(ASKED, **change))

    assert watched.steps == []


def test_a_library_that_is_missing_is_named():
    """What, and how to install it."""
    unknown = replace(FAMILIES["hnsw"], distribution="no-such-library")
    with pytest.raises(EngineUnavailable, match=r"hnsw needs no-such-library, which is not here .*frbench\[ann\]"):
        unknown.require_library()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--build", "M"), "--build is 'M', expected NAME=N"),
        (("--build", "nlist=3"), "hnsw has no build parameter 'nlist', expected one of: M, ef_construction"),
        (("--effort", "5"), "--effort 5 is below 10, the length of the lists"),
        (("--effort", "a"), "--effort is 'a', expected numbers with commas between them"),
        (("--ranks", "1,20"), "rank 20 is beyond lists of 10"),
        (("--rebuilds", "-1"), "--rebuilds -1, expected 0 or more"),
        (("--group", "age"), "age"),
        (("--index", "faiss-ivfpq", "--build", "m=5"), "faiss-ivfpq cannot be built of 200 rows"),
    ],
)
def test_mistakes_are_one_sentence(given_files: Files, arguments: tuple[str, ...], said: str):
    """What, got and expected, as an error that exits with 2; nothing is written."""
    with pytest.raises(FrbenchError, match=re.escape(said)) as found:
        given_files.run("ann", *arguments)

    assert found.value.exit_code == 2
    assert not (given_files.directory / "out" / "results.json").exists()


def test_formats_that_are_none_are_refused(given_files: Files):
    """The message says which there are."""
    with pytest.raises(InputError, match="--format is 'int4', expected float16, bfloat16, int8 or pcaN"):
        given_files.run("precision", "--format", "int4")


@pytest.mark.parametrize("name", ["ann", "precision"])
@pytest.mark.parametrize("engine", ["gpu", "grpc://127.0.0.1:1"])
def test_engines_that_do_not_search_exactly_beside_another_are_refused(given_files: Files, name: str, engine: str):
    """By the command line, which lists the two that do, before anything is read."""
    done = given_files.run(name, "--engine", engine)

    assert done.code == 2
    assert "is not one of 'cpu', 'reference'" in done.text


@pytest.mark.parametrize(("name", "has_runner"), [("ann", True), ("precision", False)])
def test_help_offers_what_works(name: str, has_runner: bool):
    """Two engines, no servers, and workers where they can build an index of their own rows."""
    text = CliRunner().invoke(cli.app, [name, "--help"], terminal_width=110).output

    assert "--engine [cpu|reference]" in text
    assert "gpu" not in text
    assert not any(option in text for option in ("SERVER", "--token-file", "--ca ", "--cert ", "--key "))
    assert [option in text for option in ("--runner", "--address", "--workers", "--storage")] == [has_runner] * 4


def test_formats_are_not_handed_to_workers(given_files: Files):
    """Workers read rows from files, where float32 rows are."""
    templates = load(given_files.directory / "t.npy", labels=given_files.directory / "l.csv")
    gallery, probes = split_first_per_subject(templates, 100)
    options = Options(out=given_files.directory / "out", runner=Runner())

    with pytest.raises(InputError, match="--runner hands out rows of files, which hold no stored formats"):
        run_precision(gallery, probes, options, ("float16",), k=5, ranks=(1,), progress=TerminalProgress(quiet=True))
    assert given_files.run("precision", "--runner", "ray").code == 2
