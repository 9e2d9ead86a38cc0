"""Process: fresh ones, what they print, and how they fail."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from frbench.errors import InputError
from frbench.speed.printed import pattern
from frbench.speed.process import Command, split

HOLD = "import time; print('begun', flush=True); time.sleep(60)"


def python(code: str, **given) -> Command:
    """A command of this interpreter."""
    return Command("A", (sys.executable, "-I", "-S", "-c", code), **given)


def is_gone(pid: str) -> bool:
    """Whether a process is no more; a killed orphan may stand as a zombie until the system collects it."""
    state = Path(f"/proc/{pid.strip()}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] in "ZX"


def wait_until_gone(pid: str) -> None:
    """Returns when a process has ended: a signal to an orphan is delivered a moment after it was sent."""
    end = time.monotonic() + 30
    while not is_gone(pid):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_each_call_is_a_fresh_process(tmp_path: Path):
    """Three calls write three process ids."""
    ids = tmp_path / "ids"
    command = python(f"import os; open({str(ids)!r}, 'a').write(f'{{os.getpid()}}\\n')")
    for _ in range(3):
        command()

    assert len(set(ids.read_text().split())) == 3


def test_a_command_that_prints_no_figure_is_timed_whole():
    """The wall time is the default; it is at least as long as the process slept."""
    found = python("import time; time.sleep(0.05)")()

    assert set(found) == {"wall"}
    assert found["wall"] >= 0.05


def test_processor_time_is_that_of_the_process_and_of_what_it_waited_for():
    """A child that spins for 0.1 s of processor time is counted, sleep is not."""
    spin = "import time\nwhile time.process_time() < 0.1: pass"
    code = (
        f"import subprocess, sys, time; subprocess.run([sys.executable, '-I', '-S', '-c', {spin!r}]); time.sleep(0.2)"
    )
    found = python(code, clocks=("wall", "cpu"))()

    # The kernel's accounts may be off by a tick of 10 ms.
    assert found["cpu"] >= 0.09
    assert found["wall"] >= found["cpu"] + 0.1


def test_figures_that_it_prints_take_the_place_of_the_wall_time():
    """Unless a clock is asked for as well."""
    code = """print('{"frbench_ab": {"p99": 0.25}}')"""

    assert python(code)() == {"p99": 0.25}
    assert set(python(code, clocks=("wall",))()) == {"p99", "wall"}
    assert python("print('took 7 ms')", patterns=(pattern(r"took (\d+)"),))() == {"printed": 7.0}


@pytest.mark.parametrize(
    ("code", "given", "message"),
    [
        ("print('one'); raise SystemExit(3)", {}, r"exit code 3, expected 0; the end of its output:\n  \| one$"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", {}, r"ended by SIGTERM; it printed nothing$"),
        (HOLD, {"timeout_s": 0.5}, r"killed after 0.5 s; allow more with --timeout; .*\n  \| begun$"),
        ("print('two')", {"patterns": (pattern("p99 (.)"),)}, r"nothing .* matches 'p99 \(\.\)'; .*\n  \| two$"),
    ],
    ids=["exit code", "signal", "timeout", "no figure"],
)
def test_a_failure_is_one_sentence_and_the_end_of_the_output(code: str, given: dict, message: str):
    """Side, command, what happened, what was printed."""
    with pytest.raises(InputError, match=message) as caught:
        python(code, **given)()
    assert str(caught.value).startswith("A (")


def test_a_long_output_is_shown_from_its_end():
    """Fifteen lines of a thousand."""
    with pytest.raises(InputError) as caught:
        python("for i in range(1000): print(f'line {i}')\nraise SystemExit(1)")()
    shown = str(caught.value).split("\n")[1:]

    assert shown == [f"  | line {i}" for i in range(985, 1000)]


def test_a_killed_command_takes_its_children_along(tmp_path: Path):
    """The child of a command that is too slow does not go on to disturb the next one."""
    pid = tmp_path / "pid"
    code = f"echo $$ > {pid}; exec sleep 60"
    with pytest.raises(InputError, match="was killed"):
        Command("A", ("sh", "-c", f"sh -c '{code}' & wait"), timeout_s=1)()

    wait_until_gone(pid.read_text())


def test_what_a_command_leaves_behind_is_ended(tmp_path: Path):
    """It succeeded, and what it started would have taken time from the next one."""
    pid = tmp_path / "pid"
    found = Command("A", ("sh", "-c", f"sleep 60 & echo $! > {pid}"))()

    assert set(found) == {"wall"}
    wait_until_gone(pid.read_text())


def test_a_metric_with_the_name_of_a_clock_is_refused():
    """One of the two would be lost."""
    with pytest.raises(InputError, match="it prints a metric wall, the name of the clock --wall"):
        python("""print('{"frbench_ab": {"wall": 1}}')""", clocks=("wall",))()


def test_a_long_line_is_shown_from_its_end():
    """A megabyte without a line break is not an error message."""
    with pytest.raises(InputError) as caught:
        python("print('x' * 1_000_000 + 'end'); raise SystemExit(1)")()

    assert str(caught.value).endswith("xend")
    assert len(str(caught.value)) < 600


def test_a_missing_program_is_named():
    """It cannot be started."""
    with pytest.raises(InputError, match=r"B \(no-such-program x\): it cannot be started"):
        Command("B", ("no-such-program", "x"))()


def test_commands_are_split_at_the_mark():
    """Options of theirs stay theirs."""
    assert split(["a", "-x", "--", "b", "--y"]) == (("a", "-x"), ("b", "--y"))


@pytest.mark.parametrize("words", [["a"], ["a", "--"], ["--", "b"], ["a", "--", "b", "--", "c"], []])
def test_other_than_two_commands_are_misuse(words: list[str]):
    """One, none, or three."""
    with pytest.raises(InputError, match="expected frbench ab"):
        split(words)
