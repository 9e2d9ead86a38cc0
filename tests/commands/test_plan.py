"""`frbench plan`: what it prints is what the arithmetic says, of a file or of this machine."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from frbench.cli import app
from frbench.errors import InputError
from frbench.inputs import scratch
from frbench.planning import measured
from frbench.planning.hardware import Hardware
from frbench.planning.sizing import Sizing
from tests import ROOT

EXAMPLE = ROOT / "examples" / "plan" / "machines.toml"
FILE = """
name = "large"
memory_gib = 512
dimension = 512
comparisons_per_s = 2e9
rows_read_per_s = 3e5
rows_prepared_per_s = 1e6
candidates_merged_per_s = 1e7
workers = 4
price_per_hour = 2.5
currency = "EUR"
"""


def run(*arguments: str) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(app, ["plan", *arguments])


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A measurement of 2,000 rows, of dimension 64."""
    monkeypatch.setattr(measured, "BYTES", 2000 * 64 * 4)
    monkeypatch.setattr(measured, "LABELS", 2000)
    for seconds in ("LEAST_S", "TAKEN_S"):
        monkeypatch.setattr(measured, seconds, 0.01)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A hardware file."""
    path = tmp_path / "machines.toml"
    path.write_text(FILE)
    return path


def test_a_plan_is_what_the_arithmetic_says(file: Path):
    """As JSON and as text; what the file does not say has a reason."""
    asked = ("--gallery-size", "3e9", "--probes", "1e5", "--hardware", str(file))
    values, text = json.loads(run(*asked, "--json").output), run(*asked).output
    expected = Sizing(3 * 10**9, 10**5, 512, Hardware.read(file))

    assert values["gallery"] == 3 * 10**9
    for name in ("pairs", "machines", "workers", "rows_of_worker", "worker_bytes", "compare_s", "hours", "price"):
        assert values[name] == getattr(expected, name), name
    assert values["settled_pairs"] is None
    assert "settled_share" in values["settled_pairs_reason"]
    assert f"{expected.machines:,} of 512.0 GiB; workers on each: 4" in text
    assert f"{expected.price:,.2f} EUR" in text
    assert text.count("assumed: ") == len(values["assumed"]) > 0


def test_the_example_plans_a_thousand_million_people():
    """Every figure has a value, memory of an index among them; of twice as many, the program needs a larger machine."""
    asked = ("--gallery-size", "3e9", "--probes", "1e5", "--hardware", str(EXAMPLE))
    values = json.loads(run(*asked, "--json").output)
    indexed = json.loads(run(*asked, "--index", "hnsw", "--build", "M=32", "--json").output)

    reasons = {"settled_pairs_reason", "storage_s_reason", "travel_s_reason", "price_reason"}
    assert {name for name, value in values.items() if value is None} == {"index", *reasons}
    assert "279.41 GiB of memory for labels\n" in run(*asked).output
    twice = run("--gallery-size", "6e9", *asked[2:]).output
    assert "558.80 GiB of memory for labels: more than a machine has room for" in twice
    assert indexed["index"] == {"family": "hnsw", "M": 32}
    # 2,048 bytes of a vector, 276.26 of links and numbers, rounded up, and 110 of the heap.
    assert indexed["worker_index_bytes"] == indexed["rows_of_worker"] * (2048 + 277 + 110)
    assert indexed["machines"] > values["machines"]
    assert "GiB of it for the index" in run(*asked, "--index", "hnsw").output


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--templates", "t.npy"), "--templates is of a measurement, and --hardware has its rates already"),
        (("--threads", "2"), "--threads is of a measurement"),
        (("--build", "M=8"), "--build is of an index: say which with --index"),
        (("--index", "hnsw", "--build", "m=8"), "hnsw has no build parameter 'm'"),
        (("--index", "hnsw", "--build", "M=1"), "build parameter M is 1, expected 2 or more"),
    ],
)
def test_options_that_mean_nothing_are_refused(more: tuple[str, ...], message: str):
    """Rather than passed over."""
    assert message in str(run("--gallery-size", "3e9", "--hardware", str(EXAMPLE), *more).exception)


def test_more_workers_are_asked_for_on_the_command_line(file: Path):
    """The option stands before the file."""
    found = run("--gallery-size", "1000", "--hardware", str(file), "--workers", "7", "--json")
    assert json.loads(found.output)["hardware"]["workers"] == 7


def test_what_was_measured_here_is_a_hardware_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A plan made from the printed JSON is the same plan."""
    quick(monkeypatch)
    asked = ("--gallery-size", "1e6", "--probes", "100", "--dimension", "64", "--json")
    here = json.loads(run(*asked, "--threads", "1").output)
    (tmp_path / "here.json").write_text(json.dumps(here))

    assert json.loads(run(*asked, "--hardware", str(tmp_path / "here.json")).output) == here
    assert "2,000 rows of random numbers" in here["hardware"]["source"]
    assert 0 < here["hardware"]["settled_share"] < 1
    assert here["hardware"]["threads"] == 1
    assert here["hardware"]["labels_prepared_per_s"] > 0


