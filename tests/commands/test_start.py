"""How the command line starts: the table of commands against the commands, and what nobody waits for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

import frbench
from frbench import cli

HEAVY = ("scipy", "pyarrow", "numpy", "rich", "grpc", "jinja2", "cryptography", "frbench.runs.identify", "frbench.page")
COMMANDS = Path(frbench.__file__).parent / "commands"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_table_names_commands_that_exist(name: str):
    """Each under its own name, with a help text of its own."""
    command = cli.loaded(name)

    assert (name, True) == (command.name, bool(command.help))


def test_the_table_misses_no_command():
    """Every file of the folder is in it, but for what commands share."""
    listed = {name.replace("-", "_") for name in cli.COMMANDS}
    assert {path.stem for path in COMMANDS.glob("*.py")} == listed | {"__init__"}


def test_help_lists_every_command_with_its_line():
    """In the order of the alphabet."""
    output = CliRunner().invoke(cli.app, ["--help"], terminal_width=110).output
    lines = [line.split(maxsplit=1) for line in output.partition("Commands:\n")[2].splitlines()]

    assert sorted([name, line] for name, line in cli.COMMANDS.items()) == lines


def modules_after(code: str) -> set[str]:
    """Names of what a fresh interpreter has loaded after `code`, which may exit."""
    text = f"import json, sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["verfy"],
        ["verify", "--help"],
        ["verify", "t.npy", "--axis-stop", "1"],
        ["identify", "t.npy", "--ranks", "x"],
        ["latency", "--help"],
        ["demo", "--help"],
        ["fuse", "a.npy", "b.npy"],
    ],
)
def test_what_needs_no_numbers_loads_no_numbers(arguments: list[str]):
    """Help and mistakes in options are told before any of the libraries that count is loaded."""
    loaded = modules_after(f"from frbench import cli; sys.argv[1:] = {arguments!r}; cli.main()")

    assert "click" in loaded
    assert loaded & set(HEAVY) == set()


def test_the_package_loads_a_name_when_it_is_asked_for():
    """And is itself loaded with nothing."""
    assert modules_after("import frbench") & set(HEAVY) == set()
    assert "numpy" in modules_after("import frbench; frbench.Gallery")
    assert "scipy" not in modules_after("import frbench; frbench.Gallery; frbench.load; frbench.Tally")


PUBLIC = """
import frbench
for name in frbench.__all__:
    assert (name, True) == (getattr(frbench, name).__name__, name in dir(frbench))
assert frbench.tally.Tally is frbench.Tally
try:
    frbench.nothing
except AttributeError as error:
    print(error)
"""


def test_every_public_name_is_there():
    """Those of __all__, and the modules in which they stand; and no other. In a fresh interpreter: names are kept."""
    found = subprocess.run([sys.executable, "-c", PUBLIC], capture_output=True, text=True, check=True)
    assert found.stdout == "module 'frbench' has no attribute 'nothing'\n"


def test_a_run_calls_no_server_and_signs_nothing():
    """Its modules load neither grpcio nor cryptography."""
    assert modules_after("import frbench.api") & {"grpc", "google.protobuf", "cryptography"} == set()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([""], sorted(cli.COMMANDS)),
        (["ver"], ["verify"]),
        (["verify", "--at"], ["--at", "--at-population"]),
        (["report", ""], ["keygen", "verify", "write"]),
    ],
)
def test_a_shell_completes(words: list[str], expected: list[str]):
    """Commands from the table, their options and the commands below them from the commands."""
    shell = BashComplete(cli.app, {}, "frbench", "_FRBENCH_COMPLETE")
    assert expected == [item.value for item in shell.get_completions(words[:-1], words[-1])]


def test_a_name_that_is_no_command_is_told_with_the_nearest():
    """As click does it."""
    found = CliRunner().invoke(cli.app, ["verfy"])
    assert isinstance(cli.app, click.Group)
    assert (2, True) == (found.exit_code, "No such command 'verfy'" in found.output)


def test_no_part_of_the_package_hides_a_public_name():
    """A module that is imported stands in the package under its own name, whatever stood there."""
    parts = {path.stem for path in Path(frbench.__file__).parent.iterdir()}

    assert not parts & set(frbench.__all__)
