"""`frbench plan`: what it prints is what the arithmetic says, of a file or of this machine."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from frbench.cli import app
from frbench.cluster import measured
from frbench.cluster.hardware import Hardware
from frbench.cluster.sizing import Sizing
from frbench.errors import InputError

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


def test_more_workers_are_asked_for_on_the_command_line(file: Path):
    """The option stands before the file."""
    found = run("--gallery-size", "1000", "--hardware", str(file), "--workers", "7", "--json")
    assert json.loads(found.output)["hardware"]["workers"] == 7


def test_what_was_measured_here_is_a_hardware_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A plan made from the printed JSON is the same plan."""
    monkeypatch.setattr(measured, "BYTES", 2000 * 64 * 4)
    monkeypatch.setattr(measured, "LEAST_S", 0.01)
    asked = ("--gallery-size", "1e6", "--probes", "100", "--dimension", "64", "--json")
    here = json.loads(run(*asked, "--threads", "1").output)
    (tmp_path / "here.json").write_text(json.dumps(here))

    assert json.loads(run(*asked, "--hardware", str(tmp_path / "here.json")).output) == here
    assert "2,000 rows of random numbers" in here["hardware"]["source"]
    assert 0 < here["hardware"]["settled_share"] < 1
    assert here["hardware"]["threads"] == 1


def test_rates_are_measured_on_the_templates_that_are_given(tmp_path: Path):
    """Equal rows cannot be told from each other by integers: all pairs are settled."""
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
        ("machines = 1.5", "machines is 1.5, expected a number above 0"),
        ("dimension = true", "dimension is True, expected a number above 0"),
        ("currency = 3", "currency is 3, expected a text"),
        ("rows_read_per_s = ", "not a hardware file in TOML or JSON"),
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
