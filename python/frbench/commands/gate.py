"""`frbench gate`: a run, a baseline and rules in; a verdict, its table and its exit code out."""

from __future__ import annotations

import json
from pathlib import Path

import click

from frbench import files
from frbench.errors import InputError, OutputError
from frbench.gates.gate import gate, read, read_baseline
from frbench.gates.output import show, to_json, to_junit, to_markdown
from frbench.gates.rules import DOUBTS, Doubt, Rules, default_for_times
from frbench.gates.verdicts import Gate
from frbench.systems.compare import Run

PATH = click.Path(path_type=Path)


@click.command(name="gate", short_help="Hold a run against rules: pass, fail or inconclusive, for CI.")
@click.argument("run", type=PATH)
@click.option("--baseline", type=PATH, help="Run or file that changes are held against.")
@click.option("--rules", "rules_path", type=PATH, metavar="FILE", help="Rules, in TOML; for files of pytest-benchmark "
              "and of frbench ab the default is that no median rises by more than 5%.")  # fmt: skip
@click.option("--doubt", type=click.Choice(DOUBTS), help="What an inconclusive row does, instead of what rules say.")
@click.option("--allow-other-machine", is_flag=True, help="Compare times of two machines.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False),
              help="Directory for gate.json, gate.xml (JUnit) and gate.md.")  # fmt: skip
@click.option("--summary", type=PATH, metavar="FILE", help="Append Markdown, as to $GITHUB_STEP_SUMMARY.")
@click.option("--json", "as_json", is_flag=True, help="Print gate.json instead of a table.")
@click.option("--quiet", is_flag=True, help="No table.")
def gate_command(
    run: Path,
    baseline: Path | None,
    rules_path: Path | None,
    doubt: Doubt | None,
    allow_other_machine: bool,
    out: Path | None,
    summary: Path | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Hold RUN against rules about its intervals, and against a baseline.

    RUN is a run directory, a file that pytest-benchmark wrote, or ab.json of frbench ab. Exit codes: 0 pass, 1 fail,
    2 misuse, 3 no baseline or not comparable, 4 inconclusive or invalid.

    \b
    frbench gate out/new --rules gates.toml
    frbench gate out/new --baseline out/main --rules gates.toml --out out/gate --summary "$GITHUB_STEP_SUMMARY"
    frbench gate bench.json --baseline old.json
    """
    rules = None if rules_path is None else Rules.read(rules_path, doubt=doubt)
    if out is not None:
        files.prepare(out)
    source, other = read(run), read_baseline(baseline)
    if rules is None:
        if isinstance(source, Run):
            raise InputError(f"{run} is a run, and there are no rules for it; give --rules gates.toml")
        rules = default_for_times(doubt)
    found = gate(source, rules, baseline=other, allows_other_machines=allow_other_machine)
    _write(found, out, summary)
    if as_json:
        click.echo(json.dumps(to_json(found)))
    elif not quiet:
        show(found)
    return found.exit_code


def _write(found: Gate, out: Path | None, summary: Path | None) -> None:
    if out is not None:
        files.write_json(out / "gate.json", to_json(found))
        files.write(out / "gate.xml", to_junit(found))
        files.write(out / "gate.md", to_markdown(found))
    if summary is not None:
        try:
            with summary.open("a") as file:
                file.write(to_markdown(found))
        except OSError as error:
            raise OutputError(f"cannot append to {summary}: {error.strerror}; choose another --summary") from error
