"""`frbench gate` as a user, a Makefile and a step of a workflow run it: what is said, and which code ends it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import frbench
from frbench import cli, files
from tests.commands.test_compare import saved as saved_run
from tests.gates.test_benchmarks import lognormal, saved
from tests.gates.test_interleaved import ab, document
from tests.reading.systems.test_compare import identified, people, verified

PASS = '[[rule]]\nclaim = "fnmr[sex=f] at 0.6"\nupper = 0.9\n'
FAIL = '[[rule]]\nclaim = "fmr at 0.6"\nupper = 1e-4\n'
OPEN = '[[rule]]\nclaim = "fnmr[sex=f] at 0.6"\nupper = {value}\n'
CHANGE = '[[rule]]\nchange = "fnmr at fmr=0.1"\nupper = "{upper}"\n'
PACKAGE = Path(frbench.__file__).parent.parent


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with runs, files of times, and a program `frbench`."""
    where = tmp_path_factory.mktemp("gate")
    new = verified(people(2), "new", at=0.6)
    saved_run(new, where / "new")
    saved_run(verified(people(3), "old", at=0.5), where / "old")
    saved_run(identified(people(3)), where / "searches")
    for name, factor, machine in (
        ("old", 1.0, {}),
        ("same", 1.0, {}),
        ("slow", 1.5, {}),
        ("other", 1.0, {"node": "b"}),
    ):
        text = json.dumps(saved({"a": lognormal(100, seed=len(name), factor=factor)}, **machine))
        (where / f"{name}.json").write_text(text)
    for name, noise in (("quiet", 0.01), ("noisy", 0.2)):
        (where / f"{name}-ab.json").write_text(json.dumps(document(t=ab(1.0, 0.02, noise=noise))))
    (where / "pass.toml").write_text(PASS)
    (where / "fail.toml").write_text(FAIL)
    own = next(e for e in new.results["estimates"] if (e["metric"], e["group_a"], e["group_b"]) == ("fnmr", "f", "f"))
    (where / "open.toml").write_text(OPEN.format(value=own["value"]))
    (where / "warn.toml").write_text(OPEN.format(value=own["value"]) + 'doubt = "warn"\n')
    (where / "change.toml").write_text(CHANGE.format(upper="900%"))
    (where / "bad.toml").write_text('[[rule]]\nclaim = "fnmr[sex=x] at 0.6"\nupper = 0.9\n')
    program = where / "bin" / "frbench"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m frbench "$@"\n')
    program.chmod(0o755)
    return where


