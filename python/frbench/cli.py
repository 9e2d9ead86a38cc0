"""Loads and runs the command that is called, and turns mistakes into one sentence and an exit code."""

from __future__ import annotations

import io
import signal
import sys
from importlib import import_module
from typing import NoReturn

import click

from frbench.errors import FrbenchError, InputError

INTERRUPTED = 130
# Each command is `command` in a module of frbench.commands of its name; this is its line of help.
COMMANDS = {
    "ab": "Compare the speed of two commands in randomised pairs.",
    "ann": "Search with an approximate index: whom it misses, by group, and what it gains.",
    "audit-log": "Check the audit log of a server.",
    "compare": "Compare systems on the same trials: paired differences by group.",
    "demo": "Benchmark the example templates by sex, in one report.",
    "export": "Write the tables of a run as CSV or Parquet, or its kept pairs for bob.",
    "fuse": "Fuse two systems and compare pairs, 1:1, by what both say.",
    "gate": "Hold a run against rules: pass, fail or inconclusive, for CI.",
    "history": "Show the figures of many runs over time or version.",
    "identify": "Search probes in a gallery, 1:N: FPIR, FNIR and CMC by group.",
    "info": "Show what frbench found on this machine, and what its kernels do.",
    "latency": "Time searches by probe group on this machine.",
    "load": "Send searches to a server at a steady rate: latency by probe group.",
    "plan": "What a search on a cluster will take: memory, workers, hours, price.",
    "power": "How many people it takes to see a difference between groups.",
    "precision": "Store templates in fewer bits or dimensions: errors by group.",
    "report": "Write one page from finished runs; sign it, verify it.",
    "serve": "Serve galleries, exact searches and sweeps over gRPC.",
    "token": "Make a token for a caller of a server.",
    "transfer": "Check whether a threshold keeps its promise on other people.",
    "verify": "Compare all pairs, 1:1: FMR and FNMR by group.",
}


def main() -> NoReturn:
    """Runs the command and exits: 0, its own code, 2 for a mistake in the input, 130 when interrupted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        sys.exit(app.main(standalone_mode=False) or 0)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _say("stopped; where progress was kept, the same command goes on from it")
        sys.exit(INTERRUPTED)
    except FrbenchError as error:
        _say(f"error: {error}")
        sys.exit(error.exit_code)
    except MemoryError:
        _say("error: out of memory; use fewer --group columns, a coarser --axis-step or a smaller file")
        sys.exit(InputError.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    finally:
        # After an interrupt in code that is made from text, as methods of dataclasses are, `python -m` dies by SIGINT
        # whatever it exits with, unless other such code has run since.
        exec("")


def _say(text: str) -> None:
    click.echo(f"frbench: {text}", err=True)


class Commands(click.Group):
    """Commands that names and lines stand in for, in help and completion, until one is called and loaded."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that `args` name, loaded, and what is left of them."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, None if found is None else loaded(str(name)), rest


def loaded(name: str) -> click.Command:
    """The command of this name in the table."""
    found: click.Command = import_module(f"frbench.commands.{name.replace('-', '_')}").command
    return found


@click.group(
    cls=Commands,
    commands={name: click.Command(name, short_help=line) for name, line in COMMANDS.items()},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="frbench")
def app() -> None:
    """Benchmark and audit face-recognition matching, by demographic group.

    frbench takes templates (embeddings) that a matcher made, counts exactly, and reports error rates with
    their numerators, denominators and intervals, and latency, by group.

    \b
    Start with:  frbench demo   (in the repository, which has the example templates)
    Then:        frbench verify templates.npy --labels labels.csv --group sex --at fmr=1e-3,1e-4
    """