def test_workers_are_measured_side_by_side_as_many_as_there_are_processors_for(monkeypatch: pytest.MonkeyPatch):
    """Two are tried where there are two processors; of a thousand, no more than there are, and the source says so."""
    quick(monkeypatch)
    monkeypatch.setattr(scratch, "processors", lambda: 2)

    both, many = (measured.measure(64, 5, threads=1, workers=workers) for workers in (2, 1000))

    assert (both.workers, both.threads, "at a time" in both.source) == (2, 1, False)
    assert (many.workers, "2 workers at a time" in many.source) == (1000, True)
    assert measured.measure(64, 5, workers=1).threads == 2


def test_rates_are_measured_on_the_templates_that_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Equal rows cannot be told from each other by integers: all pairs are settled."""
    quick(monkeypatch)
    np.save(tmp_path / "t.npy", np.ones((300, 8), np.float32))
    found = run("--gallery-size", "1e6", "--dimension", "8", "--templates", str(tmp_path / "t.npy"), "--json")

    assert json.loads(found.output)["hardware"]["settled_share"] == 1
    assert "on 300 rows of t.npy: too few to tell" in json.loads(found.output)["hardware"]["source"]
    other = run("--gallery-size", "1e6", "--templates", str(tmp_path / "t.npy"))
    assert "has dimension 8, the plan has 512; give --dimension" in str(other.exception)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("machine = 3", "no field 'machine' of hardware"),
        ("memory_gib = 0", "memory_gib is 0, expected a number above 0"),
        ("machines = 1.5", "machines is 1.5, expected a whole number above 0"),
        ("dimension = true", "dimension is True, expected a whole number above 0"),
        ("currency = 3", "currency is 3, expected a text"),
        ("rows_passed_per_s = nan", "rows_passed_per_s is nan, expected a number above 0"),
        ("price_per_hour = inf", "price_per_hour is inf, expected a number above 0"),
        ("settled_share = 1.5", "settled_share is 1.5, expected a share from 0 to 1"),
        ("rows_read_per_s = ", "not a hardware file in TOML or JSON"),
        ("hardware = 3", "not a hardware file, expected a table of fields"),
    ],
)
def test_a_mistake_in_a_hardware_file_is_one_sentence(file: Path, more: str, message: str):
    """The sentence names the file and the field."""
    name = more.partition(" ")[0]
    kept = [line for line in FILE.splitlines() if not line.startswith(f"{name} ")]
    file.write_text("\n".join([*kept, more]))

    with pytest.raises(InputError, match=message) as found:
        Hardware.read(file)
    assert str(file) in str(found.value)


@pytest.mark.parametrize("name", [field.name for field in fields(Hardware)][:6])
def test_a_hardware_file_names_every_rate(file: Path, name: str):
    """A field that is needed and missing is named, and how to come by it."""
    file.write_text("\n".join(line for line in FILE.splitlines() if not line.startswith(f"{name} ")))

    with pytest.raises(InputError, match=f"lacks {name}; `frbench plan --json` on such a machine measures it"):
        Hardware.read(file)


@pytest.mark.parametrize("text", ["1.5", "many", "1e999", "nan", "0", "-3", "1e40", "1e-9999999999", "٣x"])
def test_a_number_of_rows_is_whole(text: str):
    """3e9 is; what is not is refused, before anything is measured."""
    assert f"--gallery-size is '{text}', expected a whole number above 0, such as 3e9" in str(
        run("--gallery-size", text).exception
    )