def run(place: Path, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A command in the directory, with `frbench` among the programs."""
    path = os.pathsep.join([str(place / "bin"), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(PACKAGE)} | more
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=300, check=False)


Gated = Callable[..., tuple[int, str, str]]


@pytest.fixture
def called(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Gated:
    """`frbench` in this process: its code, and what it said and complained of."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["frbench", *arguments])
        handler = signal.getsignal(signal.SIGTERM)
        with pytest.raises(SystemExit) as stop:
            cli.main()
        signal.signal(signal.SIGTERM, handler)
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture
def gated(place: Path, called: Gated, monkeypatch: pytest.MonkeyPatch) -> Gated:
    """`frbench gate` in the directory."""
    monkeypatch.chdir(place)
    return lambda *arguments: called("gate", *arguments)


CASES = {
    "pass": (("new", "--rules", "pass.toml"), 0, "gate: pass; 1 of 1 rows pass"),
    "fail": (("new", "--rules", "fail.toml"), 1, "gate: fail; 0 of 1 rows pass, 1 fail"),
    "inconclusive": (("new", "--rules", "open.toml"), 4, "gate: inconclusive"),
    "tolerated": (("new", "--rules", "warn.toml"), 0, "1 inconclusive, 1 of them tolerated"),
    "doubt on the command line": (("new", "--rules", "open.toml", "--doubt", "pass"), 0, "gate: pass"),
    "no such group": (("new", "--rules", "bad.toml"), 2, "there is no group 'x', only f, m"),
    "no rules": (("new",), 2, "there are no rules for it; give --rules"),
    "no file of rules": (("new", "--rules", "no.toml"), 2, "no.toml is not a file of rules"),
    "no run": (("no", "--rules", "pass.toml"), 2, "is not a file of a frbench run"),
    "no baseline is given": (("new", "--rules", "change.toml"), 3, "there is no baseline; give --baseline"),
    "no baseline is there": (("new", "--rules", "change.toml", "--baseline", "no"), 3, "there is no baseline at no"),
    "another protocol": (("new", "--rules", "change.toml", "--baseline", "searches"), 3, "other kinds of run"),
    "a paired change": (("new", "--rules", "change.toml", "--baseline", "old"), 0, "change of fnmr at fmr=0.1"),
    "unchanged benchmarks": (("same.json", "--baseline", "old.json"), 0, "change of median[a]"),
    "a slow benchmark": (("slow.json", "--baseline", "old.json"), 1, "gate: fail"),
    "another machine": (("other.json", "--baseline", "old.json"), 3, "of two machines: node is b and a"),
    "another machine allowed": (
        ("other.json", "--baseline", "old.json", "--allow-other-machine", "--doubt", "pass"), 0, "gate: pass",
    ),
    "interleaved": (("quiet-ab.json",), 0, "change of median[t]"),
    "a noisy machine": (("noisy-ab.json",), 4, "a bound must be wider than that"),
    "a noisy machine, tolerated": (("noisy-ab.json", "--doubt", "pass"), 4, "within the noise floor"),
    "two baselines": (("quiet-ab.json", "--baseline", "old.json"), 2, "leave out --baseline"),
    "an unknown option": (("new", "--rule", "pass.toml"), 2, "No such option"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_outcome_has_its_code_and_its_sentence(gated: Gated, case: str):
    """0 pass, 1 fail, 2 misuse, 3 no baseline or not comparable, 4 inconclusive or invalid."""
    arguments, code, said = CASES[case]
    got, out, err = gated(*arguments)

    assert got == code, err
    assert said in re.sub(r"\s+", " ", out + err)
    if code in (2, 3) and case != "an unknown option":
        assert len(err.strip().splitlines()) == 1


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(
    ("rules", "code"), [("pass", 0), ("warn", 0), ("fail", 1), ("bad", 2), ("change", 3), ("open", 4)]
)
def test_make_stops_and_prints_the_code(place: Path, rules: str, code: int):
    """make ends with 2 whatever a command returned; the code stands in its message, and what follows does not run."""
    makefile = place / f"{rules}.mk"
    makefile.write_text(f"gate:\n\tfrbench gate new --rules {rules}.toml\n\t@echo went on\n")
    done = run(place, "make", "-f", makefile.name)

    assert done.returncode == (2 if code else 0)
    assert ("went on" in done.stdout) == (code == 0)
    if code:
        assert re.search(rf"gate\] Error {code}$", done.stderr, re.MULTILINE)


@pytest.mark.parametrize(("rules", "code"), [("pass", 0), ("fail", 1), ("change", 3), ("open", 4)])
def test_a_step_of_a_workflow_ends_with_the_code(place: Path, rules: str, code: int):
    """`bash -e` runs it from a file, and what follows does not run."""
    step = place / f"{rules}.sh"
    step.write_text(f'frbench gate new --rules {rules}.toml --summary "$SUMMARY"\necho went on\n')
    done = run(place, "bash", "-e", step.name, SUMMARY=f"{rules}.md")

    assert (done.returncode, "went on" in done.stdout) == (code, code == 0)
    assert (place / f"{rules}.md").exists() == (code in (0, 1, 4))


def test_a_pipe_loses_the_code_unless_the_shell_keeps_it(place: Path):
    """As a workflow runs a step with `shell: bash`, and as it runs one without."""
    piped = place / "piped.sh"
    piped.write_text("frbench gate new --rules open.toml | cat\n")

    assert run(place, "bash", "--noprofile", "--norc", "-eo", "pipefail", piped.name).returncode == 4
    assert run(place, "bash", "-e", piped.name).returncode == 0


def test_a_summary_is_added_to(place: Path, gated: Gated):
    """Two steps of one job write to one file."""
    for _ in range(2):
        gated("new", "--rules", "fail.toml", "--summary", "job.md")

    assert (place / "job.md").read_text().count("### gate: fail") == 2


def test_out_has_json_junit_and_markdown(place: Path, gated: Gated):
    """And `--json` prints what is kept, and nothing else."""
    code, out, _ = gated("new", "--rules", "fail.toml", "--out", "out", "--json")
    kept = files.read_json(place / "out" / "gate.json", schema="frbench.gate")

    assert json.loads(out) == kept
    assert (code, kept["exit_code"], kept["outcome"]) == (1, 1, "fail")
    assert sorted(path.name for path in (place / "out").iterdir()) == ["gate.json", "gate.md", "gate.xml"]
    assert gated("new", "--rules", "fail.toml", "--quiet")[:2] == (1, "")


def test_an_old_verdict_does_not_outlive_a_gate_that_breaks_off(place: Path, gated: Gated):
    """A script that reads gate.json finds none, instead of the pass of yesterday."""
    gated("new", "--rules", "pass.toml", "--out", "again")
    code, _, _ = gated("new", "--rules", "change.toml", "--baseline", "no", "--out", "again")

    assert (code, list((place / "again").iterdir())) == (3, [])


PRINTS = 'echo \'{{"frbench_ab": {{"t": {seconds}}}}}\''
JITTERS = "echo x >> {count}; echo '{{\"frbench_ab\": {{\"t\": '$(( $(wc -l < {count}) % 5 + 1 ))'}}}}'"


@pytest.mark.parametrize(
    ("a", "b", "options", "said", "codes"),
    [
        (PRINTS.format(seconds=1), PRINTS.format(seconds=1), ["--max-slowdown", "3%"], "pass", (0, 0)),
        (PRINTS.format(seconds=1), PRINTS.format(seconds=1.1), ["--max-slowdown", "3%"], "fail", (1, 1)),
        (PRINTS.format(seconds=1), PRINTS.format(seconds=1.1), [], "measured", (0, 1)),
        (PRINTS.format(seconds=1), PRINTS.format(seconds=0.9), ["--max-slowdown=-5%"], "pass", (0, 0)),
        (JITTERS, JITTERS, ["--max-slowdown", "3%"], "invalid", (4, 4)),
        ("sleep 0.1", "sleep 0.1", ["--max-slowdown", "3%", "--budget", "0.9s"], "inconclusive", (4, 4)),
        ("sleep 0.1", "sleep 0.1", ["--max-slowdown", "3%", "--budget", "0.1s"], "inconclusive", (4, 4)),
    ],
    ids=["pass", "fail", "measured", "faster", "invalid", "no interval", "no round"],
)
def test_what_frbench_ab_wrote_is_gated(
    tmp_path: Path, called: Gated, a: str, b: str, options: list[str], said: str, codes: tuple[int, int]
):
    """Both commands, through a directory: the file of every outcome has a verdict, and the same code."""
    sides = [["--", "sh", "-c", side.format(count=tmp_path / "count") if side == JITTERS else side] for side in (a, b)]
    ab_out, gate_out = tmp_path / "ab", tmp_path / "gate"
    asked = called("ab", "--pairs", "14", *options, "--out", str(ab_out), "--quiet", *sides[0], *sides[1])
    gated = called("gate", str(ab_out), "--out", str(gate_out), "--quiet")

    assert files.read_json(ab_out / "ab.json")["outcome"] == said
    assert [asked, gated] == [(code, "", "") for code in codes]
    kept = files.read_json(gate_out / "gate.json", schema="frbench.gate")
    assert kept["outcome"] == {0: "pass", 1: "fail", 4: "inconclusive"}[codes[1]]
    assert sorted(path.name for path in gate_out.iterdir()) == ["gate.json", "gate.md", "gate.xml"]


def test_a_file_of_rules_is_held_against_what_frbench_ab_measured(place: Path):
    """In one shell: 10% more than A breaks a bound of 3%, and a name with brackets stays whole."""
    (place / "slow.toml").write_text('[[rule]]\nchange = "median[p99[ms]]"\nupper = "3%"\n')
    sides = [f"""sh -c 'echo "{{\\"frbench_ab\\": {{\\"p99[ms]\\": {seconds}}}}}"'""" for seconds in (1, 1.1)]
    script = f"frbench ab --pairs 10 --out ab -- {sides[0]} -- {sides[1]} && frbench gate ab --rules slow.toml"
    done = run(place, "bash", "-c", script)

    assert done.returncode == 1, done.stderr
    assert "change of median[p99[ms]]" in done.stdout
    assert re.search(r"measured +p99\[ms\]: B/A is 1\.1000", done.stdout)
    assert re.search(r"^p99\[ms\] +1 +1\.1 ", done.stdout, re.MULTILINE)


def test_a_run_that_is_not_complete_is_invalid(place: Path, gated: Gated):
    """A tally of some of its tiles has the rates of some of its people."""
    whole: Any = verified(people(2), "half")
    tally = replace(whole.tally, tiles=frozenset(list(whole.tally.tiles)[:-1]))
    saved_run(replace(whole, tally=tally), place / "half")
    code, _, err = gated("half", "--rules", "pass.toml")

    assert (code, "has not counted all of its trials" in err) == (4, True)
