"""The commands `frbench report`: a page from finished runs or tallies, its signature, and whether it still holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from frbench import files
from frbench.choices import FAILED_POLICIES
from frbench.commands.options.amounts import groupings, numbers
from frbench.commands.options.common import PATH
from frbench.counting.calibrate import parse_targets
from frbench.errors import InputError
from frbench.finished_run import FinishedRun
from frbench.page import render
from frbench.runs import signing
from frbench.runs.reread import read_tally

PAGE = "report.html"
TITLE = "Face matching by demographic group"
WRITE = "write"


class _WriteByDefault(click.Group):
    """A group whose first word may be a run: then a page is written."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts the default command in front, where no other one and no help is asked for."""
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = [WRITE, *args]
        return super().parse_args(ctx, args)


@click.group(name="report", cls=_WriteByDefault)
def command() -> None:
    """Write one page from finished runs (run directories) or tallies, sign a run, verify a signature.

    \b
    frbench report out/verify out/identify --out both.html
    frbench report tally.safetensors --group sex --at fmr=1e-3
    frbench report keygen auditor.key
    frbench report --sign auditor.key out/verify
    frbench report verify out/verify --public-key auditor.key.pub
    """


@command.command(name=WRITE, short_help="Write one page; what `frbench report RUN` does.")
@click.argument("runs", nargs=-1, required=True, type=PATH)
@click.option("--out", type=PATH, help=f"The page to write.  [default: {PAGE}]")
@click.option("--title", default=TITLE, show_default=True)
@click.option("--group", "groupings", multiple=True, callback=groupings, metavar="COLUMN[,COLUMN]",
              help="Groups of a tally, of columns that it was counted by.  [default: all of them]")  # fmt: skip
@click.option("--thresholds", callback=partial(numbers, float), metavar="T,T,...",
              help="Thresholds of a tally, edges of its axis.")  # fmt: skip
@click.option("--at", multiple=True, metavar="RATE=F[,F...]",
              help="Set thresholds of a tally at these rates.  [default: fmr=1e-3,1e-4 or fpir=0.1,0.01]")  # fmt: skip
@click.option("--failed", type=click.Choice(FAILED_POLICIES), default="reject", show_default=True,
              help="Trials of a tally with a failed template.")  # fmt: skip
@click.option("--sign", "key", type=PATH, metavar="KEY",
              help=f"Write the page into the run, and sign all that is there ({files.SIGNATURE}).")  # fmt: skip
@click.option("--signer", default="", metavar="WORDS", help="Who signs, for the statement.")
def write_command(runs: tuple[Path, ...], out: Path | None, title: str, key: Path | None, **given: Any) -> None:
    """Write one page from finished RUNS: run directories, or tally files alone."""
    if key is not None:
        _sign(runs, out, title, key, given["signer"])
        return
    sections = [_section(run, given) for run in runs]
    page = out or Path(PAGE)
    files.write(page, render(sections, title=title))
    click.echo(f"report: {page}")


@command.command(name="keygen", short_help="Make a pair of keys to sign with.")
@click.argument("key", type=PATH)
def keygen_command(key: Path) -> None:
    """Write a new private key to KEY, readable by its owner alone, and the public key to KEY.pub."""
    public = signing.make_keys(key)
    click.echo(f"private key: {key}; keep it to yourself\npublic key: {public}")
    click.echo(f"fingerprint: {signing.fingerprint(signing.read_public(public))}")


@command.command(name="verify", short_help="Whether a run is as it was signed.")
@click.argument("run", type=PATH)
@click.option("--public-key", "key", type=PATH, required=True,
              help="Public key of the signer, from a source you trust.")  # fmt: skip
@click.option("--inputs", "checks_inputs", is_flag=True, help="Read the input files again, too, from where they lay.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify_command(run: Path, key: Path, checks_inputs: bool, as_json: bool) -> None:
    """Say whether RUN is as it was signed, file by file. Exit code 1: it is not.

    \b
    frbench report verify out/verify --public-key auditor.key.pub
    """
    found = signing.verify(run, signing.read_public(key), checks_inputs=checks_inputs)
    if as_json:
        click.echo(json.dumps(found.to_json()))
        return
    statement = found.statement
    who = f" by {statement['signer']}" if statement["signer"] else ""
    click.echo(f"{run} is as it was signed{who} at {statement['signed']}, with the key {statement['public_key']}")
    click.echo(f"files: {', '.join(each['name'] for each in statement['files'])}")
    for source in statement["inputs"]:
        click.echo(f"input: {source['path']} sha256 {source['sha256']}{' unchanged' if checks_inputs else ''}")


def _section(path: Path, given: dict[str, Any]) -> FinishedRun:
    """A finished run, or what a tally alone tells."""
    if path.is_dir():
        if chosen := [name for name in ("groupings", "thresholds", "at") if given[name]]:
            option = "group" if chosen[0] == "groupings" else chosen[0]
            raise InputError(f"--{option} is for a tally alone, and {path} is a run; give {path / 'tally.safetensors'}")
        tallies = sorted(path.glob("*.safetensors"))
        if tallies and not (path / "results.json").exists():
            raise InputError(f"{path} is no run directory; a tally is named by itself, such as {tallies[0]}")
        return FinishedRun.read(path)
    kind = files.load_tally(path).plan.kind
    default = "fpir=0.1,0.01" if kind == "identify" else "fmr=1e-3,1e-4"
    texts = given["at"] or (() if given["thresholds"] else (default,))
    return read_tally(
        path,
        groupings=given["groupings"],
        thresholds=given["thresholds"],
        targets=[target for text in texts for target in parse_targets(text, ["fmr", "fpir"])],
        failed=given["failed"],
    )


def _sign(runs: tuple[Path, ...], out: Path | None, title: str, key: Path, signer: str) -> None:
    if len(runs) != 1 or not runs[0].is_dir():
        raise InputError(f"--sign is given {len(runs)} runs, expected one run directory: each has its own signature")
    if out is not None:
        raise InputError(f"--out is {out}, but the page that is signed stands in the run; leave --out out")
    private, run = signing.read_private(key), runs[0]
    files.write(run / PAGE, render([FinishedRun.read(run)], title=title))
    when = datetime.now(UTC).isoformat(timespec="seconds")
    statement = signing.sign(run, private, signer=signer, signed=when, frbench=version("frbench"))
    click.echo(f"report: {run / PAGE}\nsignature: {run / files.SIGNATURE}, of {len(statement['files'])} files")
    click.echo(f"key: {statement['public_key']}")
