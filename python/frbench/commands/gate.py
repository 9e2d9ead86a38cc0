"""`frbench gate`: a run, a baseline and rules in; a verdict, its table and its exit code out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from frbench import files
from frbench.commands.options.common import PATH
from frbench.errors import OutputError
from frbench.gates.gate import default_rules, gate, read, read_baseline
from frbench.gates.output import show, to_json, to_junit, to_markdown
from frbench.gates.rules import DOUBTS, Rules
from frbench.gates.verdicts import Gate
from frbench.runs.directory import VERDICTS

FILES = ("gate.json", *VERDICTS)


@click.command(name="gate")
@click.argument("run", type=PATH)
@click.option("--baseline", type=PATH, help="Run or file that changes are held against.")
@click.option("--rules", type=PATH, metavar="FILE", help="Rules, in TOML. Default: of frbench ab the "
              "limit that it was given, else that no median rises by more than 5%.")  # fmt: skip
@click.option("--doubt", type=click.Choice(DOUBTS), help="What an inconclusive row does, instead of what rules say.")
@click.option("--allow-other-machine", is_flag=True, help="Compare times of two machines.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False),
              help="Directory for gate.json, gate.xml (JUnit) and gate.md.")  # fmt: skip
@click.option("--summary", type=PATH, metavar="FILE", help="Append Markdown, as to $GITHUB_STEP_SUMMARY.")
@click.option("--json", "as_json", is_flag=True, help="Print gate.json instead of a table.")
@click.option("--quiet", is_flag=True, help="No table.")
def command(run: Path, out: Path | None, summary: Path | None, as_json: bool, quiet: bool, **given: Any) -> int:
    """Hold RUN against rules about its intervals, and against a baseline.

    RUN is a run directory, a file that pytest-benchmark wrote, or the directory or ab.json of frbench ab, which is its
    own baseline: B is held against A, and a bound within the noise floor blocks whatever --doubt says. Exit codes:
    0 pass, 1 fail, 2 misuse, 3 no baseline or not comparable, 4 inconclusive or invalid.

    \b
    frbench gate out/new --rules gates.toml
    frbench gate out/new --baseline out/main --rules gates.toml --out out/gate --summary "$GITHUB_STEP_SUMMARY"
    frbench gate bench.json --baseline old.json
    frbench ab --max-slowdown 3% --out out/ab -- ./old -- ./new; frbench gate out/ab --out out/gate
    """
    doubt, path = given["doubt"], given["rules"]
    rules = None if path is None else Rules.read(path, doubt=doubt)
    if out is not None:
        files.remove(files.prepare(out) / name for name in FILES)
    source, other = read(run), read_baseline(given["baseline"])
    held = rules or default_rules(source, doubt)
    found = gate(source, held, baseline=other, allows_other_machines=given["allow_other_machine"])
    _write(found, out, summary)
    if as_json:
        click.echo(json.dumps(to_json(found)))
    elif not quiet:
        show(found)
    return found.exit_code


def _write(found: Gate, out: Path | None, summary: Path | None) -> None:
    if out is not None:
        as_json, as_junit, as_markdown = (out / name for name in FILES)
        files.write_json(as_json, to_json(found))
        files.write(as_junit, to_junit(found))
        files.write(as_markdown, to_markdown(found))
    if summary is not None:
        try:
            with summary.open("a") as file:
                file.write(to_markdown(found))
        except OSError as error:
            raise OutputError(f"cannot append to {summary}: {error.strerror}; choose another --summary") from error
