"""The library: verbs are the commands, with the same names and defaults, and take what users have in memory."""

from __future__ import annotations

import doctest
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import frbench
from frbench import api, cli, files
from frbench.errors import InputError
from frbench.runs.asked import DEFAULTS
from tests import ROOT

VERBS = ("verify", "identify", "latency", "ann", "precision", "fuse")
# Options of the screen, and those whose defaults a command shows in words.
OF_SCREENS = {"as_json", "quiet", "help"}
# What a command writes in words, and what a run in memory does without.
SAID_OTHERWISE = {"out", "engine", "format", "split", "ranks", "norm"}


def people(n: int = 24, images: int = 3, d: int = 16) -> tuple[np.ndarray, dict[str, Any]]:
    """(n * images, d) float32 faces that are near those of the same person, and their labels."""
    random = np.random.default_rng(7)
    who = np.repeat(np.arange(n), images)
    faces = random.normal(size=(n, d))[who] + 0.9 * random.normal(size=(n * images, d))
    labels = {"subject_id": [f"p{i}" for i in who], "sex": ["f" if i % 2 else "m" for i in who]}
    return faces.astype(np.float32), labels


FACES, LABELS = people()


def keywords(verb: str) -> set[str]:
    """Every keyword of a verb."""
    signature = inspect.signature(getattr(frbench, verb), eval_str=True)
    (more,) = (p.annotation for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD)
    return {p for p in signature.parameters if p != "more"} | set(more.__args__[0].__annotations__)


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_is_a_keyword_with_the_same_default(verb: str):
    """`--axis-step` is `axis_step`, and a run is the same whether a default was typed or not."""
    signature = inspect.signature(getattr(frbench, verb))
    for option in cli.loaded(verb).params:
        if option.name in OF_SCREENS:
            continue
        assert option.name in keywords(verb), option.name
        own = signature.parameters.get(option.name)
        default = own.default if own is not None and own.default is not own.empty else DEFAULTS.get(option.name)
        is_said = isinstance(option.default, bool | int | float | str | tuple) and option.name not in SAID_OTHERWISE
        assert not is_said or (option.default or None) == (default or None), option.name


def test_arrays_frames_and_files_are_one_run(tmp_path: Path):
    """The same rates from a file and a table, from arrays, and from Arrow; and nothing is written."""
    np.save(tmp_path / "t.npy", FACES)
    table = pa.table(LABELS)
    lines = zip(*LABELS.values(), strict=True)
    (tmp_path / "l.csv").write_text("subject_id,sex\n" + "\n".join(map(",".join, lines)))
    before = set(tmp_path.iterdir())
    runs = [
        frbench.verify(tmp_path / "t.npy", tmp_path / "l.csv", by="sex", at="fmr=0.05"),
        frbench.verify(FACES, LABELS, by=["sex"], at=["fmr=0.05"]),
        frbench.verify(FACES.astype(np.float64), table, by="sex", at="fmr=0.05"),
    ]

    assert len({json.dumps(run.results, sort_keys=True) for run in runs}) == 1
    assert set(tmp_path.iterdir()) == before


def test_categories_and_nulls_are_read_as_texts():
    """As polars and pandas give them: categories over views of texts, and no label for null."""
    parts = [pa.array([*LABELS["sex"][:30], None]), pa.array(LABELS["sex"][31:])]
    coded = [part.dictionary_encode() for part in parts]
    views = pa.chunked_array(
        [pa.DictionaryArray.from_arrays(each.indices, each.dictionary.cast(pa.string_view())) for each in coded]
    )
    found = frbench.load(FACES, labels=pa.table({"subject_id": LABELS["subject_id"], "sex": views}))

    assert found.labels["sex"].tolist() == [*LABELS["sex"][:30], "", *LABELS["sex"][31:]]


def test_a_run_is_written_and_read_as_the_command_has_it(tmp_path: Path):
    """The files of `out=`, of `write` and of the command are one, but for time and command."""
    written = frbench.verify(FACES, LABELS, by="sex", at="fmr=0.05", keep_pairs=3, out=tmp_path / "a", report=False)
    later = frbench.verify(FACES, LABELS, by="sex", at="fmr=0.05", keep_pairs=3)
    later.write(tmp_path / "b", report=False)

    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {path.name for path in (tmp_path / "b").iterdir()} == {
        "results.json", "manifest.json", "tally.safetensors", files.TAIL
    }  # fmt: skip
    for name in names - {"manifest.json"}:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert frbench.read(tmp_path / "b").results == written.results


