"""`frbench ab`: real processes, files, exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

import frbench
from frbench.cli import app
from frbench.errors import InputError, InvalidRun, OutputError
from frbench.speed import compare_callables, compare_commands
from frbench.speed.compare import read
from frbench.speed.goal import Goal
from tests.worlds.machines import rounds_of

SCHEMA = json.loads((Path(frbench.__file__).parent / "schema" / "ab.schema.json").read_text())
FRBENCH = [sys.executable, "-m", "frbench", "ab"]


def ab(*arguments: str) -> Result:
    """The command, in this process; those that it times have their own."""
    return CliRunner().invoke(app, ["ab", *arguments])


def prints(seconds: float) -> list[str]:
    """A command that says how long it took, always the same."""
    return ["echo", json.dumps({"frbench_ab": {"p99": seconds}})]


def versus(b: float, *options: str) -> Result:
    """A command of 1 s against one of `b`, by what they print."""
    return ab("--pairs", "10", *options, "--", *prints(1.0), "--", *prints(b))


@pytest.mark.parametrize(
    ("b", "options", "code", "word"),
    [
        (1.05, ["--max-slowdown", "3%"], 1, "fail"),
        (1.0, ["--max-slowdown", "0.03"], 0, "pass"),
        (1.05, [], 0, "measured"),
        (1.05, ["--max-slowdown", "5%"], 4, "inconclusive"),
        (1.05, ["--max-slowdown=-10%"], 1, "fail"),
    ],
)
def test_exit_codes_say_the_outcome(b: float, options: list[str], code: int, word: str):
    """0 pass or measured, 1 fail, 4 inconclusive; the outcome and the interval stand in the table."""
    found = versus(b, *options)

    assert found.exit_code == code, found.exception
    assert f"{word}  p99: B/A is {b:.4f} to {b:.4f}" in found.stdout
    assert "1.0000 - 1.0000" in found.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--", "true"], "expected frbench ab [options] -- CMD_A -- CMD_B"),
        (["--max-slowdown", "3", "--", "true", "--", "true"], "3% is usual"),
        (["--max-slowdown", "much", "--", "true", "--", "true"], "expected a share such as 3% or 0.03"),
        (["--budget", "soon", "--", "true", "--", "true"], "expected a time such as 30s or 2m"),
        (["--pairs", "4", "--", "true", "--", "true"], "expected 10 to"),
        (["--metric-regex", "[", "--", "true", "--", "true"], "is no regular expression"),
        (["--", "true", "--", "false"], "B (false): it ended with exit code 1"),
        (["--", "true", "--", "sh", "-c", "echo what is wrong; exit 7"], "  | what is wrong"),
        (["--", *prints(1), "--", "true"], "expected"),
    ],
)
def test_misuse_is_one_sentence_and_exit_code_2(arguments: list[str], message: str):
    """Wrong options, and commands that fail the first time."""
    found = ab(*arguments)

    assert isinstance(found.exception, InputError)
    assert found.exception.exit_code == 2
    assert message in str(found.exception)


def test_a_command_that_fails_later_makes_the_run_invalid(tmp_path: Path):
    """Its tenth run fails: exit code 4, the end of its output, and no file."""
    seen = tmp_path / "seen"
    code = f"echo x >> {seen}; test $(wc -l < {seen}) -lt 10 || {{ echo worn out; exit 3; }}"
    found = ab("--out", str(tmp_path / "out"), "--", "sh", "-c", code, "--", "true")

    assert isinstance(found.exception, InvalidRun)
    assert found.exception.exit_code == 4
    assert re.search(r"broke off, after the first had worked; [^\n]*\n  \| worn out$", str(found.exception))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_limit_within_the_noise_is_refused(tmp_path: Path):
    """Commands that print 1 to 5 by turns are far from themselves: 3% cannot be told."""
    count = tmp_path / "count"
    code = f"echo x >> {count}; echo took $(( $(wc -l < {count}) % 5 + 1 ))"
    options = ["--pairs", "40", "--metric-regex", r"took (\d)", "--max-slowdown", "3%"]
    found = ab(*options, "--", "sh", "-c", code, "--", "sh", "-c", code)

    assert found.exit_code == 4
    assert "invalid  printed: the limit 1.0300 is within the noise floor" in found.stdout


def test_processes_are_run_by_turns_in_the_order_that_was_drawn(tmp_path: Path):
    """Each appends its name and process id: pairs of one A and one B, in the orders of the file, none twice."""
    log = tmp_path / "log"
    sides = [["sh", "-c", f"echo {side} $$ >> {log}; {' '.join(map(repr, prints(1.0)))}"] for side in "AB"]
    found = ab("--pairs", "10", "--out", str(tmp_path / "out"), "--", *sides[0], "--", *sides[1])
    lines = [line.split() for line in log.read_text().splitlines()]
    values = json.loads((tmp_path / "out" / "ab.json").read_text())
    turns = "".join(side for side, _ in lines)

    assert found.exit_code == 0, found.exception
    assert len({pid for _, pid in lines}) == len(lines) == 24
    assert turns[4:] == "".join(each["turns"] for each in values["rounds"])
    assert all(set(turns[i : i + 2]) == {"A", "B"} for i in range(0, 24, 2))
    assert turns != turns[:4] * 6


def test_the_file_holds_what_its_figures_are_made_of(tmp_path: Path):
    """Schema, commands, machine; ratio and noise can be made again from its rounds, and --json prints the same."""
    found = versus(1.1, "--max-slowdown", "3%", "--json", "--out", str(tmp_path))
    values = json.loads((tmp_path / "ab.json").read_text())
    metric = values["metrics"]["p99"]
    again = read(rounds_of(values), "p99", goal=Goal(0.03), rank=values["design"]["ranks"][0], level=0.95)

    assert json.loads(found.stdout) == values
    jsonschema.Draft202012Validator(SCHEMA).validate(values)
    assert values["schema"] == "frbench.ab/1"
    assert values["commands"] == {"a": prints(1.0), "b": prints(1.1)}
    assert {"value", "low", "high", "level", "pairs"} <= set(metric["ratio"]) & set(metric["noise"])
    assert (again.ratio.low, again.noise.high) == (metric["ratio"]["low"], metric["noise"]["high"])
    assert (values["outcome"], metric["outcome"], metric["ratio"]["pairs"]) == ("fail", "fail", 10)
    assert values["machine"]["cores"] >= 1


@pytest.mark.parametrize(("b", "code"), [(["true"], 0), (["false"], 2)])
def test_the_process_ends_with_the_code(b: list[str], code: int):
    """A finished comparison, and a mistake in one sentence."""
    words = [*FRBENCH, "--pairs", "10", "--", "true", "--", *b]
    found = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)

    assert found.returncode == code
    assert found.stderr.startswith("frbench: error: B (false): it ended" if code else "")
    assert "Traceback" not in found.stderr


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path):
    """Exit code 130, one sentence, no file, and the command that ran is gone."""
    log = tmp_path / "log"
    command = ["sh", "-c", f"echo $$ >> {log}; sleep 60"]
    words = [*FRBENCH, "--out", str(tmp_path / "out"), "--", *command, "--", *command]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    while not log.exists() or not log.read_text().endswith("\n"):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert errors == "frbench: stopped; nothing was written\n"
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text()), 0)


def test_an_old_comparison_does_not_outlive_one_that_breaks_off(tmp_path: Path):
    """A gate that reads the directory finds nothing, instead of the pass of yesterday."""
    versus(1.0, "--out", str(tmp_path))
    assert (tmp_path / "ab.json").exists()
    ab("--out", str(tmp_path), "--", "true", "--", "false")

    assert list(tmp_path.iterdir()) == []


def test_a_comparison_that_cannot_be_written_is_printed(tmp_path: Path):
    """The commands have removed its directory: the minutes that they took are not lost."""
    out = tmp_path / "out"
    command = ["sh", "-c", f"rm -rf {out}; {' '.join(map(repr, prints(1.0)))}"]
    found = ab("--pairs", "10", "--out", str(out), "--", *command, "--", *command)

    assert isinstance(found.exception, OutputError)
    assert "B/A is 1.0000 to 1.0000" in found.stdout


def test_functions_are_compared_in_this_process():
    """Twice as many steps take longer by more than a fifth, and both were called as often as their times say."""
    found = compare_callables(lambda: sum(range(2000)), lambda: sum(range(20_000)), max_slowdown=0.2, sample_s=0.001)

    assert found.outcome == "fail"
    assert found.metrics["call"].ratio.pairs == 2 * len(found.rounds)


def test_commands_are_compared_from_python():
    """The same as on the command line."""
    found = compare_commands(prints(2.0), prints(1.0), max_slowdown=-0.4, pairs=10)

    assert found.outcome == "pass"
    assert found.metrics["p99"].ratio.value == 0.5