def test_tables_go_to_other_libraries():
    """Through the Arrow C stream; rows are those of results.json."""
    run = frbench.verify(FACES, LABELS, by="sex", at="fmr=0.05")
    table = run.table("rates")

    assert pa.table(table).num_rows == len(table) == len(run.results["estimates"])
    assert [row["k"] for row in table] == [each["k"] for each in run.results["estimates"]]
    with pytest.raises(InputError, match=r"no table 'rate', only run, .*rates"):
        run.table("rate")


def test_a_run_shows_itself():
    """In a console and in a notebook: every group with its interval and counts, and what it means in a sentence."""
    run = frbench.verify(*people(120), by="sex", at="fmr=0.05")
    fmr = run.estimate("fmr[sex=f] at fmr=0.05")

    for shown in (repr(run), run._repr_html_()):
        assert f"{fmr.k:,} / {fmr.n:,}" in shown
        assert "The false match rate over all pairs was" in shown
    assert "<script" not in frbench.verify(FACES, LABELS | {"sex": ["<script>", "m"] * 36}, by="sex",
                                           per_template="sex")._repr_html_()  # fmt: skip
    chart = run.plot("det")
    assert chart.svg().startswith("<svg")
    assert set(chart._repr_mimebundle_()) == {"image/svg+xml", "application/vnd.vegalite.v5+json"}
    with pytest.raises(InputError, match=r"no chart 'dett', only det"):
        run.plot("dett")


def test_runs_are_compared_gated_and_reported(tmp_path: Path):
    """What commands do with directories, the library does with runs."""
    old = frbench.verify(FACES, LABELS, by="sex", at="fmr=0.05")
    new = frbench.verify(FACES + np.float32(0.1) * FACES[::-1], LABELS, by="sex", at="fmr=0.05")
    (tmp_path / "gates.toml").write_text('[[rule]]\nclaim = "fnmr at fmr=0.05"\nupper = 1\n')

    compared = new.compare(old)
    assert compared["schema"] == "frbench.comparison"
    assert len(compared.table("rows")) == len(compared["rows"]) > 0
    assert new.gate(tmp_path / "gates.toml").exit_code == 0
    assert "</html>" in frbench.report([old, new], tmp_path / "both.html").read_text()
    assert "A: " in repr(compared)
    compared.write(tmp_path / "compared")
    assert json.loads((tmp_path / "compared" / "comparison.json").read_text()) == compared.to_json()


def test_a_threshold_is_transferred():
    """To other people, from a run in memory."""
    found = frbench.transfer(
        frbench.verify(FACES, LABELS, by="sex", thresholds=0.5), threshold=0.5, promised="fmr=0.01", by="sex"
    )

    assert found["promised"] == "fmr=0.01"
    assert "threshold 0.5, promised fmr=0.01" in repr(found)


@pytest.mark.parametrize("population", ["all", "sex=f"])
def test_a_threshold_is_set_at_a_miss_rate(population: str):
    """Beside one at a false match rate, in the order asked for; each is reached and not exceeded, on whom it is set."""
    run = frbench.verify(FACES, LABELS, by="sex", at="fnmr=0.1,fmr=0.05", at_population=population)
    misses, matches = run.results["operating_points"]

    assert (misses["at"], matches["at"]) == ("fnmr=0.1", "fmr=0.05")
    assert 0 < misses["achieved"] <= 0.1
    claim = "fnmr at fnmr=0.1" if population == "all" else "fnmr[sex=f] at fnmr=0.1"
    found = run.estimate(claim)
    assert (found.k, found.n) == (misses["k"], misses["n"])


def test_two_policies_in_memory_are_refused():
    """Also where both runs have one name, as all templates in memory have."""
    one, other = (frbench.verify(FACES, LABELS, thresholds=0.5, failed=failed) for failed in ("reject", "exclude"))
    with pytest.raises(InputError, match="treat failed templates differently"):
        frbench.transfer(one, other, at="fmr=0.05")


def test_searches_are_runs():
    """A split of one array, and two that were split before."""
    split = frbench.identify(FACES, LABELS, by="sex", at="fpir=0.1", k=5)
    enrolled = [i for i in range(60) if i % 3 == 0]
    rest = [i for i in range(72) if i not in enrolled]
    apart = frbench.identify(
        gallery=FACES[enrolled], gallery_labels=frbench.load(FACES, labels=LABELS).take(enrolled).labels | {
            "subject_id": [LABELS["subject_id"][i] for i in enrolled]
        },
        probes=FACES[rest], probe_labels={name: [column[i] for i in rest] for name, column in LABELS.items()},
        by="sex", at="fpir=0.1", k=5,
    )  # fmt: skip

    assert split.results["kind"] == apart.results["kind"] == "identify"
    assert split.candidates is not None


@pytest.mark.parametrize("way", [None, True, "f"])
def test_progress_is_told(way: object, capsys: pytest.CaptureFixture[str]):
    """To a function, with a title and a share; to nobody by default."""
    told: list[tuple[str, float]] = []
    asked: Any = False if way is None else way if way is True else lambda title, share: told.append((title, share))
    frbench.verify(FACES, LABELS, at="fmr=0.05", progress=asked)

    assert capsys.readouterr().out == ""
    if way == "f":
        assert ("verify", 1.0) in told
        assert all(0 <= share <= 1 for _, share in told)


@pytest.mark.parametrize(
    ("templates", "labels", "sentence"),
    [
        (FACES.astype(str), LABELS, "templates: holds texts or objects, expected one of float16, float32, float64"),
        (FACES.tolist(), LABELS, r"templates: is a list, expected an \(n, d\) array"),
        (FACES[0], LABELS, r"templates: has shape \(16,\), expected \(rows, dimension\)"),
        (FACES.astype(int), LABELS, r"templates: holds int64, expected one of float16"),
        (FACES, {"subject_id": ["a", "b"]}, "labels: 2 rows of labels for the 72 rows of templates"),
        (FACES, {"sex": ["f"] * 72}, "labels: no column 'subject_id', only 'sex'"),
        (FACES, {"subject_id": ["a"] * 72, "sex": ["f"]}, "labels: cannot be read as columns"),
        (FACES, [1, 2], "labels: is of type list, expected a data frame"),
        (FACES * np.nan, LABELS, "templates: all 72 rows failed"),
        (object(), LABELS, "templates: is of type object, expected"),
    ],
)
def test_a_mistake_is_one_sentence(templates: Any, labels: Any, sentence: str):
    """Which names what is wrong and what was expected, and never a traceback of a library."""
    with pytest.raises(InputError, match=sentence) as caught:
        frbench.verify(templates, labels, by="sex")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("keyword", "value", "sentence"),
    [
        ("thresholds", ["a"], "thresholds is 'a', expected a number or several"),
        ("at", 0.001, "at is 0.001, expected a text or several"),
        ("by", [3], "by is 3, expected a text or several"),
    ],
)
def test_a_keyword_of_another_kind_is_one_sentence(keyword: str, value: Any, sentence: str):
    """It names the keyword, and what was given."""
    with pytest.raises(InputError, match=sentence):
        frbench.verify(FACES, LABELS, **{keyword: value})


def test_a_number_of_numpy_is_a_threshold():
    """Of any width; one may stand alone."""
    assert frbench.verify(FACES, LABELS, thresholds=np.float32(0.5)).results["thresholds"] == [0.5]


def test_a_misspelt_keyword_is_told_what_it_could_be():
    """Also one that is spelt as the option is."""
    with pytest.raises(InputError, match=r"frbench.verify has no keyword 'group'; did you mean by\?"):
        frbench.verify(FACES, LABELS, group="sex")  # type: ignore[call-arg]
    with pytest.raises(InputError, match=r"no keyword 'thread'; did you mean threads\?"):
        frbench.verify(FACES, LABELS, thread=1)  # type: ignore[call-arg]


class Tensor:
    """What frbench asks of a tensor of torch, on a card and with a history."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.asked = values, []
        self.dtype = "torch.float32"

    def detach(self) -> Tensor:
        """Without history."""
        self.asked.append("detach")
        return self

    def cpu(self) -> Tensor:
        """In memory."""
        self.asked.append("cpu")
        return self

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        assert self.asked == ["detach", "cpu"]
        return self.values


def test_a_tensor_is_taken_without_its_library():
    """It is detached and brought to memory first."""
    run = frbench.verify(Tensor(FACES), LABELS, at="fmr=0.05")
    assert run.results == frbench.verify(FACES, LABELS, at="fmr=0.05").results


@pytest.mark.parametrize("module", [frbench, api])
def test_examples_in_docstrings_run(module: Any):
    """As doctests."""
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


def test_the_notebook_of_the_examples_runs():
    """From a path to a table with intervals in five lines, and what follows."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "notebook.py")], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert "4.45e-3  3.49e-3 - 5.67e-3   19,441 / 4,372,477" in done.stdout
    assert "FNMR of female: 4.8% (2.5% to 9.2%), 471 of 9,803" in done.stdout
    assert "Chart: Trade-off at every threshold by sex (DET)" in done.stdout
